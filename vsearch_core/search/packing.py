"""Add the text around hits, and fit the best hits into a budget of tokens (such as a language model's context).

Neighbouring chunks of a file overlap. Their character offsets show which text they have in common, so that no text is
returned twice.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from vsearch_core.embed.tokens import count_tokens
from vsearch_core.model import HEADING_SEPARATOR, Chunk, Section
from vsearch_core.search.results import Hit
from vsearch_core.search.snippets import Snippet
from vsearch_core.store.catalog import StoredChunk
from vsearch_core.text.extract.registry import place_of

LEAST_TOKENS = 40  # a hit is not shortened to less: one sentence, with its path

SHARE = 0.3  # of the tokens that one hit takes before the others had theirs
SHARE_TOKENS = 150  # that it takes in any case: about a paragraph

Excerpt = Callable[[str, int], Snippet]


def estimate_tokens(hit: Hit) -> int:
    """Return the approximate number of tokens of a hit's path, heading and text."""
    return count_tokens(hit.path) + count_tokens(hit.heading or "") + count_tokens(hit.text)


def with_context(hit: Hit, around: Sequence[StoredChunk]) -> Hit:
    """Return the hit with `before` and `after` set to the text around it.

    `around` are consecutive chunks of the hit's file, in order; the hit's own chunk is among them.
    """
    chunk = hit.as_chunk()
    if hit.is_textless:
        return _figure_with_context(hit, [stored.chunk for stored in around])
    earlier = [stored.chunk for stored in around if stored.ordinal < hit.chunk]
    later = [stored.chunk for stored in around if stored.ordinal > hit.chunk]
    before = ""
    if earlier:
        joined = joined_chunks(earlier)
        shared = max(0, joined.end_char - chunk.start_char)
        before = joined.text[: len(joined.text) - shared] + _gap(joined, chunk)
    after = joined_chunks([chunk, *later]).text[len(chunk.text) :]
    return replace(hit, before=before, after=after)


def _figure_with_context(hit: Hit, around: Sequence[Chunk]) -> Hit:
    """Return a figure without text with the text before and after it."""
    earlier = [chunk for chunk in around if chunk.start_char < hit.start_char]
    later = [chunk for chunk in around if chunk.start_char >= hit.start_char]
    before = after = ""
    if earlier:
        joined = joined_chunks(earlier)
        cut = len(joined.text) - max(0, joined.end_char - hit.start_char)
        before, after = joined.text[:cut], joined.text[cut:]
    if later:
        after += "\n" * bool(after) + joined_chunks(later).text
    before, after = before.rstrip("\n"), after.lstrip("\n")
    return replace(hit, before=before and f"{before}\n\n", after=after and f"\n\n{after}")


def widened(hit: Hit, around: Sequence[StoredChunk]) -> Hit:
    """Return the hit with its text extended by the chunks around it; a figure without text as it is."""
    if hit.is_textless:
        return hit
    return _with_chunk(hit, joined_chunks([hit.as_chunk(), *(stored.chunk for stored in around)]))


def pack(hits: Iterable[tuple[Hit, Hit]], max_tokens: int, excerpt: Excerpt) -> list[Hit]:
    """Return the hits that fit into `max_tokens`, best first.

    Each hit is given as a pair: the hit itself, and the hit widened by its context, which is used if it fits. Hits that
    overlap are joined into one, at the better rank. At first, a hit gets at most SHARE of the tokens, or SHARE_TOKENS
    if these are more: several passages hold more of what is asked for than one long chunk. It is shortened to its best
    sentences with `excerpt(text, width)`, or left out. What is left of the tokens then lengthens the best hits again.
    """
    pairs = list(hits)
    packed: list[Hit] = []
    left = max_tokens
    most = max(SHARE_TOKENS, int(SHARE * max_tokens))
    for own, wide in pairs:
        piece = _fitting(own, wide, min(left, most), excerpt)
        if piece is not None:
            packed, left = _added(packed, piece, left)
    for own, wide in pairs:
        if left < LEAST_TOKENS:
            break
        present = sum(estimate_tokens(other) for other in packed if _overlap(own, other))
        longer = _fitting(own, wide, left + present, excerpt)
        if longer is not None:
            packed, left = _added(packed, longer, left)
    return [replace(hit, rank=rank) for rank, hit in enumerate(packed, 1)]


