"""What a damaged catalog still gives, as a new one in its place. Only rows that are what was written are taken."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile

from vsearch_core.store import lenient, schema
from vsearch_core.store.adoption import recall_settings
from vsearch_core.store.folders import sync_file, sync_folder
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lost import lost_and_found
from vsearch_core.store.schema import CATALOG_FILE
from vsearch_core.store.segment import segment_folders

_NUMBERED = ("files", "chunks", "segments")  # tables whose ids are never handed out twice
_INDEXES = {  # an index of each table, its first column and what that is at least
    "sources": ("sqlite_autoindex_sources_1", "path", "''"),
    "files": ("files_by_path", "path", "''"),
    "chunks": ("chunks_by_file", "file_id", "0"),
}
_NEEDED = frozenset({"fingerprint", "model", "chunker", "chunk_words", "overlap_words", "language", "analyzer"})
_KEYS = _NEEDED | {"base_url", "generation", "last_commit", "fusion", "gaps_closed", schema.LINEAGE}
_MISSED = ("sources", "files", "chunks")  # beside settings: what the rest tells of, or who searches, is no loss
_PAGES_AT = 28  # in the header
_WORK = f"{CATALOG_FILE}.salvage"
_FRESH = f"{CATALOG_FILE}.new"
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHM", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN")  # and no word of damage


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a salvaged catalog lacks: rows by table, at least so many, and the files some of whose text is gone.

    `recalled` settings are lost too, and are what a segment says.
    """

    lost: Mapping[str, int]
    reread: tuple[str, ...]
    recalled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Settings:
    """The settings; the names of those that segments told; and how many are lost."""

    values: Mapping[str, str]
    recalled: tuple[str, ...] = ()
    lost: int = 0


def salvage(index: Path) -> Salvaged | None:
    """Put what can be read of the catalog in its place; None, and nothing done, when it can't be made into a catalog.

    Killed at any point, it leaves a catalog that gives as much. Raises OSError, sqlite3.Error and StorageError.
    """
    clear(index)
    work, fresh = index / _WORK, index / _FRESH
    try:
        for suffix in ("", "-wal"):
            if (index / (CATALOG_FILE + suffix)).exists():
                copyfile(index / (CATALOG_FILE + suffix), index / (_WORK + suffix))
        _restore_header(work)
        salvaged = _read(index, work, fresh)
        if salvaged is not None:
            _replace(index, work, fresh)
        return salvaged
    finally:
        clear(index)


def clear(index: Path) -> None:
    """Delete what a salvage that was killed has left."""
    for name in (_WORK, _FRESH):
        for suffix in schema.FILES:
            (index / (name + suffix)).unlink(missing_ok=True)


def _read(index: Path, work: Path, fresh: Path) -> Salvaged | None:
    """Write the sound rows to a new catalog, and fold the damaged one's log into it."""
    try:
        with closing(_open(work)) as source:
            settings = _settings(index, source, work)
            if not settings.values.keys() >= _NEEDED:
                return None
            with closing(schema.begin(fresh)) as target:
                target.executemany("INSERT INTO settings (key, value) VALUES (?, ?)", settings.values.items())
                if schema.LINEAGE not in settings.values:
                    schema.begin_lineage(target)
                salvaged = _fill(index, source, work, target)
                if _is_empty(target) and segment_folders(index):
                    return None
                schema.complete(target)
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except lenient.UNREADABLE as error:
        if fresh.exists():
            raise
        if _lacks_room(error):
            with storage_errors(work.parent):  # now: deleting our copy makes room
                raise
        return None
    lost = {"settings": settings.lost, **salvaged.lost}
    return replace(salvaged, recalled=settings.recalled, lost={table: count for table, count in lost.items() if count})


