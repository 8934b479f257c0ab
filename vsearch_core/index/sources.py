"""What has changed on disk since the last commit: paths and catalog in, a plan out. Reads names and times only."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vsearch_core.model import JsonValue
from vsearch_core.store.catalog import FileRecord
from vsearch_core.text.discover import DiscoverOptions, Skipped, SourceFile, Unreadable, discover


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder that the user named (absolute), and how to walk it."""

    path: Path
    options: DiscoverOptions


@dataclass(frozen=True, slots=True)
class Walk:
    """The sources that a run walks, and known ones that are not there; see `choose_walk`."""

    walked: tuple[Source, ...]
    deleted: tuple[Source, ...]
    missing: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A file on disk under the path that the index stores for it."""

    stored: str
    file: SourceFile


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do.

    `gone` are live files that have left an indexed folder, `outdated` files that an earlier, stopped run has staged and
    that have changed or gone since.
    """

    changed: tuple[Found, ...]
    unchanged: int
    gone: tuple[FileRecord, ...]
    outdated: tuple[FileRecord, ...]
    skipped: tuple[Skipped, ...]
    unreadable: tuple[Unreadable, ...]


def source_to_json(source: Source) -> dict[str, JsonValue]:
    """A source's options as the catalog keeps them."""
    values = asdict(source.options)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def source_from_json(root: Path, path: str, options: Mapping[str, JsonValue]) -> Source:
    """The inverse of `source_to_json`; `path` as stored."""
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
    still there; otherwise it is *missing*: a disk that is not mounted deletes nothing.
    """
    lost = [source for source in known if not source.path.exists()]
    walked = list(named) or [source for source in known if source not in lost]
    given = {source.path for source in walked}
    folders = [str(path) for path in given]
    inside = [source for source in known if source.path not in given and _is_within(str(source.path), folders)]
    walked += [source for source in inside if source not in lost]
    deleted = [source for source in lost if source in inside]
    if not named:
        deleted += [
            source
            for source in lost
            if source not in inside and stored_path(root, source.path) in live and source.path.parent.exists()
        ]
    missing = [source for source in lost if source not in deleted and not named]
    return Walk(tuple(walked), tuple(deleted), tuple(missing))


def make_plan(index: Path, walk: Walk, live: Mapping[str, FileRecord], staged: Mapping[str, FileRecord]) -> Plan:
    """Walk the sources and compare sizes and modification times with the files. Leaves the index itself out."""
    root = index.parent
    found: dict[str, Found] = {}
    skipped: dict[Path, Skipped] = {}
    unreadable: dict[Path, Unreadable] = {}
    for source in walk.walked:
        others = [str(index), *(str(each.path) for each in walk.walked if source.path in each.path.parents)]
        for item in discover([source.path], source.options):
            if _is_within(str(item.path), others):
                continue  # the more specific source's options decide
            if isinstance(item, SourceFile):
                stored = stored_path(root, item.path)
                found.setdefault(stored, Found(stored, item))
            elif isinstance(item, Skipped):
                skipped.setdefault(item.path, item)
            else:
                unreadable.setdefault(item.path, item)
    changed = {stored: item for stored, item in sorted(found.items()) if _differs(live.get(stored), item.file)}
    covered = [str(source.path) for source in (*walk.walked, *walk.deleted)]
    lost = [str(path) for path in unreadable]

    def has_gone(record: FileRecord) -> bool:
        path = os.path.join(root, record.path)  # noqa: PTH118 - 10,000 files: strings are several times faster
        return record.path not in found and _is_within(path, covered) and not _is_within(path, lost)

    outdated = [
        record
        for stored, record in staged.items()
        if (_differs(record, changed[stored].file) if stored in changed else stored in found or has_gone(record))
    ]
    return Plan(
        changed=tuple(changed.values()),
        unchanged=len(found) - len(changed),
        gone=tuple(record for record in live.values() if has_gone(record)),
        outdated=tuple(outdated),
        skipped=tuple(skipped.values()),
        unreadable=tuple(unreadable.values()),
    )


def _differs(record: FileRecord | None, file: SourceFile) -> bool:
    return record is None or (record.size, record.mtime_ns) != (file.size, file.mtime_ns)


def _is_within(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
