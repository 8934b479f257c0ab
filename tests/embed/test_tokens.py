"""Windows by estimated tokens: no text is lost, and no window exceeds the limit."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.embed.tokens import count_tokens, token_costs
from vsearch_core.embed.windows import WINDOW_OVERLAP, halves, text_windows

# What tokenizers make of them at the most (measured: vocabularies of 32,000 and 131,000 entries).
MEASURED = {
    "The pump is primed before the first run of the season.": 13,
    "3f9a77c2d05be1": 13,
    "全文検索は日本語でも動く。": 14,
    "Наука не стоит на месте.": 9,
    "e\u0301" * 10: 30,
    "😀🦜🌴": 9,
    "for i in range(10): print(i)": 14,
}


def joined(text: str, windows: list[tuple[str, float]]) -> str:
    """The text that the windows cover from its start on without a gap."""
    covered = ""
    for window, _ in windows:
        place = max((at for at in range(len(covered) + 1) if text.startswith(window, at)), default=-1)
        assert place >= 0, "a gap"
        covered = text[: max(len(covered), place + len(window))]
    return covered


@pytest.mark.parametrize("text", MEASURED)
def test_the_estimate_is_from_above(text: str) -> None:
    assert token_costs(text).shape == (len(text),)
    assert MEASURED[text] <= token_costs(text).sum() <= 3.3 * MEASURED[text]


@given(st.text(st.characters(codec="utf-8"), max_size=400), st.integers(20, 200))
def test_windows_cover_the_text_and_keep_to_the_limit(text: str, limit: int) -> None:
    windows = text_windows(text, limit)
    assert joined(text, windows) == text
    assert all(tokens <= limit + 1e-6 for _, tokens in windows)
    for window, tokens in windows:
        assert tokens == pytest.approx(token_costs(window).sum(), abs=25)  # a word cut in two may count less


def test_a_text_that_fits_is_left_whole_and_others_are_cut_between_words() -> None:
    text = " ".join(f"word{number}" for number in range(1000))
    ((window, tokens),) = text_windows(text, 10_000)
    assert window == text
    assert tokens == pytest.approx(token_costs(text).sum())
    windows = text_windows(text, 300)
    assert all(window.endswith(" ") for window, _ in windows[:-1])
    for (before, _), (after, _) in pairwise(windows):
        shared = next(length for length in range(len(after), 0, -1) if before.endswith(after[:length]))
        assert 0.5 * WINDOW_OVERLAP <= token_costs(after[:shared]).sum() <= WINDOW_OVERLAP + 1e-6
        assert after.startswith("word")


def test_a_word_longer_than_a_window_is_cut_within() -> None:
    windows = text_windows("x" * 1000, 100)
    assert len(windows) > 10
    assert all(0 < len(window) <= 100 for window, _ in windows)


@given(st.text(min_size=16, max_size=300))
def test_halves_are_shorter_and_overlap(text: str) -> None:
    first, second = halves(text)
    assert text.startswith(first)
    assert text.endswith(second)
    assert len(first) + len(second) >= len(text)
    assert max(len(first), len(second)) < len(text)


def test_tokens_are_counted_by_rule() -> None:
    assert count_tokens("the pump, internationalization") == 1 + 1 + 1 + 4
    assert count_tokens("2026.4.10") == 2 + 1 + 1 + 1 + 1
    assert count_tokens("数据库") == 3
    assert count_tokens("насос") == 3
    assert count_tokens("one\n\n\ntwo\t \n") == 4
    assert count_tokens("") == 0
