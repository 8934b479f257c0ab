"""`RowMap` against lists: global rows are the segments' rows written one after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.index.rows import RowMap

lengths = st.lists(st.integers(0, 5), max_size=6)


def addresses(lengths: list[int]) -> list[tuple[int, int]]:
    """List (segment, own row) by global row."""
    return [(segment, row) for segment, length in enumerate(lengths) for row in range(length)]


def some_rows(total: int, numbers: list[int]) -> list[int]:
    return [number % total for number in numbers] if total else []


@given(lengths)
def test_starts_and_spans(lengths: list[int]) -> None:
    row_map, expected = RowMap(lengths), addresses(lengths)
    assert (row_map.rows, row_map.segments) == (len(expected), len(lengths))
    assert row_map.starts.dtype == np.int64
    for segment, length in enumerate(lengths):
        assert expected[row_map.span(segment)] == [(segment, row) for row in range(length)]


@given(lengths, st.lists(st.integers(0, 100), max_size=20))
def test_locate(lengths: list[int], numbers: list[int]) -> None:
    expected = addresses(lengths)
    rows = some_rows(len(expected), numbers)
    segments, own = RowMap(lengths).locate(np.array(rows, np.int64))
    assert list(zip(segments.tolist(), own.tolist(), strict=True)) == [expected[row] for row in rows]


@given(lengths, st.lists(st.integers(0, 100), max_size=20))
def test_split_gathers_each_row_once(lengths: list[int], numbers: list[int]) -> None:
    expected = addresses(lengths)
    rows = some_rows(len(expected), numbers)
    found: dict[int, tuple[int, int]] = {}
    for segment, places, own in RowMap(lengths).split(np.array(rows, np.int64)):
        assert len(places)
        found |= {place: (segment, row) for place, row in zip(places.tolist(), own.tolist(), strict=True)}
    assert found == {place: expected[row] for place, row in enumerate(rows)}


@given(lengths, st.lists(st.integers(0, 100), max_size=20))
def test_split_sorted_is_split_of_ascending_rows(lengths: list[int], numbers: list[int]) -> None:
    row_map = RowMap(lengths)
    rows = np.array(sorted(some_rows(row_map.rows, numbers)), np.int64)
    places = np.arange(len(rows))
    by_slices = [(segment, places[span].tolist(), own.tolist()) for segment, span, own in row_map.split_sorted(rows)]
    assert by_slices == [(segment, at.tolist(), own.tolist()) for segment, at, own in row_map.split(rows)]


@given(lengths)
def test_join_puts_arrays_of_all_segments_over_the_global_rows(lengths: list[int]) -> None:
    arrays = [np.full((length, 2), segment, np.int16) for segment, length in enumerate(lengths)]
    joined = RowMap(lengths).join(arrays, np.int16)
    assert joined.dtype == np.int16
    assert [row.tolist() for row in joined] == [[segment, segment] for segment, _ in addresses(lengths)]


@pytest.mark.parametrize("rows", [[-1], [0, 3], [5]])
def test_rows_that_no_segment_has_are_refused(rows: list[int]) -> None:
    row_map, outside = RowMap([2, 0, 1]), np.array(rows, np.int64)
    for split in (
        row_map.locate,
        lambda rows: list(row_map.split(rows)),
        lambda rows: list(row_map.split_sorted(rows)),
    ):
        with pytest.raises(IndexError):
            split(outside)


def test_join_refuses_arrays_of_other_lengths() -> None:
    with pytest.raises(ValueError, match="lengths"):
        RowMap([2, 1]).join([np.zeros(1), np.zeros(2)], np.float64)
