"""Passages by their place: which chunks a file has, and which of them holds a line."""

from vsearch_core.errors import IndexCorruptError
from vsearch_core.store.catalog import Catalog, StoredChunk
from vsearch_core.store.io_errors import storage_errors


def chunk_ids(catalog: Catalog, path: str, first: int = 0, last: int | None = None) -> list[int]:
    """The ids of a live file's chunks, in order, from number `first` to `last`, both included; [] for no such file."""
    query = (
        "SELECT chunks.id FROM files JOIN chunks ON file_id = files.id"
        " WHERE path = ? AND live AND ordinal >= ? AND (? IS NULL OR ordinal <= ?) ORDER BY ordinal"
    )
    with storage_errors(catalog.index):
        return [number for (number,) in catalog.connection.execute(query, (path, first, last, last))]


def neighbours(catalog: Catalog, path: str, ordinal: int, count: int) -> list[StoredChunk]:
    """A chunk and up to `count` of its file before and after it, in order. Raises IndexCorruptError."""
    first = max(0, ordinal - count)
    ids = chunk_ids(catalog, path, first, ordinal + count)
    with storage_errors(catalog.index):
        found = catalog.stored_chunks(ids)
    if any(passage.path != path or passage.ordinal != first + place for place, passage in enumerate(found)):
        raise IndexCorruptError(str(catalog.index), f"its chunks of {path} are not in order")
    return found
