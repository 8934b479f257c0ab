"""Blocks of postings, as a server stores them: 256 postings of one term in one value."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vsearch_core.store.server.postings import TermPostings

_BLOCK_POSTINGS = 256  # postings in one value
_LONGEST_SHORT = 65_535  # terms of a chunk whose length takes two bytes


class PostingsBlock(NamedTuple):
    """Up to 256 postings of a term: the block's number among those of its segment, and the postings as bytes."""

    number: int
    size: int
    data: bytes


def split_into_blocks(postings: TermPostings) -> Iterator[PostingsBlock]:
    """Yield the blocks of a term's postings: chunk ids of 4 bytes, counts, and lengths of 2 bytes, or 4 if needed.

    A block takes 1,792 bytes, below the size from which PostgreSQL moves values out of rows. Chunk ids are below 2**32.
    """
    for start in range(0, len(postings.ids), _BLOCK_POSTINGS):
        some = slice(start, start + _BLOCK_POSTINGS)
        lengths = postings.lengths[some]
        width = np.dtype("<u2" if int(lengths.max()) <= _LONGEST_SHORT else "<u4")
        parts = (postings.ids[some].astype("<u4"), postings.counts[some], lengths.astype(width))
        yield PostingsBlock(start // _BLOCK_POSTINGS, len(lengths), b"".join(part.tobytes() for part in parts))


def join_blocks(blocks: Sequence[tuple[int, bytes]]) -> TermPostings:
    """Return the postings in blocks, given as (count, data) in order. Raises ValueError if they are damaged."""
    ids, counts, lengths = [np.empty(0, np.int64)], [np.empty(0, np.uint8)], [np.empty(0, np.uint32)]
    for count, data in blocks:
        width = len(data) // count - 5 if count else 0
        if width not in {2, 4} or len(data) != count * (5 + width):
            raise ValueError(f"a block of {count} postings has {len(data)} bytes")
        ids.append(np.frombuffer(data, "<u4", count).astype(np.int64))
        counts.append(np.frombuffer(data, np.uint8, count, 4 * count))
        lengths.append(np.frombuffer(data, f"<u{width}", count, 5 * count).astype(np.uint32))
    found = TermPostings(np.concatenate(ids), np.concatenate(counts), np.concatenate(lengths))
    if (found.ids[1:] <= found.ids[:-1]).any():
        raise ValueError("a list of postings is not ascending")
    return found
