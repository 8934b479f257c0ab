"""The parts of a segment: which arrays each one holds, and how they are built, merged, verified and counted.

A segment is a set of arrays over the same rows, and a part is one kind of them. All code that writes, opens, checks or
measures segments goes through `PARTS`, so a new kind of part is one more entry there, beside its algorithm.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core import kernel_cache
from vsearch_core.ann.check import check_graph
from vsearch_core.ann.flat import non_unit_rows
from vsearch_core.ann.hnsw import Graph
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.progress import Observer, Progress, StoppedError
from vsearch_core.index.settings import IndexSettings
from vsearch_core.lexical import postings as keyword_postings
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.postings import Postings
from vsearch_core.machine import usable_cores
from vsearch_core.model import TEXT
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.segment import ABOUT as ABOUT_FILE
from vsearch_core.store.segment import Arrays, Manifest, SegmentWriter, open_array, open_segment

CHUNK_IDS = "chunk_ids"
FILE_IDS = "file_ids"
GRAPH_PREFIX = "graph_"
_ROWS_PER_BLOCK = 4096  # rows of an array that are copied at a time

Mask = NDArray[np.bool_]


class Input(Enum):
    """The inputs that a part is computed from. When an input changes, the parts made from it are built again."""

    ROWS = "rows"
    VECTORS = "vectors"
    TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class VectorBlocks:
    """Vectors in blocks of some rows each, int16 (`ann.flat.to_fixed`); `shape` is that of all of them together."""

    shape: tuple[int, int]
    blocks: Iterable[NDArray[np.int16]]


@dataclass(frozen=True, slots=True)
class FormerSegment:
    """A segment whose rows go into a new one: its arrays, and the rows to keep, (rows,)."""

    arrays: Arrays
    kept: Mask


@dataclass(frozen=True, slots=True)
class NewSegment:
    """The rows of a segment that is about to be written, and everything its parts are built from.

    `chunk_ids` and `file_ids` (n,) int64 name the rows; the texts are the catalog's. `former` are the segments that the
    rows come from, in order, or empty for rows that are in no segment yet. `changed` are the inputs that the former
    segments' parts were not made from. `vectors` has the vectors by space where they are new or changed.
    """

    catalog: Catalog
    chunk_ids: NDArray[np.int64]
    file_ids: NDArray[np.int64]
    vectors: Mapping[str, VectorBlocks]
    former: Sequence[FormerSegment] = ()
    changed: Collection[Input] = ()
    observer: Observer = Observer()  # noqa: RUF009 - frozen
    limits: IndexLimits = DEFAULT_LIMITS

    @classmethod
    def merge(
        cls,
        catalog: Catalog,
        former: Sequence[FormerSegment],
        observer: Observer,
        limits: IndexLimits,
        *,
        vectors: Mapping[str, VectorBlocks] | None = None,
        changed: Collection[Input] = (),
    ) -> "NewSegment":
        """Return the segment of the kept rows of all former segments. Raises IndexCorruptError if they have no ids."""
        try:
            ids = [
                np.concatenate([np.empty(0, np.int64), *(each.arrays[name][each.kept] for each in former)])
                for name in (CHUNK_IDS, FILE_IDS)
            ]
        except (IndexError, KeyError) as error:
            raise IndexCorruptError(str(catalog.index), f"its ids are damaged ({error})") from error
        return cls(catalog, ids[0], ids[1], vectors or {}, former, changed, observer, limits)

    @property
    def analysis(self) -> Analysis:
        """Return the analysis that postings are built by. Raises IndexMismatchError and IndexCorruptError."""
        return IndexSettings.from_catalog(self.catalog, renewing=True).analysis

    @property
    def is_copy(self) -> bool:
        """Return True if the rows are exactly those of one former segment."""
        return len(self.former) == 1 and bool(self.former[0].kept.all())


def _build_nothing(_segment: NewSegment, _writer: SegmentWriter) -> None:
    pass


def _no_faults(_arrays: Arrays, _dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of arrays of a segment.

    `names` are the arrays' names, and the names of their files; one that ends in "_" stands for all names that begin
    with it. `made_from` says when the part must be built again. `build` writes the arrays of a new segment. `merge`
    writes them from the former segments' arrays, which is cheaper; without it a merged segment's part is built.

    Opening a segment verifies the checksums of all arrays but those in `verified_when_read`: whoever reads these
    verifies them. `by_row` are the arrays with one row per row of the segment. `faults` yields (array or "", reason)
    for each contradiction in arrays whose checksums are right; it gets the dimension of each vector space.

    A segment may lack an `optional` part. A part that is built `later` is left out at a commit, because it takes long,
    and added when the segment is merged. `counted_as` names the part's size in the status of an index.
    """

    name: str
    names: tuple[str, ...]
    made_from: Input
    build: Callable[[NewSegment, SegmentWriter], None]
    merge: Callable[[NewSegment, SegmentWriter], None] | None = None
    verified_when_read: tuple[str, ...] = ()
    by_row: tuple[str, ...] = ()
    faults: Callable[[Arrays, Mapping[str, int]], Iterator[tuple[str, str]]] = _no_faults
    optional: bool = False
    later: bool = False
    counted_as: str = ""

    def owns(self, array: str) -> bool:
        """Return True if an array of that name belongs to this part."""
        return _matches(array, self.names)

    def is_in(self, arrays: Iterable[str]) -> bool:
        """Return True if a segment with these arrays, by name, has this part."""
        return any(map(self.owns, arrays))


