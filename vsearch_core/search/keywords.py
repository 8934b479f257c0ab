"""The keyword route over a snapshot's segments: scored row by row, or by the compiled kernel once that pays."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config, kernel_cache
from vsearch_core.ann.flat import top_k
from vsearch_core.index.snapshot import SegmentView
from vsearch_core.lexical.bm25 import BM25
from vsearch_core.search.rental import Rental
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.segment import damaged_blocks

if TYPE_CHECKING:
    from vsearch_core.lexical.maxscore import MaxScore

# Starting the engine takes as long as scoring so many rows and postings by numpy: 0.8 s.
SCORED = 60_000_000
DEEPEST = 1000  # the engine keeps its best by insertion: of more, scoring every row finds them sooner
_VERIFIED = {"postings_rows": "rows", "postings_counts": "counts"}


class KeywordRoute:
    """Best rows and their BM25 scores. Rows of all segments are numbered through.

    Methods raise ValueError or IndexError for postings that are damaged or contradict one another.
    """

    def __init__(self, segments: Sequence[SegmentView], preparing: Callable[[], object]) -> None:
        self._segments = segments
        self.collection = BM25(
            [segment.postings for segment in segments], self._verify, k1=config.BM25_K1, b=config.BM25_B
        )
        self._bounded = all(len(each.postings.block_counts) or not len(each.postings.rows) for each in segments)
        self._preparing = preparing
        self._rental = Rental(SCORED)
        self._engine: MaxScore | None = None

    def best(self, terms: Sequence[str], mask: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
        """The `count` rows that score highest above 0 among the allowed of mask (n,), best first."""
        collection = self.collection
        asked = [collection.term_ids[term] for term in terms if not collection.is_defined(term)]
        work = collection.rows + int(np.diff(collection.spans[asked]).sum())
        shallow = count <= DEEPEST and len(asked) == len(terms)
        if shallow and self._bounded and self._rental.buys(work):
            found = self._started().search([terms], count, None if mask.all() else mask)
            return found.rows[0, : found.counts[0]]
        scores = collection.scores(terms)
        return top_k(scores, mask & (scores > 0), count)

    def holding(self, terms: Collection[str]) -> NDArray[np.bool_]:
        """Which rows hold at least one of the terms, (n,)."""
        held = np.zeros(self.collection.rows, np.bool_)
        for term in terms:
            for part, start in enumerate(self.collection.starts[:-1]):
                held[self.collection.rows_of(term, part) + start] = True
        return held

    def _started(self) -> "MaxScore":
        if self._engine is None:
            from vsearch_core.ann.ready import announce_if_slow
            from vsearch_core.lexical.maxscore import MaxScore

            engine = MaxScore(self.collection)
            with storage_errors(kernel_cache.folder()), announce_if_slow(self._preparing):
                kernel_cache.load(engine.load)
            self._engine = engine
        return self._engine

    def _verify(self, part: int, start: int, end: int) -> None:
        """Compare the checksums of what is read of a segment's postings."""
        segment = self._segments[part]
        for name, field in _VERIFIED.items():
            array = getattr(segment.postings, field)
            if damaged_blocks(array, segment.manifest[name], start * array.itemsize, end * array.itemsize):
                raise ValueError(f"its {name} are damaged")
