"""The values that reading files takes and gives, and the protocol of what reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Protocol

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Chunk, JsonValue


@dataclass(frozen=True, slots=True)
class FileToRead:
    """A file to read: its absolute path, its size in bytes, and the digests of its known versions."""

    path: str
    size: int
    known: tuple[bytes, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePath(self.path).name


@dataclass(frozen=True, slots=True)
class FileRead:
    """The digest of a file's bytes, and the content extracted from them.

    `chunks` is None if the digest is one of the known ones: such a file is not extracted again.
    """

    digest: bytes
    chunks: Sequence[Chunk] | None = None
    title: str | None = None
    language: str | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of reading one file, or the error that prevented it.

    `begun_ns` is a time (nanoseconds since the epoch) at which the file had not been opened yet: a later change of the
    file may be missing from the result.
    """

    begun_ns: int
    result: FileRead | ExtractionError | OSError


class Reader(Protocol):
    """Reads files and returns their outcomes in the order of the files."""

    def take(self, limit: int) -> list[Outcome]:
        """Return the next outcomes, at most `limit`; an empty list once all files are read.

        Once the reader's `stop` callback returns True, it waits for no file and may return fewer.
        """

    def close(self) -> None:
        """Stop reading, and release processes and threads."""
