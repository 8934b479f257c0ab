"""Arranges the text of an HTML page in lines as a browser does: line ends in the source don't matter."""

import itertools
from typing import Literal

from vsearch_core.text.extract.builder import MAX_HEADER
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.figures import FoundFigure
from vsearch_core.text.extract.headings import MAX_TITLE, Block, Heading


class TextLayout:
    """Collects lines of text with their line numbers in the source, and records which are headings, code or tables."""

    def __init__(self, max_headings: int) -> None:
        """Start an empty text. Record at most `max_headings` headings, and as many blocks of code or tables."""
        self._max_headings = max_headings
        self.rows: list[str] = []
        self.sources: list[int] = []
        self.figures: list[FoundFigure] = []
        self._figure_rows: list[int] = []
        self._headings: list[tuple[int, int, str]] = []  # row, level, title
        self._blocks: list[tuple[int, int, Literal["code", "rows"], str]] = []  # first row, last and one, kind, header
        self._parts: list[str] = []  # of the row being written
        self._line = 0  # source line of that row
        self._space = False  # whether a space is due before the next word
        self._blank = False  # whether a blank row is due before the next row
        self._marker = ""

    def write(self, text: str, line: int) -> None:
        """Add text that begins on the source line `line`. White space is collapsed to single spaces."""
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
        """Put a space before the next text."""
        self._space = True

    def bullet(self) -> None:
        """Begin the next line with a dash, as an item of a list."""
        self._marker = "- "

    def end_line(self) -> None:
        """End the current line if it has any text."""
        if self._parts:
            self._end_row(self._line)

    def end_block(self) -> None:
        """End the current line, and put a blank line before the next one."""
        self.end_line()
        self._blank = self._blank or not self._marker  # the text after a dash is on its line

    def add_heading(self, first_row: int, level: int) -> None:
        """Make all rows since `first_row` one heading. Blank rows at its start are excluded."""
        self.end_block()
        first_row = self._filled(first_row)
        rows = self.rows[first_row : first_row + MAX_TITLE]
        title = " ".join(row[:MAX_TITLE] for row in rows)[:MAX_TITLE].strip()
        if title and len(self._headings) < self._max_headings:
            self._headings.append((first_row, level, title))

    def add_block(self, first_row: int, kind: Literal["code", "rows"], *, header: bool = False) -> None:
        """Mark all rows since `first_row` as code or as a table. Blank rows at its start are excluded.

        If `header` is True, the table's first row contains the names of its columns.
        """
        self.end_block()
        first_row = self._filled(first_row)
        if first_row < len(self.rows) and len(self._blocks) < self._max_headings:
            while self._blocks and self._blocks[-1][0] >= first_row:
                self._blocks.pop()  # a table in a listing
            names = self.rows[first_row] if header and first_row + 1 < len(self.rows) else ""
            self._blocks.append((first_row, len(self.rows), kind, names if len(names) <= MAX_HEADER else ""))

    def add_figure(self, figure: FoundFigure) -> None:
        """Record a figure in this place. Its texts are not part of the text here."""
        self.figures.append(figure)
        self._figure_rows.append(len(self.rows))

    def placed_figures(self) -> list[tuple[int, FoundFigure]]:
        """Return the figures, each with the offset in the text of the row that it is in or before."""
        starts = self._starts()
        return [
            (starts[min(row, len(self.rows))], figure)
            for row, figure in zip(self._figure_rows, self.figures, strict=True)
        ]

    def length(self) -> int:
        """Return the number of characters of the text and of the texts of figures."""
        return len(self.text()) + sum(len(text) for figure in self.figures for text in figure.texts)

    def text(self) -> str:
        """Return all lines as one text."""
        self.end_line()
        return "\n".join(self.rows)

    def headings(self) -> list[Heading]:
        """Return the headings, with their offsets in the text."""
        starts = self._starts()
        return [Heading(starts[row], level, title) for row, level, title in self._headings]

    def blocks(self) -> list[Block]:
        """Return the blocks of code and the tables, with their offsets in the text."""
        starts = self._starts()
        return [Block(starts[first], starts[end], kind, header) for first, end, kind, header in self._blocks]

    def _starts(self) -> list[int]:
        """Return the offset of each row in the text, and of a row after the last."""
        return list(itertools.accumulate((len(row) + 1 for row in self.rows), initial=0))

    def _filled(self, row: int) -> int:
        """Return the first row at or after `row` that is not blank."""
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
