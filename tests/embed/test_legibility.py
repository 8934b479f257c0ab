import pytest
from tiny_models import tokenizer_of

from vsearch_core.embed.windows import legible_share


def share(text: str, architecture: str = "bert") -> float:
    return legible_share(tokenizer_of(architecture).backend_tokenizer, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the cat", 1),
        ("The DOG", 1),
        ("a dog", 1),  # a word of one letter is no spelled word
        ("dog zebra", 3 / 8),  # spelled: z ##e ##b ##r ##a
        ("the насос", 3 / 8),  # unknown
        ("cat, 泵!", 3 / 4),
        ("", 1),
        ("?!", 0),
    ],
)
def test_words_that_are_spelled_or_unknown_do_not_count(text: str, expected: float) -> None:
    assert share(text) == pytest.approx(expected)


def test_a_wide_character_may_be_a_piece_of_its_own() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = ["<unk>", "▁", "泵", "坏", "了", "p", "u", "m"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    assert legible_share(tokenizer, "泵坏了") == 1
    assert legible_share(tokenizer, "pump") == 0
    assert legible_share(tokenizer, "泵坏掉") == 0  # one is unknown, and nothing parts them


@pytest.mark.parametrize("architecture", ["roberta", "qwen3"])
def test_a_byte_is_less_than_a_letter(architecture: str) -> None:
    assert share("the", architecture) == 1
    assert share("насос", architecture) == 0


def test_kana_are_letters_like_others_where_each_is_a_piece() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = ["<unk>", "ポ", "ン", "プ", "の", "泵", "ポンプ"]
    spelling = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces[:-1]], unk_id=0))
    reading = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
    for tokenizer in (spelling, reading):
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert legible_share(spelling, "ポンプ の 泵") == pytest.approx(2 / 5)
    assert legible_share(reading, "ポンプ の 泵") == 1
