"""How much of a question a model can read: a tokenizer knows its model's languages, and nobody else needs to."""

from itertools import groupby
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNKNOWN = ("[UNK]", "<unk>")
LETTERS_A_PIECE = 1.5  # with fewer, most of a word's pieces are single letters


def legible_share(tokenizer: "Tokenizer", text: str) -> float:
    """The share of the text's letters and digits, 0 to 1, that stand in words which the model has seen as words.

    A word is none of these where a piece of it is unknown, or where it is spelled: cut into several pieces of fewer
    than LETTERS_A_PIECE letters each. (Its pieces a word are a tokenizer's fertility: Rust et al., "How Good is Your
    Tokenizer?", ACL 2021.) A wide character (Han, kana, hangul) may be a piece of its own. 1 for a text without any.
    """
    encoding = tokenizer.encode(text, add_special_tokens=False)
    unknown = {tokenizer.token_to_id(name) for name in UNKNOWN}
    pieces = zip(encoding.word_ids, encoding.ids, encoding.offsets, strict=True)
    total = legible = 0
    for _, word in groupby(pieces, key=lambda piece: piece[0]):
        _, ids, offsets = zip(*word, strict=True)
        letters = [char for char in text[offsets[0][0] : offsets[-1][1]] if char.isalnum()]
        weight = sum(LETTERS_A_PIECE if east_asian_width(char) == "W" else 1 for char in letters)
        spelled = len(ids) > 1 and weight < LETTERS_A_PIECE * len(ids)
        total += len(letters)
        legible += 0 if spelled or not unknown.isdisjoint(ids) else len(letters)
    return legible / total if total else 1.0
