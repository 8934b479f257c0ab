"""Candidates as integers, for use inside numba functions.

A candidate is one int64 key: the score negated in the upper 32 bits, in the lower ones the row above a flag that says
whether it was expanded. Keys sort best first and by row where scores are equal, so one comparison settles both, and an
order is never left to chance.
"""

from typing import Any

from vsearch_core.kernels.jit import kernel

ROW_LIMIT = 1 << 31  # rows below it fit a key beside the flag
EXPANDED = 1
LAST = 0x7FFFFFFFFFFFFFFF  # sorts behind every key, and counts as expanded


@kernel(inline="always")
def make_key(score: int, row: int) -> Any:
    """The key of a row with an int32 score, not yet expanded."""
    return (-score << 32) | (row << 1)


@kernel(inline="always")
def key_row(key: int) -> Any:
    """The row of a key."""
    return (key & 0xFFFFFFFF) >> 1
