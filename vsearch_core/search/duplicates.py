"""Find the groups of near-duplicates in a whole index: of texts, and of pictures (see `picture_groups`).

Two chunks are near-duplicates if the resemblance of their texts (see `shingles`) and the cosine of their vectors are
both at least a threshold. A group is a set of chunks that such pairs connect.

The method is prefix filtering (Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins", ICDE 2006;
Bayardo, Ma and Srikant, "Scaling up all pairs similarity search", WWW 2007). The shingles of all chunks are sorted by
their frequency, rarest first. If two chunks have a resemblance of t, they have a shingle in common among the first
(1 - t)·size + 1 shingles of each, their prefixes. So only chunks whose prefixes have a shingle in common are compared,
and no pair is missed. In the code, a place is a chunk's position among the compared chunks.
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

from vsearch_core.model import PICTURES
from vsearch_core.search.components import Components
from vsearch_core.search.engine import VECTORS, Ids, Searcher, refuse_unsupported
from vsearch_core.search.filters import Filters
from vsearch_core.search.picture_groups import Hashes, hashes_of, is_undescribed, picture_groups
from vsearch_core.search.shingles import Shingles, resemblance, shingles
from vsearch_core.store.catalog import StoredChunk

LEAST_THRESHOLD = 0.5  # below it, prefixes hold more than half of a chunk
_SLACK = 1e-9  # the rounding error of threshold · size
_VECTOR_SLACK = 1e-4  # the rounding error of the cosine of vectors in fixed point

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DuplicateLimits:
    """Limits on the memory that the search for duplicates uses.

    `counters` is the number of counters of shingles' frequencies (4 bytes each). `chunks_kept` is the number of chunks
    whose shingles are cached (4 kB each). `parts` is the number of portions in which shingles are sorted. `pairs_kept`
    is the number of different pairs that are cached, so that they aren't compared again. `block` is the number of
    vectors, and of rows and columns of cosines, in memory at a time.
    """

    counters: int = 1 << 24
    chunks_kept: int = 4096
    parts: int = 16
    pairs_kept: int = 1 << 20
    block: int = 1024


DEFAULT_LIMITS = DuplicateLimits()


@dataclass(frozen=True, slots=True)
class DuplicateMember:
    """A chunk of a group of near-duplicates, and its resemblance to the group's first chunk, from 0 to 1.

    `is_picture` is True in a group of near-identical pictures; the chunk is the first of the picture's file.
    """

    stored: StoredChunk
    resemblance: float
    is_picture: bool = False


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The groups of near-duplicates in an index, the largest first.

    `searched` is the number of live chunks in the index, `matched` the number of those that pass the filters.
    """

    groups: tuple[tuple[DuplicateMember, ...], ...]
    generation: int
    searched: int
    matched: int


def find_duplicates(
    searcher: Searcher, filters: Filters, threshold: float, limits: DuplicateLimits = DEFAULT_LIMITS
) -> Duplicates:
    """Find the groups of near-duplicates among the chunks that pass the filters.

    `threshold`, from LEAST_THRESHOLD to 1, is the lowest resemblance, and the lowest cosine, of near-duplicates. For
    pictures, it is the lowest resemblance of their hashes, and at least `picture_groups.LEAST_RESEMBLANCE`; if the
    index has an image model, it is also the lowest cosine of its vectors. Raises
    FilterError, IndexCorruptError, and InputError with the code "unsupported" if the engine stores no vectors.
    """
    refuse_unsupported(searcher, frozenset({VECTORS}))
    selected = searcher.select(filters)
    ids = selected.ids
    texts = [
        tuple(map(DuplicateMember, searcher.hydrate(ids[list(group.places)]), group.resemblances))
        for group in duplicate_groups(_comparable(searcher, ids, limits.block), threshold, limits)
    ]
    groups = sorted([*texts, *_picture_groups(searcher, ids, threshold, limits.block)], key=len, reverse=True)
    return Duplicates(tuple(groups), searcher.generation, selected.searched, selected.matched)


