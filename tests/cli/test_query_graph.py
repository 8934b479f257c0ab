"""An index whose segment has a graph: `query` with and without it, and what `status` says of it."""

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
    """Embeds a chunk as the sum of its words' real vectors: quick, and near to what the real model would say."""

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
def linked(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose index has a graph. For reading only."""
    project = tmp_path_factory.mktemp("linked")
    random = np.random.default_rng(0)
    for name in ("one", "two"):
        chunks = (" ".join(random.choice(WORDS, 18)) + "." for _ in range(CHUNKS // 2))
        (project / f"{name}.txt").write_text("\n\n".join(chunks), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VSEARCH_CACHE_DIR", vsearch.environment["VSEARCH_CACHE_DIR"])
        update_index(
            project / ".vsearch",
            [Source(project, DiscoverOptions())],
            IndexOptions(chunk_words=20, overlap_words=0),
            lambda *_: WordMixer(open_embedder(EmbedderSpec("local"))),
            limits=IndexLimits(graph_rows=1000),
        )
    return project


def ask(vsearch: Vsearch, project: Path, *arguments: str) -> CommandResult:
    """A query that succeeds, and says nothing but perhaps that it prepares."""
    result = vsearch("query", *arguments, cwd=project)
    assert result.status == 0, result
    assert result.err in {"", PREPARING}
    return result


def places(answer: dict[str, list[dict[str, object]]]) -> list[tuple[object, object]]:
    return [(hit["path"], hit["chunk"]) for hit in answer["hits"]]


@pytest.mark.parametrize("options", [(), ("--mode", "vector"), ("--fusion", "rrf"), ("--group-by", "file")])
def test_a_walk_answers_as_a_scan_does(vsearch: Vsearch, linked: Path, options: tuple[str, ...]) -> None:
    question = ("--json", *options, "the pump and its valve by the river")
    walked, scanned = ask(vsearch, linked, "--ef", "400", *question).json, ask(vsearch, linked, *question).json
    assert (walked["exact"], scanned["exact"]) == (options == ("--group-by", "file"), True)
    assert len(set(places(walked)) & set(places(scanned))) >= len(scanned["hits"]) - 1
    scores = {place: hit["scores"] for place, hit in zip(places(scanned), scanned["hits"], strict=True)}
    for place, hit in zip(places(walked), walked["hits"], strict=True):
        assert hit["scores"] == pytest.approx(scores.get(place, hit["scores"]), abs=2e-6)


def test_a_single_query_scans_and_so_does_exact(vsearch: Vsearch, linked: Path) -> None:
    for options in ((), ("--exact",)):
        answer = ask(vsearch, linked, "--json", "--explain", *options, "bread").json
        assert answer["exact"] is True
        assert (answer["explain"]["vectors"], answer["explain"]["ef"]) == ("scan", None)


def test_explain_tells_of_the_walk(vsearch: Vsearch, linked: Path) -> None:
    answer = ask(vsearch, linked, "--json", "--explain", "--ef", "200", "bread").json
    assert (answer["explain"]["vectors"], answer["explain"]["ef"]) == ("graph", 200)
    assert (
        "\nmode hybrid (convex, alpha 0.75), approximate (graph walked, ef 200), "
        in ask(vsearch, linked, "--explain", "--ef", "200", "bread").out
    )


def test_a_filter_and_a_floor_hold_in_a_walk(vsearch: Vsearch, linked: Path) -> None:
    answer = ask(vsearch, linked, "--json", "--ef", "200", "--path", "one.txt", "bread oven").json
    assert {hit["path"] for hit in answer["hits"]} == {"one.txt"}
    best = answer["hits"][0]["score"]
    some = ask(vsearch, linked, "--json", "--ef", "200", "--mode", "vector", "--min-score", "0.6", "bread oven").json
    assert best > 0
    assert all(hit["score"] >= 0.6 for hit in some["hits"])


def test_a_batch_walks_when_it_is_told_to(vsearch: Vsearch, linked: Path) -> None:
    result = vsearch("query", "-", "--ef", "200", cwd=linked, stdin="bread\npump\n")
    assert [answer["exact"] for answer in result.json_lines] == [False, False]


def test_exact_and_ef_exclude_one_another(vsearch: Vsearch, linked: Path) -> None:
    assert "--exact, --ef" in vsearch("query", "--exact", "--ef", "200", "bread", cwd=linked).error


def test_status_tells_of_the_graph(vsearch: Vsearch, linked: Path) -> None:
    status = vsearch("status", "--json", cwd=linked).json
    assert (status["graph_segments"], status["graph_rows"]) == (1, CHUNKS)
    files = sum(path.stat().st_size for path in (linked / ".vsearch/segments").glob("*/graph_*.npy"))
    assert status["size"]["graph"] == files > 0
    assert (
        f"chunks    {CHUNKS:,} in 1 segment, 1 of them ({CHUNKS:,} rows) with a graph\n"
        in vsearch("status", cwd=linked).out
    )


def test_a_damaged_graph_is_one_line_and_exact_still_answers(vsearch: Vsearch, linked: Path, tmp_path: Path) -> None:
    """A hostile index names what it likes: its checksums are right, and its graph points far outside."""
    import json
    import shutil
    from contextlib import closing
    from dataclasses import asdict

    from vsearch_core.store.catalog import Catalog
    from vsearch_core.store.segment import write_segment

    project = tmp_path / "hostile"
    shutil.copytree(linked, project)
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
        " search with --exact, or see what is damaged with `vsearch check --full`, and mend it with `vsearch repair`"
    )
    assert vsearch("query", "--exact", "bread", cwd=project).status == 0


@pytest.mark.slow  # compiles anew
def test_a_cache_that_can_not_be_written_costs_time_only(vsearch: Vsearch, linked: Path) -> None:
    cache = Path(vsearch.environment["VSEARCH_CACHE_DIR"])
    modes = {path: path.stat().st_mode for path in [cache, *cache.rglob("*")] if path.is_dir()}
    bound = vsearch.without_privileges()
    try:
        for path in modes:
            path.chmod(0o555)
        result = bound("query", "--json", "--ef", "200", "bread", cwd=linked, NUMBA_CACHE_DIR="")
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert (result.status, result.err, result.json["exact"]) == (0, PREPARING, False)
    assert not (cache / "kernels").exists()


@pytest.mark.slow  # begins to compile anew
@pytest.mark.parametrize("later", [0.0, 0.7, 1.4, 2.1, 2.8])
def test_the_compiler_is_not_waited_for(vsearch: Vsearch, linked: Path, tmp_path: Path, later: float) -> None:
    """Ctrl-C at any time: LLVM calls Python back now and then, where an exception would be lost."""
    environment = {**vsearch.environment, "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    process = vsearch.start("query", "--ef", "200", "bread", cwd=linked, env=environment)
    assert process.stderr is not None
    assert process.stderr.readline().decode() == PREPARING
    time.sleep(later)
    process.send_signal(signal.SIGINT)
    result = wait_for(process)
    assert (result.status, result.out, result.err.strip()) == (130, "", "vsearch: interrupted")
    assert not list(tmp_path.glob("kernels/*/scan.scan_rows*"))  # the last one that would be compiled


@pytest.mark.slow  # compiles anew, twice
def test_two_first_uses_at_once_do_not_disturb_one_another(vsearch: Vsearch, linked: Path, tmp_path: Path) -> None:
    environment = {**vsearch.environment, "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    arguments = ("query", "--json", "--ef", "200", "bread")
    started = [vsearch.start(*arguments, cwd=linked, env=environment) for _ in range(2)]
    outputs = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert places(CommandResult(0, *outputs[0]).json) == places(CommandResult(0, *outputs[1]).json)
    assert ask(vsearch, linked, *arguments[1:]).json["exact"] is False
