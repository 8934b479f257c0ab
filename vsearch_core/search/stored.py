"""The vectors that an index holds, by row."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import from_fixed
from vsearch_core.index.snapshot import SegmentView
from vsearch_core.store.segment import damaged_blocks


def stored_vectors(segments: Sequence[SegmentView], rows: NDArray[np.int64], *, verify: bool) -> NDArray[np.float32]:
    """The rows' unit vectors, shape (n, dimension); rows of all segments are numbered through.

    With `verify`, the blocks that hold them are compared with their checksums. Raises ValueError where one differs.
    """
    vectors = np.empty((len(rows), segments[0].vectors.shape[1] if segments else 0), np.float32)
    start = 0
    for segment in segments:
        stop = start + len(segment.vectors)
        places = np.flatnonzero((rows >= start) & (rows < stop))
        own = rows[places] - start
        row_bytes = segment.vectors.itemsize * vectors.shape[1]
        for row in own.tolist() if verify else ():
            if damaged_blocks(segment.vectors, segment.manifest["vectors"], row * row_bytes, (row + 1) * row_bytes):
                raise ValueError("its vectors are damaged")
        vectors[places] = from_fixed(segment.vectors[own])
        start = stop
    return vectors
