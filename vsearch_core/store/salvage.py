"""What a damaged catalog still gives, as a new one in its place. Rows are taken one by one, those that are sound."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

from vsearch_core.store import schema
from vsearch_core.store.faults import translated
from vsearch_core.store.folders import sync_file, sync_folder
from vsearch_core.store.schema import CATALOG_FILE

_PROBES = 10_000_000  # row numbers that are tried one by one where SQLite can't list them
_NUMBERED = ("files", "chunks", "segments")  # tables whose ids are never handed out twice
_MISSED = frozenset(schema.TABLES) - {"passed_over"}  # whose rows are a loss: such files are just opened in vain again
_WORK = f"{CATALOG_FILE}.salvage"
_FRESH = f"{CATALOG_FILE}.new"
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHM", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN")  # and no word of damage


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a salvaged catalog lacks: rows by table, and the paths of files some of whose text is gone."""

    lost: Mapping[str, int]
    reread: tuple[str, ...]


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
        salvaged = _read(work, fresh)
        if salvaged is not None:
            _replace(index, work, fresh)
        return salvaged
    finally:
        clear(index)


def clear(index: Path) -> None:
    """Delete what a salvage that was killed has left."""
    for name in (_WORK, _FRESH):
        for suffix in ("", "-wal", "-shm", "-journal"):
            (index / (name + suffix)).unlink(missing_ok=True)


def _read(work: Path, fresh: Path) -> Salvaged | None:
    """Write the sound rows to a new catalog, and fold the damaged one's log into it."""
    try:
        with closing(sqlite3.connect(work, isolation_level=None)) as source:
            source.execute("PRAGMA trusted_schema = OFF")
            source.text_factory = lambda data: data.decode("utf-8", "replace")
            _refuse_without_room(source)
            settings = _settings(source)
            if settings is None:
                return None
            with closing(schema.begin(fresh)) as target:
                target.executemany("INSERT INTO settings (key, value) VALUES (?, ?)", settings.items())
                lost = {table: _copy(source, target, table) for table in schema.TABLES if table != "settings"}
                for table in _NUMBERED:
                    schema.reserve_ids(target, table, _highest(source, table))
                reread = _reconcile(target)
                schema.complete(target)
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if fresh.exists():
            raise
        if _lacks_room(error):
            with translated(work.parent):  # now: deleting our copy makes room
                raise
        return None
    return Salvaged({table: count for table, count in lost.items() if count and table in _MISSED}, reread)


def _refuse_without_room(source: sqlite3.Connection) -> None:
    """Raise where SQLite finds no room for the file that it reads a log with; damage is for others to find."""
    try:
        source.execute("SELECT 1 FROM sqlite_master").fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
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
    with path.open("r+b") as file:
        for offset, data in schema.HEADER.items():
            file.seek(offset)
            file.write(data)


def _settings(source: sqlite3.Connection) -> dict[str, str] | None:
    """The settings, or None where one is gone that nothing else tells."""
    rows = [row for row in _rows(source, "settings") if row is not None]
    settings = {str(key): str(value) for _, key, value, _ in rows}
    settings.pop("seal", None)
    needed = {"fingerprint", "model", "chunker", "chunk_words", "overlap_words", "language", "analyzer"}
    return settings if needed <= settings.keys() else None


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> int:
    """Copy a table's sound rows. Returns how many were seen that are not."""
    lost = 0
    names = ["rowid", *(name for name in schema.columns(target, table) if name != "crc")]
    for row in _rows(source, table):
        if row is None or len(row) != len(names) + 1:
            lost += 1
            continue
        try:  # a later version of a path replaces an earlier one
            insert = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            target.execute(insert, row[:-1])
        except (sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
            lost += 1
    return lost


def _rows(source: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...] | None]:
    """The table's rows as (rowid, columns…, crc), ascending; None for each that is not what was written."""
    for row in _readable(source, table):
        _, *values, crc = row
        yield row if crc == schema.row_crc(*values) else None


def _readable(source: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """All rows that SQLite can read: in order as far as it goes, then one number at a time."""
    query = f"SELECT rowid, * FROM {table}"
    last = 0
    try:
        for row in source.execute(f"{query} ORDER BY rowid"):
            last = int(row[0])
            yield row
        return
    except (sqlite3.Error, UnicodeDecodeError):
        pass
    for number in range(last + 1, min(_highest(source, table), last + _PROBES) + 1):
        with suppress(sqlite3.Error, UnicodeDecodeError):
            row = source.execute(f"{query} WHERE rowid = ?", (number,)).fetchone()
            if row is not None:
                yield row


def _highest(source: sqlite3.Connection, table: str) -> int:
    found = [0]
    for query in (
        f"SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1",
        f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    ):
        with suppress(sqlite3.Error, UnicodeDecodeError):
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
