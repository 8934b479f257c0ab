"""Building a text line by line, for formats whose own lines mean nothing."""

import itertools
from typing import Literal

from vsearch_core.text.extract.builder import MAX_HEADER
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.headings import MAX_HEADINGS, MAX_TITLE, Block, Heading


class Page:
    """Lines of text under construction, each with the source line that it came from."""

    def __init__(self) -> None:
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
        """Running text that begins on the source's line `line`; each stretch of white space becomes one space."""
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
        """Text whose spaces and line ends are kept."""
        for number, row in enumerate(text.split("\n")):
            if number:
                self._end_row(line + number - 1)
            if row:
                if not self._parts:
                    self._begin(line + number)
                self._parts.append(row)

    def space(self) -> None:
        self._space = True

    def bullet(self) -> None:
        """The next line begins with a dash."""
        self._marker = "- "

    def end_line(self) -> None:
        if self._parts:
            self._end_row(self._line)

    def end_block(self) -> None:
        """Ends the line, and puts a blank one before the next."""
        self.end_line()
        self._blank = self._blank or not self._marker  # what follows a dash stands beside it

    def add_heading(self, first_row: int, level: int) -> None:
        """Makes the rows from `first_row` on, blank ones aside, a heading."""
        self.end_block()
        first_row = self._filled(first_row)
        rows = self.rows[first_row : first_row + MAX_TITLE]
        title = " ".join(row[:MAX_TITLE] for row in rows)[:MAX_TITLE].strip()
        if title and len(self._headings) < MAX_HEADINGS:
            self._headings.append((first_row, level, title))

    def add_block(self, first_row: int, kind: Literal["code", "rows"], *, header: bool = False) -> None:
        """Makes the rows from `first_row` on, blank ones aside, code or a table, whose first row may be its header."""
        self.end_block()
        first_row = self._filled(first_row)
        if first_row < len(self.rows) and len(self._blocks) < MAX_HEADINGS:
            while self._blocks and self._blocks[-1][0] >= first_row:
                self._blocks.pop()  # a table in a listing
            names = self.rows[first_row] if header and first_row + 1 < len(self.rows) else ""
            self._blocks.append((first_row, len(self.rows), kind, names if len(names) <= MAX_HEADER else ""))

    def text(self) -> str:
        self.end_line()
        return "\n".join(self.rows)

    def headings(self) -> list[Heading]:
        starts = self._starts()
        return [Heading(starts[row], level, title) for row, level, title in self._headings]

    def blocks(self) -> list[Block]:
        starts = self._starts()
        return [Block(starts[first], starts[end], kind, header) for first, end, kind, header in self._blocks]

    def _starts(self) -> list[int]:
        """Where each row begins, and where the text would go on."""
        return list(itertools.accumulate((len(row) + 1 for row in self.rows), initial=0))

    def _filled(self, row: int) -> int:
        """The first row from that one on that is not blank."""
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
