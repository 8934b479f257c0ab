"""What has changed on disk since the last commit: paths and catalog in, a plan out. Reads names and times only."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vsearch_core.errors import InputError
from vsearch_core.model import JsonValue
from vsearch_core.store.catalog import FileRecord
from vsearch_core.text.discover import DiscoverOptions, Skipped, SourceFile, Unreadable, discover


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder that the user named (absolute), and how to walk it."""

    path: Path
    options: DiscoverOptions


@dataclass(frozen=True, slots=True)
class Found:
    """A file on disk under the path that the index stores for it."""

    stored: str
    file: SourceFile


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do. `gone` are live files that have left an indexed folder."""

    changed: tuple[Found, ...]
    unchanged: int
    gone: tuple[FileRecord, ...]
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


def refreshable(root: Path, known: Sequence[Source]) -> list[Source]:
    """The known sources, all of them there. Raises InputError for one that is not: an unmounted disk is no deletion."""
    for source in known:
        if not source.path.exists():
            raise InputError(
                stored_path(root, source.path),
                "was indexed before and is not there now",
                "bring it back, or name the paths to refresh (`vsearch index PATH…`)",
            )
    return list(known)


def make_plan(index: Path, walked: Sequence[Source], known: Sequence[Source], live: Mapping[str, FileRecord]) -> Plan:
    """Walk the sources and compare sizes and modification times with the live files. Leaves the index itself out."""
    root, own = index.parent, f"{index}/"
    found: dict[str, Found] = {}
    skipped: dict[Path, Skipped] = {}
    unreadable: dict[Path, Unreadable] = {}
    for source in walked:
        for item in discover([source.path], source.options):
            if str(item.path).startswith(own):
                continue
            if isinstance(item, SourceFile):
                stored = stored_path(root, item.path)
                found.setdefault(stored, Found(stored, item))
            elif isinstance(item, Skipped):
                skipped.setdefault(item.path, item)
            else:
                unreadable.setdefault(item.path, item)
    changed = tuple(item for stored, item in sorted(found.items()) if _differs(live.get(stored), item.file))
    missing = [record for stored, record in live.items() if stored not in found]
    lost = tuple(str(path) for path in unreadable)
    gone = tuple(
        record for record in missing if _was_walked(root, record, walked, known) and not _within(root, record, lost)
    )
    return Plan(changed, len(found) - len(changed), gone, tuple(skipped.values()), tuple(unreadable.values()))


def _differs(record: FileRecord | None, file: SourceFile) -> bool:
    return record is None or (record.size, record.mtime_ns) != (file.size, file.mtime_ns)


def _was_walked(root: Path, record: FileRecord, walked: Sequence[Source], known: Sequence[Source]) -> bool:
    """Whether the most specific source over the file was walked: another one's options may have left the file out."""
    roots = {str(source.path): source in walked for source in (*known, *walked)}
    covering = [path for path in roots if _within(root, record, (path,))]
    return bool(covering) and roots[max(covering, key=len)]


def _within(root: Path, record: FileRecord, folders: Sequence[str]) -> bool:
    path = os.path.join(root, record.path)  # noqa: PTH118 - 10,000 files: strings are several times faster
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