def _added(packed: list[Hit], hit: Hit, left: int) -> tuple[list[Hit], int]:
    """Return the packed hits with another one, joined with those that it overlaps, and the tokens that are left.

    Return both unchanged if that takes more tokens than are left.
    """
    overlapping = [other for other in packed if _overlap(hit, other)]
    if not overlapping:
        return [*packed, hit], left - estimate_tokens(hit)
    first = overlapping[0]
    grown = _with_chunk(first, joined_chunks([hit.as_chunk(), *(other.as_chunk() for other in overlapping)]))
    cost = estimate_tokens(grown) - sum(map(estimate_tokens, overlapping))
    if cost > left:
        return packed, left
    return [
        grown if other is first else other for other in packed if other is first or other not in overlapping
    ], left - cost


def _fitting(own: Hit, wide: Hit, tokens: int, excerpt: Excerpt) -> Hit | None:
    return wide if estimate_tokens(wide) <= tokens else _shortened(own, tokens, excerpt)


def _overlap(one: Hit, other: Hit) -> bool:
    if one.is_textless or other.is_textless:
        return False
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
    chunk = hit.as_chunk()
    repeated = chunk.header_length
    start = hit.start_char + max(0, snippet.start - repeated)
    end = hit.start_char + max(0, snippet.start + len(snippet.text) - repeated)
    first, last = hit.start_line, hit.end_line
    if hit.text.count("\n", repeated) == last - first:
        first += hit.text.count("\n", repeated, snippet.start)
        last = first + snippet.text.count("\n")
    heading = chunk.heading_at(snippet.start)
    return replace(
        hit,
        text=snippet.text,
        start_char=start,
        end_char=end,
        start_line=first,
        end_line=last,
        heading=heading,
        sections=_sections_within(hit.sections, start, end),
        place=place_of(hit.path, hit.page, heading, (first, last)),
    )


def _sections_within(sections: Sequence[Section], start: int, end: int) -> tuple[Section, ...]:
    """Return the sections of a range of the document, or none if it has only one."""
    first = max(bisect_right(sections, start, key=lambda section: section.start_char) - 1, 0)
    within = [section for section in sections[first:] if section.start_char < end]
    return (replace(within[0], start_char=start), *within[1:]) if len(within) > 1 else ()


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
        sections=chunk.sections,
    )


def joined_chunks(chunks: Iterable[Chunk]) -> Chunk:
    """Join chunks of one file into one chunk. Text that several of them contain is included once."""
    first, *others = sorted(chunks, key=lambda chunk: (chunk.start_char, -chunk.end_char))
    for chunk in others:
        if chunk.end_char > first.end_char:
            shared = max(0, first.end_char - chunk.start_char)
            own = chunk.text[chunk.header_length + shared :]
            text = first.text + _gap(first, chunk) + own
            sections = _joined_sections(first, chunk)
            first = replace(first, text=text, end_char=chunk.end_char, end_line=chunk.end_line, sections=sections)
    return first


def _joined_sections(first: Chunk, second: Chunk) -> tuple[Section, ...]:
    """Return the sections of two chunks that are joined, or none if both are below the same titles."""
    joined = list(_sections(first))
    for section in _sections_within(_sections(second), first.end_char, second.end_char) or _sections(second)[-1:]:
        if section.titles != joined[-1].titles:
            joined.append(replace(section, start_char=max(section.start_char, first.end_char)))
    return tuple(joined) if len(joined) > 1 else ()


def _sections(chunk: Chunk) -> tuple[Section, ...]:
    titles = tuple(chunk.heading.split(HEADING_SEPARATOR)) if chunk.heading else ()
    return chunk.sections or (Section(chunk.start_char, titles),)


def _gap(earlier: Chunk, later: Chunk) -> str:
    """Return line ends or a blank for the gap between two chunks; nothing if they touch or overlap."""
    if later.start_char <= earlier.end_char:
        return ""
    lines = later.start_line - earlier.end_line
    return "\n" * min(lines, 2) if lines > 0 else " "
