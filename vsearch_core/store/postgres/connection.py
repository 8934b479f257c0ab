"""Connect to a PostgreSQL server, and convert its errors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError, IndexLockedError, IndexNotFoundError, InputError, StorageError
from vsearch_core.store.postgres.address import PostgresAddress

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_SECONDS = 10  # for each host, unless the address has `connect_timeout`
_LOCK_SPACE = 0x76736368  # "vsch": the first half of our advisory locks' keys
_DAMAGE = ("XX001", "XX002", "22", "23")  # SQL states: damaged pages; data that our statements never write


def connect(address: PostgresAddress, *, writing: bool) -> "Connection[Any]":
    """Connect to the server, and return the connection, which commits each statement by itself.

    To write, only a server that accepts writes is taken: of several hosts the primary. Raises StorageError, and
    InputError if the packages for PostgreSQL are not installed.
    """
    psycopg = _driver(address)
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        given = conninfo_to_dict(address.conninfo)
    except psycopg.Error:  # its message may have parts of the password
        reason = "the address can't be parsed, or has a parameter that libpq doesn't know"
        raise InputError(address.name, reason, "invalid-server-address") from None
    options: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "application_name": "vsearch"}
    if writing:
        options["target_session_attrs"] = "read-write"
    conninfo = make_conninfo("", **{**options, **given})
    with server_errors(address):
        connection: Connection[Any] = psycopg.connect(conninfo, autocommit=True)
        return connection


def register_vectors(connection: "Connection[Any]", address: PostgresAddress) -> None:
    """Make the connection send and receive pgvector's types. Raises StorageError if the extension is missing."""
    import psycopg
    from pgvector.psycopg import register_vector

    with server_errors(address):
        try:
            register_vector(connection)
        except psycopg.ProgrammingError:
            reason = "its database lacks the extension pgvector"
            raise StorageError(address.name, reason, "server-lacks-pgvector") from None


def fixed_point(vectors: Sequence[Any], dimension: int) -> NDArray[np.int16]:
    """Return vectors (n, dimension), as pgvector's package returns them, in fixed point as they are stored."""
    arrays = [each.to_numpy() if hasattr(each, "to_numpy") else each for each in vectors]
    return np.array(arrays, np.float32).reshape(len(arrays), dimension).astype(np.int16)


@contextmanager
def server_errors(address: PostgresAddress) -> Iterator[None]:
    """Convert an error of the server in the block to a StorageError or IndexCorruptError about the address."""
    import psycopg
    from psycopg import errors

    try:
        yield
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        raise IndexNotFoundError(address.name, "there is no index here") from error
    except errors.InsufficientPrivilege as error:
        raise StorageError(address.name, _reason(error), "server-permission-denied") from error
    except errors.ReadOnlySqlTransaction as error:
        raise StorageError(address.name, "the server is read-only", "server-read-only") from error
    except (errors.DiskFull, errors.OutOfMemory) as error:
        raise StorageError(address.name, _reason(error), "server-full") from error
    except psycopg.OperationalError as error:
        raise StorageError(address.name, _reason(error), "server-unreachable") from error
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(_DAMAGE):
            raise IndexCorruptError(address.name, _reason(error), "server-index-damaged") from error
        raise StorageError(address.name, _reason(error), "server-failed") from error


def acquire_writer_lock(connection: "Connection[Any]", address: PostgresAddress) -> None:
    """Take the writer lock of the index, which the server releases when the connection ends.

    Raises IndexLockedError if another session has it.
    """
    key = int.from_bytes(blake2b(address.schema.encode(), digest_size=4).digest(), "big", signed=True)
    with server_errors(address):
        (taken,) = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK_SPACE, key)).fetchone() or (False,)
    if not taken:
        raise IndexLockedError(address.name, "another vsearch is writing to this index")


def _driver(address: PostgresAddress) -> Any:
    try:
        import pgvector  # noqa: F401
        import psycopg
    except ImportError as error:
        reason = f"needs packages that are not installed ({error})"
        raise InputError(address.name, reason, "server-extra-missing", extra="postgres") from None
    return psycopg


def _reason(error: Exception) -> str:
    """Return the first line of the server's or libpq's message; of several hosts, the last one's."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("-", "Multiple connection attempts"))] or lines
    return (lines[0] if lines else type(error).__name__).removeprefix("connection failed: ")
