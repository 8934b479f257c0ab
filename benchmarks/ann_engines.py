"""Build and search the vector engines that `benchmarks.ann` compares, with the grid of each one's search parameter.

All engines get the same float32 unit vectors, with the parameters that their documentation advises for high recall.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Search = Callable[[Floats, int, float, int], Any]  # (queries, k, setting, threads) -> row numbers (q, k)
_WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
_PROBES = (2, 4, 8, 16, 32, 64, 128, 256, 512)  # lists


@dataclass(frozen=True)
class Engine:
    """An engine: `build(vectors, threads)` returns a function that searches; `settings` is its parameter's grid."""

    name: str
    build: Callable[[Floats, int], Search]
    settings: Sequence[float] = _WIDTHS


def vsearch(vectors: Floats, threads: int) -> Search:
    """Build our graph, with the parameters of an index's segments."""
    from vsearch_core.ann import build, flat, hnsw
    from vsearch_core.ann.base import aligned_copy

    fixed = aligned_copy(flat.to_fixed(vectors))
    graph = hnsw.GraphSearcher(build.build(fixed, threads=threads), fixed)
    return lambda queries, k, setting, threads: graph.search(queries, k, ef_search=int(setting), threads=threads).rows


def vsearch_ivf(vectors: Floats, threads: int) -> Search:
    """Build our inverted lists, as an index's segments have them."""
    from vsearch_core.ann import flat, ivf
    from vsearch_core.ann.base import aligned_copy

    fixed = aligned_copy(flat.to_fixed(vectors))
    lists = ivf.ListSearcher(ivf.build(fixed, threads=threads), fixed)
    return lambda queries, k, setting, threads: lists.search(queries, k, nprobe=int(setting), threads=threads).rows


def hnswlib(vectors: Floats, threads: int) -> Search:
    """Build hnswlib over float32."""
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=16, ef_construction=200, random_seed=0)
    index.add_items(vectors, num_threads=threads)

    def search(queries: Floats, k: int, setting: float, threads: int) -> Any:
        index.set_ef(int(setting))
        return index.knn_query(queries, k, num_threads=threads)[0]

    return search


