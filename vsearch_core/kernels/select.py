"""Scanning and selecting: the best of many rows, for use inside numba functions.

A candidate is one int64 key: the score negated in the upper 32 bits, the row above an expanded-flag in the lower ones.
Keys sort best first and by row where scores are equal, so one comparison settles both and an order is never left to
chance.
"""

from typing import Any

from numba import njit

ROW_LIMIT = 1 << 30  # rows fit the key beside the flag


@njit(nogil=True, cache=True, inline="always")
def make_key(score: int, row: int) -> Any:
    """The key of a row with an int32 score, not yet expanded."""
    return (-score << 32) | (row << 1)


@njit(nogil=True, cache=True, inline="always")
def key_row(key: int) -> Any:
    """The row of a key."""
    return (key & 0xFFFFFFFF) >> 1


@njit(nogil=True, cache=True, inline="always")
def insert(pool: Any, size: int, limit: int, key: int) -> Any:
    """Put a key into the sorted pool[:size] of at most `limit` keys; the last falls out of a full one.

    The caller has seen that it belongs there. Returns (the place taken, the new size).
    """
    place = size if size < limit else limit - 1
    grown = place + 1
    while place > 0 and pool[place - 1] > key:
        pool[place] = pool[place - 1]
        place -= 1
    pool[place] = key
    return place, grown
