"""Windows cover everything, in order, and none is over the limit."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.embed.windows import WINDOW_OVERLAP, Windower, sampled, spans, token_windows


@given(count=st.integers(0, 3000), limit=st.integers(1, 300), data=st.data())
def test_spans_cover_the_text_with_overlap_within_the_limit(count: int, limit: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, limit - 1))
    found = spans(count, limit, overlap)
    assert (found[0][0], found[-1][1]) == (0, count)
    for (start, end), (next_start, next_end) in pairwise(found):
        assert end - start == limit
        assert end - next_start == overlap
        assert overlap < next_end - next_start <= limit


@given(count=st.integers(0, 3000), limit=st.integers(2, 300), data=st.data())
def test_no_fewer_windows_would_do(count: int, limit: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, limit - 1))
    fewer = len(spans(count, limit, overlap)) - 1
    assert fewer == 0 or limit + (fewer - 1) * (limit - overlap) < count


def test_an_overlap_that_leaves_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap 8"):
        spans(20, 8, 8)


def test_token_windows_wear_the_special_tokens_and_keep_the_limit() -> None:
    assert token_windows([], [101], [102], 8, 2) == [[101, 102]]
    assert token_windows([1, 2, 3, 4, 5, 6], [101], [102], 8, 2) == [[101, 1, 2, 3, 4, 5, 6, 102]]
    assert token_windows(range(1, 10), [101], [102], 8, 2) == [
        [101, 1, 2, 3, 4, 5, 6, 102],
        [101, 5, 6, 7, 8, 9, 102],
    ]


def test_a_limit_smaller_than_the_overlap_still_moves_on() -> None:
    assert token_windows([1, 2, 3], [101], [102], 4, 32) == [[101, 1, 2, 102], [101, 2, 3, 102]]


DENSE = {
    "numbers": ("0.{:08d},", 9),
    "code": ('a{0}(b,"{0}");', 16),
    "signs": ("=<{0}>&|;", 10),
    "json": ('{{"id":{0},"v":[{0},1]}},', 20),
    "hex": ("{:016x} ", 17),
}


@pytest.fixture(scope="module")
def windower() -> Windower:
    """Return a windower of 256 tokens whose tokenizer makes one token of each letter, digit and sign."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split

    tokenizer = Tokenizer(WordLevel({chr(code): code for code in range(32, 127)} | {"[UNK]": 0}, "[UNK]"))
    tokenizer.pre_tokenizer = Split(Regex("."), "isolated")
    return Windower(tokenizer, 256)


@pytest.mark.parametrize("kind", DENSE)
def test_a_long_line_that_is_not_prose_gives_a_bounded_number_of_evenly_spread_windows(
    windower: Windower, kind: str
) -> None:
    pattern, length = DENSE[kind]
    text = "".join(pattern.format(number * 7919) for number in range(50_000 // length))
    rows, plan = windower.windows_with_plan(text)
    assert rows == windower.windows(text)
    assert plan is None
    assert 0.95 * len(text) / 3 < sum(map(len, rows)) <= len(text) / 3 + 256
    every = [list(text.encode()[start:end]) for start, end in spans(len(text), 256, WINDOW_OVERLAP)]
    places = [every.index(row) for row in rows]
    assert places[0] == 0
    assert places[-1] >= len(every) - 4
    assert {after - before for before, after in pairwise(places)} <= {2, 3, 4}


@pytest.mark.parametrize("characters", [1, 255, 2_600])
def test_a_short_text_keeps_all_windows_whatever_it_is(windower: Windower, characters: int) -> None:
    text = "".join(chr(33 + number % 90) for number in range(characters))
    assert len(windower.windows(text)) == len(spans(characters, 256, WINDOW_OVERLAP))


def test_long_prose_keeps_all_windows() -> None:
    rows = token_windows(list(range(30_000)), [1], [2], 256, WINDOW_OVERLAP)
    assert sampled(rows, 30_000 * 4) is rows