def _matches(array: str, names: Iterable[str]) -> bool:
    return any(array == name or (name.endswith("_") and array.startswith(name)) for name in names)


# Vectors


def vectors_name(space: str = TEXT) -> str:
    """Return the name of the array that holds a vector space's vectors."""
    return "vectors" if space == TEXT else f"vectors_{space}"


def vectors_part(space: str) -> Part:
    """Return the part that holds the vectors of a space, (n, dimension) int16."""
    name = vectors_name(space)

    def build(segment: NewSegment, writer: SegmentWriter) -> None:
        vectors = segment.vectors[space]
        writer.add(name, np.dtype(np.int16), vectors.shape, vectors.blocks)

    def merge(segment: NewSegment, writer: SegmentWriter) -> None:
        arrays = [each.arrays[name] for each in segment.former]
        shape = (len(segment.chunk_ids), *arrays[0].shape[1:])
        writer.add(name, np.dtype(np.int16), shape, _kept_blocks(arrays, [each.kept for each in segment.former]))

    def faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
        vectors = arrays[name]
        if not _has_dimension(vectors, dimensions[space]):
            yield "", f"its vectors are not of {dimensions[space]} dimensions"
            return
        wrong = non_unit_rows(vectors)
        if len(wrong):
            yield name, f"vectors of {len(wrong)} rows are not of length 1, first row {wrong[0]}"

    return Part(
        name,
        (name,),
        Input.VECTORS,
        build,
        merge,
        verified_when_read=(name,),
        by_row=(name,),
        faults=faults,
        counted_as="vectors",
    )


def _has_dimension(vectors: NDArray[Any], dimension: int) -> bool:
    return vectors.shape[1:] == (dimension,) and vectors.dtype == np.int16


def _kept_blocks(arrays: Sequence[NDArray[Any]], kept: Sequence[Mask]) -> Iterator[NDArray[Any]]:
    """Yield the kept rows of all arrays, some at a time."""
    for array, mask in zip(arrays, kept, strict=True):
        for start in range(0, len(array), _ROWS_PER_BLOCK):
            yield array[start : start + _ROWS_PER_BLOCK][mask[start : start + _ROWS_PER_BLOCK]]


# Ids


def _build_ids(segment: NewSegment, writer: SegmentWriter) -> None:
    writer.add_arrays({CHUNK_IDS: segment.chunk_ids, FILE_IDS: segment.file_ids})


# Postings


def chunk_postings(
    catalog: Catalog, analysis: Analysis, chunk_ids: Sequence[int], limits: IndexLimits = DEFAULT_LIMITS
) -> Postings:
    """Build the postings of chunks, one per row, from the catalog's texts.

    A chunk that is not in the catalog any more has no terms. The chunks of a file must be adjacent: its language is
    detected from all of them.
    """
    languages: set[str] = set()
    terms, rows = _terms_by_row(catalog, analysis, chunk_ids, languages), limits.rows_per_postings_block
    blocks = [keyword_postings.build(islice(terms, rows), languages) for _ in range(0, max(1, len(chunk_ids)), rows)]
    kept = [np.ones(len(block.lengths), np.bool_) for block in blocks]
    return blocks[0] if len(blocks) == 1 else keyword_postings.merge(blocks, kept)


