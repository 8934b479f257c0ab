"""Which extractor reads which file. A new format is one more row here and one more module beside this one."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath

from vsearch_core.model import Document

Extractor = Callable[[str, bytes], Document]

READERS = "2"  # changes when some file may be read otherwise: what could not be read before is tried again

_HERE = "vsearch_core.text.extract."


@dataclass(frozen=True, slots=True)
class Format:
    """A format and how it is read.

    `suffixes` are in lower case; `extractor` is "module:function", imported when first needed. `unit` is what
    `Span.page` counts in it: "line" where it has nothing but lines.
    """

    name: str
    suffixes: tuple[str, ...]
    extractor: str
    unit: str = "line"


PLAIN = Format("plain text and all else that is text", (), "plain:extract")
FORMATS = (
    Format("Markdown", (".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"), "markdown:extract"),
    Format("reStructuredText", (".rst", ".rest"), "rst:extract"),
    Format("HTML", (".html", ".htm", ".xhtml"), "html:extract"),
    Format("PDF", (".pdf",), "pdf:extract", "page"),
)
_BY_SUFFIX = {suffix: row for row in FORMATS for suffix in row.suffixes}


def extract(name: str, data: bytes) -> Document:
    """The text of a file's bytes, read as its suffix says; every other suffix is plain text.

    Raises ExtractionError where the bytes are not what the suffix says, BinaryFileError where they are no text.
    `name` tells the suffix and stands in the errors; the file itself is not touched.
    """
    return load(format_of(name))(name, data)


def format_of(name: str) -> Format:
    """The format that a file's name says it has."""
    return _BY_SUFFIX.get(PurePath(name).suffix.lower(), PLAIN)


def unit_of(path: str) -> str:
    """What the page numbers in a file of this name count: "page", "slide" …; "line" where there are none."""
    return format_of(path).unit


def load(row: Format) -> Extractor:
    """The function that reads the format."""
    module, _, function = row.extractor.partition(":")
    extractor: Extractor = getattr(import_module(_HERE + module), function)
    return extractor
