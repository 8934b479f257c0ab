"""Layout of running text into lines, as a browser does it, for HTML: its own line ends mean nothing."""

import itertools
from typing import Literal

from vsearch_core.text.extract.builder import MAX_HEADER
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.headings import MAX_TITLE, Block, Heading


class TextLayout:
    """Collects lines of text, each with the source line that it came from, and notes headings and blocks among them.

    `max_headings` bounds the headings, and the blocks; further ones are plain text.
    """

    def __init__(self, max_headings: int) -> None:
        """Start an empty text."""
        self._max_headings = max_headings
        self.rows: list[str] = []
        self.sources: list[int] = []
        self._headings: list[tuple[int, int, str]] = []  # row, level, title
        self._blocks: list[tuple[int, int, Literal["code", "rows"], str]] = []  # first row, last and one, kind, header
        self._parts: list[str] = []  # of the row being written
        self._line = 0  # source line of that row
        self._space = False  # whether a space is due before the next word
        self._blank = False  # whether a blank row is due before the next row
        self._marker = ""

    def write(self, text: str, line: int) -> None:
        """Add running text that begins on the source line `line`; white space is collapsed to single spaces."""
        words = one_line(text)
        if not words:
            self._space = self._space or bool(text)
            return
        if not self._parts:
            self._begin(line + text[: len(text) - len(text.lstrip())].count("\n"))
        elif self._space or text[0].isspace():
            self._parts.append(" ")
        self._parts.append(words)
        self._space = text[-1].isspace()

    def write_verbatim(self, text: str, line: int) -> None:
        """Add text that begins on the source line `line`, and keep its spaces and line ends."""
        for number, row in enumerate(text.split("\n")):
            if number:
                self._end_row(line + number - 1)
            if row:
                if not self._parts:
                    self._begin(line + number)
                self._parts.append(row)

    def space(self) -> None:
        """Put a space before the next word."""
        self._space = True

    def bullet(self) -> None:
        """Begin the next line with a dash."""
        self._marker = "- "

    def end_line(self) -> None:
        """End the line that is being written, if any."""
        if self._parts:
            self._end_row(self._line)

    def end_block(self) -> None:
        """End the line, and put a blank one before the next."""
        self.end_line()
        self._blank = self._blank or not self._marker  # the text after a dash is on its line

    def add_heading(self, first_row: int, level: int) -> None:
        """Make the rows from `first_row` on, without leading blank ones, a heading."""
        self.end_block()
        first_row = self._filled(first_row)
        rows = self.rows[first_row : first_row + MAX_TITLE]
        title = " ".join(row[:MAX_TITLE] for row in rows)[:MAX_TITLE].strip()
        if title and len(self._headings) < self._max_headings:
            self._headings.append((first_row, level, title))

    def add_block(self, first_row: int, kind: Literal["code", "rows"], *, header: bool = False) -> None:
        """Make the rows from `first_row` on, without leading blank ones, code or a table.

        With `header`, the table's first row names its columns.
        """
        self.end_block()
        first_row = self._filled(first_row)
        if first_row < len(self.rows) and len(self._blocks) < self._max_headings:
            while self._blocks and self._blocks[-1][0] >= first_row:
                self._blocks.pop()  # a table in a listing
            names = self.rows[first_row] if header and first_row + 1 < len(self.rows) else ""
            self._blocks.append((first_row, len(self.rows), kind, names if len(names) <= MAX_HEADER else ""))

    def text(self) -> str:
        """Return the lines as one text."""
        self.end_line()
        return "\n".join(self.rows)

    def headings(self) -> list[Heading]:
        """Return the headings, at their places in the text."""
        starts = self._starts()
        return [Heading(starts[row], level, title) for row, level, title in self._headings]

    def blocks(self) -> list[Block]:
        """Return the blocks of code and rows, at their places in the text."""
        starts = self._starts()
        return [Block(starts[first], starts[end], kind, header) for first, end, kind, header in self._blocks]

    def _starts(self) -> list[int]:
        """Return the offset of each row in the text, and of a row after the last."""
        return list(itertools.accumulate((len(row) + 1 for row in self.rows), initial=0))

    def _filled(self, row: int) -> int:
        """Return the first row from that one on that is not blank."""
        while row < len(self.rows) and not self.rows[row]:
            row += 1
        return row

    def _begin(self, line: int) -> None:
        if self._blank and self.rows:
            self.rows.append("")
            self.sources.append(line)
        self._blank = False
        self._line = line
        if self._marker:
            self._parts.append(self._marker)
            self._marker = ""

    def _end_row(self, line: int) -> None:
        if self._blank and not self._parts:
            return  # verbatim text often begins with a line end, after a blank line anyway
        self.rows.append("".join(self._parts))
        self.sources.append(self._line if self._parts else line)
        self._parts.clear()
        self._space = False
