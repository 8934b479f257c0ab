"""Cutting a long row of tokens into overlapping windows that a model can read."""

from collections.abc import Sequence

WINDOW_OVERLAP = 32  # tokens that neighbouring windows share
WINDOWING = f"windows sharing {WINDOW_OVERLAP}, weighted"  # in the fingerprint: other windows make other vectors


def spans(count: int, limit: int, overlap: int) -> list[tuple[int, int]]:
    """(start, end) of the fewest windows of at most `limit` that cover `range(count)` in order.

    Neighbours share `overlap` items; all windows but the last are full, and the last has more than `overlap` items.
    `count` 0 gives one empty window.
    """
    if not 0 <= overlap < limit:
        raise ValueError(f"overlap {overlap} is not within 0 … {limit - 1}")
    starts = range(0, max(count - overlap, 1), limit - overlap)
    return [(start, min(start + limit, count)) for start in starts]


def token_windows(
    tokens: Sequence[int], prefix: Sequence[int], suffix: Sequence[int], max_tokens: int, overlap: int
) -> list[list[int]]:
    """The windows over `tokens`, each between `prefix` and `suffix` ([CLS], [SEP]), none over `max_tokens` in all."""
    limit = max_tokens - len(prefix) - len(suffix)
    return [[*prefix, *tokens[start:end], *suffix] for start, end in spans(len(tokens), limit, min(overlap, limit - 1))]
