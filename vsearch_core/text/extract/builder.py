"""Assembles a document from blocks of text, for formats whose text isn't simply the lines of the file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from vsearch_core.model import PAGE_BREAK, Document, FigurePixels, JsonValue, Span, TextBox
from vsearch_core.text.extract.decode import SOFT_HYPHEN, one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.figure_pixels import UNSEEN, has_room
from vsearch_core.text.extract.headings import MAX_TITLE, HeadingTrail
from vsearch_core.text.extract.options import ExtractLimits

Kind = Literal["prose", "rows", "code"]
MAX_HEADER = 1000  # characters; a longer row of column names isn't repeated in each chunk


class DocumentBuilder:
    """Collects blocks of text one after the other, and records the heading, page and kind of each as a span.

    If the source lines are given for one block, they should be given for all; they become `Document.lines`. Messages
    that are appended to `left_out` become `Document.left_out`, `boxes` `Document.boxes`, and `figures`
    `Document.figures`. All methods that add text
    raise ExtractionError if the whole text becomes longer than `limits.text_chars`.
    """

    def __init__(self, name: str, limits: ExtractLimits) -> None:
        """Start an empty document. `name` is the name of the file for error messages."""
        self.name = name
        self.limits = limits
        self.length = 0
        self.page: int | None = None
        self._end_apart = 0  # where the last block ends that no chunk extends across
        self._parts: list[str] = []
        self._spans: list[Span] = []
        self._lines: list[int] = []
        self._trail = HeadingTrail()
        self.left_out: list[str] = []
        self.boxes: list[TextBox] | None = None
        self.figures: list[FigurePixels] = []
        self.has_unseen_figures = False
        self.first_heading: str | None = None

    @property
    def titles(self) -> tuple[str, ...]:
        """The headings of the blocks that follow, outermost first."""
        return self._trail.titles

    def start_page(self, number: int, *, apart: bool = False) -> None:
        """Assign the following blocks to page `number`. If `apart` is True, no chunk extends across the page break."""
        if self._spans and self.page is not None and number > self.page:
            break_ = PAGE_BREAK * min(number - self.page, MAX_HEADER) + "\n"
            start = self.length
            self._write(break_, self._lines[-1:])
            if not apart and start != self._end_apart:
                self._spans[-1] = replace(self._spans[-1], end=start + len(break_))
        self.page = number

    def forget_pages(self) -> None:
        """Remove the page numbers of all blocks, for a file that doesn't record where its pages begin."""
        self._spans = [replace(span, page=None) for span in self._spans]
        self.page = None

    def end_headings(self, level: int = 0) -> None:
        """End all sections of this level and of deeper levels. Level 0 ends all sections."""
        self._trail.close(level)

    def start_heading(self, level: int, title: str) -> None:
        """Put the blocks that follow under this heading. The heading itself is not added to the text."""
        self.end_headings(level)
        title = one_line(title.replace(SOFT_HYPHEN, ""))[:MAX_TITLE]
        if title:
            self.first_heading = self.first_heading or title
            self._trail.open(level, title)

    def heading(self, level: int, title: str, lines: Sequence[int] = ()) -> None:
        """Put the blocks that follow under this heading, and add the heading as a line of the text.

        `lines` has the number of the heading's line in the file.
        """
        self.start_heading(level, title)
        self.add(one_line(title), lines=lines)

    def add(
        self, text: str, kind: Kind = "prose", header: str = "", *, lines: Sequence[int] = (), tight: bool = False
    ) -> None:
        """Add a block of text.

        Args:
            text: The text. Blank text is ignored.
            kind: "prose", "rows" of a table, or "code".
            header: The row of column names, which is repeated in each chunk of the block.
            lines: For each line of the text, the number of the line in the file that it comes from.
            tight: True to add no blank line after the block.
        """
        text = text.rstrip("\n").replace(SOFT_HYPHEN, "")
        if not text.strip():
            return
        start = self.length
        text = text.replace(PAGE_BREAK, " ")
        self._write(text + ("\n" if tight else "\n\n"), [*lines, *([] if tight else lines[-1:])])
        span = Span(start, self.length, self._trail.titles, self.page, kind, header)
        last = self._spans[-1] if self._spans else None
        if last is not None and replace(last, start=start, end=self.length) == span and last.end == start:
            self._spans[-1] = replace(last, end=self.length)
        else:
            self._spans.append(span)

    def add_apart(self, text: str, titles: Sequence[str], line: int = 0) -> int:
        """Add a block below these titles alone, of which no chunk has other text, too. Return its start.

        `line` is its line in the source, if it isn't 0. The block must be stripped.
        """
        self._write("\n", [line] if line else ())
        start = self.length
        text = text.replace(PAGE_BREAK, " ")
        self._write(f"{text}\n\n", [line] * (text.count("\n") + 2) if line else ())
        self._spans.append(Span(start, self.length, tuple(titles), self.page))
        self._write("\n", [line] if line else ())
        self._end_apart = self.length
        return start

    def text_since(self, start: int) -> str:
        """Return the text from an offset on, which must be the beginning of a block."""
        at, kept = self.length, list[str]()
        for part in reversed(self._parts):
            if at <= start:
                break
            kept.append(part)
            at -= len(part)
        return "".join(reversed(kept))

    def add_rows(self, rows: Sequence[str], lines: Sequence[int] = (), *, header: str | None = None) -> None:
        """Add a table with one line per row.

        Args:
            rows: The rows.
            lines: For each row, the number of the line in the file that it comes from.
            header: The row of column names, which is repeated in each chunk of the table. None means the first row.
        """
        rows = [one_line(row) for row in rows]
        if header is None:
            header = rows[0] if len(rows) > 1 else ""
        self.add("\n".join(rows), "rows", header if len(header) <= MAX_HEADER else "", lines=lines)

    def add_document(
        self, part: Document, title: str = "", *, line: int = 0, lines: Sequence[int] = (), apart: bool = False
    ) -> None:
        """Append another document, such as an attachment, below the current headings.

        `title` becomes the heading of those texts of the other document that have no heading. `line` is the source line
        of all its text, if it isn't 0; `lines` has the source line of each of its lines. With `apart`, no chunk
        contains text of both documents. Of one that has only figures, nothing is written.
        """
        if part.figures and not part.text:
            self._add_figures(part, title)
            return
        if apart:
            self._write("\n", [line] if line else ())
        start = self.length
        self._add_figures(part, title)
        outer = self._trail.titles
        if part.boxes is not None:
            moved = [replace(box, start=box.start + start, end=box.end + start, page=self.page) for box in part.boxes]
            self.boxes = [*(self.boxes or ()), *moved]
        text = part.text.replace(PAGE_BREAK, " ") + "\n\n"
        self._write(text, [*lines, *lines[-1:]] if lines else [line] * text.count("\n") if line else ())
        for span in part.spans:
            inner = span.heading or ((title[:MAX_TITLE],) if title else ())
            self._spans.append(
                replace(span, start=span.start + start, end=span.end + start, heading=outer + inner, page=self.page)
            )
        if part.spans and part.spans[-1].end < len(part.text):
            self._end_apart = self.length

    def _add_figures(self, part: Document, title: str) -> None:
        """Add the figures of another document whose text is about to be appended, as long as there is room."""
        for figure in part.figures:
            if not has_room(self.figures, len(figure.pixels)):
                self.has_unseen_figures = True
                return
            titles = self.titles + (figure.titles or ((title[:MAX_TITLE],) if title else ()))
            start, end = figure.start + self.length, figure.end + self.length
            self.figures.append(replace(figure, start=start, end=end, page=self.page, titles=titles))

    def document(
        self, title: str | None = None, language: str | None = None, metadata: Mapping[str, JsonValue] | None = None
    ) -> Document:
        """Return everything that was added as one document."""
        lines = (*self._lines, self._lines[-1]) if self._lines else None
        title = one_line(title or "")[:MAX_TITLE] or None
        text, spans = "".join(self._parts), tuple(self._spans)
        boxes = None if self.boxes is None else tuple(self.boxes)
        unseen = (UNSEEN.format(len(self.figures)),) if self.has_unseen_figures else ()
        left_out = (*self.left_out, *unseen)
        figures = tuple(self.figures)
        return Document(text, spans, title, language, metadata or {}, lines, left_out, boxes, figures=figures)

    def _write(self, text: str, lines: Sequence[int]) -> None:
        self.length += len(text)
        if self.length > self.limits.text_chars:
            raise too_large(self.name)
        self._parts.append(text)
        self._lines += lines


def numbered(noun: str, numbers: Sequence[int]) -> str:
    """Format ascending numbers after a noun, such as "page 3" or "pages 1-3, 7"."""
    present = set(numbers)
    starts = (number for number in numbers if number - 1 not in present)
    ends = (number for number in numbers if number + 1 not in present)
    ranges = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))
    return f"{noun}{'s' if len(numbers) > 1 else ''} {ranges}"
