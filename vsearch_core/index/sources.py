"""Changes on disk since the last commit: paths and catalog in, a plan out. Reads names, sizes and times only."""
# ruff: noqa: PTH118 - 10,000 files: strings are several times faster

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vsearch_core.model import JsonValue
from vsearch_core.store.catalog import Catalog, FileRecord
from vsearch_core.store.skipped import SkippedFile, unopened_file
from vsearch_core.store.tables import lost_and_found
from vsearch_core.text.discover import DiscoverOptions, Skipped, SourceFile, Unreadable, discover

SETTLED_NS = 2_000_000_000  # resolution of the coarsest file times (FAT)


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder that the user named (absolute), and how to walk it; `options` is None for a removed path.

    If one source is inside another, the inner one decides: a removed one keeps its files out of the index.
    """

    path: Path
    options: DiscoverOptions | None


@dataclass(frozen=True, slots=True)
class SourceSelection:
    """The sources of a run: those it walks, and known ones that don't exist, `deleted` or `missing` (`select_sources`).

    `whole` is True if it walks everything that the index was made of.
    """

    walked: tuple[Source, ...]
    deleted: tuple[Source, ...]
    missing: tuple[Source, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file on disk under the path that the index stores for it."""

    stored: str
    file: SourceFile


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of a run.

    `changed` files must be read. `still_skipped` files were skipped when they were read and have not changed since;
    `unchanged` counts the files that are in the index as they are on disk. `removed` live files have left an indexed
    folder, or have no text any more. `stale` are files staged by a stopped run that are gone, have no text any more, or
    whose live version is right again. `skipped` and `unreadable` are what the walk did not hand out to be read;
    `newly_skipped` are those of them that are not on record yet, `no_longer_skipped` the recorded paths that are gone
    or indexed now. `incomplete` as in `KnownFiles`.
    """

    changed: tuple[FoundFile, ...]
    still_skipped: tuple[SkippedFile, ...]
    unchanged: int
    removed: tuple[FileRecord, ...]
    stale: tuple[FileRecord, ...]
    no_longer_skipped: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    unreadable: tuple[Unreadable, ...]
    newly_skipped: tuple[SkippedFile, ...]
    incomplete: Mapping[str, tuple[str, ...]]


def source_to_json(source: Source) -> dict[str, JsonValue]:
    """Return a source's options as the catalog stores them."""
    if source.options is None:
        return {"removed": True}
    values = asdict(source.options)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def source_from_json(root: Path, path: str, options: Mapping[str, JsonValue]) -> Source:
    """Return a source from the catalog's path and options; the inverse of `source_to_json`."""
    if options.get("removed"):
        return Source(root / path, None)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return Source(root / path, DiscoverOptions(**values))  # type: ignore[arg-type]


def catalog_sources(root: Path, catalog: Catalog) -> list[Source]:
    """Return all sources that the catalog knows, removed ones too; `root` is the folder around the index."""
    return [source_from_json(root, path, options) for path, options in catalog.sources().items()]


def check_sources(sources: Sequence[Source]) -> None:
    """Raise InputError for a source that doesn't exist, or a pattern that is not a glob. Walks nothing."""
    for source in sources:
        discover([source.path], source.options or DiscoverOptions())


