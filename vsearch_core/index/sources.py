"""Find the files on disk that have changed since the last commit, and plan what an update must do.

Only names, sizes and times of files are read.
"""
# ruff: noqa: PTH118 - 10,000 files: strings are several times faster

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from vsearch_core.model import JsonValue
from vsearch_core.store.catalog import Catalog, FileRecord
from vsearch_core.store.skipped import SkippedFile, unopened_file
from vsearch_core.store.tables import lost_and_found
from vsearch_core.text.discover import DiscoverOptions, Skipped, SourceFile, Unreadable, discover

CHOSEN = "chosen"  # the key of `Source.chosen` in the catalog
DOCUMENTS = "documents"  # the folder in an index with the documents that `kept_documents` writes
SETTLED_NS = 2_000_000_000  # resolution of the coarsest file times (FAT)


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder to index, as an absolute path, and the options for walking it.

    `options` is None if the user removed the path from the index. `chosen` names the options that the user gave for
    this source; the others are defaults, which a later update may replace (see `WalkOptions`). If one source is inside
    another, the options of the inner one apply to its files; if it is a removed one, they stay out of the index.
    """

    path: Path
    options: DiscoverOptions | None
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WalkOptions:
    """Options for walking sources, by the names of the fields of DiscoverOptions.

    `given` are those that the user gives for this update, `defaults` those that apply to a source for which the user
    has not given others. `defaults` is None if they are not known: then sources keep theirs.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] | None = None

    def for_new_source(self, path: Path) -> Source:
        """Return a source that the user names in this update."""
        return Source(path, DiscoverOptions(**{**(self.defaults or {}), **self.given}), tuple(self.given))

    def for_known_source(self, source: Source) -> Source:
        """Return a source of an earlier update with the options that apply to it now."""
        if source.options is None:
            return source
        names = [each.name for each in fields(DiscoverOptions) if each.name not in source.chosen]
        built_in = asdict(DiscoverOptions())
        renewed = {} if self.defaults is None else {name: self.defaults.get(name, built_in[name]) for name in names}
        chosen = tuple(dict.fromkeys((*source.chosen, *self.given)))
        return Source(source.path, replace(source.options, **{**renewed, **self.given}), chosen)


