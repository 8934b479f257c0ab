"""Near-duplicates collapse and diversity counts, as a plain reading of the definitions says."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch_core.search.choice import COMPARED_TEXTS, SIMILARITY, ShinglesOfChunks, all_of, collapsed, diversified
from vsearch_core.search.shingles import SHINGLE_WORDS, resemblance, shingles

BASE = " ".join(f"word{number}" for number in range(60))


def unit(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    drawn = np.array(rows, np.float32)
    result: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return result


def look_up(texts: list[str]) -> ShinglesOfChunks:
    return ShinglesOfChunks(lambda places: [texts[place] for place in places.tolist()])


def plain_shingles(text: str) -> set[tuple[str, ...]]:
    words = text.casefold().split()
    return {tuple(words[at : at + SHINGLE_WORDS]) for at in range(max(1, len(words) - SHINGLE_WORDS + 1))} - {()}


@given(st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.sampled_from("abc"), max_size=30))
def test_resemblance_is_the_jaccard_similarity_of_word_runs(one: list[str], other: list[str]) -> None:
    left, right = " ".join(one), " ".join(other)
    sets = plain_shingles(left), plain_shingles(right)
    union = sets[0] | sets[1]
    expected = len(sets[0] & sets[1]) / len(union) if all(sets) else 0
    assert resemblance(shingles(left), shingles(right)) == pytest.approx(expected)


def test_case_and_punctuation_do_not_count() -> None:
    assert resemblance(shingles("The pump, it needs (grease)!"), shingles("the pump it needs **Grease**")) == 1


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    assert len(shingles("磨刀石要先在水里浸泡")) == 10 - SHINGLE_WORDS + 1
    assert len(shingles("磨刀")) == 1
    assert len(shingles("…")) == len(shingles("")) == 0


def test_the_order_of_words_counts() -> None:
    assert resemblance(shingles(BASE), shingles(" ".join(reversed(BASE.split())))) == 0


def test_copies_collapse_into_the_best_and_the_order_stays() -> None:
    texts = [BASE, "something else that stands alone here", BASE + " more", BASE.upper()]
    vectors = unit((1, 0), (0, 1), (0.99, 0.05), (1, 0))
    found = collapsed(vectors, look_up(texts))
    assert found.shown.tolist() == [0, 1]
    assert found.alike == ((2, 3), ())


def test_both_vectors_and_words_must_be_similar() -> None:
    assert collapsed(unit((1, 0), (0, 1)), look_up([BASE, BASE])).shown.tolist() == [0, 1]
    assert collapsed(unit((1, 0), (1, 0)), look_up([BASE, "other words"])).shown.tolist() == [0, 1]


def test_texts_are_read_only_where_vectors_are_similar() -> None:
    read: list[list[int]] = []

    def texts(places: NDArray[np.int64]) -> list[str]:
        read.append(places.tolist())
        return [BASE] * len(places)

    collapsed(unit((1, 0), (0, 1), (1, 0.01)), ShinglesOfChunks(texts))
    assert read == [[0, 2]]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12), st.integers(1, 5))
def test_collapsing_in_blocks_equals_one_by_one(drawn: list[tuple[int, int]], block: int) -> None:
    vectors = unit(*[(1, kind * 0.3) for kind, _ in drawn]) if drawn else np.empty((0, 2), np.float32)
    texts = [f"{BASE} {'x ' * 10 * text}" if text else f"alone {place}" for place, (_, text) in enumerate(drawn)]
    expected: dict[int, list[int]] = {}
    for place in range(len(drawn)):
        for other, alike in expected.items():
            near = float(vectors[other] @ vectors[place]) >= SIMILARITY
            if near and resemblance(shingles(texts[other]), shingles(texts[place])) >= SIMILARITY:
                alike.append(place)
                break
        else:
            expected[place] = []
    found = collapsed(vectors, look_up(texts), block)
    assert dict(zip(found.shown.tolist(), map(list, found.alike), strict=True)) == expected


def test_diversity_prefers_chunks_unlike_those_before() -> None:
    vectors = unit((1, 0), (0.99, 0.1), (0, 1))
    scores = np.array([1, 0.9, 0.5], np.float32)
    assert diversified(all_of(3), vectors, scores, 0.0, 3).shown.tolist() == [0, 1, 2]
    assert diversified(all_of(3), vectors, scores, 0.5, 3).shown.tolist() == [0, 2, 1]
    assert diversified(all_of(3), vectors, scores, 0.5, 2).shown.tolist() == [0, 2]


def test_diversity_keeps_the_collapsed_chunks() -> None:
    choice = collapsed(unit((1, 0), (1, 0), (0, 1)), look_up([BASE, BASE, "else"]))
    found = diversified(choice, unit((1, 0), (1, 0), (0, 1)), np.array([0.4, 0.3, 0.9], np.float32), 0.2, 2)
    assert (found.shown.tolist(), found.alike) == ([2, 0], ((), (1,)))


def test_thousands_of_copies_take_little_memory() -> None:
    """A list of the two million pairs of copies would take ten times the memory allowed here."""
    vectors = np.repeat(unit((1, 0, 0)), 2000, axis=0)
    tracemalloc.start()
    found = collapsed(vectors, look_up(["Copied from a licence."] * 2000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shown.tolist() == [0]
    assert found.alike == (tuple(range(1, 2000)),)
    assert peak < 8_000_000


@pytest.mark.parametrize("count", [COMPARED_TEXTS + 500, 6 * COMPARED_TEXTS])
def test_thousands_of_copies_have_a_bounded_number_of_texts_read(count: int) -> None:
    read: list[int] = []

    def texts(ids: NDArray[np.int64]) -> list[str]:
        read.extend(ids.tolist())
        return [BASE] * len(ids)

    shingles_of = ShinglesOfChunks(texts)
    vectors = np.repeat(unit((1, 0, 0)), count, axis=0)
    vectors[-1] = unit((1, 0.1, 0))  # similar, but not equal, and too far down to be compared
    for _ in range(3):
        found = collapsed(vectors, shingles_of)
    assert found.shown.tolist() == [0, count - 1]
    assert found.alike == (tuple(range(1, count - 1)), ())
    assert sorted(read) == list(range(COMPARED_TEXTS))


def test_equal_vectors_of_other_texts_are_not_copies_among_the_best() -> None:
    vectors = np.repeat(unit((1, 0, 0)), 3, axis=0)
    assert collapsed(vectors, look_up(["", "", BASE])).shown.tolist() == [0, 1, 2]