def stored_path(root: Path, path: Path) -> str:
    """Return the path as the index stores it: relative to the project's root with "/", absolute outside it."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def select_sources(
    root: Path, named: Sequence[Source], known: Sequence[Source], live: Mapping[str, FileRecord]
) -> SourceSelection:
    """Return what a run walks: the named sources, or all known ones, and known ones inside, each by its own options.

    A known source that doesn't exist is *deleted* if it was in a folder that is walked, or was a file whose folder
    exists; otherwise it is *missing*, because an unmounted disk must delete nothing. A removed source is neither: its
    files may come back.
    """
    absent = [source for source in known if not source.path.exists()]
    walked = list(named) or [source for source in known if source not in absent]
    given = {source.path for source in walked}
    folders = [str(path) for path in given]
    inside = [source for source in known if source.path not in given and is_within(str(source.path), folders)]
    walked += [source for source in inside if source not in absent]
    deleted = [source for source in absent if source in inside and source.options is not None]
    if not named:
        deleted += [
            source
            for source in absent
            if source not in inside and stored_path(root, source.path) in live and source.path.parent.exists()
        ]
    missing = [source for source in absent if source not in deleted and source.options is not None and not named]
    seen = {source.path for source in (*walked, *deleted)}
    whole = bool(walked) and all(source.path in seen for source in known if source.options is not None)
    return SourceSelection(tuple(walked), tuple(deleted), tuple(missing), whole)


def settled_ctime(file: SourceFile, read_ns: int) -> int:
    """Return the file's `ctime_ns`, or 0, which no file has, if its times can't prove that its bytes are unchanged.

    A file that was changed shortly before it was read, at `read_ns`, can change again without a change of its times.
    Git treats such "racy" entries the same way: https://git-scm.com/docs/racy-git.
    """
    return file.ctime_ns if max(file.mtime_ns, file.ctime_ns) < read_ns - SETTLED_NS else 0


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """The catalog's knowledge of files, by stored path.

    `skipped` files are not read again unless they have changed, or were skipped by another of the
    `extractor_versions`. `incomplete` are live files to read again though unchanged, with what was left out of them.
    """

    live: Mapping[str, FileRecord]
    staged: Mapping[str, FileRecord]
    skipped: Mapping[str, SkippedFile]
    extractor_versions: Collection[str]
    incomplete: Mapping[str, tuple[str, ...]]


def make_plan(index: Path, selection: SourceSelection, known: KnownFiles) -> Plan:
    """Walk the sources and compare sizes and times with the known files. Leaves the index itself out."""
    found, skipped, unreadable = _walk(index, selection.walked)
    live = known.live
    on_record = {path: file for path, file in known.skipped.items() if file.readers in known.extractor_versions}
    differing = [
        item
        for stored, item in sorted(found.items())
        if stored in known.incomplete or not _is_unchanged(live.get(stored), item)
    ]
    still_skipped = [item.stored for item in differing if _is_unchanged(on_record.get(item.stored), item)]
    changed = {item.stored: item for item in differing if not _is_unchanged(on_record.get(item.stored), item)}
    binary = {stored for stored in still_skipped if on_record[stored].binary}
    unreadable_files = {stored for stored in still_skipped if not on_record[stored].binary}
    not_read = {each.path: each for each in _skipped_by_walk(index.parent, skipped, unreadable)}
    covered = [str(source.path) for source in (*selection.walked, *selection.deleted)]
    hidden = [str(item.path) for item in unreadable]
    without_name = lost_and_found(index)

    def is_gone(stored: str) -> bool:
        if stored.startswith(without_name):
            return selection.whole
        path = os.path.join(index.parent, stored)
        return stored not in found and is_within(path, covered) and not is_within(path, hidden)

    def is_stale(stored: str) -> bool:
        is_only_text = stored in unreadable_files and stored not in live
        return is_gone(stored) or (stored in found and stored not in changed and not is_only_text)

    def is_no_longer_skipped(stored: str) -> bool:
        is_complete = stored in found and stored not in known.incomplete
        return is_gone(stored) or (is_complete and _is_unchanged(live.get(stored), found[stored]))

    return Plan(
        changed=tuple(changed.values()),
        still_skipped=tuple(on_record[stored] for stored in still_skipped),
        unchanged=len(found) - len(differing),
        removed=tuple(record for stored, record in live.items() if is_gone(stored) or stored in binary),
        stale=tuple(record for stored, record in known.staged.items() if is_stale(stored)),
        no_longer_skipped=tuple(
            stored for stored in known.skipped if stored not in not_read and is_no_longer_skipped(stored)
        ),
        skipped=skipped,
        unreadable=unreadable,
        newly_skipped=tuple(file for file in not_read.values() if known.skipped.get(file.path) != file),
        incomplete=known.incomplete,
    )


def _skipped_by_walk(root: Path, skipped: Sequence[Skipped], unreadable: Sequence[Unreadable]) -> Iterator[SkippedFile]:
    """Yield what the walk did not hand out to be read, as it is recorded."""
    items: tuple[Skipped | Unreadable, ...] = (*skipped, *unreadable)
    for item in items:
        # SQLite's TEXT can't hold the bytes of a name that are not UTF-8.
        path = stored_path(root, item.path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        yield unopened_file(path, item.reason, binary=isinstance(item, Skipped))


def _walk(
    index: Path, sources: Sequence[Source]
) -> tuple[dict[str, FoundFile], tuple[Skipped, ...], tuple[Unreadable, ...]]:
    root = index.parent
    found: dict[str, FoundFile] = {}
    skipped: dict[Path, Skipped] = {}
    unreadable: dict[Path, Unreadable] = {}
    for source in sources:
        if source.options is None:
            continue
        others = [str(index), *(str(each.path) for each in sources if source.path in each.path.parents)]
        for item in discover([source.path], source.options):
            if is_within(str(item.path), others):
                continue  # the inner source's options decide
            if isinstance(item, SourceFile):
                stored = stored_path(root, item.path)
                found.setdefault(stored, FoundFile(stored, item))
            elif isinstance(item, Skipped):
                skipped.setdefault(item.path, item)
            else:
                unreadable.setdefault(item.path, item)
    return found, tuple(skipped.values()), tuple(unreadable.values())


def _is_unchanged(record: FileRecord | SkippedFile | None, found: FoundFile) -> bool:
    return record is not None and record.stamp == found.file.stamp


def is_within(path: str, folders: Sequence[str]) -> bool:
    """Return True if the path is one of the folders, or below one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
