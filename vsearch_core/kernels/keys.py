"""Candidates as integers, for use inside kernels.

A candidate is one int64 key: its negated score in the upper 32 bits; below, its row and a flag that says whether it has
been expanded. Keys sort by descending score, then by ascending row, so one comparison decides both and no order is left
to chance. Rows must be below 2**31.
"""

from typing import Any

from vsearch_core.kernels.jit import kernel

EXPANDED = 1


@kernel(inline="always")
def make_key(score: int, row: int) -> Any:
    """Return the key of a row with an int32 score, not yet expanded."""
    return (-score << 32) | (row << 1)


@kernel(inline="always")
def key_row(key: int) -> Any:
    """Return the row of a key."""
    return (key & 0xFFFFFFFF) >> 1
