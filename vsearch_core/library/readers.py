"""A pool of readers that many threads share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cache
from math import inf
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from vsearch_core.errors import InputError

if TYPE_CHECKING:
    from vsearch_core.index.snapshot import OpenSnapshot, SearchedSnapshot, Snapshot  # noqa: F401 - bases of classes
    from vsearch_core.search.engine import IndexSearcher
    from vsearch_core.search.limits import EngineBudgets

S = TypeVar("S", bound="OpenSnapshot")
L = TypeVar("L", bound="SearchedSnapshot")
State = tuple[tuple[str, int], ...]  # lineage and generation of each index

MAX_IDLE_READERS = 8  # open snapshots that are kept for later searches; each maps the index's files


class IndexReader(Generic[S]):
    """A snapshot of one generation and its searcher, for one thread at a time.

    After use, a reader returns to the pool unless the pool has begun a new epoch.
    """

    def __init__(
        self, opened: AbstractContextManager[S], epoch: int, make_searcher: "Callable[[S], IndexSearcher]"
    ) -> None:
        """Enter the context that opens a snapshot, and make a searcher over it."""
        self.epoch = epoch
        self.opened = monotonic()
        self._stack = ExitStack()
        self.snapshot: S = self._stack.enter_context(opened)
        self.searcher = make_searcher(self.snapshot)

    def close(self) -> None:
        """Release the snapshot's files."""
        self._stack.close()


class ReaderPool(Generic[S]):
    """A pool of readers of the newest known generation.

    An epoch is the time between two generations: when a newer one is known, the pool begins a new epoch and closes the
    readers of the old one after their use.
    """

    def __init__(
        self,
        label: Path,
        open_snapshot: Callable[[], AbstractContextManager[S]],
        make_searcher: "Callable[[S], IndexSearcher]",
        read_state: Callable[[], State],
        is_usable: Callable[[S], bool] = lambda _: True,
        longest_open: float = inf,
    ) -> None:
        """Create an empty pool.

        Errors name the `label`. `open_snapshot` opens a snapshot and `make_searcher` a searcher over it when a reader
        is needed. `read_state` returns the newest state of the indexes. A reader is closed instead of used again if
        `is_usable` is false for its snapshot. `refresh` closes idle readers that were opened more than `longest_open`
        seconds ago.
        """
        self._label = label
        self._open_snapshot = open_snapshot
        self._make_searcher = make_searcher
        self._read_state = read_state
        self._is_usable = is_usable
        self._longest_open = longest_open
        self._lock = Lock()
        self._epoch = 0
        self._state: State | None = None  # of the catalogs, as the epoch's readers see it, once one is open
        self._idle: list[IndexReader[S]] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[IndexReader[S]]:
        """Yield a reader, an open snapshot of the newest known generation, for the calling thread.

        Errors of SQLite and the operating system in the block become StorageError or IndexCorruptError.
        """
        from vsearch_core.store.io_errors import storage_errors

        with self._lock:
            self._refuse_closed()
            reader, epoch = self._idle.pop() if self._idle else None, self._epoch
        while reader is not None and not self._is_usable(reader.snapshot):
            reader.close()
            with self._lock:
                reader = self._idle.pop() if self._idle else None
        if reader is None:
            reader = IndexReader(self._open_snapshot(), epoch, self._make_searcher)
            self._adopt(reader)
        try:
            with storage_errors(self._label):
                yield reader
        finally:
            with self._lock:
                keep = reader.epoch == self._epoch and len(self._idle) < MAX_IDLE_READERS and not self._closed
                if keep:
                    self._idle.append(reader)
            if not keep:
                reader.close()

    def _adopt(self, reader: IndexReader[S]) -> None:
        """Begin an epoch with a new reader if it sees a newer generation than the other readers."""
        state = tuple(catalog.state for catalog in reader.snapshot.catalogs)
        with self._lock:
            current = reader.epoch == self._epoch
            known, self._state = self._state, state if current else self._state
        if current and known not in {None, state}:
            reader.epoch = self.renew(state)

    def renew(self, state: State | None = None) -> int:
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
        self._refuse_closed()
        state = self._read_state()
        with self._lock:
            changed = self._state not in {None, state}
            oldest = monotonic() - self._longest_open
            old = [reader for reader in self._idle if reader.opened < oldest]
            self._idle = [reader for reader in self._idle if reader.opened >= oldest]
        for reader in old:
            reader.close()
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
            raise InputError(str(self._label), "this Index is closed", code="index-closed")


class LocalReaders(ReaderPool[L]):
    """A pool of readers of one local index, or of several that are searched as one."""

    def __init__(
        self,
        indexes: Sequence[Path],
        open_snapshot: Callable[[], AbstractContextManager[L]],
        engine_starting: Callable[[], None],
    ) -> None:
        """Create an empty pool. `engine_starting` is called before a slow start of a compiled engine."""

        @cache
        def budgets() -> "EngineBudgets":
            """Return the budgets for starting compiled engines, which all readers share."""
            from vsearch_core.search.limits import EngineBudgets

            return EngineBudgets()

        def searcher(snapshot: L) -> "IndexSearcher":
            from vsearch_core.search.local import LocalSearcher

            return LocalSearcher(snapshot, engine_starting=engine_starting, budgets=budgets())

        label = Path(", ".join(map(str, indexes)))
        super().__init__(label, open_snapshot, searcher, lambda: _states(indexes))


def _states(indexes: Sequence[Path]) -> State:
    """Return the newest states of local indexes."""
    from vsearch_core.store.catalog import Catalog
    from vsearch_core.store.io_errors import storage_errors

    found = []
    for index in indexes:
        with storage_errors(index), closing(Catalog.open_to_read(index)) as catalog:
            found.append(catalog.state)
    return tuple(found)


class KeptReaders(LocalReaders["Snapshot"]):
    """Readers of an index that stay open when an `Index` that uses them is closed."""

    def __init__(self, index: Path, engine_starting: Callable[[], None]) -> None:
        """Create an empty pool for the index folder. `engine_starting` is called before a slow start of an engine."""
        from functools import partial

        from vsearch_core.index.snapshot import open_snapshot

        super().__init__((index,), partial(open_snapshot, index), engine_starting)

    def close(self) -> None:
        """Keep the readers open; `release` closes them."""

    def release(self) -> None:
        """Close all readers."""
        super().close()

    def start_afresh(self) -> None:
        """Answer later searches from the newest generation, and as new readers would: see `LocalSearcher`."""
        self.refresh()
        with self._lock:
            for reader in self._idle:
                reader.searcher.start_afresh()
