"""A generation as rows: what a catalog says of its live files, copied from one catalog into another.

What only concerns the machine that it was made on does not travel: the sources, staged, unfinished work, and files that
were opened in vain.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing

from vsearch_core.errors import IndexCorruptError
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.faults import translated
from vsearch_core.store.schema import SCHEMA
from vsearch_core.store.upkeep import GAPS

_ROWS = {  # parents first
    "settings": "SELECT * FROM settings",
    "files": "SELECT * FROM files WHERE live",
    "chunks": "SELECT chunks.* FROM chunks JOIN files ON files.id = file_id WHERE live ORDER BY chunks.id",
    "segments": "SELECT * FROM segments ORDER BY id",
}
_REPLACED = (*_ROWS, "staged", "passed_over")
_NEXT_STEP = "check the disk, and index again"


def replace_generation(target: Catalog, source: Catalog, renamed: Mapping[str, str] | None = None) -> None:
    """Make the target say what the source says; part of a transaction of the target. Keeps the target's sources.

    `renamed` gives segments' new names by their names. Errors of reading name the source's index; those of writing are
    left to the caller's `translated`.
    """
    gaps = target.settings().get(GAPS, "0")  # says how the target's own file is filled
    for table in _REPLACED:
        target.connection.execute(f"DELETE FROM {table}")
    for table, query in _ROWS.items():
        rows = source.connection.execute(query)
        columns = [name for name, *_ in rows.description]  # by name: another format may have them in another order
        values = f"({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        target.connection.executemany(f"INSERT INTO {table} {values}", _named(source, rows))
    target.put_setting(GAPS, gaps)
    for former, name in (renamed or {}).items():
        target.connection.execute("UPDATE segments SET name = ? WHERE name = ?", (name, former))


def refuse_foreign(catalog: Catalog) -> None:
    """Raise IndexCorruptError unless the catalog is sound and has our tables and indexes, and nothing else (a trigger).

    Reads all of its pages.
    """
    with translated(catalog.index):
        if _schema(catalog.connection) != _ours():
            raise IndexCorruptError(str(catalog.index), "its catalog has other tables than ours", _NEXT_STEP)
        catalog.connection.execute("PRAGMA cell_size_check = ON")
        (verdict,) = catalog.connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise IndexCorruptError(str(catalog.index), f"its catalog is damaged ({verdict.splitlines()[-1]})", _NEXT_STEP)


def _named(source: Catalog, rows: sqlite3.Cursor) -> Iterator[tuple[object, ...]]:
    with translated(source.index):
        yield from rows


def _ours() -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(SCHEMA)
        return _schema(connection)


def _schema(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))
