"""Word documents (DOCX, OOXML WordprocessingML, ECMA-376)."""

import re
from collections.abc import Mapping

from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.extract.package import Package, Properties

KIND = "Word document"
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_CONTENTS = re.compile(r"toc \d|table of figures", re.IGNORECASE)
_SKIPPED = frozenset({"Fallback", "del", "moveFrom", "instrText", "delText", "rPh"})  # other versions of the text
_CHARACTERS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_NOTES = ("footnotes", "endnotes")


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return paragraphs under their headings, tables as rows, then the notes; page numbers if Word has saved them.

    Headers, footers, tables of contents and deleted text are left out. Raises ExtractionError.
    """
    package = Package(name, data, KIND, options)
    main = next(iter(package.related("", "officeDocument")), "word/document.xml")
    package.require(main)
    properties, styles, builder = Properties(), _Styles(options.limits), DocumentBuilder(name, options.limits)
    for member in package.related("", "core-properties"):
        package.walk(member, properties)
    for member in package.related(main, "styles"):
        package.walk(member, styles)
    text = _Text(builder, styles)
    builder.start_page(1)
    package.walk(main, text)
    if builder.page == 1:
        builder.forget_pages()
    builder.end_headings()
    for notes in _NOTES:
        for member in package.related(main, notes):
            package.walk(member, _Text(builder, styles))
    return builder.document(properties.title or text.title, properties.language, properties.metadata)


class _Styles:
    """Collects the heading levels of paragraph styles; 0 is the title, -1 a line of a table of contents."""

    def __init__(self, limits: ExtractLimits) -> None:
        self._limits = limits
        self._levels: dict[str, int] = {}
        self._parents: dict[str, str] = {}
        self._id = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        value = attributes.get("val", "")
        if len(self._levels) + len(self._parents) > self._limits.parts:
            return
        if tag == "style":
            self._id = attributes.get("styleId", "")
        elif tag == "basedOn":
            self._parents[self._id] = value
        elif tag == "outlineLvl" and value in set("012345678"):
            self._levels.setdefault(self._id, int(value) + 1)
        elif tag == "name":
            if match := _HEADING.fullmatch(value):
                self._levels[self._id] = int(match[1])
            elif _CONTENTS.fullmatch(value):
                self._levels[self._id] = -1
            elif value.lower() == "title":
                self._levels[self._id] = 0

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...

    def level(self, style: str) -> int | None:
        """Return the heading level of a style, its own or an inherited one; None for text."""
        for _ in range(20):
            if style in self._levels:
                return self._levels[style]
            style = self._parents.get(style, "")
        return None


class _Text:
    """Adds the paragraphs and tables of a part to the builder."""

    def __init__(self, builder: DocumentBuilder, styles: _Styles) -> None:
        self.builder = builder
        self.styles = styles
        self.title: str | None = None
        self.skipping = 0  # skipped elements that are open
        self.in_text = False
        self.paragraph: list[str] = []
        self.level: int | None = None
        self.is_item = False
        self.outer: list[tuple[list[str], int | None, bool, bool]] = []  # open paragraphs: a text box is inside one
        self.tables = 0
        self.rows: list[str] = []
        self.cells: list[list[str]] = []  # the paragraphs of each
        self.length = 0  # characters of the open paragraphs
        self.is_blank = True  # the paragraph has no words so far
        self.breaks = 0  # page breaks since the last paragraph began

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self.skipping or tag in _SKIPPED:
            self.skipping += 1
        elif tag == "t":
            self.in_text = True
        elif tag == "p":
            self.outer.append((self.paragraph, self.level, self.is_item, self.is_blank))
            self.paragraph, self.level, self.is_item, self.is_blank = [], None, False, True
        elif tag == "pStyle":
            self.level = self.styles.level(attributes.get("val", ""))
        elif tag == "outlineLvl" and attributes.get("val", "") in set("012345678"):
            self.level = int(attributes["val"]) + 1
        elif tag == "numPr":
            self.is_item = True
        elif tag in _CHARACTERS:
            self.put(_CHARACTERS[tag])
        elif tag == "lastRenderedPageBreak":
            self.breaks += 1
            if not self.tables and self.is_blank:
                self.turn_pages()
        else:
            self.start_table(tag)

    def start_table(self, tag: str) -> None:
        if tag == "tbl":
            self.tables += 1
        elif tag == "tr" and self.tables == 1:
            self.cells = []
        elif tag == "tc" and self.tables == 1:
            self.cells.append([])

    def data(self, text: str) -> None:
        if self.in_text and not self.skipping:
            self.put(text.replace("\n", " "))

    def put(self, text: str) -> None:
        self.length += len(text)
        if self.length > self.builder.limits.paragraph_chars:
            raise too_large(self.builder.name)
        self.paragraph.append(text)
        self.is_blank = self.is_blank and text.isspace()

    def end(self, tag: str) -> None:
        if self.skipping:
            self.skipping -= 1
        elif tag == "t":
            self.in_text = False
        elif tag == "p":
            self.end_paragraph()
        elif tag == "tr" and self.tables == 1:
            row = " | ".join(map(" ".join, self.cells))
            if row.strip(" |"):
                self.rows.append(row)
        elif tag == "tbl":
            self.tables -= 1
            if not self.tables:
                self.turn_pages()
                self.builder.add_rows(self.rows)
                self.rows = []

    def end_paragraph(self) -> None:
        lines = [one_line(line) for line in "".join(self.paragraph).split("\n")]
        text = "\n".join(line for line in lines if line)
        level, is_item = self.level, self.is_item
        self.paragraph, self.level, self.is_item, self.is_blank = self.outer.pop()
        self.length = self.length if self.outer else 0
        if not text or level == -1:
            return
        if self.tables:
            self.cells = self.cells or [[]]
            self.cells[-1].append(text)
            return
        if level == 0 and self.title is None:
            self.title = one_line(text)
        if level:
            self.builder.heading(level, text)
        else:
            self.builder.add(f"- {text}" if is_item else text, tight=is_item)
        self.turn_pages()

    def turn_pages(self) -> None:
        """Begin the pages whose breaks were met: a break inside a paragraph or a table counts after it."""
        if self.breaks:
            self.builder.start_page((self.builder.page or 1) + self.breaks)
            self.breaks = 0
