"""Compare ways to fuse the routes: nDCG@10 on collections that had no part in choosing the weight.

Both routes' scores of every query's candidates are computed once and stored; the rest is arithmetic on arrays. A
collection is left out together with its translations.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.embed.open import open_embedder
from vsearch_core.evaluate.corpus import indexed_corpus
from vsearch_core.evaluate.dataset import load_dataset
from vsearch_core.evaluate.run import embed_dataset
from vsearch_core.index.settings import IndexOptions
from vsearch_core.model import TEXT
from vsearch_core.search.fusion import KEYWORD, LEAST_LEGIBLE, VECTOR, Fusion, fuse
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.request import SearchRequest, clean_query

ALPHAS = tuple(step / 20 for step in range(1, 20))
SLOPES = tuple(step / 20 for step in range(-6, 7))
_RANKED = 30  # candidates to rank, enough for ten different files

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredCollection:
    """The candidates of a collection's queries from both routes: padded arrays (queries, candidates).

    `gain` is the grade of the candidate's file, `document` its number, `ideal` (queries,) the best possible DCG@10,
    `terms` (queries,) the number of terms, `legible` (queries, 1) the share of a query that the model can read.
    """

    vector: Floats
    keyword: Floats
    valid: NDArray[np.bool_]
    document: NDArray[np.int64]
    gain: Floats
    ideal: Floats
    terms: Floats
    legible: Floats


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+", help="folders in BEIR layout")
    parser.add_argument("--split", default="test", help="the judgements to use: qrels/NAME.tsv")
    parser.add_argument("--keep", type=Path, required=True, help="folder that keeps indexes and scores")
    options = parser.parse_args()
    found = {folder.name: load_scores(folder, options.split, options.keep) for folder in options.sets}
    print(f"| nDCG@10 | {' | '.join(found)} | mean |")
    for name, scores in WAYS.items():
        means = np.stack([[ndcg(each, scores(each, alpha)).mean() for alpha in ALPHAS] for each in found.values()])
        for alpha in (0.4, 0.5, 0.6, 0.7, 0.75, 0.8):
            print(_row(f"{name}, α = {alpha}", means[:, ALPHAS.index(alpha)]))
        print(_row(f"{name}, α left out", _left_out(list(found), means)))
    print(_row("rrf, k = 60", [ndcg(each, _rrf(each)).mean() for each in found.values()]))
    for name, signal in SIGNALS.items():
        print(_row(f"α by {name}, left out", _left_out(list(found), _adaptive(list(found.values()), signal))))


def load_scores(folder: Path, split: str, keep: Path) -> ScoredCollection:
    """Return the collection's arrays, from their file in `keep` or computed and stored there."""
    path = keep / f"{folder.name}-{split}.npz"
    if not path.exists():
        np.savez_compressed(path, allow_pickle=False, **_compute_scores(folder, split, keep / folder.name))
    with np.load(path) as arrays:
        return ScoredCollection(**arrays)


def _compute_scores(folder: Path, split: str, work: Path) -> dict[str, NDArray[Any]]:
    dataset = load_dataset(folder, split)
    embedder = open_embedder(IndexOptions().spec)
    candidates, queries = [], []
    with indexed_corpus(folder, dataset, work, IndexOptions(), lambda _: embedder) as (snapshot, name):
        searcher, embed = LocalSearcher(snapshot), embed_dataset(dataset, embedder)
        documents = {record.id: name(stored) for stored, record in snapshot.catalog.files(live=True).items()}
        for key, text in dataset.queries.items():
            embedded = embed(clean_query(text))
            best = searcher.search(SearchRequest(text, plain=True), {TEXT: embedded.vector}, config.CANDIDATES)
            files = best.file_keys
            grades = dataset.judgements[key]
            gains = [max(grades.get(documents[number], 0), 0) for number in files.tolist()]
            ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:10]
            candidates.append((best.scores[VECTOR], best.scores[KEYWORD], files, np.array(gains)))
            queries.append((_dcg(ideal), len(best.terms), max(embedded.legible, LEAST_LEGIBLE)))
    width = max(len(rows) for rows, *_ in candidates)
    vector, keyword, file, gain = (np.stack([_padded(each[at], width) for each in candidates]) for at in range(4))
    valid = np.stack([np.arange(width) < len(rows) for rows, *_ in candidates])
    ideals, terms_of_each, legible = np.array(queries, np.float64).T
    values = {"vector": vector, "keyword": keyword, "gain": gain, "ideal": ideals, "terms": terms_of_each}
    return {**values, "valid": valid, "document": file.astype(np.int64), "legible": legible[:, None]}


