"""Extracts text from books (EPUB 2 and 3). Each HTML document of a book is a section, which counts as one page."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder, numbered
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.figures import MAX_BYTES, Figures
from vsearch_core.text.extract.headings import MAX_TITLE
from vsearch_core.text.extract.linked_pictures import PagePictures
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.extract.package import Package, Properties
from vsearch_core.text.formats.html import PageFigures
from vsearch_core.text.formats.html import extract as extract_html

KIND = "book"
_NO_TEXT = ("image/", "audio/", "video/", "font/", "text/css", "text/javascript", "application/x-dtbncx")
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/xml"})
_PAGE_SUFFIXES = (".xhtml", ".html", ".htm")
_HTML = re.compile(rb"<(?:[a-z]{1,9}:)?(?:html|body|p|div|h[1-6])\b", re.IGNORECASE)
_HEAD_BYTES = 1 << 16  # where a section's first element must be


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of all sections in reading order, under their headings.

    A section without headings is under its title in the table of contents. Raises ExtractionError if the book is
    damaged or encrypted.
    """
    package = Package(name, data, KIND, options)
    limits = options.limits
    container = _Attributes("rootfile", "full-path", limits)
    package.walk("META-INF/container.xml", container)
    packages = sorted(member for member in package.members if member.endswith(".opf"))
    main = next(iter((*container.found, *packages)), "content.opf")
    package.require(main)
    folder = posixpath.dirname(main)
    properties, book = Properties(), _Book(limits)
    package.walk(main, properties)
    package.walk(main, book)
    locked = _Attributes("CipherReference", "URI", limits)
    package.walk("META-INF/encryption.xml", locked)
    titles = _titles(package, folder, book)
    builder, figures = DocumentBuilder(name, limits), Figures(name, options)
    missing: list[int] = []
    for number, item in enumerate(book.in_order, 1):
        member = posixpath.normpath(posixpath.join(folder, unquote(book.items.get(item, ("", "", ""))[0])))
        if member not in package.members:
            missing.append(number)
            continue
        is_other = book.items[item][1].startswith(_NO_TEXT) and not member.lower().endswith(_PAGE_SUFFIXES)
        if is_other or "nav" in book.items[item][2].split():
            continue
        if member in locked.found:
            raise ExtractionError(name, "is encrypted", "drm-protected")
        page = package.read(member)
        if page and book.items[item][1] not in _PAGES and not _HTML.search(page[:_HEAD_BYTES]):
            continue  # whatever its media type is: many a book has a wrong one
        figures.section = number
        pictures = PagePictures(posixpath.dirname(member), lambda path: package.read_within(path, MAX_BYTES))
        section = replace(extract_html(member, page, options, PageFigures(figures, pictures)), lines=None)
        builder.start_page(number)
        builder.add_document(section, titles.get(member, ""))
    figures.report(builder)
    if missing:
        builder.left_out.append("can't find " + numbered("section", missing))
    return builder.document(properties.title, properties.language, properties.metadata)


def _titles(package: Package, folder: str, book: "_Book") -> dict[str, str]:
    """Return the title of each member in the table of contents (NCX) of EPUB 2. Books in EPUB 3 often have it too."""
    contents = _Contents(package.limits)
    for path, kind, _ in book.items.values():
        if kind == "application/x-dtbncx+xml":
            try:
                package.walk(posixpath.normpath(posixpath.join(folder, unquote(path))), contents)
            except ExtractionError:
                return {}  # a damaged table of contents costs its titles only
    return {posixpath.normpath(posixpath.join(folder, path)): title for path, title in contents.titles.items()}


class _Attributes:
    """Collects the values of one attribute of one element."""

    def __init__(self, tag: str, attribute: str, limits: ExtractLimits) -> None:
        self.found: list[str] = []
        self._limits = limits
        self._tag = tag
        self._attribute = attribute

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == self._tag and self._attribute in attributes and len(self.found) < self._limits.parts:
            self.found.append(attributes[self._attribute])

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


class _Book:
    """Collects from the package document: id -> path, media type and properties of an item; ids in reading order."""

    def __init__(self, limits: ExtractLimits) -> None:
        self._limits = limits
        self.items: dict[str, tuple[str, str, str]] = {}
        self.spine: list[str] = []

    @property
    def in_order(self) -> list[str]:
        """The ids in reading order; those of all items if the book gives no order."""
        return self.spine if not self.items.keys().isdisjoint(self.spine) else list(self.items)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self.items) + len(self.spine) > 2 * self._limits.parts:
            return
        if tag == "item":
            facts = (attributes.get("href", ""), attributes.get("media-type", ""), attributes.get("properties", ""))
            self.items[attributes.get("id", "")] = facts
        elif tag == "itemref":
            self.spine.append(attributes.get("idref", ""))

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


class _Contents:
    """Collects from a table of contents the first title of each member."""

    def __init__(self, limits: ExtractLimits) -> None:
        self._limits = limits
        self.titles: dict[str, str] = {}
        self._label = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "navLabel":
            self._label = ""
        elif tag == "content" and len(self.titles) < self._limits.parts:
            path = unquote(attributes.get("src", "").partition("#")[0])
            self.titles.setdefault(path, one_line(self._label)[:MAX_TITLE])

    def data(self, text: str) -> None:
        if len(self._label) < 2 * MAX_TITLE:
            self._label += text[:MAX_TITLE]

    def end(self, tag: str) -> None: ...
