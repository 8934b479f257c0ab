"""Open snapshots of indexes on a server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vsearch_core.index.settings import IndexSettings
from vsearch_core.store.server.address import ServerAddress
from vsearch_core.store.server.engines import open_catalog
from vsearch_core.store.server.reading import ServerCatalog
from vsearch_core.store.server.tables import LANGUAGES, ROOT, ROWS, TERMS, WINDOWS


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    """One generation of an index on a server, open for reading.

    `rows` and `terms` are the numbers of chunks in the postings and of their terms: BM25 counts with them. `languages`
    are those in which the chunks were analyzed. `has_windows` is True if late windows of all chunks are stored, and
    `has_graph` if there is a graph over the vectors.
    """

    catalog: ServerCatalog
    settings: IndexSettings
    generation: int
    rows: int
    terms: int
    languages: tuple[str, ...]
    has_windows: bool
    has_graph: bool
    root: Path

    @property
    def catalogs(self) -> Sequence[ServerCatalog]:
        """Return the catalog, as `SearchedSnapshot` has it for several indexes."""
        return (self.catalog,)


@contextmanager
def open_server_snapshot(address: ServerAddress, folder: Path) -> Iterator[ServerSnapshot]:
    """Open the newest generation of an index on a server, yield its snapshot, and close it after the block.

    `folder` is as for `ServerCatalog`. Raises IndexNotFoundError, IndexVersionError, IndexMismatchError,
    IndexCorruptError, StorageError.
    """
    catalog = open_catalog(address, folder)
    try:
        yield _snapshot(catalog)
    finally:
        catalog.close()


def _snapshot(catalog: ServerCatalog) -> ServerSnapshot:
    values = catalog.settings()
    settings = IndexSettings.from_catalog(catalog)
    try:
        generation, rows, terms = (int(values[key]) for key in ("generation", ROWS, TERMS))
        languages = tuple(sorted(filter(None, values[LANGUAGES].split(","))))
        root = Path(values[ROOT])
    except (KeyError, ValueError) as error:
        raise catalog.damaged(f"its settings are damaged ({error})") from error
    return ServerSnapshot(
        catalog,
        settings,
        generation,
        rows,
        terms,
        languages if settings.language == "auto" else (settings.language,),
        values.get(WINDOWS) == "all",
        catalog.has_graph,
        root,
    )