def ndcg(of: ScoredCollection, scores: Floats) -> Floats:
    """Return nDCG@10 of each query; a file has the rank of its best candidate."""
    order = np.argsort(np.where(of.valid, -scores, np.inf), axis=1, kind="stable")[:, :_RANKED]
    files, gains, valid = (np.take_along_axis(array, order, 1) for array in (of.document, of.gain, of.valid))
    repeated = np.tril(files[:, :, None] == files[:, None, :], -1).any(axis=2)
    ranks = np.cumsum(valid & ~repeated, axis=1)
    counted = valid & ~repeated & (ranks <= 10)
    result: Floats = np.where(counted, gains / np.log2(ranks + 1), 0).sum(axis=1) / of.ideal
    return result


def _convex(vector: Callable[[ScoredCollection], Floats], keyword: Callable[[ScoredCollection], Floats]) -> "Way":
    def combine(of: ScoredCollection, alpha: float) -> Floats:
        weight = alpha * of.legible
        share = weight / (weight + 1 - alpha)
        return share * vector(of) + (1 - share) * keyword(of)

    return combine


def _by_maximum(scores: Floats, of: ScoredCollection) -> Floats:
    positive = np.where(of.valid, np.maximum(scores, 0), 0)
    result: Floats = positive / np.maximum(positive.max(axis=1, keepdims=True), 1e-9)
    return result


def _by_range(scores: Floats, of: ScoredCollection) -> Floats:
    low = np.where(of.valid, scores, np.inf).min(axis=1, keepdims=True)
    high = np.where(of.valid, scores, -np.inf).max(axis=1, keepdims=True)
    result: Floats = (scores - low) / np.maximum(high - low, 1e-9)
    return result


def _by_theory(scores: Floats, of: ScoredCollection) -> Floats:
    """Scale by the theoretical range: the minimum of a cosine is -1 (Bruch et al., ACM TOIS 2023)."""
    return _by_maximum(scores + 1, of)


def _by_deviation(scores: Floats, of: ScoredCollection) -> Floats:
    count = of.valid.sum(axis=1, keepdims=True)
    centred = np.where(of.valid, scores - np.where(of.valid, scores, 0).sum(axis=1, keepdims=True) / count, 0)
    result: Floats = centred / np.maximum(np.sqrt((centred**2).sum(axis=1, keepdims=True) / count), 1e-9)
    return result


def _by_distribution(scores: Floats, of: ScoredCollection) -> Floats:
    """Scale by three standard deviations on both sides of the mean."""
    return np.clip((_by_deviation(scores, of) + 3) / 6, 0, 1)


ADOPTED = "by the theoretical range"  # the way of `vsearch query`
Way = Callable[[ScoredCollection, float], Floats]
WAYS: Mapping[str, Way] = {
    "by the maximum": _convex(lambda of: _by_maximum(of.vector, of), lambda of: _by_maximum(of.keyword, of)),
    f"{ADOPTED}, without legibility": lambda of, alpha: WAYS[ADOPTED](
        replace(of, legible=np.ones_like(of.legible)), alpha
    ),
    "by the range": _convex(lambda of: _by_range(of.vector, of), lambda of: _by_range(of.keyword, of)),
    ADOPTED: _convex(lambda of: _by_theory(of.vector, of), lambda of: _by_maximum(of.keyword, of)),
    "cosine as it is": _convex(lambda of: of.vector, lambda of: _by_maximum(of.keyword, of)),
    "by the deviation": _convex(lambda of: _by_deviation(of.vector, of), lambda of: _by_deviation(of.keyword, of)),
    "by the distribution": _convex(
        lambda of: _by_distribution(of.vector, of), lambda of: _by_distribution(of.keyword, of)
    ),
}


