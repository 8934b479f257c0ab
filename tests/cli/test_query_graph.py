"""An index whose segment has a graph: `query` with and without it, and `status`."""

import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from process import CommandResult, Vsearch, wait_for

from vsearch_core.embed.base import Batch, Embedder
from vsearch_core.embed.open import open_embedder
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import update_index
from vsearch_core.model import EmbedderSpec
from vsearch_core.text.discover import DiscoverOptions

PREPARING = "vsearch: preparing the vector engine (the first time on a machine takes half a minute) …\n"
WORDS = (
    *("pump", "valve", "engine", "retry", "error", "network", "index", "search", "river", "seed", "library", "loaf"),
    *("bread", "oven", "tool", "drill", "battery", "repair", "lamp", "wheel", "chain", "brake", "glue", "wood"),
)
CHUNKS = 2400  # more than `ann.hnsw.ScanLimits.exact_rows`, so that a graph is searched


class WordMixer:
    """Embeds a chunk as the sum of its words' real vectors: fast, and similar to the real model's."""

    def __init__(self, real: Embedder) -> None:
        self.fingerprint = real.fingerprint
        self._vectors = dict(zip(WORDS, real.embed_queries(WORDS), strict=True))

    def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
        yield Batch(np.arange(len(texts)), self.embed_queries(texts))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        sums = np.stack([sum(self._vectors[word] for word in re.findall(r"[a-z]+", text)) for text in texts])
        vectors: NDArray[np.float32] = (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
        return vectors

    def legible_share(self, query: str) -> float:
        return 1.0


@pytest.fixture(scope="module")
def graph_project(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose index has a graph; tests must not change it."""
    return make_project(vsearch, tmp_path_factory.mktemp("graph"), "graph")


@pytest.fixture(scope="module")
def lists_project(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose index has inverted lists; tests must not change it."""
    return make_project(vsearch, tmp_path_factory.mktemp("lists"), "ivf")


def make_project(vsearch: Vsearch, project: Path, ann: str) -> Path:
    random = np.random.default_rng(0)
    for name in ("one", "two"):
        chunks = (" ".join(random.choice(WORDS, 18)) + "." for _ in range(CHUNKS // 2))
        (project / f"{name}.txt").write_text("\n\n".join(chunks), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VSEARCH_CACHE_DIR", vsearch.environment["VSEARCH_CACHE_DIR"])
        update_index(
            project / ".vsearch",
            [Source(project, DiscoverOptions())],
            IndexOptions(chunk_words=20, overlap_words=0, ann=ann),
            lambda *_: WordMixer(open_embedder(EmbedderSpec("local"))),
            limits=IndexLimits(graph_rows=1000),
        )
    return project


SCANNED = "--ef: had no effect, because every vector was compared\n"


def query(vsearch: Vsearch, project: Path, *arguments: str) -> CommandResult:
    """Run a query, which must succeed. stderr may only announce the preparation of kernels, or a scan despite --ef."""
    result = vsearch("query", *arguments, cwd=project)
    assert result.status == 0, result
    assert result.err.removesuffix(SCANNED) in {"", PREPARING}
    return result


def places(answer: dict[str, list[dict[str, object]]]) -> list[tuple[object, object]]:
    return [(hit["path"], hit["chunk"]) for hit in answer["hits"]]


@pytest.mark.parametrize("options", [(), ("--mode", "vector"), ("--fusion", "rrf"), ("--group-by", "file")])
def test_graph_search_agrees_with_a_scan(vsearch: Vsearch, graph_project: Path, options: tuple[str, ...]) -> None:
    arguments = ("--json", *options, "the pump and its valve by the river")
    approximate, exact = (
        query(vsearch, graph_project, "--ef", "400", *arguments).json,
        query(vsearch, graph_project, *arguments).json,
    )
    assert (approximate["exact"], exact["exact"]) == (options == ("--group-by", "file"), True)
    assert len(set(places(approximate)) & set(places(exact))) >= len(exact["hits"]) - 1
    scores = {place: hit["scores"] for place, hit in zip(places(exact), exact["hits"], strict=True)}
    for place, hit in zip(places(approximate), approximate["hits"], strict=True):
        assert hit["scores"] == pytest.approx(scores.get(place, hit["scores"]), abs=2e-6)


def test_a_single_query_and_exact_scan_all_vectors(vsearch: Vsearch, graph_project: Path) -> None:
    for options in ((), ("--exact",)):
        answer = query(vsearch, graph_project, "--json", "--explain", *options, "bread").json
        assert answer["exact"] is True
        assert (answer["explain"]["vectors"], answer["explain"]["ef"]) == ("scan", None)


def test_explain_shows_graph_search(vsearch: Vsearch, graph_project: Path) -> None:
    answer = query(vsearch, graph_project, "--json", "--explain", "--ef", "200", "bread").json
    assert (answer["explain"]["vectors"], answer["explain"]["ef"]) == ("graph", 200)
    assert (
        "\nmode hybrid (convex, alpha 0.75), approximate (graph searched, ef 200), "
        in query(vsearch, graph_project, "--explain", "--ef", "200", "bread").out
    )


def test_filters_and_min_score_apply_to_graph_search(vsearch: Vsearch, graph_project: Path) -> None:
    answer = query(vsearch, graph_project, "--json", "--ef", "200", "--path", "one.txt", "bread oven").json
    assert {hit["path"] for hit in answer["hits"]} == {"one.txt"}
    best = answer["hits"][0]["score"]
    some = query(
        vsearch, graph_project, "--json", "--ef", "200", "--mode", "vector", "--min-score", "0.6", "bread oven"
    ).json
    assert best > 0
    assert all(hit["score"] >= 0.6 for hit in some["hits"])


def test_a_batch_searches_the_graph_with_ef(vsearch: Vsearch, graph_project: Path) -> None:
    result = vsearch("query", "-", "--ef", "200", cwd=graph_project, stdin="bread\npump\n")
    assert [answer["exact"] for answer in result.json_lines] == [False, False]


def test_exact_and_ef_exclude_each_other(vsearch: Vsearch, graph_project: Path) -> None:
    assert "--exact, --ef" in vsearch("query", "--exact", "--ef", "200", "bread", cwd=graph_project).error


def test_status_shows_the_graph(vsearch: Vsearch, graph_project: Path) -> None:
    status = vsearch("status", "--json", cwd=graph_project).json
    assert (status["graph_segments"], status["graph_rows"]) == (1, CHUNKS)
    files = sum(path.stat().st_size for path in (graph_project / ".vsearch/segments").glob("*/graph_*.npy"))
    assert status["size"]["graph"] == files > 0
    assert (
        f"chunks    {CHUNKS:,} in 1 segment, 1 of them ({CHUNKS:,} rows) with a graph\n"
        in vsearch("status", cwd=graph_project).out
    )


def test_index_ann_and_query_nprobe(vsearch: Vsearch, graph_project: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    random = np.random.default_rng(0)
    (project / "a.csv").write_text("\n".join(" ".join(random.choice(WORDS, 5)) for _ in range(3)))
    assert vsearch("index", ".", "--ann", "ivf", "-q", cwd=project).status == 0
    assert vsearch("status", "--json", cwd=project).json["ann"] == "ivf"
    assert vsearch("index", "--ann", "flat", "-q", cwd=project).status == 0
    assert vsearch("status", "--json", cwd=project).json["ann"] == "flat"
    idle = vsearch("query", "--nprobe", "3", "bread", cwd=project)
    assert "--nprobe: had no effect, because every vector was compared" in idle.err
    idle = vsearch("query", "--nprobe", "3", "bread", cwd=graph_project)
    assert "--nprobe: had no effect, because the index has a graph and no inverted lists" in idle.err
    assert "--exact, --nprobe" in vsearch("query", "--exact", "--nprobe", "2", "bread", cwd=project).error


def test_inverted_lists_are_searched_and_shown(vsearch: Vsearch, lists_project: Path) -> None:
    answer = query(vsearch, lists_project, "--json", "--explain", "--nprobe", "20", "bread").json
    explained = answer["explain"]
    assert (answer["exact"], explained["vectors"], explained["nprobe"], explained["ef"]) == (False, "ivf", 20, None)
    shown = query(vsearch, lists_project, "--explain", "--nprobe", "20", "bread").out
    assert ", approximate (inverted lists searched, nprobe 20), " in shown
    exact = query(vsearch, lists_project, "--json", "--exact", "bread").json
    assert len(set(places(answer)) & set(places(exact))) >= len(exact["hits"]) - 1
    status = vsearch("status", "--json", cwd=lists_project).json
    assert (status["ann"], status["ivf_segments"], status["ivf_rows"]) == ("ivf", 1, CHUNKS)
    files = sum(path.stat().st_size for path in (lists_project / ".vsearch/segments").glob("*/ivf_*.npy"))
    assert status["size"]["ivf"] == files > 0
    described = f"chunks    {CHUNKS:,} in 1 segment, 1 of them ({CHUNKS:,} rows) with inverted lists\n"
    assert described in vsearch("status", cwd=lists_project).out


def test_explain_names_pq_codes(vsearch: Vsearch, tmp_path: Path) -> None:
    project = make_project(vsearch, tmp_path, "pq16")
    answer = query(vsearch, project, "--json", "--explain", "--nprobe", "20", "bread").json
    explained = answer["explain"]
    assert (answer["exact"], explained["vectors"], explained["nprobe"], explained["ef"]) == (False, "pq", 20, None)
    shown = query(vsearch, project, "--explain", "--nprobe", "20", "bread").out
    assert ", approximate (inverted lists searched by PQ codes, nprobe 20), " in shown
    exact = query(vsearch, project, "--json", "--exact", "bread").json
    assert len(set(places(answer)) & set(places(exact))) >= len(exact["hits"]) - 1


def test_a_damaged_graph_is_a_one_line_error_and_exact_search_works(
    vsearch: Vsearch, graph_project: Path, tmp_path: Path
) -> None:
    """A hostile index: its checksums are right, but its graph has nodes that are out of range."""
    import json
    import shutil
    from contextlib import closing
    from dataclasses import asdict

    from vsearch_core.store.catalog import Catalog
    from vsearch_core.store.segment import write_segment

    project = tmp_path / "hostile"
    shutil.copytree(graph_project, project)
    index = project / ".vsearch"
    (name,) = (path.name for path in (index / "segments").iterdir())
    entries = np.full(16, 2**31, np.uint32)
    written, manifest = write_segment(index, {"graph_entries": entries}, {})
    (index / "segments" / written / "graph_entries.npy").replace(index / "segments" / name / "graph_entries.npy")
    entry = manifest["graph_entries"]
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.connection.execute(
            "UPDATE segments SET manifest = json_set(manifest, '$.graph_entries', json(?))",
            (json.dumps(asdict(entry)),),
        )
    error = vsearch("query", "--ef", "200", "bread", cwd=project).error
    assert error == (
        f"segment {name}: its graph is damaged (entries: a node is out of range);"
        " search with --exact, or see what is damaged with `vsearch check --full`, then repair it with `vsearch repair`"
    )
    assert vsearch("query", "--exact", "bread", cwd=project).status == 0


@pytest.mark.slow  # compiles
def test_without_a_writable_cache_kernels_are_compiled_each_time(vsearch: Vsearch, graph_project: Path) -> None:
    cache = Path(vsearch.environment["VSEARCH_CACHE_DIR"])
    modes = {path: path.stat().st_mode for path in [cache, *cache.rglob("*")] if path.is_dir()}
    bound = vsearch.without_privileges()
    try:
        for path in modes:
            path.chmod(0o555)
        result = bound("query", "--json", "--ef", "200", "bread", cwd=graph_project, NUMBA_CACHE_DIR="")
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert (result.status, result.err, result.json["exact"]) == (0, PREPARING, False)
    assert not (cache / "kernels").exists()


@pytest.mark.slow  # begins to compile
@pytest.mark.parametrize("later", [0.0, 0.7, 1.4, 2.1, 2.8])
def test_ctrl_c_interrupts_the_compiler(vsearch: Vsearch, graph_project: Path, tmp_path: Path, later: float) -> None:
    """Ctrl-C works at any time: LLVM calls Python back sometimes, where an exception would be lost."""
    environment = {**vsearch.environment, "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    process = vsearch.start("query", "--ef", "200", "bread", cwd=graph_project, env=environment)
    assert process.stderr is not None
    assert process.stderr.readline().decode() == PREPARING
    time.sleep(later)
    process.send_signal(signal.SIGINT)
    result = wait_for(process)
    assert (result.status, result.out, result.err.strip()) == (130, "", "vsearch: interrupted")
    assert not list(tmp_path.glob("kernels/*/scan.scan_rows*"))  # the last kernel to be compiled


@pytest.mark.slow  # compiles twice
def test_two_processes_can_compile_at_once(vsearch: Vsearch, graph_project: Path, tmp_path: Path) -> None:
    environment = {**vsearch.environment, "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    arguments = ("query", "--json", "--ef", "200", "bread")
    started = [vsearch.start(*arguments, cwd=graph_project, env=environment) for _ in range(2)]
    outputs = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert places(CommandResult(0, *outputs[0]).json) == places(CommandResult(0, *outputs[1]).json)
    assert query(vsearch, graph_project, *arguments[1:]).json["exact"] is False
