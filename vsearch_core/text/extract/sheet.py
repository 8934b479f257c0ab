"""Converts the sheets of spreadsheets to text: each row becomes a line, and its row number the line number."""

import re
from collections.abc import Sequence
from decimal import Decimal

from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.options import ExtractLimits

_TITLE_ROWS = 10  # the row that names the columns must be among the first rows
_SAMPLE = 20  # the first rows, whose number of cells is the width of the table
_INTEGER = re.compile(r"-?\d{1,40}")
_MAX_INTEGER = 2**53  # up to which a floating-point number tells integers apart
_MAX_EXPONENT = 40  # greater powers of ten stay as they are
_YEAR = re.compile(r"(?:19|20)\d\d")
_MAX_BLANKS = 100  # a longer run of empty cells before a filled one is not written


class Sheet:
    """A sheet of a spreadsheet, which is filled cell by cell.

    Cells must be added row by row, and from left to right within a row. Empty cells may be left out.
    """

    def __init__(self, name: str, limits: ExtractLimits) -> None:
        """Start an empty sheet. `name` is the name of the file for error messages."""
        self._name = name
        self._limits = limits
        self._rows: list[str] = []
        self._numbers: list[int] = []
        self._cells: list[str] = []
        self._row = 0
        self._numeric: list[str] = []  # the row's cells that hold a number
        self._widths: list[int] = []  # filled cells of the first rows
        self._named: list[bool] = []  # those rows could name the columns
        self._length = 0

    def put(self, row: int, column: int, value: str, *, is_text: bool) -> None:
        """Add a cell.

        Args:
            row: Its row, counted from 1.
            column: Its column, counted from 1.
            value: Its value as text.
            is_text: False if the cell contains a number. A row with numbers can't be the row of column names.

        Raises:
            ExtractionError: The sheet becomes too large.
        """
        value = one_line(value)
        if not value:
            return
        if row != self._row:
            self._end_row()
            self._row = row
        blanks = column - 1 - len(self._cells)
        blanks = blanks if 0 < blanks <= _MAX_BLANKS else 0
        self._length += len(value) + 3 * (blanks + 1)  # " | " between two cells
        if self._length > self._limits.text_chars:
            raise too_large(self._name)
        self._cells += [""] * blanks
        self._cells.append(value)
        if not is_text:
            self._numeric.append(value)

    def write(
        self,
        builder: DocumentBuilder,
        number: int,
        title: str,
        notes: Sequence[tuple[int, str]] = (),
        *,
        has_figures: bool = False,
    ) -> None:
        """Add the sheet to a document. An empty sheet without figures is left out.

        Args:
            builder: The document.
            number: The number of the sheet, which becomes its page number.
            title: The name of the sheet, which becomes its heading.
            notes: Texts outside of cells, such as comments and text boxes, each as (row, text).
            has_figures: True if figures of the sheet will follow.
        """
        self._end_row()
        if not self._rows and not notes and not has_figures:
            return
        builder.start_page(number, apart=True)
        builder.heading(1, title, lines=self._numbers[:1] or [1])
        if self._rows:
            builder.add_rows(self._rows, self._numbers, header=self._header())
        for row, note in notes:
            builder.add(one_line(note), lines=[row])

    def _header(self) -> str:
        """Return the row that names the columns, or "" if there is none.

        It is the first row with more cells than a title, unless that contains numbers other than years.
        """
        widest = max(self._widths)
        for row, width in enumerate(self._widths[:_TITLE_ROWS]):
            if width > 1 and 2 * width > widest and row + 1 < len(self._rows):
                if self._named[row]:
                    return self._rows[row]
                if width == widest:  # the first row of values
                    break
        return ""

    def _end_row(self) -> None:
        if not self._cells:
            return
        if len(self._rows) < _SAMPLE:
            self._widths.append(sum(map(bool, self._cells)))
            self._named.append(not self._numeric or _are_years(self._numeric))
        self._numeric.clear()
        self._rows.append(" | ".join(self._cells))
        self._numbers.append(self._row)
        self._cells = []


def exact_number(raw: str) -> str:
    """Format a number as a spreadsheet shows it, with at most 15 significant digits: 0.3 for 0.30000000000000004.

    An integer keeps all its digits. Raises ValueError if `raw` isn't a number.
    """
    if _INTEGER.fullmatch(raw):
        return raw
    number = float(raw)
    if number.is_integer() and abs(number) <= _MAX_INTEGER:
        return f"{number:.0f}"
    shown = f"{number:.15g}"
    exponent = shown.partition("e")[2]
    return f"{Decimal(shown):f}" if exponent and abs(int(exponent)) < _MAX_EXPONENT else shown


def _are_years(values: list[str]) -> bool:
    """Return True if the values are several years in ascending or descending order, which can be column names."""
    if len(values) < 2 or not all(map(_YEAR.fullmatch, values)):
        return False
    return values == sorted(set(values)) or values == sorted(set(values), reverse=True)
