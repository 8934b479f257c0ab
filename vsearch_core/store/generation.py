"""Copy a generation, the rows of its live files and segments, from one catalog into another.

Rows that only concern the machine they were made on are not copied: sources, staged files and vectors, skipped files.
"""

from collections.abc import Iterator, Mapping

from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import checksum_ok
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.tables import columns
from vsearch_core.store.vacuum import CHUNKS_DELETED

_SETTINGS = f"settings WHERE key NOT IN ('min_reader', 'seal', '{CHUNKS_DELETED}')"  # those describe their own file
_ROWS = {  # parents first
    "settings": _SETTINGS,
    "files": "files WHERE live",
    "chunks": "chunks JOIN files ON files.id = file_id WHERE live ORDER BY chunks.id",
    "segments": "segments ORDER BY id",
}
_EMPTIED = ("files", "chunks", "segments", "staged", "passed_over")


def replace_generation(target: Catalog, source: Catalog, renamed: Mapping[str, str] | None = None) -> None:
    """Replace the target's generation by the source's, in a transaction of the target; its sources are kept.

    `renamed` maps segments' names to their names in the target. Errors of reading, and the IndexCorruptError for a
    damaged row, are about the source's label; errors of writing are left to the caller's `storage_errors`.
    """
    for rows in (_SETTINGS, *_EMPTIED):
        target.connection.execute(f"DELETE FROM {rows}")
    for table, rows in _ROWS.items():
        names = [name for name in columns(target.connection, table) if name != "crc"]
        chosen = ", ".join(f"{table}.{name}" for name in names)
        query = f"SELECT {checksum_ok(source.connection, table)}, {chosen} FROM {rows}"
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        target.connection.executemany(insert, _verified(source, table, query))
    for former, name in (renamed or {}).items():
        target.connection.execute("UPDATE segments SET name = ? WHERE name = ?", (name, former))


def _verified(source: Catalog, table: str, query: str) -> Iterator[list[object]]:
    """Yield the rows of a query whose first column tells whether the row is intact, without that column."""
    with storage_errors(source.label):
        for intact, *row in source.connection.execute(query):
            if not intact:
                raise source.damaged(f"rows of its table {table} are damaged")
            yield row
