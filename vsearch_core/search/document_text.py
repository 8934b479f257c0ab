"""Join the overlapping chunks of a file into its text, and find the line, page and heading of each position.

Each chunk has the character and the line where it starts and ends. If the text between two such points has as many line
ends as their line numbers say, each line's number is known exactly. Otherwise (in formats without lines) only a range
of numbers is known.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vsearch_core.model import PAGE_BREAK, Chunk

MOST_FILLED = 10_000  # lines or pages that are made up for a gap: the most that a forged index can add


@dataclass(frozen=True, slots=True)
class _Place:
    """A position whose line and page are known: an offset into the joined text, its line in the file, and its page."""

    offset: int
    line: int
    page: int | None


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of the joined text: `text[start:end]`, without the line end.

    It is one of the lines `first` to `last` of the file (from 1, inclusive). They are equal if the line is known
    exactly.
    """

    start: int
    end: int
    first: int
    last: int
    page: int | None


class DocumentText:
    """The text of some consecutive chunks of a file, in which overlapping parts appear once.

    Text between chunks that the index doesn't store is replaced by one blank line for each line of the file.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        """Join the chunks. There must be at least one."""
        parts: list[str] = []
        self._places: list[_Place] = []
        self._starts: list[int] = []  # where the runs of gapless text begin in the joined text, and in the document
        self._chars: list[int] = []
        self._headings: list[tuple[int, str | None]] = []  # of each section, with the offset at which it begins
        length = covered = 0
        page, last_line = chunks[0].page, 0
        for number, chunk in enumerate(sorted(chunks, key=lambda chunk: (chunk.start_char, -chunk.end_char))):
            if number == 0 or chunk.start_char > covered:
                filler = _filler(covered, last_line, page, chunk) if number else ""
                parts.append(filler)
                length += len(filler)
                self._starts.append(length)
                self._chars.append(chunk.start_char)
                covered = chunk.start_char
            own = chunk.text[chunk.header_length :]
            new = own[covered - chunk.start_char :]
            if chunk.sections:
                self._headings += ((self._offset(each.start_char), each.heading) for each in chunk.sections)
            else:
                self._headings.append((self._offset(chunk.start_char), chunk.heading))
            self._places.append(_Place(self._offset(chunk.start_char), chunk.start_line, chunk.page))
            if chunk.end_char > covered:
                parts.append(new)
                length += len(new)
                covered, last_line = chunk.start_char + len(own), chunk.end_line
                page = None if chunk.page is None else chunk.page + own.count(PAGE_BREAK)
                self._places.append(_Place(self._offset(covered), chunk.end_line, page))
        self._headings.sort(key=lambda heading: heading[0])  # sections of a chunk may reach into the next one
        self.text = "".join(parts)
        self.lines = self._numbered_lines()

    def _offset(self, char: int) -> int:
        """Return the offset into the joined text of a character of the latest run."""
        return self._starts[-1] + char - self._chars[-1]

    def line_at(self, offset: int) -> int:
        """Return the number of the line, in `lines`, that contains the given offset of the joined text."""
        return max(bisect_right(self.lines, offset, key=lambda line: line.start) - 1, 0)

    def char_at(self, offset: int) -> int:
        """Return the position in the document, in characters, of an offset in the joined text. Approximate in a gap."""
        run = max(bisect_right(self._starts, offset) - 1, 0)
        return self._chars[run] + offset - self._starts[run]

    def page_at(self, offset: int) -> int | None:
        """Return the page of the given offset of the joined text, or None in formats without pages."""
        return self.lines[self.line_at(offset)].page

    def heading_at(self, offset: int) -> str | None:
        """Return the heading at an offset of the joined text: that of the last section that starts at or before it.

        A chunk without stored sections counts as one.
        """
        number = bisect_right(self._headings, offset, key=lambda heading: heading[0]) - 1
        return self._headings[max(number, 0)][1]

    def _numbered_lines(self) -> tuple[TextLine, ...]:
        starts = [0]
        for line in self.text.split("\n")[:-1]:
            starts.append(starts[-1] + len(line) + 1)
        first: list[int] = [0] * len(starts)
        last = first.copy()

        def note(number: int, low: int, high: int) -> None:
            first[number] = min(first[number] or low, low)
            last[number] = max(last[number], high)

        places = sorted(self._places, key=lambda place: place.offset)
        for place in places:
            note(bisect_right(starts, place.offset) - 1, place.line, place.line)
        for one, other in pairwise(places):
            low, high = bisect_right(starts, one.offset) - 1, bisect_right(starts, other.offset) - 1
            if other.line - one.line == high - low:
                for number in range(low, high + 1):
                    note(number, one.line + number - low, one.line + number - low)
                continue
            for number in range(low + 1, high):
                note(number, min(one.line, other.line), max(one.line, other.line))
        pages = self._pages(starts, places)
        ends = [start - 1 for start in starts[1:]] + [len(self.text)]
        return tuple(map(TextLine, starts, ends, first, last, pages))

    def _pages(self, starts: Sequence[int], places: Sequence[_Place]) -> list[int | None]:
        """Return the page of each line: that of the place before it, and one more for each page break since."""
        if places[0].page is None:
            return [None] * len(starts)
        pages: list[int | None] = []
        offsets = [place.offset for place in places]
        for start, end in pairwise([*starts, len(self.text) + 1]):
            place = places[max(bisect_right(offsets, start) - 1, 0)]
            breaks = self.text.count(PAGE_BREAK, place.offset, end) if place.page is not None else 0
            pages.append(None if place.page is None else place.page + breaks)
        return pages


def _filler(char: int, line: int, page: int | None, later: Chunk) -> str:
    """Return what stands for the text between two chunks: page breaks, line ends, or a blank."""
    if page is not None and later.page is not None and later.page > page:
        return "\n" + PAGE_BREAK * min(later.page - page, MOST_FILLED) + "\n"
    lines = later.start_line - line
    if lines <= 0:
        return " " if lines == 0 else "\n\n"
    return "\n" * lines if lines <= min(later.start_char - char, MOST_FILLED) else "\n\n"
