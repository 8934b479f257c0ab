"""Connect to Milvus, send requests, and convert its errors."""

import logging
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from vsearch_core.errors import IndexLockedError, InputError, StorageError
from vsearch_core.store.milvus.address import MilvusAddress
from vsearch_core.store.milvus.tables import LOCK

if TYPE_CHECKING:
    from pymilvus import MilvusClient

SECONDS = 60.0  # for a request, with its repetitions
MOST_HITS = 16_384  # that Milvus returns
_FIRST_SPARSE = (2, 4)  # the version that has sparse vectors

Rows = list[dict[str, Any]]


class MilvusConnection:
    """A connection to Milvus, which reads and writes rows of the index's collections.

    Collections are given by what follows the address's name in theirs (`tables`). Methods raise StorageError.
    """

    def __init__(self, address: MilvusAddress) -> None:
        """Connect. Raises InputError if the package for Milvus is not installed."""
        self.address = address
        self.client = _connect(address)
        self._loaded: set[str] = set()

    def close(self) -> None:
        """Close the connection."""
        with suppress(Exception):
            self.client.close()

    def collection(self, table: str) -> str:
        """Return the full name of a collection."""
        return self.address.collection + table

    @property
    def has_sparse_vectors(self) -> bool:
        """Return True if the server can store sparse vectors."""
        if self.address.file is not None:
            return True
        with server_errors(self.address):
            version = re.match(r"v?(\d+)\.(\d+)", self.client.get_server_version())
        return version is None or (int(version[1]), int(version[2])) >= _FIRST_SPARSE

    def has(self, table: str) -> bool:
        """Return True if the collection exists."""
        with server_errors(self.address):
            return bool(self.client.has_collection(self.collection(table), timeout=SECONDS))

    def load(self, table: str) -> None:
        """Make the collection ready for searches, and wait for it. Nothing is done a second time."""
        if table not in self._loaded:
            with server_errors(self.address):
                replicas = self.address.replica_number
                self.client.load_collection(self.collection(table), replica_number=replicas, timeout=10 * SECONDS)
            self._loaded.add(table)

    def unload(self, table: str) -> None:
        """Release the collection, for a change of its indexes."""
        self._loaded.discard(table)
        with server_errors(self.address):
            self.client.release_collection(self.collection(table), timeout=SECONDS)

    def query(self, table: str, condition: str, fields: Sequence[str], timestamp: int | None) -> Rows:
        """Return the fields of all rows that meet a condition.

        All that was written up to a `timestamp` of the server is read; None stands for now.
        """
        with server_errors(self.address):
            found = self.client.query(
                self.collection(table),
                filter=condition,
                output_fields=list(fields),
                timeout=SECONDS,
                **_consistency(timestamp),
            )
            return [dict(row) for row in found]

    def search(
        self,
        table: str,
        vectors: Sequence[Any],
        field: str,
        condition: str,
        limit: int,
        timestamp: int | None,
        *,
        fields: Sequence[str] = ("id",),
        parameters: Mapping[str, Any] | None = None,
    ) -> list[Rows]:
        """Return, for each vector, the rows with the highest inner products, best first: fields, and `distance`."""
        with server_errors(self.address):
            found = self.client.search(
                self.collection(table),
                data=list(vectors),
                anns_field=field,
                filter=condition,
                limit=limit,
                output_fields=list(fields),
                search_params={"metric_type": "IP", "params": dict(parameters or {})},
                timeout=SECONDS,
                **_consistency(timestamp),
            )
            return [[{**hit["entity"], "id": hit["id"], "distance": hit["distance"]} for hit in hits] for hits in found]

    def upsert(self, table: str, rows: Rows) -> None:
        """Add rows, or replace those with the same ids."""
        if rows:
            with server_errors(self.address):
                self.client.upsert(self.collection(table), rows, timeout=SECONDS)

    def delete(self, table: str, condition: str) -> None:
        """Delete the rows that meet a condition."""
        with server_errors(self.address):
            self.client.delete(self.collection(table), filter=condition, timeout=SECONDS)

    def now(self) -> int:
        """Return the server's timestamp; 0 where there are none, and every read sees what was written."""
        if self.address.file is not None:
            return 0
        with server_errors(self.address):
            return int(self.client._get_connection().alloc_timestamp())


