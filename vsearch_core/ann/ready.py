"""Getting the kernels ready: half a second a process, and half a minute once a machine, when numba compiles them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

import numpy as np

PATIENCE = 1.0  # seconds: what takes longer is told


@contextmanager
def announce_if_slow(slow: Callable[[], object]) -> Iterator[None]:
    """Call `slow`, from a thread of its own, when the block takes longer than PATIENCE."""
    timer = Timer(PATIENCE, slow)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def load_vector_kernels() -> None:
    """Have every kernel ready, for building and for searching, by building a graph of a few rows and asking it."""
    from vsearch_core.ann.build import build
    from vsearch_core.ann.hnsw import GraphSearcher

    vectors = np.random.default_rng(0).integers(-9000, 9000, (64, 8)).astype(np.int16)
    GraphSearcher(build(vectors), vectors).load()
