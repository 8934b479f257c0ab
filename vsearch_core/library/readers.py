"""A pool of readers that many threads share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from vsearch_core.errors import InputError

if TYPE_CHECKING:
    from vsearch_core.index.snapshot import Snapshot


MAX_IDLE_READERS = 8  # open snapshots that are kept for later searches; each maps the index's files


class IndexReader:
    """A snapshot of one generation and its searcher, for one thread at a time.

    After use, a reader returns to the pool unless the pool has begun a new epoch.
    """

    def __init__(self, index: Path, epoch: int, engine_starting: Callable[[], None]) -> None:
        """Open the newest generation. `engine_starting` is called before a slow start of the compiled engine."""
        from vsearch_core.index.snapshot import open_snapshot
        from vsearch_core.search.local import LocalSearcher

        self.epoch = epoch
        self._stack = ExitStack()
        self.snapshot: Snapshot = self._stack.enter_context(open_snapshot(index))
        self.searcher = LocalSearcher(self.snapshot, engine_starting=engine_starting)

    def close(self) -> None:
        """Release the snapshot's files."""
        self._stack.close()


class ReaderPool:
    """A pool of readers of the newest known generation.

    An epoch is the time between two generations: when a newer one is known, the pool begins a new epoch and closes the
    readers of the old one after their use.
    """

    def __init__(self, index: Path, engine_starting: Callable[[], None]) -> None:
        """Create an empty pool; readers are opened when they are needed."""
        self._index = index
        self._engine_starting = engine_starting
        self._lock = Lock()
        self._epoch = 0
        self._state: tuple[str, int] | None = None  # of the catalog, as the epoch's readers see it, once one is open
        self._idle: list[IndexReader] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[IndexReader]:
        """Yield a reader, an open snapshot of the newest known generation, for the calling thread.

        Errors of SQLite and the operating system in the block become StorageError or IndexCorruptError.
        """
        from vsearch_core.store.io_errors import storage_errors

        with self._lock:
            self._refuse_closed()
            reader, epoch = self._idle.pop() if self._idle else None, self._epoch
        if reader is None:
            reader = IndexReader(self._index, epoch, self._engine_starting)
            self._adopt(reader)
        try:
            with storage_errors(self._index):
                yield reader
        finally:
            with self._lock:
                keep = reader.epoch == self._epoch and len(self._idle) < MAX_IDLE_READERS and not self._closed
                if keep:
                    self._idle.append(reader)
            if not keep:
                reader.close()

    def _adopt(self, reader: IndexReader) -> None:
        """Begin an epoch with a new reader if it sees a newer generation than the other readers."""
        state = reader.snapshot.catalog.state
        with self._lock:
            current = reader.epoch == self._epoch
            known, self._state = self._state, state if current else self._state
        if current and known not in {None, state}:
            reader.epoch = self.renew(state)

    def renew(self, state: tuple[str, int] | None = None) -> int:
        """Discard all readers, because a newer generation was committed. Return the number of the new epoch.

        Idle readers are closed now, and readers in use after their use. An epoch is the time between two such calls.
        """
        with self._lock:
            self._epoch += 1
            self._state = state
            epoch = self._epoch
            stale, self._idle = self._idle, []
        for reader in stale:
            reader.close()
        return epoch

    def refresh(self) -> bool:
        """Discard all readers if a newer generation was committed than they see. Return True if so."""
        from vsearch_core.store.catalog import Catalog
        from vsearch_core.store.io_errors import storage_errors

        self._refuse_closed()
        with storage_errors(self._index), closing(Catalog.open_to_read(self._index)) as catalog:
            state = catalog.state
        with self._lock:
            changed = self._state not in {None, state}
        if changed:
            self.renew(state)
        return changed

    def close(self) -> None:
        """Close all readers that are not in use, and the others after their use."""
        with self._lock:
            self._closed = True
        self.renew()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise InputError(str(self._index), "this Index is closed", code="index-closed")
