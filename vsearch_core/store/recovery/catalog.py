"""Rebuild a damaged catalog from its intact rows, and put the new catalog in its place."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vsearch_core.json_text import parse_json
from vsearch_core.own_files import copy_file, open_file
from vsearch_core.store.checksums import row_crc
from vsearch_core.store.connections import begin_catalog, empty_catalog, finish_catalog
from vsearch_core.store.files import sync_file, sync_folder
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.recovery import pages
from vsearch_core.store.recovery.segments import settings_from_segments
from vsearch_core.store.segment import segment_folders
from vsearch_core.store.tables import (
    CATALOG_FILE,
    COUNTED_CHUNKS,
    COUNTERS,
    HEADER,
    LINEAGE,
    MISCOUNTED_FILE,
    ORPHAN_CHUNK,
    ORPHAN_VECTOR,
    PAGE_BYTES,
    SUFFIXES,
    TABLES,
    columns,
    has_our_tables,
    is_counter,
    lost_and_found,
    reserve_ids,
    start_lineage,
)

_NUMBERED = ("files", "chunks", "segments")  # tables whose ids are never handed out twice
_INDEXES = {  # by table: one of its SQL indexes, the index's first column, and that column's least value
    "sources": ("sqlite_autoindex_sources_1", "path", "''"),
    "files": ("files_by_path", "path", "''"),
    "chunks": ("chunks_by_file", "file_id", "0"),
}
_REQUIRED = frozenset({"fingerprint", "model", "chunker", "chunk_words", "overlap_words", "language", "analyzer"})
_DISPENSABLE = frozenset({"last_commit", "gaps_closed"})  # settings whose loss costs nothing
_OPTIONAL = {
    "ann",
    "vectors",
    "coming",
    "base_url",
    "generation",
    "fusion",
    "vector_scale",
    "image_model",
    "picture_scale",
    LINEAGE,
}
_KNOWN = _REQUIRED | _DISPENSABLE | _OPTIONAL
_REPORTED = ("sources", "files", "chunks")  # tables, beside settings, whose lost rows matter to a user
_PAGE_COUNT_AT = 28  # bytes from the file's beginning
_WORK = f"{CATALOG_FILE}.salvage"
_FRESH = f"{CATALOG_FILE}.new"
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHM", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN")  # errors that don't mean damage


@dataclass(frozen=True, slots=True)
class RecoveredCatalog:
    """The losses of a recovered catalog.

    `lost` is the minimum number of lost rows, by table. `reread` are the paths of files that have lost text and must be
    read again. `recalled` are the names of settings that were lost and then taken from a segment.
    """

    lost: Mapping[str, int]
    reread: tuple[str, ...]
    recalled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _RecoveredSettings:
    """The settings, the names of those taken from segments, and the number of those that are lost."""

    values: Mapping[str, str]
    recalled: tuple[str, ...] = ()
    lost: int = 0


def recover_catalog(index: Path, keep_folder: Callable[[Path], None]) -> RecoveredCatalog | None:
    """Replace a damaged catalog by a new one with all its intact rows. Return the losses.

    If too little is left, return None and change nothing. If the process is killed, no more rows are lost, and the
    recovery can be repeated. Raises OSError, sqlite3.Error and StorageError.
    """
    delete_recovery_files(index)
    work, fresh = index / _WORK, index / _FRESH
    try:
        for suffix in ("", "-wal"):
            if (index / (CATALOG_FILE + suffix)).exists():
                copy_file(index / (CATALOG_FILE + suffix), index / (_WORK + suffix))
        _restore_header(work)
        recovered = _rebuild(index, work, fresh, keep_folder)
        if recovered is not None:
            _replace(index, work, fresh)
        return recovered
    finally:
        delete_recovery_files(index)


def delete_recovery_files(index: Path) -> None:
    """Delete the temporary files of a recovery that was killed."""
    for name in (_WORK, _FRESH):
        for suffix in SUFFIXES:
            (index / (name + suffix)).unlink(missing_ok=True)


def _rebuild(index: Path, work: Path, fresh: Path, keep_folder: Callable[[Path], None]) -> RecoveredCatalog | None:
    """Write the intact rows to a new catalog, and fold the damaged catalog's log into it."""
    try:
        with closing(_open(work)) as source:
            settings = _recovered_settings(index, source, work)
            if not settings.values.keys() >= _REQUIRED:
                return None
            with closing(begin_catalog(fresh)) as target:
                target.executemany("INSERT INTO settings (key, value) VALUES (?, ?)", settings.values.items())
                if LINEAGE not in settings.values:
                    start_lineage(target)
                recovered = _fill(index, source, work, target)
                if not target.execute("SELECT 1 FROM chunks").fetchone():
                    for folder in segment_folders(index):  # a writer would delete them, since no text is left
                        keep_folder(folder)
                finish_catalog(target)
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except pages.UNREADABLE as error:
        if fresh.exists():
            raise
        if _lacks_room(error):
            with storage_errors(work.parent):  # here: once our copy is deleted, there is room
                raise
        return None
    lost = {"settings": settings.lost, **recovered.lost}
    lost = {table: count for table, count in lost.items() if count}
    return replace(recovered, recalled=settings.recalled, lost=lost)


