"""Read all rows of a damaged catalog that SQLite can still read.

A table is a B-tree of pages. If an interior page is lost, SQLite gives up, although the leaf pages, which contain the
rows, may be intact. The database's pointer map has the parent of every page, so each leaf is found by it, and read as
if it were a table of its own (https://www.sqlite.org/fileformat2.html, "Pointer Map Pages" and "B-tree Pages").
"""

import os
import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from vsearch_core.own_files import connect_database, open_file
from vsearch_core.store.checksums import add_row_crc
from vsearch_core.store.tables import PAGE_BYTES

_CHILD = 5  # the pointer map's type of a B-tree page that is not a root
_ENTRY = struct.Struct(">BI")  # of the pointer map: the type, and the parent page
_ENTRIES = PAGE_BYTES // _ENTRY.size  # of one page of the pointer map, about the pages that follow it
_LOCK_PAGE = (1 << 30) // PAGE_BYTES + 1  # which SQLite leaves unused

Row = tuple[Any, ...]
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)


def connect(path: Path) -> sqlite3.Connection:
    """Connect to a damaged catalog: don't trust its schema, and replace invalid UTF-8 in its texts."""
    connection = connect_database(path, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    add_row_crc(connection)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def readable_rows(connection: sqlite3.Connection, path: Path, table: str) -> Iterator[Row]:
    """Yield all readable rows of the table as (rowid, columns…), and () for each page with unreadable rows.

    A row may be yielded twice. The write-ahead log of the file at `path` must be merged into it before. Raises
    sqlite3.Error if the disk is full.
    """
    query = f"SELECT rowid, * FROM {table} ORDER BY rowid"
    try:
        yield from connection.execute(query)
        return
    except UNREADABLE:
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    for leaf in _leaves(path, found[0]) if found else ():
        with _rooted(connection, table, leaf):
            yield from _from_both_ends(connection, query)


@contextmanager
def _rooted(connection: sqlite3.Connection, table: str, page: int) -> Iterator[None]:
    """Make the page the table's root inside the block."""
    connection.execute("BEGIN")
    connection.execute("PRAGMA writable_schema = ON")
    try:
        connection.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = ?", (page, table))
        connection.execute("PRAGMA writable_schema = RESET")  # reads the schema again
        yield
    finally:
        connection.rollback()
        connection.execute("PRAGMA writable_schema = RESET")


def _from_both_ends(connection: sqlite3.Connection, query: str) -> Iterator[Row]:
    """Yield rows up to the first unreadable one; then () and the rows from the other end."""
    for order in ("ASC", "DESC"):
        count = 0
        try:
            for row in connection.execute(f"{query} {order}"):
                count += 1
                yield row
            return
        except UNREADABLE:
            with suppress(*UNREADABLE):  # the last readable row: sqlite3 had stepped past it when it failed
                yield from connection.execute(f"{query} {order} LIMIT 1 OFFSET {count}")
        if order == "ASC":
            yield ()


def _leaves(path: Path, root: int) -> list[int]:
    """Return the leaf pages of the B-tree at page `root`, by the pointer map."""
    children = defaultdict(list)
    with open_file(path, "rb") as file:
        for page, parent in _pointers(file):
            children[parent].append(page)
    found, waiting = [], [root]
    while waiting:
        page = waiting.pop()
        below = children.get(page, [])
        children[page] = []  # once: a damaged map may have cycles
        waiting += below
        if not below:
            found.append(page)
    return sorted(found)


def _pointers(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield (page, parent) for every page that the pointer map calls a child."""
    pages = file.seek(0, os.SEEK_END) // PAGE_BYTES
    for number in range(2, pages + 1, _ENTRIES + 1):
        of_map = number + (number == _LOCK_PAGE)
        file.seek((of_map - 1) * PAGE_BYTES)
        entries = file.read(_ENTRIES * _ENTRY.size)
        for page, (kind, parent) in enumerate(_ENTRY.iter_unpack(entries[: len(entries) // 5 * 5]), of_map + 1):
            if kind == _CHILD:
                yield page, parent
