"""Checksums of the catalog's rows, and the seal over its settings and segments.

SQLite's pages have no checksums, so every row carries its own in the column `crc`. A writer's connection maintains them
by temporary triggers: those are in no file, so an index from elsewhere can't bring any.
"""

import json
import sqlite3
import zlib

from vsearch_core.store.tables import TABLES, columns


def row_crc(*values: object) -> int:
    """Return a row's checksum: CRC-32 of its values except `crc`, in the table's order, with NUL between them.

    Integers and NULL (None) are spelled as Python spells them, bytes in hexadecimal.
    """
    return zlib.crc32("\0".join([value.hex() if type(value) is bytes else str(value) for value in values]).encode())


def add_row_crc(connection: sqlite3.Connection) -> None:
    """Make `row_crc` available to the connection's SQL."""
    connection.create_function("row_crc", -1, row_crc, deterministic=True)


def maintain_checksums(connection: sqlite3.Connection) -> None:
    """Make the connection set `crc` of every row that it inserts or updates from now on."""
    connection.execute("PRAGMA temp_store = MEMORY")
    add_row_crc(connection)
    for table in TABLES:
        names = [name for name in columns(connection, table) if name != "crc"]
        change = f"UPDATE {table} SET crc = {_computed_crc(connection, table, 'new')} WHERE rowid = new.rowid"
        for event in ("INSERT", f"UPDATE OF {', '.join(names)}"):
            trigger = f"checksum_{table}_{event[:6].lower()}"
            connection.execute(f"CREATE TEMP TRIGGER {trigger} AFTER {event} ON main.{table} BEGIN {change}; END")


def recompute_checksums(connection: sqlite3.Connection) -> None:
    """Set `crc` of every row: after a migration, which may change a table's columns."""
    for table in TABLES:
        connection.execute(f"UPDATE {table} SET crc = {_computed_crc(connection, table, table)}")


def checksum_ok(connection: sqlite3.Connection, table: str, alias: str | None = None) -> str:
    """Return an SQL condition that is true for intact rows of the table, which the query may call `alias`."""
    row = alias or table
    return f"{row}.crc IS {_computed_crc(connection, table, row)}"


def rows_with_bad_checksums(connection: sqlite3.Connection, table: str) -> list[int]:
    """Return the rowids of the table's damaged rows."""
    query = f"SELECT rowid FROM {table} WHERE NOT {checksum_ok(connection, table)}"
    return [row for (row,) in connection.execute(query)]


def seal(connection: sqlite3.Connection) -> None:
    """Record which settings and segments there are, in the transaction that changes them: `crc` misses lost rows."""
    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('seal', ?)", (_computed_seal(connection),))


def seal_matches(connection: sqlite3.Connection) -> bool:
    """Return True if all settings and segments are there and intact."""
    damaged = rows_with_bad_checksums(connection, "settings") or rows_with_bad_checksums(connection, "segments")
    kept = connection.execute("SELECT value FROM settings WHERE key = 'seal'").fetchone()
    return not damaged and kept == (_computed_seal(connection),)


def _computed_seal(connection: sqlite3.Connection) -> str:
    query = "SELECT key, crc FROM settings WHERE key <> 'seal' UNION ALL SELECT id, crc FROM segments ORDER BY 1"
    return str(zlib.crc32(json.dumps(connection.execute(query).fetchall()).encode()))


def _computed_crc(connection: sqlite3.Connection, table: str, row: str) -> str:
    named = (f"{row}.{name}" for name in columns(connection, table) if name != "crc")
    return f"row_crc({', '.join(named)})"