def faiss(description: str, parameter: str) -> Callable[[Floats, int], Search]:
    """Return a builder of any index of faiss' factory; `{lists}` becomes about twice the root of the number of rows."""

    def build(vectors: Floats, threads: int) -> Search:
        import faiss

        faiss.omp_set_num_threads(threads)
        expanded = description.format(lists=1 << round(math.log2(2 * math.sqrt(len(vectors)))))
        index: Any = faiss.index_factory(vectors.shape[1], expanded, faiss.METRIC_INNER_PRODUCT)
        space = faiss.ParameterSpace()
        if "HNSW" in description:
            index.hnsw.efConstruction = 200
        index.train(vectors[:: max(1, len(vectors) // 200_000)])
        index.add(vectors)

        def search(queries: Floats, k: int, setting: float, threads: int) -> Any:
            faiss.omp_set_num_threads(threads)
            space.set_index_parameter(index, parameter, setting)
            return index.search(queries, k)[1]

        if "Refine" in description:
            index.k_factor = 10
        return search

    return build


def usearch(kind: str) -> Callable[[Floats, int], Search]:
    """Return a builder of usearch, stored as float32 or int8."""

    def build(vectors: Floats, threads: int) -> Search:
        from usearch.index import Index

        index = Index(
            ndim=vectors.shape[1],
            metric="cos" if kind == "i8" else "ip",
            dtype=kind,
            connectivity=16,
            expansion_add=200,
        )
        index.add(np.arange(len(vectors)), vectors, threads=threads)

        def search(queries: Floats, k: int, setting: float, threads: int) -> Any:
            index.expansion_search = int(setting)
            return np.atleast_2d(index.search(queries, k, threads=threads).keys)

        return search

    return build


def svs(vectors: Floats, threads: int) -> Search:
    """Build Vamana of Intel's Scalable Vector Search, over float32."""
    import svs

    settings = svs.VamanaBuildParameters(graph_max_degree=64, window_size=128, alpha=1.2)
    index = svs.Vamana.build(settings, vectors, svs.DistanceType.L2, num_threads=threads)

    def search(queries: Floats, k: int, setting: float, threads: int) -> Any:
        index.num_threads = threads
        index.search_window_size = int(setting)
        return index.search(queries, k)[0]

    return search


def voyager(vectors: Floats, threads: int) -> Search:
    """Build Spotify's Voyager, over float32."""
    import voyager

    index = voyager.Index(voyager.Space.InnerProduct, vectors.shape[1], M=16, ef_construction=200)
    index.add_items(vectors, num_threads=threads)
    return lambda queries, k, setting, threads: index.query(queries, k, num_threads=threads, query_ef=int(setting))[0]


def pynndescent(vectors: Floats, threads: int) -> Search:
    """Build PyNNDescent."""
    import numba
    import pynndescent

    index = pynndescent.NNDescent(vectors, metric="dot", n_neighbors=30, n_jobs=threads, random_state=0)
    index.prepare()

    def search(queries: Floats, k: int, setting: float, threads: int) -> Any:
        numba.set_num_threads(threads)
        return index.query(queries, k, epsilon=setting)[0]

    return search


def symphonyqg(bits: int) -> Callable[[Floats, int], Search]:
    """Return a builder of SymphonyQG (SIGMOD 2025) of rabitqlib; `bits` of the stored vectors, 0 for float32."""

    def build(vectors: Floats, threads: int) -> Search:
        import rabitqlib

        index = rabitqlib.SymqgIndex(vectors.shape[1], 64, metric="ip", quantization_bits=bits)
        index.build(vectors, 400, num_threads=threads)
        return lambda queries, k, setting, threads: index.search(queries, k, int(setting), num_threads=threads)[0]

    return build


def rabitq_clusters(vectors: Floats, threads: int, lists: int) -> Any:
    """Return rabitqlib's own clustering of the vectors, trained."""
    import rabitqlib

    clusters = rabitqlib.RaBitQKMeans(vectors.shape[1], lists, num_threads=threads)
    clusters.train(vectors)
    return clusters


def rabitq_ivf(vectors: Floats, threads: int) -> Search:
    """Build RaBitQ's inverted lists, with 7 bits a component."""
    import rabitqlib

    lists = round(math.sqrt(len(vectors)))
    clusters = rabitq_clusters(vectors, threads, lists)
    index = rabitqlib.IvfIndex(vectors.shape[1], len(vectors), lists, 7, metric="ip")
    index.build(vectors, clusters.centroids, clusters.assignments, num_threads=threads)
    return lambda queries, k, setting, threads: index.search(queries, k, int(setting), num_threads=threads)[0]


def rabitq_hnsw(vectors: Floats, threads: int) -> Search:
    """Build HNSW over RaBitQ codes, with 7 bits a component and 16 clusters."""
    import rabitqlib

    clusters = rabitq_clusters(vectors, threads, 16)
    index = rabitqlib.HnswIndex(vectors.shape[1], len(vectors), M=16, ef_construction=200, nbits=7, metric="ip")
    index.build(vectors, clusters.centroids, clusters.assignments, num_threads=threads)
    return lambda queries, k, setting, threads: index.search(queries, k, int(setting), num_threads=threads)[0]


def turbovec(vectors: Floats, threads: int) -> Search:
    """Build turbovec, which scans codes of 4 bits a component; the setting is ignored."""
    import turbovec

    index = turbovec.TurboQuantIndex(vectors.shape[1], 4)
    index.add(vectors)
    index.prepare()
    return lambda queries, k, setting, threads: index.search(queries, k)[1]


ENGINES = (
    Engine("vsearch", vsearch),
    Engine("vsearch IVF", vsearch_ivf, _PROBES),
    Engine("SVS Vamana f32", svs, (10, 13, *_WIDTHS)),
    Engine("hnswlib", hnswlib),
    Engine("faiss HNSW f32", faiss("HNSW16", "efSearch")),
    Engine("faiss HNSW SQ8", faiss("HNSW16_SQ8", "efSearch")),
    Engine("faiss IVF-PQ fs", faiss("IVF{lists},PQ96x4fs,Refine(SQ8)", "nprobe"), _PROBES),
    Engine("SymphonyQG f32", symphonyqg(0), (10, 13, *_WIDTHS)),
    Engine("SymphonyQG 8 bit", symphonyqg(8), (10, 13, *_WIDTHS)),
    Engine("RaBitQ IVF", rabitq_ivf, _PROBES),
    Engine("RaBitQ HNSW", rabitq_hnsw),
    Engine("turbovec", turbovec, (0,)),
    Engine("usearch f32", usearch("f32")),
    Engine("usearch i8", usearch("i8")),
    Engine("voyager", voyager),
    Engine("pynndescent", pynndescent, (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)),
)
