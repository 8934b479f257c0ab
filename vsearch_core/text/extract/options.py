"""Options and limits of text extraction."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vsearch_core.errors import (
    EncryptedError,
    ExtractionError,
    PictureError,
    PicturesOnlyError,
    SecretFileError,
    SourceArchiveError,
)
from vsearch_core.model import PixelFormat

_MAX_NESTING = 3  # messages and other documents inside one another


@dataclass(frozen=True, slots=True)
class ExtractLimits:
    """Limits on the text and structure of a file. A small compressed or deeply nested file can become very large.

    Attributes:
        unpacked_bytes: The maximum size of a single file after decompression (gzip, bzip2, xz,
            Zstandard), and of a file in an archive.
        expanded_bytes: The maximum size of all members of a zip package or archive together, after decompression.
        text_chars: The maximum length of a document's text; a hundred novels are shorter.
        paragraph_chars: The maximum length of a paragraph that is assembled from pieces.
        markup_bytes: The maximum size of a piece of markup, such as a tag with its attributes, or a comment.
        parts: The maximum number of members of a package or archive, messages of a mailbox, or cells of a notebook.
        headings: The maximum number of headings, and of blocks of code or tables, in a document.
        depth: The maximum number of elements, parts or groups inside one another.
        mail_lines: The maximum number of lines of an e-mail message, since each may be a header.
        html_chars: The maximum length of an HTML page. Its tree can take forty times as much memory.
        html_tags: The maximum number of tags of an HTML page.
    """

    unpacked_bytes: int = 100_000_000
    expanded_bytes: int = 300_000_000
    text_chars: int = 60_000_000
    paragraph_chars: int = 10_000_000
    markup_bytes: int = 4_000_000
    parts: int = 20_000
    headings: int = 200_000
    depth: int = 500
    mail_lines: int = 2_000_000
    html_chars: int = 16_000_000
    html_tags: int = 1_000_000


@dataclass(slots=True)
class WantedFigure:
    """A figure whose picture is to be taken out of a document: its page, or None for any, and its number on the page.

    `image` is set to the picture, an image of Pillow in RGB, when extraction meets the figure and can decode it.
    """

    page: int | None
    number: int
    image: Any = None

    def offer(self, page: int | None, number: int, load: Callable[[], Any]) -> None:
        """Take the image that `load` returns if this is the figure."""
        if self.image is None and number == self.number and self.page in {None, page}:
            with suppress(OSError, ValueError, SyntaxError, ExtractionError):  # of damaged pixels
                self.image = load()


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """Options of text extraction.

    Attributes:
        password: The password to try on encrypted files; "" means none.
        ocr: True to recognise the text of scanned pages.
        secrets: True to read private keys instead of refusing them.
        source_archives: True to read archives of source code instead of refusing them.
        positions: True to keep where photos were taken.
        folder: The folder of the file. Pictures in it that the file shows are read; None to open no other file.
        limits: The limits on the text and structure of a file.
        nesting: The number of documents that this one is inside of, such as 1 for an attachment.
        pixels: The size in which the pixels of picture files are returned for an image model; None to return none.
        recognise_until: The CPU time of this process at which no other picture's words are looked for. None means that
            of `recognition.recognition_end`.
        wanted_figure: The figure of this document, not of one inside it, whose picture is to be taken out.
        steady_only: True to read, of the files in this one, those in steady formats only; see `registry.Format`.
    """

    password: str = field(default="", repr=False)
    ocr: bool = False
    secrets: bool = False
    source_archives: bool = False
    positions: bool = False
    folder: Path | None = None
    limits: ExtractLimits = ExtractLimits()
    nesting: int = 0
    recognise_until: float | None = None
    steady_only: bool = False
    pixels: PixelFormat | None = None
    wanted_figure: WantedFigure | None = None

    @property
    def unset(self) -> list[str]:
        """Return the names of the options that are switched off and could make more files readable, such as "ocr"."""
        return [name for name in _REMEDIES.values() if not getattr(self, name)]

    def nested(self) -> "ExtractOptions | None":
        """Return the options for a document inside this one, or None if it is nested too deeply.

        It may decompress to half of what this one may, so that documents within documents can't multiply it.
        """
        if self.nesting >= _MAX_NESTING:
            return None
        limits = replace(self.limits, expanded_bytes=self.limits.expanded_bytes // 2)
        return replace(self, folder=None, limits=limits, nesting=self.nesting + 1, wanted_figure=None)

    def without_attachments(self) -> "ExtractOptions":
        """Return the options to read a message without its attachments."""
        return replace(self, nesting=_MAX_NESTING)

    def with_steady_files(self) -> "ExtractOptions":
        """Return the options to read, of the files in an archive, those in formats whose parsers are safe."""
        return replace(self, steady_only=True)


DEFAULTS = ExtractOptions()
_REMEDIES: dict[type[ExtractionError], str] = {
    EncryptedError: "password",
    PicturesOnlyError: "ocr",
    PictureError: "ocr",
    SecretFileError: "secrets",
    SourceArchiveError: "source_archives",
}


def remedy(error: ExtractionError) -> str:
    """Return the name of the option of `ExtractOptions` that could avoid this error, or "" if none could."""
    return _REMEDIES.get(type(error), "")
