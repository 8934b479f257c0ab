"""Tune fusion: find the best weights of keyword and vector scores for an index, with judged queries.

The result is only kept if it is significantly better than the fusion in use.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.evaluate.run import Values, measure_run, run_queries
from vsearch_core.evaluate.significance import p_value
from vsearch_core.index.settings import FUSION
from vsearch_core.model import TEXT
from vsearch_core.search.engine import Candidates, Ids, Searcher, Selection, Vectors
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.pipeline import EmbedQuery
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.snippets import Snippet
from vsearch_core.search.tuned import TunedFusion
from vsearch_core.store.catalog import Catalog, StoredChunk
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock

ALPHAS = tuple(step / 20 for step in range(21))
FOLDS = 10
MIN_QUERIES = 10
SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class TuningResult:
    """The fusion that is best on all judged queries, with an unbiased estimate of its quality.

    `ndcg_10` is measured on queries that were not used to choose the fusion (cross-validation). `former_ndcg_10` is
    that of the fusion in use before. `p` is the p-value of the paired test between the two.
    """

    fusion: Fusion
    queries: int
    ndcg_10: float
    former_ndcg_10: float
    p: float

    @property
    def setting(self) -> TunedFusion:
        """Return the result as the setting that an index stores."""
        return TunedFusion(self.fusion.method, self.fusion.alpha, self.queries, self.ndcg_10, self.former_ndcg_10)

    @property
    def wins(self) -> bool:
        """Return True if the fusion is significantly better than the one in use before."""
        return self.ndcg_10 > self.former_ndcg_10 and self.p <= SIGNIFICANCE


def tune_fusion(
    searcher: Searcher,
    embed: EmbedQuery,
    dataset: Dataset,
    document_id: Callable[[str], str],
    former: Fusion,
) -> TuningResult:
    """Measure all fusions, including `former` (the one in use), on all judged queries, and choose the best.

    Its quality is estimated by cross-validation (Stone, JRSS B 1974): the queries are divided into FOLDS folds by a
    hash, and each fold is measured with the fusion that is best for the other folds.
    """
    cached = _CachingSearcher(searcher)
    trials = [former, *(Fusion("convex", alpha) for alpha in ALPHAS), Fusion("rrf")]
    columns = []
    for trial in trials:
        run, _ = run_queries(cached, embed, dataset, "hybrid", trial, document_id, depth=10)
        columns.append(measure_run(run, dataset.judgements)[:, 0])
    values = np.stack(columns, axis=1)
    held_out = _held_out(values, _folds(list(dataset.queries.values())))
    best = trials[_best(values)]
    return TuningResult(
        best, len(values), float(held_out.mean()), float(values[:, 0].mean()), p_value(held_out - values[:, 0])
    )


def store_fusion(index: Path, tuned: TunedFusion | None) -> None:
    """Store a tuned fusion in the index's settings. None deletes it, so that the default is used again.

    Raises IndexNotFoundError, IndexLockedError, IndexVersionError, IndexCorruptError, StorageError.
    """
    with (
        storage_errors(index),
        writer_lock(index),
        closing(Catalog.open_to_write(index)) as catalog,
        catalog.transaction(),
    ):
        catalog.put_setting(FUSION, "" if tuned is None else tuned.to_setting())


def _held_out(values: Values, folds: NDArray[np.int64]) -> Values:
    """Return each query's value in the column that is best for the other folds' queries; `values` (queries, trials)."""
    result = np.empty(len(values))
    for fold in np.unique(folds):
        mine = folds == fold
        result[mine] = values[mine, _best(values[~mine]) if (~mine).any() else 0]
    return result


def _best(values: Values) -> int:
    """Return the column with the highest mean; of equals the first, which is the one in force."""
    means = values.mean(axis=0)
    return int(np.flatnonzero(means >= means.max() - 1e-12)[0])


def _folds(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return a fold for each query, (queries,); the same texts get the same folds in any order."""
    order = sorted(range(len(texts)), key=lambda at: blake2b(texts[at].encode("utf-8", "surrogatepass")).digest())
    folds = np.empty(len(texts), np.int64)
    folds[order] = np.arange(len(texts)) % FOLDS
    return folds


class _CachingSearcher(Searcher):
    """A Searcher that searches once for each query: fusions only differ in how they combine the same candidates."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._found: dict[tuple[SearchRequest, int], Candidates] = {}
        self._shares: dict[SearchRequest, dict[int, list[float]]] = {}

    @property
    def capabilities(self) -> frozenset[str]:
        return self._searcher.capabilities

    @property
    def generation(self) -> int:
        return self._searcher.generation

    @property
    def fusion(self) -> Fusion:
        return self._searcher.fusion

    def prepare(self, request: SearchRequest) -> bool:
        return self._searcher.prepare(request)

    def search(self, request: SearchRequest, vectors: Mapping[str, Vectors], depth: int) -> Candidates:
        key = replace(request, fusion=None, alpha=None), depth
        if key not in self._found:
            self._found[key] = self._searcher.search(request, vectors, depth)
        return self._found[key]

    def term_shares(self, request: SearchRequest, ids: Ids) -> NDArray[np.float32]:
        known = self._shares.setdefault(replace(request, fusion=None, alpha=None), {})
        missing = [chunk_id for chunk_id in ids.tolist() if chunk_id not in known]
        if missing:
            found = self._searcher.term_shares(request, np.array(missing, np.int64))
            known.update(zip(missing, found.tolist(), strict=True))
        return np.array([known[chunk_id] for chunk_id in ids.tolist()], np.float32).reshape(-1, 2)

    def hydrate(self, ids: Ids) -> list[StoredChunk]:
        return self._searcher.hydrate(ids)

    def vectors(self, ids: Ids, space: str = TEXT) -> Vectors:
        return self._searcher.vectors(ids, space)

    def chunk_ids(self, path: str, first: int = 0, last: int | None = None) -> Ids:
        return self._searcher.chunk_ids(path, first, last)

    def select(self, filters: Filters) -> Selection:
        return self._searcher.select(filters)

    def excerpts(self, request: SearchRequest, texts: Sequence[str], width: int) -> list[Snippet]:
        return self._searcher.excerpts(request, texts, width)
