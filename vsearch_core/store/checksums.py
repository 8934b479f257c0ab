"""Compute and verify checksums of the catalog's rows, and one of all its settings and segments (the seal).

SQLite's pages have no checksums, so every row has one in the column `crc`. Temporary triggers of the writer's
connection keep it up to date. The triggers are not stored in the index, so an index from someone else can't change
them. The seal shows that no row of the settings and segments is missing.
"""

import json
import sqlite3
import zlib

from vsearch_core.store.tables import TABLES, columns


def row_crc(*values: object) -> int:
    """Return the checksum of a row: the CRC-32 of its values except `crc`, in the table's order, joined by NUL.

    Integers and NULL (None) are converted by `str`, and bytes to hexadecimal.
    """
    return zlib.crc32("\0".join([value.hex() if type(value) is bytes else str(value) for value in values]).encode())


def add_row_crc(connection: sqlite3.Connection) -> None:
    """Make the function `row_crc` available in the connection's SQL."""
    connection.create_function("row_crc", -1, row_crc, deterministic=True)


def maintain_checksums(connection: sqlite3.Connection) -> None:
    """Create triggers that set `crc` of every row that the connection inserts without one, or updates."""
    connection.execute("PRAGMA temp_store = MEMORY")
    add_row_crc(connection)
    for table in TABLES:
        names = [name for name in columns(connection, table) if name != "crc"]
        change = f"UPDATE {table} SET crc = {_computed_crc(connection, table, 'new')} WHERE rowid = new.rowid"
        for event, more in (("INSERT", "WHEN new.crc IS NULL "), (f"UPDATE OF {', '.join(names)}", "")):
            trigger = f"checksum_{table}_{event[:6].lower()}"
            when = f"AFTER {event} ON main.{table} {more}"
            connection.execute(f"CREATE TEMP TRIGGER {trigger} {when}BEGIN {change}; END")


def recompute_checksums(connection: sqlite3.Connection) -> None:
    """Set `crc` of every row again, because a migration may have changed the tables' columns."""
    for table in TABLES:
        connection.execute(f"UPDATE {table} SET crc = {_computed_crc(connection, table, table)}")


def checksum_ok(connection: sqlite3.Connection, table: str, alias: str | None = None) -> str:
    """Return an SQL condition that is true for intact rows of a table. `alias` is its alias in the query, if any."""
    row = alias or table
    return f"{row}.crc IS {_computed_crc(connection, table, row)}"


def rows_with_bad_checksums(connection: sqlite3.Connection, table: str) -> list[int]:
    """Return the rowids of the table's rows whose checksum is wrong."""
    query = f"SELECT rowid FROM {table} WHERE NOT {checksum_ok(connection, table)}"
    return [row for (row,) in connection.execute(query)]


def seal(connection: sqlite3.Connection) -> None:
    """Store the seal, the checksum of all settings and segments. Call this in each transaction that changes them."""
    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('seal', ?)", (_computed_seal(connection),))


def seal_matches(connection: sqlite3.Connection) -> bool:
    """Return True if the stored seal is right: no row of the settings and segments is damaged or missing."""
    damaged = rows_with_bad_checksums(connection, "settings") or rows_with_bad_checksums(connection, "segments")
    kept = connection.execute("SELECT value FROM settings WHERE key = 'seal'").fetchone()
    return not damaged and kept == (_computed_seal(connection),)


def _computed_seal(connection: sqlite3.Connection) -> str:
    query = "SELECT key, crc FROM settings WHERE key <> 'seal' UNION ALL SELECT id, crc FROM segments ORDER BY 1"
    return str(zlib.crc32(json.dumps(connection.execute(query).fetchall()).encode()))


def _computed_crc(connection: sqlite3.Connection, table: str, row: str) -> str:
    named = (f"{row}.{name}" for name in columns(connection, table) if name != "crc")
    return f"row_crc({', '.join(named)})"
