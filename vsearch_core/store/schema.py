"""The catalog's tables, its connections, and what a connection verifies before anything is read through it.

Every row carries a checksum of itself, which SQLite's pages do not. A writer's connection keeps the checksums by
temporary triggers: they are in no file, so that a shared index can't bring any of its own.
"""

import json
import sqlite3
import zlib
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from urllib.parse import quote

from vsearch_core.errors import IndexCorruptError, IndexNotFoundError, IndexVersionError, StorageError
from vsearch_core.store.folders import refuse_foreign_name

CATALOG_FILE = "catalog.sqlite"
FILES = ("", "-wal", "-shm", "-journal")  # what SQLite keeps of it
DAMAGED_DIR = "damaged"  # beside it: what repairs have set aside
PAGE_BYTES = 1 << 14  # texts of 1-3 kB leave a tenth of such pages unused, against a quarter of pages of 4 kB
FORMAT = 1  # what this version writes; `PRAGMA user_version`
MIN_READER = 1  # the oldest format whose readers can read what this version writes; the setting `min_reader`
MIGRATIONS: Mapping[int, tuple[str, ...]] = {}  # format -> statements that make it the next one
APPLICATION_ID = 0x76736368  # "vsch"

# What the first 100 bytes of every catalog of ours have in common, by place: https://www.sqlite.org/fileformat2.html
# Magic, pages of 16 kB, write-ahead log, payload fractions; schema format 4; UTF-8; the application.
HEADER: Mapping[int, bytes] = {
    0: b"SQLite format 3\0\x40\x00\x02\x02\x00\x40\x20\x20",
    44: b"\0\0\0\4",
    56: b"\0\0\0\1",
    68: APPLICATION_ID.to_bytes(4, "big"),
    72: bytes(20),
}

LINEAGE = "lineage"  # the setting that tells apart indexes whose ids mean different things

_PLAUSIBLE = 1 << 40  # no table has had so many rows

TABLES: Mapping[str, str] = {
    "settings": "key TEXT PRIMARY KEY, value TEXT NOT NULL",
    "sources": "path TEXT PRIMARY KEY, options TEXT NOT NULL",
    "files": """
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL, name TEXT NOT NULL, ext TEXT NOT NULL, dir TEXT NOT NULL, live INTEGER NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, hash BLOB NOT NULL,
    title TEXT, language TEXT, meta TEXT NOT NULL, chunks INTEGER NOT NULL""",
    "chunks": """
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_id INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    start_char INTEGER NOT NULL, end_char INTEGER NOT NULL, start_line INTEGER NOT NULL, end_line INTEGER NOT NULL,
    page INTEGER, heading TEXT, hash INTEGER NOT NULL, text BLOB NOT NULL""",
    "staged": "chunk_id INTEGER PRIMARY KEY, vector BLOB NOT NULL",
    "segments": """
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL, rows INTEGER NOT NULL, manifest TEXT NOT NULL, dead BLOB""",
    "passed_over": """
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    readers TEXT NOT NULL, binary INTEGER NOT NULL, reason TEXT NOT NULL""",
}
OBJECTS = (
    *(f"CREATE TABLE {name} ({columns}, crc INTEGER) STRICT" for name, columns in TABLES.items()),
    "CREATE UNIQUE INDEX files_by_path ON files (path, live)",
    "CREATE INDEX chunks_by_file ON chunks (file_id)",
    "CREATE INDEX chunks_by_hash ON chunks (hash)",
)

# SQL: what `files.chunks` should be, and what is so only in a damaged catalog
COUNTED = "(SELECT count(*) FROM chunks WHERE file_id = files.id)"
MISCOUNTED_FILE = f"chunks <> {COUNTED}"
ORPHAN_CHUNK = "file_id NOT IN (SELECT id FROM files)"
ORPHAN_VECTOR = "chunk_id NOT IN (SELECT chunks.id FROM chunks JOIN files ON files.id = file_id WHERE NOT live)"


