"""The search pipeline: embed the query, find candidates, fuse their scores, rerank them, and load the best as hits."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.embed.base import Embedder
from vsearch_core.errors import InputError
from vsearch_core.model import PICTURES, TEXT, Chunk
from vsearch_core.search.choice import Choice, ShinglesOfChunks, all_of, collapsed, diversified
from vsearch_core.search.confidence import ANSWERED, confidences
from vsearch_core.search.engine import Candidates, Ids, Searcher, refuse_unsupported, required_capabilities
from vsearch_core.search.fusion import KEYWORD, Fusion, fuse, requested_fusion
from vsearch_core.search.hits import arranged, hydrated
from vsearch_core.search.packing import estimate_tokens
from vsearch_core.search.pictures import EmbedPictureQuery, with_pictures
from vsearch_core.search.proximity import NEAREST, add_proximity
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.rerank import Rerank, Reranking, passages, scores_within
from vsearch_core.search.rescoring import EmbedTexts, rescored
from vsearch_core.search.results import Hit, Results
from vsearch_core.search.snippets import WIDTH
from vsearch_core.search.versions import asks_for_newest

Scores = NDArray[np.float32]

VERSIONED = 50  # candidates whose files' versions are looked for, if a query asks for the present state
# A file that has older versions comes first if a query asks for the present state, and its score by convex fusion is at
# least this share of the best one: docs/adr/0038-versions.md has the figures.
NEWEST_LEAST = 0.9


@dataclass(frozen=True, slots=True)
class EmbeddedQuery:
    """A query's unit vector, (dimension,), and the share of the query that the model can read, from 0 to 1.

    `embed_texts` embeds texts of chunks with the same model, for an index that keeps only codes of their vectors.
    Without it, codes decide.
    """

    vector: NDArray[np.float32]
    legible: float = 1.0
    embed_texts: EmbedTexts | None = None


EmbedQuery = Callable[[str], EmbeddedQuery]


def query_embedding(embedder: Embedder, embed_texts: EmbedTexts | None = None) -> EmbedQuery:
    """Return a function that embeds a query's text with the embedder. `embed_texts` is that of `EmbeddedQuery`."""
    return lambda text: EmbeddedQuery(embedder.embed_queries([text])[0], embedder.legible_share(text), embed_texts)


def search(
    searcher: Searcher,
    request: SearchRequest,
    embed: EmbedQuery | None = None,
    embed_for_pictures: EmbedPictureQuery | None = None,
) -> Results:
    """Search for the request's query, and return the hits with details about the search.

    `embed` embeds the query's text. It is not called if the mode is "keyword", if only examples count or if no chunk
    with a vector can match; for such requests it may be None. `embed_for_pictures` embeds the text with the engine's
    image model; if it is None, pictures are found by their texts only. Raises InputError (with the code "unsupported"
    if the engine lacks a capability), FilterError, ModelError, IndexCorruptError and StorageError.
    """
    watch = _StopWatch()
    refuse_unsupported(searcher, required_capabilities(request))
    parsed, feedback = request.parsed, request.feedback
    may_match = searcher.prepare(request)
    watch.lap("filter")
    text = parsed.semantic_text if request.mode != "keyword" and may_match else ""
    embedded = embed(text) if text and embed is not None else None
    vector = None if embedded is None else embedded.vector
    legible = None if embedded is None else embedded.legible
    if feedback is not None:
        vector = None if request.mode == "keyword" else feedback.vector(vector)
        vector = vector if vector is not None and vector.any() else None
        legible = None
    fusion = _fusion(searcher, request, legible)
    watch.lap("embed")
    embed_texts = None if embedded is None else embedded.embed_texts
    vectors = {TEXT: vector, PICTURES: _picture_vector(searcher, request, embed_for_pictures)}
    searched = {space: each for space, each in vectors.items() if each is not None}
    ranking = _rank(searcher, request, searched, fusion, legible, watch, embed_texts)
    candidates = ranking.candidates
    watch.lap("search")
    # A hit's share of the tokens depends on the hits before it, so those are packed, too.
    first = 0 if request.max_tokens is not None else request.offset
    choice = ranking.choice.between(first, request.last)
    shown = ranking.order[choice.shown]
    near_duplicates = [ranking.order[list(places)] for places in choice.alike]
    hits = hydrated(
        searcher,
        candidates,
        ranking.scores,
        shown,
        near_duplicates,
        rerank_scores=ranking.rerank_scores,
        confidence=ranking.confidence,
        first_rank=first + 1,
    )
    hits = arranged(searcher, request, hits)
    ranked = len(ranking.choice.shown) if request.max_tokens is None else len(hits)
    hits = tuple(_with_newer(searcher, hit) for hit in hits[request.offset - first :])
    watch.lap("hydrate")
    return Results(
        query=request.text,
        mode=request.mode,
        exact=candidates.exact,
        generation=searcher.generation,
        searched=candidates.searched,
        matched=candidates.matched,
        took_ms=watch.laps(),
        hits=hits,
        parsed=parsed,
        terms=candidates.terms,
        fusion=fusion,
        ef_search=candidates.ef_search,
        nprobe=candidates.nprobe,
        list_kinds=candidates.list_kinds,
        tokens=None if request.max_tokens is None else sum(map(estimate_tokens, hits)),
        legible=legible,
        reranking=ranking.reranking,
        answered=None if ranking.confidence is None else bool((ranking.confidence >= ANSWERED).any()),
        skipped=min(request.offset, ranked),
        more=len(ranking.choice.shown) > request.last,
        coverage=candidates.coverage,
        interim=candidates.interim,
        re_embedded=ranking.re_embedded,
    )


def _picture_vector(
    searcher: Searcher, request: SearchRequest, embed: EmbedPictureQuery | None
) -> NDArray[np.float32] | None:
    """Return the vector by which pictures are searched for what they show, or None if they are not."""
    if not is_about_pictures(request) or searcher.image_model is None:
        return None
    text = request.parsed.semantic_text
    query = embed(text) if text and embed is not None else None
    return query if request.feedback is None else request.feedback.picture_vector(query)


def is_about_pictures(request: SearchRequest) -> bool:
    """Return True if the request may be answered by what pictures show."""
    return request.mode != "keyword" and request.filters.images is not False


def _with_newer(searcher: Searcher, hit: Hit) -> Hit:
    """Return the hit with the path of its document's newest version, if it is of an older one."""
    newest = searcher.newest_version(hit.path)
    return hit if newest is None else replace(hit, newer=newest)


def _fusion(searcher: Searcher, request: SearchRequest, legible: float | None) -> Fusion | None:
    """Return the fusion that the request names, else the index's, adapted to what the model can read."""
    if request.mode != "hybrid":
        return None
    if request.fusion is None and request.alpha is None:
        fusion = searcher.fusion
    else:
        fusion = requested_fusion(request.fusion, request.alpha)
    return fusion if legible is None else fusion.for_legibility(legible)


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Candidates, their scores (n,), the places of those that answer, best first, and the choice of those to show.

    `re_embedded` is that of `Results`.
    """

    candidates: Candidates
    scores: Scores
    order: NDArray[np.int64]
    choice: Choice
    rerank_scores: Scores | None
    reranking: Reranking | None
    confidence: NDArray[np.float64] | None
    re_embedded: int | None


def _rank(
    searcher: Searcher,
    request: SearchRequest,
    vectors: Mapping[str, NDArray[np.float32]],
    fusion: Fusion | None,
    legible: float | None,
    watch: "_StopWatch",
    embed_texts: EmbedTexts | None,
) -> _Ranking:
    """Rank the candidates; go deeper while grouping and collapsing leave too few.

    One candidate more than the request's last hit is looked for: it shows that there are more.
    """
    wanted = request.last + 1
    depth = max(config.CANDIDATES, wanted)
    shingles_of = ShinglesOfChunks(lambda ids: [_comparable_text(stored.chunk) for stored in searcher.hydrate(ids)])
    reranking = re_embedded = by_sight = None
    while True:
        candidates = searcher.search(request, vectors, depth)
        scores = _combined(candidates, fusion, depth)
        if candidates.coded is not None:
            re_embedded = 0
            if embed_texts is not None:
                watch.lap("search")
                best = _best_first(scores)
                candidates, re_embedded = rescored(searcher, candidates, best, wanted, vectors[TEXT], embed_texts)
                scores = _combined(candidates, fusion, depth)
                watch.lap("embed")
        if fusion is not None and fusion.method == "convex" and request.feedback is None:
            scores = _with_proximity(searcher, request, candidates, scores, fusion.alpha)
        confidence = confidences(candidates.scores, candidates.evidence, legible, candidates.cosine_floor)
        if candidates.pictures is not None:
            is_comparable = fusion is not None and fusion.method == "convex"
            known = confidence if is_comparable else None
            scores, confidence, by_sight = with_pictures(scores, known, candidates.pictures)
        order = answering = _best_first(scores)
        rerank_scores = None
        if request.rerank is not None and (reranking is None or reranking.used):
            watch.lap("search")
            rerank_scores, reranking = _reranked(searcher, request, request.rerank, candidates, order, by_sight)
            if rerank_scores is not None:
                scores, order = _in_new_order(scores, order, rerank_scores, by_sight)
            watch.lap("rerank")
        if request.min_score is not None:
            order = order[scores[order] >= request.min_score]
        if request.min_confidence is not None and len(order):
            order = order[_known(confidence)[order] >= request.min_confidence]
        if not request.examples_only and asks_for_newest(request.text):
            is_convex = fusion is not None and fusion.method == "convex" and rerank_scores is None
            least = NEWEST_LEAST if is_convex else 1.0
            order, scores = _newest_first(searcher, candidates.ids, order, scores, least)
        exhausted = len(order) < len(answering) or len(candidates.ids) < depth or depth >= candidates.matched
        if request.group_by_file:
            order = _first_of_each(candidates.file_keys[order], order)
        choice = _choose(searcher, request, candidates.ids[order], scores[order], shingles_of)
        nothing_dropped = not request.group_by_file and len(choice.shown) == len(order)
        if exhausted or nothing_dropped or len(choice.shown) >= wanted:
            return _Ranking(candidates, scores, order, choice, rerank_scores, reranking, confidence, re_embedded)
        depth *= 4  # one file may hold all of the best chunks, and many may be copies of one


def _known(confidence: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the confidence of the candidates. Raises InputError if it isn't known."""
    if confidence is None:
        reason = "the confidence of hits isn't known, because the query has no text to embed"
        raise InputError("min_confidence", reason, "confidence-unknown")
    return confidence


