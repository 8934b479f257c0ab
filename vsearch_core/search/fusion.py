"""Fusion: combine the scores of several routes into one ranking."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config

Scores = NDArray[np.float32]

VECTOR, KEYWORD = "vector", "keyword"  # routes; any other route scores by cosine, too
LISTED = "listed"  # the only route of a query that has nothing but exclusions: each chunk that passes them has score 1
LOWEST_COSINE = -1.0
FLOOR_PAIRS = 1000  # with fewer pairs of chunks, their spread says nothing
RARE_WEIGHT = 0.35  # of rare words, where both routes count the same; 0.26 with the default fusion
ASSUMED = 2.0  # the weight of each of the two assumed points of an estimate, in candidates
DOUBT = 5.0  # candidates: if so many of very many cosines are known, they count half
LEAST_TRUST = 0.01  # above 0, so that known cosines still rank the chunks that no keyword finds
LEAST_LEGIBLE = 0.01  # above 0, so that vectors still rank the chunks that no keyword finds


@dataclass(frozen=True, slots=True)
class Fusion:
    """A method to combine the scores of several routes, and its parameters.

    `method` is "convex" (a weighted sum of scores) or "rrf" (reciprocal rank fusion). `alpha`, from 0 to 1, is the
    weight of vector routes in convex fusion. `rrf_k` is the constant of rrf. `tuned` is true if these were learned from
    judged queries.
    """

    method: str = config.FUSIONS[0]
    alpha: float = config.FUSION_ALPHA
    rrf_k: int = config.RRF_K
    tuned: bool = False

    def for_legibility(self, legible: float) -> "Fusion":
        """Return the fusion for a query that the embedding model can only read in part.

        `legible`, from 0 to 1, is the share of the query that the model can read. It splits an unknown word into single
        letters, so that cosines are noise. Therefore the weight of vectors falls with this share. See
        docs/adr/0028-legibility.md.
        """
        if self.method != "convex" or legible == 1:
            return self
        weight = self.alpha * max(legible, LEAST_LEGIBLE)
        return replace(self, alpha=weight / (weight + (1 - self.alpha)))

    @property
    def in_words(self) -> str:
        """Return a description for people, such as "convex, alpha 0.75 (tuned)"."""
        words = f"convex, alpha {self.alpha:.3g}" if self.method == "convex" else f"rrf, k {self.rrf_k}"
        return f"{words} (tuned)" if self.tuned else words


INTERIM_FUSION = Fusion(alpha=config.INTERIM_ALPHA)


def requested_fusion(method: str | None, alpha: float | None) -> Fusion:
    """Return a fusion with the given method and alpha. None stands for the default of either."""
    return Fusion(method or config.FUSIONS[0], config.FUSION_ALPHA if alpha is None else alpha)


def cosine_floor(cosines: NDArray[np.float32]) -> float:
    """Return the cosine that counts as nothing in convex fusion, given the cosines of pairs of an index's chunks.

    That is 12 standard deviations below the mean, but no less than LOWEST_COSINE. Some models' cosines all lie in a
    narrow range, such as 0.7 to 0.9: seen from -1, the best and the worst chunk would weigh the same.
    """
    if len(cosines) < FLOOR_PAIRS:
        return LOWEST_COSINE
    return float(max(cosines.mean() - 12 * cosines.std(), LOWEST_COSINE))


def fuse(
    scores: Mapping[str, Scores],
    fusion: Fusion,
    depth: int,
    floor: float = LOWEST_COSINE,
    rare: Scores | None = None,
) -> Scores:
    """Combine the scores of all routes, each (n,), into one score for each of the n candidates, (n,).

    In the input, a keyword score of 0 means no match, and NaN means that a route can't score the candidate. Cosines of
    texts that have no vector are estimated (`comparable_cosines`). In the output, a score of 0 or less means no match.
    `depth` is the number of candidates that each route proposed; reciprocal rank fusion only counts ranks up to it.
    `floor` is the cosine that counts as nothing in convex fusion, and `rare` (n,) is the weight of rare words, which it
    adds.
    """
    if {VECTOR, KEYWORD} <= scores.keys():
        scores = {**scores, VECTOR: comparable_cosines(scores[VECTOR], scores[KEYWORD], depth)}
    if fusion.method == "rrf":
        return _reciprocal_ranks(scores, fusion.rrf_k, depth)
    fused = _convex(scores, fusion.alpha, floor)
    return fused if rare is None else _with_rare_words(fused, rare, fusion.alpha)


def comparable_cosines(cosines: Scores, keyword: Scores, depth: int) -> Scores:
    """Return cosines, (n,), by which candidates with and without a vector (NaN) can be compared.

    Candidates that keywords have found and that have no vector get an estimate: otherwise, they would rank behind all
    that are embedded. It is a line through the known candidates among the `depth` best by keywords: cosine against the
    share of the best BM25. The vector route has chosen the other candidates for their high cosines, so that they would
    raise the line. If few are known, two assumed points count most: the best BM25 comes with the highest known cosine,
    and no BM25 with the lowest. Ridge regression, with these points as the prior.

    If few are known, the highest known cosine is also lower than that of the best texts without a vector. So known
    cosines are drawn towards the line, the more so the fewer there are. See docs/adr/0053-progressive-runs.md.
    """
    unknown = np.isnan(cosines)
    highest = float(keyword.max(initial=0))
    known = ~unknown
    if not unknown.any() or not known.any() or highest <= 0:
        return cosines
    share = keyword.astype(np.float64) / highest
    lowest_best = float(np.sort(keyword)[-min(depth, len(keyword))])
    best = (keyword > 0) & (keyword >= lowest_best)
    fitted = known & best
    count = int(fitted.sum())
    least, most = float(cosines[known].min()), float(cosines[known].max())
    x = np.concatenate([share[fitted], [0.0, 1.0]])
    y = np.concatenate([cosines[fitted].astype(np.float64), [least, most]])
    weights = np.concatenate([np.ones(count), [ASSUMED, ASSUMED]])
    mean_x, mean_y = float(np.average(x, weights=weights)), float(np.average(y, weights=weights))
    slope = float(weights @ ((x - mean_x) * (y - mean_y)) / (weights @ (x - mean_x) ** 2))
    line = np.clip(mean_y + max(slope, 0.0) * (share - mean_x), least, most)
    trust = max(1 - (1 - count / int(best.sum())) * DOUBT / (count + DOUBT), LEAST_TRUST)
    moved = np.where(known, line + trust * (cosines - line), np.where(keyword > 0, line, np.nan))
    return moved.astype(np.float32)


def _convex(scores: Mapping[str, Scores], alpha: float, floor: float) -> Scores:
    """α·(cos - f)/(max cos - f) + (1-α)·bm25/max bm25: 0 is the least that counts, 1 the best that a route gave.

    Routes over vectors share α evenly. Bruch et al., "An Analysis of Fusion Functions for Hybrid Retrieval", ACM TOIS
    2023.
    """
    share = alpha / max(1, sum(name != KEYWORD for name in scores))
    total: Scores | None = None
    for name, values in scores.items():
        part = (1 - alpha) * _relative(values, 0) if name == KEYWORD else share * _relative(values, floor)
        total = part if total is None else total + part
    assert total is not None, "no route was searched"
    return total.astype(np.float32)


def _with_rare_words(fused: Scores, rare: Scores, alpha: float) -> Scores:
    """Add the weight of rare words to fused scores, and scale the sum so that 1 stays the highest possible score.

    It vanishes where one route alone counts: at alpha 0 and 1.
    """
    weight = RARE_WEIGHT * 4 * alpha * (1 - alpha)
    scaled: Scores = ((fused + weight * rare) / (1 + weight * rare.max(initial=0))).astype(np.float32)
    return scaled


def _relative(scores: Scores, least: float) -> Scores:
    positive: Scores = np.maximum(_without_nan(scores, least) - np.float32(least), 0)
    highest = positive.max(initial=0)
    return positive / highest if highest > 0 else positive


def _reciprocal_ranks(scores: Mapping[str, Scores], k: int, depth: int) -> Scores:
    """Σ 1/(k + rank) over the routes that proposed the candidate (Cormack et al., SIGIR 2009)."""
    total = np.zeros(max(map(len, scores.values()), default=0))
    for name, values in scores.items():
        proposed = values > 0 if name == KEYWORD else ~np.isnan(values)
        order = np.lexsort((-scores.get(KEYWORD, values), -_without_nan(values, -np.inf)))  # estimates may be equal
        rank = np.empty(len(values), np.int64)
        rank[order] = np.arange(1, len(values) + 1)
        total += np.where(proposed & (rank <= depth), 1 / (k + rank), 0)
    return total.astype(np.float32)


def _without_nan(scores: Scores, least: float) -> Scores:
    return np.where(np.isnan(scores), np.float32(least), scores)
