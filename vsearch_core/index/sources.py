"""What has changed on disk since the last commit: paths and catalog in, a plan out. Reads names and times only."""
# ruff: noqa: PTH118 - 10,000 files: strings are several times faster

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vsearch_core.model import JsonValue
from vsearch_core.store.catalog import FileRecord
from vsearch_core.store.skipped import SkippedFile, unopened_file
from vsearch_core.store.tables import lost_and_found
from vsearch_core.text.discover import DiscoverOptions, Skipped, SourceFile, Unreadable, discover

SETTLED_NS = 2_000_000_000  # file systems note times by steps of up to so much (FAT)


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder that the user named (absolute), and how to walk it; without options, one that was removed.

    Of two sources, the one inside the other decides: a removed one keeps what it holds out of the index.
    """

    path: Path
    options: DiscoverOptions | None


@dataclass(frozen=True, slots=True)
class Walk:
    """The sources that a run walks, `whole` if these are all, and known ones that are not there; see `choose_walk`."""

    walked: tuple[Source, ...]
    deleted: tuple[Source, ...]
    missing: tuple[Source, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A file on disk under the path that the index stores for it."""

    stored: str
    file: SourceFile


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do.

    `changed` files must be read; `passed_over` were read before in vain, and have not changed since. `gone` are live
    files that have left an indexed folder or hold no text now, `outdated` files that an earlier, stopped run has staged
    and that have gone since, hold no text now or have a live version to go back to. `skipped` and `unreadable` are what
    the walk left alone, `noticed` those of them that are news, `vanished` the paths of what is remembered as passed
    over and is so no more. `incomplete` as in `Known`.
    """

    changed: tuple[Found, ...]
    passed_over: tuple[SkippedFile, ...]
    unchanged: int
    gone: tuple[FileRecord, ...]
    outdated: tuple[FileRecord, ...]
    vanished: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    unreadable: tuple[Unreadable, ...]
    noticed: tuple[SkippedFile, ...]
    incomplete: Mapping[str, tuple[str, ...]]


def source_to_json(source: Source) -> dict[str, JsonValue]:
    """A source's options as the catalog keeps them."""
    if source.options is None:
        return {"removed": True}
    values = asdict(source.options)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def source_from_json(root: Path, path: str, options: Mapping[str, JsonValue]) -> Source:
    """The inverse of `source_to_json`; `path` as stored."""
    if options.get("removed"):
        return Source(root / path, None)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return Source(root / path, DiscoverOptions(**values))  # type: ignore[arg-type]


