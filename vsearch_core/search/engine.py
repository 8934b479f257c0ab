"""The interface between the search pipeline and the engines that find chunks, local or remote.

The pipeline passes filters, clauses and examples to an engine as data, in the request. An engine never exposes its row
numbers, masks, postings or document frequencies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import InputError
from vsearch_core.index.pictures import ImageModel
from vsearch_core.model import TEXT, InterimModels
from vsearch_core.search.confidence import Evidence
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, LOWEST_COSINE, VECTOR, Fusion
from vsearch_core.search.pictures import PictureScores
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.snippets import Snippet
from vsearch_core.store.catalog import StoredChunk

# Capabilities. Each engine names those it has; the two routes are capabilities, too.
FILTERS = "filters"  # conditions on a chunk's file
CLAUSES = "clauses"  # "phrases", +required, -excluded, prefix*
FEEDBACK = "feedback"  # examples to be like or unlike
VECTORS = "vectors"  # stored vectors can be read: near-duplicates, diversity, examples from the index
CONTEXT = "context"  # a file's chunks can be listed
CAPABILITIES = frozenset({VECTOR, KEYWORD, FILTERS, CLAUSES, FEEDBACK, VECTORS, CONTEXT})

Ids = NDArray[np.int64]  # of chunks; opaque: only the engine that gave them knows their meaning
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The chunks that may become hits: the best of each route, scored by all routes. Arrays are (n,).

    `ids` are in the engine's own order, which decides between equal scores. `scores` has the scores of each route by
    its name: cosines for vector routes, or with late windows a mean of two cosines (`ann.windows`); BM25 for
    "keyword" (0 means no match). Chunks of one file have equal `file_keys`. `searched` is the number of live
    chunks, and of other figures if pictures are searched, `matched` the number of those that pass the filters and
    clauses. If a graph search may have missed a chunk, `ef_search` is its number of candidates, and if a search of
    inverted lists may have, `nprobe` is the number of lists; otherwise they are None. `list_kinds` names the lists
    of such searches: "ivf" has sketches, and "pq" has PQ codes. `terms` are the query's terms, for display.
    `windows` (n, 2) is the first character of each chunk's best late window in the chunk's text, and the one after
    its last; -1 for a chunk without windows, and None if no windows were compared. `evidence` is what confidences
    are computed from. `cosine_floor` is the cosine that counts as nothing in fusion. `rare` (n,) is the weight of
    the query's rare words that each chunk has (`search.rarity`), or None if there are none. `coverage` is the share
    of the live chunks, from 0 to 1, whose vectors can be compared with the query's. `pictures` are the scores by
    what pictures show, or None if these were not searched; some candidates then may be figures in documents about
    which nothing is said, instead of chunks. `coded` (n,) is True for chunks of which the index keeps a code
    instead of a vector, so that their cosines are estimates; None if it has all vectors.
    `interim` names the models of interim vectors; it is None if there are none.
    """

    ids: Ids
    scores: Mapping[str, NDArray[np.float32]]
    file_keys: NDArray[np.int64]
    searched: int
    matched: int
    ef_search: int | None = None
    terms: tuple[str, ...] = ()
    windows: NDArray[np.int64] | None = None
    evidence: Evidence = Evidence()  # noqa: RUF009 - frozen
    cosine_floor: float = LOWEST_COSINE
    rare: NDArray[np.float32] | None = None
    nprobe: int | None = None
    list_kinds: tuple[str, ...] = ()
    coverage: float = 1.0
    pictures: PictureScores | None = None
    coded: NDArray[np.bool_] | None = None
    interim: InterimModels | None = None

    @property
    def exact(self) -> bool:
        """Return True if no search may have missed a chunk."""
        return self.ef_search is None and self.nprobe is None and self.coded is None


