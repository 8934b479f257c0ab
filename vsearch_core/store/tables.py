"""Define the catalog's tables: their columns, the SQL that creates them, and the version of the format.

Every table has a column `crc`, a checksum of the row (`store.checksums`).
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

CATALOG_FILE = "catalog.sqlite"
SUFFIXES = ("", "-wal", "-shm", "-journal")  # of the files that SQLite keeps for a database
DAMAGED_DIR = "damaged"  # beside the catalog: where a repair moves damaged files
PAGE_BYTES = 1 << 14  # texts of 1-3 kB leave a tenth of such pages unused, against a quarter of pages of 4 kB
APPLICATION_ID = 0x76736368  # "vsch"
COUNTERS = ("generation", "gaps_closed", "chunk_words", "overlap_words")  # settings that are whole numbers
LONGEST_COUNTER = 18  # digits
LINEAGE = "lineage"  # the setting with the index's random id: ids of chunks and files have one meaning within a lineage

# The bytes that all our catalogs share within the first 100, by offset: https://www.sqlite.org/fileformat2.html
# Magic, pages of 16 kB, write-ahead log, payload fractions; schema format 4; UTF-8; the application.
HEADER: Mapping[int, bytes] = {
    0: b"SQLite format 3\0\x40\x00\x02\x02\x00\x40\x20\x20",
    44: b"\0\0\0\4",
    56: b"\0\0\0\1",
    68: APPLICATION_ID.to_bytes(4, "big"),
    72: bytes(20),
}

_MAX_ID = 1 << 40  # no table has so many rows: a higher id comes from damage

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
STATEMENTS = (
    *(f"CREATE TABLE {name} ({columns}, crc INTEGER) STRICT" for name, columns in TABLES.items()),
    "CREATE UNIQUE INDEX files_by_path ON files (path, live)",
    "CREATE INDEX chunks_by_file ON chunks (file_id)",
    "CREATE INDEX chunks_by_hash ON chunks (hash)",
)

# SQL: the number of chunks that a file has, and conditions that hold only in a damaged catalog
COUNTED_CHUNKS = "(SELECT count(*) FROM chunks WHERE file_id = files.id)"
MISCOUNTED_FILE = f"chunks <> {COUNTED_CHUNKS}"
ORPHAN_CHUNK = "file_id NOT IN (SELECT id FROM files)"
ORPHAN_VECTOR = "chunk_id NOT IN (SELECT id FROM chunks)"


@dataclass(frozen=True, slots=True, eq=False)
class CatalogFormat:
    """A version of the catalog's format, with the migrations from older versions.

    `version` is stored as SQLite's `user_version`. `min_reader` is stored as a setting: programs for that version or a
    later one can read this format. `statements` create the tables. `migrations` maps an older version to the SQL
    statements that convert it to the next version.
    """

    version: int = 1
    min_reader: int = 1
    statements: tuple[str, ...] = STATEMENTS
    migrations: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def can_migrate(self, version: int) -> bool:
        """Return True if a catalog of the older version can be converted to this format."""
        return all(number in self.migrations for number in range(version, self.version))


FORMAT = CatalogFormat()  # what this version of vsearch writes


def is_counter(text: str) -> bool:
    """Return True if the text is a whole number from 0 that fits into 64 bits."""
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_COUNTER


def lost_and_found(index: Path) -> str:
    """Return the folder "INDEX/lost/" for files whose paths are lost after a repair.

    No document can be there, because INDEX is the name of the index folder, which is never indexed.
    """
    return f"{index.name}/lost/"


def create_tables(connection: sqlite3.Connection, catalog_format: CatalogFormat = FORMAT) -> None:
    """Create the tables and SQL indexes in an empty database, in the caller's transaction."""
    for statement in catalog_format.statements:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {catalog_format.version}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def has_our_tables(connection: sqlite3.Connection, catalog_format: CatalogFormat = FORMAT) -> bool:
    """Return True if the database has exactly the tables and SQL indexes of the format."""
    return _schema(connection) == _expected_schema(catalog_format)


def existing_tables(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the catalog's tables that the database has."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in found if name in TABLES]


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns, in order."""
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def start_lineage(connection: sqlite3.Connection) -> None:
    """Give the catalog a new lineage, a random id: its chunk ids no longer match those in other copies."""
    from uuid import uuid4

    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (LINEAGE, uuid4().hex))


def reserve_ids(connection: sqlite3.Connection, table: str, highest: int) -> None:
    """Make new rows of the table get ids above `highest`, so that none gets the id of a lost row.

    A number that is too high to be an id is ignored, because it must come from damage.
    """
    if highest >= _MAX_ID:
        return
    query = "SELECT 1 FROM sqlite_sequence WHERE name = ?"
    if connection.execute(query, (table,)).fetchone() is None:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, highest))
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ? AND seq < ?", (highest, table, highest))


def _schema(connection: sqlite3.Connection) -> frozenset[tuple[str, ...]]:
    return frozenset(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


@cache
def _expected_schema(catalog_format: CatalogFormat) -> frozenset[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection, catalog_format)
        return _schema(connection)
