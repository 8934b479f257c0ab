"""Open snapshots. A reader sees the same generation of the index as long as its snapshot is open."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.codes import CodedVectors
from vsearch_core.ann.hnsw import Graph
from vsearch_core.ann.ivf import InvertedLists
from vsearch_core.ann.pq import PqLists
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.parts import (
    CHUNK_IDS,
    FILE_IDS,
    WINDOW_CODES,
    WINDOW_STOPS,
    WINDOWS,
    Part,
    is_embedded,
    open_parts,
    stored_codes,
    stored_graph,
    stored_lists,
    stored_pq,
    vectors_name,
)
from vsearch_core.index.pictures import (
    ImageModel,
    PictureScale,
    PictureVectors,
    load_image_model,
    load_picture_scale,
    load_picture_vectors,
)
from vsearch_core.index.rows import RowMap
from vsearch_core.index.settings import IndexSettings
from vsearch_core.lexical.analysis import AUTO
from vsearch_core.lexical.postings import Postings
from vsearch_core.store.catalog import Catalog, CatalogReader, IndexCatalog, SegmentRecord
from vsearch_core.store.io_errors import sqlite_errors, storage_errors
from vsearch_core.store.segment import Manifest, damaged_blocks, row_span

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class SegmentView:
    """A segment that a snapshot has open, with its arrays by name, mapped into memory.

    `alive` (n,) is True for live rows and False for deleted ones. Arrays in `Part.verified_when_read`, such as the
    vectors, are not verified yet: see `checksum_ok` and docs/adr/0006-verification.md. Call `ann.check.check_graph`
    before the graph is searched, `check_lists` or `check_pq` before the inverted lists are.
    """

    name: str
    arrays: Mapping[str, NDArray[Any]]
    alive: NDArray[np.bool_]
    postings: Postings
    graph: Graph | None
    manifest: Manifest
    lists: InvertedLists | PqLists | None = None
    coded: CodedVectors | None = None

    @property
    def vectors(self) -> NDArray[Any]:
        """Return the vectors of the texts, (n, dimension) int16, as `ann.flat.to_fixed` makes them.

        Raises KeyError if the segment has none, or only their codes (`coded`).
        """
        return self.arrays[vectors_name()]

    @property
    def has_vectors(self) -> bool:
        """Return True if the segment has vectors, or codes of them.

        If not, only keywords find its chunks: they are not embedded yet.
        """
        return is_embedded(self.arrays)

    @property
    def is_indexed(self) -> bool:
        """Return True if the vectors have a graph or inverted lists, so that a search need not compare them all."""
        return self.graph is not None or self.lists is not None

    @property
    def has_windows(self) -> bool:
        """Return True if the segment stores codes of late windows: vectors of short stretches of a chunk.

        See `embed.late_windows`. Short chunks have no windows even then.
        """
        return WINDOWS.is_in(self.arrays)

    def window_codes(self, row: int) -> bytes | None:
        """Return the codes of a row's late windows, not verified, or None if the segment has none."""
        if not self.has_windows:
            return None
        start, stop = self.window_span(row)
        return bytes(self.arrays[WINDOW_CODES][start:stop].tobytes())

    def window_span(self, row: int) -> tuple[int, int]:
        """Return the row's first late window among all of the segment's, and the one after its last."""
        return row_span(self.arrays[WINDOW_STOPS], row)

    @property
    def chunk_ids(self) -> NDArray[np.int64]:
        """Return the chunk id of each row, (n,)."""
        return self.arrays[CHUNK_IDS]

    @property
    def file_ids(self) -> NDArray[np.int64]:
        """Return the file id of each row, (n,)."""
        return self.arrays[FILE_IDS]

    def checksum_ok(self, array: str, start: int = 0, stop: int | None = None) -> bool:
        """Return True if the checksums of an array, or of its rows from `start` to `stop`, are correct."""
        mapped = self.arrays[array]
        row_bytes = mapped.itemsize * math.prod(mapped.shape[1:])
        end = None if stop is None else stop * row_bytes
        return not damaged_blocks(mapped, self.manifest[array], start * row_bytes, end)

    def damaged_array(self, part: Part) -> str | None:
        """Return the name of the part's first array whose checksums are wrong; None if all are correct."""
        return next((name for name in self.arrays if part.owns(name) and not self.checksum_ok(name)), None)


class OpenSnapshot(Protocol):
    """A snapshot of any kind: one generation of an index, or of each of several indexes joined to one."""

    @property
    def catalog(self) -> CatalogReader:
        """Return the catalog, or what stands for several."""

    @property
    def catalogs(self) -> Sequence[IndexCatalog]:
        """Return the catalogs of the indexes."""

    @property
    def settings(self) -> IndexSettings:
        """Return the settings of the index, or those that count for several."""

    @property
    def generation(self) -> int:
        """Return the number of the generation."""


