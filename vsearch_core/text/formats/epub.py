"""Books (EPUB 2 and 3): the pages of HTML of which they consist, in reading order; a page number a section."""

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Document
from vsearch_core.text.extract.builder import Builder, numbered
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.headings import MAX_TITLE
from vsearch_core.text.extract.limits import MAX_PARTS
from vsearch_core.text.extract.package import Package, Properties
from vsearch_core.text.formats.html import extract as extract_html

KIND = "book"
_HTML = frozenset({"application/xhtml+xml", "text/html", "application/xml"})


def extract(name: str, data: bytes) -> Document:
    """Each section under its headings, or under its title in the table of contents. Raises ExtractionError."""
    package = Package(name, data, KIND)
    container = _Attributes("rootfile", "full-path")
    package.walk("META-INF/container.xml", container)
    main = container.found[0] if container.found else "content.opf"
    package.require(main)
    folder = posixpath.dirname(main)
    properties, book = Properties(), _Book()
    package.walk(main, properties)
    package.walk(main, book)
    locked = _Attributes("CipherReference", "URI")
    package.walk("META-INF/encryption.xml", locked)
    titles = _titles(package, folder, book)
    builder = Builder(name)
    lost: list[int] = []
    for number, item in enumerate(book.spine, 1):
        member = posixpath.normpath(posixpath.join(folder, unquote(book.items.get(item, ("", "", ""))[0])))
        if member not in package.members:
            lost.append(number)
            continue
        if book.items[item][1] not in _HTML or "nav" in book.items[item][2].split():
            continue
        if member in locked.found:
            raise ExtractionError(name, "is encrypted", "no program but its reader can open it")
        section = replace(extract_html(member, package.read(member)), lines=None)
        builder.start_page(number)
        builder.add_document(section, titles.get(member, ""))
    if lost:
        builder.left_out.append("can't find " + numbered("section", lost))
    return builder.document(properties.title, properties.language, properties.metadata)


def _titles(package: Package, folder: str, book: "_Book") -> dict[str, str]:
    """What the table of contents of EPUB 2 calls each member; EPUB 3 keeps one too, for older readers."""
    contents = _Contents()
    for path, kind, _ in book.items.values():
        if kind == "application/x-dtbncx+xml":
            try:
                package.walk(posixpath.normpath(posixpath.join(folder, unquote(path))), contents)
            except ExtractionError:
                return {}  # titles are no reason to lose a book
    return {posixpath.normpath(posixpath.join(folder, path)): title for path, title in contents.titles.items()}


class _Attributes:
    """A `Handler` that collects one attribute of one element."""

    def __init__(self, tag: str, attribute: str) -> None:
        self.found: list[str] = []
        self._tag = tag
        self._attribute = attribute

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == self._tag and self._attribute in attributes and len(self.found) < MAX_PARTS:
            self.found.append(attributes[self._attribute])

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


class _Book:
    """The package document: id -> member, media type and properties of each item, and the ids in reading order."""

    def __init__(self) -> None:
        self.items: dict[str, tuple[str, str, str]] = {}
        self.spine: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self.items) + len(self.spine) > 2 * MAX_PARTS:
            return
        if tag == "item":
            facts = (attributes.get("href", ""), attributes.get("media-type", ""), attributes.get("properties", ""))
            self.items[attributes.get("id", "")] = facts
        elif tag == "itemref":
            self.spine.append(attributes.get("idref", ""))

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


class _Contents:
    """The table of contents: the first title that it gives each member."""

    def __init__(self) -> None:
        self.titles: dict[str, str] = {}
        self._label = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "navLabel":
            self._label = ""
        elif tag == "content" and len(self.titles) < MAX_PARTS:
            path = unquote(attributes.get("src", "").partition("#")[0])
            self.titles.setdefault(path, one_line(self._label)[:MAX_TITLE])

    def data(self, text: str) -> None:
        if len(self._label) < 2 * MAX_TITLE:
            self._label += text[:MAX_TITLE]

    def end(self, tag: str) -> None: ...
