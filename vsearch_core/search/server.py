"""The search engine for an index on a server: a `Searcher` over one snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core import config
from vsearch_core.ann import flat
from vsearch_core.embed.late_windows import code_type
from vsearch_core.index.pictures import ImageModel, load_image_model, load_picture_scale, load_picture_vectors
from vsearch_core.index.server_snapshot import ServerSnapshot
from vsearch_core.lexical.analyzer import WEAK
from vsearch_core.lexical.bm25 import idf, query_weights
from vsearch_core.lexical.query import ParsedQuery
from vsearch_core.model import PICTURES, TEXT
from vsearch_core.search.confidence import Evidence, VectorScale, calibration_for, is_calibrated
from vsearch_core.search.engine import (
    CAPABILITIES,
    CLAUSES,
    Candidates,
    Ids,
    Selection,
    Vectors,
    unsupported,
    with_textless,
)
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, LISTED, LOWEST_COSINE, VECTOR, Fusion, cosine_floor
from vsearch_core.search.limits import DEFAULT_LIMITS, SearchLimits, most_text_bytes
from vsearch_core.search.pictures import FIRST_FIGURE, PictureRoute
from vsearch_core.search.proximity import shares_of_texts
from vsearch_core.search.query_terms import QueryTerms
from vsearch_core.search.rarity import RareWord, rare_words
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.rocchio import REPEATS
from vsearch_core.search.server_keywords import RankedKeywords, ServerKeywords, ServerVocabulary, is_among
from vsearch_core.search.snippets import WIDTH, Snippet, best_snippet
from vsearch_core.search.tuned import fusion_of
from vsearch_core.search.vector_scale import load_measured_scale
from vsearch_core.search.vectors import score_windows
from vsearch_core.search.versions import NewerVersions
from vsearch_core.store.catalog import StoredChunk
from vsearch_core.store.server.reading import ChunkVectors

if TYPE_CHECKING:
    from vsearch_core.search.server_clauses import ServerClauses

FLOOR_CHUNKS = 256  # whose cosines with one another are measured
EXACT_ROWS = 4096  # up to as many allowed chunks, all their vectors are compared
_NEAR_TIES = 32  # more chunks than wanted are scored again, since the server rounds
_FILTERS_KEPT = 8


@dataclass(frozen=True, slots=True)
class _ServerPlan:
    """A request as this snapshot answers it.

    `allowed` are the ids of the chunks that may be candidates, ascending, or None for all: of the `matched` ones all
    but the examples. The terms are as in the plans of `LocalSearcher`.
    """

    allowed: Ids | None
    matched: int
    terms: tuple[str, ...]
    keyword_terms: tuple[str, ...] | None
    rare_words: tuple[RareWord, ...] = ()


class ServerSearcher:
    """A Searcher over one snapshot of an index on a server. Only one thread may use it at a time.

    The server finds the nearest vectors and returns postings, texts and vectors of few chunks. Scores are computed
    here, by the functions that score a local index. Ids are those of the server, and stay the same in later
    generations.
    """

    def __init__(self, snapshot: ServerSnapshot, *, limits: SearchLimits = DEFAULT_LIMITS) -> None:
        """Search the snapshot, for as long as it is open."""
        self._snapshot = snapshot
        self._catalog = snapshot.catalog
        self._limits = limits
        self._vocabulary = ServerVocabulary(snapshot)
        keywords = RankedKeywords if snapshot.catalog.ranks_terms else ServerKeywords
        self._keywords = keywords(snapshot, self._vocabulary)
        self._query_terms = QueryTerms(self._vocabulary, snapshot.languages, snapshot.settings.query_analysis)
        self._filtered: dict[Filters, Ids] = {}
        self._latest_plan: tuple[object, _ServerPlan] | None = None
        self._latest_weights: tuple[ParsedQuery, Mapping[str, float]] | None = None
        self._latest_vectors = ChunkVectors(np.empty(0, np.int64), np.empty((0, 0), np.int16))

    @property
    def capabilities(self) -> frozenset[str]:
        """Return all capabilities, but for those that need terms if the server can't store them."""
        return CAPABILITIES if self._catalog.has_keywords else CAPABILITIES - {KEYWORD, CLAUSES}

    @property
    def generation(self) -> int:
        """Return the snapshot's generation."""
        return self._snapshot.generation

    @property
    def _searched(self) -> int:
        """The number of live chunks."""
        return self._snapshot.rows - len(self._catalog.removed_chunks)

    @cached_property
    def fusion(self) -> Fusion:
        """Return the fusion that tuning stored in the index, or else the default. Raises IndexCorruptError."""
        return fusion_of(self._snapshot.catalogs)

    def prepare(self, request: SearchRequest) -> bool:
        """Evaluate filters and clauses. Return False if no chunk can match."""
        return self._plan(request).matched > 0

    def search(self, request: SearchRequest, vectors: Mapping[str, Vectors], depth: int) -> Candidates:
        """Return the `depth` best chunks of each route as candidates. Raises StorageError and IndexCorruptError."""
        plan = self._plan(request)
        for space in vectors.keys() - {TEXT}:
            if space != PICTURES or self.image_model is None:
                raise unsupported(f"vector space {space}")
        vector, shown = vectors.get(TEXT), vectors.get(PICTURES)
        nearest, ef_search = ChunkVectors(np.empty(0, np.int64), np.empty((0, 0), np.int16)), None
        chosen = [np.empty(0, np.int64)]
        if vector is not None:
            nearest, ef_search = self._nearest(request, plan, vector, depth)
            chosen.append(nearest.ids)
        if plan.keyword_terms is not None:
            self._keywords.drop_defined(self._limits.prefixes)
            for term in plan.keyword_terms:
                if term.endswith("*"):
                    self._clauses.define_prefix(term)
            chosen.append(self._keywords.best(plan.keyword_terms, plan.allowed, depth))
        textless, searched, matched = np.empty(0, np.int64), self._searched, plan.matched
        if shown is not None:
            everything = self._all_chunks
            mask = np.ones(len(everything), np.bool_) if plan.allowed is None else is_among(everything, plan.allowed)
            examples = () if request.feedback is None else self._chunk_files[is_among(everything, request.feedback.ids)]
            allowed = self._pictures.allowed_figures(request, self._matching_files, np.array(examples, np.int64))
            rows, textless = self._pictures.best(shown, mask, allowed, depth)
            chosen.append(everything[rows])
            searched, matched = searched + len(allowed), matched + int(allowed.sum())
        only_listed = request.parsed.only_excludes and vector is None
        if only_listed:
            chosen.append((self._all_chunks if plan.allowed is None else plan.allowed)[:depth])
        ids = np.array(sorted({*np.concatenate(chosen).tolist()}), np.int64)
        facts = self._catalog.window_codes(ids.tolist())
        scores, windows = {}, None
        if vector is not None:
            self._know_vectors(ids, nearest)
            with_windows = request.feedback is None and self._snapshot.has_windows
            codes = [facts[number][1] for number in ids.tolist()] if with_windows else None
            scores[VECTOR], windows = self._vector_scores(vector, ids, codes)
        if only_listed:
            scores[LISTED] = np.ones(len(ids), np.float32)
        elif plan.keyword_terms is not None:
            keyword = self._keywords.scores_at(plan.keyword_terms, ids)
            scores[KEYWORD] = keyword if request.feedback is None else keyword / np.float32(REPEATS)
        both = len(scores) > 1
        pictures = None
        if shown is not None:
            pictures = self._pictures.scores(shown, np.concatenate([np.searchsorted(self._all_chunks, ids), textless]))
        candidates = Candidates(
            ids,
            scores,
            np.array([facts[number][0] for number in ids.tolist()], np.int64),
            searched,
            matched,
            ef_search,
            plan.terms,
            windows,
            Evidence(
                calibration_for(self._snapshot.settings.fingerprint, self._scale),
                self._keywords.limit(plan.keyword_terms or ()),
            ),
            self._cosine_floor if both else LOWEST_COSINE,
            self._weigh_rare_words(plan.rare_words, ids) if both and plan.rare_words else None,
            pictures=pictures,
        )
        return with_textless(candidates, *self._pictures.textless_candidates(textless)) if len(textless) else candidates

    @cached_property
    def image_model(self) -> ImageModel | None:
        """Return the image model of the index, or None if there is none. Raises IndexCorruptError."""
        return load_image_model(self._catalog)

    @cached_property
    def _pictures(self) -> PictureRoute:
        assert self.image_model is not None
        known = load_picture_vectors(self._catalog.listing(), self.image_model)
        scale = load_picture_scale(self._catalog)
        ids = self._all_chunks
        return PictureRoute(known, np.arange(len(ids)), self._chunk_files, ids, scale)

    @cached_property
    def _chunk_files(self) -> Ids:
        """The file of each of all chunks."""
        files = self._catalog.files
        ids = np.concatenate([np.empty(0, np.int64), np.repeat(files.ids, files.counts)])
        firsts = np.repeat(files.first_chunks - (np.cumsum(files.counts) - files.counts), files.counts)
        return ids[np.argsort(firsts + np.arange(len(ids)), kind="stable")]

    def _nearest(
        self, request: SearchRequest, plan: _ServerPlan, vector: Vectors, depth: int
    ) -> tuple[ChunkVectors, int | None]:
        """Return the chunks nearest to the vector, and the `ef_search` of the graph if it was searched."""
        allowed = plan.allowed
        possible = self._searched if allowed is None else len(allowed)
        wanted = min(depth, possible)
        if not wanted:
            return ChunkVectors(np.empty(0, np.int64), np.empty((0, len(vector)), np.int16)), None
        among = None if allowed is None else allowed.tolist()
        requested = request.ef_search or self._catalog.default_ef_search
        ef_search = min(max(requested, config.CANDIDATES), self._catalog.most_ef_search)
        deep = depth > config.CANDIDATES and 2 * depth > ef_search  # hardly more candidates than hits miss too many
        if self._snapshot.has_graph and not request.exact and not deep and possible > EXACT_ROWS:
            found = self._catalog.nearest_by_graph(vector, depth + _NEAR_TIES, ef_search, among)
            if len(found.ids) >= wanted:
                return _best_of(found, vector, depth), ef_search
            # pgvector stops at `hnsw.max_scan_tuples`: then all vectors that pass the filter are compared
        count = depth + _NEAR_TIES
        if self._catalog.compares_vectors(count):
            return _best_of(self._catalog.nearest(vector, count, among), vector, depth), None
        found = ChunkVectors(np.empty(0, np.int64), np.empty((0, len(vector)), np.int16))
        for block in self._catalog.vector_blocks(self._all_chunks.tolist() if among is None else among):
            ids, vectors = np.concatenate([found.ids, block.ids]), np.concatenate([found.vectors, block.vectors])
            found = _best_of(ChunkVectors(ids, vectors), vector, depth)
        return found, None

    def _vector_scores(
        self, vector: Vectors, ids: Ids, codes: Sequence[bytes | None] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
        """Return the chunks' scores by vectors, (n,), and their best windows (n, 2), or None if none are compared."""
        cosines = flat.scores_of_rows(self._fixed(ids, len(vector)), vector)
        if codes is None:
            return cosines, None
        width = code_type(len(vector)).itemsize
        joined = np.frombuffer(b"".join(each or b"" for each in codes), np.uint8)
        counts = np.array([len(each or b"") // width for each in codes], np.int64)
        if len(joined) != int(counts.sum()) * width:
            raise self._catalog.damaged("its late windows are damaged")
        scores, spans = score_windows(joined.reshape(-1, width), counts, vector, cosines)
        return scores, spans

    def _know_vectors(self, ids: Ids, nearest: ChunkVectors) -> None:
        """Read the vectors of the chunks but for those of the nearest, which are here. Their ids are ascending."""
        missing = ids[~is_among(ids, np.sort(nearest.ids))]
        read = self._catalog.vectors_of(missing.tolist()) if len(missing) else nearest
        both = np.concatenate([nearest.ids, read.ids]) if len(missing) else nearest.ids
        vectors = np.concatenate([nearest.vectors, read.vectors]) if len(missing) and len(nearest.ids) else read.vectors
        order = np.argsort(both, kind="stable")
        self._latest_vectors = ChunkVectors(both[order], vectors[order])

    def _fixed(self, ids: Ids, dimension: int) -> NDArray[np.int16]:
        """Return the fixed-point vectors of chunks, (n, dimension). Raises IndexCorruptError if one is missing."""
        if not len(ids):
            return np.empty((0, dimension), np.int16)
        known = self._latest_vectors
        if not is_among(ids, known.ids).all():
            known = self._catalog.vectors_of(dict.fromkeys(ids.tolist()))
            if not is_among(ids, known.ids).all():
                raise self._catalog.damaged("a chunk has no vector")
        found: NDArray[np.int16] = known.vectors[np.searchsorted(known.ids, ids)]
        return found

    def _weigh_rare_words(self, words: Sequence[RareWord], ids: Ids) -> NDArray[np.float32]:
        """Return the sum of the weights of the rare words that each of the chunks has; ids are ascending."""
        weights = np.zeros(len(ids), np.float32)
        for word in words:
            having = [self._keywords.have(term, ids) for term in word.terms]
            weights[np.logical_and.reduce(having)] += np.float32(word.weight)
        return weights

    @cached_property
    def _scale(self) -> VectorScale | None:
        measured = load_measured_scale(self._catalog)
        return None if measured is None else measured.scale

    @cached_property
    def _cosine_floor(self) -> float:
        """Return the cosine that counts as nothing: see `LocalSearcher`."""
        if is_calibrated(self._snapshot.settings.fingerprint) or not self._searched:
            return LOWEST_COSINE
        vectors = flat.from_fixed(self._catalog.sampled_vectors(FLOOR_CHUNKS))
        cosines: NDArray[np.float32] = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
        return cosine_floor(cosines)

    def select(self, filters: Filters) -> Selection:
        """Return the live chunks whose files pass the filters, by id. Raises FilterError."""
        return Selection(self._filter(filters) if filters else self._all_chunks, self._searched)

    def hydrate(self, ids: Ids) -> list[StoredChunk]:
        """Return the chunks with these ids, in order. Raises IndexCorruptError if one is missing."""
        has_text = ids < FIRST_FIGURE
        try:
            most_bytes = most_text_bytes(len(ids), self._snapshot.settings.chunk_words)
            found = self._catalog.stored_chunks(ids[has_text].tolist(), most_bytes)
            if has_text.all():
                return found
            known = dict(zip(ids[has_text].tolist(), found, strict=True))
            known |= self._pictures.textless_chunks(ids[~has_text], self._catalog.facts_of_files)
            return [known[number] for number in ids.tolist()]
        except KeyError as error:
            raise self._catalog.damaged(f"it lacks chunk {error}") from None

    def vectors(self, ids: Ids, space: str = TEXT) -> Vectors:
        """Return the chunks' unit vectors, (n, dimension), in the order of the ids; zeros for a figure without text."""
        has_text = ids < FIRST_FIGURE
        if not has_text.all():
            return flat.with_zeros(has_text, self.vectors(ids[has_text], space))
        if space == PICTURES and self.image_model is not None:
            return self._pictures.stored(np.searchsorted(self._all_chunks, ids))
        if space != TEXT:
            raise unsupported(f"vector space {space}")
        return flat.from_fixed(self._fixed(ids, self._snapshot.settings.fingerprint.dimension))

    def chunk_ids(self, path: str, first: int = 0, last: int | None = None) -> Ids:
        """Return the ids of a file's chunks, in order."""
        return np.array([number for number, _ in self._catalog.chunk_numbers(path, first, last)], np.int64)

    def newest_version(self, path: str) -> str | None:
        """Return the path of the newest version of a file, or None if there is no newer one."""
        return self._newer_versions.newest_of(path)

    @cached_property
    def _newer_versions(self) -> NewerVersions:
        def texts(path: str, count: int) -> list[str]:
            return [stored.chunk.text for stored in self.hydrate(self.chunk_ids(path, 0, count - 1))]

        return NewerVersions(self._catalog, texts)

    def chunks_sharing_words(self, text: str, most: int, *, all_words: bool = False) -> Ids:
        """Return the chunks whose words in common with a text have the highest sum of idf, best first.

        See `IndexSearcher`.
        """
        if not self._catalog.has_keywords:
            raise unsupported(KEYWORD)
        if all_words:
            return self._clauses.may_have(text, self._all_chunks)[:most]
        ids = self._all_chunks
        scores = np.zeros(len(ids), np.float32)
        groups = {frozenset(group): group for group in self._clauses.groups(text)}.values()
        for group in groups:
            having = is_among(ids, self._keywords.chunks_with_any(group))
            scores[having] += np.float32(idf(self._snapshot.rows, int(having.sum())) or 1.0)
        files = self._catalog.files
        ends = np.zeros(len(ids), np.bool_)
        ends[np.cumsum(files.counts)[files.counts > 0] - 1] = True  # files are in the order of their chunks
        both = scores.copy()
        both[:-1] += np.where(ends[:-1], np.float32(0), scores[1:])
        return ids[flat.top_k(both, both > 0 if groups else None, most)]

    def start_afresh(self) -> None:
        """Answer the next request as a new searcher would: a filter may name the present time."""
        self._filtered.clear()
        self._latest_plan = None

    def excerpts(self, request: SearchRequest, texts: Sequence[str], width: int = WIDTH) -> list[Snippet]:
        """Return the sentences of each text that match the query's terms best. Rare terms count most."""
        weights = self._term_weights(request)
        return [best_snippet(text, weights, self._snapshot.settings.query_analysis, width) for text in texts]

    def term_shares(self, request: SearchRequest, ids: Ids) -> NDArray[np.float32]:
        """Return (n, 2), for each chunk the shares of the query's terms in its best windows and in all of its text."""
        return shares_of_texts(
            self._term_weights(request), len(ids), lambda: [each.chunk.text for each in self.hydrate(ids)]
        )

    def _term_weights(self, request: SearchRequest) -> Mapping[str, float]:
        """Return the idf of the query's terms."""
        if self._latest_weights is None or self._latest_weights[0] != request.parsed:
            terms = self._plan(request).terms
            frequencies = self._keywords.document_frequencies(terms)
            self._latest_weights = request.parsed, query_weights(terms, frequencies, self._snapshot.rows)
        return self._latest_weights[1]

    def _terms(self, parsed: ParsedQuery) -> list[str]:
        found = self._snapshot.settings.query_analysis.query_terms(parsed, self._snapshot.languages)
        bare = [term.removesuffix(WEAK) for term in found]
        self._vocabulary.document_frequencies([*found, *bare, *(term + WEAK for term in bare)])  # all in one request
        return self._query_terms.of_query(parsed)

    def _plan(self, request: SearchRequest) -> _ServerPlan:
        """Return the request's plan; `prepare` and deeper searches for one request share it."""
        key = (request.filters, request.parsed, request.feedback, request.mode)
        if self._latest_plan is None or self._latest_plan[0] != key:
            self._latest_plan = key, self._new_plan(request)
        return self._latest_plan[1]

    def _new_plan(self, request: SearchRequest) -> _ServerPlan:
        parsed, feedback = request.parsed, request.feedback
        allowed = self._filter(request.filters) if request.filters else None
        if parsed.required or parsed.excluded:
            allowed = self._clauses.apply(self._all_chunks if allowed is None else allowed, parsed)
        matched = self._searched if allowed is None else len(allowed)
        terms = self._terms(parsed)
        keyword_terms = None if request.mode == "vector" else terms
        if feedback is not None:
            if keyword_terms is not None:
                frequencies = self._keywords.document_frequencies
                keyword_terms = feedback.terms(terms, self._query_terms.of_text, frequencies, self._searched)
            others = self._all_chunks if allowed is None else allowed
            allowed = others[~is_among(others, np.sort(feedback.ids))]
        rare: Sequence[RareWord] = ()
        if request.mode == "hybrid" and feedback is None:
            rare = self._rare_words(parsed, terms)
        searched = None if keyword_terms is None else tuple(keyword_terms)
        return _ServerPlan(allowed, matched, tuple(terms), searched, tuple(rare))

    def _rare_words(self, parsed: ParsedQuery, terms: Sequence[str]) -> list[RareWord]:
        """Return the query's rare words, given all of its terms."""
        searched = set(terms)
        return rare_words(
            parsed.words.split(),
            lambda word: [term for term in dict.fromkeys(self._query_terms.of_text(word)) if term in searched],
            lambda term: self._keywords.document_frequencies([term])[0],
            self._snapshot.rows,
        )

    def _filter(self, filters: Filters) -> Ids:
        """Return the chunks whose files pass the filters, ascending."""
        if filters not in self._filtered:
            mask = np.isin(self._chunk_files, self._matching_files(filters))
            if filters.images is not None and self.image_model is not None:
                mask = self._pictures.with_figures(mask, filters, self._matching_files, self._chunk_files)
            while len(self._filtered) >= _FILTERS_KEPT:
                del self._filtered[next(iter(self._filtered))]
            self._filtered[filters] = self._all_chunks[mask]
        return self._filtered[filters]

    def _matching_files(self, filters: Filters) -> Ids:
        """Return the ids of the files that pass the filters, ascending. Raises FilterError."""
        self._catalog.refuse_damaged_files(self._searched)
        return self._catalog.matching_files(filters.conditions(self._limits.filter_seconds))

    @cached_property
    def _all_chunks(self) -> Ids:
        return self._catalog.files.chunk_ids()

    @cached_property
    def _clauses(self) -> "ServerClauses":
        from vsearch_core.search.server_clauses import ServerClauses  # few queries have clauses

        return ServerClauses(self._snapshot, self._keywords)


def _best_of(found: ChunkVectors, vector: Vectors, count: int) -> ChunkVectors:
    """Return the `count` nearest of the chunks, equal ones by id."""
    order = np.argsort(found.ids, kind="stable")
    ids, vectors = found.ids[order], found.vectors[order]
    best = flat.top_k(flat.scores_of_rows(vectors, vector), None, count)
    return ChunkVectors(ids[best], vectors[best])