def _terms_by_row(
    catalog: Catalog, analysis: Analysis, chunk_ids: Sequence[int], languages: set[str]
) -> Iterator[Sequence[str]]:
    """Yield the terms of each row, and add the languages that they are in."""
    remaining = iter(chunk_ids)
    for _, group in groupby(catalog.keyword_fields(chunk_ids), key=lambda found: found[1]):
        file = list(group)
        file_languages = analysis.languages([fields for *_, fields in file])
        for (chunk_id, _, fields), language in zip(file, file_languages, strict=True):
            while next(remaining) != chunk_id:
                yield []
            languages.add(language)
            yield analysis.chunk_terms(fields, language)
    for _ in remaining:
        yield []


def _build_postings(segment: NewSegment, writer: SegmentWriter) -> None:
    chunk_ids = segment.chunk_ids.tolist()
    writer.add_arrays(chunk_postings(segment.catalog, segment.analysis, chunk_ids, segment.limits).arrays())


def _merge_postings(segment: NewSegment, writer: SegmentWriter) -> None:
    former = [Postings.from_arrays(each.arrays) for each in segment.former]
    writer.add_arrays(keyword_postings.merge(former, [each.kept for each in segment.former]).arrays())


def _postings_faults(arrays: Arrays, _dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    reason = Postings.from_arrays(arrays).find_fault()
    if reason is not None:
        yield "", f"its postings are damaged: {reason}"


# Graph


def _build_graph(segment: NewSegment, writer: SegmentWriter) -> None:
    """Build the graph over the segment's vectors, if it has enough rows. Raises StoppedError at the observer's word."""
    observer, vectors = segment.observer, writer.map(vectors_name())
    if len(vectors) < segment.limits.graph_rows:
        return
    from vsearch_core.ann.build import build
    from vsearch_core.ann.ready import announce_if_slow, load_vector_kernels

    def raise_if_stopped() -> None:
        if observer.should_stop():
            raise StoppedError

    def report(done: int, total: int) -> None:
        raise_if_stopped()
        observer.progress(Progress("linking", done, total))

    report(0, len(vectors))
    with announce_if_slow(observer.compiling):
        kernel_cache.load(load_vector_kernels, raise_if_stopped)
    graph = build(vectors, threads=usable_cores(), progress=report)
    writer.add_arrays({GRAPH_PREFIX + name: array for name, array in graph.arrays().items()})


def stored_graph(arrays: Arrays) -> Graph | None:
    """Return the graph among a segment's arrays, None if it has none. Raises KeyError if one of its arrays is missing.

    Its arrays are not verified: `ann.check.check_graph` must pass before the graph is searched.
    """
    found = {name.removeprefix(GRAPH_PREFIX): array for name, array in arrays.items() if GRAPH.owns(name)}
    return Graph.from_arrays(found) if found else None


def _graph_faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    graph, vectors = stored_graph(arrays), arrays[vectors_name()]
    if graph is not None and _has_dimension(vectors, dimensions[TEXT]):
        try:
            check_graph(graph, vectors)
        except ValueError as error:
            yield "", f"its graph is damaged: {error}"


# The registry, in the order in which a segment's arrays are written: a part may read those of the parts before it

VECTORS = vectors_part(TEXT)
IDS = Part("ids", (CHUNK_IDS, FILE_IDS), Input.ROWS, _build_ids, by_row=(CHUNK_IDS, FILE_IDS))
POSTINGS = Part(
    "postings",
    (keyword_postings.PREFIX,),
    Input.TEXTS,
    _build_postings,
    _merge_postings,
    verified_when_read=(f"{keyword_postings.PREFIX}rows", f"{keyword_postings.PREFIX}counts"),
    by_row=(f"{keyword_postings.PREFIX}lengths",),
    faults=_postings_faults,
)
GRAPH = Part(
    "graph",
    (GRAPH_PREFIX,),
    Input.VECTORS,
    _build_graph,
    verified_when_read=(GRAPH_PREFIX,),
    faults=_graph_faults,
    optional=True,
    later=True,
)
# The segment's own copy of what the catalog says of it, which `SegmentWriter.finish` writes and `store.salvage` reads
ABOUT = Part("about", (ABOUT_FILE,), Input.ROWS, _build_nothing, optional=True, counted_as="catalog")
PARTS = (VECTORS, IDS, POSTINGS, GRAPH, ABOUT)


def write_parts(segment: NewSegment, settings: Mapping[str, str], *, quickly: bool = False) -> tuple[str, Manifest]:
    """Write all parts of a segment under a new name, durably; nothing sees them until the catalog names them.

    `settings` are the ones that the catalog will have. With `quickly`, parts that are built `later` are only copied.
    Returns the segment's name and manifest. Raises IndexCorruptError, OSError, and StoppedError if it is stopped.
    """
    writer = SegmentWriter(segment.catalog.index)
    for part in PARTS:
        _write_part(part, segment, writer, quickly=quickly)
    return writer.finish(settings)


def _write_part(part: Part, segment: NewSegment, writer: SegmentWriter, *, quickly: bool) -> None:
    has_part = [part.is_in(each.arrays) for each in segment.former]
    is_usable = bool(has_part) and part.made_from not in segment.changed and (all(has_part) or not part.optional)
    if is_usable and segment.is_copy:
        for name, array in segment.former[0].arrays.items():
            if part.owns(name):
                blocks = (array[at : at + _ROWS_PER_BLOCK] for at in range(0, len(array), _ROWS_PER_BLOCK))
                writer.add(name, array.dtype, array.shape, blocks)
    elif quickly and part.later:
        return
    elif is_usable and part.merge is not None:
        try:
            part.merge(segment, writer)
        except (IndexError, KeyError, ValueError) as error:
            reason = f"its {part.name} are damaged ({error})"
            raise IndexCorruptError(str(segment.catalog.index), reason) from error
    else:
        part.build(segment, writer)


def open_former(index: Path, record: SegmentRecord, *, changed: Collection[Input] = ()) -> FormerSegment:
    """Open and verify a segment whose live rows go into a new one, without the parts made from changed inputs.

    Raises FileNotFoundError and IndexCorruptError.
    """
    return FormerSegment(open_segment(index, record.name, unchanged_arrays(record, changed)), record.alive)


def unchanged_arrays(record: SegmentRecord, changed: Collection[Input] = ()) -> Manifest:
    """Return the entries of a segment's arrays without ABOUT and the parts made from changed inputs."""
    left_out = [ABOUT, *(part for part in PARTS if part.made_from in changed)]
    return {name: entry for name, entry in record.manifest.items() if not any(part.owns(name) for part in left_out)}


def open_parts(index: Path, record: SegmentRecord) -> dict[str, NDArray[Any]]:
    """Map the arrays of a segment, verified but for those that whoever reads them verifies.

    Raises FileNotFoundError, and IndexCorruptError if an array is damaged or missing, or has not the segment's rows.
    """
    unverified = [name for name in record.manifest if any(_matches(name, part.verified_when_read) for part in PARTS)]
    manifest = {name: entry for name, entry in record.manifest.items() if not ABOUT.owns(name)}
    arrays = open_segment(index, record.name, manifest, unverified)
    for part in PARTS:
        for name in part.by_row:
            if name not in arrays:
                if not part.optional:
                    raise IndexCorruptError(
                        f"{index}: segment {record.name}", f"its catalog names no file for {name!r}"
                    )
            elif len(arrays[name]) != record.rows:
                raise IndexCorruptError(f"{index}: segment {record.name}", f"its arrays are not of {record.rows} rows")
    return arrays


def read_ids(index: Path, record: SegmentRecord, name: str) -> NDArray[np.int64]:
    """Map and verify a segment's CHUNK_IDS or FILE_IDS, (rows,). Raises FileNotFoundError and IndexCorruptError."""
    if name not in record.manifest:
        raise IndexCorruptError(f"{index}: segment {record.name}", f"its catalog names no file for {name!r}")
    return open_array(index, record.name, name, record.manifest[name])


def part_faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield (array or "", reason) for each contradiction in a segment's arrays, whose checksums are right."""
    for part in PARTS:
        if part.is_in(arrays):
            yield from part.faults(arrays, dimensions)


def part_sizes(segments: Iterable[SegmentRecord]) -> dict[str, int]:
    """Return the bytes of all parts of the segments, by the name that the status of an index counts them as."""
    sizes = dict.fromkeys((part.counted_as or part.name for part in PARTS), 0)
    for segment in segments:
        for name, entry in segment.manifest.items():
            part = next((part for part in PARTS if part.owns(name)), None)
            if part is not None:
                sizes[part.counted_as or part.name] += entry.bytes
    return sizes
