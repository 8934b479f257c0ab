"""Hits for a reader with little room: what stands around them, and the best of them within a budget of tokens.

Chunks of one file overlap. Characters' offsets tell what two passages share, so that no text is given twice.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from vsearch_core.embed.tokens import count_tokens
from vsearch_core.model import Chunk
from vsearch_core.search.results import Hit
from vsearch_core.search.snippets import Snippet
from vsearch_core.store.catalog import StoredChunk

LEAST_TOKENS = 40  # a passage is not shortened to less than this: one sentence, with its place

Excerpt = Callable[[str, int], Snippet]


def estimate_tokens(hit: Hit) -> int:
    """The tokens of a hit as a prompt would give it: its path, its heading and its text."""
    return count_tokens(hit.path) + count_tokens(hit.heading or "") + count_tokens(hit.text)


def with_context(hit: Hit, passages: Sequence[StoredChunk]) -> Hit:
    """The hit with what stands before and after it in the passages around it, which are a run of its file's chunks."""
    chunk = _chunk(hit)
    former = [passage.chunk for passage in passages if passage.ordinal < hit.chunk]
    latter = [passage.chunk for passage in passages if passage.ordinal > hit.chunk]
    before = ""
    if former:
        joined = joined_chunks(former)
        shared = max(0, joined.end_char - chunk.start_char)
        before = joined.text[: len(joined.text) - shared] + _gap(joined, chunk)
    after = joined_chunks([chunk, *latter]).text[len(chunk.text) :]
    return replace(hit, before=before, after=after)


def widened(hit: Hit, passages: Sequence[StoredChunk]) -> Hit:
    """The hit grown to all of the passages around it."""
    return _holding(hit, joined_chunks([_chunk(hit), *(passage.chunk for passage in passages)]))


def pack(hits: Iterable[tuple[Hit, Hit]], max_tokens: int, excerpt: Excerpt) -> list[Hit]:
    """The hits, best first, that fit into the budget; those that overlap become one, in the place of the better.

    Each comes with what it has grown to, which is taken where it fits. A hit that does not fit any more by itself is
    shortened to its best sentences, as `excerpt` finds them, or left out.
    """
    packed: list[Hit] = []
    left = max_tokens
    for own, grown_hit in hits:
        hit = grown_hit if estimate_tokens(grown_hit) <= left else own
        mine = [number for number, other in enumerate(packed) if _overlap(hit, other)]
        if mine:
            chunks = [_chunk(hit), *(_chunk(packed[number]) for number in mine)]
            grown = _holding(packed[mine[0]], joined_chunks(chunks))
            cost = estimate_tokens(grown) - sum(estimate_tokens(packed[number]) for number in mine)
            if cost <= left:
                packed[mine[0]] = grown
                packed = [other for number, other in enumerate(packed) if number not in mine[1:]]
                left -= cost
        elif (fitting := _shortened(hit, left, excerpt)) is not None:
            packed.append(fitting)
            left -= estimate_tokens(fitting)
    return [replace(hit, rank=rank) for rank, hit in enumerate(packed, 1)]


def _overlap(one: Hit, other: Hit) -> bool:
    return one.path == other.path and one.start_char <= other.end_char and other.start_char <= one.end_char


def _shortened(hit: Hit, tokens: int, excerpt: Excerpt) -> Hit | None:
    """The hit, or the best of its sentences that fit; None where that would be too little to be of use."""
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
    """The hit with a piece of its text; its lines are told where the passage's lines are the file's."""
    repeated = len(hit.text) - (hit.end_char - hit.start_char)  # what was put before the file's own text
    start = hit.start_char + max(0, snippet.start - repeated)
    end = hit.start_char + max(0, snippet.start + len(snippet.text) - repeated)
    first, last = hit.start_line, hit.end_line
    if hit.text.count("\n", max(0, repeated)) == last - first:
        first += hit.text.count("\n", max(0, repeated), snippet.start)
        last = first + snippet.text.count("\n")
    return replace(hit, text=snippet.text, start_char=start, end_char=end, start_line=first, end_line=last)


def _chunk(hit: Hit) -> Chunk:
    return Chunk(hit.text, hit.start_char, hit.end_char, hit.start_line, hit.end_line, hit.page, hit.heading)


def _holding(hit: Hit, chunk: Chunk) -> Hit:
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
    """Chunks of one file as one, what they share once."""
    first, *others = sorted(chunks, key=lambda chunk: (chunk.start_char, -chunk.end_char))
    for chunk in others:
        if chunk.end_char > first.end_char:
            shared = max(0, first.end_char - chunk.start_char)
            own = chunk.text[len(chunk.text) - (chunk.end_char - chunk.start_char) + shared :]
            text = first.text + _gap(first, chunk) + own
            first = replace(first, text=text, end_char=chunk.end_char, end_line=chunk.end_line)
    return first


def _gap(former: Chunk, latter: Chunk) -> str:
    """What stands for the blanks between two chunks; nothing where they touch or overlap."""
    if latter.start_char <= former.end_char:
        return ""
    lines = latter.start_line - former.end_line
    return "\n" * min(lines, 2) if lines > 0 else " "