def _fill(index: Path, source: sqlite3.Connection, work: Path, target: sqlite3.Connection) -> RecoveredCatalog:
    """Copy all tables but the settings, and make the rows consistent."""
    lost = {table: _copy_intact_rows(source, work, target, table) for table in TABLES if table != "settings"}
    for table in _NUMBERED:
        reserve_ids(target, table, _highest_id(source, table))
    lost["files"] = max(lost["files"], _add_placeholder_files(index, target))
    reread = _reconcile(target)
    return RecoveredCatalog({table: lost[table] for table in _REPORTED}, reread)


def _open(work: Path) -> sqlite3.Connection:
    """Open the damaged catalog with its log folded in; if it names no tables, with an empty catalog's first page."""
    source = pages.connect(work)
    try:
        _raise_if_full(source, "SELECT 1 FROM sqlite_master")
        if not _has_tables(source):
            source.close()
            _overwrite(work, {0: empty_catalog()[:PAGE_BYTES]})
            _restore_header(work)
            source = pages.connect(work)
        _raise_if_full(source, "PRAGMA synchronous = OFF")  # the file is a copy
        _raise_if_full(source, "PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        source.close()
        raise
    return source


def _has_tables(source: sqlite3.Connection) -> bool:
    try:
        return has_our_tables(source)
    except pages.UNREADABLE:
        return False


def _raise_if_full(source: sqlite3.Connection, statement: str) -> None:
    """Execute the statement; raise if SQLite has no room for its side files, and ignore damage."""
    try:
        source.execute(statement).fetchone()
    except pages.UNREADABLE as error:
        if _lacks_room(error):
            raise


def _lacks_room(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    return str(getattr(error, "sqlite_errorname", "")).startswith(_NO_ROOM)


def _replace(index: Path, work: Path, fresh: Path) -> None:
    """Put the new catalog in the place of the damaged one, whose log is removed first.

    Nothing in a log says which file it belongs to (https://www.sqlite.org/fileformat2.html#the_write_ahead_log): left
    beside the new catalog, it would be applied to it, and without it the damaged one lacks its last commits. So the
    damaged catalog is first replaced by its copy with the log folded in, which applying the log again does not change,
    since its frames are whole pages.
    """
    catalog = index / CATALOG_FILE
    if catalog.with_name(f"{CATALOG_FILE}-wal").exists():
        sync_file(work)
        work.replace(catalog)
        sync_folder(index)
    for suffix in ("-wal", "-shm"):
        catalog.with_name(CATALOG_FILE + suffix).unlink(missing_ok=True)
    sync_folder(index)
    fresh.replace(catalog)
    sync_folder(index)


def _restore_header(path: Path) -> None:
    """Restore the bytes that all catalogs begin with, and the page count: SQLite refuses a file that was cut short.

    The file gets at least as many pages as an empty catalog has, so that every table has its root page.
    """
    size = path.stat().st_size
    count = -(-max(size, len(empty_catalog())) // PAGE_BYTES)
    _overwrite(path, {size: bytes(count * PAGE_BYTES - size)})
    _overwrite(path, {**HEADER, _PAGE_COUNT_AT: count.to_bytes(4, "big")})


def _overwrite(path: Path, places: Mapping[int, bytes]) -> None:
    with open_file(path, "r+b") as file:
        for offset, data in places.items():
            file.seek(offset)
            file.write(data)


def _recovered_settings(index: Path, source: sqlite3.Connection, work: Path) -> _RecoveredSettings:
    """Return the intact settings, completed from segments."""
    rows = list(_intact_rows(source, work, "settings"))
    intact = {row[1]: row[2] for row in rows if row is not None and row[1] in _KNOWN}
    intact = {key: value for key, value in intact.items() if key not in COUNTERS or is_counter(value)}
    lost = (_REQUIRED | _indexed_settings(source)) - intact.keys()
    if not lost and None not in rows:
        return _RecoveredSettings(intact)
    named = {row[2] for row in _intact_rows(source, work, "segments") if row is not None}
    missing = _KNOWN - intact.keys()
    recalled = {key: value for key, value in settings_from_segments(index, named).items() if key in missing}
    return _RecoveredSettings({**recalled, **intact}, tuple(sorted(recalled)), len(lost - recalled.keys()))


def _indexed_settings(source: sqlite3.Connection) -> set[str]:
    """Return the names of the settings that the table's SQL index has, without dispensable ones."""
    query = "SELECT key FROM settings INDEXED BY sqlite_autoindex_settings_1 WHERE key >= ''"
    with suppress(*pages.UNREADABLE):
        return {key for (key,) in source.execute(query)} & _KNOWN - _DISPENSABLE
    return set()


def _copy_intact_rows(source: sqlite3.Connection, work: Path, target: sqlite3.Connection, table: str) -> int:
    """Copy a table's intact rows. Returns the number of rows that are known to be lost."""
    damaged: set[object] = set()
    unreadable_pages = 0
    names = ["rowid", *(name for name in columns(target, table) if name != "crc")]
    insert = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    for row in pages.readable_rows(source, work, table):
        if not row:
            unreadable_pages += 1
        elif len(row) != len(names) + 1 or not _is_intact(row) or (table == "sources" and not _is_source(row[2])):
            damaged.add(row[0])
        else:
            try:  # a later version of a path replaces an earlier one
                target.execute(insert, row[:-1])
            except (sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
                damaged.add(row[0])
    copied = int(target.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    return max(len(damaged) + unreadable_pages, _indexed_rows(source, table) - copied)


def _indexed_rows(source: sqlite3.Connection, table: str) -> int:
    """Count the rows that an SQL index of the table has; 0 if no index can be read."""
    if table not in _INDEXES:
        return 0
    index, column, least = _INDEXES[table]
    try:  # the condition keeps SQLite from counting in the table
        query = f"SELECT count(*) FROM {table} INDEXED BY {index} WHERE {column} >= {least}"
        (count,) = source.execute(query).fetchone()
    except pages.UNREADABLE:
        return 0
    return int(count)


def _is_source(options: str) -> bool:
    """Return True if these are a source's options, and not a setting: both tables have the same columns."""
    try:
        values = parse_json(options)
    except ValueError:
        return False
    return isinstance(values, dict) and ("include" in values or "removed" in values)


def _intact_rows(source: sqlite3.Connection, work: Path, table: str) -> Iterator[pages.Row | None]:
    """Yield the table's intact rows as (rowid, columns…, crc), and None for each damaged one."""
    for row in pages.readable_rows(source, work, table):
        yield row if row and _is_intact(row) else None


def _is_intact(row: pages.Row) -> bool:
    return bool(row[-1] == row_crc(*row[1:-1]))


def _highest_id(source: sqlite3.Connection, table: str) -> int:
    found = [0]
    for query in (
        f"SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1",
        f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    ):
        with suppress(*pages.UNREADABLE):
            found += [number for (number,) in source.execute(query) if type(number) is int]
    return max(found)


def _reconcile(target: sqlite3.Connection) -> tuple[str, ...]:
    """Delete rows that refer to lost ones. Returns the paths of live files that lost text and must be read again."""
    target.execute(f"DELETE FROM files WHERE NOT live AND {MISCOUNTED_FILE}")  # the next run stages them again
    query = f"SELECT path FROM files WHERE {MISCOUNTED_FILE} ORDER BY path"
    reread = tuple(path for (path,) in target.execute(query))
    # The next run reads such a file again, for no file has this size.
    target.execute(f"UPDATE files SET size = -1, hash = x'', chunks = {COUNTED_CHUNKS} WHERE {MISCOUNTED_FILE}")
    target.execute(f"DELETE FROM chunks WHERE {ORPHAN_CHUNK}")
    target.execute(f"DELETE FROM staged WHERE {ORPHAN_VECTOR}")
    return reread


def _add_placeholder_files(index: Path, target: sqlite3.Connection) -> int:
    """Add a file with a placeholder path for each lost one that still has chunks. Returns their number.

    Their texts are found under that path until a run has read all sources and reused the texts' vectors.
    """
    query = f"SELECT DISTINCT file_id FROM chunks WHERE {ORPHAN_CHUNK}"
    numbers = [number for (number,) in target.execute(query)]
    folder = lost_and_found(index)
    for number in numbers:
        target.execute(
            "INSERT INTO files (id, path, name, ext, dir, live, size, mtime_ns, ctime_ns, hash, meta, chunks)"
            " VALUES (?, ?, ?, '', ?, 1, -1, 0, 0, x'', '{}', (SELECT count(*) FROM chunks WHERE file_id = ?))",
            (number, f"{folder}{number}", str(number), folder.rstrip("/"), number),
        )
    return len(numbers)
