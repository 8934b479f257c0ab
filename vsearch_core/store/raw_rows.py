"""Copy rows of catalogs as they are stored, to and from engines that keep an index elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.tables import reserve_ids

FILE_FACTS = (
    *("id", "path", "name", "ext", "dir", "size", "mtime_ns", "ctime_ns", "hash", "title", "language", "meta"),
    "chunks",
)
CHUNK_FACTS = (*("ordinal", "start_char", "end_char", "start_line", "end_line", "page", "heading", "hash", "text"),)
SKIPPED_FACTS = ("path", "size", "mtime_ns", "ctime_ns", "readers", "binary", "reason")

Row = tuple[Any, ...]


def file_rows(catalog: Catalog, file_ids: Iterable[int]) -> Iterator[Row]:
    """Yield the FILE_FACTS of each of the files."""
    query = f"SELECT {', '.join(FILE_FACTS)} FROM files WHERE id = ?"
    for file_id in file_ids:
        yield from catalog.connection.execute(query, (file_id,))


def chunk_rows(catalog: Catalog, file_id: int) -> list[tuple[int, Row]]:
    """Return (id, CHUNK_FACTS) of each chunk of a file, in order."""
    query = f"SELECT id, {', '.join(CHUNK_FACTS)} FROM chunks WHERE file_id = ? ORDER BY ordinal"
    return [(number, tuple(facts)) for number, *facts in catalog.connection.execute(query, (file_id,))]


def chunk_hashes(catalog: Catalog, chunk_ids: Iterable[int]) -> dict[int, tuple[int, bytes]]:
    """Return the hash of the text and the packed text of chunks, by id."""
    query = "SELECT hash, text FROM chunks WHERE id = ?"
    found = {number: catalog.connection.execute(query, (number,)).fetchone() for number in chunk_ids}
    return {number: row for number, row in found.items() if row is not None}


def skipped_rows(catalog: Catalog) -> set[Row]:
    """Return the SKIPPED_FACTS of all skipped files."""
    return set(catalog.connection.execute(f"SELECT {', '.join(SKIPPED_FACTS)} FROM passed_over"))


def source_rows(catalog: Catalog) -> set[Row]:
    """Return the paths of all sources with their options as JSON."""
    return set(catalog.connection.execute("SELECT path, options FROM sources"))


def mirror_rows(
    catalog: Catalog,
    files: Iterable[Row],
    sources: Iterable[Row],
    skipped: Iterable[Row],
    settings: Mapping[str, str],
    next_file: int,
) -> None:
    """Make the catalog list exactly these live files, without their chunks, and these sources, skipped files, settings.

    Staged files stay, unless their ids are below `next_file`, the lowest id that is free elsewhere.
    """
    with catalog.transaction():
        execute = catalog.connection.execute
        rows = execute("SELECT id FROM files WHERE live OR id < ?", (next_file,)).fetchall()
        catalog.delete_files([number for (number,) in rows])
        catalog.drop_segments([segment.id for segment in catalog.segments()])
        execute("DELETE FROM sources")
        execute("DELETE FROM passed_over")
        _insert(catalog, "files", (*FILE_FACTS, "live"), ((*row, 1) for row in files))
        _insert(catalog, "sources", ("path", "options"), sources)
        _insert(catalog, "passed_over", SKIPPED_FACTS, skipped)
        for key, value in settings.items():
            catalog.put_setting(key, value)
        reserve_ids(catalog.connection, "files", next_file - 1)


def forget_chunks(catalog: Catalog, segments: Sequence[SegmentRecord], settings: Mapping[str, str]) -> None:
    """Delete the chunks of all live files, and segments, which are stored elsewhere now. Store settings with that."""
    with catalog.transaction():
        catalog.connection.execute("DELETE FROM chunks WHERE file_id IN (SELECT id FROM files WHERE live)")
        catalog.drop_segments([segment.id for segment in segments])
        for key, value in settings.items():
            catalog.put_setting(key, value)


def insert_staged(catalog: Catalog, file: Row, chunks: Sequence[Row], records: Sequence[bytes]) -> None:
    """Add a staged file, its chunks and their vectors as records. Its FILE_FACTS are without the id."""
    columns = ", ".join((*FILE_FACTS[1:], "live"))
    marks = ", ".join("?" * (len(FILE_FACTS)))
    cursor = catalog.connection.execute(f"INSERT INTO files ({columns}) VALUES ({marks})", (*file, 0))
    names = ", ".join(("file_id", *CHUNK_FACTS))
    marks = ", ".join("?" * (1 + len(CHUNK_FACTS)))
    for chunk, record in zip(chunks, records, strict=True):
        added = catalog.connection.execute(f"INSERT INTO chunks ({names}) VALUES ({marks})", (cursor.lastrowid, *chunk))
        assert added.lastrowid is not None
        catalog.stage_vectors([added.lastrowid], [record])


def _insert(catalog: Catalog, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    marks = ", ".join("?" * len(columns))
    catalog.connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
