"""Windows cover everything, in order, and none is over the limit."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.embed.windows import spans, token_windows


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