def _fill(index: Path, source: sqlite3.Connection, work: Path, target: sqlite3.Connection) -> Salvaged:
    """Give the new catalog, which has its settings, all else."""
    lost = {table: _copy(source, work, target, table) for table in schema.TABLES if table != "settings"}
    for table in _NUMBERED:
        schema.reserve_ids(target, table, _highest(source, table))
    lost["files"] = max(lost["files"], _name_files(index, target))
    reread = _reconcile(target)
    return Salvaged({table: lost[table] for table in _MISSED}, reread)


def _open(work: Path) -> sqlite3.Connection:
    """The damaged catalog, with its log folded in, and the first page of all catalogs if its own names no tables."""
    source = lenient.connect(work)
    try:
        _raise_if_full(source, "SELECT 1 FROM sqlite_master")
        if not _has_tables(source):
            source.close()
            _overwrite(work, {0: schema.empty_catalog()[: schema.PAGE_BYTES]})
            _restore_header(work)
            source = lenient.connect(work)
        _raise_if_full(source, "PRAGMA synchronous = OFF")  # of a copy
        _raise_if_full(source, "PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        source.close()
        raise
    return source


def _has_tables(source: sqlite3.Connection) -> bool:
    try:
        return schema.has_our_tables(source)
    except lenient.UNREADABLE:
        return False


def _raise_if_full(source: sqlite3.Connection, statement: str) -> None:
    """Raise where SQLite finds no room for the files that it works with; damage is for others to find."""
    try:
        source.execute(statement).fetchone()
    except lenient.UNREADABLE as error:
        if _lacks_room(error):
            raise


def _lacks_room(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    return str(getattr(error, "sqlite_errorname", "")).startswith(_NO_ROOM)


def _replace(index: Path, work: Path, fresh: Path) -> None:
    """Put the new catalog in the damaged one's place, whose log goes first.

    A log tells by nothing which file it belongs to (https://www.sqlite.org/fileformat2.html#the_write_ahead_log): left
    beside the new catalog, it would be applied to it; and without it the damaged one lacks its last commits. So the
    damaged one is replaced by itself with the log folded in, which the log, full pages all, does not change.
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
    """Put back what all catalogs begin with, and how many pages this one has: SQLite reads none that was cut short.

    It gets as many as it takes for every table to begin somewhere.
    """
    size = path.stat().st_size
    pages = -(-max(size, len(schema.empty_catalog())) // schema.PAGE_BYTES)
    _overwrite(path, {size: bytes(pages * schema.PAGE_BYTES - size)})
    _overwrite(path, {**schema.HEADER, _PAGES_AT: pages.to_bytes(4, "big")})


def _overwrite(path: Path, places: Mapping[int, bytes]) -> None:
    with path.open("r+b") as file:
        for offset, data in places.items():
            file.seek(offset)
            file.write(data)


def _settings(index: Path, source: sqlite3.Connection, work: Path) -> _Settings:
    """The settings, and what has become of those that are lost."""
    rows = list(_rows(source, work, "settings"))
    sound = {row[1]: row[2] for row in rows if row is not None and row[1] in _KEYS}
    lost = (_NEEDED | _indexed_settings(source)) - sound.keys()
    if not lost and None not in rows:
        return _Settings(sound)
    named = {row[2] for row in _rows(source, work, "segments") if row is not None}
    recalled = {key: value for key, value in recall_settings(index, named).items() if key in _KEYS - sound.keys()}
    return _Settings({**recalled, **sound}, tuple(sorted(recalled)), len(lost - recalled.keys()))


def _indexed_settings(source: sqlite3.Connection) -> set[str]:
    """The settings that their index knows."""
    query = "SELECT key FROM settings INDEXED BY sqlite_autoindex_settings_1 WHERE key >= ''"
    with suppress(*lenient.UNREADABLE):
        return {key for (key,) in source.execute(query)} & _KEYS - {"last_commit", "gaps_closed"}  # nobody misses these
    return set()


def _is_empty(target: sqlite3.Connection) -> bool:
    return not any(target.execute(f"SELECT 1 FROM {table}").fetchone() for table in ("files", "sources"))


def _copy(source: sqlite3.Connection, work: Path, target: sqlite3.Connection, table: str) -> int:
    """Copy a table's sound rows. Returns how many are known not to be."""
    unsound: set[object] = set()
    pages = 0
    names = ["rowid", *(name for name in schema.columns(target, table) if name != "crc")]
    insert = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    for row in lenient.rows(source, work, table):
        if not row:
            pages += 1
        elif len(row) != len(names) + 1 or not _is_sound(row) or (table == "sources" and not _is_source(row[2])):
            unsound.add(row[0])
        else:
            try:  # a later version of a path replaces an earlier one
                target.execute(insert, row[:-1])
            except (sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
                unsound.add(row[0])
    copied = int(target.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    return max(len(unsound) + pages, _indexed(source, table) - copied)


def _indexed(source: sqlite3.Connection, table: str) -> int:
    """How many rows an index of the table knows; 0 where there is none that can be read."""
    if table not in _INDEXES:
        return 0
    index, column, least = _INDEXES[table]
    try:  # the condition keeps SQLite from counting in the table
        query = f"SELECT count(*) FROM {table} INDEXED BY {index} WHERE {column} >= {least}"
        (count,) = source.execute(query).fetchone()
    except lenient.UNREADABLE:
        return 0
    return int(count)


def _is_source(options: str) -> bool:
    """Whether these are a source's options: a setting has the same columns, and could stand in its place."""
    try:
        values = json.loads(options)
    except ValueError:
        return False
    return isinstance(values, dict) and ("include" in values or "removed" in values)


def _rows(source: sqlite3.Connection, work: Path, table: str) -> Iterator[lenient.Row | None]:
    """The table's rows as (rowid, columns…, crc); None for what is not what was written."""
    for row in lenient.rows(source, work, table):
        yield row if row and _is_sound(row) else None


def _is_sound(row: lenient.Row) -> bool:
    return bool(row[-1] == schema.row_crc(*row[1:-1]))


def _highest(source: sqlite3.Connection, table: str) -> int:
    found = [0]
    for query in (
        f"SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1",
        f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    ):
        with suppress(*lenient.UNREADABLE):
            found += [number for (number,) in source.execute(query) if type(number) is int]
    return max(found)


def _reconcile(target: sqlite3.Connection) -> tuple[str, ...]:
    """Drop what refers to rows that are gone. Returns the live files that have lost text: to be read again."""
    short = schema.MISCOUNTED_FILE
    target.execute(f"DELETE FROM files WHERE NOT live AND {short}")  # the next run stages them again
    reread = tuple(path for (path,) in target.execute(f"SELECT path FROM files WHERE {short} ORDER BY path"))
    # A size that no file has makes the next run read it again.
    target.execute(f"UPDATE files SET size = -1, hash = x'', chunks = {schema.COUNTED} WHERE {short}")
    target.execute(f"DELETE FROM chunks WHERE {schema.ORPHAN_CHUNK}")
    target.execute(f"DELETE FROM staged WHERE {schema.ORPHAN_VECTOR}")
    return reread


def _name_files(index: Path, target: sqlite3.Connection) -> int:
    """Give files that only their chunks tell of a name that no document has. Returns how many.

    The texts are found under it until a run has read all sources, and has found them and their vectors here.
    """
    query = f"SELECT DISTINCT file_id FROM chunks WHERE {schema.ORPHAN_CHUNK}"
    numbers = [number for (number,) in target.execute(query)]
    folder = lost_and_found(index)
    for number in numbers:
        target.execute(
            "INSERT INTO files (id, path, name, ext, dir, live, size, mtime_ns, ctime_ns, hash, meta, chunks)"
            " VALUES (?, ?, ?, '', ?, 1, -1, 0, 0, x'', '{}', (SELECT count(*) FROM chunks WHERE file_id = ?))",
            (number, f"{folder}{number}", str(number), folder.rstrip("/"), number),
        )
    return len(numbers)