def _picture_groups(
    searcher: Searcher, ids: Ids, threshold: float, block: int
) -> Iterator[tuple[DuplicateMember, ...]]:
    """Yield the groups of near-identical pictures among the files of these chunks."""
    places: list[int] = []
    hashes: list[Hashes] = []
    for start in range(0, len(ids), block):
        for place, chunk in enumerate(searcher.hydrate(ids[start : start + block]), start):
            found = hashes_of(chunk.meta) if chunk.ordinal == 0 else None
            if found is not None:
                places.append(place)
                hashes.append(found)
    vectors = None
    if searcher.image_model is not None and places:
        vectors = searcher.vectors(ids[places], PICTURES)
    for group, alike in picture_groups(hashes, threshold, vectors):
        members = searcher.hydrate(ids[[places[number] for number in group]])
        yield tuple(DuplicateMember(each, value, is_picture=True) for each, value in zip(members, alike, strict=True))


@dataclass(frozen=True, slots=True)
class ComparableChunks:
    """The chunks to compare.

    `count` is their number. `texts()` yields all texts in order, `text(place)` returns one of them, and
    `vectors(places)` returns unit vectors (n, d), zeros for a chunk that has none.
    """

    count: int
    texts: Callable[[], Iterator[str]]
    text: Callable[[int], str]
    vectors: Callable[[Places], NDArray[np.float32]]


def _comparable(searcher: Searcher, ids: Ids, block: int) -> ComparableChunks:
    """Return an index's chunks: place i is chunk `ids[i]`. Pictures that have no text of their own are blank here."""

    def texts() -> Iterator[str]:
        for start in range(0, len(ids), block):
            for stored in searcher.hydrate(ids[start : start + block]):
                yield "" if is_undescribed(stored.meta) else stored.chunk.text

    def text(place: int) -> str:
        return searcher.hydrate(ids[place : place + 1])[0].chunk.text

    return ComparableChunks(len(ids), texts, text, lambda places: searcher.vectors(ids[places]))


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """A group of near-duplicates: the places of its chunks, ascending, and the resemblance of each to the first."""

    places: tuple[int, ...]
    resemblances: tuple[float, ...]


def duplicate_groups(
    chunks: ComparableChunks, threshold: float, limits: DuplicateLimits = DEFAULT_LIMITS
) -> list[DuplicateGroup]:
    """Find the groups of near-duplicates; return the largest first, and groups of one size by their first places.

    All texts are read twice, in order, and texts with near-duplicates a few times more. The default limits use about
    100 MB of memory. Each shingle that two prefixes have in common takes 16 bytes more (a chunk of 500 words that has
    near-duplicates has a hundred of them).
    """
    shingles_at = lru_cache(limits.chunks_kept)(lambda place: shingles(chunks.text(place)))
    first, counts = _distinct_chunks(chunks, limits)
    components = Components(chunks.count)
    for place in np.flatnonzero((first >= 0) & (first != np.arange(chunks.count))).tolist():
        components.join(int(first[place]), place)
    comparison = _Comparison(chunks, threshold, shingles_at, components, limits)
    owners, keys = _prefixes(chunks, first, counts, threshold)
    del counts
    for bucket in _buckets(owners, keys, limits.parts):
        comparison.compare_all(bucket)
    return [_group(members, shingles_at) for members in components.groups()]


def _group(members: list[int], shingles_at: Callable[[int], Shingles]) -> DuplicateGroup:
    of_first = shingles_at(members[0])
    return DuplicateGroup(tuple(members), tuple(resemblance(of_first, shingles_at(place)) for place in members))


def _distinct_chunks(chunks: ComparableChunks, limits: DuplicateLimits) -> tuple[Places, NDArray[np.uint32]]:
    """Return for each place the first one with the same shingles and vector, or -1 if it has no words.

    With it, by counter, the number of such first places that have a shingle.
    """
    first = np.full(chunks.count, -1, np.int64)
    counts = np.zeros(limits.counters, np.uint32)
    places: dict[bytes, int] = {}
    texts = chunks.texts()
    for start in range(0, chunks.count, limits.block):
        vectors = chunks.vectors(np.arange(start, min(start + limits.block, chunks.count)))
        for place, (text, vector) in enumerate(zip(islice(texts, len(vectors)), vectors, strict=True), start):
            found = shingles(text)
            if not len(found):
                continue
            digest = blake2b(found.tobytes() + vector.tobytes(), digest_size=16).digest()
            first[place] = places.setdefault(digest, place)
            if first[place] == place:
                counts[_counters(found, counts)] += 1
    return first, counts


