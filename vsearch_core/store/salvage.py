"""What a damaged catalog still gives, as a new one in its place. Only rows that are what was written are taken."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from shutil import copyfile

from vsearch_core.store import lenient, schema
from vsearch_core.store.faults import translated
from vsearch_core.store.folders import sync_file, sync_folder
from vsearch_core.store.schema import CATALOG_FILE
from vsearch_core.store.segment import SEGMENTS_DIR, About, is_segment_name, manifest_to_json, read_about

_NUMBERED = ("files", "chunks", "segments")  # tables whose ids are never handed out twice
_MISSED = frozenset(schema.TABLES) - {"passed_over"}  # whose rows are a loss: such files are just opened in vain again
_NEEDED = frozenset({"fingerprint", "model", "chunker", "chunk_words", "overlap_words", "language", "analyzer"})
_PAGES_AT = 28  # in the header
_WORK = f"{CATALOG_FILE}.salvage"
_FRESH = f"{CATALOG_FILE}.new"
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_SHM", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN")  # and no word of damage


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a salvaged catalog lacks: rows by table, at least so many, and the files some of whose text is gone."""

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
        salvaged = _read(index, work, fresh)
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


def _read(index: Path, work: Path, fresh: Path) -> Salvaged | None:
    """Write the sound rows to a new catalog, and fold the damaged one's log into it."""
    try:
        with closing(_open(work)) as source:
            settings, told = _settings(index, source, work)
            if not settings.keys() >= _NEEDED:
                return None
            with closing(schema.begin(fresh)) as target:
                target.executemany("INSERT INTO settings (key, value) VALUES (?, ?)", settings.items())
                salvaged = _fill(index, source, work, target)
                if _is_empty(target) and salvaged.lost.keys() & {"files", "sources"}:
                    return None
                schema.complete(target)
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except lenient.UNREADABLE as error:
        if fresh.exists():
            raise
        if _lacks_room(error):
            with translated(work.parent):  # now: deleting our copy makes room
                raise
        return None
    return replace(salvaged, lost={**salvaged.lost, "settings": told}) if told else salvaged


def _fill(index: Path, source: sqlite3.Connection, work: Path, target: sqlite3.Connection) -> Salvaged:
    """Give the new catalog, which has its settings, all else."""
    lost = {table: _copy(_rows(source, work, table), target, table) for table in schema.TABLES if table != "settings"}
    if not _is_complete(source):
        _adopt(index, target)
    for table in _NUMBERED:
        schema.reserve_ids(target, table, _highest(source, table))
    lost["files"] = max(lost["files"], _name_files(target))
    reread = _reconcile(target)
    return Salvaged({table: count for table, count in lost.items() if count and table in _MISSED}, reread)


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


def _settings(index: Path, source: sqlite3.Connection, work: Path) -> tuple[dict[str, str], int]:
    """The settings, and how many needed ones were taken from what the segments say of themselves."""
    rows = [row for row in _rows(source, work, "settings") if row is not None]
    settings = {str(key): str(value) for _, key, value, _ in rows}
    settings.pop("seal", None)
    missing = _NEEDED - settings.keys()
    if missing:
        named = {row[2] for row in _rows(source, work, "segments") if row is not None}
        told = {name: about.settings for name, about in _abouts(index).items()}
        latest = max(told, key=lambda name: (name in named, _generation(told[name])), default=None)
        settings = {**told.get(latest or "", {}), **settings}
    return settings, len(missing)


def _abouts(index: Path) -> dict[str, About]:
    """What the segments that are there say of themselves, by name, those that do."""
    names = sorted(path.name for path in (index / SEGMENTS_DIR).glob("*") if is_segment_name(path.name))
    told = {name: read_about(index, name) for name in names}
    return {name: about for name, about in told.items() if about is not None}


def _generation(settings: Mapping[str, str]) -> int:
    text = settings.get("generation", "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def _is_complete(source: sqlite3.Connection) -> bool:
    """Whether all segments that were named are."""
    try:
        return schema.is_sealed(source)
    except lenient.UNREADABLE:
        return False


def _adopt(index: Path, target: sqlite3.Connection) -> None:
    """Name segments again that the catalog has forgotten, oldest first: those whose rows mean the same as ever.

    Some may be ones that had gone; what they repeat, or hold of files that have gone, the repair then marks as dead.
    """
    named = {name for (name,) in target.execute("SELECT name FROM segments")}
    settings = dict(target.execute("SELECT key, value FROM settings"))
    told = {name: about for name, about in _abouts(index).items() if name not in named}
    for name, about in sorted(told.items(), key=lambda item: _generation(item[1].settings)):
        alike = all(about.settings.get(key) == settings[key] for key in ("fingerprint", "analyzer"))
        if alike and "chunk_ids" in about.manifest:
            values = (name, about.manifest["chunk_ids"].rows, json.dumps(manifest_to_json(about.manifest)))
            target.execute("INSERT INTO segments (name, rows, manifest) VALUES (?, ?, ?)", values)


def _is_empty(target: sqlite3.Connection) -> bool:
    return not any(target.execute(f"SELECT 1 FROM {table}").fetchone() for table in ("files", "sources"))


def _copy(rows: Iterator[tuple[object, ...] | None], target: sqlite3.Connection, table: str) -> int:
    """Copy a table's sound rows. Returns how many were seen that are not."""
    lost = 0
    names = ["rowid", *(name for name in schema.columns(target, table) if name != "crc")]
    for row in rows:
        if row is None or len(row) != len(names) + 1:
            lost += 1
            continue
        try:  # a later version of a path replaces an earlier one
            insert = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            target.execute(insert, row[:-1])
        except (sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
            lost += 1
    return lost


def _rows(source: sqlite3.Connection, work: Path, table: str) -> Iterator[tuple[object, ...] | None]:
    """The table's rows as (rowid, columns…, crc); None for each that is not what was written."""
    for row in lenient.rows(source, work, table):
        yield row if row and row[-1] == schema.row_crc(*row[1:-1]) else None


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


def _name_files(target: sqlite3.Connection) -> int:
    """Give files that only their chunks tell of a name that none has. Returns how many.

    In a source it is one of a file that has gone, so that the next run forgets it; but not before that run has read the
    file anew, and found the vectors of its texts.
    """
    sources = target.execute("SELECT path, options FROM sources").fetchall()
    kept = (path for path, options in sources if not json.loads(options).get("removed"))
    folder = PurePosixPath(min(kept, default=""))
    query = f"SELECT DISTINCT file_id FROM chunks WHERE {schema.ORPHAN_CHUNK}"
    numbers = [number for (number,) in target.execute(query)]
    for number in numbers:
        name = f"lost file {number}"
        target.execute(
            "INSERT INTO files (id, path, name, ext, dir, live, size, mtime_ns, ctime_ns, hash, meta, chunks)"
            " VALUES (?, ?, ?, '', ?, 1, -1, 0, 0, x'', '{}', (SELECT count(*) FROM chunks WHERE file_id = ?))",
            (number, str(folder / name), name, str(folder) if folder.parts else "", number),
        )
    return len(numbers)
