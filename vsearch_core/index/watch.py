"""When to bring an index up to date again: watches what it was made of, and says when something may have changed.

The run itself is the truth: it walks and compares. Events only say when, so that one too many costs a run that changes
nothing, and one that was lost is made up for by the next run.
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

from vsearch_core.errors import InputError, VsearchError
from vsearch_core.index.sources import Source, is_within, source_from_json
from vsearch_core.index.writer import UpdateSummary
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.text.discover import Reach

if TYPE_CHECKING:
    from watchfiles.main import FileChange

TICK = 0.25  # seconds: so often it is asked whether to stop or to run
STEP_MS = 100  # so often watchfiles looks whether events have come

# Names that editors and office programs give what is there for a moment only. They cause no run, but a run takes them
# as it takes any file.
PASSING = re.compile(r"4913|#.*#|.*~|~\$.*|.*\.tmp", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WatchSchedule:
    """When a run is due, in seconds; `rest` and `share` are in lengths of the last run.

    A run begins once nothing has changed for `quiet`, at the latest after `patience`; but not before the last one's
    length times `rest` has passed, so that a folder which changes for ever costs a share of the time. Without any
    change it begins after `net`, in case an event was lost, or after `look` where none are to be had, and after `share`
    at the earliest. After errors the pause doubles from `retry` to `retry_at_most`.
    """

    quiet: float = 0.5
    patience: float = 5.0
    rest: float = 1.0
    net: float = 600.0
    look: float = 10.0
    share: float = 20.0
    retry: float = 2.0
    retry_at_most: float = 60.0

    def pause(self, failures: int) -> float:
        """How long to wait after so many errors in a row, at least one."""
        return min(self.retry * 2.0 ** min(failures - 1, 30), self.retry_at_most)


@dataclass(frozen=True, slots=True)
class NextRun:
    """What the next run waits for, in seconds from now: `rest` at least, without any change `at_most`.

    `pending`: there is a change already.
    """

    rest: float = 0.0
    at_most: float = 0.0
    pending: bool = False


@dataclass(frozen=True, slots=True)
class WatchStarted:
    """So many folders tell of changes; or none do, for the `obstacle`, and the index is looked after now and then."""

    folders: int
    obstacle: str | None


@dataclass(frozen=True, slots=True)
class UpdateFailed:
    """A run ended with an error; it is tried again after `pause` seconds."""

    error: VsearchError
    pause: float


def require_watchfiles() -> None:
    """Raise InputError where the package isn't installed."""
    if find_spec("watchfiles") is None:
        raise InputError("--watch", "the package watchfiles isn't installed", "run `pip install 'vsearch[watch]'`")


def watch_index(
    index: Path,
    update: Callable[[], UpdateSummary],
    stop: Callable[[], bool],
    pace: WatchSchedule = WatchSchedule(),
) -> Generator[WatchStarted | UpdateSummary | UpdateFailed, None, None]:
    """Watch what the index was made of, and `update` it at once and whenever that may have changed, until `stop`.

    Yields what is watched, whenever that is taken up anew, and what came of each run. Raises InputError where
    watchfiles isn't installed; later errors are yielded, and the run is tried again after a pause that grows.
    """
    require_watchfiles()
    watcher, ground, failures = Watcher(stop), WatchedTree(index, ()), 0
    wait = NextRun()
    try:
        while is_due(watcher.ticks(ground), wait, pace, time.monotonic):
            began = time.monotonic()
            try:
                if watcher.is_stale:  # first, so that it tells of what changes from here on
                    ground = WatchedTree(index, known_sources(index))
                    yield watcher.take_up(ground)
                summary = update()
                yield summary
                if summary.interrupted:
                    return
                known, ground = ground.folders, WatchedTree(index, known_sources(index))
            except VsearchError as error:
                failures += 1
                wait = NextRun(rest=pace.pause(failures), pending=True)
                yield UpdateFailed(error, wait.rest)
                continue
            failures, took = 0, time.monotonic() - began
            at_most = max(pace.look if watcher.obstacle else pace.net, pace.share * took)
            wait = NextRun(pace.rest * took, at_most, pending=watcher.is_stale or ground.folders != known)
            watcher.is_stale = wait.pending or watcher.obstacle is not None
    finally:
        watcher.close()