def _agreement(of: ScoredCollection) -> Floats:
    """Return the cosine between the two routes' scores, one for each query."""
    vector, keyword = _by_maximum(of.vector, of), _by_maximum(of.keyword, of)
    norms = np.sqrt((vector**2).sum(axis=1) * (keyword**2).sum(axis=1))
    result: Floats = (vector * keyword).sum(axis=1) / np.maximum(norms, 1e-9)
    return result


# Signals that a query and its candidates give without judgements: one number for each query.
SIGNALS: Mapping[str, Callable[[ScoredCollection], Floats]] = {
    "the query's length": lambda of: np.log1p(of.terms),
    "the best cosine": lambda of: of.vector.max(axis=1),
    "how flat the cosines are": lambda of: of.vector.sum(axis=1) / of.valid.sum(axis=1) / of.vector.max(axis=1),
    "how flat the keyword scores are": lambda of: _by_maximum(of.keyword, of).sum(axis=1) / of.valid.sum(axis=1),
    "the routes' agreement": _agreement,
}


def _adaptive(collections: Sequence[ScoredCollection], signal: Callable[[ScoredCollection], Floats]) -> Floats:
    """Return nDCG@10 (collections, columns), a column for each α = a + b·signal; signals are standardised."""
    signals = [signal(each) for each in collections]
    everything = np.concatenate(signals)
    way = WAYS[ADOPTED]
    rows = []
    for each, values in zip(collections, signals, strict=True):
        grid = np.stack([ndcg(each, way(each, alpha)) for alpha in ALPHAS], axis=1)
        scaled = (values - everything.mean()) / everything.std()
        row = []
        for start in ALPHAS:
            for slope in SLOPES:
                alpha = np.clip(start + slope * scaled, ALPHAS[0], ALPHAS[-1])
                column = np.rint((alpha - ALPHAS[0]) * 20).astype(np.int64)
                row.append(grid[np.arange(len(grid)), column].mean())
        rows.append(row)
    return np.array(rows)


def _rrf(of: ScoredCollection) -> Floats:
    """Return scores by reciprocal rank fusion, as in `vsearch query --fusion rrf`."""
    rows = []
    for vector, keyword, valid in zip(of.vector, of.keyword, of.valid, strict=True):
        routes = {VECTOR: vector[valid].astype(np.float32), KEYWORD: keyword[valid].astype(np.float32)}
        fused = fuse(routes, Fusion("rrf"), config.CANDIDATES)
        rows.append(_padded(fused, len(valid)))
    return np.stack(rows)


def _left_out(names: Sequence[str], means: Floats) -> list[float]:
    """Return each collection's value in the column of `means` that is best for the other families."""
    families = [name.partition("-")[0] for name in names]
    result = []
    for number, family in enumerate(families):
        others = means[[at for at, each in enumerate(families) if each != family]]
        result.append(float(means[number, int(others.mean(axis=0).argmax())]))
    return result


def _row(name: str, means: Sequence[float] | Floats) -> str:
    return f"| {name} | {' | '.join(f'{mean:.4f}' for mean in means)} | {np.mean(means):.4f} |"


def _padded(values: Sequence[float] | NDArray[Any], width: int) -> Floats:
    result = np.zeros(width)
    result[: len(values)] = values
    return result


def _dcg(gains: Sequence[int]) -> float:
    return float(sum(gain / np.log2(rank + 1) for rank, gain in enumerate(gains, 1)))


if __name__ == "__main__":
    main()
