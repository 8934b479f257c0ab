"""The keyword route over a snapshot: find the rows with the highest BM25 scores.

All rows are scored with numpy at first. After much work, the compiled MaxScore engine is started and takes over.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config, kernel_cache
from vsearch_core.ann.flat import top_k
from vsearch_core.index.parts import POSTINGS
from vsearch_core.index.snapshot import SegmentView
from vsearch_core.lexical.bm25 import BM25, index_term
from vsearch_core.search.limits import DEFAULT_LIMITS, EngineBudget, SearchLimits
from vsearch_core.search.vectors import do_nothing
from vsearch_core.store.io_errors import storage_errors

if TYPE_CHECKING:
    from vsearch_core.lexical.maxscore import MaxScore


class KeywordRoute:
    """Finds the rows of a snapshot with the highest BM25 scores. Only one thread may use it at a time.

    Rows are numbered across all segments. `engine_starting` is called, from another thread, if starting the compiled
    engine takes over a second. Methods raise ValueError or IndexError for damaged postings.
    """

    def __init__(
        self,
        segments: Sequence[SegmentView],
        limits: SearchLimits = DEFAULT_LIMITS,
        engine_starting: Callable[[], object] = do_nothing,
        budget: EngineBudget | None = None,
    ) -> None:
        """Score the rows of the segments, in their order.

        Deleted rows count in document frequencies until a merge drops them, except in segments without vectors: there
        they are the rows that have moved to other segments, up to half of all, and would count twice. `budget` decides
        about starting the engine.
        """
        self._segments = segments
        self.collection = BM25(
            [segment.postings for segment in segments],
            self._verify,
            k1=config.BM25_K1,
            b=config.BM25_B,
            counted=[None if each.has_vectors or each.alive.all() else each.alive for each in segments],
        )
        self._bounded = all(len(each.postings.block_counts) or not len(each.postings.rows) for each in segments)
        self._limits = limits
        self._engine_starting = engine_starting
        self._budget = budget or EngineBudget(limits.keyword_start_rows)
        self._engine: MaxScore | None = None

    def best(self, terms: Sequence[str], mask: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
        """Return the `count` rows with the highest scores above 0, best first. `mask` (rows,) has the allowed rows.

        If there is no room for all rows with the lowest score, those of the lowest chunk ids are returned. So it
        doesn't matter in which order the chunks were embedded.
        """
        collection = self.collection
        term_ids = [collection.term_ids[term] for term in terms if not collection.is_defined(term)]
        work = collection.rows + int(np.diff(collection.spans[term_ids]).sum())
        suits_engine = self._bounded and count <= self._limits.keyword_depth and len(term_ids) == len(terms)
        if suits_engine and self._budget.should_start(work):
            found = self._started_engine().search([terms], count + 1, None if mask.all() else mask)
            rows, scores = found.rows[0, : found.counts[0]], found.scores[0]
            if len(rows) <= count or scores[count - 1] > scores[count] or self._in_order:
                return rows[:count]
        scores = collection.scores(terms)
        allowed = mask & (scores > 0)
        best = top_k(scores, allowed, count)
        if len(best) == count > 0 and not self._in_order:
            equal = np.flatnonzero(allowed & (scores == scores[best[-1]]))
            room = int((scores[best] == scores[best[-1]]).sum())
            best[-room:] = np.sort(equal[np.argsort(self._chunk_ids[equal], kind="stable")[:room]])
        return best

    @cached_property
    def _chunk_ids(self) -> NDArray[np.int64]:
        return np.concatenate([np.empty(0, np.int64), *(segment.chunk_ids for segment in self._segments)])

    @cached_property
    def _in_order(self) -> bool:
        """Return True if the rows are in the order of their chunk ids."""
        return bool((np.diff(self._chunk_ids) > 0).all())

    def rows_with_any(self, terms: Collection[str]) -> NDArray[np.bool_]:
        """Return a mask (rows,) of the rows that contain at least one of the terms."""
        mask = np.zeros(self.collection.rows, np.bool_)
        for term in terms:
            for part, start in enumerate(self.collection.starts[:-1]):
                mask[self.collection.rows_of(term, part) + start] = True
        return mask

    def document_frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return, for each term, the number of rows that contain it."""
        return [self.collection.document_frequency(index_term(term)) for term in terms]

    def _started_engine(self) -> "MaxScore":
        if self._engine is None:
            from vsearch_core.ann.ready import announce_if_slow
            from vsearch_core.lexical.maxscore import MaxScore

            engine = MaxScore(self.collection)
            with storage_errors(kernel_cache.folder()), announce_if_slow(self._engine_starting):
                kernel_cache.load(engine.load)
            self._engine = engine
        return self._engine

    def _verify(self, part: int, start: int, end: int) -> None:
        """Compare the checksums of the part of a segment's postings that is about to be read."""
        for name in POSTINGS.verified_when_read:
            if not self._segments[part].checksum_ok(name, start, end):
                raise ValueError(f"its {name} are damaged")
