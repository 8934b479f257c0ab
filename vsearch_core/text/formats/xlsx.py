"""Extracts text from spreadsheets (XLSX, OOXML SpreadsheetML, ECMA-376). Each sheet is one page, each row one line."""

import datetime
import re
from collections.abc import Mapping
from dataclasses import replace

from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder, numbered
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.figures import Figures, WaitingFigures
from vsearch_core.text.extract.office import EmbeddedParts, Paragraphs, alternative_text
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.extract.package import Package, Properties
from vsearch_core.text.extract.sheet import Sheet, exact_number

KIND = "spreadsheet"
_COLUMN = re.compile(r"([A-Z]{1,3})\d")
_ROW = re.compile(r"\d{1,7}")
_BUILT_IN = {  # number -> format
    **dict.fromkeys((9, 10), "0.00%"),
    **dict.fromkeys((18, 19, 20, 21, 45, 47), "h:mm:ss"),
    **dict.fromkeys((*range(14, 18), 22, *range(27, 37), *range(50, 59)), "yyyy"),
    46: "[h]:mm:ss",
}
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_DATE_LETTER = re.compile(r"[ymdhsg]", re.IGNORECASE)
_TIME = re.compile(r"(?=[^hs]*[hs])(?:am/pm|a/p|[hms:.,0\s])+", re.IGNORECASE)
_THREADED = "[Threaded comment]"  # what a comment says to programs that know no threads
_MAX_STYLES = 1 << 16  # no spreadsheet has more cell formats
_ENTRY = 20  # characters that each shared text counts for besides its own
_TEXTS = frozenset({"s", "str", "inlineStr"})
EPOCHS = (datetime.datetime(1899, 12, 30), datetime.datetime(1904, 1, 1))


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the rows of each sheet under the sheet's name. Formulas have the values that were saved in the file.

    Text boxes, the words in charts, alternative texts and comments follow the rows of their sheet, and figures these.
    Raises ExtractionError if the file can't be read.
    """
    package, limits = Package(name, data, KIND, options), options.limits
    main = next(iter(package.related("", "officeDocument")), "xl/workbook.xml")
    package.require(main)
    properties, book, texts, styles = Properties(), _Book(limits), _SharedTexts(name, limits), _Styles()
    for member in package.related("", "core-properties"):
        package.walk(member, properties)
    package.walk(main, book)
    for member in package.related(main, "sharedStrings"):
        package.walk(member, texts)
    for member in package.related(main, "styles"):
        package.walk(member, styles)
    builder = DocumentBuilder(name, limits)
    figures = WaitingFigures(builder, Figures(name, options))
    sheets = package.relations(main)
    missing: list[int] = []
    for number, (title, relation) in enumerate(book.sheets, 1):
        member = sheets[relation][1] if relation in sheets else ""
        if member not in package.members:
            missing.append(number)
            continue
        cells = _Cells(Sheet(name, limits), texts.texts, styles.formats, EPOCHS[book.from_1904])
        package.walk(member, cells)
        notes = _notes(package, member, figures)
        cells.sheet.write(builder, number, title, notes, has_figures=not figures.is_empty)
        figures.write(builder.titles)
    figures.figures.report(builder)
    if missing:
        builder.left_out.append("can't find " + numbered("sheet", missing))
    return builder.document(properties.title, properties.language, properties.metadata)


class _Book:
    def __init__(self, limits: ExtractLimits) -> None:
        self._limits = limits
        self.sheets: list[tuple[str, str]] = []  # title, relation
        self.from_1904 = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "sheet" and len(self.sheets) < self._limits.parts:
            self.sheets.append((attributes.get("name", ""), attributes.get("id", "")))
        elif tag == "workbookPr":
            self.from_1904 = attributes.get("date1904", "") in {"1", "true"}

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


class _SharedTexts:
    """Collects the shared texts, which cells refer to by number."""

    def __init__(self, name: str, limits: ExtractLimits) -> None:
        self._limits = limits
        self.texts: list[str] = []
        self._name = name
        self._length = 0
        self._parts: list[str] = []
        self._in_text = False
        self._phonetic = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "rPh":
            self._phonetic = True
        self._in_text = tag == "t" and not self._phonetic

    def data(self, text: str) -> None:
        if self._in_text:
            self._count(len(text))
            self._parts.append(text)

    def _count(self, length: int) -> None:
        self._length += length
        if self._length > self._limits.text_chars:
            raise too_large(self._name)

    def end(self, tag: str) -> None:
        self._in_text = False
        if tag == "rPh":
            self._phonetic = False
        elif tag == "si":
            self._count(_ENTRY)
            self.texts.append(one_line("".join(self._parts)))
            self._parts.clear()


def _notes(package: Package, sheet: str, figures: WaitingFigures) -> list[tuple[int, str]]:
    """Return the text boxes, charts and comments of a sheet, each with its row. Add its figures to `figures`."""
    notes: list[tuple[int, str]] = []
    related = [*package.relations(sheet).values()]
    is_threaded = any(kind == "threadedComment" for kind, _ in related)
    for wanted in ("drawing", "threadedComment", "comments"):
        for kind, member in related:
            if kind == wanted:
                handler = _Notes(package, member, figures)
                package.walk(member, handler)
                notes += handler.notes
    return [(row, note) for row, note in notes if not (is_threaded and note.startswith(_THREADED))]


class _Notes(Paragraphs):
    """Collects the paragraphs of a drawing or of comments, each with the row that it belongs to."""

    def __init__(self, package: Package, part: str, figures: WaitingFigures) -> None:
        super().__init__(package)
        self._figures = figures
        self._description = ""  # of the open picture, until it is a figure's
        self.notes: list[tuple[int, str]] = []
        self._parts_shown = EmbeddedParts(package, part, figures.figures)
        self._row = 1
        self._digits = ""
        self._in_anchor = self._in_row = self._in_picture = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        super().start(tag, attributes)
        if tag in {"comment", "threadedComment"}:
            match = _ROW.search(attributes.get("ref", ""))
            self._row = int(match[0]) if match else 1
        elif tag == "from":
            self._in_anchor = True
        elif tag == "row" and self._in_anchor:
            self._in_row, self._digits = True, ""
        elif tag == "pic":
            self._in_picture, self._description = True, ""
        elif tag == "blip" and self._in_picture:
            figure = self._parts_shown.figure(attributes.get("embed", ""), self._description)
            if figure is not None:
                self._figures.add(replace(figure, line=self._row))
                self._description = ""
        if tag == "cNvPr" and self._in_picture:
            self._description = alternative_text(attributes)
            return
        lines = [alternative_text(attributes)] if tag == "cNvPr" else self._parts_shown.lines(tag, attributes)
        self.notes += [(self._row, line) for line in lines if line]

    def data(self, text: str) -> None:
        if self._in_row:
            self._digits += text[:8]
        super().data(text)

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag == "from":
            self._in_anchor = False
        elif tag == "pic":
            self._in_picture = False
            self.notes += [(self._row, self._description)] if self._description else []
        elif tag == "row" and self._in_row:
            self._in_row = False
            self._row = int(self._digits) + 1 if _ROW.fullmatch(self._digits) else 1
        self.notes += [(self._row, paragraph) for paragraph in self.found]
        self.found.clear()


class _Styles:
    """Collects the format code of each cell format, "" for those without a date, a time or a percentage."""

    def __init__(self) -> None:
        self.formats: list[str] = []
        self._custom: dict[str, str] = {}
        self._in_formats = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "numFmt" and len(self._custom) < _MAX_STYLES:
            self._custom[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")[:255]
        elif tag == "cellXfs":
            self._in_formats = True
        elif tag == "xf" and self._in_formats and len(self.formats) < _MAX_STYLES:
            number = attributes.get("numFmtId", "0")
            built_in = _BUILT_IN.get(int(number), "") if number.isdecimal() and len(number) < 4 else ""
            self.formats.append(plain_code(self._custom.get(number, built_in)))

    def data(self, text: str) -> None: ...

    def end(self, tag: str) -> None:
        if tag == "cellXfs":
            self._in_formats = False


def plain_code(code: str) -> str:
    """Return a format code without its literal texts; "" unless it shows a date, a time or a percentage."""
    code = code.partition(";")[0]  # the format of positive numbers
    elapsed = _ELAPSED.search(code)
    plain = _LITERAL.sub("", code)
    if elapsed:
        return f"[{elapsed[1][0].lower()}]{plain.lower()}"
    return plain if "%" in plain or _DATE_LETTER.search(plain.replace("General", "")) else ""


class _Cells:
    """Fills a sheet with the values of its cells."""

    def __init__(self, sheet: Sheet, texts: list[str], formats: list[str], epoch: datetime.datetime) -> None:
        self.sheet = sheet
        self._texts = texts
        self._formats = formats
        self._epoch = epoch
        self._row = 0
        self._column = 0
        self._type = self._style = ""
        self._parts: list[str] = []
        self._wanted = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "row":
            given = attributes.get("r", "")
            self._row = int(given) if given.isdecimal() and len(given) < 8 else self._row + 1
            self._column = 0
        elif tag == "c":
            match = _COLUMN.match(attributes.get("r", ""))
            self._column = _column_number(match[1]) if match else self._column + 1
            self._type, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._parts = []
        self._wanted = tag in {"v", "t"}

    def data(self, text: str) -> None:
        if self._wanted:
            self._parts.append(text)

    def end(self, tag: str) -> None:
        self._wanted = False
        if tag == "c" and self._parts:
            self.sheet.put(self._row, self._column, self._value("".join(self._parts)), is_text=self._type in _TEXTS)

    def _value(self, raw: str) -> str:
        if self._type == "s":
            return self._texts[int(raw)] if raw.isdecimal() and len(raw) < 9 and int(raw) < len(self._texts) else ""
        if self._type == "b":
            return "TRUE" if raw == "1" else "FALSE"
        if self._type != "n":
            return raw
        try:
            number = float(raw)
            style = int(self._style) if self._style.isdecimal() and len(self._style) < 7 else -1
            code = self._formats[style] if 0 <= style < len(self._formats) else ""
            return formatted(number, code, self._epoch) if code else exact_number(raw)
        except (ValueError, OverflowError):
            return raw


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def formatted(number: float, code: str, epoch: datetime.datetime) -> str:
    """Return a number as a percentage, a duration, a time or a date."""
    if code.startswith("["):
        return _elapsed(number, code)
    if "%" in code:
        decimals = max(2, len(code.partition("%")[0].partition(".")[2]))
        return exact_number(repr(round(number * 100, decimals))) + "%"
    moment = epoch + datetime.timedelta(seconds=round(number * 86400))
    if 0 <= number < 1 or _TIME.fullmatch(code):
        return moment.time().isoformat()
    return moment.date().isoformat() if moment.time() == datetime.time() else moment.isoformat(" ")


def _elapsed(days: float, code: str) -> str:
    """Return a duration as its format shows it, in hours and minutes, in minutes, or in seconds: "31:15"."""
    seconds = round(abs(days) * 86400)
    sign = "-" if days < 0 and seconds else ""
    if code.startswith("[s]"):
        return f"{sign}{seconds}"
    if code.startswith("[m]"):
        return f"{sign}{seconds // 60}:{seconds % 60:02d}"
    tail = f":{seconds % 60:02d}" if "s" in code or seconds % 60 else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}{tail}"
