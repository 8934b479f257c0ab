"""Near-duplicate groups are those that comparing all pairs gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch_core.search.duplicates import ComparableChunks, DuplicateLimits, duplicate_groups
from vsearch_core.search.shingles import resemblance, shingles


def comparable(texts: list[str], vectors: NDArray[np.float32]) -> ComparableChunks:
    return ComparableChunks(len(texts), lambda: iter(texts), texts.__getitem__, vectors.__getitem__)


def groups_by_all_pairs(texts: list[str], vectors: NDArray[np.float32], threshold: float) -> set[frozenset[int]]:
    """Return the connected components, of two chunks or more, of the graph of all pairs that reach the threshold."""
    label = list(range(len(texts)))
    sets = [shingles(text) for text in texts]
    for one in range(len(texts)):
        for other in range(one):
            if resemblance(sets[one], sets[other]) >= threshold and vectors[one] @ vectors[other] >= threshold - 1e-4:
                label = [label[other] if each == label[one] else each for each in label]
    parts = [frozenset(at for at, each in enumerate(label) if each == name) for name in set(label)]
    return {part for part in parts if len(part) > 1}


def random_corpus(seed: int, count: int) -> tuple[list[str], NDArray[np.float32]]:
    """Return texts of which many are edits of others, with common boilerplate, and vectors that mostly agree."""
    random = np.random.default_rng(seed)
    texts: list[str] = []
    boilerplate = [f"licence{number}" for number in range(12)]
    for _ in range(count):
        if texts and random.random() < 0.5:
            words = texts[random.integers(len(texts))].split()
            for _ in range(random.integers(0, 6)):
                words[random.integers(len(words))] = f"edit{random.integers(1000)}"
        else:
            words = [f"word{number}" for number in random.integers(0, 400, random.integers(1, 80))]
            words += boilerplate * int(random.integers(0, 2))
        texts.append(" ".join(words))
    vectors = np.ones((count, 4)) + random.standard_normal((count, 4)) * 0.45
    return texts, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.5, 0.65, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_groups_are_those_of_all_pairs(seed: int, threshold: float) -> None:
    counters = 64 if seed % 2 else 1 << 16
    limits = DuplicateLimits(counters=counters, chunks_kept=8, pairs_kept=4, block=16)
    texts, vectors = random_corpus(seed, 120)
    found = duplicate_groups(comparable(texts, vectors), threshold, limits)
    assert {frozenset(group.places) for group in found} == groups_by_all_pairs(texts, vectors, threshold)
    assert [len(group.places) for group in found] == sorted((len(group.places) for group in found), reverse=True)
    assert all(list(group.places) == sorted(group.places) for group in found)


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), max_size=14), st.sampled_from([0.5, 0.8]))
def test_short_texts_too(texts: list[str], threshold: float) -> None:
    vectors = np.ones((len(texts), 1), np.float32)
    found = duplicate_groups(comparable(texts, vectors), threshold, DuplicateLimits(counters=1 << 10))
    assert {frozenset(group.places) for group in found} == groups_by_all_pairs(texts, vectors, threshold)


def test_resemblance_is_measured_to_the_first() -> None:
    base = [f"w{number}" for number in range(40)]
    texts = [" ".join(base), "else", " ".join([*base, "more"]), " ".join(base)]
    (group,) = duplicate_groups(comparable(texts, np.ones((4, 1), np.float32)), 0.8)
    assert group.places == (0, 2, 3)
    assert group.resemblances == pytest.approx((1.0, 36 / 37, 1.0))


def test_copies_are_never_compared() -> None:
    read: list[int] = []
    texts = [" ".join(f"w{number}" for number in range(40))] * 500

    def text(place: int) -> str:
        read.append(place)
        return texts[place]

    vectors = np.ones((500, 1), np.float32)
    (group,) = duplicate_groups(ComparableChunks(500, lambda: iter(texts), text, vectors.__getitem__), 0.8)
    assert len(group.places) == 500
    assert len(read) <= 500  # once each, for the resemblances


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["…", "…"], ["alone"]])
def test_texts_without_duplicates(texts: list[str]) -> None:
    assert duplicate_groups(comparable(texts, np.ones((len(texts), 1), np.float32)), 0.8) == []
