"""Rows of a damaged catalog: all that SQLite can still read, whatever pages of a table are lost.

A table is a B-tree of pages. Where one that leads to others is lost, SQLite gives up, though the leaves, which have the
rows, are there. The pointer map still tells whose child each page is, so each leaf is read as if it were a table of its
own (https://www.sqlite.org/fileformat2.html, "Pointer Map Pages" and "B-tree Pages").
"""

import os
import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from vsearch_core.store import schema

_CHILD = 5  # a page that another leads to, in the pointer map
_ENTRY = struct.Struct(">BI")  # of the pointer map: the kind, and the page that leads to it
_MAPPED = schema.PAGE_BYTES // _ENTRY.size  # pages that one page of the pointer map tells of; they follow it
_LOCK_PAGE = (1 << 30) // schema.PAGE_BYTES + 1  # which SQLite uses for nothing

Row = tuple[Any, ...]
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)


def connect(path: Path) -> sqlite3.Connection:
    """Open what may be any file, with texts that are no UTF-8 and a schema that is not trusted."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.create_function("row_crc", -1, schema.row_crc, deterministic=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def rows(connection: sqlite3.Connection, path: Path, table: str) -> Iterator[Row]:
    """All rows of the table that can be read, as (rowid, columns…), and an empty one for each page where some can't.

    A row may come twice. The log of the file at `path` must be folded in. Raises sqlite3.Error where there is no room.
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
    """Let the table begin at the page, inside the block."""
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
    """The rows as far as they can be read, an empty one where that was not all, and those at the other end."""
    for order in ("ASC", "DESC"):
        count = 0
        try:
            for row in connection.execute(f"{query} {order}"):
                count += 1
                yield row
            return
        except UNREADABLE:
            with suppress(*UNREADABLE):  # the last one that can be read: sqlite3 was ahead of it when it failed
                yield from connection.execute(f"{query} {order} LIMIT 1 OFFSET {count}")
        if order == "ASC":
            yield ()


def _leaves(path: Path, root: int) -> list[int]:
    """The pages of the table that begins at page `root` which lead to no others: they have its rows, or had."""
    children = defaultdict(list)
    with path.open("rb") as file:
        for page, parent in _pointers(file):
            children[parent].append(page)
    found, waiting = [], [root]
    while waiting:
        page = waiting.pop()
        below = children.get(page, [])
        children[page] = []  # once: a damaged map may lead in circles
        waiting += below
        if not below:
            found.append(page)
    return sorted(found)


def _pointers(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """What the pointer map says: pages, and the one that leads to each."""
    pages = file.seek(0, os.SEEK_END) // schema.PAGE_BYTES
    for number in range(2, pages + 1, _MAPPED + 1):
        of_map = number + (number == _LOCK_PAGE)
        file.seek((of_map - 1) * schema.PAGE_BYTES)
        entries = file.read(_MAPPED * _ENTRY.size)
        for page, (kind, parent) in enumerate(_ENTRY.iter_unpack(entries[: len(entries) // 5 * 5]), of_map + 1):
            if kind == _CHILD:
                yield page, parent
