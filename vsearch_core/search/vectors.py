"""The vector route over a snapshot: find the rows with the most similar vectors.

At first, a query scans all vectors of each segment. When these scans have cost about as much time as starting the
compiled engine would (`limits.EngineBudget`), the engine is started, and later queries search the segments' graphs or
inverted lists.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config, kernel_cache
from vsearch_core.ann import flat
from vsearch_core.ann.check import check_graph, check_lists, check_pq
from vsearch_core.ann.hnsw import GraphSearcher
from vsearch_core.ann.ivf import ListSearcher
from vsearch_core.ann.pq import PqLists, PqSearcher
from vsearch_core.ann.sampling import HASHED, sample_order
from vsearch_core.ann.searcher import ScanLimits
from vsearch_core.ann.windows import best_windows, combined_cosines, window_cosines
from vsearch_core.embed.late_windows import code_type
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.parts import CODED, GRAPH, IVF, PQ, WINDOW_CODES, WINDOW_STOPS, vectors_name
from vsearch_core.index.rows import RowMap
from vsearch_core.index.snapshot import SegmentView
from vsearch_core.search.limits import DEFAULT_LIMITS, EngineBudget, SearchLimits
from vsearch_core.store.io_errors import storage_errors

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


def do_nothing() -> None:
    """Do nothing: the default for callbacks that report that an engine is starting."""


@dataclass(frozen=True, slots=True)
class VectorSearchOptions:
    """Options of a vector search.

    `exact` compares every vector. `ef_search` is the number of candidates of a graph search, and `nprobe` the number of
    inverted lists to search. If none is set, a scan or an approximate search is chosen, whichever is faster.
    """

    exact: bool = False
    ef_search: int | None = None
    nprobe: int | None = None


class NearestChunks(NamedTuple):
    """The rows nearest to a vector, best first.

    If a graph search may have missed a row, `ef_search` is its number of candidates, and if a search of inverted lists
    may have, `nprobe` is the number of lists; otherwise they are None. `list_kinds` names what such searches read:
    "ivf" are lists of sketches, "pq" lists of PQ codes, and "codes" are kept instead of vectors.
    """

    rows: Rows
    ef_search: int | None = None
    nprobe: int | None = None
    list_kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Effort:
    """The effort of approximate searches: `ef_search` and `nprobe` of `VectorSearchOptions`, with defaults."""

    ef_search: int
    nprobe: int


class WindowScores(NamedTuple):
    """The scores (n,) of chunks by their own vector and their best late window together.

    `spans` (n, 2) has the first character of each chunk's best window in the chunk's text, and the one after its last;
    -1 for a chunk without windows.
    """

    scores: NDArray[np.float32]
    spans: NDArray[np.int64]


class VectorRoute:
    """Finds the rows of a snapshot that are nearest to a vector. Only one thread may use it at a time.

    Rows are numbered across all segments. `engine_starting` is called, from another thread, if starting the engine that
    searches graphs and inverted lists takes over a second.
    """

    def __init__(
        self,
        segments: Sequence[SegmentView],
        limits: SearchLimits = DEFAULT_LIMITS,
        engine_starting: Callable[[], object] = do_nothing,
        budget: EngineBudget | None = None,
    ) -> None:
        """Search the vectors of the segments, in their order. `budget` decides about starting the engine."""
        self._segments = segments
        self._row_map = RowMap(len(segment.chunk_ids) for segment in segments)
        self._indexed_rows = sum(len(segment.chunk_ids) for segment in segments if segment.is_indexed)
        self._budget = budget or EngineBudget(limits.graph_start_rows)
        self._scan_limits = limits.scans
        self._engine_starting = engine_starting
        self._searchers: dict[int, GraphSearcher | ListSearcher | PqSearcher] = {}
        self._verified_windows: set[int] = set()  # global rows

    @property
    def has_windows(self) -> bool:
        """Return True if all segments have late windows. Chunks with and without them can't be compared."""
        return bool(self._segments) and all(segment.has_windows for segment in self._segments)

    @property
    def bytes(self) -> int:
        """Return the size of all vectors that `verify` reads, in bytes."""
        return sum(segment.vectors.nbytes for segment in self._segments if segment.coded is None)

    @property
    def has_codes(self) -> bool:
        """Return True if some segments have codes instead of vectors, so that their cosines are estimates."""
        return any(segment.coded is not None for segment in self._segments)

    def are_coded(self, rows: Rows) -> NDArray[np.bool_]:
        """Return True for each of the rows, ascending, that has a code instead of a vector."""
        coded = np.zeros(len(rows), np.bool_)
        for number, places, _ in self._row_map.split_sorted(rows):
            coded[places] = self._segments[number].coded is not None
        return coded

    def best(
        self,
        vector: Vectors,
        mask: NDArray[np.bool_],
        count: int,
        options: VectorSearchOptions = VectorSearchOptions(),
    ) -> NearestChunks:
        """Return the `count` rows nearest to the vector (dimension,).

        `mask` (rows,) bool has the allowed rows. Raises IndexCorruptError.
        """
        effort = self._effort(count, options)
        rows, scores = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        ef_search = nprobe = None
        list_kinds = set()
        for number, segment in enumerate(self._segments):
            span = self._row_map.span(number)
            allowed = mask[span]
            if effort is None or not segment.is_indexed:
                coded = segment.coded
                if coded is not None:
                    list_kinds.add(CODED.name)
                cosines = flat.scan(segment.vectors, vector) if coded is None else coded.scores(vector)
                near = flat.top_k(cosines, allowed, count)
                rows.append(near + span.start)
                scores.append(cosines[near])
            else:
                searcher, some = self._searcher(number), None if allowed.all() else allowed
                if isinstance(searcher, GraphSearcher):
                    found = searcher.search(vector[None], count, ef_search=effort.ef_search, allowed=some)
                    ef_search = ef_search if found.exact else effort.ef_search
                else:
                    found = searcher.search(vector[None], count, nprobe=effort.nprobe, allowed=some)
                    if not found.exact:
                        nprobe = effort.nprobe
                        list_kinds.add(PQ.name if isinstance(searcher, PqSearcher) else IVF.name)
                near = found.rows[0, : found.counts[0]]
                rows.append(near + span.start)
                scores.append(found.scores[0, : len(near)])
        all_rows = np.concatenate(rows)
        best: Rows = all_rows[flat.top_k(np.concatenate(scores), None, count)]
        return NearestChunks(best, ef_search, nprobe, tuple(sorted(list_kinds)))

    def cosines(self, vector: Vectors, rows: Rows) -> NDArray[np.float32]:
        """Return the cosine of the vector with each of the rows, (n,) float32; `rows` must be ascending.

        A row's cosine doesn't depend on the other rows, or on the way the row was found (graph, scan or keywords). That
        of a code is an estimate.
        """
        cosines = np.empty(len(rows), np.float32)
        for number, places, own in self._row_map.split_sorted(rows):
            segment = self._segments[number]
            if segment.coded is None:
                cosines[places] = flat.scores_of_rows(segment.vectors[own], vector)
            else:
                cosines[places] = segment.coded.scores(vector, own)
        return cosines

    def sample(self, rows: Rows, count: int) -> Vectors:
        """Return up to `count` of the rows' unit vectors, (n, dimension), in an order of their own.

        Equal sets of vectors give equal samples: the vectors' bits decide, not the order of the rows. Checksums are not
        compared.
        """
        keys = np.empty(len(rows), np.uint64)
        for number, places, own in self._row_map.split_sorted(rows):
            keys[places] = sample_order(_fixed(self._segments[number], own)[:, :HASHED])
        first = np.argsort(keys, kind="stable")[:count]
        return self.stored(rows[first], verify=False)

    def windows(self, vector: Vectors, rows: Rows, cosines: NDArray[np.float32]) -> WindowScores:
        """Score the rows, ascending, by their best late windows too, given their cosines (n,).

        The checksums of what is read are compared, once. Raises ValueError if one differs, and for windows that are out
        of range.
        """
        scores, spans = cosines.copy(), np.full((len(rows), 2), -1, np.int64)
        for number, places, own in self._row_map.split_sorted(rows):
            segment = self._segments[number]
            stops = np.asarray(segment.arrays[WINDOW_STOPS])
            starts = np.where(own > 0, stops[own - 1], 0)
            self._verify_windows(segment, rows[places], starts, stops[own])
            counts = stops[own] - starts
            offsets = np.cumsum(counts) - counts
            codes = segment.arrays[WINDOW_CODES][np.arange(counts.sum()) + np.repeat(starts - offsets, counts)]
            scores[places], spans[places] = score_windows(codes, counts, vector, cosines[places])
        return WindowScores(scores, spans)

    def _verify_windows(self, segment: SegmentView, rows: Rows, starts: Rows, stops: Rows) -> None:
        codes = segment.arrays[WINDOW_CODES]
        is_ordered = bool((starts >= 0).all() and (starts <= stops).all() and (stops <= len(codes)).all())
        if stops.dtype != np.int64 or codes.dtype != np.uint8 or not is_ordered:
            raise ValueError("its late windows are out of range")
        for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True):
            if row not in self._verified_windows:
                if not segment.checksum_ok(WINDOW_CODES, start, stop):
                    raise ValueError("its late windows are damaged")
                self._verified_windows.add(row)

    def stored(self, rows: Rows, *, verify: bool) -> Vectors:
        """Return the unit vectors of the rows, (n, dimension), in the order given; those of codes are about right.

        With `verify`, verify the checksums of the blocks that are read. Raises ValueError if one is wrong.
        """
        dimension = _dimension(self._segments[0]) if self._segments else 0
        vectors = np.empty((len(rows), dimension), np.float32)
        for number, places, own in self._row_map.split(rows):
            segment = self._segments[number]
            for row in own.tolist() if verify and segment.coded is None else ():
                if not segment.checksum_ok(vectors_name(), row, row + 1):
                    raise ValueError("its vectors are damaged")
            vectors[places] = flat.from_fixed(_fixed(segment, own))
        return vectors

    def verify(self) -> None:
        """Verify the checksums of all vectors (0.3 ms a MB). Raises ValueError if one is wrong."""
        for segment in self._segments:
            if segment.coded is None and not segment.checksum_ok(vectors_name()):
                raise ValueError("its vectors are damaged")

    def _effort(self, count: int, options: VectorSearchOptions) -> _Effort | None:
        """Return how much an approximate search for `count` rows does, or None to scan."""
        ef_search = max(options.ef_search or config.EF, config.CANDIDATES)
        deep = count > config.CANDIDATES and 2 * count > ef_search  # hardly more candidates than hits miss too many
        if options.exact or deep or not self._indexed_rows:
            return None
        required = options.ef_search is not None or options.nprobe is not None
        effort = _Effort(ef_search, options.nprobe or config.NPROBE)
        return effort if required or self._budget.should_start(self._indexed_rows) else None

    def _searcher(self, number: int) -> GraphSearcher | ListSearcher | PqSearcher:
        """Return the engine over a segment's graph or inverted lists, which are checked before their first use."""
        if number not in self._searchers:
            from vsearch_core.ann.ready import announce_if_slow

            searcher = _checked_searcher(self._segments[number], self._scan_limits)
            with storage_errors(kernel_cache.folder()), announce_if_slow(self._engine_starting):
                kernel_cache.load(searcher.load)
            self._searchers[number] = searcher
        return self._searchers[number]