def _newest_first(
    searcher: Searcher, ids: Ids, order: NDArray[np.int64], scores: Scores, least: float
) -> tuple[NDArray[np.int64], Scores]:
    """Return the order with the best chunk of a document's newest version before chunks of its older versions.

    The best of these comes first of all if its score is at least the share `least` of the best. Only the first
    VERSIONED candidates are considered. Scores change places with their chunks, so that they descend.
    """
    first = order[:VERSIONED]
    paths = [stored.path for stored in searcher.hydrate(ids[first])]
    best = {path: place for place, path in reversed(list(enumerate(paths)))}
    newer = [searcher.newest_version(path) or "" for path in paths]
    leader = min((best[path] for path in newer if path in best), default=0)
    places = list(range(len(first)))
    if leader and scores[first[leader]] >= least * scores[first[0]]:
        places.insert(0, places.pop(leader))
    moved: list[int] = []
    for place in places:
        moved += [each for each in (best.get(newer[place]), place) if each is not None and each not in moved]
    if moved == sorted(moved):
        return order, scores
    changed = scores.copy()
    changed[first[moved]] = scores[first]
    return np.concatenate([first[moved], order[VERSIONED:]]), changed


def _best_first(scores: Scores) -> NDArray[np.int64]:
    """Return the places of the finite scores, best first, equal ones by place."""
    order = np.argsort(-scores, kind="stable")
    return order[np.isfinite(scores[order])]


def _with_proximity(
    searcher: Searcher, request: SearchRequest, candidates: Candidates, scores: Scores, alpha: float
) -> Scores:
    """Return the scores (n,) of the candidates with the proximity of the query's terms in the first chunks' texts."""
    first = _best_first(scores)[:NEAREST]
    if len(candidates.scores) < 2 or len(first) < 2 or alpha in (0, 1):
        return scores
    return add_proximity(scores, first, searcher.term_shares(request, candidates.ids[first]), alpha)


def _comparable_text(chunk: Chunk) -> str:
    """Return the text by which copies of the chunk are found; none for a figure about which nothing is said."""
    return chunk.text if chunk.start_char < chunk.end_char else ""


def _reranked(
    searcher: Searcher,
    request: SearchRequest,
    rerank: Rerank,
    candidates: Candidates,
    order: NDArray[np.int64],
    by_sight: NDArray[np.bool_] | None,
) -> tuple[Scores | None, Reranking]:
    """Return the reranker's scores of the candidates, (n,), NaN for those that it didn't score, and its report.

    It can't read pictures that were found `by_sight` (n,). The scores are None if its budget did not suffice for the
    hits that were asked for.
    """
    first = order[: max(rerank.depth, request.last)]
    if by_sight is not None:
        first = first[~by_sight[first]]
    texts = [stored.chunk.text for stored in searcher.hydrate(candidates.ids[first])]
    read = [[text] for text in texts]
    if candidates.windows is not None:
        windows = candidates.windows[first].tolist()
        snippets = searcher.excerpts(request, texts, WIDTH)
        ends = [(each.start, each.start + len(each.text)) for each in snippets]
        read = [passages(*each) for each in zip(texts, windows, ends, strict=True)]
    found = scores_within(rerank.reranker, request.parsed.semantic_text, read, request.rerank_budget)
    reranking = Reranking(len(texts), len(found), used=len(found) >= min(request.last, len(texts)))
    if not reranking.used:
        return None, reranking
    scores = np.full(len(candidates.ids), np.nan, np.float32)
    scores[first[: len(found)]] = found
    return scores, reranking


def _in_new_order(
    scores: Scores, order: NDArray[np.int64], rerank_scores: Scores, by_sight: NDArray[np.bool_] | None
) -> tuple[Scores, NDArray[np.int64]]:
    """Return the reranker's scores (n,), -inf for candidates that are left out, and the order of the others.

    The texts change places with one another. Pictures that were found `by_sight` (n,) keep their places among them: a
    cross-encoder can't read them. Each has the score of the text before it, or else of the first text.
    """
    new = np.where(np.isnan(rerank_scores), np.float32(-np.inf), rerank_scores)
    texts = _best_first(new)
    if by_sight is None or not by_sight[order].any():
        return new, texts
    if not len(texts):
        return np.where(by_sight, scores, np.float32(-np.inf)), order[by_sight[order]]
    left, last, placed = texts.tolist(), float(rerank_scores[texts[0]]), list[int]()
    for place in order.tolist():
        if by_sight[place]:
            new[place] = last
            placed.append(place)
        elif left:
            placed.append(left.pop(0))
            last = float(rerank_scores[placed[-1]])
        else:
            break
    return new, np.array(placed, np.int64)


def _choose(
    searcher: Searcher, request: SearchRequest, ids: Ids, scores: Scores, shingles_of: ShinglesOfChunks
) -> Choice:
    """Choose which of the ranked chunks to show."""
    choice = all_of(len(ids))
    if len(ids) > 1 and (request.collapse or request.diversity):
        vectors = searcher.vectors(ids)
        if request.collapse:
            choice = collapsed(vectors, lambda places: shingles_of(ids[places]))
        if request.diversity:
            choice = diversified(choice, vectors, scores, request.diversity, request.last + 1)
    return choice


def _combined(candidates: Candidates, fusion: Fusion | None, depth: int) -> Scores:
    """Return one score a candidate; -inf for one that doesn't match."""
    routes = candidates.scores
    if not routes:
        return np.full(len(candidates.ids), -np.inf, np.float32)
    if len(routes) == 1:
        ((name, scores),) = routes.items()
        return np.where(scores > 0, scores, -np.inf).astype(np.float32) if name == KEYWORD else scores
    fused = fuse(routes, fusion or Fusion(), depth, candidates.cosine_floor, candidates.rare)
    return np.where(fused > 0, fused, -np.inf).astype(np.float32)


def _first_of_each(keys: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(keys, return_index=True)
    return order[np.sort(first)]


class _StopWatch:
    """Measures the milliseconds of each step."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[name] = self._laps.get(name, 0) + (now - self._last) * 1000
        self._last = now

    def laps(self) -> Mapping[str, float]:
        return {**self._laps, "total": (time.perf_counter() - self._started) * 1000}
