"""Store records (`store.records`: a vector and its late windows) by text in an SQLite file.

Such a file is the progress of a re-embedding, or the cache that a user's indexes share. The key of a row is a hash of
the text, keyed by `space_key`, so that vectors of different embedders never mix. All vectors can be computed again, so
a file that is damaged, or not a vector file, is deleted and created anew.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

from vsearch_core.own_files import connect_database, list_folder
from vsearch_core.store.files import sync_folder

_TABLE = "CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, crc INTEGER NOT NULL) STRICT"
_DROP_OLDEST = (  # the oldest fifth
    "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY rowid LIMIT"
    " (SELECT 1 + count(*) / 5 FROM vectors))"
)
_RECORDS = "2"  # raised when records of the same text change: 2 has late windows
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ")


def space_key(settings: Mapping[str, str]) -> bytes:
    """Return a key of 32 bytes that identifies the embedder in an index's settings.

    If two indexes have equal keys, equal texts have equal vectors in both. The provider's address is part of the key,
    because another server may use the same name for another model.
    """
    values = (settings["fingerprint"], settings.get("base_url", ""), _RECORDS)
    return blake2b("\0".join(values).encode(), digest_size=32).digest()


def re_embedding_file(index: Path, settings: Mapping[str, str]) -> Path:
    """Return the file that collects the new vectors while the index is re-embedded with these settings."""
    return index / f"re-embed-{space_key(settings)[:8].hex()}.sqlite"


def unfinished_re_embeddings(index: Path) -> list[Path]:
    """Return the files of the re-embeddings that were started and not finished."""
    return [path for path in list_folder(index, within=index) if path.match("re-embed-*.sqlite")]


def count_vectors(path: Path) -> int:
    """Return the number of vectors in a vector file, which another process may be writing; 0 if it can't be read."""
    if path.is_symlink() or not path.is_file():
        return 0
    with suppress(sqlite3.Error, OSError), closing(_connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])
    return 0


def delete_vector_file(path: Path) -> None:
    """Delete a vector file. SQLite's side files, such as its journal, are deleted first. Raises OSError.

    A power cut can't change this order.
    """
    for suffix in ("-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    sync_folder(path.parent)
    path.unlink(missing_ok=True)


class VectorFile:
    """A file of records of one embedder, each of at least `row_bytes` bytes. Methods raise sqlite3.Error and OSError.

    With a `limit` in bytes, the file is a cache that several processes may write. If it exceeds the limit, the oldest
    vectors are deleted. A cache is opened without verification of its pages, and a power cut may lose its last vectors.
    """

    def __init__(self, path: Path, space: bytes, row_bytes: int, limit: int | None = None) -> None:
        """Open the file. Create it if it is missing, damaged or not a vector file."""
        self._space, self._row_bytes, self._limit = space, row_bytes, limit
        is_new = not path.exists()
        if not is_new and not _is_ours(path, verify=limit is None):
            delete_vector_file(path)
        self._connection = _open(path, durable=limit is None)
        if is_new:
            sync_folder(path.parent)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def count(self) -> int:
        """Return the number of vectors."""
        return int(self._connection.execute("SELECT count(*) FROM vectors").fetchone()[0])

    def get(self, texts: Iterable[str]) -> dict[str, bytes]:
        """Return the stored records, as bytes by text. Texts without a stored record are left out."""
        query = "SELECT vector, crc FROM vectors WHERE key = ?"
        found = {}
        for text in texts:
            key = self._key(text)
            row = self._connection.execute(query, (key,)).fetchone()
            if row is not None and len(row[0]) >= self._row_bytes and crc32(key + row[0]) == row[1]:
                found[text] = row[0]
        return found

    def put(self, texts: Sequence[str], records: Iterable[bytes]) -> None:
        """Store the texts' records in one transaction."""
        rows = []
        for text, record in zip(texts, records, strict=True):
            key = self._key(text)
            rows.append((key, record, crc32(key + record)))
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO vectors (key, vector, crc) VALUES (?, ?, ?)", rows)
            if self._limit is not None and self._bytes() > self._limit:
                self._connection.execute(_DROP_OLDEST)
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def _bytes(self) -> int:
        query = "SELECT (page_count - freelist_count) * page_size"
        query += " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        return int(self._connection.execute(query).fetchone()[0])

    def _key(self, text: str) -> bytes:
        return blake2b(text.encode("utf-8", "surrogatepass"), key=self._space, digest_size=16).digest()


def means_damage(error: BaseException) -> bool:
    """Return True if the error means that the SQLite file is damaged."""
    return str(getattr(error, "sqlite_errorname", "")).startswith(_DAMAGE)


def _is_ours(path: Path, *, verify: bool) -> bool:
    """Return True if the file has the table that `_open` creates and, with `verify`, intact pages."""
    if path.is_symlink():
        return False
    try:
        with closing(_connect(path)) as connection:
            (state,) = connection.execute("PRAGMA quick_check(1)").fetchone() if verify else ("ok",)
            schema = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
            return state == "ok" and schema in ([], [_TABLE])
    except sqlite3.DatabaseError as error:
        if means_damage(error):
            return False
        raise


def _open(path: Path, *, durable: bool) -> sqlite3.Connection:
    connection = _connect(path)
    try:
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_TABLE.replace("TABLE", "TABLE IF NOT EXISTS", 1))
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = connect_database(path, isolation_level=None, timeout=5)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection
