"""What reading one file may cost: a bomb costs itself only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vsearch_core.errors import EncryptedError, ExtractionError
from vsearch_core.text.extract.decode import one_line

MAX_EXPANDED = 300_000_000  # bytes that all compressed parts of a file may come to
MAX_UNPACKED = 100_000_000  # bytes of a single file behind gzip, bzip2 or xz
MAX_TEXT = 60_000_000  # characters of one file; a thousand novels have fewer
MAX_PARAGRAPH = 10_000_000  # characters between two line ends, of formats that are taken apart
MAX_TOKEN = 4_000_000  # bytes of one piece of markup: a tag with all its attributes, a comment
MAX_PARTS = 20_000  # members of a package, messages of a mailbox, cells of a notebook that are read
MAX_DEPTH = 500  # elements, parts or lists inside one another
SECONDS_A_FILE = 30.0  # of wall-clock time, where a worker reads it; and for each of its megabytes:
SECONDS_A_MEGABYTE = 2.0
MEMORY_A_FILE = 256_000_000  # bytes that a worker may fill, itself included; and for each of the file's, at most:
MEMORY_A_BYTE = 20
MOST_MEMORY = 640_000_000
_WITHOUT_IT = "leave it out with --exclude, or split it"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may take for one file: seconds, and bytes of memory."""

    seconds: float
    memory: int


def limits_of(size: int, seconds: float) -> Limits:
    """The limits of a file of so many bytes that is given so many seconds whatever its size."""
    memory = min(MEMORY_A_FILE + MEMORY_A_BYTE * size, MOST_MEMORY)
    return Limits(seconds + SECONDS_A_MEGABYTE * (size / 1e6), memory)


@contextmanager
def unlimited_memory() -> Iterator[None]:
    """For a program that is started inside: it would inherit our limit."""
    if sys.platform == "win32":
        yield
        return
    import resource

    limit, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def too_large(name: str) -> ExtractionError:
    """The error for what would grow beyond a limit."""
    return ExtractionError(name, "grows too large when it is unpacked", _WITHOUT_IT)


def encrypted(name: str, password: str) -> EncryptedError:
    """The error for what needs a password, or another than the one that was tried."""
    reason = "is encrypted, and the password does not open it" if password else "is encrypted"
    step = "give the right one" if password else "index with its password as VSEARCH_PASSWORD or --password"
    return EncryptedError(name, reason, step)


def damaged(name: str, kind: str, error: Exception | str) -> ExtractionError:
    """The error for bytes that are not what the name says; the parser's own words on one line."""
    said = one_line(str(error)) or type(error).__name__
    reason = f"is no readable {kind} ({said[:200]})"
    return ExtractionError(name, reason, "open it in its own program, and save it again if it shows")


def too_slow(name: str, limits: Limits) -> ExtractionError:
    """The error for what is not read in its time."""
    return ExtractionError(name, f"took longer than {limits.seconds:.0f} s to read", _WITHOUT_IT)


def too_hungry(name: str, limits: Limits) -> ExtractionError:
    """The error for what can't be read in its memory."""
    return ExtractionError(name, f"needs more than {limits.memory / 1e6:.0f} MB to read", _WITHOUT_IT)


def fatal(name: str, status: int) -> ExtractionError:
    """The error for what ended the process that read it, by a signal (negative) or with a status."""
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return ExtractionError(name, f"ended its reader ({how})", _WITHOUT_IT)