_OWNER = re.compile(r"of_[1-9][0-9]*_[0-9a-f]{16}_[0-9a-f]{32}")


class WriterLock:
    """The lock of the one writer: a collection, which only one client can create.

    The name of its field names the process. The lock of a process of this machine that is gone is taken over.
    """

    def __init__(self, connection: MilvusConnection) -> None:
        """Take the lock. Raises IndexLockedError."""
        self._connection = connection
        self._name = connection.collection(LOCK)
        self._field = f"of_{os.getpid()}_{_this_machine()}_{uuid4().hex}"
        for _ in range(2):
            owner = self._create()
            if owner == self._field:
                return
            process, machine = owner.split("_")[1:3]
            if machine != _this_machine() or _is_running(int(process)):
                break
            self._drop()
        where = "" if machine == _this_machine() else " on another machine"
        raise IndexLockedError(connection.address.name, f"another vsearch is writing to this index{where}")

    def release(self) -> None:
        """Release the lock, unless another process has it now."""
        with suppress(StorageError):
            if self._owner() == self._field:
                self._drop()

    def _create(self) -> str:
        """Create the collection unless it exists; return the name of its field."""
        from pymilvus import DataType, MilvusClient, MilvusException

        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field(self._field, DataType.FLOAT_VECTOR, dim=2)
        with suppress(MilvusException):  # there is one; any other error comes again
            self._connection.client.create_collection(self._name, schema=schema, timeout=SECONDS)
        return self._owner()

    def _owner(self) -> str:
        """Return the name of the field of the collection."""
        address = self._connection.address
        with server_errors(address):
            fields = self._connection.client.describe_collection(self._name, timeout=SECONDS)["fields"]
        owner = next((str(field["name"]) for field in fields if _OWNER.fullmatch(field["name"])), None)
        if owner is None:
            raise StorageError(address.name, f"the collection {self._name} is not the lock of an index")
        return owner

    def _drop(self) -> None:
        with server_errors(self._connection.address):
            self._connection.client.drop_collection(self._name, timeout=SECONDS)


@contextmanager
def server_errors(address: MilvusAddress) -> Iterator[None]:
    """Convert an error of Milvus in the block to a StorageError about the address."""
    import grpc
    from pymilvus import MilvusException

    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        reason = _reason(error)
        unreachable = isinstance(error, grpc.RpcError) or _UNREACHABLE.search(reason) is not None
        raise StorageError(address.name, reason, "server-unreachable" if unreachable else "server-failed") from error


_UNREACHABLE = re.compile(r"connect|unavailable|deadline|timeout|closed channel|retry", re.IGNORECASE)


def _connect(address: MilvusAddress) -> "MilvusClient":
    try:
        from pymilvus import MilvusClient, MilvusException

        if address.file is not None:
            import milvus_lite  # noqa: F401
    except ImportError as error:
        reason = f"needs packages that are not installed ({error})"
        raise InputError(address.name, reason, "server-extra-missing", extra="milvus") from None
    for name in ("pymilvus", "milvus_lite"):  # they log what is raised, too
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if address.file is not None and (address.file.is_symlink() or not address.file.parent.is_dir()):
        reason = "is a symbolic link" if address.file.is_symlink() else "its folder doesn't exist"
        raise StorageError(address.name, reason, "server-unreachable")
    options = {"token": address.token, "db_name": address.database}
    with server_errors(address):
        try:
            return MilvusClient(address.uri, **{key: value for key, value in options.items() if value}, timeout=10)
        except MilvusException:
            if address.file is None:
                raise
            reason = "the file can't be opened; only one process at a time can have it open"
            raise StorageError(address.name, reason, "server-file-open") from None


def _consistency(timestamp: int | None) -> dict[str, Any]:
    if timestamp is None:
        return {"consistency_level": "Strong"}
    return {"consistency_level": "Customized", "guarantee_timestamp": max(timestamp, 1)}


def _reason(error: Exception) -> str:
    """Return the first line of a message of Milvus or gRPC."""
    details = getattr(error, "message", None) or (error.details() if hasattr(error, "details") else None) or error
    lines = [line.strip() for line in str(details).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def _this_machine() -> str:
    return blake2b(platform.node().encode(), digest_size=8).hexdigest()


def _is_running(process: int) -> bool:
    """Return True if there is a process of that number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