@dataclass(frozen=True, slots=True)
class SourceSelection:
    """The sources of an update, as `select_sources` returns them.

    `walked` are the sources to walk. Known sources that don't exist on disk are `deleted` (the update removes their
    files from the index) or `missing` (their files are kept). `whole` is True if the update covers all sources of the
    index.
    """

    walked: tuple[Source, ...]
    deleted: tuple[Source, ...]
    missing: tuple[Source, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file found on disk, and its path as the index stores it."""

    stored: str
    file: SourceFile


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of an update, planned from the sizes and times of files.

    `changed` files must be read. `unchanged` is the number of files that are in the index as they are on disk.
    `still_skipped` files were read and skipped by an earlier update, and have not changed since. `removed` are live
    files to remove: they no longer exist in an indexed folder, or contain no text any more. `stale` are staged files to
    delete: they no longer exist, contain no text any more, or are the same as their live version again. `skipped` and
    `unreadable` are files and folders that the walk excluded or couldn't read; `newly_skipped` are those without a
    record in the catalog. `no_longer_skipped` are recorded paths that no longer exist or are indexed now. `incomplete`
    is as in `KnownFiles`.
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
    """Return a source's options as JSON values for the catalog."""
    if source.options is None:
        return {"removed": True}
    values = {**asdict(source.options), CHOSEN: source.chosen}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def source_from_json(root: Path, path: str, options: Mapping[str, JsonValue]) -> Source:
    """Return the source that has this path and these options in the catalog, as `source_to_json` made them.

    Raises ValueError for other options, and for a path that no file can have.
    """
    if "\0" in path:
        raise ValueError("a path has a null character")
    if options.get("removed"):
        return Source(root / path, None)
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    chosen = values.pop(CHOSEN, None)
    defaults = asdict(DiscoverOptions())
    for key, value in values.items():
        is_list_of_text = not isinstance(value, tuple) or all(isinstance(each, str) for each in value)
        if type(value) is not type(defaults.get(key)) or not is_list_of_text:
            raise ValueError(f"{key} is not an option of a source")
    read = DiscoverOptions(**values)  # type: ignore[arg-type]
    if chosen is None:  # an earlier version didn't record it: what differs from the defaults may have been chosen
        chosen = tuple(key for key, value in defaults.items() if getattr(read, key) != value)
    return Source(root / path, read, chosen)  # type: ignore[arg-type]


def catalog_sources(root: Path, catalog: Catalog) -> list[Source]:
    """Return all sources in the catalog, also removed ones. `root` is the folder around the index.

    Raises IndexCorruptError if options of a source are not what a version of this program writes.
    """
    try:
        return [source_from_json(root, path, options) for path, options in catalog.sources().items()]
    except ValueError as error:
        raise catalog.damaged(f"its list of sources is damaged ({error})") from error


def check_sources(sources: Sequence[Source]) -> None:
    """Raise InputError if a source doesn't exist or has an invalid glob. The sources are not walked."""
    for source in sources:
        discover([source.path], source.options or DiscoverOptions())


def documents_folder(index: Path) -> Path:
    """Return the folder of documents that the index keeps itself (see `kept_documents`)."""
    return index / DOCUMENTS


def stored_path(root: Path, path: Path) -> str:
    """Return the path as the index stores it: relative to `root`, with "/", or absolute if outside it."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def select_sources(
    root: Path, named: Sequence[Source], known: Sequence[Source], live: Mapping[str, FileRecord]
) -> SourceSelection:
    """Return the sources that an update walks: the `named` ones or, if there are none, all known ones.

    Known sources inside a walked folder are walked, too, with their own options. A known source that doesn't exist on
    disk is *deleted* if it was inside a walked folder, or was a file whose folder still exists. Otherwise it is
    *missing*, and its files are kept, because its disk may only be unmounted. A removed source is neither.
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
    """Return the file's `ctime_ns`, or 0 if equal times can't prove that its bytes are unchanged.

    A file that was changed shortly before it was read, at `read_ns`, can change again without a change of its times. No
    file has the time 0, so the next update reads it again. Git treats such "racy" entries in the same way:
    https://git-scm.com/docs/racy-git.
    """
    return file.ctime_ns if max(file.mtime_ns, file.ctime_ns) < read_ns - SETTLED_NS else 0


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """The files that the catalog knows, by stored path.

    `skipped` files are read again only if they have changed, or if the version that skipped them is not one of
    `extractor_versions`. `incomplete` are live files to read again although they have not changed, with the phrases for
    their missing parts: parts that were left out, or all that a newer extractor might find.
    """

    live: Mapping[str, FileRecord]
    staged: Mapping[str, FileRecord]
    skipped: Mapping[str, SkippedFile]
    extractor_versions: Collection[str]
    incomplete: Mapping[str, tuple[str, ...]]


def make_plan(index: Path, selection: SourceSelection, known: KnownFiles) -> Plan:
    """Walk the sources, compare sizes and times with the known files, and return the plan of an update.

    The index folder itself is left out, but for the documents that it keeps. These stay in the index even if their
    files are gone, because the files may have been left behind when the index was exported.
    """
    found, skipped, unreadable = _walk(index, selection.walked)
    live = known.live
    on_record = {path: file for path, file in known.skipped.items() if file.readers in known.extractor_versions}
    differing = [
        item
        for stored, item in found.items()
        if stored in known.incomplete or not _is_unchanged(live.get(stored), item)
    ]
    differing.sort(key=lambda item: item.stored)
    still_skipped = [item.stored for item in differing if _is_unchanged(on_record.get(item.stored), item)]
    changed = [item for item in differing if not _is_unchanged(on_record.get(item.stored), item)]
    changed_paths = {item.stored for item in changed} if known.staged else set()
    binary = {stored for stored in still_skipped if on_record[stored].binary}
    unreadable_files = {stored for stored in still_skipped if not on_record[stored].binary}
    not_read = {each.path: each for each in _skipped_by_walk(index.parent, skipped, unreadable)}
    covered = [str(source.path) for source in (*selection.walked, *selection.deleted)]
    hidden = [str(item.path) for item in unreadable]
    without_name = lost_and_found(index)
    kept = [str(documents_folder(index))]

    def is_gone(stored: str) -> bool:
        if stored.startswith(without_name):
            return selection.whole
        path = os.path.join(index.parent, stored)
        if is_within(path, kept):
            return False
        return stored not in found and is_within(path, covered) and not is_within(path, hidden)

    def is_stale(stored: str) -> bool:
        is_only_text = stored in unreadable_files and stored not in live
        return is_gone(stored) or (stored in found and stored not in changed_paths and not is_only_text)

    def is_no_longer_skipped(stored: str) -> bool:
        is_complete = stored in found and stored not in known.incomplete
        return is_gone(stored) or (is_complete and _is_unchanged(live.get(stored), found[stored]))

    return Plan(
        changed=tuple(changed),
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
    """Yield the records of the files and folders that the walk excluded or couldn't read."""
    items: tuple[Skipped | Unreadable, ...] = (*skipped, *unreadable)
    for item in items:
        # SQLite's TEXT can't hold the bytes of a name that are not UTF-8.
        path = stored_path(root, item.path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        yield unopened_file(path, item.reason, binary=isinstance(item, Skipped))


def _walk(
    index: Path, sources: Sequence[Source]
) -> tuple[dict[str, FoundFile], tuple[Skipped, ...], tuple[Unreadable, ...]]:
    root = index.parent
    prefix = str(root).rstrip("/") + "/"
    found: dict[str, FoundFile] = {}
    skipped: dict[Path, Skipped] = {}
    unreadable: dict[Path, Unreadable] = {}
    for source in sources:
        if source.options is None:
            continue
        others = [str(each.path) for each in sources if source.path in each.path.parents]
        if not is_within(str(source.path), [str(documents_folder(index))]):
            others.append(str(index))
        inside = tuple(folder.rstrip("/") + "/" for folder in others)
        for item in discover([source.path], source.options):
            path = item.name if isinstance(item, SourceFile) else str(item.path)
            if path.startswith(inside) or path in others:
                continue  # the inner source's options decide
            if isinstance(item, SourceFile):
                stored = path.removeprefix(prefix) if os.sep == "/" else stored_path(root, item.path)
                found.setdefault(stored, FoundFile(stored, item))
            elif isinstance(item, Skipped):
                skipped.setdefault(item.path, item)
            else:
                unreadable.setdefault(item.path, item)
    return found, tuple(skipped.values()), tuple(unreadable.values())


def _is_unchanged(record: FileRecord | SkippedFile | None, found: FoundFile) -> bool:
    return record is not None and record.stamp == found.file.stamp


def is_within(path: str, folders: Sequence[str]) -> bool:
    """Return True if the path is one of the folders, or is inside one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
