"""Define the parts of a segment: their arrays, and functions to build, merge and check them.

A segment is a set of arrays over the same rows. A part is one kind of arrays, such as the vectors or the keyword
postings. All code that writes, opens, checks or measures segments uses the list `PARTS`, so a new kind of part needs
only an entry there.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vsearch_core import kernel_cache
from vsearch_core.ann.check import check_graph, check_lists, check_pq
from vsearch_core.ann.codes import TRAINED_ROWS, Codebook, CodedVectors, encode, train_codebook
from vsearch_core.ann.flat import non_unit_rows, to_fixed
from vsearch_core.ann.hnsw import Graph
from vsearch_core.ann.ivf import InvertedLists
from vsearch_core.ann.pq import CODES as PQ_CODES
from vsearch_core.ann.pq import PqLists
from vsearch_core.embed.late_windows import code_type
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index import ann_policy
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits, most_bytes_of_texts
from vsearch_core.index.preparation import ChunkTerms, TermStore, analyzed
from vsearch_core.index.progress import Observer, Progress, StoppedError
from vsearch_core.index.settings import IndexSettings
from vsearch_core.lexical import postings as keyword_postings
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.postings import Postings
from vsearch_core.lexical.row_terms import RowTerms
from vsearch_core.machine import usable_cores
from vsearch_core.model import TEXT
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.segment import ABOUT as ABOUT_FILE
from vsearch_core.store.segment import Arrays, Manifest, SegmentWriter, open_array, open_segment

CHUNK_IDS = "chunk_ids"
FILE_IDS = "file_ids"
WINDOW_STOPS = "windows_stops"
WINDOW_CODES = "windows_codes"
GRAPH_PREFIX = "graph_"
IVF_PREFIX = "ivf_"
PQ_PREFIX = "pq_"
CODES_PREFIX = "codes_"
CODES_ROWS = "codes_rows"
NO_TERMS = TermStore()  # stays empty
_MOST_REGIONS = 32  # of a graph that the user chose though it needs more memory than the limit
_ROWS_PER_BLOCK = 4096  # rows of an array that are copied at a time

Mask = NDArray[np.bool_]
Stored = TypeVar("Stored", Graph, InvertedLists, PqLists, CodedVectors)
Lists = TypeVar("Lists", InvertedLists, PqLists)


class Input(Enum):
    """The data that a part is computed from. If this data changes, the part must be built again."""

    ROWS = "rows"
    VECTORS = "vectors"
    TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class VectorBlocks:
    """Vectors in blocks of consecutive rows, int16 as `ann.flat.to_fixed` makes them.

    `shape` is the shape of all blocks together.
    """

    shape: tuple[int, int]
    blocks: Iterable[NDArray[np.int16]]


@dataclass(frozen=True, slots=True)
class WindowBlocks:
    """The codes of all rows' late windows: the number of each row's windows, (n,), and the codes in blocks of bytes."""

    counts: NDArray[np.int64]
    blocks: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class FormerSegment:
    """A segment whose rows are copied to a new one: its arrays, and a mask of the rows to keep, (rows,)."""

    arrays: Arrays
    kept: Mask


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment to be written: its rows, and the data from which its parts are built.

    `chunk_ids` and `file_ids` (n,) int64 are the chunk and the file of each row; the texts come from the catalog.
    `vectors` has the vectors by vector space, if they are new or changed, and `windows` the late windows that belong to
    them, or None if the embedder makes none. `terms` has the terms of some chunks, which needn't be analyzed. `coded`
    are codes of the rows' vectors instead of these. `former` are the segments from which the rows are copied, in this
    order; it is empty if the rows are in no segment yet. `changed` names the data that has changed since the former
    segments were written; parts made from it must be built again.
    """

    catalog: Catalog
    chunk_ids: NDArray[np.int64]
    file_ids: NDArray[np.int64]
    vectors: Mapping[str, VectorBlocks]
    former: Sequence[FormerSegment] = ()
    changed: Collection[Input] = ()
    observer: Observer = Observer()  # noqa: RUF009 - frozen
    limits: IndexLimits = DEFAULT_LIMITS
    windows: WindowBlocks | None = None
    terms: TermStore = NO_TERMS
    coded: CodedVectors | None = None

    @classmethod
    def merge(
        cls,
        catalog: Catalog,
        former: Sequence[FormerSegment],
        observer: Observer,
        limits: IndexLimits,
        *,
        vectors: Mapping[str, VectorBlocks] | None = None,
        windows: WindowBlocks | None = None,
        changed: Collection[Input] = (),
    ) -> "NewSegment":
        """Return a new segment with the kept rows of all former segments, in order.

        Raises IndexCorruptError if a former segment's ids are missing or damaged.
        """
        try:
            ids = [
                np.concatenate([np.empty(0, np.int64), *(each.arrays[name][each.kept] for each in former)])
                for name in (CHUNK_IDS, FILE_IDS)
            ]
        except (IndexError, KeyError) as error:
            raise IndexCorruptError(str(catalog.index), f"its ids are damaged ({error})") from error
        return cls(catalog, ids[0], ids[1], vectors or {}, former, changed, observer, limits, windows)

    @property
    def analysis(self) -> Analysis:
        """Return the text analysis for new postings. Raises IndexMismatchError and IndexCorruptError."""
        return IndexSettings.from_catalog(self.catalog, renewing=True).analysis

    @property
    def ann_kind(self) -> str:
        """Return what the segment gets if it isn't small, as `AnnPolicy.kind`."""
        return ann_policy.policy_of(self.catalog).kind(len(self.chunk_ids), self.limits)

    @property
    def has_vectors(self) -> bool:
        """Return True if the rows have vectors, and keep them: see `gets_codes`."""
        has_any = bool(self.vectors) or any(VECTORS.is_in(each.arrays) for each in self.former)
        return has_any and not self.gets_codes

    @property
    def gets_codes(self) -> bool:
        """Return True if the rows get codes instead of vectors: see docs/adr/0064-archive-indexes.md.

        That is so if some of them have only codes, or if the index keeps no vectors and the rows are enough to train a
        codebook. Vectors that are new are stored first, so that codebooks are trained on many.
        """
        if self.coded is not None or any(CODED.is_in(each.arrays) for each in self.former):
            return True
        has_former = not self.vectors and any(VECTORS.is_in(each.arrays) for each in self.former)
        is_enough = len(self.chunk_ids) >= self.limits.coded_rows
        return has_former and is_enough and ann_policy.policy_of(self.catalog).keeps_none

    @property
    def is_copy(self) -> bool:
        """Return True if the new segment has exactly the rows of one former segment."""
        return len(self.former) == 1 and bool(self.former[0].kept.all())


