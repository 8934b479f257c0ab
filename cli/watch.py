"""`vsearch index --watch`: what is said while an index is kept fresh."""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from .output import complain, plural, say
from .progress import Bar

if TYPE_CHECKING:
    from vsearch_core.index.watch import WatchStarted
    from vsearch_core.index.writer import UpdateSummary


class News:
    """Lines of news. What the run before has said already is not said again."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._before: set[str] = set()
        self._now: set[str] = set()

    def __call__(self, line: str) -> None:
        if line not in self._before:
            self._write(line)
        self._now.add(line)

    def next_run(self) -> None:
        """A run has ended."""
        self._before, self._now = self._now, set()


def refuse_with(options: dict[str, bool]) -> None:
    """Raise InputError for what can't be had together with --watch, and where it can't be had at all."""
    from vsearch_core.errors import InputError
    from vsearch_core.index.watch import require_watchfiles

    for option, given in options.items():
        if given:
            raise InputError("--watch", f"it goes on for ever, and {option} is done once", "leave one of them out")
    require_watchfiles()


def keep_fresh(
    first: "UpdateSummary",
    update: Callable[[], "UpdateSummary"],
    tell: Callable[["UpdateSummary"], int],
    stop: Callable[[], bool],
    bar: Bar,
    news: News,
    *,
    quiet: bool,
) -> int:
    """After the first run, `update` the index until `stop`, and `tell` of the runs that changed anything.

    Returns the exit status of the last run.
    """
    from vsearch_core.index.watch import UpdateFailed, WatchStarted, watch_index

    bar.close()
    status, watching = tell(first), None
    news.next_run()
    with closing(watch_index(first.index, update, stop)) as events:
        for event in events:
            bar.close()
            if isinstance(event, WatchStarted):
                _tell_watching(event, watching, quiet=quiet)
                watching = event
            elif isinstance(event, UpdateFailed):
                complain(f"{event.error.thing}: {event.error.reason}; tried again in {event.pause:.0f} s")
                status = 2
            else:
                news.next_run()
                status = tell(event) if _is_news(event) else 2 * bool(event.failed)
    return status


def _is_news(run: "UpdateSummary") -> bool:
    return run.interrupted or any((run.added, run.changed, run.removed, run.moved, run.embedded))


def _tell_watching(now: "WatchStarted", before: "WatchStarted | None", *, quiet: bool) -> None:
    if now.obstacle and (before is None or before.obstacle is None):
        complain(
            f"can't watch {plural(now.folders, 'folder')}: {now.obstacle}; looks every now and then instead;"
            " on Linux, raise fs.inotify.max_user_watches"
        )
    elif before is None and not quiet:
        say(f"watching {plural(now.folders, 'folder')}; Ctrl-C ends")
