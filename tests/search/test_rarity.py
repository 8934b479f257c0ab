"""Weights of the rare words of a query."""

import pytest

from vsearch_core.search.rarity import RareWord, is_exact_word, rare_words


def rare(query: str, frequencies: dict[str, int], rows: int = 5000) -> list[RareWord]:
    return rare_words(query.split(), lambda word: [word.lower()], lambda term: frequencies.get(term, 0), rows)


@pytest.mark.parametrize(
    "word",
    [
        "E4090",
        "2026.4.10",
        "v1.2",
        "foo.bar",
        "snake_case",
        "getUser",
        "Retry-After",
        "a/b",
        "me@example.com",
        "<=>",
        "🦆",
    ],
)
def test_codes_names_numbers_and_symbols_are_exact(word: str) -> None:
    assert is_exact_word(word)


@pytest.mark.parametrize("word", ["error", "Berlin", "long-term", "DNA", "10th", "1960s", "(2nd)", "Ngozi's", "naïve"])
def test_words_names_and_ordinals_are_not(word: str) -> None:
    assert not is_exact_word(word)


def test_a_code_in_one_chunk_weighs_most() -> None:
    code, word = rare("E4090 induction", {"e4090": 1, "induction": 1})
    assert code.weight == pytest.approx(5 * word.weight)


def test_frequent_and_absent_words_have_no_weight() -> None:
    assert rare("E4090 error 7741", {"e4090": 900, "error": 2000}) == []


def test_of_many_words_each_weighs_less() -> None:
    (alone,) = rare("E4090", {"e4090": 1})
    (among, *_) = rare(
        "E4090 of the booking service for users", {"e4090": 1, "booking": 40, "service": 90, "users": 70}
    )
    assert 0.3 < among.weight < alone.weight == 1


def test_in_a_small_index_ordinary_words_weigh_less() -> None:
    frequencies = {"e4090": 1, "mean": 1, "error": 1}
    small = {word.terms: word.weight for word in rare("error E4090 mean", frequencies, rows=4)}
    assert small["e4090",] > 0.7
    assert small["mean",] < 0.05


def test_all_terms_of_an_exact_word_count_together() -> None:
    found = rare_words(["foo.bar"], lambda _: ["foo.bar", "foo", "bar", "~baz", "ba*"], lambda _: 1, 5000)
    assert [word.terms for word in found] == [("foo.bar", "foo", "bar")]
