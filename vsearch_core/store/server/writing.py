"""The interface to the one writer of an index on a server."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch_core.store.raw_rows import Row
from vsearch_core.store.server.address import ServerAddress
from vsearch_core.store.server.postings import TermPostings

MOST_SEGMENTS = 64  # of postings; more are merged


@dataclass(frozen=True, slots=True)
class ServerSegment:
    """Chunks to add: rows of CHUNK_COLUMNS, ids ascending; vectors (n, dimension); numbers that order samples (n,).

    `postings` has the terms with the postings of these chunks, and may be read once.
    """

    chunks: Sequence[Row]
    vectors: NDArray[np.int16]
    samples: Sequence[int]
    postings: Iterable[tuple[bytes, TermPostings]]


class ServerWriter(ABC):
    """The one writer of an index on a server, with the lock on it. Only one thread may use it.

    Methods raise StorageError if the server fails.
    """

    address: ServerAddress

    @abstractmethod
    def close(self) -> None:
        """Close the connection, which releases the lock."""

    @property
    @abstractmethod
    def exists(self) -> bool:
        """Return True if there is an index at the address."""

    @abstractmethod
    def create(self, settings: dict[str, str], dimension: int, root: str) -> None:
        """Create the tables of a new index with these settings, whose documents are in the folder `root`."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Return all settings. Raises IndexVersionError for tables of another version."""

    @abstractmethod
    def files(self) -> list[Row]:
        """Return the FILE_FACTS of all files."""

    @abstractmethod
    def sources(self) -> set[Row]:
        """Return the paths of all sources with their options as JSON."""

    @abstractmethod
    def skipped(self) -> set[Row]:
        """Return the SKIPPED_FACTS of all skipped files."""

    @abstractmethod
    def commit(self) -> AbstractContextManager[dict[str, str]]:
        """Run the block as a transaction that makes a new generation.

        Yield the settings; those that the block changes in this dictionary are stored. Raises StorageError with the
        code "server-index-changed" if another writer has committed since `settings` was called.
        """

    # The methods below are called within `commit`.

    @abstractmethod
    def add_files(self, rows: Iterable[Row]) -> None:
        """Add files: FILE_FACTS and the id of the first chunk."""

    @abstractmethod
    def add_segment(self, segment: ServerSegment, number: int) -> None:
        """Add chunks with their vectors and postings."""

    @abstractmethod
    def remove_files(self, file_ids: Sequence[int]) -> int:
        """Remove files with their chunks and vectors; return the number of chunks."""

    @abstractmethod
    def replace_files(self, rows: Iterable[Row]) -> None:
        """Replace the rows of files whose times have changed; their chunks stay."""

    @abstractmethod
    def replace_sources(self, rows: Iterable[Row]) -> None:
        """Replace all sources."""

    @abstractmethod
    def change_skipped(self, added: Iterable[Row], removed: Iterable[Row]) -> None:
        """Add SKIPPED_FACTS, and remove others."""

    @abstractmethod
    def merge_postings(self, settings: dict[str, str]) -> int:
        """Merge the postings of all segments, and drop those of removed chunks. Return the number of these."""

    # Not within `commit`

    @abstractmethod
    def build_graph(self, dimension: int) -> bool:
        """Build the graph over the vectors, unless there is one, or they are too long. Return True if it was built."""

    @abstractmethod
    def has_removed_chunks(self) -> bool:
        """Return True if there are postings of removed chunks."""

    @abstractmethod
    def size(self) -> int:
        """Return the size of the index on the server, its tables and their indexes."""

    @abstractmethod
    def clean(self) -> None:
        """Give the space of deleted rows back."""

    @abstractmethod
    def copies_of(self, hashes: Sequence[int]) -> list[tuple[int, bytes, bytes | None, bytes]]:
        """Return the hash, text, windows and fixed-point vector of chunks whose texts have these hashes."""
