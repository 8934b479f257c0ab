"""Extracts text from OpenDocument files (ODT, ODS, ODP, and their flat and template forms; ISO/IEC 26300)."""

import posixpath
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.figures import MAX_BYTES, Figures, FoundFigure, Load, WaitingFigures, distinct_texts
from vsearch_core.text.extract.linked_pictures import decoded_picture, embedded_address
from vsearch_core.text.extract.office import alternative_text
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.package import Package, Properties, blocks_of, walk_xml
from vsearch_core.text.extract.sheet import Sheet, exact_number

KIND = "OpenDocument file"
_SKIPPED = frozenset(  # elements around the text, and other versions of it
    {"tracked-changes", "table-of-content", "alphabetical-index", "illustration-index", "table-index"}
    | {"note-citation", "ruby-text", "header", "footer", "styles", "automatic-styles", "master-styles", "scripts"}
    | {"font-face-decls", "settings", "binary-data", "bibliography", "forms", "object-index", "date-time-decl"}
)
_FIELDS = frozenset({"p", "h", "span", "a"})  # elements in which `title` is a field, not a drawing's title
_ABOUT_COMMENT = frozenset({"creator", "date", "creator-initials", "date-string", "sender-initials"})
_COMMENT, _DESCRIPTION = "a comment", "a description"  # elements whose text is put together
_EXPONENT = re.compile(r"\d[eE][+-]?\d")
_MAX_REPEATS = 100  # of a filled cell: one element can say "the same a million times"
_MAX_SPACES = 100
_MAX_NESTING = 4  # paragraphs inside one another: a note, a text box in it


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return text under its headings, sheets as table rows, and slides as pages.

    Titles and descriptions of drawings are part of the text. Comments follow their paragraph or sheet. Figures follow
    their page, slide or sheet. Page headers and tables of contents are left out. Raises ExtractionError if the file is
    damaged or encrypted.
    """
    properties, builder = Properties(), DocumentBuilder(name, options.limits)
    figures = WaitingFigures(builder, Figures(name, options))
    if data.lstrip()[:1] == b"<":  # a flat file, all in one XML document
        walk_xml(name, KIND, blocks_of(data), properties, options.limits)
        content = _Content(builder, figures, None)
        walk_xml(name, KIND, blocks_of(data), content, options.limits)
    else:
        package = Package(name, data, KIND, options)
        if b"encryption-data" in package.read("META-INF/manifest.xml"):
            raise ExtractionError(name, "is encrypted", "encryption-unsupported")
        package.require("content.xml")
        package.walk("meta.xml", properties)
        content = _Content(builder, figures, package)
        package.walk("content.xml", content)
    if content.slides == content.sheets == 0 and builder.page == 1:
        builder.forget_pages()
    figures.write()
    figures.figures.report(builder)
    return builder.document(properties.title or content.title, properties.language, properties.metadata)


@dataclass(slots=True)
class _Frame:
    """An open frame: its picture, by its address and what loads it, if that is a figure; and its descriptions."""

    picture: tuple[str, Load] | None = None
    texts: list[str] = field(default_factory=list)


class _Content:
    """Adds the body of a document to the builder. `package` is None for a flat file, which has pictures in base64."""

    def __init__(self, builder: DocumentBuilder, figures: WaitingFigures, package: Package | None) -> None:
        self.builder = builder
        self.figures = figures
        self.package = package
        self.frames: list[_Frame] = []
        self.encoded: list[str] | None = None  # of the open picture of a flat file
        self.numbered = 0  # the number of open paragraphs when a number of figures was written
        self.title: str | None = None
        self.slides = 0
        self.sheets = 0
        self.body = ""  # text, spreadsheet or presentation
        self.skipping = 0
        self.paragraphs: list[list[str]] = []  # open paragraphs: a note is inside one
        self.length = 0  # characters of those
        self.level = 0
        self.items = 0  # open list items
        self.tables = 0
        self.breaks = 0
        self.is_title = False
        self.sheet = Sheet(builder.name, builder.limits)
        self.sheet_name = ""
        self.rows: list[str] = []
        self.cells: list[list[str]] = []  # the paragraphs of each
        self.row = self.column = 0
        self.row_repeats = self.cell_repeats = 1
        self.is_text = False
        self.is_date = False
        self.value = ""  # the cell's, where what is shown depends on the language or is cut
        self.open: list[str] = []  # elements
        self.comments: list[tuple[int, str]] = []  # row, text; they follow the paragraph or the sheet
        self.in_comment = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        parent = self.open[-1] if self.open else ""
        self.open.append(tag)
        if tag == "binary-data" and parent == "image" and self.frames and not self.skipping:
            self.encoded = []
        if self.skipping or tag in _SKIPPED or (tag == "p" and len(self.paragraphs) == _MAX_NESTING):
            self.skipping += 1
        elif self.in_comment:
            self.skipping += tag in _ABOUT_COMMENT
        elif tag == "annotation" or (tag in {"title", "desc"} and self.body and parent not in _FIELDS):
            self.in_comment = tag == "annotation"
            self.open[-1] = _COMMENT if self.in_comment else _DESCRIPTION
            self.paragraphs.append([])
        else:
            self.start_text(tag, attributes)

    def start_text(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in {"text", "spreadsheet", "presentation", "drawing"} and not self.body:
            self.body = tag
            self.builder.start_page(1)
        elif tag == "image" and self.frames:
            path = posixpath.normpath(unquote(attributes.get("href", "")))
            if self.package is not None and path in self.package.members:
                self.show(path, partial(self.package.read_within, path, MAX_BYTES))
        elif tag in {"p", "h"}:
            self.paragraphs.append([])
            self.level = _count(attributes, "outline-level", 10) if tag == "h" else 0
        elif tag == "s":
            self.put(" " * _count(attributes, "c", _MAX_SPACES))
        elif tag in {"tab", "line-break"}:
            self.put("\t" if tag == "tab" else "\n")
        elif tag == "soft-page-break":
            self.breaks += 1
        elif tag == "list-item":
            self.items += 1
        elif tag == "page" and self.body in {"presentation", "drawing"}:
            self.figures.write()
            self.slides += 1
            self.builder.start_page(self.slides)
            self.builder.end_headings()
        elif tag == "frame":
            self.is_title = attributes.get("class") == "title"
            self.frames.append(_Frame())
        elif tag == "sequence" and attributes.get("name") != "Table":
            self.numbered = len(self.paragraphs)
        else:
            self.start_table(tag, attributes)

    def start_table(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "table":
            self.tables += 1
            if self.tables == 1:
                self.sheet, self.rows, self.row = Sheet(self.builder.name, self.builder.limits), [], 0
                self.sheet_name = attributes.get("name", "")
        elif tag == "table-row" and self.tables == 1:
            self.row_repeats = _count(attributes, "number-rows-repeated", 1 << 24)
            self.cells, self.column = [], 0
        elif tag in {"table-cell", "covered-table-cell"} and self.tables == 1:
            self.cell_repeats = _count(attributes, "number-columns-repeated", 1 << 24)
            kind = attributes.get("value-type", "string")
            self.is_text = kind == "string"
            self.value = attributes.get("date-value" if kind == "date" else "value", "")
            self.is_date = kind == "date"
            self.cells.append([])

    def show(self, address: str, load: Load) -> None:
        """Take a picture of the open frame as its figure, if it is the first that is large enough."""
        frame = self.frames[-1]
        if frame.picture is None and self.figures.figures.is_figure(address, load):
            frame.picture = address, load

    def data(self, text: str) -> None:
        if self.encoded is not None:
            self.encoded.append(text)
        if not self.skipping:
            self.put(text.replace("\n", " "))

    def put(self, text: str) -> None:
        if self.paragraphs:
            self.length += len(text)
            if self.length > self.builder.limits.paragraph_chars:
                raise too_large(self.builder.name)
            self.paragraphs[-1].append(text)

    def end(self, tag: str) -> None:
        opened = self.open.pop()
        if tag == "binary-data" and self.encoded is not None:
            encoded, self.encoded = "".join(self.encoded), None
            self.show(embedded_address(encoded), partial(decoded_picture, encoded))
        if self.skipping:
            self.skipping -= 1
        elif opened == _COMMENT:
            self.end_comment()
        elif self.in_comment:
            self.put(" ")
        elif opened == _DESCRIPTION:
            self.end_description()
        elif tag in {"p", "h"}:
            self.end_paragraph()
        elif tag == "list-item":
            self.items -= 1
        elif tag == "frame":
            self.is_title = False
            self.end_frame()
        elif tag in {"table-cell", "covered-table-cell"} and self.tables == 1:
            self.end_cell()
        elif tag == "table-row" and self.tables == 1:
            self.end_row()
        elif tag == "table":
            self.tables -= 1
            if not self.tables:
                self.end_table()

    def end_comment(self) -> None:
        self.in_comment = False
        text = one_line("".join(self.paragraphs.pop()))
        if text:
            self.comments.append((self.row + 1, text))
        if not self.paragraphs and not self.tables:
            self.add_comments()

    def add_comments(self) -> None:
        for _, text in self.comments:
            self.builder.add(text)
        self.comments = []

    def end_description(self) -> None:
        """Add the title or description of a drawing: that of a frame when this ends."""
        text = alternative_text({"descr": "".join(self.paragraphs.pop())})
        if text and self.open and self.open[-1] == "frame" and self.frames:
            self.frames[-1].texts.append(text)
        elif text:
            self.add_description(text)

    def end_frame(self) -> None:
        frame = self.frames.pop()
        if frame.picture is None:
            for text in frame.texts:
                self.add_description(text)
        else:
            self.turn_pages()
            self.figures.add(FoundFigure(*frame.picture, distinct_texts(*frame.texts), line=self.line))

    @property
    def line(self) -> int:
        """The row of a spreadsheet, from 1; 0 in other documents, which have no lines."""
        return self.row + 1 if self.body == "spreadsheet" else 0

    def add_description(self, text: str) -> None:
        """Add the description of a drawing: in parentheses inside a paragraph, else as its own paragraph."""
        if self.paragraphs:
            self.paragraphs[-1].append(f" ({text}) ")
        elif self.tables:
            self.cells = self.cells or [[]]
            self.cells[-1].append(text)
        else:
            self.builder.add(text)

    def end_paragraph(self) -> None:
        lines = [one_line(line) for line in "".join(self.paragraphs.pop()).split("\n")]
        text = "\n".join(line for line in lines if line)
        self.length = self.length if self.paragraphs else 0
        is_caption = self.numbered == len(self.paragraphs) + 1
        self.numbered = 0 if is_caption else self.numbered
        if not text:
            return
        if is_caption and self.figures.lacks_caption:
            self.figures.describe(text)
            return
        self.figures.lacks_caption = False
        if self.paragraphs:  # a note: it goes where its mark is
            self.paragraphs[-1].append(f" ({text}) ")
        elif self.tables:
            self.cells = self.cells or [[]]
            self.cells[-1].append(text)
        else:
            self.turn_pages()
            if self.level or self.is_title:
                self.title = self.title or (text if self.level <= 1 else None)
                self.builder.heading(self.level or 1, text)
            else:
                self.builder.add(f"- {text}" if self.items else text, tight=bool(self.items))
            self.add_comments()

    def turn_pages(self) -> None:
        if self.breaks and not self.slides and self.body != "spreadsheet":
            self.figures.write()
            self.builder.start_page((self.builder.page or 1) + self.breaks)
        self.breaks = 0

    def end_cell(self) -> None:
        value = " ".join(self.cells[-1]) or ("" if self.is_text else self.value)
        if self.body == "spreadsheet" and value:
            if self.is_date and self.value:
                value = self.value.partition(".")[0].replace("T", " ").removesuffix(" 00:00:00")
            elif self.value and _EXPONENT.search(value):
                with suppress(ValueError):
                    value = exact_number(self.value)
            for column in range(self.column + 1, self.column + 1 + min(self.cell_repeats, _MAX_REPEATS)):
                self.sheet.put(self.row + 1, column, value, is_text=self.is_text)
        self.column += self.cell_repeats

    def end_row(self) -> None:
        if self.body == "spreadsheet":
            self.row += self.row_repeats
        elif any(self.cells):
            self.rows.append(" | ".join(map(" ".join, self.cells)))

    def end_table(self) -> None:
        if self.body == "spreadsheet":
            self.sheets += 1
            notes = self.comments
            self.sheet.write(self.builder, self.sheets, self.sheet_name, notes, has_figures=not self.figures.is_empty)
            self.figures.write(self.builder.titles)
            self.comments = []
        else:
            self.turn_pages()
            self.builder.add_rows(self.rows)
            self.add_comments()


def _count(attributes: Mapping[str, str], name: str, limit: int) -> int:
    """Return the number in an attribute, from 1 to the limit; 1 if there is none."""
    value = attributes.get(name, "")
    return max(1, min(int(value), limit)) if value.isdecimal() and len(value) < 12 else 1
