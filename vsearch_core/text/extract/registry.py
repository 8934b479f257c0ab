"""Which extractor reads which file. A new format is one more row here and one more module beside this one."""

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath

from vsearch_core.model import Document

Extractor = Callable[[str, bytes], Document]

READERS = "1"  # changes when some file may be read otherwise: what could not be read before is tried again

PLAIN = "vsearch_core.text.extract.plain:extract"
MARKDOWN = "vsearch_core.text.extract.markdown:extract"
RST = "vsearch_core.text.extract.rst:extract"
HTML = "vsearch_core.text.extract.html:extract"
PDF = "vsearch_core.text.extract.pdf:extract"

EXTRACTORS: dict[str, str] = {  # suffix in lower case -> "module:function", imported when first needed
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdown": MARKDOWN,
    ".mkd": MARKDOWN,
    ".mdx": MARKDOWN,
    ".qmd": MARKDOWN,
    ".rmd": MARKDOWN,
    ".rst": RST,
    ".rest": RST,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".pdf": PDF,
}


def extract(name: str, data: bytes) -> Document:
    """The text of a file's bytes, read as its suffix says; every other suffix is plain text.

    Raises ExtractionError where the bytes are not what the suffix says, BinaryFileError where they are no text.
    `name` tells the suffix and stands in the errors; the file itself is not touched.
    """
    return _load(EXTRACTORS.get(PurePath(name).suffix.lower(), PLAIN))(name, data)


def _load(address: str) -> Extractor:
    module, _, function = address.partition(":")
    extractor: Extractor = getattr(import_module(module), function)
    return extractor
