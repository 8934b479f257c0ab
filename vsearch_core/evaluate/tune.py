"""Learn from judged questions how an index's two routes are best combined, and refuse to learn what is not there."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.evaluate.run import Values, measure_run, run_queries
from vsearch_core.evaluate.significance import p_value
from vsearch_core.index.settings import FUSION
from vsearch_core.search.engine import Candidates, Searcher, Vectors
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.pipeline import EmbedQuery
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.tuned import Tuned
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock

ALPHAS = tuple(step / 20 for step in range(21))
FOLDS = 10
MIN_QUERIES = 10
SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class TuningResult:
    """The best fusion for all questions, and what choosing it so is worth on questions that had no part in it.

    nDCG@10, held out, beside that of the fusion in force; `p` is the paired test's. `wins`: better, and not by chance.
    """

    fusion: Fusion
    questions: int
    ndcg_10: float
    former_ndcg_10: float
    p: float

    @property
    def setting(self) -> Tuned:
        """As the index keeps it."""
        return Tuned(self.fusion.method, self.fusion.alpha, self.questions, self.ndcg_10, self.former_ndcg_10)

    @property
    def wins(self) -> bool:
        """Whether it should be stored."""
        return self.ndcg_10 > self.former_ndcg_10 and self.p <= SIGNIFICANCE


def tune_fusion(
    searcher: Searcher,
    embed: EmbedQuery,
    dataset: Dataset,
    name: Callable[[str], str],
    former: Fusion,
) -> TuningResult:
    """Try every fusion on every question, `former` (what is in force) among them.

    Cross-validated: the questions are dealt to FOLDS folds by a hash, and each fold is answered by the fusion that is
    best for the others (Stone, JRSS B 1974).
    """
    cached = cast(Searcher, _CachedCandidates(searcher))
    trials = [former, *(Fusion("convex", alpha) for alpha in ALPHAS), Fusion("rrf")]
    columns = []
    for trial in trials:
        run, _ = run_queries(cached, embed, dataset, "hybrid", trial, name, depth=10)
        columns.append(measure_run(run, dataset.judgements)[:, 0])
    values = np.stack(columns, axis=1)
    held_out = _held_out(values, _folds(list(dataset.queries.values())))
    best = trials[_best(values)]
    return TuningResult(
        best, len(values), float(held_out.mean()), float(values[:, 0].mean()), p_value(held_out - values[:, 0])
    )


def store_fusion(index: Path, learned: Tuned | None) -> None:
    """Keep a fusion with the index, or (None) go back to the default.

    Raises IndexNotFoundError, IndexLockedError, IndexVersionError, IndexCorruptError, StorageError.
    """
    with (
        storage_errors(index),
        writer_lock(index),
        closing(Catalog.open_to_write(index)) as catalog,
        catalog.transaction(),
    ):
        catalog.put_setting(FUSION, "" if learned is None else learned.to_setting())


def _held_out(values: Values, folds: NDArray[np.int64]) -> Values:
    """Each question's value under the column that is best for the questions of the other folds; values (n, trials)."""
    result = np.empty(len(values))
    for fold in np.unique(folds):
        mine = folds == fold
        result[mine] = values[mine, _best(values[~mine]) if (~mine).any() else 0]
    return result


def _best(values: Values) -> int:
    """The column with the highest mean; the first, which is in force, of equals."""
    means = values.mean(axis=0)
    return int(np.flatnonzero(means >= means.max() - 1e-12)[0])


def _folds(texts: Sequence[str]) -> NDArray[np.int64]:
    """A fold for each question; the same text always goes to the same one."""
    order = sorted(range(len(texts)), key=lambda at: blake2b(texts[at].encode("utf-8", "surrogatepass")).digest())
    folds = np.empty(len(texts), np.int64)
    folds[order] = np.arange(len(texts)) % FOLDS
    return folds


class _CachedCandidates:
    """A Searcher that searches once for each query: fusions differ in how they combine the same candidates."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._found: dict[tuple[SearchRequest, int], Candidates] = {}

    def __getattr__(self, name: str) -> Any:
        """Return the searcher's own attribute."""
        return getattr(self._searcher, name)

    def search(self, request: SearchRequest, vectors: Mapping[str, Vectors], depth: int) -> Candidates:
        """Return the searcher's candidates, from an earlier search if only the fusion is another."""
        key = replace(request, fusion=None, alpha=None), depth
        if key not in self._found:
            self._found[key] = self._searcher.search(request, vectors, depth)
        return self._found[key]
