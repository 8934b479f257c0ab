"""Find vectors that the index already has, so that a text that was moved or copied is not embedded again."""

import math
from collections.abc import Container, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.records import Record
from vsearch_core.store.segment import damaged_blocks, open_segment, row_span

_ARRAYS = ("chunk_ids", "vectors")
_WINDOW_ARRAYS = ("windows_stops", "windows_codes")
_VERIFIED_WHEN_READ = ("vectors", "windows_codes")


def known_vectors(catalog: Catalog, chunk_ids: Iterable[int], without_vectors: Container[int] = ()) -> dict[int, bytes]:
    """Return the records, as bytes by chunk id, of the given chunks whose text is embedded already.

    Another chunk, live or staged, has the same text. All vectors of an index come from one embedder and depend only on
    the text, so equal texts have equal vectors. `without_vectors` are the live chunks whose segments have no vectors.
    Raises FileNotFoundError and IndexCorruptError as `open_segment` does.
    """
    vectors: dict[int, bytes] = {}
    in_segments: dict[int, list[int]] = {}  # from a live chunk to the given chunks with the same text
    for chunk_id in chunk_ids:
        copy = catalog.find_embedded_copy(chunk_id, without_vectors)
        if copy is None:
            continue
        copy_id, vector = copy
        if vector is None:
            in_segments.setdefault(copy_id, []).append(chunk_id)
        else:
            vectors[chunk_id] = vector
    wanted = np.array(list(in_segments), np.int64)
    with_vectors = (segment for segment in catalog.segments() if "vectors" in segment.manifest)
    for segment in with_vectors if in_segments else ():
        arrays = _open(catalog, segment)
        has_windows = all(name in arrays for name in _WINDOW_ARRAYS)
        for row in np.flatnonzero(np.isin(arrays["chunk_ids"], wanted) & segment.alive).tolist():
            vector, windows = _read(catalog, segment, arrays, "vectors", row, row + 1), None
            if has_windows:
                windows = _read(catalog, segment, arrays, "windows_codes", *row_span(arrays["windows_stops"], row))
            vectors |= dict.fromkeys(in_segments[int(arrays["chunk_ids"][row])], Record(vector, windows).to_bytes())
    return vectors


def _open(catalog: Catalog, segment: SegmentRecord) -> dict[str, NDArray[Any]]:
    """Open a segment's vectors, their chunk ids and its late windows, if it has any.

    Raises FileNotFoundError, and IndexCorruptError if an array is damaged, missing, or of another length.
    """
    manifest = {name: segment.manifest[name] for name in (*_ARRAYS, *_WINDOW_ARRAYS) if name in segment.manifest}
    arrays = open_segment(catalog.index, segment.name, manifest, _VERIFIED_WHEN_READ)
    for name, array in arrays.items():
        if name != "windows_codes" and len(array) != segment.rows:
            raise catalog.damaged(f"{name} of segment {segment.name} are not of {segment.rows} rows")
    return arrays


def _read(
    catalog: Catalog, segment: SegmentRecord, arrays: Mapping[str, NDArray[Any]], name: str, start: int, stop: int
) -> bytes:
    """Return the rows from `start` to `stop` of a segment's array, verified. Raises IndexCorruptError."""
    array = arrays[name]
    row_bytes = math.prod(array.shape[1:]) * array.itemsize
    is_inside = 0 <= start <= stop <= len(array)
    if not is_inside or damaged_blocks(array, segment.manifest[name], start * row_bytes, stop * row_bytes):
        raise catalog.damaged(f"{name} of segment {segment.name} are damaged")
    return bytes(array[start:stop].tobytes())
