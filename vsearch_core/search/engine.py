"""The seam between the search pipeline and the engines that find chunks, local or remote.

Filters, clauses and examples reach an engine as data, in the request. Row numbers, masks, the engine's terms and its
document frequencies stay behind the seam.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import InputError
from vsearch_core.model import TEXT
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, VECTOR, Fusion
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
    """The union of the routes' best chunks, each scored by every route that was searched; arrays are (n,).

    `ids` are in the engine's own order, which decides between equal scores. `scores` has one entry a route: cosines for
    a route over vectors, BM25 for "keyword", where 0 means no match. `file_keys` are equal for chunks of one file.
    `searched` counts the live chunks, `matched` those that pass filters and clauses. `ef_search` is the size of the
    graph search that may have missed a chunk, or None if none can be missing. `terms` are the query's, for display.
    """

    ids: Ids
    scores: Mapping[str, NDArray[np.float32]]
    file_keys: NDArray[np.int64]
    searched: int
    matched: int
    ef_search: int | None = None
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The live chunks whose files pass some filters, and the number of all live chunks."""

    ids: Ids
    searched: int

    @property
    def matched(self) -> int:
        """Return the number of selected chunks."""
        return len(self.ids)


class Searcher(Protocol):
    """An engine that finds chunks: the local index, or a remote one. One thread uses it at a time.

    Methods raise IndexCorruptError or StorageError if the index can't be read, and InputError with the code
    "unsupported" if they need a capability that the engine lacks.
    """

    @property
    def capabilities(self) -> frozenset[str]:
        """Return the names of what the engine can do, of CAPABILITIES."""

    @property
    def generation(self) -> int:
        """Return the generation of the index that all answers belong to."""

    @property
    def fusion(self) -> Fusion:
        """Return the fusion of requests that name none: the index's tuned one, or the default."""

    def prepare(self, request: SearchRequest) -> bool:
        """Do the part of a search that needs no vectors, ahead of `search`; return False if no chunk can match.

        Raises FilterError.
        """

    def search(self, request: SearchRequest, vectors: Mapping[str, Vectors], depth: int) -> Candidates:
        """Return the `depth` best chunks of each route, of those that pass the request's filters and clauses.

        `vectors` holds the query's unit vector, (dimension,), for each vector space to search; examples are already in
        it. The keyword route is searched unless the mode is "vector", with the terms that examples bring. Examples
        from the index are never candidates. Raises FilterError.
        """

    def hydrate(self, ids: Ids) -> list[StoredChunk]:
        """Return the chunks in the order of the ids."""

    def vectors(self, ids: Ids, space: str = TEXT) -> Vectors:
        """Return the chunks' unit vectors, (n, dimension), in the order of the ids."""

    def chunk_ids(self, path: str, first: int = 0, last: int | None = None) -> Ids:
        """Return a live file's chunks in order, from number `first` to `last`, inclusive; empty if there are none."""

    def select(self, filters: Filters) -> Selection:
        """Return all live chunks whose files pass the filters. Raises FilterError."""

    def excerpts(self, request: SearchRequest, texts: Sequence[str], width: int) -> list[Snippet]:
        """Return of each text the sentences that fit the query's terms best, at most `width` characters."""


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
    """Return the error about a request for a capability that an engine lacks."""
    return InputError(capability, "this index's search engine can't do that", "unsupported", capability=capability)
