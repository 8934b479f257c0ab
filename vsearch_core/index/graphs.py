"""A segment's graph: which segments have one, and how it is made and stored."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core import kernel_cache
from vsearch_core.ann.hnsw import Graph
from vsearch_core.index.progress import Observer, Progress, StoppedError
from vsearch_core.machine import usable_cores
from vsearch_core.store.catalog import SegmentRecord

GRAPH_ROWS = 16_384  # a scan of fewer takes a millisecond: no graph repays its making
PREFIX = "graph_"  # of the files' names


def link(vectors: NDArray[np.int16], observer: Observer) -> dict[str, NDArray[Any]]:
    """The files of the graph over a segment's vectors (n, dimension), none where there are too few.

    Raises StoppedError as soon as the observer says stop.
    """
    if len(vectors) < GRAPH_ROWS:
        return {}
    from vsearch_core.ann.build import build
    from vsearch_core.ann.ready import announce_if_slow, load_vector_kernels

    def pause() -> None:
        if observer.should_stop():
            raise StoppedError

    def report(done: int, total: int) -> None:
        pause()
        observer.progress(Progress("linking", done, total))

    report(0, len(vectors))
    with announce_if_slow(observer.compiling):
        kernel_cache.load(load_vector_kernels, pause)
    graph = build(vectors, threads=usable_cores(), progress=report)
    return {PREFIX + name: array for name, array in graph.arrays().items()}


def stored_graph(arrays: Mapping[str, NDArray[Any]]) -> Graph | None:
    """The graph among a segment's mapped files, if it has one. Raises KeyError where a part of it is missing."""
    parts = {name.removeprefix(PREFIX): array for name, array in arrays.items() if name.startswith(PREFIX)}
    return Graph.from_arrays(parts) if parts else None


def has_graph(files: Collection[str]) -> bool:
    """Whether the files of a segment are those of one with a graph."""
    return any(name.startswith(PREFIX) for name in files)


def lacking_graphs(segments: Sequence[SegmentRecord]) -> list[SegmentRecord]:
    """The segments without a graph, if together they are large enough for one."""
    unlinked = [segment for segment in segments if not has_graph(segment.manifest.keys())]
    return unlinked if sum(segment.live_rows for segment in unlinked) >= GRAPH_ROWS else []
