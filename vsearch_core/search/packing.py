"""Add the text around hits, and fit the best hits into a budget of tokens (such as a language model's context).

Neighbouring chunks of a file overlap. Their character offsets show which text they have in common, so that no text is
returned twice.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from vsearch_core.embed.tokens import count_tokens
from vsearch_core.model import Chunk
from vsearch_core.search.results import Hit
from vsearch_core.search.snippets import Snippet
from vsearch_core.store.catalog import StoredChunk

LEAST_TOKENS = 40  # a hit is not shortened to less: one sentence, with its path

Excerpt = Callable[[str, int], Snippet]


def estimate_tokens(hit: Hit) -> int:
    """Return the approximate number of tokens of a hit's path, heading and text."""
    return count_tokens(hit.path) + count_tokens(hit.heading or "") + count_tokens(hit.text)


def with_context(hit: Hit, around: Sequence[StoredChunk]) -> Hit:
    """Return the hit with `before` and `after` set to the text around it.

    `around` are consecutive chunks of the hit's file, in order; the hit's own chunk is among them.
    """
    chunk = _chunk(hit)
    earlier = [stored.chunk for stored in around if stored.ordinal < hit.chunk]
    later = [stored.chunk for stored in around if stored.ordinal > hit.chunk]
    before = ""
    if earlier:
        joined = joined_chunks(earlier)
        shared = max(0, joined.end_char - chunk.start_char)
        before = joined.text[: len(joined.text) - shared] + _gap(joined, chunk)
    after = joined_chunks([chunk, *later]).text[len(chunk.text) :]
    return replace(hit, before=before, after=after)


def widened(hit: Hit, around: Sequence[StoredChunk]) -> Hit:
    """Return the hit with its text extended by the chunks around it."""
    return _with_chunk(hit, joined_chunks([_chunk(hit), *(stored.chunk for stored in around)]))


def pack(hits: Iterable[tuple[Hit, Hit]], max_tokens: int, excerpt: Excerpt) -> list[Hit]:
    """Return the hits that fit into `max_tokens`, best first.

    Each hit is given as a pair: the hit itself, and the hit widened by its context, which is used if it fits. Hits that
    overlap are joined into one, at the better rank. A hit that doesn't fit is shortened to its best sentences with
    `excerpt(text, width)`, or left out.
    """
    packed: list[Hit] = []
    left = max_tokens
    for own, wide in hits:
        hit = wide if estimate_tokens(wide) <= left else own
        overlapping = [number for number, other in enumerate(packed) if _overlap(hit, other)]
        if overlapping:
            joined = joined_chunks([_chunk(hit), *(_chunk(packed[number]) for number in overlapping)])
            grown = _with_chunk(packed[overlapping[0]], joined)
            cost = estimate_tokens(grown) - sum(estimate_tokens(packed[number]) for number in overlapping)
            if cost <= left:
                packed[overlapping[0]] = grown
                packed = [other for number, other in enumerate(packed) if number not in overlapping[1:]]
                left -= cost
        elif (fitting := _shortened(hit, left, excerpt)) is not None:
            packed.append(fitting)
            left -= estimate_tokens(fitting)
    return [replace(hit, rank=rank) for rank, hit in enumerate(packed, 1)]


def _overlap(one: Hit, other: Hit) -> bool:
    return one.path == other.path and one.start_char <= other.end_char and other.start_char <= one.end_char


def _shortened(hit: Hit, tokens: int, excerpt: Excerpt) -> Hit | None:
    """Return the hit, or its best sentences that fit; None if too little would fit to be useful."""
    needed = estimate_tokens(hit)
    if needed <= tokens:
        return hit
    if tokens < LEAST_TOKENS:
        return None
    width = len(hit.text) * tokens // needed
    while width > 0:
        snippet = excerpt(hit.text, width)
        piece = _cut(hit, snippet)
        if estimate_tokens(piece) <= tokens:
            return piece if snippet.text else None
        width = width * 4 // 5
    return None


def _cut(hit: Hit, snippet: Snippet) -> Hit:
    """Return the hit with a piece of its text; its lines are adapted where the chunk's lines are the file's."""
    repeated = len(hit.text) - (hit.end_char - hit.start_char)  # characters of a header before the file's own text
    start = hit.start_char + max(0, snippet.start - repeated)
    end = hit.start_char + max(0, snippet.start + len(snippet.text) - repeated)
    first, last = hit.start_line, hit.end_line
    if hit.text.count("\n", max(0, repeated)) == last - first:
        first += hit.text.count("\n", max(0, repeated), snippet.start)
        last = first + snippet.text.count("\n")
    return replace(hit, text=snippet.text, start_char=start, end_char=end, start_line=first, end_line=last)


def _chunk(hit: Hit) -> Chunk:
    return Chunk(hit.text, hit.start_char, hit.end_char, hit.start_line, hit.end_line, hit.page, hit.heading)


def _with_chunk(hit: Hit, chunk: Chunk) -> Hit:
    return replace(
        hit,
        text=chunk.text,
        start_char=chunk.start_char,
        end_char=chunk.end_char,
        start_line=chunk.start_line,
        end_line=chunk.end_line,
        page=chunk.page,
        heading=chunk.heading,
    )


def joined_chunks(chunks: Iterable[Chunk]) -> Chunk:
    """Join chunks of one file into one chunk. Text that several of them contain is included once."""
    first, *others = sorted(chunks, key=lambda chunk: (chunk.start_char, -chunk.end_char))
    for chunk in others:
        if chunk.end_char > first.end_char:
            shared = max(0, first.end_char - chunk.start_char)
            own = chunk.text[len(chunk.text) - (chunk.end_char - chunk.start_char) + shared :]
            text = first.text + _gap(first, chunk) + own
            first = replace(first, text=text, end_char=chunk.end_char, end_line=chunk.end_line)
    return first


def _gap(earlier: Chunk, later: Chunk) -> str:
    """Return line ends or a blank for the gap between two chunks; nothing if they touch or overlap."""
    if later.start_char <= earlier.end_char:
        return ""
    lines = later.start_line - earlier.end_line
    return "\n" * min(lines, 2) if lines > 0 else " "
