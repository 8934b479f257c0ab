"""The class `ServerIndex`: an index on a server, PostgreSQL or Milvus."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from vsearch_core.errors import InputError
from vsearch_core.library.embedders import Embedders
from vsearch_core.library.evaluating import Evaluating
from vsearch_core.library.options import UpdateOptions, absolute, parse_run_options
from vsearch_core.library.readers import IndexReader, ReaderPool

if TYPE_CHECKING:
    from vsearch_core.index.check import CheckReport
    from vsearch_core.index.compaction import CompactionSummary
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.removal import RemovalSummary
    from vsearch_core.index.server_snapshot import ServerSnapshot
    from vsearch_core.index.settings import IndexOptions
    from vsearch_core.index.status import Status
    from vsearch_core.index.writer import UpdateSummary
    from vsearch_core.search.engine import IndexSearcher
    from vsearch_core.search.request import SearchRequest
    from vsearch_core.search.results import Results
    from vsearch_core.search.tuned import TunedFusion
    from vsearch_core.store.server.address import ServerAddress
    from vsearch_core.store.states import FileState

LONGEST_OPEN = 60.0  # seconds of an idle transaction: while one is open, the server can't clean up any of its tables


class ServerIndex(Evaluating["ServerSnapshot"]):
    """An index on a server. `open_server_index` returns it; use it in a `with` statement, or call `close`.

    It has the searching methods of `Index`, and those that are below. Each search sees exactly one generation. A
    connection is kept for each thread that searches at once.

    Every method raises IndexNotFoundError, IndexVersionError, IndexMismatchError, IndexCorruptError or StorageError if
    it can't read the index. A method that writes raises IndexLockedError if another writer is at work.
    """

    def __init__(
        self,
        address: "ServerAddress",
        root: Path,
        requested: "IndexOptions",
        embedders: Embedders,
        observer: "Observer",
        *,
        read_examples: bool = True,
    ) -> None:
        """Create the object from the arguments that `open_server_index` prepares. Call that instead."""
        from vsearch_core.index.server_snapshot import open_server_snapshot

        folder = root / address.folder_name
        super().__init__(
            embedders,
            ReaderPool(
                Path(address.name),
                partial(open_server_snapshot, address, folder),
                self._make_searcher,
                self._read_state,
                lambda snapshot: snapshot.catalog.is_connected,
                LONGEST_OPEN,
            ),
            read_examples=read_examples,
        )
        self.address = address.name
        self.path = folder
        self._server = address
        self._requested = requested
        self._observer = observer
        self._known_root: Path | None = None

    def __repr__(self) -> str:
        """Return the class and the address, without its password."""
        return f"ServerIndex({self.address!r})"

    @property
    def root(self) -> Path:
        """The folder that stored paths start from, on the machine that indexes it."""
        if self._known_root is None:
            with self._readers.lend():
                pass
        assert self._known_root is not None
        return self._known_root

    def _make_searcher(self, snapshot: "ServerSnapshot") -> "IndexSearcher":
        from vsearch_core.search.server import ServerSearcher

        self._known_root = snapshot.root
        return ServerSearcher(snapshot)

    def _read_state(self) -> tuple[tuple[str, int], ...]:
        from vsearch_core.store.server.engines import open_catalog

        with closing(open_catalog(self._server, self.path)) as catalog:
            return (catalog.state,)

    def _has_sources(self, reader: IndexReader["ServerSnapshot"]) -> bool:
        return super()._has_sources(reader) and (reader.snapshot.root / self._server.folder_name).is_dir()

    def _search(
        self, reader: IndexReader["ServerSnapshot"], request: "SearchRequest", *, snippets: bool = False
    ) -> "Results":
        if request.fresh is not None:
            raise InputError(self.address, "`fresh` works on local indexes only", "not-on-servers")
        return super()._search(reader, request, snippets=snippets)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Make commits of the block visible to later searches, even if the block raises an exception."""
        try:
            yield
        finally:
            self._readers.renew()

    def update(self, paths: Iterable[str | Path] = (), **options: Unpack[UpdateOptions]) -> "UpdateSummary":
        """Index new and changed files, and remove deleted ones; see `Index.update`.

        Files are read and embedded on this machine, in the folder `path`, and each commit is one transaction of the
        server. Raises InputError if the documents of the index are in another folder than the parent of `path`.
        """
        from vsearch_core.index.server_writing import open_server_writer
        from vsearch_core.index.writer import update_index

        sources, run = parse_run_options(paths, options)
        if run["documents"]:
            raise InputError(self.address, "documents from stdin are kept in local indexes only", "not-on-servers")
        with self._changing(), open_server_writer(self._server, self.path) as writer:
            writer.pull()
            done = update_index(
                self.path,
                sources,
                self._requested,
                self._embedders.open,
                self._observer,
                engine=writer,
                open_images=self._embedders.images.open,
                **run,
            )
            return replace(done, index=self.address)

    def remove(self, paths: Iterable[str | Path]) -> "RemovalSummary":
        """Remove files and folders from the index; see `Index.remove`."""
        from vsearch_core.index.removal import remove_paths
        from vsearch_core.index.server_writing import open_server_writer
        from vsearch_core.store.catalog import Catalog
        from vsearch_core.store.io_errors import storage_errors

        with self._changing(), open_server_writer(self._server, self.path) as writer:
            writer.require_index()
            writer.pull()
            done = remove_paths(self.path, [absolute(path) for path in paths], self._observer)
            with storage_errors(self.path), closing(Catalog.open_to_write(self.path)) as catalog:
                writer.push(catalog)
            return replace(done, index=self.address)

    def compact(self) -> "CompactionSummary":
        """Merge the postings of all commits, drop those of removed chunks, and free unused space in the tables."""
        from vsearch_core.index.server_writing import open_server_writer

        with self._changing(), open_server_writer(self._server, self.path) as writer:
            writer.require_index()
            return writer.compact()

    def check(self, *, full: bool = False) -> "CheckReport":
        """Check the index for damage, and return a report of all faults. A full check reads every row."""
        from vsearch_core.index.server_status import check_server_index

        with self._readers.lend() as reader:
            return check_server_index(reader.snapshot, full=full)

    def status(self) -> "Status":
        """Return the number of files and chunks in the index, its settings, and its size on the server."""
        from vsearch_core.index.server_status import read_server_status

        with self._readers.lend() as reader:
            return read_server_status(reader.snapshot)

    def statuses(self) -> "tuple[Status, ...]":
        """Return the status of each index that this object searches, which is one."""
        return (self.status(),)

    def files(self) -> "Iterator[FileState]":
        """Yield each file that updates have met, sorted by path, with its state and the reason for it."""
        from vsearch_core.index.server_status import read_server_states

        with self._readers.lend() as reader:
            yield from read_server_states(reader.snapshot)

    def tuned(self) -> "TunedFusion | None":
        """Return the tuned fusion that the index was copied with, or None."""
        from vsearch_core.search.tuned import load_tuned_fusion

        with self._readers.lend() as reader:
            return load_tuned_fusion(reader.snapshot.catalog)
