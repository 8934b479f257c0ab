"""Find snippets: the sentences of a chunk that match a query best, with the positions of the query's terms."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import log

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.analyzer import Match
from vsearch_core.search.line_blocks import LineBlock, line_blocks

WIDTH = 360  # characters: three to four lines of a terminal
_LONGEST = 50_000  # characters of a chunk that are looked at: more than 5,000 words have
_MOST_MATCHES = 2000  # of a sentence that is cut which are looked at

# A full stop inside a word (2026.4.10, foo.bar) ends no sentence; CJK sentences end without a blank. A line end is a
# blank, except before an empty line or a list item, and around a Markdown heading.
_SENTENCE_END = re.compile(
    r"[.!?]+[\"'»”’)\]]*(?=\s)|[。！？]+[」』”’）]*|\n(?=[ \t\f]*\n)|\n(?=[ \t]*(?:[-*+>|•]|#{1,6}|\d+[.)])[ \t])"
    r"|^#{1,6}[ \t].*\n",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a chunk's text.

    `start` is the position of `text` in the chunk, in characters. `marks` are the (start, end) ranges of the query's
    terms within `text`. `header` is the row of column names, if `text` begins in a later row of a table. `rows` are the
    positions in `text`, after its first character, at which a row of a table begins, or the text after a table.
    """

    text: str
    start: int
    marks: tuple[tuple[int, int], ...]
    header: str = ""
    rows: tuple[int, ...] = ()


