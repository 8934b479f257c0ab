"""Sheets of spreadsheets, filled cell by cell: each row becomes a line whose source line is the row's number."""

import re
from collections.abc import Sequence
from decimal import Decimal

from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.options import ExtractLimits

_TITLE_ROWS = 10  # at most that many come before the row that names the columns
_SAMPLE = 20  # rows that show how wide the table is
_INTEGER = re.compile(r"-?\d{1,40}")
_MAX_EXPONENT = 40  # greater powers of ten stay as they are
_YEAR = re.compile(r"(?:19|20)\d\d")
_MAX_BLANKS = 100  # empty cells before a filled one that are written; more say nothing of its column


class Sheet:
    """A sheet of a spreadsheet. `name` is the file's, for errors.

    Cells must be put row by row, and within a row from left to right; empty ones may be left out.
    """

    def __init__(self, name: str, limits: ExtractLimits) -> None:
        """Start an empty sheet."""
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
        """Put a cell's value. Rows and columns count from 1. Raises ExtractionError if the sheet grows too large."""
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

    def write(self, builder: DocumentBuilder, number: int, title: str, notes: Sequence[tuple[int, str]] = ()) -> None:
        """Add the sheet to the document, as its `number`-th; an empty one is left out.

        `notes` are texts that are in no cell, each with its row: comments, text boxes.
        """
        self._end_row()
        if not self._rows and not notes:
            return
        builder.start_page(number, apart=True)
        builder.heading(1, title, lines=self._numbers[:1] or [1])
        if self._rows:
            builder.add_rows(self._rows, self._numbers, header=self._header())
        for row, note in notes:
            builder.add(one_line(note), lines=[row])

    def _header(self) -> str:
        """Return the row that names the columns: the first one of more than a title's cells, if it has only names."""
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
    """Return a stored number with all its digits, and no more than a spreadsheet has: 0.3 for 0.30000000000000004.

    Raises ValueError if it is no number.
    """
    if _INTEGER.fullmatch(raw):
        return raw
    shown = f"{float(raw):.15g}"
    exponent = shown.partition("e")[2]
    return f"{Decimal(shown):f}" if exponent and abs(int(exponent)) < _MAX_EXPONENT else shown


def _are_years(values: list[str]) -> bool:
    """Return True for several years, ascending or descending: they name columns."""
    if len(values) < 2 or not all(map(_YEAR.fullmatch, values)):
        return False
    return values == sorted(set(values)) or values == sorted(set(values), reverse=True)
