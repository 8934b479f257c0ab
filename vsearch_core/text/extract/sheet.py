"""Sheets of spreadsheets, filled cell by cell: each row becomes a line whose source line is the row's number."""

from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.options import ExtractLimits

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
        self._texts = 0  # cells of the first row that hold text rather than a number
        self._header = False
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
        self._texts += is_text

    def write(self, builder: DocumentBuilder, number: int, title: str) -> None:
        """Add the sheet to the document, as its `number`-th; an empty one is left out."""
        self._end_row()
        if not self._rows:
            return
        builder.start_page(number, apart=True)
        builder.heading(1, title, lines=self._numbers[:1])
        header = self._rows[0] if self._header and len(self._rows) > 1 else ""
        builder.add_rows(self._rows, self._numbers, header=header)

    def _end_row(self) -> None:
        if not self._cells:
            return
        if not self._rows:  # a header has texts only, not numbers
            self._header = len(self._cells) > 1 and self._texts == sum(map(bool, self._cells))
        self._rows.append(" | ".join(self._cells))
        self._numbers.append(self._row)
        self._cells = []