def best_snippet(chunk: str, weights: Mapping[str, float], analysis: Analysis, width: int = WIDTH) -> Snippet:
    """Return the best sentence of a chunk, and the sentences after it while they fit into `width` characters.

    `weights` has the idf of each term of the query. A term that many sentences of the chunk have counts less. The best
    sentence has the highest sum of the weights of its own distinct terms and of those of all that would be shown with
    it. Of equal sentences, it is the first. A heading is only the best if there is nothing else. Each row of a table is
    a sentence, and a piece of code is one, which is cut between lines. Only the first 50,000 characters of the chunk
    are read.
    """
    chunk = chunk[:_LONGEST]
    blocks = line_blocks(chunk)
    block_starts = [block.start for block in blocks]
    ends = _sentence_ends(chunk, blocks, block_starts)
    sentences = [_stripped(chunk, start, end) for start, end in pairwise(ends) if chunk[start:end].strip()]
    if not sentences:
        return Snippet("", 0, ())
    matches = analysis.matches(chunk, weights.keys()) if weights else []
    lefts = [left for left, _, _ in matches]
    found = (matches[bisect_left(lefts, start) : bisect_left(lefts, end)] for start, end in sentences)
    terms = [_terms(some, end) for some, (_, end) in zip(found, sentences, strict=True)]
    counts = Counter(chain.from_iterable(terms))
    local = {term: weight * log(1 + len(sentences) / counts[term]) for term, weight in weights.items() if counts[term]}
    headings = {
        start
        for start, _ in sentences
        if chunk.startswith("#", start) and _block_at(blocks, block_starts, start) is None
    }
    own = [sum(weight for term, weight in local.items() if term in some) for some in terms]
    together = _weights_together(local, sentences, terms, headings, width)
    scores = [one + all_shown for one, all_shown in zip(own, together, strict=True)]
    rest = [number for number, (start, _) in enumerate(sentences) if start not in headings]
    best = max(rest or range(len(sentences)), key=scores.__getitem__)
    start, end = sentences[best]
    block = _block_at(blocks, block_starts, start)
    header = "" if block is None or start <= block.header[0] else chunk[slice(*block.header)].strip()[:width]
    room = max(width - len(header), width // 2)
    for begin, further in sentences[best + 1 :]:
        if further - start > room or begin in headings:
            break
        end = further
    if end - start > width:
        inside = matches[bisect_left(lefts, start) :][:_MOST_MATCHES]
        first, last = _richest(weights, inside, start, width)
        by_lines = _whole_lines(chunk, start, end, first, last, width) if block is not None else None
        start, end = by_lines or _narrow(chunk, start, end, first, last, width)
    marks = tuple((left - start, right - start) for left, right, _ in matches if start <= left and right <= end)
    return Snippet(chunk[start:end], start, marks, header, tuple(_row_starts(blocks, start, end)))


def _row_starts(blocks: Sequence[LineBlock], start: int, end: int) -> Iterator[int]:
    """Yield where the rows of tables begin within a range, and where tables end, counted from the range's start."""
    for block in blocks:
        if block.kind == "rows":
            yield from (at - start for at in (*(line for line, _ in block.lines), block.end) if start < at < end)


def _sentence_ends(chunk: str, blocks: Sequence[LineBlock], block_starts: Sequence[int]) -> list[int]:
    """Return where sentences, rows and pieces of code end, from 0 to the end of the chunk."""
    found = (match.end() for match in _SENTENCE_END.finditer(chunk))
    ends = {at for at in found if _block_at(blocks, block_starts, at) is None}
    for block in blocks:
        ends.update(start for start, _ in block.lines[: 1 if block.kind == "code" else None])
        ends.add(block.end)
    return sorted(ends | {0, len(chunk)})


def _block_at(blocks: Sequence[LineBlock], block_starts: Sequence[int], at: int) -> LineBlock | None:
    """Return the block that has a character, or None; `block_starts` are the blocks' first characters."""
    number = bisect_right(block_starts, at) - 1
    return blocks[number] if number >= 0 and at < blocks[number].end else None


def _terms(matches: Sequence[Match], end: int) -> set[str]:
    """Return the distinct terms of the matches that end by `end`."""
    return {term for _, right, terms in matches if right <= end for term in terms}


def _weights_together(
    weights: Mapping[str, float],
    sentences: Sequence[tuple[int, int]],
    terms: Sequence[set[str]],
    headings: set[int],
    width: int,
) -> list[float]:
    """Return for each sentence the sum of the weights of the distinct terms in it and in what is shown after it.

    Shown are the following sentences up to a heading, while all fit into `width` characters.
    """
    sums = []
    counts: Counter[str] = Counter()
    after = 0
    for number, (start, _) in enumerate(sentences):
        if after == number:
            counts.update(terms[number])
            after += 1
        while after < len(sentences) and sentences[after][1] - start <= width and sentences[after][0] not in headings:
            counts.update(terms[after])
            after += 1
        sums.append(sum(weight for term, weight in weights.items() if counts[term]))
        counts.subtract(terms[number])
    return sums


def _stripped(chunk: str, start: int, end: int) -> tuple[int, int]:
    """Return the range without surrounding blanks."""
    text = chunk[start:end]
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


def _richest(weights: Mapping[str, float], matches: Sequence[Match], start: int, width: int) -> tuple[int, int]:
    """Return the range of at most `width` characters with the highest sum of its distinct terms' weights.

    It begins at `start`, unless a later range weighs more; then at the last match that gives that weight.
    """
    best, end = _reach(weights, matches, start + width)
    begin, from_start = start, best
    for number, (left, _, _) in enumerate(matches):
        weight, right = _reach(weights, matches[number : number + width], left + width)
        if weight > from_start and weight >= best:
            best, begin, end = weight, left, right
    return begin, max(begin, end)


def _reach(weights: Mapping[str, float], matches: Sequence[Match], limit: int) -> tuple[float, int]:
    """Return the weight of the distinct terms that end by `limit`, and the end of the last that adds to it."""
    found: set[str] = set()
    end = 0
    for left, right, terms in matches:
        if left >= limit:
            break
        if right <= limit and not found.issuperset(terms):
            found.update(terms)
            end = right
            if len(found) == len(weights):
                break
    return sum(weight for term, weight in weights.items() if term in found), end


def _whole_lines(chunk: str, start: int, end: int, first: int, last: int, width: int) -> tuple[int, int] | None:
    """Return whole lines that fit into `width` around the range from `first` to `last`, or None if no line fits.

    If not all of the range fits, its last lines are returned.
    """
    line = max(start, chunk.rfind("\n", start, first) + 1)
    earliest = max(start, first - width // 3, last - width)
    earlier = start if earliest == start else chunk.find("\n", earliest - 1, line) + 1 or line
    later = (at + 1 for at in range(line, last) if chunk[at] == "\n")
    for begin in (earlier, line, *later):
        stop = end if end - begin <= width else chunk.rfind("\n", begin, begin + width + 1)
        if stop >= last > begin:
            return begin, stop
    stop = chunk.rfind("\n", line, line + width + 1)
    return (line, stop) if stop > line else None


def _narrow(chunk: str, start: int, end: int, first: int, last: int, width: int) -> tuple[int, int]:
    """Cut a long sentence to `width` characters around the range from `first` to `last`.

    The cut is at the start of a line if one is near, else at blanks, if there are any.
    """
    if first > start:
        earliest = max(start, first - width // 3, last - width)
        line = chunk.rfind("\n", earliest, first)
        start = (line if line >= 0 else chunk.find(" ", earliest, first)) + 1 or first
        start += len(chunk[start:first]) - len(chunk[start:first].lstrip())
    if end - start > width:
        blank = chunk.rfind(" ", max(start + width // 2, last), start + width)
        end = blank if blank > 0 else start + width
    return start, end
