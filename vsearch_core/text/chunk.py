"""Splits a document into chunks of a target number of words, at the best boundary near the target.

A boundary is the end of a sentence or paragraph, a heading, a new page, a blank line of code or the end of a line.

Words are those of `word_starts`.
"""

import itertools
import math
import re
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vsearch_core import config
from vsearch_core.errors import ArgumentError
from vsearch_core.model import HEADING_SEPARATOR, Chunk, Document, Section, Span
from vsearch_core.text.word_starts import WORD, word_starts

MIN_WORDS, MAX_WORDS = 20, 5000  # the range of a target
# Shares of the target:
MAX_SHARE = 1.2  # no chunk has more words, not counting a repeated header
MIN_SHARE = 0.8  # a chunk is cut at the best boundary between this and MAX_SHARE
HEADING_SHARE = 0.4  # a chunk of at least this size ends before a heading or a new page
TAIL_SHARE = 0.2  # the last chunk is not smaller

_PARAGRAPH = re.compile(r"\n[^\S\n]*(?=\n)")
_ENDS, _CLOSERS = ".!?…", "'\"’”»)]"
_UNSPACED_ENDS, _UNSPACED_CLOSERS = "。！？．｡", "」』”’）】"
_SENTENCE = re.compile(  # the first set of characters is what is searched for
    rf"[{_ENDS}{_UNSPACED_ENDS}](?:(?<=[{_ENDS}])[{re.escape(_CLOSERS)}]*(?=\s)|(?<=[{_UNSPACED_ENDS}])[{_UNSPACED_CLOSERS}]*)"
)
_IN_SENTENCE_END = frozenset(_ENDS + _CLOSERS + _UNSPACED_ENDS + _UNSPACED_CLOSERS)
_LINE = re.compile(r"\n")
# Kinds of boundaries: for some kinds of spans, the pattern at whose matches' ends text can be cut
_PARAGRAPHS = {"prose": _PARAGRAPH, "rows": _LINE}
_SENTENCES = {"prose": _SENTENCE}
_BLANK_LINES = {"code": _PARAGRAPH}
_LINES = dict.fromkeys(("prose", "rows", "code"), _LINE)


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
    return sum(1 for _ in WORD.finditer(text))


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
            chunks.append(_chunk(document, start, end, line, span, heading, sections))
    return chunks


