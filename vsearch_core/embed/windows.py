"""Splits long texts into overlapping windows that a model can read, and averages the windows' vectors."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.late_windows import WINDOW_TOKENS, WindowPlan, plan_windows
from vsearch_core.embed.tokens import token_costs

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WINDOW_OVERLAP = 32  # tokens that neighbouring windows share
WINDOWING = f"windows sharing {WINDOW_OVERLAP}, weighted"  # in the fingerprint: other windows make other vectors
UNKNOWN = ("[UNK]", "<unk>")
LETTERS_PER_PIECE = 1.5  # with fewer, most of a word's pieces are single letters
FREE_TOKENS = 3072  # of any text: more than 600 words have in a language that the model was not made for
CHARACTERS_PER_TOKEN = 3  # beyond FREE_TOKENS, a text with fewer is numbers, signs or names cut short, not prose


class Windower:
    """Splits texts into windows of at most `max_tokens` tokens, including special tokens such as [CLS] and [SEP]."""

    def __init__(self, tokenizer: "Tokenizer", max_tokens: int) -> None:
        """Use a tokenizer whose truncation and padding are switched off."""
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        sample = tokenizer.encode("a")
        plain = len(sample.ids) - sum(sample.special_tokens_mask)
        word = sample.special_tokens_mask.index(0) if plain else len(sample.ids)
        self._before, self._after = sample.ids[:word], sample.ids[word + plain :]

    def windows(self, text: str) -> list[list[int]]:
        """Split the text into windows and return their token ids. A long text gives several windows that overlap.

        A text of very many tokens, such as minified code, gives some of its windows: see `sampled`.
        """
        ids = self._tokenizer.encode(clean(text), add_special_tokens=False).ids
        return sampled(self._rows(ids), len(text))

    def _rows(self, ids: Sequence[int]) -> list[list[int]]:
        return token_windows(ids, self._before, self._after, self._max_tokens, WINDOW_OVERLAP)

    def windows_with_plan(self, text: str, prefix: str = "") -> tuple[list[list[int]], WindowPlan | None]:
        """Return the token ids of the windows of `prefix + text`, and the late windows of the text, if it has any.

        A text with windows left out (see `sampled`) has none.
        """
        encoding = self._tokenizer.encode(clean(prefix + text), add_special_tokens=False)
        every_row = self._rows(encoding.ids)
        rows = sampled(every_row, len(prefix) + len(text))
        if len(encoding.ids) < WINDOW_TOKENS or len(rows) < len(every_row):
            return rows, None
        limit = self._max_tokens - len(self._before) - len(self._after)
        parts = spans(len(encoding.ids), limit, min(WINDOW_OVERLAP, limit - 1))
        stops = np.array([stop for _, stop in encoding.offsets], np.int64) - len(prefix)
        return rows, plan_windows(parts, len(self._before), np.maximum.accumulate(np.clip(stops, 0, len(text))))

    def legible_share(self, text: str) -> float:
        """Return the share of the text's letters, 0 to 1, that are in words this tokenizer's model knows."""
        return legible_share(self._tokenizer, clean(text))


def sampled(windows: list[list[int]], characters: int) -> list[list[int]]:
    """Return the windows of a text, or evenly spread ones of them if the text has far more tokens than prose.

    A line of numbers, signs or minified code has up to a token a character, so that embedding it would take five times
    as long as prose of its size. All windows are kept of a text of at most FREE_TOKENS tokens, or of at least
    CHARACTERS_PER_TOKEN characters a token.
    """
    tokens = sum(map(len, windows))
    most = max(FREE_TOKENS, characters // CHARACTERS_PER_TOKEN)
    if tokens <= most:
        return windows
    count = max(1, len(windows) * most // tokens)
    return [windows[number * len(windows) // count] for number in range(count)]


def clean(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates, because tokenizers accept neither. Return the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def mean_of_windows(vectors: Sequence[NDArray[np.float32]], tokens: Sequence[float]) -> NDArray[np.float32]:
    """Return the mean of the windows' unit vectors, scaled to unit length, float32 (dimension,).

    Each window's weight is its number of tokens. On the SciFact data set, nDCG@10 is 0.660 with these weights, 0.652
    without them, and 0.644 with windows of equal size.
    """
    if len(vectors) == 1:
        return vectors[0]
    total: NDArray[np.float32] = np.asarray(tokens, dtype=np.float32) @ np.stack(vectors)
    return total / np.float32(np.linalg.norm(total))


def spans(count: int, limit: int, overlap: int) -> list[tuple[int, int]]:
    """Split `count` items into the fewest windows of at most `limit` items. Return their (start, end) in order.

    Neighbouring windows share `overlap` items. All windows but the last have `limit` items. If there are several, the
    last has more than `overlap` items. A `count` of 0 gives one empty window. Raises ValueError if `overlap` is
    negative or not less than `limit`.
    """
    if not 0 <= overlap < limit:
        raise ValueError(f"overlap {overlap} is not within 0 … {limit - 1}")
    starts = range(0, max(count - overlap, 1), limit - overlap)
    return [(start, min(start + limit, count)) for start in starts]


def token_windows(
    tokens: Sequence[int], prefix: Sequence[int], suffix: Sequence[int], max_tokens: int, overlap: int
) -> list[list[int]]:
    """Split tokens into overlapping windows of at most `max_tokens`.

    Each window begins with the tokens `prefix` (such as [CLS]) and ends with `suffix` (such as [SEP]).
    """
    limit = max_tokens - len(prefix) - len(suffix)
    return [[*prefix, *tokens[start:end], *suffix] for start, end in spans(len(tokens), limit, min(overlap, limit - 1))]


def legible_share(tokenizer: "Tokenizer", text: str) -> float:
    """Return the share of the text's letters and digits, 0 to 1, that are in words the model knows.

    The tokenizer splits a word into pieces. The model doesn't know the word if a piece is unknown, or if there are
    several pieces with fewer than LETTERS_PER_PIECE letters on average. (The number of pieces per word is the
    tokenizer's fertility: Rust et al., "How Good is Your Tokenizer?", ACL 2021.) A wide character (Han, kana, hangul)
    counts as LETTERS_PER_PIECE letters. Return 0 for a text of symbols alone, such as 🦆.
    """
    encoding = tokenizer.encode(text, add_special_tokens=False)
    unknown = {tokenizer.token_to_id(name) for name in UNKNOWN}
    pieces = zip(encoding.word_ids, encoding.ids, encoding.offsets, strict=True)
    total = legible = 0
    for _, word in groupby(pieces, key=lambda piece: piece[0]):
        _, ids, offsets = zip(*word, strict=True)
        letters = list(filter(str.isalnum, text[offsets[0][0] : offsets[-1][1]]))
        total += len(letters)
        if unknown.isdisjoint(ids) and not (len(ids) > 1 and _are_spelled(letters, len(ids))):
            legible += len(letters)
    return legible / total if total else float(not text.strip())


def _are_spelled(letters: Sequence[str], pieces: int) -> bool:
    """Return True if most of a word's pieces are single letters, or all are single kana."""
    weight = sum(LETTERS_PER_PIECE if east_asian_width(char) == "W" else 1 for char in letters)
    is_kana = len(letters) == pieces and all("\u3040" <= char <= "\u30ff" for char in letters)
    return is_kana or weight < LETTERS_PER_PIECE * pieces


def text_windows(text: str, limit: float) -> list[tuple[str, float]]:
    """Split a text into overlapping windows by an estimate of its tokens. Return each window and its estimate.

    A text of at most `limit` tokens, as `token_costs` estimates them, is one window. Otherwise, a window ends after
    white space if its last fifth has any, and the next window begins after white space if possible. Neighbouring
    windows share about WINDOW_OVERLAP tokens.
    """
    ends = np.cumsum(token_costs(text))
    total = float(ends[-1]) if len(ends) else 0.0
    if total <= limit:
        return [(text, total)]
    overlap = min(float(WINDOW_OVERLAP), limit / 4)
    windows, start, before = [], 0, 0.0
    while True:
        end = int(np.searchsorted(ends, before + limit, side="right"))
        if end < len(text):
            end = _after_space(text, end - (end - start) // 5, end)
        windows.append((text[start:end], float(ends[end - 1]) - before))
        if end == len(text):
            return windows
        start = max(start + 1, int(np.searchsorted(ends, ends[end - 1] - overlap, side="right")))
        start = next((at + 1 for at in range(start - 1, end - 1) if text[at].isspace()), start)
        before = float(ends[start - 1])


def halves(text: str) -> tuple[str, str]:
    """Split a text of at least two characters into two overlapping parts, each shorter than the text."""
    middle = _after_space(text, len(text) // 3, len(text) // 2) if len(text) > 8 else len(text) // 2
    overlap = min(4 * WINDOW_OVERLAP, middle // 4)
    return text[:middle], text[middle - overlap :]


def _after_space(text: str, low: int, high: int) -> int:
    """Return the position after the last white space in text[low:high], or `high` if there is none."""
    return next((at for at in range(high, low, -1) if text[at - 1].isspace()), high)