def stored_path(root: Path, path: Path) -> str:
    """The path as the index stores it: relative to the project's root with "/", absolute outside it."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def choose_walk(root: Path, named: Sequence[Source], known: Sequence[Source], live: Mapping[str, FileRecord]) -> Walk:
    """What a run walks: the named sources, or all known ones, and the known ones inside, each by its own options.

    A known source that is not there is *deleted* when it lies in a folder that is walked, or was a file whose folder is
    still there; otherwise it is *missing*: a disk that is not mounted deletes nothing. A removed one is neither: what
    it keeps out may come back.
    """
    lost = [source for source in known if not source.path.exists()]
    walked = list(named) or [source for source in known if source not in lost]
    given = {source.path for source in walked}
    folders = [str(path) for path in given]
    inside = [source for source in known if source.path not in given and is_within(str(source.path), folders)]
    walked += [source for source in inside if source not in lost]
    deleted = [source for source in lost if source in inside and source.options is not None]
    if not named:
        deleted += [
            source
            for source in lost
            if source not in inside and stored_path(root, source.path) in live and source.path.parent.exists()
        ]
    missing = [source for source in lost if source not in deleted and source.options is not None and not named]
    seen = {source.path for source in (*walked, *deleted)}
    whole = bool(walked) and all(source.path in seen for source in known if source.options is not None)
    return Walk(tuple(walked), tuple(deleted), tuple(missing), whole)


def settled_ctime(file: SourceFile, read_ns: int) -> int:
    """What to keep as the file's `ctime_ns`: 0, which no file has, where its times can't vouch for its bytes.

    A file that had just changed when it was read, at `read_ns`, can change again without its times telling. (Git calls
    such an entry racy and smudges it likewise: https://git-scm.com/docs/racy-git.)
    """
    return file.ctime_ns if max(file.mtime_ns, file.ctime_ns) < read_ns - SETTLED_NS else 0


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows of files, by stored path; what other than these `readers` passed over is tried again.

    `incomplete` are live files, and what was left out of them, that are to be read again though they have not changed.
    """

    live: Mapping[str, FileRecord]
    staged: Mapping[str, FileRecord]
    passed_over: Mapping[str, SkippedFile]
    readers: Collection[str]
    incomplete: Mapping[str, tuple[str, ...]]


def make_plan(index: Path, walk: Walk, known: Known) -> Plan:
    """Walk the sources and compare sizes and times with the known files. Leaves the index itself out."""
    found, skipped, unreadable = _walk(index, walk.walked)
    live = known.live
    passed_over = {stored: passed for stored, passed in known.passed_over.items() if passed.readers in known.readers}
    differing = [
        item
        for stored, item in sorted(found.items())
        if stored in known.incomplete or not _is_as(live.get(stored), item)
    ]
    passed = [item.stored for item in differing if _is_as(passed_over.get(item.stored), item)]
    changed = {item.stored: item for item in differing if not _is_as(passed_over.get(item.stored), item)}
    turned_binary = {stored for stored in passed if passed_over[stored].binary}
    damaged = {stored for stored in passed if not passed_over[stored].binary}
    noticed = {each.path: each for each in _left_alone(index.parent, skipped, unreadable)}
    covered = [str(source.path) for source in (*walk.walked, *walk.deleted)]
    lost = [str(item.path) for item in unreadable]
    stand_in = lost_and_found(index)

    def has_gone(stored: str) -> bool:
        if stored.startswith(stand_in):
            return walk.whole
        path = os.path.join(index.parent, stored)
        return stored not in found and is_within(path, covered) and not is_within(path, lost)

    def is_outdated(stored: str) -> bool:
        all_there_is = stored in damaged and stored not in live
        return has_gone(stored) or (stored in found and stored not in changed and not all_there_is)

    def is_past(stored: str) -> bool:
        """Whether what is remembered of the path holds no more: it has gone, or its live version is what is there."""
        is_read = stored in found and stored not in known.incomplete and _is_as(live.get(stored), found[stored])
        return has_gone(stored) or is_read

    return Plan(
        changed=tuple(changed.values()),
        passed_over=tuple(passed_over[stored] for stored in passed),
        unchanged=len(found) - len(differing),
        gone=tuple(record for stored, record in live.items() if has_gone(stored) or stored in turned_binary),
        outdated=tuple(record for stored, record in known.staged.items() if is_outdated(stored)),
        vanished=tuple(stored for stored in known.passed_over if stored not in noticed and is_past(stored)),
        skipped=skipped,
        unreadable=unreadable,
        noticed=tuple(each for each in noticed.values() if known.passed_over.get(each.path) != each),
        incomplete=known.incomplete,
    )


def _left_alone(root: Path, skipped: Sequence[Skipped], unreadable: Sequence[Unreadable]) -> Iterator[SkippedFile]:
    """What the walk did not give to be read, as it is remembered."""
    items: tuple[Skipped | Unreadable, ...] = (*skipped, *unreadable)
    for item in items:
        # SQLite's TEXT can't hold what of a name is no UTF-8.
        path = stored_path(root, item.path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        yield unopened_file(path, item.reason, binary=isinstance(item, Skipped))


def _walk(
    index: Path, sources: Sequence[Source]
) -> tuple[dict[str, Found], tuple[Skipped, ...], tuple[Unreadable, ...]]:
    root = index.parent
    found: dict[str, Found] = {}
    skipped: dict[Path, Skipped] = {}
    unreadable: dict[Path, Unreadable] = {}
    for source in sources:
        if source.options is None:
            continue
        others = [str(index), *(str(each.path) for each in sources if source.path in each.path.parents)]
        for item in discover([source.path], source.options):
            if is_within(str(item.path), others):
                continue  # the more specific source's options decide
            if isinstance(item, SourceFile):
                stored = stored_path(root, item.path)
                found.setdefault(stored, Found(stored, item))
            elif isinstance(item, Skipped):
                skipped.setdefault(item.path, item)
            else:
                unreadable.setdefault(item.path, item)
    return found, tuple(skipped.values()), tuple(unreadable.values())


def _is_as(record: FileRecord | SkippedFile | None, found: Found) -> bool:
    return record is not None and record.stamp == found.file.stamp


def is_within(path: str, folders: Sequence[str]) -> bool:
    """Whether the path is one of the folders, or below one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
