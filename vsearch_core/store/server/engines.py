"""Open indexes on servers of any kind."""

from pathlib import Path

from vsearch_core.errors import IndexNotFoundError
from vsearch_core.store.milvus.address import MilvusAddress
from vsearch_core.store.server.address import ServerAddress
from vsearch_core.store.server.reading import ServerCatalog
from vsearch_core.store.server.writing import ServerWriter


def open_catalog(address: ServerAddress, folder: Path) -> ServerCatalog:
    """Connect to the server and open the newest generation. `folder` is `ServerCatalog.index`.

    Raises IndexNotFoundError, IndexVersionError and StorageError, and InputError if packages are missing.
    """
    if isinstance(address, MilvusAddress):
        from vsearch_core.store.milvus.reading import MilvusCatalog

        return MilvusCatalog.open(address, folder)
    from vsearch_core.store.postgres.reading import PostgresCatalog

    return PostgresCatalog.open(address, folder)


def open_writer(address: ServerAddress) -> ServerWriter:
    """Connect to the server, and lock the index. Raises IndexLockedError, and the errors of `open_catalog`."""
    if isinstance(address, MilvusAddress):
        from vsearch_core.store.milvus.writing import MilvusWriter

        return MilvusWriter.open(address)
    from vsearch_core.store.postgres.writing import PostgresWriter

    return PostgresWriter.open(address)


def index_exists(address: ServerAddress, folder: Path) -> bool:
    """Return True if there is an index that has been committed to."""
    try:
        catalog = open_catalog(address, folder)
    except IndexNotFoundError:
        return False
    try:
        return catalog.state[1] > 0
    finally:
        catalog.close()
