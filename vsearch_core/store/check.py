"""Find damage in the catalog and in the files of segments.

`index.check` calls these functions, and adds the checks that need search algorithms.
"""

import errno
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vsearch_core.errors import IndexCorruptError
from vsearch_core.own_files import list_folder
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.checksums import rows_with_bad_checksums, seal_matches
from vsearch_core.store.connections import connect
from vsearch_core.store.files import checksum, read_blocks
from vsearch_core.store.segment import SEGMENTS_DIR, damaged_blocks, open_array
from vsearch_core.store.tables import MISCOUNTED_FILE, ORPHAN_CHUNK, ORPHAN_VECTOR, TABLES, has_our_tables
from vsearch_core.store.texts import unpack_text

# Exceptions that values from a damaged catalog cause, such as None, a number or bytes in place of a text.
MISREAD = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)

_LISTED_ROWS = 5  # rows that a fault lists; further ones are counted


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that a check found: the damaged thing (a path, or a part of the catalog), and what is wrong."""

    thing: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """An SQL query for the ids of rows that can exist only in a damaged catalog."""

    thing: str
    reason: str
    query: str


_RULES = (
    _Rule("files", "have the wrong number of chunks", f"SELECT id FROM files WHERE {MISCOUNTED_FILE}"),
    _Rule("files", "are neither live nor staged", "SELECT id FROM files WHERE live NOT IN (0, 1)"),
    _Rule("chunks", "belong to no file", f"SELECT id FROM chunks WHERE {ORPHAN_CHUNK}"),
    _Rule("staged vectors", "belong to no chunk", f"SELECT chunk_id FROM staged WHERE {ORPHAN_VECTOR}"),
)


def catalog_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    """Yield the faults in a catalog: in its pages, its rows, the references between rows, and its texts."""
    yield from _until_unreadable("pages", partial(_page_faults, connection))
    for table in TABLES:
        yield from _until_unreadable(f"table {table}", partial(_checksum_faults, connection, table))
    yield from _until_unreadable("settings", partial(_seal_faults, connection))
    for rule in _RULES:
        yield from _until_unreadable(rule.thing, partial(_rule_faults, connection, rule))
    yield from _until_unreadable("chunks", partial(_text_faults, connection))


def unopened_catalog_faults(index: Path) -> list[Fault]:
    """Return the faults of a catalog that vsearch refuses to open.

    The list is empty if SQLite can't open it, either, or if its tables aren't those of a catalog: reading a view may
    never end.
    """
    try:
        with closing(connect(index, "ro")) as connection:
            return list(catalog_faults(connection)) if has_our_tables(connection) else []
    except (sqlite3.Error, UnicodeDecodeError):
        return []


def segment_faults(index: Path, record: SegmentRecord, *, full: bool) -> Iterator[Fault]:
    """Yield a fault for each missing, damaged or unknown file in a segment's folder. Raises OSError.

    Only a `full` check reads the bytes of the files.
    """
    folder = index / SEGMENTS_DIR / record.name
    for key, entry in record.manifest.items():
        path = folder / f"{key}.npy"
        try:
            array = open_array(index, record.name, key, entry, verify=False)
        except IndexCorruptError as error:
            yield Fault(error.subject, error.reason)
            continue
        except (FileNotFoundError, NotADirectoryError):
            yield Fault(str(path), "is missing")
            continue
        if full:
            blocks = damaged_blocks(array, entry)
            if blocks:
                yield Fault(str(path), f"is damaged: {len(blocks)} of {len(entry.blocks) // 8} blocks differ")
            elif checksum(read_blocks(path, index)) != entry.blake2b:
                yield Fault(str(path), "is damaged: its checksum differs")
    expected = {f"{key}.npy" for key in record.manifest}
    for extra in (path for path in _entries(folder, index) if path.name not in expected):
        yield Fault(str(extra), "does not belong to the index")


def _entries(folder: Path, index: Path) -> list[Path]:
    """Return the entries of a segment's folder, or none if it is missing, a file or a link. Raises OSError."""
    try:
        return list_folder(folder, within=index)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:  # each of its files is a fault already
            return []
        raise


def count_faults(catalog: Catalog) -> Iterator[Fault]:
    """Yield a fault if the files and the segments have different numbers of live chunks."""
    live_rows = sum(record.live_rows for record in catalog.segments())
    (chunks,) = catalog.connection.execute("SELECT coalesce(sum(chunks), 0) FROM files WHERE live").fetchone()
    if chunks != live_rows:
        yield Fault("catalog", f"its files have {chunks} chunks, its segments {live_rows}")


def _until_unreadable(thing: str, find: Callable[[], Iterable[Fault]]) -> Iterator[Fault]:
    """Yield the faults that `find` finds. If it raises an error because of damage, yield that as a fault."""
    try:
        yield from find()
    except (sqlite3.Error, *MISREAD) as error:
        yield Fault(f"catalog: {thing}", f"can't be read ({error})")


def _page_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Fault("catalog", " ".join(line.split()))


def _checksum_faults(connection: sqlite3.Connection, table: str) -> Iterator[Fault]:
    rows = rows_with_bad_checksums(connection, table)
    if rows:
        yield Fault(f"catalog: table {table}", f"rows are damaged: {_listed(rows)}")


def _seal_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    if not seal_matches(connection):
        yield Fault("catalog", "its settings or its list of segments are damaged")


def _rule_faults(connection: sqlite3.Connection, rule: _Rule) -> Iterator[Fault]:
    found = [number for (number,) in connection.execute(rule.query)]
    if found:
        yield Fault(f"catalog: {rule.thing}", f"{rule.reason}: {_listed(found)}")


def _text_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    bad = []
    for number, blob in connection.execute("SELECT id, text FROM chunks"):
        try:
            unpack_text(blob)
        except (zlib.error, ValueError):
            bad.append(number)
            if len(bad) > _LISTED_ROWS:  # a forged index may have many texts that unpack to far too much
                break
    if bad:
        more = " and further ones" if len(bad) > _LISTED_ROWS else ""
        yield Fault("catalog: chunks", f"texts can't be unpacked: {_listed(bad[:_LISTED_ROWS])}{more}")


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:_LISTED_ROWS]))
    return shown if len(numbers) <= _LISTED_ROWS else f"{shown} and {len(numbers) - _LISTED_ROWS} more"
