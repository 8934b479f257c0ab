"""The search engine for the local index: a `Searcher` over one snapshot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import top_k, with_zeros
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.pictures import ImageModel
from vsearch_core.index.rows import RowMap
from vsearch_core.index.snapshot import SearchedSnapshot
from vsearch_core.lexical.bm25 import idf, query_weights
from vsearch_core.lexical.query import ParsedQuery
from vsearch_core.lexical.vocabulary import PostingsVocabulary
from vsearch_core.model import PICTURES, TEXT, InterimModels
from vsearch_core.search.confidence import Evidence, VectorScale, calibration_for, is_calibrated
from vsearch_core.search.engine import CAPABILITIES, Candidates, Ids, Selection, Vectors, unsupported, with_textless
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, LISTED, LOWEST_COSINE, VECTOR, Fusion, cosine_floor
from vsearch_core.search.keywords import KeywordRoute
from vsearch_core.search.limits import DEFAULT_LIMITS, EngineBudget, EngineBudgets, SearchLimits, most_text_bytes
from vsearch_core.search.pictures import FIRST_FIGURE, PictureRoute
from vsearch_core.search.proximity import shares_of_texts
from vsearch_core.search.query_terms import QueryTerms
from vsearch_core.search.rarity import RareWord, rare_words
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.rocchio import REPEATS, RelevanceFeedback
from vsearch_core.search.snippets import WIDTH, Snippet, best_snippet
from vsearch_core.search.tuned import fusion_of
from vsearch_core.search.vector_scale import load_measured_scale
from vsearch_core.search.vectors import NearestChunks, VectorRoute, VectorSearchOptions, do_nothing
from vsearch_core.search.versions import NewerVersions
from vsearch_core.store.catalog import StoredChunk
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.segment import BLOCK_BYTES

if TYPE_CHECKING:
    from vsearch_core.search.clauses import Clauses

_FLOOR_ROWS = 256  # rows whose cosines with one another are measured
_FILTERS_KEPT = 8  # masks of the latest filters, a byte a row each

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request as this snapshot answers it.

    `mask` (rows,) has the rows that may be candidates: of the `matched` ones all but the examples. `terms` are the
    query's; `keyword_terms` are those to search for, with the examples' where there are any, or None in mode "vector".
    `rare_words` are the query's rare words.
    """

    mask: Mask
    matched: int
    terms: tuple[str, ...]
    keyword_terms: tuple[str, ...] | None
    rare_words: tuple[RareWord, ...] = ()


