"""Find vectors that the index already has, so that a text that was moved or copied is not embedded again."""

import math
from collections.abc import Iterable

import numpy as np

from vsearch_core.store.catalog import Catalog
from vsearch_core.store.records import Record
from vsearch_core.store.segment import damaged_blocks, open_segment

_ARRAYS = ("chunk_ids", "vectors")
_WINDOW_ARRAYS = ("windows_stops", "windows_codes")


def known_vectors(catalog: Catalog, chunk_ids: Iterable[int]) -> dict[int, bytes]:
    """Return the records, as bytes by chunk id, of the given chunks whose text is embedded already.

    Another chunk, live or staged, has the same text. All vectors of an index come from one embedder and depend only on
    the text, so equal texts have equal vectors. Raises FileNotFoundError and IndexCorruptError as `open_segment` does.
    """
    vectors: dict[int, bytes] = {}
    in_segments: dict[int, list[int]] = {}  # from a live chunk to the given chunks with the same text
    for chunk_id in chunk_ids:
        copy = catalog.find_embedded_copy(chunk_id)
        if copy is None:
            continue
        copy_id, vector = copy
        if vector is None:
            in_segments.setdefault(copy_id, []).append(chunk_id)
        else:
            vectors[chunk_id] = vector
    wanted = np.array(list(in_segments), np.int64)
    for segment in catalog.segments() if in_segments else ():
        manifest = {name: segment.manifest[name] for name in (*_ARRAYS, *_WINDOW_ARRAYS) if name in segment.manifest}
        arrays = open_segment(catalog.index, segment.name, manifest, ("vectors", "windows_codes"))

        def read(name: str, start: int, stop: int) -> bytes:
            row_bytes = math.prod(arrays[name].shape[1:]) * arrays[name].itemsize  # noqa: B023
            is_inside = 0 <= start <= stop <= len(arrays[name])  # noqa: B023
            if not is_inside or damaged_blocks(arrays[name], manifest[name], start * row_bytes, stop * row_bytes):  # noqa: B023
                raise catalog.damaged(f"{name} of segment {segment.name} are damaged")  # noqa: B023
            return bytes(arrays[name][start:stop].tobytes())  # noqa: B023

        for row in np.flatnonzero(np.isin(arrays["chunk_ids"], wanted) & segment.alive).tolist():
            record = Record(read("vectors", row, row + 1), None)
            if len(manifest) == len(_ARRAYS) + len(_WINDOW_ARRAYS):
                stops = arrays["windows_stops"]
                record = Record(
                    record.vector, read("windows_codes", int(stops[row - 1]) if row else 0, int(stops[row]))
                )
            vectors |= dict.fromkeys(in_segments[int(arrays["chunk_ids"][row])], record.to_bytes())
    return vectors
