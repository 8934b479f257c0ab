"""One sheet of a spreadsheet, filled cell by cell: its rows as lines, whose numbers are the rows'."""

from vsearch_core.text.extract.builder import Builder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.limits import MAX_TEXT, too_large

_MAX_BLANKS = 100  # cells left empty before one that is filled; beyond, its column can't be told


class Sheet:
    """Cells come row by row, and within a row from left to right; empty ones need not come. `name` is for errors."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[str] = []
        self._numbers: list[int] = []
        self._cells: list[str] = []
        self._row = 0
        self._texts = 0  # cells of the first row that hold text rather than a number
        self._header = False
        self._length = 0

    def put(self, row: int, column: int, value: str, *, is_text: bool) -> None:
        """A cell's value; rows and columns count from 1."""
        value = one_line(value)
        if not value:
            return
        if row != self._row:
            self._end_row()
            self._row = row
        blanks = column - 1 - len(self._cells)
        blanks = blanks if 0 < blanks <= _MAX_BLANKS else 0
        self._length += len(value) + 3 * (blanks + 1)  # " | " between two cells
        if self._length > MAX_TEXT:
            raise too_large(self._name)
        self._cells += [""] * blanks
        self._cells.append(value)
        self._texts += is_text

    def write(self, builder: Builder, number: int, title: str) -> None:
        """Add the sheet, which is the document's `number`-th."""
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
        if not self._rows:  # numbers are no names of columns
            self._header = len(self._cells) > 1 and self._texts == sum(map(bool, self._cells))
        self._rows.append(" | ".join(self._cells))
        self._numbers.append(self._row)
        self._cells = []
