"""Build and search the vector engines that `benchmarks.ann` compares, with the grid of each one's search parameter.

All engines get the same float32 unit vectors, with the parameters that their documentation advises for high recall.
`python -m benchmarks.ann_engines NAME FILE` builds one over the vectors of an .npy file, and searches it once.
"""

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Setting = Any  # of a search: a number, or a tuple if two parameters matter
Search = Callable[[Floats, int, Setting, int], Any]  # (queries, k, setting, threads) -> row numbers (q, k)
_WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
_PROBES = (2, 4, 8, 16, 32, 64, 128, 256, 512)  # lists
_PROBES_AND_RESCORED = tuple(product((4, 8, 16, 24, 32, 48, 64, 96, 128, 192), (30, 60, 100, 200, 400)))


@dataclass(frozen=True)
class Engine:
    """An engine: `build(vectors, threads)` returns a function that searches; `settings` is its parameter's grid."""

    name: str
    build: Callable[[Floats, int], Search]
    settings: Sequence[Setting] = _WIDTHS


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


def svs(compression: str) -> Callable[[Floats, int], Search]:
    """Return a builder of Vamana of Intel's Scalable Vector Search, over float32, LVQ or LeanVec codes."""

    def build(vectors: Floats, threads: int) -> Search:
        import svs

        settings = svs.VamanaBuildParameters(graph_max_degree=64, window_size=128, alpha=1.2)
        if compression == "f32":
            index = svs.Vamana.build(settings, vectors, svs.DistanceType.L2, num_threads=threads)
        else:
            with TemporaryDirectory() as folder:
                svs.write_vecs(vectors, f"{folder}/rows.fvecs")
                rows = svs.VectorDataLoader(f"{folder}/rows.fvecs", svs.DataType.float32, dims=vectors.shape[1])
                loaders = {
                    "LVQ8": lambda: svs.LVQLoader(rows, primary=8, padding=32),
                    "LVQ4x4": lambda: svs.LVQLoader(rows, primary=4, residual=4, padding=32),
                    "LeanVec4x8": lambda: svs.LeanVecLoader(
                        rows, vectors.shape[1] // 2, svs.LeanVecKind.lvq4, svs.LeanVecKind.lvq8
                    ),
                }
                index = svs.Vamana.build(settings, loaders[compression](), svs.DistanceType.L2, num_threads=threads)

        def search(queries: Floats, k: int, setting: float, threads: int) -> Any:
            index.num_threads = threads
            index.search_window_size = int(setting)
            return index.search(queries, k)[0]

        return search

    return build


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


def scann(vectors: Floats, threads: int) -> Search:
    """Build Google's ScaNN: a tree of about √n partitions, codes of 2 components each, float32 to rescore.

    The setting is the number of partitions to search, and of candidates to rescore.
    """
    import scann

    builder = scann.scann_ops_pybind.builder(vectors, 10, "dot_product").set_n_training_threads(threads)
    partitions = round(math.sqrt(len(vectors)))
    tree = builder.tree(partitions, 1, training_sample_size=len(vectors), spherical=True, quantize_centroids=True)
    index = tree.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(100).build()

    def search(queries: Floats, k: int, setting: tuple[int, int], threads: int) -> Any:
        probes, rescored = setting
        if len(queries) == 1:
            return index.search(queries[0], k, rescored, probes)[0]
        if threads == 1:
            return index.search_batched(queries, k, rescored, probes)[0]
        index.set_num_threads(threads)
        return index.search_batched_parallel(queries, k, rescored, probes)[0]

    return search


def lorann(vectors: Floats, threads: int) -> Search:
    """Build LoRANN (NeurIPS 2024): about √n clusters, each with scores by a product of low rank, in 8 bits.

    The setting is the number of clusters to search, and of candidates to rescore.
    """
    import lorann

    clusters = 1 << round(math.log2(math.sqrt(len(vectors))))
    index = lorann.LorannIndex(vectors, clusters, 256, quantization_bits=8, distance=lorann.IP)
    index.build(approximate=True, n_threads=threads, verbose=False)

    def search(queries: Floats, k: int, setting: tuple[int, int], threads: int) -> Any:
        probes, rescored = setting
        return index.search(queries, k, probes, rescored, n_threads=threads)

    return search