def with_textless(found: Candidates, ids: Ids, file_keys: NDArray[np.int64]) -> Candidates:
    """Return the candidates with figures about which nothing is said: no route but that of pictures scores them.

    `found.pictures` must have the scores of both already, those of the figures last.
    """
    more = len(ids)
    unknown = np.full(more, np.nan, np.float32)
    none = np.zeros(more, np.float32)
    scores = {
        name: np.concatenate([values, none if name == KEYWORD else unknown]) for name, values in found.scores.items()
    }
    return replace(
        found,
        ids=np.concatenate([found.ids, ids]),
        scores=scores,
        file_keys=np.concatenate([found.file_keys, file_keys]),
        windows=None if found.windows is None else np.concatenate([found.windows, np.full((more, 2), -1, np.int64)]),
        rare=None if found.rare is None else np.concatenate([found.rare, none]),
        coded=None if found.coded is None else np.concatenate([found.coded, np.zeros(more, np.bool_)]),
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """The ids of the live chunks whose files pass the filters, and the number of all live chunks (`searched`)."""

    ids: Ids
    searched: int

    @property
    def matched(self) -> int:
        """Return the number of chunks that pass the filters."""
        return len(self.ids)


class Searcher(Protocol):
    """An engine that finds chunks, such as the local index. Only one thread may use it at a time.

    Methods raise IndexCorruptError or StorageError if the index can't be read, and InputError with the code
    "unsupported" if they need a capability that the engine lacks.
    """

    @property
    def capabilities(self) -> frozenset[str]:
        """Return the names of the features that the engine supports: a subset of CAPABILITIES, such as "clauses"."""

    @property
    def generation(self) -> int:
        """Return the number of the index's committed state (its generation) that all answers come from."""

    @property
    def fusion(self) -> Fusion:
        """Return the fusion for requests that don't specify one: the index's tuned fusion, or the default."""

    @property
    def image_model(self) -> ImageModel | None:
        """Return the image model whose vector space PICTURES can be searched, or None if there is none."""
        return None

    def prepare(self, request: SearchRequest) -> bool:
        """Evaluate the request's filters and clauses before `search`. Return False if no vector can match.

        The caller then needn't embed the query: no chunk passes, or none of these has a vector. Raises FilterError.
        """

    def search(self, request: SearchRequest, vectors: Mapping[str, Vectors], depth: int) -> Candidates:
        """Return the `depth` best chunks of each route that pass the request's filters and clauses.

        `vectors` has one unit vector, (dimension,), for each vector space to search. The caller has already moved it
        towards or away from the request's examples. The keyword route is searched unless the mode is "vector", and adds
        terms from the examples. Examples from the index are never returned. Raises FilterError.
        """

    def hydrate(self, ids: Ids) -> list[StoredChunk]:
        """Return the chunks with their texts and files, in the order of the ids."""

    def vectors(self, ids: Ids, space: str = TEXT) -> Vectors:
        """Return the chunks' unit vectors, (n, dimension), in the order of the ids."""

    def chunk_ids(self, path: str, first: int = 0, last: int | None = None) -> Ids:
        """Return the ids of a file's chunks in order, from number `first` to `last` (inclusive; None: the end).

        The result is empty if the index has no such file.
        """

    def select(self, filters: Filters) -> Selection:
        """Return the live chunks whose files pass the filters. Raises FilterError."""

    def newest_version(self, path: str) -> str | None:
        """Return the path of the newest version of a live file; None if there is no newer one, or nothing tells."""
        return None

    def term_shares(self, request: SearchRequest, ids: Ids) -> NDArray[np.float32]:
        """Return (n, 2), for each chunk the shares of the query's terms in its best windows and in all of its text.

        They are those of `search.proximity`. An engine that doesn't know them returns zeros.
        """
        return np.zeros((len(ids), 2), np.float32)

    def excerpts(self, request: SearchRequest, texts: Sequence[str], width: int) -> list[Snippet]:
        """Return, for each text, the sentences that match the query's terms best, at most `width` characters."""


class IndexSearcher(Searcher, Protocol):
    """A Searcher over a whole index, which also looks for quotes, and may be kept for a long time."""

    def chunks_sharing_words(self, text: str, most: int, *, all_words: bool = False) -> Ids:
        """Return the chunks whose words in common with a text have the highest sum of idf, best first.

        A chunk counts with the next one of its file, since a text may cross their border. With `all_words`, return the
        chunks that alone hold all words of the text, in any inflection. Function words are ignored.
        """

    def start_afresh(self) -> None:
        """Answer the next request as a new searcher would."""


def required_capabilities(request: SearchRequest) -> frozenset[str]:
    """Return the capabilities that an engine needs to answer the request."""
    parsed = request.parsed
    clauses = bool(parsed.required or parsed.excluded or parsed.prefixes)
    needs = {
        VECTOR: request.mode != "keyword",
        KEYWORD: request.mode != "vector",
        FILTERS: bool(request.filters),
        CLAUSES: clauses,
        FEEDBACK: request.feedback is not None,
        VECTORS: request.collapse or request.diversity > 0,
        CONTEXT: request.context > 0,
    }
    return frozenset(name for name, needed in needs.items() if needed)


def refuse_unsupported(searcher: Searcher, needed: frozenset[str]) -> None:
    """Raise InputError with the code "unsupported" if the engine lacks one of the capabilities."""
    for capability in sorted(needed - searcher.capabilities):
        raise unsupported(capability)


def unsupported(capability: str) -> InputError:
    """Return the error to raise if an engine lacks a capability that a request needs."""
    return InputError(capability, "this index's search engine can't do that", "unsupported", capability=capability)
