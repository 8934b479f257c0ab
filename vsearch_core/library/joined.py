"""Several indexes that are searched as one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from vsearch_core.errors import IndexMismatchError, InputError
from vsearch_core.library.embedders import Embedders
from vsearch_core.library.options import FilterOptions
from vsearch_core.library.readers import IndexReader, LocalReaders
from vsearch_core.library.searching import F, Searching

if TYPE_CHECKING:
    from vsearch_core.index.joined import JoinedSnapshot
    from vsearch_core.index.named_files import FileFinder
    from vsearch_core.index.originals import Original
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.status import Status
    from vsearch_core.search.duplicates import Duplicates
    from vsearch_core.search.request import SearchRequest
    from vsearch_core.search.results import Hit, Results
    from vsearch_core.store.states import FileState


class JoinedIndexes(Searching["JoinedSnapshot"]):
    """Several indexes, searched as if one index held all their documents: equal hits and equal scores.

    `Index.join` returns it. Its methods are the searching ones of `Index`. Each hit names its index in `Hit.index`, and
    its path is as that index stores it; so do texts that are read, verified or found to be duplicates. Globs and names
    are relative to `root`; a name may also be as an index stores it, and then the first index that has it counts. The
    generation is the sum of those of the indexes. `Results.keyword_only` names the indexes whose vectors can't be
    compared.
    """

    def __init__(
        self, paths: Sequence[Path], embedders: Embedders, observer: "Observer", *, read_examples: bool = True
    ) -> None:
        """Join the indexes in the folders `paths`; `embedders` are those of the first. Call `Index.join` instead."""
        from vsearch_core.index.joined import open_joined

        readers = LocalReaders(paths, partial(open_joined, paths), observer.compiling)
        super().__init__(embedders, readers, read_examples=read_examples)
        self.paths = paths

    @property
    def root(self) -> Path:
        """The folder that the parents of all index folders have in common."""
        from vsearch_core.index.joined import common_root

        return common_root(self.paths)

    def statuses(self) -> "tuple[Status, ...]":
        """Return the status of each index, in their order; see `Index.status`."""
        from vsearch_core.index.status import read_status

        with self._readers.lend() as reader:
            return tuple(read_status(snapshot) for snapshot in reader.snapshot.snapshots)

    def status(self) -> "Status":
        """Return the status of the first index, but with the generations, files and chunks of all added up."""
        found = self.statuses()
        names = ("generation", "files", "chunks", "segments", "dead_rows", "pending_files", "pending_chunks")
        return replace(found[0], **{name: sum(getattr(each, name) for each in found) for name in names})

    def files(self) -> "Iterator[FileState]":
        """Yield each file that updates of the indexes have met, by index and path. Paths are relative to `root`."""
        from vsearch_core.index.status import read_states

        with self._readers.lend() as reader:
            for snapshot in reader.snapshot.snapshots:
                index = str(snapshot.catalog.index)
                for state in read_states(snapshot):
                    yield replace(state, path=reader.snapshot.joined_path(index, state.path))

    def duplicates(self, threshold: float = 0.8, **options: Unpack[FilterOptions]) -> "Duplicates":
        """Return groups of chunks, of any of the indexes, that are equal except for small edits.

        See `Index.duplicates`. Raises IndexMismatchError if the vectors of the indexes can't be compared.
        """
        with self._readers.lend() as reader:
            if reader.snapshot.keyword_only:
                reason = f"another embedder made its vectors than those of {self.paths[0]}"
                raise IndexMismatchError(", ".join(reader.snapshot.keyword_only), reason, "embedders-differ")
        return super().duplicates(threshold, **options)

    def _reread(self, index: str | None, paths: Sequence[str], deadline: float) -> "Mapping[str, str]":
        from vsearch_core.library.freshness import reread_until

        with self._readers.lend() as reader:
            keyword_only = reader.snapshot.keyword_only
        if index is None or index in keyword_only:
            return dict.fromkeys(paths, "another embedder made the vectors of its index")
        try:
            return reread_until(deadline, Path(index), paths, self._embedders.open_for)
        finally:
            self._readers.renew()

    def _finder(self, reader: "IndexReader[JoinedSnapshot]") -> "FileFinder":
        from vsearch_core.index.sources import documents_folder

        roots = (folder for path in self.paths for folder in (path.parent, documents_folder(path)))
        return replace(super()._finder(reader), more_roots=tuple(roots))

    def _original(self, reader: "IndexReader[JoinedSnapshot]", path: str) -> "Original":
        from vsearch_core.index.originals import find_original

        index = reader.snapshot.index_of(path)
        if index is None:
            raise InputError(path, "is not in the index", "not-indexed")
        catalog = next(each for each in reader.snapshot.catalogs if str(each.index) == index)
        return find_original(Path(index), catalog, reader.snapshot.own_path(index, path))

    def _placed(self, reader: "IndexReader[JoinedSnapshot]", found: F) -> F:
        index = found.index or reader.snapshot.index_of(found.path)
        return replace(found, path=reader.snapshot.own_path(index, found.path), index=index)

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
