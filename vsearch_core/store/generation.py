"""Copy a generation from one catalog into another, or into a new file: its settings, live files, chunks and segments.

Rows that only concern the machine that wrote them are not copied: sources, staged files and vectors, skipped files.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from vsearch_core.errors import StorageError
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import checksum_ok
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.tables import CATALOG_FILE, columns
from vsearch_core.store.vacuum import CHUNKS_DELETED

_SETTINGS = f"settings WHERE key NOT IN ('min_reader', 'seal', '{CHUNKS_DELETED}')"  # those describe their own file
_ROWS = {  # parents first
    "settings": _SETTINGS,
    "files": "files WHERE live",
    "chunks": "chunks JOIN files ON files.id = file_id WHERE live ORDER BY chunks.id",
    "segments": "segments ORDER BY id",
}
_PRIVATE = (  # rows of a catalog that only concern the machine that wrote them
    *("sources", "staged", "passed_over"),
    "chunks WHERE file_id NOT IN (SELECT id FROM files WHERE live)",
    "files WHERE NOT live",
)
_EMPTIED = ("files", "chunks", "segments", "staged", "passed_over")


def replace_generation(target: Catalog, source: Catalog, renamed: Mapping[str, str] | None = None) -> None:
    """Replace the generation of the target by that of the source. The target's sources are kept.

    The caller has begun a transaction of the target. `renamed` maps names of segments to their new names in the target.
    Raises StorageError if the source can't be read, and IndexCorruptError if one of its rows is damaged; both name the
    source's label. Errors of writing are raised as sqlite3.Error.
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


def copy_generation(source: Catalog, folder: Path) -> None:
    """Copy the source's catalog into an empty folder, without the rows that only concern this machine.

    Pages that didn't change between two generations are equal in their copies, unlike those of `replace_generation`.
    Raises sqlite3.Error and StorageError.
    """
    source.copy_to(folder)
    with closing(Catalog.open_to_write(folder, label=source.label)) as copy, copy.transaction():
        for rows in _PRIVATE:
            copy.connection.execute(f"DELETE FROM {rows}")
    log = folder / f"{CATALOG_FILE}-wal"
    if log.exists():  # SQLite reports no error if it can't fold its log into the file
        raise StorageError(str(folder), "its copy of the catalog can't be finished", "catalog-unusable")


def _verified(source: Catalog, table: str, query: str) -> Iterator[list[object]]:
    """Yield the rows of a query without their first column, which is true if the row is intact."""
    with storage_errors(source.label):
        for intact, *row in source.connection.execute(query):
            if not intact:
                raise source.damaged(f"rows of its table {table} are damaged")
            yield row
