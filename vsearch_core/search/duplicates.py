"""Groups of near-duplicates over a whole index.

Two passages are near-duplicates when the resemblance of their shingles and the cosine of their vectors both reach a
threshold; a group is what such pairs connect. No pair is missed: sets whose resemblance is t share one of the first
(1 - t)·size + 1 elements of each, whatever order all sets are sorted by (prefix filtering: Chaudhuri, Ganti and
Kaushik, "A primitive operator for similarity joins", ICDE 2006; Bayardo, Ma and Srikant, "Scaling up all pairs
similarity search", WWW 2007). Sorted by rarity, few passages share one of those, and only they are compared.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import islice, pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from vsearch_core.search.engine import Ids, Searcher
from vsearch_core.search.shingles import Shingles, resemblance, shingles

LEAST_THRESHOLD = 0.5  # below, half of a passage would be looked up in all others
_COUNTERS = 1 << 24  # shingles are counted by the last bits of their hashes: 64 MB, however many there are
_KEPT = 4096  # passages whose shingles are kept while pairs are compared: 16 MB
_PARTS = 16  # of the shingles, by their last bits: sorted one after the other
_FAILED = 1 << 20  # pairs that were compared in vain, and are remembered
_BLOCK = 1024  # rows whose vectors, and whose cosines to as many others, are held at a time
_SLACK = 1e-9  # what rounding may do to threshold · size
_VECTOR_SLACK = 1e-4  # and to the cosine of vectors in fixed point

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Passages:
    """What is compared: how many passages, all texts in order, and the text and the unit vectors (n, d) at places."""

    count: int
    texts: Callable[[], Iterator[str]]
    text: Callable[[int], str]
    vectors: Callable[[Places], NDArray[np.float32]]


def indexed(searcher: Searcher, ids: Ids) -> Passages:
    """Return an index's chunks as passages: place i is chunk `ids[i]`."""

    def texts() -> Iterator[str]:
        for start in range(0, len(ids), _BLOCK):
            for stored in searcher.hydrate(ids[start : start + _BLOCK]):
                yield stored.chunk.text

    def text(place: int) -> str:
        return searcher.hydrate(ids[place : place + 1])[0].chunk.text

    return Passages(len(ids), texts, text, lambda places: searcher.vectors(ids[places]))


@dataclass(frozen=True, slots=True)
class Group:
    """Places of passages that near-duplicates connect, ascending, and the resemblance of each to the first."""

    places: tuple[int, ...]
    resemblances: tuple[float, ...]


def groups(passages: Passages, threshold: float) -> list[Group]:
    """The groups, the largest first, equal ones by their first places. `threshold` is from LEAST_THRESHOLD to 1.

    All texts are read twice, in order, and those with near-duplicates a few times more. Takes about 100 MB, and 16
    bytes for each shingle of a prefix that some other passage has, too: a hundred for one of 500 words that has twins.
    """
    of = lru_cache(_KEPT)(lambda place: shingles(passages.text(place)))
    first, counts = _kinds(passages)
    connected = _Connected(passages.count)
    for place in np.flatnonzero((first >= 0) & (first != np.arange(passages.count))).tolist():
        connected.join(int(first[place]), place)
    comparison = _Comparison(passages, threshold, of, connected)
    owners, keys = _prefixes(passages, first, counts, threshold)
    del counts
    for bucket in _buckets(owners, keys):
        comparison.all_of(bucket)
    return [_group(members, of) for members in connected.groups()]


def _group(members: list[int], of: Callable[[int], Shingles]) -> Group:
    return Group(tuple(members), tuple(resemblance(of(members[0]), of(place)) for place in members))


def _kinds(passages: Passages) -> tuple[Places, NDArray[np.uint32]]:
    """For each place the first one with the same shingles and vector, -1 where there are no words; how many of such
    kinds have each shingle, by its counter."""
    first = np.full(passages.count, -1, np.int64)
    counts = np.zeros(_COUNTERS, np.uint32)
    kinds: dict[bytes, int] = {}
    texts = passages.texts()
    for start in range(0, passages.count, _BLOCK):
        vectors = passages.vectors(np.arange(start, min(start + _BLOCK, passages.count)))
        for place, (text, vector) in enumerate(zip(islice(texts, len(vectors)), vectors, strict=True), start):
            found = shingles(text)
            if not len(found):
                continue
            digest = blake2b(found.tobytes() + vector.tobytes(), digest_size=16).digest()
            first[place] = kinds.setdefault(digest, place)
            if first[place] == place:
                counts[_counters(found)] += 1
    return first, counts


