"""Watch the files of an index, and update the index when they change.

File-system events only say when to run an update. An update finds all changes itself, so a needless event costs an
update that changes nothing, and a lost event is made up for by the next update.
"""

import os
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from vsearch_core.errors import ArgumentError, VsearchError
from vsearch_core.index.sources import Source, catalog_sources, is_within
from vsearch_core.index.writer import UpdateSummary
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.text.discover import Reach

if TYPE_CHECKING:
    from watchfiles.main import FileChange

TICK = 0.25  # seconds between two looks at what has changed
STEP_MS = 100  # milliseconds between two looks of watchfiles at events

# Names of files that editors and office programs make for a moment. They cause no run, but a run indexes them like any
# other file.
TRANSIENT_NAME = re.compile(r"4913|#.*#|.*~|~\$.*|.*\.tmp", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WatchSchedule:
    """Times, in seconds, that decide when the next update runs.

    After a change, an update runs when nothing has changed for `settle`, or `max_delay` after the first change. It
    waits until the duration of the last update times `cooldown_factor` has passed, so that a folder that always changes
    doesn't occupy the machine. Without a change, an update runs after `rescan_every`, in case an event was lost, or
    after `poll_every` if there are no file-system events; but not before the duration of the last update times
    `rescan_factor` has passed. After an error, the pause is `retry_after`, and doubles with each further error up to
    `max_retry_after`.
    """

    settle: float = 0.5
    max_delay: float = 5.0
    cooldown_factor: float = 1.0
    rescan_every: float = 600.0
    poll_every: float = 10.0
    rescan_factor: float = 20.0
    retry_after: float = 2.0
    max_retry_after: float = 60.0

    def pause(self, failures: int) -> float:
        """Return the pause, in seconds, after this number of failed updates in a row (at least one)."""
        return min(self.retry_after * 2.0 ** min(failures - 1, 30), self.max_retry_after)


@dataclass(frozen=True, slots=True)
class NextRun:
    """The time of the next update, in seconds from now.

    It starts after `not_before`, and even without a change after `at_latest`. `pending` is True if something has
    changed already.
    """

    not_before: float = 0.0
    at_latest: float = 0.0
    pending: bool = False


@dataclass(frozen=True, slots=True)
class WatchStarted:
    """Reports that this number of `folders` is now watched for changes.

    If an `obstacle` prevents file-system events, updates run at regular intervals instead.
    """

    folders: int
    obstacle: str | None


@dataclass(frozen=True, slots=True)
class UpdateFailed:
    """Reports that an update ended with an error. It is tried again after `pause` seconds."""

    error: VsearchError
    pause: float


def require_watchfiles() -> None:
    """Raise ArgumentError if the package watchfiles is not installed."""
    if find_spec("watchfiles") is None:
        raise ArgumentError("watch", "the package watchfiles isn't installed", "package-missing", extra="watch")


def watch_index(
    index: Path,
    update: Callable[[], UpdateSummary],
    should_stop: Callable[[], bool],
    schedule: WatchSchedule = WatchSchedule(),
) -> Generator[WatchStarted | UpdateSummary | UpdateFailed, None, None]:
    """Call `update` at once, and whenever files may have changed, until `should_stop()` returns True.

    Yield WatchStarted when watching begins or the folders have changed, the summary of each update, and UpdateFailed
    for an error, after which the update is tried again. Raises ArgumentError if the package watchfiles is not
    installed.
    """
    require_watchfiles()
    watcher, tree, failures = Watcher(should_stop), WatchedTree(index, ()), 0
    next_run = NextRun()
    try:
        while is_due(watcher.ticks(tree), next_run, schedule, time.monotonic):
            began = time.monotonic()
            try:
                if watcher.is_stale:  # before the run, so that changes during the run are seen
                    tree = WatchedTree(index, known_sources(index))
                    yield watcher.start(tree)
                summary = update()
                yield summary
                if summary.interrupted:
                    return
                watched, tree = tree.folders, WatchedTree(index, known_sources(index))
            except VsearchError as error:
                failures += 1
                next_run = NextRun(not_before=schedule.pause(failures), pending=True)
                yield UpdateFailed(error, next_run.not_before)
                continue
            failures, took = 0, time.monotonic() - began
            interval = schedule.poll_every if watcher.obstacle else schedule.rescan_every
            at_latest = max(interval, schedule.rescan_factor * took)
            is_pending = watcher.is_stale or tree.folders != watched
            next_run = NextRun(schedule.cooldown_factor * took, at_latest, is_pending)
            watcher.is_stale = is_pending or watcher.obstacle is not None
    finally:
        watcher.close()


def is_due(ticks: Iterable[bool], next_run: NextRun, schedule: WatchSchedule, clock: Callable[[], float]) -> bool:
    """Wait until an update is due, and return True. Return False if `ticks` ends before that.

    `ticks` yields a value at short intervals: True if something has changed since the last one. `clock` returns the
    time in seconds.
    """
    began = clock()
    first = last = began if next_run.pending else None
    for changed in ticks:
        now = clock()
        if changed:
            first, last = now if first is None else first, now
        if now - began < next_run.not_before:
            continue
        if first is None or last is None:
            if now - began >= next_run.at_latest:
                return True
        elif now - last >= schedule.settle or now - first >= schedule.max_delay:
            return True
    return False


def known_sources(index: Path) -> tuple[Source, ...]:
    """Return the sources in the index's catalog. Raises IndexStateError."""
    with storage_errors(index), closing(Catalog.open_to_read(index)) as catalog:
        return tuple(catalog_sources(index.parent, catalog))


class WatchedTree:
    """The folders that an update walks (`folders`), and a test for paths that it may index (`concerns`)."""

    def __init__(self, index: Path, sources: Iterable[Source]) -> None:
        """Walk the sources to find their folders. The index folder is left out."""
        self._index = [str(index)]
        inner_first = sorted(sources, key=lambda source: len(str(source.path)), reverse=True)
        self._reaches = {
            str(source.path): Reach(source.path, source.options) if source.options and source.path.exists() else None
            for source in inner_first
        }
        walked = frozenset[str]().union(*(reach.folders for reach in self._reaches.values() if reach))
        self.folders = frozenset(folder for folder in walked if not is_within(folder, self._index))

    def concerns(self, path: str) -> bool:
        """Return True if a change at the absolute path may change the result of an update."""
        if TRANSIENT_NAME.fullmatch(os.path.basename(path)) or is_within(path, self._index):  # noqa: PTH119 - many paths
            return False
        for source, reach in self._reaches.items():
            if is_within(path, [source]):  # the innermost source's options decide
                return reach is not None and reach.may_take(path)
        return False

    def identities(self) -> list[tuple[int, int] | None]:
        """Return the device and inode of each source, or None for a source that doesn't exist.

        If they change, a source was created or replaced, for which there may be no file-system event.
        """
        return [_identity(source) for source in self._reaches]


def _identity(path: str) -> tuple[int, int] | None:
    try:
        info = os.stat(path)  # noqa: PTH116 - a string already
    except OSError:
        return None
    return info.st_dev, info.st_ino


class Watcher:
    """Watches the folders of a tree for changes.

    Each folder is watched individually. A recursive watch would follow links out of the tree, and use up the system's
    watches on folders that no update enters. `is_stale` is True if the folders have changed: events may be missed until
    `start` is called again. `obstacle` is the reason if there are no file-system events, else None.
    """

    def __init__(self, stop: Callable[[], bool]) -> None:
        """Create a watcher that doesn't watch anything yet. It ends when `stop()` returns True."""
        self._stop = stop
        self._changes: Generator[set[FileChange], None, None] | None = None
        self._identities: list[tuple[int, int] | None] = []
        self.is_stale = True
        self.obstacle: str | None = None

    def start(self, tree: WatchedTree) -> WatchStarted:
        """Watch the folders of the tree, and stop watching other folders. Return a report of it."""
        from watchfiles import watch

        self.close()
        self.is_stale, self.obstacle, self._identities = False, None, tree.identities()
        if not tree.folders:
            return WatchStarted(0, None)
        self._changes = watch(
            *sorted(tree.folders),
            watch_filter=None,
            debounce=int(TICK * 1000),
            step=STEP_MS,
            rust_timeout=int(TICK * 1000),
            yield_on_timeout=True,
            stop_event=SimpleNamespace(is_set=self._stop),
            recursive=False,
            ignore_permission_denied=False,  # true hides that the system's watches are used up
        )
        try:
            next(self._changes, None)  # it begins to watch at the first call
        except FileNotFoundError:
            self.is_stale, self._changes = True, None  # a folder was deleted since it was found
        except (OSError, RuntimeError) as error:
            self.obstacle, self._changes = str(error).partition(" about ")[0].rstrip("."), None
        return WatchStarted(len(tree.folders), self.obstacle)

    def ticks(self, tree: WatchedTree) -> Iterator[bool]:
        """Yield a value every TICK seconds, until `stop()` returns True.

        The value is True if a change since the last one concerns the tree.
        """
        while not self._stop():
            paths = self._changed()
            identities = tree.identities()
            is_changed = paths is None or identities != self._identities or not paths.isdisjoint(tree.folders)
            self._identities = identities
            self.is_stale |= is_changed
            yield is_changed or any(map(tree.concerns, paths or ()))

    def _changed(self) -> set[str] | None:
        """Return the paths that changed within a tick, or None if they are unknown."""
        if self._changes is None:
            time.sleep(TICK)
            return set()
        try:
            return {path for _, path in next(self._changes, ())}
        except (OSError, RuntimeError):  # such as a name that is not UTF-8, which watchfiles can't report
            self._changes = None
            return None

    def close(self) -> None:
        """Stop watching."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None