def _build_nothing(_segment: NewSegment, _writer: SegmentWriter) -> None:
    pass


def _always(_segment: NewSegment, *_former: Arrays) -> bool:
    return True


def _has_vectors(segment: NewSegment) -> bool:
    return segment.has_vectors


def _no_faults(_arrays: Arrays, _dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of arrays of a segment, with functions to build, merge and check them.

    `names` are the names of the arrays and of their files. A name that ends in "_" stands for all names with that
    prefix. `made_from` is the data that the part is computed from. `build` writes the arrays of a new segment. `merge`
    writes them from the arrays of former segments, which is cheaper; if it is None, the part of a merged segment is
    built.

    When a segment is opened, all arrays are verified by their checksums, except those in `verified_when_read`: code
    that reads these must verify them. The arrays in `by_row` have one entry for each row of the segment. `faults`
    yields (array name or "", reason) for each contradiction in arrays with correct checksums; it gets the dimension of
    each vector space.

    A segment may lack an `optional` part, and gets it only if `wanted` returns True. `can_copy` returns True if the
    part of a former segment, given its arrays, is of the kind that the new segment needs. A part that is built `later`
    takes long to build: a commit leaves it out, and a merge adds it. `counted_as` is the name under which an index's
    status counts the part's size, by default `name`.
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
    wanted: Callable[[NewSegment], bool] = _always
    can_copy: Callable[[NewSegment, Arrays], bool] = _always
    counted_as: str = ""

    def owns(self, array: str) -> bool:
        """Return True if an array of this name belongs to the part."""
        return _matches(array, self.names)

    def is_in(self, arrays: Iterable[str]) -> bool:
        """Return True if a segment that has arrays of these names has the part."""
        return any(map(self.owns, arrays))


def _matches(array: str, names: Iterable[str]) -> bool:
    return any(array == name or (name.endswith("_") and array.startswith(name)) for name in names)


# Vectors


def vectors_name(space: str = TEXT) -> str:
    """Return the name of the array with the vectors of a vector space."""
    return "vectors" if space == TEXT else f"vectors_{space}"


def vectors_part(space: str) -> Part:
    """Return the part for the vectors of a vector space, (n, dimension) int16."""
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
            yield "", f"its vectors don't have {dimensions[space]} dimensions"
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
        optional=True,
        wanted=_has_vectors,
        counted_as="vectors",
    )


