"""End the process after Ctrl-C even while it is inside one long computation.

Python handles a signal between two steps of its own, so not before a long call of SQLite, or of another library, has
returned. An exception that a signal raises inside a function called by SQLite is lost, besides. A thread therefore
waits for the signal, and ends the process if that has not reacted after a while. That is as safe as `kill -9`: what is
committed is kept.
"""

import os
import signal
import time
from _thread import allocate_lock, start_new_thread
from dataclasses import dataclass

INTERRUPTED = 130  # exit status
GRACE = 3.0  # seconds from a signal to the end of a process that has not ended by itself
ORDERLY_GRACE = 10.0  # seconds for a run that stops between two steps: a step may embed a batch, or wait for a provider


@dataclass(slots=True)
class Interrupt:
    """The state of signal handling in this process.

    `raised` is true once a signal has raised KeyboardInterrupt, even if that exception was lost. `stops_in_order` is
    true during a run that stops between two steps, and `noticed` once that run has noticed the signal.
    """

    raised: bool = False
    stops_in_order: bool = False
    noticed: bool = False


INTERRUPT = Interrupt()
_ENDING = allocate_lock()


def handle_signals() -> None:
    """Let SIGINT raise KeyboardInterrupt, and end the process if it still runs some seconds after a signal."""
    signal.signal(signal.SIGINT, raise_interrupt)
    if os.name != "posix":  # elsewhere Python writes signals to sockets only
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    start_new_thread(_end_after_signals, (reader,))


def raise_interrupt(_number: int, _frame: object) -> None:
    """Handle a signal: raise KeyboardInterrupt, and remember it."""
    INTERRUPT.raised = True
    raise KeyboardInterrupt


def refuse_results_after_interrupt() -> None:
    """Raise KeyboardInterrupt if one was raised before, and lost: results may then be wrong."""
    if INTERRUPT.raised:
        raise KeyboardInterrupt


def limit_orderly_stop() -> None:
    """Start a timer that ends the process in some seconds, unless the run has noticed the signal by then.

    Call this in a signal handler. The thread that `handle_signals` starts is not enough: while a regular expression is
    matched, no other thread runs, but Python still calls signal handlers, such as that of this timer.
    """
    if os.name == "posix":
        signal.signal(signal.SIGALRM, lambda *_: None if INTERRUPT.noticed else _end())
        signal.setitimer(signal.ITIMER_REAL, ORDERLY_GRACE)


def _end() -> None:
    from .output import complain

    if _ENDING.acquire(blocking=False):  # not twice: from the thread and from the handler
        complain("interrupted")
        os._exit(INTERRUPTED)


def _end_after_signals(reader: int) -> None:
    signals = 0
    while byte := os.read(reader, 1):
        if byte[0] not in {signal.SIGINT, signal.SIGTERM}:
            continue
        signals += 1  # whoever sends a second one doesn't want to wait
        is_orderly = signals == 1 and INTERRUPT.stops_in_order
        time.sleep(ORDERLY_GRACE if is_orderly else GRACE)
        if not (is_orderly and INTERRUPT.noticed):
            _end()
