"""A stand-in for `reading.read` in workers: it does to its process what the name of the file says."""

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vsearch_core.errors import BinaryFileError
from vsearch_core.text.files import FileRead, FileToRead

_seen: list[str] = []


def read(file: FileToRead, *settings: object) -> FileRead:
    action = file.name.partition(" ")[2]
    _seen.append(action)
    if action in _ACTIONS:
        _ACTIONS[action]()
    if action == "eat what is left" and len(_seen) > 1:
        raise MemoryError
    is_fatal = action in {"fatal.eml", "fatal.zip"}
    if is_fatal or (action in {"fatal attachment.eml", "fatal member.zip"} and file.with_attachments):
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "binary":
        raise BinaryFileError(file.name, "is binary")
    if action == "none":
        raise FileNotFoundError(2, "No such file or directory")
    if action == "note":  # who reads it
        Path(file.path).write_text(str(os.getpid()))
    if action == "modules":
        import vsearch_core.text.reading  # noqa: F401

        return FileRead(b"", title=" ".join(sys.modules))
    return FileRead(file.name.encode(), title=repr(settings))


def _print() -> None:
    print("a parser's chatter")
    print("more of it", file=sys.stderr)
    os.write(1, b"garbage" * 1000)
    sys.stdout.close()


def _litter() -> None:
    (Path(tempfile.mkdtemp()) / "page.png").touch()
    os.kill(os.getpid(), signal.SIGKILL)


_ACTIONS: dict[str, Callable[[], object]] = {
    "hang": lambda: time.sleep(1000),
    "hang in C": lambda: re.match(r"(a|a)*b", "a" * 60),  # the interpreter runs nothing else meanwhile
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "close all": lambda: os.closerange(0, 100),
    "bug": lambda: 1 / 0,
    "eat": lambda: [bytearray(b"x" * 1_000_000) for _ in range(10_000)],
    "late": lambda: time.sleep(0.2),
    "print": _print,
    "litter": _litter,
}