def vsag(vectors: Floats, threads: int) -> Search:
    """Build HGraph of Ant Group's VSAG, with 8 bits a component, and float32 to rescore. It has no call of several."""
    import pyvsag

    codes = {"base_quantization_type": "sq8_uniform", "use_reorder": True, "precise_quantization_type": "fp32"}
    parameters = {
        "dtype": "float32",
        "metric_type": "ip",
        "dim": vectors.shape[1],
        "index_param": {**codes, "max_degree": 32, "ef_construction": 400, "build_thread_count": threads},
    }
    index = pyvsag.Index("hgraph", json.dumps(parameters))
    index.build(vectors=vectors, ids=np.arange(len(vectors)), num_elements=len(vectors), dim=vectors.shape[1])

    def search(queries: Floats, k: int, setting: float, _threads: int) -> Any:
        wanted = json.dumps({"hgraph": {"ef_search": int(setting)}})
        return [index.knn_search(query, k, wanted)[0] for query in queries]

    return search


def ngt(vectors: Floats, threads: int) -> Search:
    """Build ONNG of Yahoo Japan's NGT, float32: a graph of 100 neighbours, cut to 10 outgoing and 120 incoming edges.

    Its calls of several queries don't take a number of threads, so each query is a call.
    """
    import ngtpy

    with TemporaryDirectory() as folder:
        first, last = f"{folder}/anng", f"{folder}/onng"
        ngtpy.create(
            first,
            vectors.shape[1],
            edge_size_for_creation=100,
            edge_size_for_search=0,
            distance_type="Normalized Cosine",
        )
        graph = ngtpy.Index(first, log_disabled=True)
        graph.batch_insert(vectors, num_threads=threads)
        graph.save()
        graph.close()
        optimizer = ngtpy.Optimizer(num_of_outgoings=10, num_of_incomings=120, log_disabled=True)
        optimizer.set_processing_modes(
            search_parameter_optimization=False, prefetch_parameter_optimization=False, accuracy_table_generation=False
        )
        optimizer.execute(first, last)
        index = ngtpy.Index(last, read_only=True, log_disabled=True)

    def search(queries: Floats, k: int, setting: float, _threads: int) -> Any:
        index.set(epsilon=setting, edge_size=-2)
        return [index.search(query, k, with_distance=False) for query in queries]

    return search


ENGINES = (
    Engine("vsearch", vsearch),
    Engine("vsearch IVF", vsearch_ivf, _PROBES),
    *(Engine(f"SVS Vamana {kind}", svs(kind), (10, 13, *_WIDTHS)) for kind in ("f32", "LVQ8", "LVQ4x4", "LeanVec4x8")),
    Engine("hnswlib", hnswlib),
    Engine("faiss HNSW f32", faiss("HNSW16", "efSearch")),
    Engine("faiss HNSW SQ8", faiss("HNSW16_SQ8", "efSearch")),
    Engine("faiss IVF-PQ fs", faiss("IVF{lists},PQ96x4fs,Refine(SQ8)", "nprobe"), _PROBES),
    Engine("SymphonyQG f32", symphonyqg(0), (10, 13, *_WIDTHS)),
    Engine("SymphonyQG 8 bit", symphonyqg(8), (10, 13, *_WIDTHS)),
    Engine("RaBitQ IVF", rabitq_ivf, _PROBES),
    Engine("RaBitQ HNSW", rabitq_hnsw),
    Engine("ScaNN", scann, _PROBES_AND_RESCORED),
    Engine("LoRANN", lorann, _PROBES_AND_RESCORED),
    Engine("VSAG HGraph", vsag),
    Engine("NGT ONNG", ngt, (-0.1, -0.05, 0.0, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.2)),
    Engine("turbovec", turbovec, (0,)),
    Engine("usearch f32", usearch("f32")),
    Engine("usearch i8", usearch("i8")),
    Engine("voyager", voyager),
    Engine("pynndescent", pynndescent, (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)),
)


def try_engine(name: str, vectors: Floats) -> None:
    """Build an engine, and search it for the first vector. Whatever the engine raises is raised."""
    engine = next(each for each in ENGINES if each.name == name)
    engine.build(vectors, 1)(vectors[:1], 10, engine.settings[-1], 1)


if __name__ == "__main__":
    try_engine(sys.argv[1], np.load(Path(sys.argv[2])))