def _chunk(
    document: Document,
    start: int,
    end: int,
    line: int,
    span: Span,
    heading: tuple[str, ...],
    sections: tuple[Section, ...],
) -> Chunk:
    text = document.text[start:end]
    last_line = line + text.count("\n")
    repeats = span.header and WORD.search(document.text, span.start, start)
    return Chunk(
        text=f"{span.header}\n{text}" if repeats else text,
        start_char=start,
        end_char=end,
        start_line=document.lines[line - 1] if document.lines else line,
        end_line=document.lines[last_line - 1] if document.lines else last_line,
        page=span.page,
        heading=HEADING_SEPARATOR.join(heading) or None,
        sections=sections,
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
        self.words = word_starts(text, spans[0].start, spans[-1].end)
        self.end = spans[-1].end
        # A new page is treated like a heading: a chunk has one page number, which should be right for most of it.
        places = ((span.heading, span.page) for span in spans)
        changes = (span.start for span, (a, b) in zip(spans[1:], itertools.pairwise(places), strict=True) if a != b)
        self.headings = array(
            "q", sorted({cut for cut in map(self.words.before, changes) if 0 < cut < len(self.words)})
        )
        groups = (list(group) for _, group in itertools.groupby(spans, key=lambda span: span.kind))
        self.runs = [(run[0].kind, run[0].start, run[-1].end) for run in groups]  # of spans of one kind
        self.run_starts = [start for _, start, _ in self.runs]
        self.listed: dict[int, array[int]] = {}  # offsets of all boundaries of a kind

    def cut(self) -> Iterator[tuple[int, int, Span, tuple[str, ...], tuple[Section, ...]]]:
        """Yield each chunk: start and end (character offsets), the span that it begins in, its headings and sections.

        There are no sections if all of the chunk has the same headings.
        """
        start = end = 0
        while end < len(self.words):
            heading = self._heading_after(start, end)
            end = self._end_of(start) if heading is None else heading
            first, last = self.words[start], self.words[end - 1]
            spans = self._spans_of(first, last)
            headings, sections = spans[0].heading, tuple[Section, ...]()
            if len(spans) > 1:
                several = self._sections_of(spans, start, end)
                headings = self._headings_of(spans, start, end) if len(several) > 1 else several[0].titles
                sections = several if len(several) > 1 else ()
            match = WORD.match(self.text, last, self.end)
            yield first, match.end() if match else self.end, spans[0], headings, sections
            if end < len(self.words):
                start = end if heading is not None else self._next_start(end)

    def _spans_of(self, first: int, last: int) -> list[Span]:
        """Return the spans from that of the character at `first` to that of the one at `last`."""
        return self.spans[bisect_right(self.span_starts, first) - 1 : bisect_right(self.span_starts, last)]

    def _sections_of(self, spans: Sequence[Span], start: int, end: int) -> tuple[Section, ...]:
        """Return the sections of the text from cut `start` to `end`, which is in these spans: at least one."""
        sections = []
        begun = (span for span, _ in self._words_of(spans, start, end))
        for heading, group in itertools.groupby(begun, key=lambda span: span.heading):
            sections.append(Section(max(next(group).start, self.words[start]), heading))
        return tuple(sections)

    def _words_of(self, spans: Sequence[Span], start: int, end: int) -> Iterator[tuple[Span, int]]:
        """Yield each span in which words from cut `start` to `end` begin, and the number of these words."""
        for span in spans:
            inside = map(self.words.before, (span.start, span.end))
            begun, done = (min(max(cut, start), end) for cut in inside)
            if done > begun:
                yield span, done - begun

    def _headings_of(self, spans: Sequence[Span], start: int, end: int) -> tuple[str, ...]:
        """Return the headings above most words from cut `start` to `end`: the longest trail over half of them.

        If not even the outermost heading is over half, return the trail over most words.
        """
        trails: Counter[tuple[str, ...]] = Counter()
        for span, words in self._words_of(spans, start, end):
            trails[span.heading] += words
        above: Counter[tuple[str, ...]] = Counter()
        for trail, words in trails.items():
            for depth in range(1, len(trail) + 1):
                above[trail[:depth]] += words
        most = [trail for trail, words in above.items() if 2 * words > end - start]
        return max(most, key=len, default=trails.most_common(1)[0][0])

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
        cut = _nearest(self.headings, target, low, high)
        if cut is None:
            cut = self._nearest_boundary((_PARAGRAPHS, _SENTENCES, _BLANK_LINES, _LINES), target, low, high)
        return self._between_words(target, low, high) if cut is None else cut

    def _nearest_boundary(
        self, kinds: Sequence[Mapping[str, re.Pattern[str]]], target: int, low: int, high: int
    ) -> int | None:
        """Return the boundary nearest to the cut `target` within `low` and `high`, of the first kind that has one.

        Only the text around the target is searched.
        """
        first, middle, last = self.words[low - 1], self.words[target - 1], self.words[high]
        for patterns in kinds:
            before = after = None
            for offset in self._boundaries(patterns, first, last):
                if first < offset <= middle:  # its cut is before the target
                    before = offset
                elif middle < offset <= last:
                    after = offset
                    break
            cuts = [self.words.before(offset) for offset in (before, after) if offset is not None]
            if cuts:
                return min(cuts, key=lambda cut: abs(cut - target))
        return None

    def _boundaries(self, patterns: Mapping[str, re.Pattern[str]], first: int, last: int) -> Iterator[int]:
        """Yield the offsets of boundaries of a kind, ascending: all after `first` and up to `last`, and maybe others.

        `first` is the start of a word.
        """
        if self.text[first].isspace() or self.text[first - 1] in _IN_SENTENCE_END:  # a match may begin before it
            if id(patterns) not in self.listed:
                everything = self._search(patterns, self.spans[0].start, self.end)
                self.listed[id(patterns)] = array("q", everything)
            found = self.listed[id(patterns)]
            return iter(found[bisect_right(found, first) : bisect_right(found, last)])
        return self._search(patterns, first, last)

    def _search(self, patterns: Mapping[str, re.Pattern[str]], first: int, last: int) -> Iterator[int]:
        """Yield the ends of matches from `first` to `last`. Paragraphs also end where a span of another kind begins."""
        for number in range(max(bisect_right(self.run_starts, first) - 1, 0), len(self.runs)):
            kind, start, end = self.runs[number]
            if start > last:
                return
            if patterns is _PARAGRAPHS:
                yield start
            if kind in patterns:
                matches = patterns[kind].finditer(self.text, max(start, first), min(end, last + 1))
                yield from map(re.Match.end, matches)

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
        if self._spans_of(self.words[end], self.words[end])[0].kind == "rows":
            return end
        wanted = end - self.overlap
        low, high = wanted - self.overlap // 2, wanted + self.overlap // 2
        cut = self._nearest_boundary((_PARAGRAPHS, _SENTENCES, _BLANK_LINES), wanted, low, high)
        if cut is None:
            return self._between_words(wanted, low, high) if self.overlap else end
        return cut


def _nearest(cuts: "array[int]", target: int, low: int, high: int) -> int | None:
    """Return the cut nearest to `target` within `low` and `high`, both included; the earlier of two equally near."""
    index = bisect_left(cuts, target)
    near = [cut for cut in cuts[max(index - 1, 0) : index + 1] if low <= cut <= high]
    return min(near, key=lambda cut: abs(cut - target), default=None)
