"""Extracts text from Word documents (DOCX, OOXML WordprocessingML, ECMA-376)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.figures import Figures, WaitingFigures
from vsearch_core.text.extract.office import EmbeddedParts, alternative_text, embedded_document
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.extract.package import Package, Properties
from vsearch_core.text.formats.docx_numbering import BULLET, Numbering

KIND = "Word document"
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_CONTENTS = re.compile(r"toc \d|table of figures", re.IGNORECASE)
_SKIPPED = frozenset(  # other versions of the text, and of its properties
    {"Fallback", "del", "moveFrom", "instrText", "delText", "rPh", "pPrChange", "rPrChange"}
)
_CHARACTERS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_NOTES = ("footnotes", "endnotes", "comments")
_CHUNK_SUFFIXES = (".html", ".htm", ".xhtml", ".mht", ".mhtml", ".rtf", ".docx", ".docm", ".dotx", ".txt")
_DRAWINGS = frozenset({"drawing", "pict", "object"})
_PICTURES = {"blip": "embed", "imagedata": "id"}  # elements that show a picture -> the attribute with its relation
_CONTENTS_LEVEL, _CAPTION_LEVEL = -1, -2  # of paragraphs that are no headings
_MAX_CHUNKS = 100  # imported documents that are read


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the paragraphs under their headings and the tables as rows, followed by notes, comments and figures.

    The text includes automatic numbers, the words in charts and diagrams, alternative texts and imported documents. It
    leaves out headers, footers, tables of contents and deleted text. Page numbers are known only if Word has saved page
    breaks in the file; figures then follow the text of their page. Raises ExtractionError if the file can't be read.
    """
    package = Package(name, data, KIND, options)
    main = next(iter(package.related("", "officeDocument")), "word/document.xml")
    package.require(main)
    properties, builder, numbering = Properties(), DocumentBuilder(name, options.limits), Numbering(options.limits)
    figures = WaitingFigures(builder, Figures(name, options))
    styles = _Styles(options.limits)
    for member in package.related("", "core-properties"):
        package.walk(member, properties)
    for member in package.related(main, "styles"):
        package.walk(member, styles)
    for member in package.related(main, "numbering"):
        package.walk(member, numbering)
    text = _Text(builder, styles, numbering, _Parts(package, main, options, figures.figures), figures)
    builder.start_page(1)
    package.walk(main, text)
    if builder.page == 1:
        builder.forget_pages()
    builder.end_headings()
    for notes in _NOTES:
        for member in package.related(main, notes):
            parts = _Parts(package, member, options, figures.figures)
            package.walk(member, _Text(builder, styles, numbering, parts, figures))
    figures.write()
    figures.figures.report(builder)
    return builder.document(properties.title or text.title, properties.language, properties.metadata)


class _Parts(EmbeddedParts):
    """The charts, diagrams and imported documents that a part shows."""

    def __init__(self, package: Package, part: str, options: ExtractOptions, figures: Figures) -> None:
        super().__init__(package, part, figures)
        self._options = options
        self._chunks = 0

    def document(self, relation: str) -> Document | None:
        """Return the imported document that a relation refers to, or None if it can't be read.

        `relation` is the relation's id.
        """
        kind, member = self._relations.get(relation, ("", ""))
        self._chunks += 1
        if kind.lower() != "afchunk" or self._chunks > _MAX_CHUNKS or member not in self._package.members:
            return None
        suffix = "" if PurePath(member).suffix.lower() in _CHUNK_SUFFIXES else ".doc"  # which leaves it to the content
        return embedded_document(member + suffix, self._package.read(member), self._options)


@dataclass(slots=True)
class _Drawing:
    """An open drawing: its alternative text, until it is written or belongs to a figure, and that of its picture."""

    text: str = ""
    picture_text: str = ""


class _Styles:
    """Collects the heading levels of paragraph styles; 0 is the title.

    -1 is a line of a table of contents, and -2 a caption.
    """

    def __init__(self, limits: ExtractLimits) -> None:
        self._limits = limits
        self.lists: dict[str, str] = {}  # style -> list
        self.list_levels: dict[str, int] = {}  # style -> level in its list
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
        elif tag == "numId":
            self.lists.setdefault(self._id, value)
        elif tag == "ilvl" and value in set("012345678"):
            self.list_levels.setdefault(self._id, int(value))
        elif tag == "name":
            if match := _HEADING.fullmatch(value):
                self._levels[self._id] = int(match[1])
            elif _CONTENTS.fullmatch(value):
                self._levels[self._id] = _CONTENTS_LEVEL
            elif value.lower() == "caption":
                self._levels[self._id] = _CAPTION_LEVEL
            elif value.lower() == "title":
                self._levels[self._id] = 0

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...

    def level(self, style: str) -> int | None:
        """Return the heading level of a paragraph style, which it may inherit; None if it isn't a heading.

        The level is 0 for the title, -1 for a line of a table of contents, and -2 for a caption.
        """
        return next((self._levels[each] for each in self._ancestry(style) if each in self._levels), None)

    def list_of(self, style: str, numbering: Numbering) -> tuple[str, int] | None:
        """Return the list that a paragraph style belongs to and its level in it; None if there is no list.

        The style may inherit both.
        """
        ancestry = self._ancestry(style)
        list_ = next((self.lists[each] for each in ancestry if each in self.lists), None)
        if list_ is None:
            return None
        levels = (self.list_levels.get(each, numbering.by_style.get(each)) for each in ancestry)
        return list_, next((level for level in levels if level is not None), 0)

    def _ancestry(self, style: str) -> list[str]:
        found = []
        for _ in range(20):
            found.append(style)
            style = self._parents.get(style, "")
        return found


