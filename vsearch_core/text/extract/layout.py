"""Building a text line by line, for formats whose own lines mean nothing."""

from vsearch_core.text.extract.headings import MAX_TITLE, Heading


class Page:
    """Lines of text under construction, each with the source line that it came from."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.sources: list[int] = []
        self._headings: list[tuple[int, int, str]] = []  # row, level, title
        self._parts: list[str] = []  # of the row being written
        self._line = 0  # source line of that row
        self._space = False  # whether a space is due before the next word
        self._blank = False  # whether a blank row is due before the next row
        self._marker = ""

    def write(self, text: str, line: int) -> None:
        """Running text that begins on the source's line `line`; each stretch of white space becomes one space."""
        words = " ".join(text.split())
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
        while first_row < len(self.rows) and not self.rows[first_row]:
            first_row += 1
        title = " ".join(self.rows[first_row:])[:MAX_TITLE].strip()
        if title:
            self._headings.append((first_row, level, title))

    def text(self) -> str:
        self.end_line()
        return "\n".join(self.rows)

    def headings(self) -> list[Heading]:
        starts = [0]
        for row in self.rows:
            starts.append(starts[-1] + len(row) + 1)
        return [Heading(starts[row], level, title) for row, level, title in self._headings]

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