def _prefixes(
    chunks: ComparableChunks, first: Places, counts: NDArray[np.uint32], threshold: float
) -> tuple[Places, Shingles]:
    """Return the shingles in the prefixes of distinct chunks that others have, too, as (place, shingle)."""
    owners, keys = array("q"), array("Q")
    for place, text in enumerate(chunks.texts()):
        if first[place] != place:
            continue
        found = shingles(text)
        frequency = counts[_counters(found, counts)]
        length = len(found) - ceil(threshold * len(found) - _SLACK) + 1
        prefix = np.lexsort((found, frequency))[:length]
        prefix = prefix[frequency[prefix] > 1]
        owners.extend([place] * len(prefix))
        keys.frombytes(found[prefix].tobytes())
    return np.frombuffer(owners, np.int64), np.frombuffer(keys, np.uint64)


def _counters(found: Shingles, counts: NDArray[np.uint32]) -> Places:
    return (found % np.uint64(len(counts))).astype(np.int64)


def _buckets(owners: Places, keys: Shingles, parts: int) -> Iterator[Places]:
    """Yield the places that have a shingle in common, for each shingle of several."""
    for part in range(parts):  # sorting all at once would take three times the memory
        mine = np.flatnonzero(keys % np.uint64(parts) == part)
        mine = mine[np.argsort(keys[mine], kind="stable")]
        changes = np.flatnonzero(keys[mine][1:] != keys[mine][:-1]) + 1
        for start, end in pairwise([0, *changes.tolist(), len(mine)]):
            if end - start > 1:
                yield owners[mine[start:end]]


class _Comparison:
    """Compares pairs, by vectors first, and connects near-duplicates."""

    def __init__(
        self,
        chunks: ComparableChunks,
        threshold: float,
        shingles_at: Callable[[int], Shingles],
        components: Components,
        limits: DuplicateLimits,
    ) -> None:
        self._vectors = chunks.vectors
        self._threshold = threshold
        self._shingles_at = shingles_at
        self._components = components
        self._limits = limits
        self._different: set[tuple[int, int]] = set()

    def compare_all(self, places: Places) -> None:
        """Compare each pair of the places (ascending), and join near-duplicates into groups."""
        size = self._limits.block
        blocks = [places[start : start + size] for start in range(0, len(places), size)]
        for number, block in enumerate(blocks):
            for other in blocks[number:]:
                label = self._components.label
                if (label[block] == label[block[0]]).all() and (label[other] == label[block[0]]).all():
                    continue
                ours, theirs = self._vectors(block), self._vectors(other)
                near = ours @ theirs.T >= self._threshold - _VECTOR_SLACK
                near |= ~np.logical_and.outer(ours.any(axis=1), theirs.any(axis=1))  # without one, the texts decide
                pairs = np.argwhere(near & (block[:, None] < other))
                for start in range(0, len(pairs), size):
                    some = pairs[start : start + size]
                    self._compare_pairs(block[some[:, 0]], other[some[:, 1]])

    def _compare_pairs(self, ones: Places, others: Places) -> None:
        label = self._components.label
        apart = label[ones] != label[others]
        for pair in zip(ones[apart].tolist(), others[apart].tolist(), strict=True):
            if label[pair[0]] == label[pair[1]] or pair in self._different:
                continue
            if resemblance(self._shingles_at(pair[0]), self._shingles_at(pair[1])) >= self._threshold - _SLACK:
                self._components.join(*pair)
            else:
                if len(self._different) >= self._limits.pairs_kept:
                    self._different.clear()
                self._different.add(pair)