def begin(path: Path) -> sqlite3.Connection:
    """Make an empty catalog at the path. It is to be filled in the transaction that `complete` ends."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA page_size = {PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;")
    connection.execute("BEGIN")
    for statement in OBJECTS:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    _keep_checksums(connection)
    return connection


def complete(connection: sqlite3.Connection) -> None:
    """Seal what `begin` began, and make it a catalog that may be opened."""
    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('min_reader', ?)", (str(MIN_READER),))
    seal(connection)
    connection.execute("COMMIT")
    # Last: closing says nothing of a log that can't be folded in, and the log would stay behind at a rename.
    connection.execute("PRAGMA journal_mode = WAL")


def begin_lineage(connection: sqlite3.Connection) -> None:
    """Say that ids mean from now on what they do in no other index, nor did in this one before."""
    from uuid import uuid4

    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (LINEAGE, uuid4().hex))


def empty_catalog() -> bytes:
    """A catalog without rows. Where its tables begin, they begin in every other, for none is ever dropped."""
    with closing(begin(Path(":memory:"))) as connection:
        connection.execute("COMMIT")
        return connection.serialize()


def open_to_write(index: Path) -> sqlite3.Connection:
    """A connection for the holder of the writer lock; an older format is migrated first."""
    connection = connect(index, "rw")
    try:
        connection.execute("PRAGMA synchronous = FULL")
        version = _format(index, connection)
        if version > FORMAT:
            reason = f"it has format {version}, this vsearch writes format {FORMAT}"
            raise IndexVersionError(str(index), reason)
        if version < FORMAT:
            _migrate(index, connection, version)
        _refuse_foreign_schema(index, connection)
        connection.execute("PRAGMA journal_mode = WAL")  # again: SQLite raises nothing where it failed at creation
        if version == FORMAT:
            _keep_checksums(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(index: Path) -> sqlite3.Connection:
    """A connection that changes nothing, in a read transaction: all that is read belongs to one generation."""
    connection = connect(index, "ro")
    try:
        try:
            version = _format(index, connection)
        except sqlite3.OperationalError as error:
            # SQLite can't make its shared-memory file in a read-only folder, nor on a full disk.
            connection.close()
            _refuse_unfolded(index, error)
            connection = connect(index, "ro", immutable=True)
            version = _format(index, connection)
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # a read transaction begins at its first read
        if version > FORMAT:
            _refuse_unreadable(index, connection, version)
        elif version < FORMAT:
            can = all(number in MIGRATIONS for number in range(version, FORMAT))
            code = "index-needs-migration" if can else "index-too-old"
            raise IndexVersionError(str(index), f"it has format {version}, this vsearch reads {FORMAT}", code)
        else:
            _refuse_foreign_schema(index, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect(index: Path, mode: str, *, immutable: bool = False) -> sqlite3.Connection:
    """A connection through which nothing has been verified yet. `mode` is "ro" or "rw"."""
    refuse_foreign_name(index)
    path = index / CATALOG_FILE
    if not path.exists():
        raise IndexNotFoundError(str(index), "there is no index here")
    for each in (path.with_name(CATALOG_FILE + suffix) for suffix in FILES):
        if each.exists() and not each.is_file():  # a pipe would be read for ever
            raise IndexCorruptError(str(each), "is not a regular file", "catalog-not-a-file")
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}" + ("&immutable=1" if immutable else "")
    # Whoever opens it may hand it to another thread, which is then the only one that uses it.
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")  # a shared index must not run functions through its schema
    connection.execute("PRAGMA cell_size_check = ON")
    connection.create_function("row_crc", -1, row_crc, deterministic=True)
    return connection


def has_our_header(index: Path) -> bool:
    """Whether the catalog begins as ours do; SQLite may open one that does not, and read or refuse it wrongly."""
    with (index / CATALOG_FILE).open("rb") as file:
        header = file.read(100)
    return all(header[at : at + len(data)] == data for at, data in HEADER.items())


def has_our_tables(connection: sqlite3.Connection) -> bool:
    """Whether the catalog has the tables of FORMAT, and nothing else."""
    return _schema(connection) == expected_schema()


def row_crc(*values: object) -> int:
    """A row's checksum: CRC-32 of its values but `crc` itself, in the table's order, NUL between them.

    Integers and NULL (None) are as Python writes them, bytes in hexadecimal.
    """
    return zlib.crc32("\0".join([value.hex() if type(value) is bytes else str(value) for value in values]).encode())


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's columns, in order."""
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def reserve_ids(connection: sqlite3.Connection, table: str, highest: int) -> None:
    """Let the table's next row have an id beyond `highest`: what still names a lost row must not mean a new one.

    A number that only damage explains is passed over, for it would leave few ids to hand out.
    """
    if highest >= _PLAUSIBLE:
        return
    query = "SELECT 1 FROM sqlite_sequence WHERE name = ?"
    if connection.execute(query, (table,)).fetchone() is None:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, highest))
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ? AND seq < ?", (highest, table, highest))


def checksum_ok(connection: sqlite3.Connection, table: str, alias: str | None = None) -> str:
    """An SQL condition: the table's row, which the query may call otherwise, is what was written."""
    row = alias or table
    return f"{row}.crc IS {_checksum(connection, table, row)}"


def rows_with_bad_checksums(connection: sqlite3.Connection, table: str) -> list[int]:
    """The rowids of the table's rows that are not what was written."""
    return [
        row for (row,) in connection.execute(f"SELECT rowid FROM {table} WHERE NOT {checksum_ok(connection, table)}")
    ]


