"""Several indexes that are searched as one."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.library.embedders import Embedders
from vsearch_core.library.readers import IndexReader, ReaderPool
from vsearch_core.library.searching import Searching

if TYPE_CHECKING:
    from vsearch_core.index.joined import JoinedSnapshot
    from vsearch_core.index.progress import Observer
    from vsearch_core.search.request import SearchRequest
    from vsearch_core.search.results import Hit, Results


class JoinedIndexes(Searching["JoinedSnapshot"]):
    """Several indexes, searched as if one index held all their documents: equal hits and equal scores.

    `Index.join` returns it. Its methods are the searching ones of `Index`. Each hit names its index in `Hit.index`, and
    its path is as that index stores it. Globs and the names of examples are relative to `root`. The generation is the
    sum of those of the indexes. `Results.keyword_only` names the indexes whose vectors can't be compared.
    """

    def __init__(self, paths: Sequence[Path], embedders: Embedders, observer: "Observer") -> None:
        """Join the indexes in the folders `paths`; `embedders` are those of the first. Call `Index.join` instead."""
        from vsearch_core.index.joined import open_joined

        super().__init__(embedders, ReaderPool(paths, partial(open_joined, paths), observer.compiling))
        self.paths = paths

    @property
    def root(self) -> Path:
        """The folder that the parents of all index folders have in common."""
        from vsearch_core.index.joined import common_root

        return common_root(self.paths)

    def _search(
        self, reader: "IndexReader[JoinedSnapshot]", request: "SearchRequest", *, snippets: bool = False
    ) -> "Results":
        results = super()._search(reader, request, snippets=snippets)
        hits = tuple(_as_stored(reader.snapshot, hit) for hit in results.hits)
        return replace(results, hits=hits, keyword_only=reader.snapshot.keyword_only)


def _as_stored(snapshot: "JoinedSnapshot", hit: "Hit") -> "Hit":
    """Return a hit with paths as the indexes store them; the path of a newer version in another index is absolute."""
    alike = tuple(replace(each, path=snapshot.own_path(each.index, each.path)) for each in hit.alike)
    newer = None if hit.newer is None else snapshot.path_seen_from(hit.index, hit.newer)
    return replace(hit, path=snapshot.own_path(hit.index, hit.path), alike=alike, newer=newer)
