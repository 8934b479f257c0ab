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
from vsearch_core.store.segment import NEXT_STEP, open_segment


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


def _open(index: Path) -> Snapshot:
    former = None
    while True:
        catalog = Catalog.open_to_read(index)
        try:
            generation = catalog.generation
            settings = IndexSettings.from_catalog(catalog)
            segments = [_view(catalog, record) for record in catalog.segments()]
            return Snapshot(catalog, settings, generation, segments)
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


def _view(catalog: Catalog, record: SegmentRecord) -> SegmentView:
    arrays = open_segment(catalog.index, record.name, record.manifest)
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
            f"{catalog.index}: segment {record.name}", f"its catalog names no file for {error}", NEXT_STEP
        ) from None
