"""The graph compared with exact search, `ann.flat`: its recall, and that every answer is correct."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from contracts.sketch_search import SketchSearchContract
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import SHARED
from vector_search import NEVER_SCAN, SMALL, Data, check_valid, clustered, oracle, recall, searching, unit

from vsearch_core.ann import flat, hnsw
from vsearch_core.ann.build import GraphSettings, build, find_unreachable, nodes_together
from vsearch_core.ann.check import check_graph
from vsearch_core.ann.searcher import ScanLimits
from vsearch_core.errors import InputError
from vsearch_core.kernels.arrays import read_only
from vsearch_core.store.scratch import ScratchArrays

search = searching(hnsw.GraphSearcher)


class TestGraphSearcher(SketchSearchContract):
    width = "ef_search"
    searcher = hnsw.GraphSearcher

    def build(self, vectors: NDArray[np.int16]) -> hnsw.Graph:
        return build(vectors)


@pytest.fixture(scope="module")
def graph(data: Data) -> hnsw.Graph:
    return build(data[0])


@pytest.fixture(scope="module")
def built(graph: hnsw.Graph) -> hnsw.Graph:
    return graph


@pytest.mark.parametrize(("ef_search", "least"), [(24, 0.9), (96, 0.99), (256, 0.999)])
def test_recall(data: Data, graph: hnsw.Graph, ef_search: int, least: float) -> None:
    vectors, queries = data
    found = search(graph, vectors, queries, 10, ef_search=ef_search)
    check_valid(found, vectors, queries, 10)
    assert not found.exact
    assert recall(found, oracle(vectors, queries, 10)) >= least


def test_every_node_can_be_reached(graph: hnsw.Graph) -> None:
    reached = np.zeros(len(graph.neighbors), np.bool_)
    front = graph.entries
    while len(front):
        reached[front] = True
        near = np.unique(graph.neighbors[front])
        front = near[:-1][~reached[near[:-1]]] if near[-1] == 2**32 - 1 else near[~reached[near]]
    assert reached.all()


def test_each_unreachable_part_gets_an_entry() -> None:
    none = 2**32 - 1
    lists = np.array([[1, 2], [0, 2], [0, 1], [4, none], [3, none], [5, none]], np.uint32)
    assert find_unreachable(lists, np.array([0], np.uint32)).tolist() == [3, 5]
    assert find_unreachable(lists, np.array([0, 4, 5], np.uint32)).tolist() == []


@pytest.mark.parametrize("allowed", [None, 0.9])
def test_small_clusters_far_from_all_other_rows_are_found(allowed: float | None) -> None:
    """Their rows are neighbours of one another only, so a search that ends with few candidates must look further."""
    random = np.random.default_rng(1)
    blob = np.eye(64)[0] + 0.1 * random.standard_normal((6000, 64))
    centres = np.repeat(random.standard_normal((60, 64)), 15, axis=0)
    vectors = flat.to_fixed(unit(np.concatenate([blob, centres + 0.01 * random.standard_normal((900, 64))])))
    queries = flat.from_fixed(vectors[6000::7])
    mask = None if allowed is None else random.random(len(vectors)) < allowed
    found = search(build(vectors), vectors, queries, 10, ef_search=384, allowed=mask, limits=NEVER_SCAN)
    assert recall(found, oracle(vectors, queries, 10, mask)) >= 0.99


def test_the_graph_does_not_depend_on_the_number_of_threads(data: Data, graph: hnsw.Graph) -> None:
    for threads in (1, 2, 3):
        for name, array in build(data[0], threads=threads).arrays().items():
            assert array.tobytes() == graph.arrays()[name].tobytes(), name


@pytest.fixture(scope="module")
def apart(data: Data, tmp_path_factory: pytest.TempPathFactory) -> hnsw.Graph:
    return build(data[0], together=700, allocate=ScratchArrays(tmp_path_factory.mktemp("scratch")))


class TestRegions:
    """Graphs whose nodes are not linked all together, but a sample first and then region after region."""

    def test_recall_is_that_of_nodes_linked_together(self, data: Data, graph: hnsw.Graph, apart: hnsw.Graph) -> None:
        vectors, queries = data
        best = oracle(vectors, queries, 10)
        for ef_search in (24, 96):
            found = [recall(search(each, vectors, queries, 10, ef_search=ef_search), best) for each in (graph, apart)]
            assert found[1] >= found[0] - 0.01

    def test_the_graph_is_intact_and_has_the_same_nodes(self, data: Data, graph: hnsw.Graph, apart: hnsw.Graph) -> None:
        check_graph(apart, data[0])
        assert find_unreachable(apart.neighbors, apart.entries).tolist() == []
        for name in ("order", "starts", "sketches"):
            assert apart.arrays()[name].tobytes() == graph.arrays()[name].tobytes(), name
        assert apart.neighbors.tobytes() != graph.neighbors.tobytes()

    @pytest.mark.parametrize("threads", [1, 3])
    def test_it_depends_neither_on_threads_nor_on_where_arrays_are(
        self, data: Data, apart: hnsw.Graph, threads: int
    ) -> None:
        for name, array in build(data[0], together=700, threads=threads).arrays().items():
            assert array.tobytes() == apart.arrays()[name].tobytes(), name

    @pytest.mark.parametrize(("rows", "together"), [(1, 1), (40, 1), (300, 16), (300, 299)])
    def test_any_size_of_regions(self, rows: int, together: int) -> None:
        vectors = flat.to_fixed(clustered(rows, 32))
        graph = build(vectors, together=together)
        check_graph(graph, vectors)
        found = search(graph, vectors, flat.from_fixed(vectors), 1, ef_search=64, limits=NEVER_SCAN)
        assert (found.rows[:, 0] == np.arange(rows)).mean() >= 0.99


@pytest.mark.parametrize(
    ("rows", "memory", "together"),
    [
        (2_000_000, 4_000_000_000, None),
        (4_000_000, 4_000_000_000, 3_111_111),
        (10_000_000, 4_000_000_000, 2_569_444),
        (19_000_000, 4_000_000_000, 1_756_944),
        (20_000_000, 4_000_000_000, 0),
    ],
)
def test_nodes_linked_together_by_memory(rows: int, memory: int, together: int | None) -> None:
    assert nodes_together(rows, 384, memory) == together


@pytest.mark.parametrize("share", [0.9, 0.5, 0.25, 0.1, 0.01, 0.001, 0.0])
@pytest.mark.parametrize("where", ["random", "far"])
def test_filters(data: Data, graph: hnsw.Graph, share: float, where: str) -> None:
    vectors, queries = data
    count = round(share * len(vectors))
    by = np.random.default_rng(3).random(len(vectors)) if where == "random" else flat.scan(vectors, queries[0])
    allowed = np.zeros(len(vectors), np.bool_)
    allowed[np.argsort(by)[:count]] = True
    some = queries if where == "random" else queries[:1]
    found = search(graph, vectors, some, 10, allowed=allowed)
    check_valid(found, vectors, some, 10, allowed)
    assert recall(found, oracle(vectors, some, 10, allowed)) >= 0.99 or not count
    assert found.exact or count > SMALL.filtered_rows


def test_rows_around_a_deleted_cluster_are_found(data: Data, graph: hnsw.Graph) -> None:
    vectors, queries = data
    live = flat.scan(vectors, queries[5]) < 0.5
    found = search(graph, vectors, queries, 10, allowed=live)
    check_valid(found, vectors, queries, 10, live)
    assert recall(found, oracle(vectors, queries, 10, live)) >= 0.99


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(0, 400),
    dimension=st.sampled_from([1, 2, 3, 17, 63, 64, 65, 384, 1024]),
    k=st.sampled_from([1, 3, 10, 60]),
    ef_search=st.sampled_from([1, 8, 33, 96]),
    kinds=st.integers(1, 4),
    share=st.sampled_from([None, 0.0, 0.05, 0.7, 1.0]),
    exact_rows=st.sampled_from([0, 30, 1500]),
    seed=st.integers(0, 1000),
)
def test_results_are_correct_for_any_segment(
    rows: int, dimension: int, k: int, ef_search: int, kinds: int, share: float | None, exact_rows: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    drawn = random.standard_normal((rows, dimension))
    drawn[random.random(rows) < 0.1] = 0  # as an empty text's vector
    if kinds > 1 and rows:  # duplicates
        drawn = drawn[random.integers(0, max(1, rows // kinds), rows)]
    vectors, queries = flat.to_fixed(unit(drawn)), unit(random.standard_normal((3, dimension)))
    allowed = None if share is None else random.random(rows) < share
    graph = build(vectors, GraphSettings(degree=8, ef_construction=16))
    limits = ScanLimits(exact_rows, exact_rows)
    found = search(graph, vectors, queries, k, ef_search=ef_search, allowed=allowed, limits=limits)
    found_all = (found.counts == min(k, rows if allowed is None else int(allowed.sum()))).all()
    if found_all:
        check_valid(found, vectors, queries, k, allowed)
    assert found_all or (not found.exact and max(ef_search, k) < rows)


def test_equal_rows_share_a_node() -> None:
    vectors = flat.to_fixed(np.repeat(clustered(100, 32), 50, axis=0)[np.random.default_rng(0).permutation(5000)])
    assert len(build(vectors).neighbors) == 100


def test_near_duplicates() -> None:
    """With a thousand variants of one text among others, what is found scores like the best."""
    random = np.random.default_rng(0)
    near = unit(clustered(1, 64) + 0.002 * random.standard_normal((1000, 64)))
    vectors = flat.to_fixed(np.concatenate([near, clustered(3000, 64, seed=2)]))
    found = search(build(vectors), vectors, near[:200], 10, limits=NEVER_SCAN)
    best = -np.sort(-flat.scan(vectors, near[:200]), axis=1)[:, :10]
    assert np.abs(found.scores - best).max() < 3e-4


def test_memory_mapped_arrays_give_the_same_answers(
    tmp_path_factory: pytest.TempPathFactory, graph: hnsw.Graph, data: Data
) -> None:
    folder = tmp_path_factory.mktemp("segment")
    for name, array in graph.arrays().items():
        np.save(folder / name, array)
    opened = hnsw.Graph.from_arrays({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in graph.arrays()})
    expected = search(graph, *data).rows
    assert (search(opened, *data).rows == expected).all()


@pytest.mark.shared
def test_real_vectors() -> None:
    path = SHARED / "vectors" / "minilm-121k-384-int8.npy"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    stored = np.load(path, mmap_mode="r")
    vectors, queries = flat.to_fixed(unit(stored[:20_000].astype(float))), unit(stored[-300:].astype(float))
    graph = build(vectors, threads=2)
    assert graph.sketches.shape[1] == 64
    expected = oracle(vectors, queries, 10)
    assert recall(search(graph, vectors, queries), expected) >= 0.99
    assert recall(search(graph, vectors, queries, ef_search=24), expected) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize("features", ["", "+avx,+avx2,+fma"])
def test_processors_with_fewer_instructions(features: str) -> None:
    """Compiled for another processor, the kernels give the same graph and the same answers to the last bit."""
    digests = []
    for chosen in (None, features):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        if chosen is not None:
            environment["NUMBA_CPU_FEATURES"] = chosen
        done = subprocess.run([sys.executable, __file__], env=environment, check=True, capture_output=True, text=True)
        digests.append(done.stdout)
    assert digests[0] == digests[1] != ""


def _print_digest() -> None:
    """Print a digest of a graph and its answers; `test_processors_with_fewer_instructions` runs this."""
    vectors, queries = flat.to_fixed(clustered(5000, 96)), clustered(100, 96, seed=1)
    graph, digest = build(vectors), hashlib.blake2b()
    found = hnsw.GraphSearcher(graph, vectors).search(queries)
    for array in (*graph.arrays().values(), found.rows):
        digest.update(array.tobytes())
    print(digest.hexdigest())


@pytest.mark.slow
def test_many_rows() -> None:
    vectors, queries = flat.to_fixed(clustered(200_000, 128)), clustered(300, 128, seed=1)
    graph = build(vectors, threads=2)
    again = build(vectors, threads=1)
    assert all((array == again.arrays()[name]).all() for name, array in graph.arrays().items())
    expected = oracle(vectors, queries, 10)
    assert recall(search(graph, vectors, queries), expected) >= 0.99
    live = np.random.default_rng(0).random(len(vectors)) < 0.7
    found = search(graph, vectors, queries, allowed=live)
    assert recall(found, oracle(vectors, queries, 10, live)) >= 0.99


def test_queries_are_rounded_as_stored_vectors_are() -> None:
    from vsearch_core.kernels.graph import round_to_fixed

    halves = (np.arange(-40, 40) + 0.5) / 32_767
    some = np.concatenate([halves, [1, -1, 1.5, -1.5, 0], np.linspace(-1.1, 1.1, 999)]).astype(np.float32)
    queries = read_only(np.stack([some[::-1], some]))
    out = np.empty(len(some), np.int16)
    round_to_fixed(queries, 1, out)
    assert (out == flat.to_fixed(queries)[1]).all()


def test_invalid_vectors_and_settings_are_refused(data: Data) -> None:
    vectors, queries = data
    broken = queries.copy()
    broken[3, 5] = np.nan
    with pytest.raises(InputError, match=r"vector 3: .* not finite"):
        build(broken)
    with pytest.raises(InputError, match="vectors"):
        build(vectors.astype(np.float64))  # type: ignore[arg-type]
    for values in ({"degree": 1}, {"ef_construction": 3}, {"alpha": 0.5}):
        with pytest.raises(InputError, match=next(iter(values))):
            GraphSettings(**values)


if __name__ == "__main__":
    _print_digest()
