"""Spreadsheets (XLSX, OOXML SpreadsheetML, ECMA-376): a page for each sheet, a line for each row."""

import datetime
import re
from collections.abc import Mapping

from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder, numbered
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.extract.package import Package, Properties
from vsearch_core.text.extract.sheet import Sheet

KIND = "spreadsheet"
_COLUMN = re.compile(r"([A-Z]{1,3})\d")
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})  # the built-in ones
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_DATE_LETTER = re.compile(r"[ymdhs]", re.IGNORECASE)
_MAX_STYLES = 1 << 16  # no spreadsheet has more cell formats
_ENTRY = 20  # characters that each shared text counts for besides its own
_TEXTS = frozenset({"s", "str", "inlineStr"})
_EPOCHS = (datetime.datetime(1899, 12, 30), datetime.datetime(1904, 1, 1))


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the rows of each sheet, as last computed, under the sheet's name. Raises ExtractionError."""
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
    sheets = package.relations(main)
    missing: list[int] = []
    for number, (title, relation) in enumerate(book.sheets, 1):
        member = sheets[relation][1] if relation in sheets else ""
        if member not in package.members:
            missing.append(number)
            continue
        cells = _Cells(Sheet(name, limits), texts.texts, styles.dates, _EPOCHS[book.from_1904])
        package.walk(member, cells)
        cells.sheet.write(builder, number, title)
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


class _Styles:
    """Collects, for each cell format, whether it shows a number as a date."""

    def __init__(self) -> None:
        self.dates: list[bool] = []
        self._custom: dict[str, bool] = {}
        self._in_formats = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "numFmt" and len(self._custom) < _MAX_STYLES:
            code = _LITERAL.sub("", attributes.get("formatCode", ""))
            self._custom[attributes.get("numFmtId", "")] = _DATE_LETTER.search(code) is not None
        elif tag == "cellXfs":
            self._in_formats = True
        elif tag == "xf" and self._in_formats and len(self.dates) < _MAX_STYLES:
            number = attributes.get("numFmtId", "0")
            built_in = number.isdecimal() and len(number) < 4 and int(number) in _DATE_FORMATS
            self.dates.append(self._custom.get(number, built_in))

    def data(self, text: str) -> None: ...

    def end(self, tag: str) -> None:
        if tag == "cellXfs":
            self._in_formats = False


class _Cells:
    """Fills a sheet with the values of its cells."""

    def __init__(self, sheet: Sheet, texts: list[str], dates: list[bool], epoch: datetime.datetime) -> None:
        self.sheet = sheet
        self._texts = texts
        self._dates = dates
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
            if 0 <= style < len(self._dates) and self._dates[style]:
                return _date(self._epoch, number)
        except (ValueError, OverflowError):
            return raw
        return f"{number:.15g}"  # as precise as spreadsheets are: 0.3, not 0.30000000000000004


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _date(epoch: datetime.datetime, days: float) -> str:
    moment = epoch + datetime.timedelta(seconds=round(days * 86400))
    if 0 <= days < 1:
        return moment.time().isoformat()
    return moment.date().isoformat() if moment.time() == datetime.time() else moment.isoformat(" ")
