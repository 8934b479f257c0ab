"""Cutting a long row of tokens into overlapping windows that a model can read."""

from collections.abc import Sequence


def spans(count: int, limit: int, overlap: int) -> list[tuple[int, int]]:
    """(start, end) of the fewest windows of at most `limit` that cover `range(count)` in order.

    Neighbours share at least `overlap` items and all windows have the same size, so that none is a stub whose vector
    would weigh as much as a full one's. `count` 0 gives one empty window.
    """
    if not 0 <= overlap < limit:
        raise ValueError(f"overlap {overlap} is not within 0 … {limit - 1}")
    if count <= limit:
        return [(0, count)]
    windows = -(-(count - overlap) // (limit - overlap))
    size = -(-(count + (windows - 1) * overlap) // windows)
    starts = [window * (count - size) // (windows - 1) for window in range(windows)]
    return [(start, start + size) for start in starts]


def token_windows(
    tokens: Sequence[int], prefix: Sequence[int], suffix: Sequence[int], max_tokens: int, overlap: int
) -> list[list[int]]:
    """The windows over `tokens`, each between `prefix` and `suffix` ([CLS], [SEP]), none over `max_tokens` in all."""
    limit = max_tokens - len(prefix) - len(suffix)
    return [[*prefix, *tokens[start:end], *suffix] for start, end in spans(len(tokens), limit, min(overlap, limit - 1))]