def _prefixes(
    passages: Passages, first: Places, counts: NDArray[np.uint32], threshold: float
) -> tuple[Places, Shingles]:
    """The shingles of each kind's prefix that others have, too, as (the kind's first place, shingle)."""
    owners, keys = array("q"), array("Q")
    for place, text in enumerate(passages.texts()):
        if first[place] != place:
            continue
        found = shingles(text)
        rarity = counts[_counters(found)]
        length = len(found) - ceil(threshold * len(found) - _SLACK) + 1
        prefix = np.lexsort((found, rarity))[:length]
        prefix = prefix[rarity[prefix] > 1]
        owners.extend([place] * len(prefix))
        keys.frombytes(found[prefix].tobytes())
    return np.frombuffer(owners, np.int64), np.frombuffer(keys, np.uint64)


def _counters(found: Shingles) -> Places:
    return (found % np.uint64(_COUNTERS)).astype(np.int64)


def _buckets(owners: Places, keys: Shingles) -> Iterator[Places]:
    """The places that share a shingle, for each that several have."""
    for part in range(_PARTS):  # sorting all at once would take three times the memory
        mine = np.flatnonzero(keys % np.uint64(_PARTS) == part)
        mine = mine[np.argsort(keys[mine], kind="stable")]
        changes = np.flatnonzero(keys[mine][1:] != keys[mine][:-1]) + 1
        for start, end in pairwise([0, *changes.tolist(), len(mine)]):
            if end - start > 1:
                yield owners[mine[start:end]]


class _Connected:
    """Which places are connected; the smaller part takes the label of the larger."""

    def __init__(self, count: int) -> None:
        self.label = np.arange(count)
        self._members: dict[int, list[int]] = {}

    def join(self, one: int, other: int) -> None:
        labels = int(self.label[one]), int(self.label[other])
        parts = [self._members.pop(label, [label]) for label in labels]
        larger = int(len(parts[1]) > len(parts[0]))
        self.label[parts[1 - larger]] = labels[larger]
        self._members[labels[larger]] = parts[larger] + parts[1 - larger]

    def groups(self) -> list[list[int]]:
        return sorted((sorted(part) for part in self._members.values()), key=lambda part: (-len(part), part))


class _Comparison:
    """Compares pairs, by vectors first, and connects those that are near-duplicates."""

    def __init__(
        self, passages: Passages, threshold: float, of: Callable[[int], Shingles], connected: _Connected
    ) -> None:
        self._vectors = passages.vectors
        self._threshold = threshold
        self._of = of
        self._connected = connected
        self._failed: set[tuple[int, int]] = set()

    def all_of(self, places: Places) -> None:
        """Compare each of the places, ascending, with each other."""
        blocks = [places[start : start + _BLOCK] for start in range(0, len(places), _BLOCK)]
        for number, block in enumerate(blocks):
            for other in blocks[number:]:
                label = self._connected.label
                if (label[block] == label[block[0]]).all() and (label[other] == label[block[0]]).all():
                    continue
                near = self._vectors(block) @ self._vectors(other).T >= self._threshold - _VECTOR_SLACK
                pairs = np.argwhere(near & (block[:, None] < other))
                for start in range(0, len(pairs), _BLOCK):
                    some = pairs[start : start + _BLOCK]
                    self._verify(block[some[:, 0]], other[some[:, 1]])

    def _verify(self, ones: Places, others: Places) -> None:
        label = self._connected.label
        apart = label[ones] != label[others]
        for pair in zip(ones[apart].tolist(), others[apart].tolist(), strict=True):
            if label[pair[0]] == label[pair[1]] or pair in self._failed:
                continue
            if resemblance(self._of(pair[0]), self._of(pair[1])) >= self._threshold - _SLACK:
                self._connected.join(*pair)
            else:
                if len(self._failed) >= _FAILED:
                    self._failed.clear()
                self._failed.add(pair)
