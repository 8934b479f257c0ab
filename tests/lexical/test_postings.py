from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from postings_of_terms import build

from vsearch_core.lexical.postings import Postings, merge

Arrays = dict[str, NDArray[Any]]
Change = Callable[[Arrays], None]
WORDS = st.one_of(
    st.sampled_from(["a", "b", "ab", "é", "東京", "\ud800", "\U0001f600", "z" * 300]),
    st.text(st.characters(exclude_characters="\0"), min_size=1),
)
DOCUMENTS = st.lists(st.lists(WORDS, max_size=12), max_size=12)


def as_dict(part: Postings) -> dict[str, dict[int, int]]:
    text = part.terms.tobytes()
    words = [
        text[part.term_offsets[i] : part.term_offsets[i + 1]].decode("utf-8", "surrogatepass")
        for i in range(len(part.offsets) - 1)
    ]
    return {word: dict(zip(*(array.tolist() for array in part.lookup(word)), strict=True)) for word in words}


def oracle(documents: list[list[str]]) -> dict[str, dict[int, int]]:
    lists: dict[str, dict[int, int]] = {}
    for row, terms in enumerate(documents):
        for term, count in Counter(terms).items():
            lists.setdefault(term, {})[row] = min(count, 255)
    return lists


def assert_same(one: Postings, other: Postings) -> None:
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name], strict=True)


@given(DOCUMENTS)
def test_build_against_a_dictionary(documents: list[list[str]]) -> None:
    part = build(documents)
    assert as_dict(part) == oracle(documents)
    assert part.lengths.tolist() == [len(terms) for terms in documents]
    words = list(as_dict(part))
    assert words == sorted(words)
    assert all(list(rows) == sorted(rows) for rows in as_dict(part).values())


@given(DOCUMENTS, WORDS)
def test_lookup_against_a_dictionary(documents: list[list[str]], word: str) -> None:
    rows, counts = build(documents).lookup(word)
    assert dict(zip(rows.tolist(), counts.tolist(), strict=True)) == oracle(documents).get(word, {})


@given(st.lists(DOCUMENTS, max_size=4), st.data())
def test_merging_equals_building(parts: list[list[list[str]]], data: st.DataObject) -> None:
    kept = [np.array(data.draw(st.lists(st.booleans(), min_size=len(p), max_size=len(p))), bool) for p in parts]
    left = [terms for part, keep in zip(parts, kept, strict=True) for terms, k in zip(part, keep, strict=True) if k]
    assert_same(merge([build(part) for part in parts], kept), build(left))


def test_merge_in_many_blocks() -> None:
    random = np.random.default_rng(0)
    documents = [[f"w{n}" for n in random.zipf(1.5, 30) % 50] for _ in range(60)]
    keep = random.random(60) < 0.7
    left = [terms for terms, k in zip(documents, keep, strict=True) if k]
    merged = merge([build(documents[:25]), build(documents[25:])], [keep[:25], keep[25:]], block=7)
    assert_same(merged, build(left))


def test_counts_saturate() -> None:
    assert build([["a"] * 300, ["a"] * 255]).lookup("a")[1].tolist() == [255, 255]


def test_rows_widen_when_they_must() -> None:
    narrow, wide = build([["a"]] * 65_536), build([["a"]] * 65_537)
    assert narrow.rows.dtype == np.uint16 and wide.rows.dtype == np.uint32
    assert wide.lookup("a")[0][-1] == 65_536
    assert_same(merge([narrow, build([["a"]])], [np.ones(65_536, bool), np.ones(1, bool)]), wide)


def test_arrays_are_used_as_they_are_mapped(tmp_path: Path) -> None:
    part = build([["red", "fox"], [], ["fox", "fox"]], ["en"])
    mapped: dict[str, NDArray[np.generic]] = {"vectors": np.zeros(3)}
    for name, array in part.arrays().items():
        np.save(tmp_path / name, array)
        mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    again = Postings.from_arrays(mapped)
    assert_same(again, part)
    assert all(np.shares_memory(array, mapped[name]) for name, array in again.arrays().items())
    assert again.lookup("fox")[0].tolist() == [0, 2]
    assert_same(merge([again], [np.ones(3, bool)]), part)


def test_no_documents() -> None:
    assert build([]).lookup("a")[0].tolist() == []
    assert_same(merge([], []), build([]))


FAULTS: dict[str, Change] = {
    "a row out of range": lambda arrays: arrays["postings_rows"].__setitem__(0, 9),
    "a descending list": lambda arrays: arrays["postings_rows"].__setitem__(slice(0, 2), [1, 0]),
    "a count of zero": lambda arrays: arrays["postings_counts"].__setitem__(0, 0),
    "a wrong count": lambda arrays: arrays["postings_counts"].__setitem__(0, 3),
    "a wrong length": lambda arrays: arrays["postings_lengths"].__setitem__(0, 9),
    "descending offsets": lambda arrays: arrays["postings_offsets"].__setitem__(1, 5),
    "an offset past the end": lambda arrays: arrays["postings_term_offsets"].__setitem__(-1, 99),
    "terms out of order": lambda arrays: arrays["postings_terms"].__setitem__(0, ord("z")),
}
MALFORMED: dict[str, Change] = {
    "one list too few": lambda arrays: arrays.update(postings_offsets=arrays["postings_offsets"][:-1]),
    "no lists": lambda arrays: arrays.update(
        postings_offsets=np.empty(0, np.uint32), postings_term_offsets=np.empty(0, np.uint32)
    ),
    "one count too few": lambda arrays: arrays.update(postings_counts=arrays["postings_counts"][:-1]),
    "one block too few": lambda arrays: arrays.update(
        postings_block_counts=arrays["postings_block_counts"][:-1],
        postings_block_ratios=arrays["postings_block_ratios"][:-1],
    ),
    "one kind of bound only": lambda arrays: arrays.update(postings_block_ratios=np.empty(0, np.uint16)),
    "negative rows": lambda arrays: arrays.update(postings_rows=arrays["postings_rows"].astype(np.int32) - 1),
    "fractional rows": lambda arrays: arrays.update(postings_rows=arrays["postings_rows"].astype(np.float32)),
    "two-dimensional rows": lambda arrays: arrays.update(postings_rows=arrays["postings_rows"].reshape(-1, 1)),
}


@pytest.mark.parametrize("change", FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_found(change: Change) -> None:
    postings = build([["a", "b"], ["a", "c", "c"]])
    assert postings.find_fault() is None
    arrays = {name: np.array(array) for name, array in postings.arrays().items()}
    change(arrays)
    assert Postings.from_arrays(arrays).find_fault() is not None


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_arrays_that_a_kernel_would_read_beyond_are_refused(change: Change) -> None:
    arrays = dict(build([[f"{term}" for term in range(200)]] * 2).arrays())
    Postings.from_arrays(arrays)
    change(arrays)
    with pytest.raises(ValueError, match=r"type|length"):
        Postings.from_arrays(arrays)


@given(DOCUMENTS)
def test_built_postings_have_no_fault(documents: list[list[str]]) -> None:
    assert build(documents).find_fault() is None
