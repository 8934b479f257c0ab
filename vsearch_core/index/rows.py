"""Row addresses: a segment numbers its own rows from 0, and a search numbers the rows of all segments consecutively."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
Rows = NDArray[np.int64]


class RowMap:
    """Maps a global row to its segment and its row within that segment.

    Global rows number the rows of all segments consecutively. `starts` (segments + 1,) holds the first global row of
    each segment, followed by the total number of rows.
    """

    def __init__(self, lengths: Iterable[int]) -> None:
        """Make the map of segments with these numbers of rows."""
        self.starts: Rows = np.cumsum([0, *lengths], dtype=np.int64)

    @property
    def rows(self) -> int:
        """Return the number of rows of all segments."""
        return int(self.starts[-1])

    @property
    def segments(self) -> int:
        """Return the number of segments."""
        return len(self.starts) - 1

    def span(self, segment: int) -> slice:
        """Return a segment's global rows as a slice, for use on arrays over all rows."""
        return slice(int(self.starts[segment]), int(self.starts[segment + 1]))

    def locate(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the segment of each global row, and its row in that segment; both (n,), in the order given.

        Raises IndexError if no segment has such a row.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < self.rows:
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {self.rows}")
        segments = np.searchsorted(self.starts, rows, "right") - 1
        return segments, rows - self.starts[segments]

    def split(self, rows: Rows) -> Iterator[tuple[int, Rows, Rows]]:
        """Yield (segment, places, own rows) for each segment that has some of the global rows, in any order.

        `places` are the indices into `rows`, so that `result[places] = segment_array[own]` gathers values by row.
        Raises IndexError if no segment has such a row.
        """
        segments, own = self.locate(rows)
        for segment in np.flatnonzero(np.bincount(segments, minlength=self.segments)).tolist():
            places = np.flatnonzero(segments == segment)
            yield segment, places, own[places]

    def split_sorted(self, rows: Rows) -> Iterator[tuple[int, slice, Rows]]:
        """Yield as `split`, for ascending rows: each segment's places are one slice, and nothing is searched by row."""
        bounds = np.searchsorted(rows, self.starts).tolist()
        if bounds[0] != 0 or bounds[-1] != len(rows):
            raise IndexError(f"rows {rows[0]} to {rows[-1]} of {self.rows}")
        for segment, (start, stop) in enumerate(pairwise(bounds)):
            if start < stop:
                yield segment, slice(start, stop), rows[start:stop] - self.starts[segment]

    def join(self, arrays: Sequence[NDArray[Scalar]], dtype: type[Scalar]) -> NDArray[Scalar]:
        """Return one array over all rows from one array per segment, each over the segment's rows.

        Raises ValueError if an array's length is not its segment's; `dtype` is the result's where there is no segment.
        """
        if [len(array) for array in arrays] != np.diff(self.starts).tolist():
            raise ValueError("the arrays' lengths are not the segments'")
        return np.concatenate(arrays) if arrays else np.empty(0, dtype)
