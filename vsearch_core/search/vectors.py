"""The vector route over a snapshot's segments: each is scanned, or its graph is walked once that pays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config, kernel_cache
from vsearch_core.ann import flat
from vsearch_core.ann.check import check_graph
from vsearch_core.errors import IndexCorruptError, InputError
from vsearch_core.index.graphs import PREFIX
from vsearch_core.index.snapshot import SegmentView
from vsearch_core.search.rental import Rental
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.segment import damaged_blocks

if TYPE_CHECKING:
    from vsearch_core.ann.hnsw import GraphSearcher

SCANNED_ROWS = 15_000_000  # scanning so many takes as long as starting the engine that walks graphs: 0.8 s
MOST_EF = 1 << 16


def _quietly() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Effort:
    """How vectors are looked for: all compared (`exact`), graphs walked with a beam of `ef`, or (None) what pays.

    `preparing` is called, from another thread, when starting the engine takes over a second. Raises InputError.
    """

    exact: bool = False
    ef: int | None = None
    preparing: Callable[[], object] = _quietly

    def __post_init__(self) -> None:
        if self.exact and self.ef is not None:
            raise InputError("--exact, --ef", "one compares every vector, the other walks a graph", "give one of them")
        if self.ef is not None and not 1 <= self.ef <= MOST_EF:
            raise InputError("--ef", f"{self.ef} is not between 1 and {MOST_EF}", f"the default is {config.EF}")


class VectorRoute:
    """Nearest rows and cosines. Rows of all segments are numbered through."""

    def __init__(self, segments: Sequence[SegmentView], effort: Effort) -> None:
        self._segments = segments
        self._effort = effort
        self._starts = np.cumsum([0, *(len(segment.vectors) for segment in segments)])
        self._linked_rows = sum(len(segment.vectors) for segment in segments if segment.graph is not None)
        self._rental = Rental(SCANNED_ROWS)
        self._walkers: dict[int, GraphSearcher] = {}

    def best(
        self, vector: NDArray[np.float32], mask: NDArray[np.bool_], count: int
    ) -> tuple[NDArray[np.int64], int | None]:
        """The `count` rows most like the vector (d,) among the allowed of mask (n,), best first.

        With them the beam of the walk that may have missed one, None if there was none. Raises IndexCorruptError.
        """
        ef = self._beam(count)
        rows, scores, exact = [np.empty(0, np.int64)], [np.empty(0, np.float32)], True
        for number, segment in enumerate(self._segments):
            start, stop = self._starts[number], self._starts[number + 1]
            allowed = mask[start:stop]
            if ef is None or segment.graph is None:
                cosines = flat.scan(segment.vectors, vector)
                near = flat.top_k(cosines, allowed, count)
                rows.append(near + start)
                scores.append(cosines[near])
            else:
                found = self._walker(number).search(
                    vector[None], count, ef_search=ef, allowed=None if allowed.all() else allowed
                )
                near = found.rows[0, : found.counts[0]]
                rows.append(near + start)
                scores.append(found.scores[0, : len(near)])
                exact = exact and found.exact
        all_rows = np.concatenate(rows)
        best: NDArray[np.int64] = all_rows[flat.top_k(np.concatenate(scores), None, count)]
        return best, None if exact else ef

    def cosines(self, vector: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosines of some rows, ascending: computed alike, whichever way they were found."""
        bounds = np.searchsorted(rows, self._starts)
        parts = [np.empty(0, np.float32)]
        for number, segment in enumerate(self._segments):
            some = rows[bounds[number] : bounds[number + 1]]
            if len(some):
                parts.append(flat.scan(segment.vectors[some - self._starts[number]], vector))
        return np.concatenate(parts)

    def _beam(self, count: int) -> int | None:
        """How wide to walk for `count` rows, None to scan."""
        effort = self._effort
        ef = max(effort.ef or config.EF, config.CANDIDATES)
        deep = count > config.CANDIDATES and 2 * count > ef  # a beam that is hardly wider finds too few of them
        if effort.exact or deep or not self._linked_rows:
            return None
        return ef if effort.ef is not None or self._rental.buys(self._linked_rows) else None

    def _walker(self, number: int) -> "GraphSearcher":
        """The engine over a segment's graph, which is checked before it is used for the first time."""
        if number not in self._walkers:
            from vsearch_core.ann.hnsw import GraphSearcher
            from vsearch_core.ann.ready import announce_if_slow

            segment = self._segments[number]
            assert segment.graph is not None
            try:
                for name, array in segment.graph.arrays().items():
                    if damaged_blocks(array, segment.manifest[PREFIX + name]):
                        raise ValueError(f"{name}: its checksum differs")
                check_graph(segment.graph, segment.vectors)
            except ValueError as error:
                raise IndexCorruptError(
                    f"segment {segment.name}", f"its graph is damaged ({error})", "graph-corrupt"
                ) from None
            walker = GraphSearcher(segment.graph, segment.vectors)
            with storage_errors(kernel_cache.folder()), announce_if_slow(self._effort.preparing):
                kernel_cache.load(walker.load)
            self._walkers[number] = walker
        return self._walkers[number]
