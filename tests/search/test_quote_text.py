"""Quotes and texts compared word by word."""

import random

import pytest

from vsearch_core.search.quote_text import TokenizedText, best_alignment, changes, quote_pieces, tokenize


def has(text: str, quote: str) -> bool:
    """Return True if the text has the quote, as one piece."""
    (piece,) = quote_pieces(quote)
    whole = tokenize(text)
    variants = [(own, wanted) for own in (whole, whole.unbroken) for wanted in (piece, piece.unbroken)]
    return any(own.has_case_of(wanted, number) for own, wanted in variants for number in own.find(wanted))


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("The pump\n  needs\tgrease.", "The pump needs grease"),
        ("The pump needs grease, every spring", "the pump needs grease every spring."),
        ("“Never”, she said — ‘never’ run it", "'Never,' she said - \"never\" run it"),
        ("state\u2011of\u2010the-art", "state-of-the-art"),
        ("2019–2021", "2019-2021"),
        ("an exam\u00adple of it", "an example of it"),
        ("an exam-\n  ple of it", "an example of it"),
        ("an exam\u00ad\nple of it", "an example of it"),
        ("a well-\nknown thing", "a well-known thing"),
        ("an example of it", "an exam-\nple of it"),
        ("don’t run it dry", "don't run it dry"),
        ("**Never** run `it` _dry_", "Never run it dry"),
        ("see [the policy](policy.md) for more", "see the policy for more"),
        ("The rule was made", "[t]he rule was [sic] made"),
        ("e\u0301tude of the \ufb01n", "\u00e9tude of the fin"),
        ("磨刀石要先在水里浸泡十分钟", "在水里浸泡"),
        ("| Drill | 7 days |", "Drill 7 days"),
        ("> quoted\n> before", "quoted before"),
        ("it is −5 °C", "it is -5°C"),
        ("costs 5 % more", "costs 5% more"),
    ],
)
def test_what_does_not_count_is_ignored(text: str, quote: str) -> None:
    assert has(text, quote)


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("The fee is 12.50 a day", "The fee is 12.05 a day"),
        ("The fee is 1,000 a day", "The fee is 1.000 a day"),
        ("The fee is 3.5 a day", "The fee is 35 a day"),
        ("It is .5 of it", "It is 5 of it"),
        ("It is -5 today", "It is 5 today"),
        ("It is $5 today", "It is €5 today"),
        ("It is 5 % of it", "It is 5 of it"),
        ("if x < 5 then", "if x > 5 then"),
        ("if x <= 5 then", "if x < 5 then"),
        ("C++ is used here", "C# is used here"),
        ("It must not be sold", "It must be sold"),
        ("They may leave", "They May leave"),
        ("We met the US team", "We met the us team"),
        ("a capital idea", "a capit"),
        ("It was notable", "It was not able"),
        ("磨刀石要先", "磨刀石不要先"),
    ],
)
def test_what_changes_the_meaning_counts(text: str, quote: str) -> None:
    assert not has(text, quote)


@pytest.mark.parametrize("gap", ["…", "...", "[…]", "[...]", ". . .", "(…)", "[ ... ]", "...."])
def test_ellipses_divide_a_quote(gap: str) -> None:
    assert [piece.exact for piece in quote_pieces(f"The pump {gap} every spring")] == [
        ("The", "pump"),
        ("every", "spring"),
    ]


def edits_of(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Return the Levenshtein distance, by the textbook."""
    row = list(range(len(other) + 1))
    for number, word in enumerate(one, 1):
        row, former = [number], row
        for place, wanted in enumerate(other):
            row.append(min(former[place] + (word != wanted), former[place + 1] + 1, row[-1] + 1))
    return row[-1]


def words(rng: random.Random, count: int) -> TokenizedText:
    return tokenize(" ".join(rng.choice(["a", "b", "c", "d"]) for _ in range(count)))


@pytest.mark.parametrize("seed", range(60))
def test_the_alignment_is_the_best_part_of_the_text(seed: int) -> None:
    rng = random.Random(seed)
    quote, text = words(rng, rng.randrange(1, 7)), words(rng, rng.randrange(0, 12))
    found = best_alignment(quote, text)
    parts = [(start, end) for start in range(len(text) + 1) for end in range(start, len(text) + 1)]
    assert found.edits == min(edits_of(quote.keys, text.keys[start:end]) for start, end in parts)
    assert found.edits == edits_of(quote.keys, text.keys[found.start : found.end])


def test_changes_are_shown_in_the_words_of_both() -> None:
    text, quote = tokenize("It must not be sold\nbefore 1 May 2026."), tokenize("it must be sold before 2 May 2026")
    found = best_alignment(quote, text)
    shown = [(change.stored, change.quoted) for change in changes(quote, text, found.start, found.end)]
    assert shown == [("not", ""), ("1", "2")]
