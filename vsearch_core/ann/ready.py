"""Load the compiled kernels: half a second in each process, half a minute when numba compiles them the first time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

import numpy as np

PATIENCE = 1.0  # seconds before the caller is told


@contextmanager
def announce_if_slow(callback: Callable[[], object]) -> Iterator[None]:
    """Call `callback`, from another thread, if the block takes longer than PATIENCE."""
    timer = Timer(PATIENCE, callback)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def load_vector_kernels() -> None:
    """Load every kernel that builds or searches a graph, by building and searching one of a few rows."""
    from vsearch_core.ann.build import build
    from vsearch_core.ann.hnsw import GraphSearcher

    vectors = np.random.default_rng(0).integers(-9000, 9000, (64, 8)).astype(np.int16)
    GraphSearcher(build(vectors), vectors).load()