def _fixed(segment: SegmentView, rows: Rows) -> NDArray[np.int16]:
    """Return the vectors of a segment's rows in fixed point, (n, dimension); those that codes stand for if need be."""
    if segment.coded is not None:
        return flat.to_fixed(segment.coded.decoded(rows))
    vectors: NDArray[np.int16] = segment.vectors[rows]
    return vectors


def _dimension(segment: SegmentView) -> int:
    return segment.vectors.shape[1] if segment.coded is None else len(segment.coded.codebook.centre)


def score_windows(
    codes: NDArray[np.uint8], counts: NDArray[np.int64], vector: Vectors, cosines: NDArray[np.float32]
) -> WindowScores:
    """Score chunks by their own vectors and their best late windows.

    `counts` (n,) are the numbers of the chunks' windows, whose codes follow one another in `codes` (windows, width).
    `cosines` (n,) are those of the query's vector (dimension,) with the chunks' own.
    """
    spans = np.full((len(counts), 2), -1, np.int64)
    best = cosines.copy()
    offsets = np.cumsum(counts) - counts
    estimates = window_cosines(codes, vector, np.repeat(cosines, counts))
    at = best_windows(estimates, counts)
    has = counts > 0
    ends = np.ascontiguousarray(codes).view(code_type(len(vector)))[:, 0]["stop"].astype(np.int64)
    chosen = (offsets + at)[has]
    best[has] = estimates[chosen]
    spans[has, 0] = np.where(at[has] > 0, ends[chosen - 1], 0)
    spans[has, 1] = ends[chosen]
    return WindowScores(combined_cosines(cosines, best, counts), spans)


