"""A generation as rows: what a catalog says of its live files, copied from one catalog into another.

What only concerns the machine that it was made on does not travel: the sources, staged, unfinished work, and files that
were opened in vain.
"""

from collections.abc import Iterator, Mapping

from vsearch_core.errors import IndexCorruptError
from vsearch_core.store import schema
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.vacuum import GAPS

_SETTINGS = f"settings WHERE key NOT IN ('min_reader', 'seal', '{GAPS}')"  # these are about the file that they are in
_ROWS = {  # parents first
    "settings": _SETTINGS,
    "files": "files WHERE live",
    "chunks": "chunks JOIN files ON files.id = file_id WHERE live ORDER BY chunks.id",
    "segments": "segments ORDER BY id",
}
_EMPTIED = ("files", "chunks", "segments", "staged", "passed_over")


def replace_generation(target: Catalog, source: Catalog, renamed: Mapping[str, str] | None = None) -> None:
    """Make the target say what the source says; part of a transaction of the target. Keeps the target's sources.

    `renamed` gives segments' new names by their names. Errors of reading name the source's index, and so does the
    IndexCorruptError for a row that is not what was written; the caller's `storage_errors` turns
    those of writing.
    """
    for rows in (_SETTINGS, *_EMPTIED):
        target.connection.execute(f"DELETE FROM {rows}")
    for table, rows in _ROWS.items():
        names = [name for name in schema.columns(target.connection, table) if name != "crc"]
        chosen = ", ".join(f"{table}.{name}" for name in names)
        query = f"SELECT {schema.checksum_ok(source.connection, table)}, {chosen} FROM {rows}"
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        target.connection.executemany(insert, _verified(source, table, query))
    for former, name in (renamed or {}).items():
        target.connection.execute("UPDATE segments SET name = ? WHERE name = ?", (name, former))


def _verified(source: Catalog, table: str, query: str) -> Iterator[list[object]]:
    """The rows of a query that says first of each whether it is sound."""
    with storage_errors(source.index):
        for sound, *row in source.connection.execute(query):
            if not sound:
                raise IndexCorruptError(str(source.index), f"rows of its table {table} are damaged")
            yield row