def tables(connection: sqlite3.Connection) -> list[str]:
    """The names of our tables that are there."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in found if name in TABLES]


def seal(connection: sqlite3.Connection) -> None:
    """Note which settings and segments there are, in the transaction that changes them: `crc` sees no missing row."""
    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('seal', ?)", (_seal(connection),))


def seal_matches(connection: sqlite3.Connection) -> bool:
    """Whether settings and segments are all there and are what was written."""
    broken = rows_with_bad_checksums(connection, "settings") or rows_with_bad_checksums(connection, "segments")
    kept = connection.execute("SELECT value FROM settings WHERE key = 'seal'").fetchone()
    return not broken and kept == (_seal(connection),)


def _seal(connection: sqlite3.Connection) -> str:
    query = "SELECT key, crc FROM settings WHERE key <> 'seal' UNION ALL SELECT id, crc FROM segments ORDER BY 1"
    return str(zlib.crc32(json.dumps(connection.execute(query).fetchall()).encode()))


def _checksum(connection: sqlite3.Connection, table: str, row: str) -> str:
    named = (f"{row}.{name}" for name in columns(connection, table) if name != "crc")
    return f"row_crc({', '.join(named)})"


def _keep_checksums(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.create_function("row_crc", -1, row_crc, deterministic=True)
    for table in TABLES:
        names = [name for name in columns(connection, table) if name != "crc"]
        change = f"UPDATE {table} SET crc = {_checksum(connection, table, 'new')} WHERE rowid = new.rowid"
        for event in ("INSERT", f"UPDATE OF {', '.join(names)}"):
            trigger = f"checksum_{table}_{event[:6].lower()}"
            connection.execute(f"CREATE TEMP TRIGGER {trigger} AFTER {event} ON main.{table} BEGIN {change}; END")


def _format(index: Path, connection: sqlite3.Connection) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        reason = "is not a vsearch catalog, or is damaged"
        raise IndexCorruptError(str(index / CATALOG_FILE), reason, "not-a-catalog")
    return int(version)


def _refuse_unreadable(index: Path, connection: sqlite3.Connection, version: int) -> None:
    """Raise unless a newer format says that readers of ours can read it, and brings nothing that runs."""
    row = connection.execute("SELECT value FROM settings WHERE key = 'min_reader'").fetchone()
    if row is None or not row[0].isdecimal() or int(row[0]) > FORMAT:
        reason = f"it has format {version}, this vsearch reads up to {FORMAT}"
        raise IndexVersionError(str(index), reason)
    if connection.execute("SELECT 1 FROM sqlite_master WHERE type NOT IN ('table', 'index')").fetchone():
        raise IndexCorruptError(str(index / CATALOG_FILE), "holds views or triggers", "untrusted-index")


def _refuse_foreign_schema(index: Path, connection: sqlite3.Connection) -> None:
    if not has_our_tables(connection):
        raise IndexCorruptError(str(index / CATALOG_FILE), f"its tables are not those of format {FORMAT}")


def _schema(connection: sqlite3.Connection) -> frozenset[tuple[str, ...]]:
    return frozenset(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


@cache
def expected_schema() -> frozenset[tuple[str, ...]]:
    connection = sqlite3.connect(":memory:")
    for statement in OBJECTS:
        connection.execute(statement)
    schema = _schema(connection)
    connection.close()
    return schema


def _migrate(index: Path, connection: sqlite3.Connection, version: int) -> None:
    """Bring an older catalog to this format, in one transaction."""
    if not all(number in MIGRATIONS for number in range(version, FORMAT)):
        reason = f"it has format {version}, which this vsearch can't bring to format {FORMAT}"
        raise IndexVersionError(str(index), reason, "index-too-old")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if any(rows_with_bad_checksums(connection, table) for table in tables(connection)):
            raise IndexCorruptError(str(index), "its catalog holds damaged rows")
        for number in range(version, FORMAT):
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
        for table in TABLES:
            connection.execute(f"UPDATE {table} SET crc = {_checksum(connection, table, table)}")
        _keep_checksums(connection)
        connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('min_reader', ?)", (str(MIN_READER),))
        seal(connection)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _refuse_unfolded(index: Path, error: sqlite3.OperationalError) -> None:
    """Raise unless the catalog itself holds all commits: an immutable connection reads no write-ahead log."""
    if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        raise error
    log = index / f"{CATALOG_FILE}-wal"
    if log.exists() and log.stat().st_size:
        raise StorageError(
            str(index),
            "can't be read: a run was interrupted, and the folder can't be written to finish its last commit",
            "unfinished-commit",
        )
