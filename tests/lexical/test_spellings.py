"""Spellings that are one edit from a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.lexical.spellings import letters_of, one_edit_spellings


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("boilar", "boiler"),
        ("boiler", "boilers"),
        ("boilers", "boiler"),
        ("pyhton", "python"),
        ("xoiler", "boiler"),
        ("oiler", "boiler"),
        ("насос", "насус"),
        ("насос", "ннасос"),
        ("größe", "größer"),
        ("παιδί", "παιδιί"),
    ],
)
def test_one_edit_away(word: str, other: str) -> None:
    assert other in one_edit_spellings(word)


@pytest.mark.parametrize("other", ["boiler", "boi", "boilerss", "obielr", "bolr", "boilér"])
def test_the_word_itself_and_two_edits_are_not(other: str) -> None:
    assert other not in one_edit_spellings("boiler")


@given(st.text("abcß", min_size=1, max_size=8))
def test_each_spelling_is_listed_once_and_is_a_letter_longer_or_shorter_at_most(word: str) -> None:
    found = one_edit_spellings(word)
    assert len(found) == len(set(found))
    assert word not in found
    assert {len(each) - len(word) for each in found} <= {-1, 0, 1}


@pytest.mark.parametrize(
    ("word", "letters"),
    [
        ("(Boilar?)", "boilar"),
        ("naïveté", "naïveté"),
        ("gate", ""),
        ("E-4090", ""),
        ("year2", ""),
        ("don't", ""),
        ("x" * 31, ""),
    ],
)
def test_only_long_words_of_letters_are_respelled(word: str, letters: str) -> None:
    assert letters_of(word) == letters
