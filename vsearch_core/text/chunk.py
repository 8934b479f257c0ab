"""Splits a document into chunks of a target number of words, at the best boundary near the target.

A boundary is the end of a sentence or paragraph, a heading, a new page, a blank line of code or the end of a line.

A word is a run of characters without white space. In scripts without spaces (Han, kana, Thai …), each character is a
word. Two rules bound the text of a chunk: a run of more than `MAX_RUN` characters counts as several words, and each
`MAX_GAP` characters of white space in a row count as a word, too.
"""

import itertools
import math
import re
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vsearch_core import config, scripts
from vsearch_core.errors import ArgumentError
from vsearch_core.model import HEADING_SEPARATOR, Chunk, Document, Section, Span

MIN_WORDS, MAX_WORDS = 20, 5000  # the range of a target
MAX_RUN = 100  # characters
MAX_GAP = 100  # characters of white space
# Shares of the target:
MAX_SHARE = 1.2  # no chunk has more words, not counting a repeated header
MIN_SHARE = 0.8  # a chunk is cut at the best boundary between this and MAX_SHARE
HEADING_SHARE = 0.4  # a chunk of at least this size ends before a heading or a new page
TAIL_SHARE = 0.2  # the last chunk is not smaller

_UNSPACED = f"{scripts.SOUTHEAST_ASIAN}{scripts.RADICALS}{scripts.KANA}{scripts.HAN}{scripts.FULLWIDTH}"
_MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef"
)
_WORD = re.compile(rf"[{_UNSPACED}][{_MARKS}]{{0,8}}|[^\s{_UNSPACED}]{{1,{MAX_RUN}}}|\s{{{MAX_GAP}}}")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_SPACED_WORD = re.compile(
    rf"\S{{1,{MAX_RUN}}}|\s{{{MAX_GAP}}}"
)  # finds the same in text without such characters, faster
_PARAGRAPH = re.compile(r"\n[^\S\n]*(?=\n)")
_SENTENCE = re.compile(r"[.!?…]['\"’”»)\]]*(?=\s)|[。！？．｡][」』”’）】]*")
_LINE = re.compile(r"\n")


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """The target size of chunks and the overlap of neighbouring chunks. Raises ArgumentError if one is out of range.

    Attributes:
        words: The target size, in words.
        overlap: The number of words that two neighbouring chunks share.
    """

    words: int = config.CHUNK_WORDS
    overlap: int = config.OVERLAP_WORDS

    def __post_init__(self) -> None:
        """Raise ArgumentError if a size is out of range."""
        if not MIN_WORDS <= self.words <= MAX_WORDS:
            raise ArgumentError("chunk_words", f"{self.words} is not from {MIN_WORDS} to {MAX_WORDS}")
        if not 0 <= self.overlap < self.words / 2:
            limit = (self.words - 1) // 2
            raise ArgumentError("overlap_words", f"{self.overlap} is not from 0 to {limit}")

    @property
    def limit(self) -> int:
        """Return the maximum number of words in a chunk."""
        return math.floor(self.words * MAX_SHARE)


def count_words(text: str) -> int:
    """Return the number of words in a text, as this module defines them."""
    return sum(1 for _ in _WORD.finditer(text))


def split(document: Document, options: ChunkOptions) -> list[Chunk]:
    """Split a document into chunks and return them in order.

    Together they contain all text of the document's spans. Text between two spans is left out, and no chunk extends
    across it. No chunk begins or ends with white space. Time and memory grow linearly with the text.
    """
    chunks: list[Chunk] = []
    line, counted = 1, 0  # the line of the character at offset `counted`
    for stretch in _stretches(document.spans):
        for first, last, span, heading, sections in _Cutter(document.text, stretch, options).cut():
            text = document.text[first:last]
            if text.isspace():
                continue
            start, end = first + len(text) - len(text.lstrip()), last - len(text) + len(text.rstrip())
            line += document.text.count("\n", counted, start)
            counted = start
            chunks.append(replace(_chunk(document, start, end, line, span, heading), sections=sections))
    return chunks


