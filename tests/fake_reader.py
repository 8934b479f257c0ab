"""Stands in for `reading.read` in workers: does what the name of the file says, to the process that reads it."""

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
    what = file.name.partition(" ")[2]
    _seen.append(what)
    if what in _HARM:
        _HARM[what]()
    if what == "eat what is left" and len(_seen) > 1:
        raise MemoryError
    if what == "binary":
        raise BinaryFileError(file.name, "is binary", "leave it")
    if what == "none":
        raise FileNotFoundError(2, "No such file or directory")
    if what == "note":  # who reads it
        Path(file.path).write_text(str(os.getpid()))
    if what == "modules":
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


_HARM: dict[str, Callable[[], object]] = {
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