def is_due(ticks: Iterable[bool], wait: NextRun, pace: WatchSchedule, clock: Callable[[], float]) -> bool:
    """Wait until a run is due: true; or until the ticks end: false. A tick says whether anything changed before it."""
    began = clock()
    first = last = began if wait.pending else None
    for changed in ticks:
        now = clock()
        if changed:
            first, last = now if first is None else first, now
        if now - began < wait.rest:
            continue
        if first is None or last is None:
            if now - began >= wait.at_most:
                return True
        elif now - last >= pace.quiet or now - first >= pace.patience:
            return True
    return False


def known_sources(index: Path) -> tuple[Source, ...]:
    """What the index was made of. Raises IndexStateError."""
    with storage_errors(index), closing(Catalog.open_to_read(index)) as catalog:
        sources = catalog.sources()
    return tuple(source_from_json(index.parent, path, options) for path, options in sources.items())


class WatchedTree:
    """What the sources let a run find: the `folders` that it walks, and which paths concern it."""

    def __init__(self, index: Path, sources: Iterable[Source]) -> None:
        self._index = [str(index)]
        inner_first = sorted(sources, key=lambda source: len(str(source.path)), reverse=True)
        self._reaches = {
            str(source.path): Reach(source.path, source.options) if source.options and source.path.exists() else None
            for source in inner_first
        }
        walked = frozenset[str]().union(*(reach.folders for reach in self._reaches.values() if reach))
        self.folders = frozenset(folder for folder in walked if not is_within(folder, self._index))

    def concerns(self, path: str) -> bool:
        """Whether a change of the absolute path may change what a run finds."""
        if PASSING.fullmatch(os.path.basename(path)) or is_within(path, self._index):  # noqa: PTH119 - many paths
            return False
        for source, reach in self._reaches.items():
            if is_within(path, [source]):  # the innermost one's options decide
                return reach is not None and reach.may_take(path)
        return False

    def identities(self) -> list[tuple[int, int] | None]:
        """What tells whether a source has come, gone or been replaced: events can't be had of what is not there."""
        return [_identity(source) for source in self._reaches]


def _identity(path: str) -> tuple[int, int] | None:
    try:
        info = os.stat(path)  # noqa: PTH116 - a string already
    except OSError:
        return None
    return info.st_dev, info.st_ino


class Watcher:
    """Tells, tick by tick, whether anything has changed in the folders that it has taken up.

    Each folder is watched for itself: a watch of all below would follow links to anywhere, and spend the system's
    watches on folders that no run enters. `is_stale`: the folders are not the same any more, and events may be missed
    until they are taken up anew. `obstacle` says why no events are to be had.
    """

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._changes: Generator[set[FileChange], None, None] | None = None
        self._identities: list[tuple[int, int] | None] = []
        self.is_stale = True
        self.obstacle: str | None = None

    def take_up(self, ground: WatchedTree) -> WatchStarted:
        """Watch the ground's folders, and what was watched before no more."""
        from watchfiles import watch

        self.close()
        self.is_stale, self.obstacle, self._identities = False, None, ground.identities()
        if not ground.folders:
            return WatchStarted(0, None)
        self._changes = watch(
            *sorted(ground.folders),
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
            next(self._changes, None)  # it begins to watch when it is first asked
        except FileNotFoundError:
            self.is_stale, self._changes = True, None  # a folder has gone since it was found
        except (OSError, RuntimeError) as error:
            self.obstacle, self._changes = str(error).partition(" about ")[0].rstrip("."), None
        return WatchStarted(len(ground.folders), self.obstacle)

    def ticks(self, ground: WatchedTree) -> Iterator[bool]:
        """Whether anything that concerns the ground has changed since the last tick; ends once it is to stop."""
        while not self._stop():
            paths = self._changed()
            identities = ground.identities()
            moved = paths is None or identities != self._identities or not paths.isdisjoint(ground.folders)
            self._identities = identities
            self.is_stale |= moved
            yield moved or any(map(ground.concerns, paths or ()))

    def _changed(self) -> set[str] | None:
        """The paths that events have come of within a tick; None where they can't be told."""
        if self._changes is None:
            time.sleep(TICK)
            return set()
        try:
            return {path for _, path in next(self._changes, ())}
        except (OSError, RuntimeError):  # such as a name that is not UTF-8, which watchfiles can't tell
            self._changes = None
            return None

    def close(self) -> None:
        """End the watch."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None