def _chunk(document: Document, start: int, end: int, line: int, span: Span, heading: tuple[str, ...]) -> Chunk:
    text = document.text[start:end]
    last_line = line + text.count("\n")
    repeats = span.header and _WORD.search(document.text, span.start, start)
    return Chunk(
        text=f"{span.header}\n{text}" if repeats else text,
        start_char=start,
        end_char=end,
        start_line=document.lines[line - 1] if document.lines else line,
        end_line=document.lines[last_line - 1] if document.lines else last_line,
        page=span.page,
        heading=HEADING_SEPARATOR.join(heading) or None,
    )


def _stretches(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Yield the spans in groups; the spans of a group follow each other without a gap."""
    stretch: list[Span] = []
    for span in spans:
        if stretch and span.start != stretch[-1].end:
            yield stretch
            stretch = []
        stretch.append(span)
    if stretch:
        yield stretch


class _Cutter:
    """Splits one stretch of text. A cut is a position between words: cut n is before word n, counted from 0."""

    def __init__(self, text: str, spans: list[Span], options: ChunkOptions) -> None:
        self.text = text
        self.spans = spans
        self.span_starts = [span.start for span in spans]
        self.target = options.words
        self.limit = options.limit
        self.overlap = options.overlap
        start, end = spans[0].start, spans[-1].end
        word = _SPACED_WORD if text.isascii() or not _IS_UNSPACED.search(text, start, end) else _WORD
        self.words = array("q", map(re.Match.start, word.finditer(text, start, end)))
        self.end = end
        # A new page is treated like a heading: a chunk has one page number, which should be right for most of it.
        places = ((span.heading, span.page) for span in spans)
        changes = (span.start for span, (a, b) in zip(spans[1:], itertools.pairwise(places), strict=True) if a != b)
        self.headings = self._cuts(changes)
        self.paragraphs = self._cuts(_ends(text, spans, {"prose": _PARAGRAPH, "rows": _LINE}, with_starts=True))
        self.sentences = self._cuts(_ends(text, spans, {"prose": _SENTENCE}))
        self.blank_lines = self._cuts(_ends(text, spans, {"code": _PARAGRAPH}))
        self.lines = self._cuts(map(re.Match.end, _LINE.finditer(text, start, end)))

    def _cuts(self, offsets: Iterator[int]) -> "array[int]":
        """Return the cuts at these character offsets, which must be ascending."""
        cuts = array("q")
        low = 0
        for offset in offsets:
            low = bisect_left(self.words, offset, low)
            if 0 < low < len(self.words) and (not cuts or cuts[-1] != low):
                cuts.append(low)
        return cuts

    def cut(self) -> Iterator[tuple[int, int, Span, tuple[str, ...], tuple[Section, ...]]]:
        """Yield each chunk: start and end (character offsets), the span that it begins in, its headings and sections.

        There are no sections if all of the chunk has the same headings.
        """
        start = end = 0
        while end < len(self.words):
            heading = self._heading_after(start, end)
            end = self._end_of(start) if heading is None else heading
            first = self.words[start]
            sections = self._sections_of(start, end)
            headings = self._headings_of(start, end) if len(sections) > 1 else sections[0].titles
            several = sections if len(sections) > 1 else ()
            yield first, self._end_char(end), self._span_of(start), headings, several
            if end < len(self.words):
                start = end if heading is not None else self._next_start(end)

    def _span_of(self, cut: int) -> Span:
        return self.spans[bisect_right(self.span_starts, self.words[cut]) - 1]

    def _spans_of(self, start: int, end: int) -> list[Span]:
        first = bisect_right(self.span_starts, self.words[start]) - 1
        last = bisect_right(self.span_starts, self.words[end - 1]) - 1
        return self.spans[first : last + 1]

    def _sections_of(self, start: int, end: int) -> tuple[Section, ...]:
        """Return the sections of the text from cut `start` to `end`: at least one."""
        sections = []
        spans = (span for span, _ in self._words_of(start, end))
        for heading, group in itertools.groupby(spans, key=lambda span: span.heading):
            sections.append(Section(max(next(group).start, self.words[start]), heading))
        return tuple(sections)

    def _words_of(self, start: int, end: int) -> Iterator[tuple[Span, int]]:
        """Yield each span in which words from cut `start` to `end` begin, and the number of these words."""
        for span in self._spans_of(start, end):
            inside = (bisect_left(self.words, place) for place in (span.start, span.end))
            begun, done = (min(max(cut, start), end) for cut in inside)
            if done > begun:
                yield span, done - begun

    def _headings_of(self, start: int, end: int) -> tuple[str, ...]:
        """Return the headings above most words from cut `start` to `end`: the longest trail over half of them.

        If not even the outermost heading is over half, return the trail over most words.
        """
        trails: Counter[tuple[str, ...]] = Counter()
        for span, words in self._words_of(start, end):
            trails[span.heading] += words
        above: Counter[tuple[str, ...]] = Counter()
        for trail, words in trails.items():
            for depth in range(1, len(trail) + 1):
                above[trail[:depth]] += words
        most = [trail for trail, words in above.items() if 2 * words > end - start]
        return max(most, key=len, default=trails.most_common(1)[0][0])

    def _end_char(self, cut: int) -> int:
        match = _WORD.match(self.text, self.words[cut - 1], self.end)
        return match.end() if match else self.end

    def _heading_after(self, start: int, previous: int) -> int | None:
        """Return the cut of the first heading at which a chunk from `start` must end, or None if it's too far away."""
        low = max(start + math.ceil(self.target * HEADING_SHARE), previous + 1)
        index = bisect_left(self.headings, low)
        if index == len(self.headings) or self.headings[index] > start + self.limit:
            return None
        heading = self.headings[index]
        return heading if len(self.words) - heading >= self.target * TAIL_SHARE else None

    def _end_of(self, start: int) -> int:
        """Return the best cut at which to end a chunk that begins at the cut `start`."""
        if len(self.words) - start <= self.limit:
            return len(self.words)
        low = start + math.ceil(self.target * MIN_SHARE)
        high = min(start + self.limit, len(self.words) - math.ceil(self.target * TAIL_SHARE))
        target = min(start + self.target, high)
        for cuts in (self.headings, self.paragraphs, self.sentences, self.blank_lines, self.lines):
            cut = _nearest(cuts, target, low, high)
            if cut is not None:
                return cut
        return self._between_words(target, low, high)

    def _between_words(self, target: int, low: int, high: int) -> int:
        """Return the cut nearest to `target` that has white space before it. If there is none, return `target`."""
        for distance in range(max(target - low, high - target) + 1):
            for cut in (target - distance, target + distance):
                if low <= cut <= high and self.text[self.words[cut] - 1].isspace():
                    return cut
        return target

    def _next_start(self, end: int) -> int:
        """Return the cut at which the next chunk begins after a chunk that ends at the cut `end`.

        It is the boundary nearest to `end` minus the overlap. Chunks of table rows don't overlap.
        """
        if self._span_of(end).kind == "rows":
            return end
        wanted = end - self.overlap
        low, high = wanted - self.overlap // 2, wanted + self.overlap // 2
        for cuts in (self.paragraphs, self.sentences, self.blank_lines):
            cut = _nearest(cuts, wanted, low, high)
            if cut is not None:
                return cut
        return self._between_words(wanted, low, high) if self.overlap else end


def _ends(
    text: str, spans: Sequence[Span], patterns: Mapping[str, re.Pattern[str]], *, with_starts: bool = False
) -> Iterator[int]:
    """Yield the offsets at which matches end. `patterns` has a pattern for some kinds of spans.

    If `with_starts` is True, also yield the offset at which each run of spans of one kind begins.
    """
    for kind, group in itertools.groupby(spans, key=lambda span: span.kind):
        run = list(group)
        if with_starts:
            yield run[0].start
        if kind in patterns:
            yield from map(re.Match.end, patterns[kind].finditer(text, run[0].start, run[-1].end))


def _nearest(cuts: "array[int]", target: int, low: int, high: int) -> int | None:
    """Return the cut nearest to `target` within `low` and `high`, both included; the earlier of two equally near."""
    index = bisect_left(cuts, target)
    near = [cut for cut in cuts[max(index - 1, 0) : index + 1] if low <= cut <= high]
    return min(near, key=lambda cut: abs(cut - target), default=None)
