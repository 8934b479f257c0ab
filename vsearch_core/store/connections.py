"""Create the catalog's SQLite file, and connect to it for reading or writing.

Older formats are migrated, and files that are not a catalog are refused.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from vsearch_core.errors import IndexCorruptError, IndexNotFoundError, IndexVersionError, StorageError
from vsearch_core.own_files import MEMORY, connect_database, open_file
from vsearch_core.store.checksums import (
    add_row_crc,
    maintain_checksums,
    recompute_checksums,
    rows_with_bad_checksums,
    seal,
)
from vsearch_core.store.files import refuse_non_utf8_path
from vsearch_core.store.segment import segment_folders
from vsearch_core.store.tables import (
    APPLICATION_ID,
    CATALOG_FILE,
    FORMAT,
    HEADER,
    PAGE_BYTES,
    SUFFIXES,
    CatalogFormat,
    create_tables,
    existing_tables,
    has_our_tables,
)

_CACHE_BYTES = 8_000_000  # of a writer: new hashes of texts go to any page of their SQL index
_BUSY_TIMEOUT = 10  # seconds to wait for another connection's lock
_VALUE_LIMIT = 1 << 26  # bytes of one value or row: the longest of ours are the manifests of segments of 100 GB
_COMPUTED = re.compile(r"\b(as|check|generated|virtual)\b", re.IGNORECASE)  # in SQL that creates a table


def begin_catalog(path: Path) -> sqlite3.Connection:
    """Create an empty catalog at the path. Return a connection with an open transaction for filling it.

    `finish_catalog` commits the transaction.
    """
    connection = connect_database(path, isolation_level=None)
    connection.executescript(f"PRAGMA page_size = {PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;")
    connection.execute("BEGIN")
    create_tables(connection)
    maintain_checksums(connection)
    return connection


def finish_catalog(connection: sqlite3.Connection) -> None:
    """Commit the transaction that `begin_catalog` began. After that, the catalog can be opened."""
    _put_min_reader(connection, FORMAT)
    seal(connection)
    connection.execute("COMMIT")
    # Last: closing reports no error if the log can't be folded in, and the log would stay behind at a rename.
    connection.execute("PRAGMA journal_mode = WAL")


def empty_catalog() -> bytes:
    """Return the bytes of a catalog without rows.

    A table's root page has the same number in every catalog, so the first page of a damaged catalog can be replaced by
    that of this one.
    """
    with closing(begin_catalog(MEMORY)) as connection:
        connection.execute("COMMIT")
        return connection.serialize()


def open_to_write(index: Path, catalog_format: CatalogFormat = FORMAT) -> sqlite3.Connection:
    """Connect to the catalog for writing and return the connection. An older format is migrated first.

    The caller must have the writer lock. Raises IndexNotFoundError, IndexVersionError, IndexCorruptError,
    sqlite3.Error.
    """
    connection = connect(index, "rw")
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_BYTES >> 10}")
        connection.execute("PRAGMA secure_delete = ON")  # copies of the file must not have texts that were removed
        version = _version(index, connection)
        if version > catalog_format.version:
            reason = f"it has format {version}, this vsearch writes format {catalog_format.version}"
            raise IndexVersionError(str(index), reason)
        if version < catalog_format.version:
            _migrate(index, connection, version, catalog_format)
        _refuse_other_tables(index, connection, catalog_format)
        connection.execute("PRAGMA journal_mode = WAL")  # again: SQLite raises nothing where it failed at creation
        if version == catalog_format.version:
            maintain_checksums(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(
    index: Path, catalog_format: CatalogFormat = FORMAT, *, check_same_thread: bool = True
) -> sqlite3.Connection:
    """Connect to the catalog in a read transaction: all that is read belongs to one generation.

    If `check_same_thread` is false, several threads may use the connection, one at a time. Raises IndexNotFoundError,
    IndexVersionError, IndexCorruptError, StorageError, sqlite3.Error.
    """
    connection = connect(index, "ro", check_same_thread=check_same_thread)
    try:
        try:
            version = _version(index, connection)
        except sqlite3.OperationalError as error:
            # SQLite can't create its shared-memory file in a read-only folder or on a full disk.
            connection.close()
            _refuse_unfolded_log(index, error)
            connection = connect(index, "ro", immutable=True, check_same_thread=check_same_thread)
            version = _version(index, connection)
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # a read transaction begins at its first read
        if version > catalog_format.version:
            _refuse_unreadable(index, connection, version, catalog_format)
        elif version < catalog_format.version:
            code = "index-needs-migration" if catalog_format.can_migrate(version) else "index-too-old"
            reason = f"it has format {version}, this vsearch reads {catalog_format.version}"
            raise IndexVersionError(str(index), reason, code)
        else:
            _refuse_other_tables(index, connection, catalog_format)
    except BaseException:
        connection.close()
        raise
    return connection


def connect(index: Path, mode: str, *, immutable: bool = False, check_same_thread: bool = True) -> sqlite3.Connection:
    """Connect to the catalog without verifying it, and return the connection.

    `mode` is "ro" (read-only) or "rw". Raises IndexNotFoundError, IndexCorruptError, and OSError if the catalog or a
    folder `.vsearch` is a link.
    """
    refuse_non_utf8_path(index)
    path = index / CATALOG_FILE
    if not path.exists():
        raise IndexNotFoundError(str(index), "there is no index here")
    for each in (path.with_name(CATALOG_FILE + suffix) for suffix in SUFFIXES):
        if each.exists() and not each.is_file():  # reading a pipe would never end
            raise IndexCorruptError(str(each), "is not a regular file", "catalog-not-a-file")
    connection = connect_database(
        path,
        query=f"mode={mode}" + ("&immutable=1" if immutable else ""),
        isolation_level=None,
        timeout=_BUSY_TIMEOUT,
        check_same_thread=check_same_thread,
    )
    connection.execute("PRAGMA trusted_schema = OFF")  # a shared index must not run functions through its schema
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_LIMIT)
    add_row_crc(connection)
    return connection


def has_our_header(index: Path) -> bool:
    """Return True if the file of the catalog begins with the bytes that all catalogs have.

    SQLite may misread a file with a damaged header instead of refusing it.
    """
    with open_file(index / CATALOG_FILE, "rb") as file:
        header = file.read(100)
    return all(header[at : at + len(data)] == data for at, data in HEADER.items())


def has_lost_catalog(index: Path) -> bool:
    """Return True if the folder has segments but no catalog. A new index there would delete the segments.

    The files of an interrupted import don't count: they are in a subfolder with a catalog of its own.
    """
    if (index / CATALOG_FILE).exists():
        return False
    folders = segment_folders(index)
    return any((folder / "vectors.npy").exists() for folder in folders) and not any(
        (folder / CATALOG_FILE).exists() for folder in folders
    )


def refuse_lost_catalog(index: Path) -> None:
    """Raise IndexNotFoundError if the index has lost its catalog, and its segments still exist."""
    if has_lost_catalog(index):
        reason = f"its {CATALOG_FILE} is gone, its segments are still there"
        raise IndexNotFoundError(str(index), reason, "catalog-lost")


def _version(index: Path, connection: sqlite3.Connection) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        reason = "is not a vsearch catalog, or is damaged"
        raise IndexCorruptError(str(index / CATALOG_FILE), reason, "not-a-catalog")
    return int(version)


def _refuse_unreadable(
    index: Path, connection: sqlite3.Connection, version: int, catalog_format: CatalogFormat
) -> None:
    """Raise unless the newer format declares that our readers can read it, and the file holds nothing that runs."""
    for kind, sql in connection.execute("SELECT type, sql FROM sqlite_master"):
        if kind not in {"table", "index"} or _COMPUTED.search(sql or ""):
            reason = "holds views, triggers or columns that are computed"
            raise IndexCorruptError(str(index / CATALOG_FILE), reason, "untrusted-index")
    row = connection.execute("SELECT value FROM settings WHERE key = 'min_reader'").fetchone()
    if row is None or not str(row[0]).isdecimal() or int(row[0]) > catalog_format.version:
        reason = f"it has format {version}, this vsearch reads up to {catalog_format.version}"
        raise IndexVersionError(str(index), reason)


def _refuse_other_tables(index: Path, connection: sqlite3.Connection, catalog_format: CatalogFormat) -> None:
    if not has_our_tables(connection, catalog_format):
        reason = f"its tables are not those of format {catalog_format.version}"
        raise IndexCorruptError(str(index / CATALOG_FILE), reason)


def _migrate(index: Path, connection: sqlite3.Connection, version: int, catalog_format: CatalogFormat) -> None:
    """Convert an older catalog to the format, in one transaction."""
    if not catalog_format.can_migrate(version):
        reason = f"it has format {version}, which this vsearch can't bring to format {catalog_format.version}"
        raise IndexVersionError(str(index), reason, "index-too-old")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if any(rows_with_bad_checksums(connection, table) for table in existing_tables(connection)):
            raise IndexCorruptError(str(index), "its catalog contains damaged rows")
        for number in range(version, catalog_format.version):
            for statement in catalog_format.migrations[number]:
                connection.execute(statement)
        recompute_checksums(connection)
        maintain_checksums(connection)
        _put_min_reader(connection, catalog_format)
        seal(connection)
        connection.execute(f"PRAGMA user_version = {catalog_format.version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _put_min_reader(connection: sqlite3.Connection, catalog_format: CatalogFormat) -> None:
    values = (str(catalog_format.min_reader),)
    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('min_reader', ?)", values)


def _refuse_unfolded_log(index: Path, error: sqlite3.OperationalError) -> None:
    """Raise an error unless the catalog file has all commits: an immutable connection reads no log."""
    if error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        raise error
    log = index / f"{CATALOG_FILE}-wal"
    if log.exists() and log.stat().st_size:
        reason = "can't be read: a run was interrupted, and the folder can't be written to finish its last commit"
        raise StorageError(str(index), reason, "unfinished-commit")
