"""What a reader sees: one generation of the index, pinned for as long as the snapshot is open."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.hnsw import Graph
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.graphs import stored_graph
from vsearch_core.index.settings import IndexSettings
from vsearch_core.lexical.postings import Postings
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.faults import translated
from vsearch_core.store.segment import NEXT_STEP, Arrays, open_segment


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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation. Rows of all segments are numbered through, oldest segment first."""

    catalog: Catalog
    settings: IndexSettings
    generation: int
    segments: Sequence[SegmentView]


@contextmanager
def open_snapshot(index: Path) -> Iterator[Snapshot]:
    """Pin the current generation inside the block; writers go on meanwhile.

    Raises IndexNotFoundError, IndexVersionError, IndexMismatchError, IndexCorruptError, StorageError.
    """
    with translated(index):  # not around the block: what fails there is not the index's business
        snapshot = _open(index)
    try:
        yield snapshot
    finally:
        snapshot.catalog.close()


def pin(index: Path) -> tuple[Catalog, list[tuple[SegmentRecord, Arrays]]]:
    """The current generation: its catalog, for the caller to close, and its segments' maps, oldest first."""
    former = None
    while True:
        catalog = Catalog.open_to_read(index)
        try:
            generation = catalog.generation
            records = catalog.segments()
            return catalog, [(record, open_segment(index, record.name, record.manifest)) for record in records]
        except FileNotFoundError as error:
            catalog.close()
            if generation == former:
                missing = str(error.filename)
                raise IndexCorruptError(
                    missing, "the file is gone from the index", "delete the index folder and index again"
                ) from None
            # A compaction may have swept it between the catalog's word and our opening it: the next generation has it.
            former = generation
        except BaseException:
            catalog.close()
            raise


def _open(index: Path) -> Snapshot:
    catalog, segments = pin(index)
    try:
        settings = IndexSettings.from_catalog(catalog)
        return Snapshot(catalog, settings, catalog.generation, [_view(index, *segment) for segment in segments])
    except BaseException:
        catalog.close()
        raise


def _view(index: Path, record: SegmentRecord, arrays: Arrays) -> SegmentView:
    try:
        return SegmentView(
            record.name,
            arrays["vectors"],
            arrays["chunk_ids"],
            arrays["file_ids"],
            Postings.from_arrays(arrays),
            record.alive,
            stored_graph(arrays),
        )
    except KeyError as error:
        raise IndexCorruptError(
            f"{index}: segment {record.name}", f"its catalog names no file for {error}", NEXT_STEP
        ) from None
