"""Long texts as overlapping windows that a model can read, and the mean that makes one vector of theirs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.legibility import legible_share

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WINDOW_OVERLAP = 32  # tokens that neighbouring windows share
WINDOWING = f"windows sharing {WINDOW_OVERLAP}, weighted"  # in the fingerprint: other windows make other vectors


class Windower:
    """Cuts texts into windows of at most `max_tokens`, the special tokens that a model wants around each included."""

    def __init__(self, tokenizer: "Tokenizer", max_tokens: int) -> None:
        """`tokenizer` must neither cut nor pad."""
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        sample = tokenizer.encode("a")
        plain = len(sample.ids) - sum(sample.special_tokens_mask)
        word = sample.special_tokens_mask.index(0) if plain else len(sample.ids)
        self._before, self._after = sample.ids[:word], sample.ids[word + plain :]

    def windows(self, text: str) -> list[list[int]]:
        """The rows of token ids that stand for `text`: one, or several that overlap."""
        ids = self._tokenizer.encode(clean(text), add_special_tokens=False).ids
        return token_windows(ids, self._before, self._after, self._max_tokens, WINDOW_OVERLAP)

    def legible(self, text: str) -> float:
        """The share of `text` that the model can read, 0 to 1."""
        return legible_share(self._tokenizer, clean(text))


def clean(text: str) -> str:
    """`text` as a tokenizer can take it: halves of surrogate pairs joined, or replaced where they stand alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def mean_of_windows(vectors: Sequence[NDArray[np.float32]], tokens: Sequence[float]) -> NDArray[np.float32]:
    """The unit vector along the mean of the windows' unit vectors, each weighted by its tokens.

    On SciFact, nDCG@10 0.660; unweighted 0.652; unweighted with windows of equal size 0.644.
    """
    if len(vectors) == 1:
        return vectors[0]
    total: NDArray[np.float32] = np.asarray(tokens, dtype=np.float32) @ np.stack(vectors)
    return total / np.float32(np.linalg.norm(total))


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
