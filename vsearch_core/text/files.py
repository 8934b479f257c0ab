"""The data types of reading files: the files to read, the results, and the protocol of readers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Chunk, FigurePixels, JsonValue, PictureSummary, TextBox


@dataclass(frozen=True, slots=True)
class FileToRead:
    """A file to read.

    Attributes:
        path: Its absolute path.
        size: Its size in bytes.
        known: The digests of contents that needn't be extracted again, because the index has them already.
        with_attachments: False to leave out attachments, or those files in an archive that are not plain text, because
            reading one of them has failed.
        data: Its content; None to read it from `path`.
        stored: Its path as an index stores it; "" if no index does.
    """

    path: str
    size: int
    known: tuple[bytes, ...] = ()
    with_attachments: bool = True
    data: bytes | None = None
    stored: str = ""

    @property
    def name(self) -> str:
        """Return the file's name: the last part of its path."""
        return os.path.basename(self.path)  # noqa: PTH119 - a `PurePath` for each file takes time


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture made smaller: the bytes of a JPEG without metadata, and its width and height in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class FileRead:
    """The result of reading a file.

    Attributes:
        digest: The digest (BLAKE2b, 16 bytes) of the file's content.
        chunks: The file's text as chunks; None if `FileToRead.known` has the digest, so that nothing was extracted.
        title: The document's title; None if it has none.
        language: The document's language code; None if it states none.
        metadata: Other properties of the document, such as its author.
        left_out: A message for each part of the file that couldn't be read, such as some pages.
        boxes: The places of recognised lines; None if no recognition was asked for.
        picture: What is kept of a picture; None if the file is none.
        figures: The pictures inside a document, if their pixels were asked for.
    """

    digest: bytes
    chunks: Sequence[Chunk] | None = None
    title: str | None = None
    language: str | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    boxes: tuple[TextBox, ...] | None = None
    picture: PictureSummary | None = None
    figures: tuple[FigurePixels, ...] = ()

    @property
    def memory(self) -> int:
        """Return the approximate number of bytes that the texts and the pixels take."""
        return sum(len(chunk.text) for chunk in self.chunks or ()) + self.pixel_bytes

    @property
    def pixel_bytes(self) -> int:
        """Return the number of bytes of the pixels."""
        own = 0 if self.picture is None else len(self.picture.pixels or b"")
        return own + sum(len(figure.pixels) for figure in self.figures)


@dataclass(frozen=True, slots=True)
class ShownFile(FileRead):
    """A file of which a picture was taken; `thumbnail` is None if the file's digest is not the expected one."""

    thumbnail: Thumbnail | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of reading one file, or the error that prevented it.

    Attributes:
        begun_ns: A time before the file was opened, in ns since the epoch. The result may lack changes after that time.
        result: The file's content, or the error.
    """

    begun_ns: int
    result: FileRead | ExtractionError | OSError


class Reader(Protocol):
    """Reads the files that it was created with, and returns their outcomes in the same order."""

    def take(self, limit: int) -> list[Outcome]:
        """Return the next outcomes, at most `limit`. Return an empty list when all files have been read.

        If the reader's `should_stop` callback returns True, return without waiting for the next file.
        """

    def close(self) -> None:
        """Stop reading, and end the reader's processes and threads."""