def _has_dimension(vectors: NDArray[Any], dimension: int) -> bool:
    return vectors.shape[1:] == (dimension,) and vectors.dtype == np.int16


def _kept_blocks(arrays: Sequence[NDArray[Any]], kept: Sequence[Mask]) -> Iterator[NDArray[Any]]:
    """Yield the kept rows of all arrays in blocks."""
    for array, mask in zip(arrays, kept, strict=True):
        for start in range(0, len(array), _ROWS_PER_BLOCK):
            yield array[start : start + _ROWS_PER_BLOCK][mask[start : start + _ROWS_PER_BLOCK]]


# Late windows


def window_blocks(windows: Sequence[bytes | None], dimension: int) -> WindowBlocks | None:
    """Return the rows' late windows, given each row's codes; None if a row's embedder makes none."""
    known = [codes for codes in windows if codes is not None]
    if len(known) < len(windows):
        return None
    width = code_type(dimension).itemsize
    return WindowBlocks(np.array([len(codes) // width for codes in known], np.int64), [b"".join(known)])


def _build_windows(segment: NewSegment, writer: SegmentWriter) -> None:
    windows = segment.windows
    if windows is None:
        return
    stops = np.cumsum(windows.counts, dtype=np.int64)
    width = code_type(writer.map(vectors_name()).shape[1]).itemsize
    blocks = (np.frombuffer(block, np.uint8).reshape(-1, width) for block in windows.blocks)
    writer.add_arrays({WINDOW_STOPS: stops})
    writer.add(WINDOW_CODES, np.dtype(np.uint8), (int(stops[-1:].sum()), width), blocks)


def _merge_windows(segment: NewSegment, writer: SegmentWriter) -> None:
    counts, codes, kept = [np.empty(0, np.int64)], [], []
    for each in segment.former:
        own = np.diff(each.arrays[WINDOW_STOPS], prepend=0)
        if (own < 0).any() or own.sum() != len(each.arrays[WINDOW_CODES]):
            raise ValueError("they are not in order")
        counts.append(own[each.kept])
        codes.append(each.arrays[WINDOW_CODES])
        kept.append(np.repeat(each.kept, own))
    stops = np.cumsum(np.concatenate(counts), dtype=np.int64)
    writer.add_arrays({WINDOW_STOPS: stops})
    shape = (int(stops[-1:].sum()), *codes[0].shape[1:])
    writer.add(WINDOW_CODES, np.dtype(np.uint8), shape, _kept_blocks(codes, kept))


def _window_faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    stops, codes = arrays[WINDOW_STOPS], arrays[WINDOW_CODES]
    layout = code_type(dimensions[TEXT])
    if stops.dtype != np.int64 or stops.ndim != 1 or (np.diff(stops, prepend=0) < 0).any():
        yield WINDOW_STOPS, "its rows' late windows are not in order"
    elif codes.dtype != np.uint8 or codes.shape != (int(stops[-1:].sum()), layout.itemsize):
        yield WINDOW_CODES, f"its late windows are not {int(stops[-1:].sum())} codes of {layout.itemsize} bytes"
    elif not np.isfinite(np.ascontiguousarray(codes).view(layout)["scale"]).all():
        yield WINDOW_CODES, "its late windows have scales that are not finite"


# Ids


def _build_ids(segment: NewSegment, writer: SegmentWriter) -> None:
    writer.add_arrays({CHUNK_IDS: segment.chunk_ids, FILE_IDS: segment.file_ids})


# Postings


def chunk_postings(
    catalog: Catalog,
    analysis: Analysis,
    chunk_ids: Sequence[int],
    limits: IndexLimits = DEFAULT_LIMITS,
    known: TermStore = NO_TERMS,
) -> Postings:
    """Build and return the keyword postings of the chunks, one row per chunk, from their texts in the catalog.

    The texts of chunks whose terms are `known` are not read. A chunk that the catalog no longer has gets no terms.
    Chunks of the same file must be adjacent, because the language of a file is detected from all of them. Raises
    IndexCorruptError if the texts are longer than those of any document.
    """
    languages: set[str] = set()
    terms = _terms_by_row(catalog, analysis, chunk_ids, languages, known)
    blocks: list[Postings] = []
    left = len(chunk_ids)
    while left or not blocks:
        block = _first_rows(terms, limits.rows_per_postings_block, limits.terms_per_postings_block)
        blocks.append(keyword_postings.build(block, languages))
        left -= len(blocks[-1].lengths)
    kept = [np.ones(len(block.lengths), np.bool_) for block in blocks]
    return blocks[0] if len(blocks) == 1 else keyword_postings.merge(blocks, kept)


def _first_rows(terms: Iterator[RowTerms], rows: int, most: int) -> Iterator[RowTerms]:
    """Yield the next rows, and stop after `rows` of them or after the row that brings the number of terms to `most`."""
    count = 0
    for row in islice(terms, rows):
        yield row
        count += row.length
        if count >= most:
            return


def _terms_by_row(
    catalog: Catalog, analysis: Analysis, chunk_ids: Sequence[int], languages: set[str], known: TermStore
) -> Iterator[RowTerms]:
    """Yield the terms of each row, and add their languages to `languages`."""
    others = _analyzed_chunks(catalog, analysis, [chunk_id for chunk_id in chunk_ids if known.get(chunk_id) is None])
    other_id, other = next(others, (None, None))
    for chunk_id in chunk_ids:
        found = known.get(chunk_id)
        if chunk_id == other_id:
            found = other
            other_id, other = next(others, (None, None))
        if found is None:
            yield RowTerms.of(())
        else:
            languages.add(found.language)
            yield found.terms


def _analyzed_chunks(
    catalog: Catalog, analysis: Analysis, chunk_ids: Sequence[int]
) -> Iterator[tuple[int, ChunkTerms]]:
    """Analyze the texts in the catalog. Yield (chunk id, terms) for the chunks that the catalog has, in their order."""
    most_bytes = most_bytes_of_texts(len(chunk_ids), int(catalog.settings()["chunk_words"]))
    for _, group in groupby(catalog.keyword_fields(chunk_ids, most_bytes), key=lambda found: found[1]):
        file = list(group)
        terms = analyzed(analysis, [fields for *_, fields in file])
        yield from zip([chunk_id for chunk_id, *_ in file], terms, strict=True)


def _build_postings(segment: NewSegment, writer: SegmentWriter) -> None:
    chunk_ids = segment.chunk_ids.tolist()
    postings = chunk_postings(segment.catalog, segment.analysis, chunk_ids, segment.limits, segment.terms)
    writer.add_arrays(postings.arrays())


def _merge_postings(segment: NewSegment, writer: SegmentWriter) -> None:
    former = [Postings.from_arrays(each.arrays) for each in segment.former]
    writer.add_arrays(keyword_postings.merge(former, [each.kept for each in segment.former]).arrays())


def _postings_faults(arrays: Arrays, _dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    reason = Postings.from_arrays(arrays).find_fault()
    if reason is not None:
        yield "", f"its postings are damaged: {reason}"


# Graph


def _build_graph(segment: NewSegment, writer: SegmentWriter) -> None:
    """Build the graph over the segment's vectors if it has enough rows. Raises StoppedError if stopped.

    What doesn't fit in memory is in temporary files in the segment's folder while the graph is built.
    """
    from vsearch_core.ann.base import aligned
    from vsearch_core.ann.build import build, nodes_together
    from vsearch_core.ann.ready import load_vector_kernels

    vectors = writer.map(vectors_name())
    if len(vectors) >= segment.limits.graph_rows:
        report = _prepare(segment, "linking", load_vector_kernels)
        together = nodes_together(len(vectors), vectors.shape[1], segment.limits.graph_build_bytes)
        if together is not None:
            together = max(together, segment.limits.graph_rows, len(vectors) // _MOST_REGIONS)
        graph = build(
            vectors,
            threads=usable_cores(),
            progress=report,
            allocate=aligned if together is None else writer.scratch(),
            together=together,
        )
        writer.add_arrays({GRAPH_PREFIX + name: array for name, array in graph.arrays().items()})


def _prepare(segment: NewSegment, stage: str, load: Callable[[], None]) -> Callable[[int, int], None]:
    """Load the kernels that a build needs. Return its callback for progress, which raises StoppedError if stopped."""
    from vsearch_core.ann.ready import announce_if_slow

    observer, rows = segment.observer, len(segment.chunk_ids)

    def raise_if_stopped() -> None:
        if observer.should_stop():
            raise StoppedError

    def report(done: int, total: int) -> None:
        raise_if_stopped()
        observer.progress(Progress(stage, done * rows // max(1, total), rows))

    report(0, rows)
    with announce_if_slow(observer.compiling):
        kernel_cache.load(load, raise_if_stopped)
    return report


def stored_graph(arrays: Arrays) -> Graph | None:
    """Return the graph from a segment's arrays, or None if it has none. Raises KeyError if an array is missing.

    The arrays are not verified: call `ann.check.check_graph` before the graph is searched.
    """
    return _stored(Graph, GRAPH_PREFIX, arrays)


def _stored(kind: type[Stored], prefix: str, arrays: Arrays) -> Stored | None:
    found = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return kind.from_arrays(found) if found else None


def _graph_faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    return _faults(stored_graph(arrays), check_graph, "its graph is damaged", arrays, dimensions)


def _faults(
    stored: Stored | None,
    check: Callable[[Stored, NDArray[Any]], None],
    finding: str,
    arrays: Arrays,
    dimensions: Mapping[str, int],
) -> Iterator[tuple[str, str]]:
    """Yield the fault that `check` finds in a graph or lists and the vectors among `arrays`."""
    vectors = arrays[vectors_name()]
    if stored is not None and _has_dimension(vectors, dimensions[TEXT]):
        try:
            check(stored, vectors)
        except ValueError as error:
            yield "", f"{finding}: {error}"


# Inverted lists


def _build_lists(segment: NewSegment, writer: SegmentWriter) -> None:
    """Build inverted lists over the segment's vectors if it has enough rows. Raises StoppedError if stopped.

    The centroids of a former segment are kept if they still fit: see `ann.ivf.extend`.
    """
    from vsearch_core.ann.ivf import build, extend
    from vsearch_core.ann.ready import load_list_kernels

    vectors = writer.map(vectors_name())
    if len(vectors) >= segment.limits.graph_rows:
        report = _prepare(segment, "grouping", load_list_kernels)
        former = None if Input.VECTORS in segment.changed else _former_lists(segment, IVF, stored_lists, check_lists)
        if former is None:
            lists = build(vectors, threads=usable_cores(), progress=report)
        else:
            lists = extend(former[0], vectors, former[1], threads=usable_cores(), progress=report)
        report(1, 1)
        writer.add_arrays({IVF_PREFIX + name: array for name, array in lists.arrays().items()})


def _former_lists(
    segment: NewSegment,
    part: Part,
    stored: Callable[[Arrays], Lists | None],
    check: Callable[[Lists, NDArray[Any]], None],
) -> tuple[Lists, NDArray[np.int64]] | None:
    """Return the lists of the largest former segment with the part, and the list there of each new row or -1, (n,).

    Returns None if no former segment has the part, or if it is damaged.
    """
    sizes = [len(each.kept) if part.is_in(each.arrays) else -1 for each in segment.former]
    if max(sizes, default=-1) < 0:
        return None
    number = sizes.index(max(sizes))
    largest = segment.former[number]
    try:
        lists = stored(largest.arrays)
        assert lists is not None
        check(lists, largest.arrays[vectors_name()])
    except (KeyError, ValueError):
        return None
    start = sum(int(np.count_nonzero(each.kept)) for each in segment.former[:number])
    own = lists.grouping.list_of_row[largest.kept]
    known = np.full(len(segment.chunk_ids), -1, np.int64)
    known[start : start + len(own)] = own
    return lists, known


def stored_lists(arrays: Arrays) -> InvertedLists | None:
    """Return the inverted lists from a segment's arrays, or None if it has none. Raises KeyError if one is missing.

    The arrays are not verified: call `ann.check.check_lists` before the lists are searched.
    """
    return _stored(InvertedLists, IVF_PREFIX, arrays)


def _list_faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    return _faults(stored_lists(arrays), check_lists, "its inverted lists are damaged", arrays, dimensions)


# Product quantisation


def _build_pq(segment: NewSegment, writer: SegmentWriter) -> None:
    """Build lists of PQ codes over the segment's vectors if it has enough rows. Raises StoppedError if stopped.

    The centroids of a former segment are kept if they still fit and its codes have the wanted size.
    """
    from vsearch_core.ann.pq import build, extend
    from vsearch_core.ann.ready import load_pq_kernels

    vectors = writer.map(vectors_name())
    if len(vectors) >= segment.limits.graph_rows:
        report = _prepare(segment, "grouping", load_pq_kernels)
        former = None if Input.VECTORS in segment.changed else _former_lists(segment, PQ, stored_pq, check_pq)
        if former is None or ann_policy.pq_kind(former[0].bytes) != segment.ann_kind:
            size = int(segment.ann_kind.removeprefix(ann_policy.PQ))
            lists = build(vectors, size, threads=usable_cores(), progress=report)
        else:
            lists = extend(former[0], vectors, former[1], threads=usable_cores(), progress=report)
        report(1, 1)
        writer.add_arrays({PQ_PREFIX + name: array for name, array in lists.arrays().items()})


def stored_pq(arrays: Arrays) -> PqLists | None:
    """Return the lists of PQ codes from a segment's arrays, or None if it has none. Raises KeyError if one is missing.

    The arrays are not verified: call `ann.check.check_pq` before the lists are searched.
    """
    return _stored(PqLists, PQ_PREFIX, arrays)


def _pq_faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    return _faults(stored_pq(arrays), check_pq, "its PQ codes are damaged", arrays, dimensions)


# Codes of an index that keeps no vectors


def _build_codes(segment: NewSegment, writer: SegmentWriter) -> None:
    """Write the codes of all rows: those that former segments have, and new ones for vectors.

    All segments of an index have the same codebook, so that codes are copied. If there is none yet, one is trained.
    Raises StoppedError if stopped, and IndexCorruptError.
    """
    coded = segment.coded
    try:
        if coded is not None:
            _write_codes(writer, len(coded.rows), coded.codebook, iter([coded.rows]))
        else:
            _merge_codes(segment, writer)
    except (IndexError, KeyError, ValueError) as error:
        raise IndexCorruptError(str(segment.catalog.index), f"its codes are damaged ({error})") from error


def _merge_codes(segment: NewSegment, writer: SegmentWriter) -> None:
    from vsearch_core.ann.ready import load_pq_kernels

    report = _prepare(segment, "coding", load_pq_kernels)
    coded = [stored_codes(each.arrays) for each in segment.former]
    codebook = next((each.codebook for each in coded if each is not None), None) or _codebook_of(segment)
    blocks = (
        block
        for each, codes in zip(segment.former, coded, strict=True)
        for block in _coded_blocks(each, codes, codebook)
    )
    rows = len(segment.chunk_ids)
    _write_codes(writer, rows, codebook, _reported(blocks, rows, report))


def _write_codes(writer: SegmentWriter, rows: int, codebook: Codebook, blocks: Iterator[NDArray[np.uint8]]) -> None:
    """Write the codes of `rows` rows, which come in blocks, and their codebook."""
    parameters = CodedVectors(codebook, np.empty((0, codebook.bytes), np.uint8)).arrays()
    writer.add_arrays({CODES_PREFIX + name: array for name, array in parameters.items() if name != "rows"})
    writer.add(CODES_ROWS, np.dtype(np.uint8), (rows, codebook.bytes), blocks)


def _reported(
    blocks: Iterator[NDArray[np.uint8]], rows: int, report: Callable[[int, int], None]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the blocks, and report how many of the rows are done after each."""
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        report(done, rows)


def _coded_blocks(former: FormerSegment, coded: CodedVectors | None, codebook: Codebook) -> Iterator[NDArray[np.uint8]]:
    """Yield the codes of a former segment's kept rows in blocks. They are made again only for another codebook."""
    if coded is not None and coded.codebook.equals(codebook):
        yield from _kept_blocks([coded.rows], [former.kept])
        return
    for start in range(0, len(former.kept), _ROWS_PER_BLOCK):
        rows = start + np.flatnonzero(former.kept[start : start + _ROWS_PER_BLOCK])
        vectors = former.arrays[vectors_name()][rows] if coded is None else to_fixed(coded.decoded(rows))
        yield encode(codebook, vectors, usable_cores())


def _codebook_of(segment: NewSegment) -> Codebook:
    """Return the codebook of another segment of the index, or else train one on a sample of the former vectors."""
    index = segment.catalog.index
    for record in segment.catalog.segments():
        entries = {name: entry for name, entry in record.manifest.items() if CODED.owns(name)}
        coded = stored_codes(open_segment(index, record.name, entries))
        if coded is not None:
            return coded.codebook
    rows = len(segment.chunk_ids)
    chosen = np.arange(rows)
    if rows > TRAINED_ROWS:
        chosen = np.sort(np.random.default_rng(0).choice(rows, TRAINED_ROWS, replace=False))
    sample, first = [], 0
    for each in segment.former:
        kept = np.flatnonzero(each.kept)
        own = chosen[(chosen >= first) & (chosen < first + len(kept))] - first
        sample.append(each.arrays[vectors_name()][kept[own]])
        first += len(kept)
    return train_codebook(np.concatenate(sample), threads=usable_cores())


def stored_codes(arrays: Arrays) -> CodedVectors | None:
    """Return the codes from a segment's arrays, or None if it has none.

    Raises KeyError if an array is missing, and ValueError if one contradicts the others.
    """
    return _stored(CodedVectors, CODES_PREFIX, arrays)


def _code_faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    coded = stored_codes(arrays)
    if coded is not None and len(coded.codebook.centre) != dimensions[TEXT]:
        yield "", f"its codes are not of vectors with {dimensions[TEXT]} dimensions"


# All parts, in the order in which their arrays are written: a part may read the arrays of parts before it

VECTORS = vectors_part(TEXT)
WINDOWS = Part(
    "windows",
    (WINDOW_STOPS, WINDOW_CODES),
    Input.VECTORS,
    _build_windows,
    _merge_windows,
    verified_when_read=(WINDOW_CODES,),
    by_row=(WINDOW_STOPS,),
    faults=_window_faults,
    optional=True,
    wanted=_has_vectors,
)
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
    wanted=lambda segment: segment.has_vectors and segment.ann_kind == ann_policy.GRAPH,
)
IVF = Part(
    "ivf",
    (IVF_PREFIX,),
    Input.VECTORS,
    _build_lists,
    verified_when_read=(IVF_PREFIX,),
    faults=_list_faults,
    optional=True,
    later=True,
    wanted=lambda segment: segment.has_vectors and segment.ann_kind == ann_policy.IVF,
)
PQ = Part(
    "pq",
    (PQ_PREFIX,),
    Input.VECTORS,
    _build_pq,
    verified_when_read=(PQ_PREFIX,),
    faults=_pq_faults,
    optional=True,
    later=True,
    wanted=lambda segment: segment.has_vectors and segment.ann_kind.startswith(ann_policy.PQ),
    can_copy=lambda segment, former: ann_kind_of(former) == segment.ann_kind,
)
CODED = Part(
    "codes",
    (CODES_PREFIX,),
    Input.VECTORS,
    _build_codes,
    by_row=(CODES_ROWS,),
    faults=_code_faults,
    optional=True,
    wanted=lambda segment: segment.gets_codes,
)
# The segment's copy of its catalog entry, which `SegmentWriter.finish` writes and `store.recovery` reads
ABOUT = Part("about", (ABOUT_FILE,), Input.ROWS, _build_nothing, optional=True, counted_as="catalog")
PARTS = (VECTORS, WINDOWS, IDS, POSTINGS, GRAPH, IVF, PQ, CODED, ABOUT)


def is_embedded(arrays: Iterable[str]) -> bool:
    """Return True if a segment with arrays of these names has vectors or their codes. If not, only keywords find it."""
    return any(VECTORS.owns(name) or CODED.owns(name) for name in arrays)


def ann_kind_of(arrays: Iterable[str]) -> str:
    """Return what a segment with arrays of these names has, as `AnnPolicy.kind`."""
    arrays = tuple(arrays)
    sizes = [name.removeprefix(PQ_PREFIX + PQ_CODES) for name in arrays if name.startswith(PQ_PREFIX + PQ_CODES)]
    if sizes and sizes[0].isdecimal():
        return ann_policy.pq_kind(int(sizes[0]))
    kinds = {ann_policy.GRAPH: GRAPH, ann_policy.IVF: IVF}
    return next((kind for kind, part in kinds.items() if part.is_in(arrays)), ann_policy.FLAT)


def write_parts(segment: NewSegment, settings: Mapping[str, str], *, quickly: bool = False) -> tuple[str, Manifest]:
    """Write all parts of a segment durably under a new name. Return its name and manifest.

    Readers see the segment once the catalog lists it. `settings` are those that the catalog will have by then. With
    `quickly`, parts that are built `later` are not built, only copied. Raises IndexCorruptError, OSError, and
    StoppedError if the observer stops it.
    """
    writer = SegmentWriter(segment.catalog.index)
    for part in PARTS:
        _write_part(part, segment, writer, quickly=quickly)
    return writer.finish(settings)


def _write_part(part: Part, segment: NewSegment, writer: SegmentWriter, *, quickly: bool) -> None:
    if not part.wanted(segment):
        return
    has_part = [part.is_in(each.arrays) and part.can_copy(segment, each.arrays) for each in segment.former]
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
    """Open and verify a segment whose live rows are copied to a new one.

    Parts that are made from `changed` inputs are left out. Raises FileNotFoundError and IndexCorruptError.
    """
    return FormerSegment(open_segment(index, record.name, unchanged_arrays(record, changed)), record.alive)


def unchanged_arrays(record: SegmentRecord, changed: Collection[Input] = ()) -> Manifest:
    """Return a segment's manifest without the part ABOUT and the parts made from `changed` inputs."""
    left_out = [ABOUT, *(part for part in PARTS if part.made_from in changed)]
    return {name: entry for name, entry in record.manifest.items() if not any(part.owns(name) for part in left_out)}


def open_parts(index: Path, record: SegmentRecord) -> dict[str, NDArray[Any]]:
    """Return a segment's arrays by name, mapped into memory and verified.

    Arrays in `Part.verified_when_read` are not verified yet. Raises FileNotFoundError, and IndexCorruptError if an
    array is damaged, missing, or has another number of rows than the segment.
    """
    unverified = [name for name in record.manifest if any(_matches(name, part.verified_when_read) for part in PARTS)]
    manifest = {name: entry for name, entry in record.manifest.items() if not ABOUT.owns(name)}
    arrays = open_segment(index, record.name, manifest, unverified)
    for part in PARTS:
        needs_vectors = part.made_from is Input.VECTORS and part is not CODED
        if needs_vectors and part.is_in(arrays) and not VECTORS.is_in(arrays):
            reason = f"the catalog lists its {part.name}, but no file of its array {vectors_name()!r}"
            raise IndexCorruptError(f"{index}: segment {record.name}", reason)
        for name in part.by_row:
            if name not in arrays:
                if not part.optional:
                    raise IndexCorruptError(
                        f"{index}: segment {record.name}", f"the catalog lists no file of its array {name!r}"
                    )
            elif len(arrays[name]) != record.rows:
                raise IndexCorruptError(f"{index}: segment {record.name}", f"its arrays don't have {record.rows} rows")
    return arrays


def read_ids(index: Path, record: SegmentRecord, name: str) -> NDArray[np.int64]:
    """Return a segment's CHUNK_IDS or FILE_IDS, (rows,), mapped into memory and verified.

    Raises FileNotFoundError and IndexCorruptError.
    """
    if name not in record.manifest:
        raise IndexCorruptError(f"{index}: segment {record.name}", f"the catalog lists no file of its array {name!r}")
    return open_array(index, record.name, name, record.manifest[name])


def part_faults(arrays: Arrays, dimensions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield (array name or "", reason) for each contradiction in a segment's arrays.

    Their checksums are correct.
    """
    for part in PARTS:
        if part.is_in(arrays):
            yield from part.faults(arrays, dimensions)


def part_sizes(segments: Iterable[SegmentRecord]) -> dict[str, int]:
    """Return the total bytes of each part in the segments, by the name that an index's status uses for it."""
    sizes = dict.fromkeys((part.counted_as or part.name for part in PARTS), 0)
    for segment in segments:
        for name, entry in segment.manifest.items():
            part = next((part for part in PARTS if part.owns(name)), None)
            if part is not None:
                sizes[part.counted_as or part.name] += entry.bytes
    return sizes