class SearchedSnapshot(OpenSnapshot, Protocol):
    """A snapshot of local indexes, whose segments are searched in memory.

    The first `vector_segments` of the segments have vectors of the same embedder, that of the settings.
    """

    @property
    def segments(self) -> Sequence[SegmentView]:
        """Return the segments, with distinct chunk ids and file ids."""

    @property
    def vector_segments(self) -> int:
        """Return the number of segments whose vectors can be compared with a query's."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages in which the chunks were analyzed, sorted."""

    @property
    def image_model(self) -> ImageModel | None:
        """Return the image model whose vectors can be compared with a query's; None if there is none."""

    def pictures(self, model: ImageModel) -> tuple[PictureVectors, PictureScale | None]:
        """Return the vectors of this model, and its scale. Raises IndexCorruptError."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generation of an index, open for reading.

    Its segments are in order, the oldest first; those without vectors come last.
    """

    catalog: Catalog
    settings: IndexSettings
    generation: int
    segments: Sequence[SegmentView]

    @property
    def catalogs(self) -> Sequence[Catalog]:
        """Return the catalog, as `SearchedSnapshot` has it for several indexes."""
        return (self.catalog,)

    @property
    def image_model(self) -> ImageModel | None:
        """Return the image model, or None if there is none. Raises IndexCorruptError."""
        return load_image_model(self.catalog)

    def pictures(self, model: ImageModel) -> tuple[PictureVectors, PictureScale | None]:
        """Return the vectors of this model, and its scale. Raises IndexCorruptError."""
        return load_picture_vectors(self.catalog, model), load_picture_scale(self.catalog)

    @property
    def vector_segments(self) -> int:
        """Return the number of segments that have vectors."""
        return sum(segment.has_vectors for segment in self.segments)

    @property
    def rows(self) -> RowMap:
        """Return the map between global rows, which number the rows of all segments, and rows of segments."""
        return RowMap(len(segment.chunk_ids) for segment in self.segments)

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages in which the chunks were analyzed, sorted."""
        if self.settings.language != AUTO:
            return (self.settings.language,)
        return tuple(sorted({language for segment in self.segments for language in segment.postings.languages}))


@contextmanager
def open_snapshot(index: Path) -> Iterator[Snapshot]:
    """Open the current generation of the index, yield its snapshot, and close it after the block.

    Another process may write to the index meanwhile. Raises IndexNotFoundError, IndexVersionError, IndexMismatchError,
    IndexCorruptError, StorageError.
    """
    with storage_errors(index):
        snapshot = _open(index)
    try:
        with sqlite_errors(index):  # not the other errors of the block
            yield snapshot
    finally:
        snapshot.catalog.close()


def open_generation(
    index: Path, open_record: Callable[[Catalog, SegmentRecord], Opened]
) -> tuple[Catalog, list[Opened]]:
    """Open the catalog and all segments of the current generation.

    Return the catalog, which the caller must close, and the result of `open_record(catalog, record)` for each segment,
    oldest first. Raises the errors of `open_record`, and IndexCorruptError if a file is missing.
    """
    former = None
    while True:
        catalog = Catalog.open_to_read(index, check_same_thread=False)  # a snapshot may move between threads
        try:
            generation = catalog.generation
            return catalog, [open_record(catalog, record) for record in catalog.segments()]
        except FileNotFoundError as error:
            catalog.close()
            if generation == former:
                raise IndexCorruptError(str(error.filename), "the file is gone from the index") from None
            # A compaction may have deleted it after the catalog was read; then the next generation has its rows.
            former = generation
        except BaseException:
            catalog.close()
            raise


def _open(index: Path) -> Snapshot:
    catalog, segments = open_generation(index, view_segment)
    try:
        settings = IndexSettings.from_catalog(catalog)
        return Snapshot(catalog, settings, catalog.generation, vectors_first(segments))
    except BaseException:
        catalog.close()
        raise


def vectors_first(segments: Iterable[SegmentView]) -> list[SegmentView]:
    """Return the segments in the order of a snapshot: those with vectors first, each group in the given order."""
    return sorted(segments, key=lambda segment: not segment.has_vectors)


def view_segment(catalog: Catalog, record: SegmentRecord) -> SegmentView:
    """Open a segment and return a view of it. Raises FileNotFoundError and IndexCorruptError."""
    arrays = open_parts(catalog.index, record)
    try:
        postings, graph = Postings.from_arrays(arrays), stored_graph(arrays)
        lists, coded = stored_lists(arrays) or stored_pq(arrays), stored_codes(arrays)
        if WINDOWS.is_in(arrays):
            _ = arrays[WINDOW_STOPS], arrays[WINDOW_CODES]
    except KeyError as error:
        raise IndexCorruptError(
            f"{catalog.index}: segment {record.name}", f"the catalog lists no file of its array {error}"
        ) from None
    except ValueError as error:
        raise IndexCorruptError(f"{catalog.index}: segment {record.name}", str(error)) from None
    return SegmentView(record.name, arrays, record.alive, postings, graph, record.manifest, lists, coded)
