"""Is what is on the disk what was written? The catalog and the segments' files, as far as no algorithm is needed."""

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vsearch_core.errors import IndexCorruptError
from vsearch_core.store import schema
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.pieces import checksum, pieces
from vsearch_core.store.segment import SEGMENTS_DIR, damaged_blocks, open_array
from vsearch_core.store.texts import unpack_text

_NAMED = 5  # rows that a fault names one by one; more are counted


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written: what, and what is wrong with it."""

    thing: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """A query that finds ids only in a damaged catalog, and what they are then."""

    thing: str
    reason: str
    query: str


_RULES = (
    _Rule("files", "do not have as many chunks as they should", f"SELECT id FROM files WHERE {schema.MISCOUNTED_FILE}"),
    _Rule("files", "are neither live nor staged", "SELECT id FROM files WHERE live NOT IN (0, 1)"),
    _Rule("chunks", "belong to no file", f"SELECT id FROM chunks WHERE {schema.ORPHAN_CHUNK}"),
    _Rule("staged vectors", "belong to no staged chunk", f"SELECT chunk_id FROM staged WHERE {schema.ORPHAN_VECTOR}"),
)


def catalog_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    """All that is wrong with a catalog as such: pages, rows, references, texts."""
    yield from _guarded("pages", lambda: _integrity(connection))
    for table in schema.TABLES:
        yield from _guarded(f"table {table}", lambda table=table: _rows(connection, table))  # type: ignore[misc]
    yield from _guarded("settings", lambda: _completeness(connection))
    for rule in _RULES:
        yield from _guarded(rule.thing, lambda rule=rule: _broken(connection, rule))  # type: ignore[misc]
    yield from _guarded("chunks", lambda: _texts(connection))


def segment_faults(index: Path, record: SegmentRecord, *, full: bool) -> Iterator[Fault]:
    """What is wrong with a segment's files: missing, of another size, damaged, foreign. Raises OSError."""
    folder = index / SEGMENTS_DIR / record.name
    for key, entry in record.manifest.items():
        path = folder / f"{key}.npy"
        try:
            array = open_array(index, record.name, key, entry, verify=False)
        except IndexCorruptError as error:
            yield Fault(error.thing, error.reason)
            continue
        except (FileNotFoundError, NotADirectoryError):
            yield Fault(str(path), "is missing")
            continue
        if full:
            blocks = damaged_blocks(array, entry)
            if blocks:
                yield Fault(str(path), f"is damaged: {len(blocks)} of {len(entry.blocks) // 8} blocks differ")
            elif checksum(pieces(path)) != entry.blake2b:
                yield Fault(str(path), "is damaged: its checksum differs")
    if folder.is_dir():
        expected = {f"{key}.npy" for key in record.manifest}
        for extra in sorted(path for path in folder.iterdir() if path.name not in expected):
            yield Fault(str(extra), "is no part of the index")


def count_faults(catalog: Catalog) -> Iterator[Fault]:
    """What a quick look at the catalog finds beyond what opening it has verified."""
    live_rows = sum(record.live_rows for record in catalog.segments())
    (chunks,) = catalog.connection.execute("SELECT coalesce(sum(chunks), 0) FROM files WHERE live").fetchone()
    if chunks != live_rows:
        yield Fault("catalog", f"its files have {chunks} chunks, its segments {live_rows}")


def _guarded(thing: str, look: Callable[[], Iterable[Fault]]) -> Iterator[Fault]:
    """What a look finds, and the error that ends it where SQLite can't read on."""
    try:
        yield from look()
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        yield Fault(f"catalog: {thing}", f"can't be read ({error})")


def _integrity(connection: sqlite3.Connection) -> Iterator[Fault]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Fault("catalog", " ".join(line.split()))


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[Fault]:
    rows = schema.rows_with_bad_checksums(connection, table)
    if rows:
        yield Fault(f"catalog: table {table}", f"rows are damaged: {_listed(rows)}")


def _completeness(connection: sqlite3.Connection) -> Iterator[Fault]:
    if not schema.seal_matches(connection):
        yield Fault("catalog", "its settings or its list of segments are damaged")


def _broken(connection: sqlite3.Connection, rule: _Rule) -> Iterator[Fault]:
    found = [number for (number,) in connection.execute(rule.query)]
    if found:
        yield Fault(f"catalog: {rule.thing}", f"{rule.reason}: {_listed(found)}")


def _texts(connection: sqlite3.Connection) -> Iterator[Fault]:
    bad = []
    for number, blob in connection.execute("SELECT id, text FROM chunks"):
        try:
            unpack_text(blob)
        except (zlib.error, UnicodeDecodeError):
            bad.append(number)
    if bad:
        yield Fault("catalog: chunks", f"texts can't be unpacked: {_listed(bad)}")


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:_NAMED]))
    return shown if len(numbers) <= _NAMED else f"{shown} and {len(numbers) - _NAMED} more"
