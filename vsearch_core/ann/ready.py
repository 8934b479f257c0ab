"""Load the kernels (functions compiled by numba), and report if this is slow.

Loading takes half a second in each process. The first time on a machine it takes half a minute, to compile them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

import numpy as np
from numpy.typing import NDArray

PATIENCE = 1.0  # seconds before the callback is called


@contextmanager
def announce_if_slow(callback: Callable[[], object]) -> Iterator[None]:
    """Call `callback`, from another thread, if the code in the `with` block takes longer than PATIENCE seconds."""
    timer = Timer(PATIENCE, callback)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def load_vector_kernels() -> None:
    """Load every kernel for graphs, by building and searching a tiny one."""
    from vsearch_core.ann.build import build
    from vsearch_core.ann.hnsw import GraphSearcher

    vectors = _some_vectors()
    GraphSearcher(build(vectors), vectors).load()


def load_list_kernels() -> None:
    """Load every kernel for inverted lists, by building and searching tiny ones."""
    from vsearch_core.ann.ivf import ListSearcher, build

    vectors = _some_vectors()
    ListSearcher(build(vectors), vectors).load()


def load_pq_kernels() -> None:
    """Load every kernel for lists of PQ codes, by building and searching tiny ones."""
    from vsearch_core.ann.pq import PqSearcher, build

    vectors = _some_vectors()
    PqSearcher(build(vectors), vectors).load()


def _some_vectors() -> NDArray[np.int16]:
    return np.random.default_rng(0).integers(-9000, 9000, (64, 8)).astype(np.int16)
