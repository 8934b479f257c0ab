"""What a reader sees: one generation of the index, pinned for as long as the snapshot is open."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.hnsw import Graph
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.graphs import PREFIX, stored_graph
from vsearch_core.index.rows import RowMap
from vsearch_core.index.settings import IndexSettings
from vsearch_core.lexical.analysis import AUTO
from vsearch_core.lexical.postings import Postings
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.io_errors import sqlite_errors, storage_errors
from vsearch_core.store.segment import ABOUT, Manifest, open_segment

# Large arrays of which a query reads little; whoever reads them verifies that: docs/adr/0006-verification.md
VERIFIED_WHEN_READ = frozenset({"vectors", "postings_rows", "postings_counts"})

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A segment's mapped arrays: vectors (n, dimension) int16, ids (n,) int64, `alive` (n,) bool.

    The graph is as it was found: whoever walks it checks it first (`ann.check`).
    """

    name: str
    vectors: NDArray[Any]
    chunk_ids: NDArray[np.int64]
    file_ids: NDArray[np.int64]
    postings: Postings
    alive: NDArray[np.bool_]
    graph: Graph | None
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation. Rows of all segments are numbered through, oldest segment first."""

    catalog: Catalog
    settings: IndexSettings
    generation: int
    segments: Sequence[SegmentView]

    @property
    def rows(self) -> RowMap:
        """Return the map from global rows to the segments' own."""
        return RowMap(len(segment.chunk_ids) for segment in self.segments)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that passages were analyzed in, sorted."""
        if self.settings.language != AUTO:
            return (self.settings.language,)
        return tuple(sorted({language for segment in self.segments for language in segment.postings.languages}))


@contextmanager
def open_snapshot(index: Path) -> Iterator[Snapshot]:
    """Pin the current generation inside the block; writers go on meanwhile.

    Raises IndexNotFoundError, IndexVersionError, IndexMismatchError, IndexCorruptError, StorageError.
    """
    with storage_errors(index):
        snapshot = _open(index)
    try:
        with sqlite_errors(index):  # other errors of the block are not the index's business
            yield snapshot
    finally:
        snapshot.catalog.close()


def open_generation(index: Path, opened: Callable[[Catalog, SegmentRecord], Opened]) -> tuple[Catalog, list[Opened]]:
    """The current generation: its catalog, for the caller to close, and its segments, `opened`, oldest first."""
    former = None
    while True:
        catalog = Catalog.open_to_read(index, check_same_thread=False)  # a snapshot may move between threads
        try:
            generation = catalog.generation
            return catalog, [opened(catalog, record) for record in catalog.segments()]
        except FileNotFoundError as error:
            catalog.close()
            if generation == former:
                raise IndexCorruptError(str(error.filename), "the file is gone from the index") from None
            # A compaction may have swept it between the catalog's word and our opening it: the next generation has it.
            former = generation
        except BaseException:
            catalog.close()
            raise


def _open(index: Path) -> Snapshot:
    catalog, segments = open_generation(index, view_segment)
    try:
        return Snapshot(catalog, IndexSettings.from_catalog(catalog), catalog.generation, segments)
    except BaseException:
        catalog.close()
        raise


def view_segment(catalog: Catalog, record: SegmentRecord) -> SegmentView:
    """Map a segment. Raises FileNotFoundError and IndexCorruptError."""
    asked = {name: entry for name, entry in record.manifest.items() if name != ABOUT}
    unverified = [name for name in asked if name in VERIFIED_WHEN_READ or name.startswith(PREFIX)]
    arrays = open_segment(catalog.index, record.name, asked, unverified)
    try:
        view = SegmentView(
            record.name,
            arrays["vectors"],
            arrays["chunk_ids"],
            arrays["file_ids"],
            Postings.from_arrays(arrays),
            record.alive,
            stored_graph(arrays),
            record.manifest,
        )
    except KeyError as error:
        raise IndexCorruptError(
            f"{catalog.index}: segment {record.name}", f"its catalog names no file for {error}"
        ) from None
    except ValueError as error:
        raise IndexCorruptError(f"{catalog.index}: segment {record.name}", str(error)) from None
    lengths = {len(view.vectors), len(view.chunk_ids), len(view.file_ids), len(view.postings.lengths)}
    if lengths != {record.rows}:
        raise IndexCorruptError(f"{catalog.index}: segment {record.name}", f"its arrays are not of {record.rows} rows")
    return view
