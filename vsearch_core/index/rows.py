"""Convert between global row numbers and the row numbers of segments.

Each segment numbers its rows from 0. A search numbers the rows of all segments consecutively.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
Rows = NDArray[np.int64]


class RowMap:
    """Maps a global row number to a segment and a row number in that segment.

    Global rows number the rows of all segments consecutively. `starts` (segments + 1,) has the first global row of each
    segment, and then the total number of rows.
    """

    def __init__(self, lengths: Iterable[int]) -> None:
        """Create the map from the numbers of rows of the segments."""
        self.starts: Rows = np.cumsum([0, *lengths], dtype=np.int64)

    @property
    def rows(self) -> int:
        """Return the total number of rows of all segments."""
        return int(self.starts[-1])

    @property
    def segments(self) -> int:
        """Return the number of segments."""
        return len(self.starts) - 1

    def span(self, segment: int) -> slice:
        """Return the range of a segment's global rows as a slice, for indexing arrays over all rows."""
        return slice(int(self.starts[segment]), int(self.starts[segment + 1]))

    def locate(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the segment of each global row, and the row number in that segment; both (n,), in the same order.

        Raises IndexError if a row doesn't exist.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < self.rows:
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {self.rows}")
        segments = np.searchsorted(self.starts, rows, "right") - 1
        return segments, rows - self.starts[segments]

    def split(self, rows: Rows) -> Iterator[tuple[int, Rows, Rows]]:
        """Group global rows by segment: yield (segment, positions, own rows) for each segment that has some.

        The own rows are row numbers in the segment. The positions are indices into `rows`, which may be in any order,
        so that `result[positions] = segment_array[own_rows]` collects the values of all rows. Raises IndexError if a
        row doesn't exist.
        """
        segments, own = self.locate(rows)
        for segment in np.flatnonzero(np.bincount(segments, minlength=self.segments)).tolist():
            positions = np.flatnonzero(segments == segment)
            yield segment, positions, own[positions]

    def split_sorted(self, rows: Rows) -> Iterator[tuple[int, slice, Rows]]:
        """Group ascending global rows by segment, as `split` does but faster.

        The positions of each segment's rows are one slice. Raises IndexError if a row doesn't exist.
        """
        bounds = np.searchsorted(rows, self.starts).tolist()
        if bounds[0] != 0 or bounds[-1] != len(rows):
            raise IndexError(f"rows {rows[0]} to {rows[-1]} of {self.rows}")
        for segment, (start, stop) in enumerate(pairwise(bounds)):
            if start < stop:
                yield segment, slice(start, stop), rows[start:stop] - self.starts[segment]

    def join(self, arrays: Sequence[NDArray[Scalar]], dtype: type[Scalar]) -> NDArray[Scalar]:
        """Join one array per segment to one array over all rows, in the order of global rows.

        `dtype` is the type of the result if there is no segment. Raises ValueError if an array has another length than
        its segment has rows.
        """
        if [len(array) for array in arrays] != np.diff(self.starts).tolist():
            raise ValueError("the lengths of the arrays and of the segments differ")
        return np.concatenate(arrays) if arrays else np.empty(0, dtype)