class LocalSearcher:
    """A Searcher over one snapshot of the local index, or of several indexes. Only one thread may use it at a time.

    It keeps caches of limited size between requests. Its ids are chunk ids of the index, which stay the same in later
    generations. `engine_starting` is called, from another thread, if starting a compiled engine takes over a second.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        snapshot: SearchedSnapshot,
        *,
        engine_starting: Callable[[], object] = do_nothing,
        limits: SearchLimits = DEFAULT_LIMITS,
        budgets: EngineBudgets | None = None,
    ) -> None:
        """Search the snapshot, for as long as it is open. `budgets` may be shared with other searchers."""
        self._budgets = budgets or EngineBudgets(limits)
        self._snapshot = snapshot
        self._limits = limits
        self._row_map = RowMap(len(segment.chunk_ids) for segment in snapshot.segments)
        self._alive = self._row_map.join([segment.alive for segment in snapshot.segments], np.bool_)
        self._searched = int(self._alive.sum())
        segments = snapshot.segments[: snapshot.vector_segments]
        self._vectors = VectorRoute(segments, limits, engine_starting, self._budgets.vectors)
        self._vector_rows = int(self._row_map.starts[snapshot.vector_segments])  # those after them can't be compared
        self._keywords = KeywordRoute(snapshot.segments, limits, engine_starting, self._budgets.keywords)
        parts = [segment.postings for segment in snapshot.segments]
        vocabulary = PostingsVocabulary(parts, self._keywords.collection.document_frequency)
        self._query_terms = QueryTerms(vocabulary, snapshot.languages, snapshot.settings.query_analysis)
        self._filter_masks: dict[Filters, Mask] = {}
        self._latest_plan: tuple[object, _Plan] | None = None
        self._latest_weights: tuple[ParsedQuery, Mapping[str, float]] | None = None
        self._latest_chunks: dict[int, StoredChunk] = {}  # whose terms were looked for last: most become hits
        self._latest_rows = _no_rows(), _no_rows()  # of the ids given out last: (ids ascending, rows)
        self._vectors_verified = False
        self._verification = EngineBudget(self._vectors.bytes)

    @property
    def generation(self) -> int:
        """Return the snapshot's generation."""
        return self._snapshot.generation

    def start_afresh(self) -> None:
        """Answer the next request as a new searcher would.

        A searcher changes from scans to its compiled engines after many requests, which may find other rows, and keeps
        the masks of filters, whose SQL may name the present time. What doesn't change answers stays in memory.
        """
        self._budgets.reset()
        self._filter_masks.clear()
        self._latest_plan = None

    @cached_property
    def fusion(self) -> Fusion:
        """Return the fusion that tuning stored in the index, or else the default. Raises IndexCorruptError."""
        with storage_errors(self._snapshot.catalog.index):
            return fusion_of(self._snapshot.catalogs)

    def prepare(self, request: SearchRequest) -> bool:
        """Evaluate filters and clauses, and verify the vectors unless the mode is "keyword".

        Return False if no vector can match: no chunk passes, or none of these has a vector.
        """
        matched = bool(self._plan(request).mask[: self._vector_rows].any())
        if matched and request.mode != "keyword":
            self.verify_vectors()
        return matched

    @property
    def _coverage(self) -> float:
        """Return the share of the live chunks that have a vector to compare with a query's; 1 if there are none."""
        return float(self._alive[: self._vector_rows].sum() / self._searched) if self._searched else 1.0

    def verify_vectors(self) -> None:
        """Verify the checksums of all vectors, unless done before (0.3 ms a MB). Raises IndexCorruptError."""
        if not self._vectors_verified:
            with self._corruption_errors():
                self._vectors.verify()
            self._vectors_verified = True

    def search(self, request: SearchRequest, vectors: Mapping[str, Vectors], depth: int) -> Candidates:
        """Return the `depth` best chunks of each route as candidates. Raises IndexCorruptError."""
        plan = self._plan(request)
        for space in vectors.keys() - {TEXT}:
            if space != PICTURES or self.image_model is None:
                raise unsupported(f"vector space {space}")
        with self._corruption_errors():
            return self._search(request, plan, vectors.get(TEXT), vectors.get(PICTURES), depth)

    def _search(
        self, request: SearchRequest, plan: _Plan, vector: Vectors | None, shown: Vectors | None, depth: int
    ) -> Candidates:
        nearest = NearestChunks(np.empty(0, np.int64))
        chosen = np.zeros(self._row_map.rows, np.bool_)
        if vector is not None:
            self.verify_vectors()
            options = VectorSearchOptions(request.exact, request.ef_search, request.nprobe)
            nearest = self._vectors.best(vector, plan.mask[: self._vector_rows], depth, options)
            chosen[nearest.rows] = True
        if plan.keyword_terms is not None:
            self._keywords.collection.drop_defined(self._limits.prefixes)
            for term in plan.keyword_terms:
                if term.endswith("*"):
                    self._clauses.define_prefix(term)
            chosen[self._keywords.best(plan.keyword_terms, plan.mask, depth)] = True
        textless, searched, matched = _no_rows(), self._searched, plan.matched
        if shown is not None:
            examples = () if request.feedback is None else self._file_ids[self._rows(request.feedback.ids)]
            allowed = self._pictures.allowed_figures(request, self._matching_files, np.array(examples, np.int64))
            nearest_rows, textless = self._pictures.best(shown, plan.mask, allowed, depth)
            chosen[nearest_rows] = True
            searched, matched = searched + len(allowed), matched + int(allowed.sum())
        if request.parsed.only_excludes and vector is None:
            matching = np.flatnonzero(plan.mask)
            chosen[matching[np.argsort(self._chunk_ids[matching], kind="stable")[:depth]]] = True
        rows = np.flatnonzero(chosen)  # np.unique would import numpy.ma, 7 ms
        scores, windows = {}, None
        if vector is not None:
            scores[VECTOR], windows = self._vector_scores(vector, rows, with_windows=request.feedback is None)
        if request.parsed.only_excludes and vector is None:
            scores[LISTED] = np.ones(len(rows), np.float32)
        elif plan.keyword_terms is not None:
            keyword = self._keywords.collection.scores_at(plan.keyword_terms, rows)
            scores[KEYWORD] = keyword if request.feedback is None else keyword / np.float32(REPEATS)
        ids, file_keys = np.empty_like(rows), np.empty_like(rows)
        for number, places, own in self._row_map.split_sorted(rows):
            ids[places] = self._snapshot.segments[number].chunk_ids[own]
            file_keys[places] = self._snapshot.segments[number].file_ids[own]
        self._note_rows(ids, rows)
        order = self._order(ids, file_keys)
        pictures = None if shown is None else self._pictures.scores(shown, np.concatenate([rows[order], textless]))
        candidates = Candidates(
            ids[order],
            {name: values[order] for name, values in scores.items()},
            file_keys[order],
            searched,
            matched,
            nearest.ef_search,
            plan.terms,
            None if windows is None else windows[order],
            Evidence(
                calibration_for(self._snapshot.settings.fingerprint, self._scale),
                self._keywords.collection.limit(plan.keyword_terms or ()),
            ),
            self._cosine_floor if len(scores) > 1 else LOWEST_COSINE,
            self._weigh_rare_words(plan.rare_words, rows)[order] if len(scores) > 1 and plan.rare_words else None,
            nearest.nprobe,
            nearest.list_kinds,
            self._coverage,
            pictures,
            self._are_coded(rows)[order] if vector is not None and self._vectors.has_codes else None,
            self._interim if request.mode != "keyword" else None,
        )
        return with_textless(candidates, *self._pictures.textless_candidates(textless)) if len(textless) else candidates

    @cached_property
    def _interim(self) -> InterimModels | None:
        settings = self._snapshot.settings
        return None if settings.coming is None else InterimModels(settings.fingerprint.model, settings.coming.model)

    @cached_property
    def image_model(self) -> ImageModel | None:
        """Return the image model of the index, or of the first one that has any. Raises IndexCorruptError."""
        with storage_errors(self._snapshot.catalog.index):
            return self._snapshot.image_model

    @cached_property
    def _pictures(self) -> PictureRoute:
        assert self.image_model is not None
        with storage_errors(self._snapshot.catalog.index):
            known, scale = self._snapshot.pictures(self.image_model)
        return PictureRoute(known, np.flatnonzero(self._alive), self._file_ids, self._chunk_ids, scale)

    def _vector_scores(
        self, vector: Vectors, rows: Rows, *, with_windows: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
        """Return the rows' scores by vectors, (n,), and their best windows (n, 2), or None if none were compared.

        Rows that have no vector, or one that another embedder made, have the score NaN.
        """
        scores = np.full(len(rows), np.nan, np.float32)
        count = int(np.searchsorted(rows, self._vector_rows))
        scores[:count] = self._vectors.cosines(vector, rows[:count])
        if not with_windows or not self._vectors.has_windows:
            return scores, None
        spans = np.full((len(rows), 2), -1, np.int64)
        windows = self._vectors.windows(vector, rows[:count], scores[:count])
        scores[:count], spans[:count] = windows.scores, windows.spans
        return scores, spans

    def _are_coded(self, rows: Rows) -> Mask:
        """Return True for each of the rows, ascending, whose vector score is an estimate."""
        coded = np.zeros(len(rows), np.bool_)
        count = int(np.searchsorted(rows, self._vector_rows))
        coded[:count] = self._vectors.are_coded(rows[:count])
        return coded

    def _order(self, ids: Ids, file_keys: NDArray[np.int64]) -> Rows | slice:
        """Return the order of candidates, which decides between equal scores.

        The ids of an index are given out in the order of the paths, unlike its rows, which a run may embed in another
        order. The chunks of several indexes are put into the same order.
        """
        if len(self._snapshot.catalogs) == 1:
            return np.argsort(ids, kind="stable")
        with storage_errors(self._snapshot.catalog.index):
            paths = self._snapshot.catalog.paths_of_files(dict.fromkeys(file_keys.tolist()))
        places = [(paths[key], number) for key, number in zip(file_keys.tolist(), ids.tolist(), strict=True)]
        return np.array(sorted(range(len(ids)), key=places.__getitem__), np.int64)

    def _weigh_rare_words(self, words: Sequence[RareWord], rows: Rows) -> NDArray[np.float32]:
        """Return the sum of the weights of the rare words that each of the rows has; `rows` are ascending."""
        weights = np.zeros(len(rows), np.float32)
        for word in words:
            having = [self._keywords.collection.scores_at([term], rows) > 0 for term in word.terms]
            weights[np.logical_and.reduce(having)] += np.float32(word.weight)
        return weights

    @cached_property
    def _scale(self) -> VectorScale | None:
        with storage_errors(self._snapshot.catalog.index):
            measured = load_measured_scale(self._snapshot.catalogs[0])
        return None if measured is None else measured.scale

    @cached_property
    def _cosine_floor(self) -> float:
        """Return the cosine that counts as nothing: measured on a sample, or the lowest one for the default model.

        The default model's calibration was measured with that.
        """
        if is_calibrated(self._snapshot.settings.fingerprint) or not self._searched:
            return LOWEST_COSINE
        return cosine_floor(self.sampled_cosines())

    def sampled_vectors(self) -> Vectors:
        """Return the vectors of a sample of live chunks, (n, dimension)."""
        return self._vectors.sample(np.flatnonzero(self._alive[: self._vector_rows]), _FLOOR_ROWS)

    def sampled_cosines(self) -> NDArray[np.float32]:
        """Return the cosines of all pairs of a sample of live chunks with vectors, (pairs,)."""
        vectors = self.sampled_vectors()
        cosines: NDArray[np.float32] = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
        return cosines

    def select(self, filters: Filters) -> Selection:
        """Return the live chunks whose files pass the filters, in the order of their rows. Raises FilterError."""
        rows = np.flatnonzero(self._filter_mask(filters))
        ids = self._chunk_ids[rows]
        self._note_rows(ids, rows)
        return Selection(ids, self._searched)

    def hydrate(self, ids: Ids) -> list[StoredChunk]:
        """Return the chunks with these ids, in order. Raises IndexCorruptError if the catalog lacks one."""
        catalog, known = self._snapshot.catalog, self._latest_chunks
        textless = ids[ids >= FIRST_FIGURE]
        try:
            with storage_errors(catalog.index):
                if len(textless):
                    known = {**known, **self._pictures.textless_chunks(textless, catalog.facts_of_files)}
                missing = [chunk_id for chunk_id in ids.tolist() if chunk_id not in known]
                most_bytes = most_text_bytes(len(missing), self._snapshot.settings.chunk_words)
                read = dict(zip(missing, catalog.stored_chunks(missing, most_bytes), strict=True))
            return [known[chunk_id] if chunk_id in known else read[chunk_id] for chunk_id in ids.tolist()]
        except KeyError as error:
            raise self._damaged(f"its catalog lacks chunk {error}") from None

    def vectors(self, ids: Ids, space: str = TEXT) -> Vectors:
        """Return the chunks' unit vectors, (n, dimension), in the order of the ids. Raises IndexCorruptError.

        A chunk that has no vector, or one that another embedder made, in another index, has zeros. So have figures
        about which nothing is said.
        """
        has_text = ids < FIRST_FIGURE
        if not has_text.all():
            return with_zeros(has_text, self.vectors(ids[has_text], space))
        if space == PICTURES and self.image_model is not None:
            return self._pictures.stored(self._rows(ids))
        if space != TEXT:
            raise unsupported(f"vector space {space}")
        rows = self._rows(ids)
        if not self._vectors_verified and self._verification.should_start(len(ids) * BLOCK_BYTES):
            self.verify_vectors()  # many rows are read: block by block would take longer
        comparable = rows < self._vector_rows
        with self._corruption_errors():
            stored = self._vectors.stored(rows[comparable], verify=not self._vectors_verified)
        return with_zeros(comparable, stored)

    def chunk_ids(self, path: str, first: int = 0, last: int | None = None) -> Ids:
        """Return the ids of a file's chunks. Raises IndexCorruptError if they aren't numbered consecutively."""
        with storage_errors(self._snapshot.catalog.index):
            found = self._snapshot.catalog.chunk_numbers(path, first, last)
        if [number for _, number in found] != list(range(first, first + len(found))):
            raise self._damaged(f"its chunks of {path} are not in order")
        return np.array([chunk_id for chunk_id, _ in found], np.int64)

    def newest_version(self, path: str) -> str | None:
        """Return the path of the newest version of a file, or None if there is no newer one."""
        with storage_errors(self._snapshot.catalog.index):
            return self._newer_versions.newest_of(path)

    @cached_property
    def _newer_versions(self) -> NewerVersions:
        def texts(path: str, count: int) -> list[str]:
            return [stored.chunk.text for stored in self.hydrate(self.chunk_ids(path, 0, count - 1))]

        return NewerVersions(self._snapshot.catalog, texts)

    def chunks_sharing_words(self, text: str, most: int, *, all_words: bool = False) -> Ids:
        """Return the chunks whose words in common with a text have the highest sum of idf, best first.

        A chunk counts with the next one of its file, since a text may cross their border. With `all_words`, return the
        chunks that alone hold all words of the text, in any inflection. Function words are ignored.
        """
        with self._corruption_errors():
            if all_words:
                return self._chunk_ids[np.flatnonzero(self._clauses.may_have(text, self._alive))[:most]]
            groups = {frozenset(group): group for group in self._clauses.groups(text)}.values()
            scores = np.zeros(self._row_map.rows, np.float32)
            for group in groups:
                having = self._keywords.rows_with_any(group)
                scores[having] += np.float32(idf(self._row_map.rows, int(having.sum())) or 1.0)
        files = self._file_ids
        both = scores.copy()
        both[:-1] += np.where(files[:-1] == files[1:], scores[1:], np.float32(0))
        return self._chunk_ids[top_k(both, self._alive & (both > 0) if groups else self._alive, most)]

    def excerpts(self, request: SearchRequest, texts: Sequence[str], width: int = WIDTH) -> list[Snippet]:
        """Return the sentences of each text that match the query's terms best. Rare terms count most."""
        weights = self._term_weights(request)
        return [best_snippet(text, weights, self._snapshot.settings.query_analysis, width) for text in texts]

    def term_shares(self, request: SearchRequest, ids: Ids) -> NDArray[np.float32]:
        """Return (n, 2), for each chunk the shares of the query's terms in its best windows and in all of its text."""

        def texts() -> list[str]:
            chunks = self.hydrate(ids)
            self._latest_chunks = dict(zip(ids.tolist(), chunks, strict=True))
            return [each.chunk.text for each in chunks]

        return shares_of_texts(self._term_weights(request), len(ids), texts)

    def _term_weights(self, request: SearchRequest) -> Mapping[str, float]:
        """Return the idf of the query's terms."""
        if self._latest_weights is None or self._latest_weights[0] != request.parsed:
            terms = self._plan(request).terms
            with self._corruption_errors():
                frequencies = self._keywords.document_frequencies(terms)
            rows = self._keywords.collection.counted_rows
            self._latest_weights = request.parsed, query_weights(terms, frequencies, rows)
        return self._latest_weights[1]

    def _terms(self, parsed: ParsedQuery) -> list[str]:
        with self._corruption_errors():
            return self._query_terms.of_query(parsed)

    def _plan(self, request: SearchRequest) -> _Plan:
        """Return the request's plan; `prepare` and deeper searches for one request share it."""
        key = (request.filters, request.parsed, request.feedback, request.mode)
        if self._latest_plan is None or self._latest_plan[0] != key:
            self._latest_plan = key, self._new_plan(request)
        return self._latest_plan[1]

    def _new_plan(self, request: SearchRequest) -> _Plan:
        mask = self._filter_mask(request.filters)
        parsed, feedback = request.parsed, request.feedback
        if parsed.required or parsed.excluded:
            with self._corruption_errors():
                mask = self._clauses.apply(mask, parsed)
        matched = self._searched if mask is self._alive else int(mask.sum())
        terms = self._terms(parsed)
        keyword_terms = None if request.mode == "vector" else terms
        if feedback is not None:
            if keyword_terms is not None:
                keyword_terms = self._expanded(terms, feedback)
            mask = mask.copy()
            mask[self._rows(feedback.ids)] = False
        rare = self._rare_words(parsed, terms) if request.mode == "hybrid" and feedback is None else []
        searched = None if keyword_terms is None else tuple(keyword_terms)
        return _Plan(mask, matched, tuple(terms), searched, tuple(rare))

    def _rare_words(self, parsed: ParsedQuery, terms: Sequence[str]) -> list[RareWord]:
        """Return the query's rare words, given all of its terms."""
        searched = set(terms)
        with self._corruption_errors():
            return rare_words(
                parsed.words.split(),
                lambda word: [term for term in dict.fromkeys(self._query_terms.of_text(word)) if term in searched],
                lambda term: self._keywords.document_frequencies([term])[0],
                self._keywords.collection.counted_rows,
            )

    def _expanded(self, terms: Sequence[str], feedback: RelevanceFeedback) -> list[str]:
        """Return the query's terms with the examples', repeated by weight."""
        with self._corruption_errors():
            frequencies = self._keywords.document_frequencies
            return feedback.terms(terms, self._query_terms.of_text, frequencies, self._searched)

    def _filter_mask(self, filters: Filters) -> Mask:
        """Return a mask of the live rows whose files pass the filters."""
        if not filters:
            return self._alive
        if filters not in self._filter_masks:
            mask = self._alive & np.isin(self._file_ids, self._matching_files(filters))
            if filters.images is not None and self.image_model is not None:
                mask = self._alive & self._pictures.with_figures(mask, filters, self._matching_files, self._file_ids)
            while len(self._filter_masks) >= _FILTERS_KEPT:
                del self._filter_masks[next(iter(self._filter_masks))]
            self._filter_masks[filters] = mask
        return self._filter_masks[filters]

    def _matching_files(self, filters: Filters) -> Ids:
        """Return the ids of the live files that pass the filters, ascending."""
        with storage_errors(self._snapshot.catalog.index):
            self._snapshot.catalog.refuse_damaged_files(self._searched)
            return self._snapshot.catalog.matching_files(filters.conditions(self._limits.filter_seconds))

    def _note_rows(self, ids: Ids, rows: Rows) -> None:
        """Remember the rows of ids that are given out: their vectors are likely to be read next."""
        order = np.argsort(ids, kind="stable")
        self._latest_rows = ids[order], rows[order]

    def _rows(self, ids: Ids) -> Rows:
        """Return the live rows of chunks, in the order given. Raises IndexCorruptError for a chunk that has none."""
        if not len(ids):
            return _no_rows()
        found = _looked_up(*self._latest_rows, ids)
        if found is None:
            found = _looked_up(*self._rows_by_id, ids)
        if found is None:
            raise self._damaged("a chunk of its catalog is in no segment")
        return found

    @cached_property
    def _rows_by_id(self) -> tuple[Ids, Rows]:
        """Return all live chunk ids, ascending, and their rows."""
        rows = np.flatnonzero(self._alive)
        ids = self._chunk_ids[rows]
        order = np.argsort(ids, kind="stable")
        return ids[order], rows[order]

    @cached_property
    def _chunk_ids(self) -> Ids:
        return self._row_map.join([segment.chunk_ids for segment in self._snapshot.segments], np.int64)

    @cached_property
    def _file_ids(self) -> Ids:
        return self._row_map.join([segment.file_ids for segment in self._snapshot.segments], np.int64)

    @cached_property
    def _clauses(self) -> "Clauses":
        from vsearch_core.search.clauses import Clauses  # its patterns take milliseconds, and few queries have clauses

        return Clauses(self._snapshot, self._keywords, self._chunk_ids, self._alive)

    @contextmanager
    def _corruption_errors(self) -> Iterator[None]:
        """Raise IndexCorruptError for arrays that are damaged or contradict one another."""
        try:
            yield
        except (IndexError, ValueError) as error:
            raise self._damaged(f"its arrays are damaged or contradict one another ({error})") from error

    def _damaged(self, reason: str) -> IndexCorruptError:
        return IndexCorruptError(str(self._snapshot.catalog.index), reason)


def _looked_up(known: Ids, rows: Rows, ids: Ids) -> Rows | None:
    """Return the rows of ids among the `known`, ascending ones; None if one of them is not known."""
    if not len(known):
        return None
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return rows[places] if bool((known[places] == ids).all()) else None


def _no_rows() -> Rows:
    return np.empty(0, np.int64)
