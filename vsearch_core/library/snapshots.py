"""Snapshots of an index on object storage: push, pull, list and follow them."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from vsearch_core.errors import IndexMismatchError, VsearchError
from vsearch_core.library.opening import index_folder

if TYPE_CHECKING:
    from vsearch_core.index.pull import Accept, PullSummary
    from vsearch_core.index.push import PushSummary
    from vsearch_core.index.settings import IndexSettings
    from vsearch_core.model import EmbedderSpec, Fingerprint
    from vsearch_core.store.object_store import ObjectStore, ObjectVersion
    from vsearch_core.store.snapshot_history import SnapshotHistory, StoredSnapshot

FOLLOW_SECONDS = 1.0  # between two looks at the store
LONGEST_WAIT = 60.0  # seconds, after looks that failed


def push_to_store(index: Path, url: str, *, force: bool) -> "PushSummary":
    """Push the index's current generation; see `Index.push`."""
    from tempfile import TemporaryDirectory

    from vsearch_core.index.push import push_index
    from vsearch_core.store.io_errors import file_errors
    from vsearch_core.store.object_store import open_object_store

    store = open_object_store(url, create=True)
    with file_errors("temporary folder"), TemporaryDirectory() as scratch:
        return push_index(index, store, Path(scratch), force=force)


def pull_index(
    url: str, path: str | Path, *, snapshot: str | int | None = None, replace: bool = False
) -> "PullSummary":
    """Create an index from a snapshot that `Index.push` wrote, or replace an index by it.

    Only what the index lacks is fetched. All of it is verified first. After an error, the former index is unchanged.
    Searches that use the former index can continue.

    Args:
        url: The store: "s3://bucket/prefix", "gs://…", "az://…" or "file:///folder".
        path: The index folder, or the folder of documents around it, as for `open_index`; it need not exist.
        snapshot: The number or tag of a snapshot; by default the current one.
        replace: Allow the replacement of an index with changes that are in no snapshot of the store.

    Raises:
        InputError: The index has such changes, and `replace` is false; or `url` is not a URL of a store.
        SnapshotError: The snapshot is missing or damaged, or the store fails.
    """
    from vsearch_core.index import pull
    from vsearch_core.store.object_store import open_object_store

    name = None if snapshot is None else str(snapshot)
    return pull.pull_index(index_folder(path), open_object_store(url), name, replace=replace)


class Snapshots:
    """The snapshots in a store. Each method reads their list anew, and raises SnapshotError if the store fails.

    A method that changes the list raises SnapshotError if another process changes it at the same time; nothing has
    changed then. A snapshot is named by its number or by a tag.
    """

    def __init__(self, url: str) -> None:
        """Open the store at a URL, as for `pull_index`. Nothing is requested yet. Raises InputError, SnapshotError."""
        from vsearch_core.store.object_store import open_object_store

        self._store = open_object_store(url)
        self.url = url

    def read(self) -> "SnapshotHistory":
        """Return the list of snapshots, with the current one's number."""
        from vsearch_core.index.snapshots import require_history

        return require_history(self._store)[0]

    def tag(self, tag: str, snapshot: str | int | None = None) -> "StoredSnapshot":
        """Give a tag to a snapshot, by default the current one, and return it. Snapshots with tags aren't pruned.

        Another snapshot with the tag loses it.
        """
        from vsearch_core.index.snapshots import tag_snapshot

        return tag_snapshot(self._store, tag, None if snapshot is None else str(snapshot))

    def remove_tag(self, tag: str) -> None:
        """Take a tag from its snapshot."""
        from vsearch_core.index.snapshots import remove_tag

        remove_tag(self._store, tag)

    def roll_back(self, snapshot: str | int) -> "StoredSnapshot":
        """Make another snapshot the current one, which later pulls get, and return it."""
        from vsearch_core.index.snapshots import roll_back

        return roll_back(self._store, str(snapshot))

    def prune(self, keep: int) -> "tuple[list[StoredSnapshot], int]":
        """Delete all snapshots but the `keep` newest, the current one, and those with tags.

        Return the deleted ones, and the number of objects that were deleted with them.
        """
        from vsearch_core.index.snapshots import prune_snapshots

        return prune_snapshots(self._store, keep)


class SnapshotFollower:
    """Keeps an index equal to the current snapshot of a store, in a thread.

    A new snapshot is fetched and verified beside the index that searches use, and replaces it by one transaction.
    Searches that run meanwhile end on the old one.
    """

    def __init__(self, url: str, index: Path, report: Callable[[str], None]) -> None:
        """Follow the store at the URL with an index that nothing else writes to. `report` gets each line of news."""
        self._stop = Event()
        self._url = url
        self._index = index
        self._report = report
        self._settings: IndexSettings | None = None  # of the index when the thread began
        self._seen: ObjectVersion | None = None  # the list of snapshots that the index is equal to
        self._thread = Thread(target=self._run, name="vsearch-follow", daemon=True)
        self._failure = ""

    @cached_property
    def _store(self) -> "ObjectStore":
        """Open the store when it is first needed: until then it may be missing."""
        from vsearch_core.store.object_store import open_object_store

        return open_object_store(self._url, should_stop=self._stop.is_set)

    def start(self) -> None:
        """Begin to look for new snapshots. Those whose vectors another embedder made are refused from now on."""
        self._settings = self._current_settings()
        self._thread.start()

    def pull(self, accept: "Accept" = lambda _: None) -> "PullSummary":
        """Get the current snapshot now. Raises the errors of `pull_index`."""
        from vsearch_core.index.pull import pull_index

        return pull_index(self._index, self._store, keep_blocks=True, accept=accept)

    def close(self) -> None:
        """End the thread. A snapshot that is being fetched is left out."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = FOLLOW_SECONDS
        while not self._stop.wait(wait):
            try:
                self._look()
                wait, self._failure = FOLLOW_SECONDS, ""
            except VsearchError as error:
                if self._stop.is_set():
                    break
                wait = min(2 * wait, LONGEST_WAIT)
                if str(error) != self._failure:  # said once
                    self._report(f"{error}; the present snapshot stays")
                self._failure = str(error)

    def _look(self) -> None:
        from vsearch_core.index.snapshots import require_history
        from vsearch_core.store.snapshot_history import CURRENT

        if self._seen is not None and self._store.is_unchanged(CURRENT, self._seen):
            return
        _, seen = require_history(self._store)
        summary = self.pull(self._refuse_other_embedder)
        self._seen = seen
        if summary.is_new:
            self._report(f"{self._url}: snapshot {summary.snapshot} is answered from now on")

    def _refuse_other_embedder(self, received: "IndexSettings") -> None:
        if self._settings is None or _embedder(received) != _embedder(self._settings):
            reason = "another embedder made the vectors of its current snapshot"
            raise IndexMismatchError(self._url, reason, "other-embedder-followed")

    def _current_settings(self) -> "IndexSettings":
        from contextlib import closing

        from vsearch_core.index.settings import IndexSettings
        from vsearch_core.store.catalog import Catalog
        from vsearch_core.store.io_errors import storage_errors

        with storage_errors(self._index), closing(Catalog.open_to_read(self._index)) as catalog:
            return IndexSettings.from_catalog(catalog)


def _embedder(settings: "IndexSettings") -> "tuple[Fingerprint, EmbedderSpec]":
    return settings.fingerprint, settings.spec