class _Text:
    """Adds the paragraphs and tables of a part to the builder."""

    def __init__(
        self,
        builder: DocumentBuilder,
        styles: _Styles,
        numbering: Numbering,
        parts: _Parts,
        figures: WaitingFigures,
    ) -> None:
        self.builder = builder
        self.figures = figures
        self.drawings: list[_Drawing] = []
        self.styles = styles
        self.numbering = numbering
        self.parts = parts
        self.title: str | None = None
        self.skipping = 0  # skipped elements that are open
        self.in_text = False
        self.paragraph: list[str] = []
        self.level: int | None = None
        self.is_item = False
        self.style = ""
        self.list: str | None = None  # the paragraph's own, if it says so
        self.list_level: int | None = None
        self.outer: list[tuple[list[str], int | None, bool, bool, str, str | None, int | None]] = []  # open paragraphs
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
            state = (self.paragraph, self.level, self.is_item, self.is_blank, self.style, self.list, self.list_level)
            self.outer.append(state)  # a text box is inside a paragraph
            self.paragraph, self.level, self.is_item, self.is_blank = [], None, False, True
            self.style, self.list, self.list_level = "", None, None
        elif tag in _CHARACTERS:
            self.put(_CHARACTERS[tag])
        elif tag == "lastRenderedPageBreak":
            self.breaks += 1
            if not self.tables and self.is_blank:
                self.turn_pages()
        elif tag == "altChunk":
            document = self.parts.document(attributes.get("id", ""))
            if document is not None:
                self.builder.add_document(document)
        else:
            self.start_property(tag, attributes.get("val", ""))
            self.start_drawing(tag, attributes)
            self.start_table(tag)

    def start_property(self, tag: str, value: str) -> None:
        if tag == "pStyle":
            self.style = value
            self.level = self.styles.level(self.style)
        elif tag == "numId":
            self.list = value
        elif tag == "ilvl" and value in set("012345678"):
            self.list_level = int(value)
        elif tag == "outlineLvl" and value in set("012345678"):
            self.level = int(value) + 1
        elif tag == "numPr":
            self.is_item = True

    def start_drawing(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in _DRAWINGS:
            self.drawings.append(_Drawing())
        elif tag in {"docPr", "shape"}:
            self.put_description()
            if self.drawings:
                self.drawings[-1].text = alternative_text(attributes)
            else:
                self.put_lines([alternative_text(attributes)])
        elif tag == "cNvPr" and self.drawings:
            self.drawings[-1].picture_text = alternative_text(attributes)
        elif tag in _PICTURES:
            self.show_picture(attributes.get(_PICTURES[tag], ""))
        elif tag == "txbxContent":
            self.put_description()
        elif lines := self.parts.lines(tag, attributes):
            self.put_description()
            self.put_lines(lines)

    def show_picture(self, relation: str) -> None:
        drawing = self.drawings[-1] if self.drawings else _Drawing()
        figure = self.parts.figure(relation, drawing.text, drawing.picture_text)
        if figure is not None:
            drawing.text = ""
            self.figures.add(figure)
        drawing.picture_text = ""

    def put_description(self) -> None:
        """Write the alternative text of the open drawing as a paragraph, unless it belongs to a figure."""
        if self.drawings and self.drawings[-1].text:
            self.put_lines([self.drawings[-1].text])
            self.drawings[-1].text = ""

    def put_lines(self, lines: Sequence[str]) -> None:
        if any(lines):
            self.start("p", {})
            self.put("\n".join(lines))
            self.end("p")

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
        elif tag in _DRAWINGS:
            self.put_description()
            self.drawings.pop()
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
        level, is_item, label = self.level, self.is_item, self.label()
        outer = self.outer.pop()
        self.paragraph, self.level, self.is_item, self.is_blank, self.style, self.list, self.list_level = outer
        self.length = self.length if self.outer else 0
        if not text or level == _CONTENTS_LEVEL:
            return
        if level == _CAPTION_LEVEL:
            if self.figures.lacks_caption:
                self.figures.describe(text)
                return
            level = None
        self.figures.lacks_caption = False
        if label not in {"", BULLET}:
            text = f"{label} {text}"
        if self.tables:
            self.cells = self.cells or [[]]
            self.cells[-1].append(text)
            return
        if level == 0 and self.title is None:
            self.title = one_line(text)
        if level:
            self.builder.heading(level, text)
        else:
            self.builder.add(f"- {text}" if label == BULLET else text, tight=is_item or bool(label))
        self.turn_pages()

    def label(self) -> str:
        """Return the paragraph's automatic number, such as "2.1"; "-" in a bullet list; "" outside of lists."""
        inherited = self.styles.list_of(self.style, self.numbering)
        list_, level = inherited or (None, 0)
        if self.list is not None:
            list_ = self.list
        if self.list_level is not None:
            level = self.list_level
        if list_ is None or not self.numbering.has(list_):
            return BULLET if self.is_item and list_ != "0" else ""
        return self.numbering.label(list_, level)

    def turn_pages(self) -> None:
        """Begin a new page for each page break since the last call. A break inside a paragraph counts after it."""
        if self.breaks:
            self.figures.write()
            self.builder.start_page((self.builder.page or 1) + self.breaks)
            self.breaks = 0