def _checked_searcher(segment: SegmentView, limits: ScanLimits) -> GraphSearcher | ListSearcher | PqSearcher:
    """Return the engine over a segment's graph or inverted lists. Raises IndexCorruptError if they are damaged."""
    listed = PQ if isinstance(segment.lists, PqLists) else IVF
    part = listed if segment.graph is None else GRAPH
    try:
        damaged = segment.damaged_array(part)
        if damaged is not None:
            raise ValueError(f"{damaged}: its checksum differs")
        if segment.graph is not None:
            check_graph(segment.graph, segment.vectors)
            return GraphSearcher(segment.graph, segment.vectors, limits)
        if isinstance(segment.lists, PqLists):
            check_pq(segment.lists, segment.vectors)
            return PqSearcher(segment.lists, segment.vectors, limits)
        assert segment.lists is not None
        check_lists(segment.lists, segment.vectors)
        return ListSearcher(segment.lists, segment.vectors, limits)
    except ValueError as error:
        name, code = {
            GRAPH.name: ("graph is", "graph-corrupt"),
            IVF.name: ("inverted lists are", "lists-corrupt"),
            PQ.name: ("PQ codes are", "lists-corrupt"),
        }[part.name]
        raise IndexCorruptError(f"segment {segment.name}", f"its {name} damaged ({error})", code) from None
