"""Six readers, two writers and a compactor at once: the results of each search come from exactly one generation."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from process import DEADLINE, Vsearch

from vsearch_core.index.commit import sweep
from vsearch_core.index.compaction import merge_segments
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.lexical.query import plain_query
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Hit, Results
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.lock import writer_lock

from . import workers

ROLES = ("read", "read", "read", "read", "hold", "hold", "merge")
MODES = ("keyword", "vector", "hybrid")
Seen = dict[int, dict[str, int]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a project whose index has version 0 of both writers."""
    for writer in workers.WRITERS:
        workers.write_version(tmp_path, writer, 0)
    workers.update(tmp_path, *workers.WRITERS)
    return tmp_path


def start(root: Path, role: str, name: str, seconds: float) -> "subprocess.Popen[str]":
    tests = Path(__file__).parent.parent
    return subprocess.Popen(
        [sys.executable, workers.__file__, role, root, name, str(seconds)],
        cwd=tests,
        env={"PYTHONPATH": str(tests), "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: "subprocess.Popen[str]", seconds: float) -> Any:
    out, err = process.communicate(timeout=seconds + DEADLINE)
    assert process.returncode == 0, err
    return json.loads(out)


def query_by_command(vsearch: Vsearch, root: Path, seconds: float) -> tuple[int, Seen]:
    """Read by the installed command; return the number of searches, and the versions by generation."""
    seen: Seen = {}
    answers = last = 0
    for _ in workers.until(seconds):
        output = vsearch("query", "--mode", "keyword", "--json", "-k", str(workers.ALL), "marker", cwd=root)
        assert output.status == 0, output
        assert output.json["generation"] >= last
        answers, last = answers + 1, output.json["generation"]
        hits = [SimpleNamespace(text=hit["text"]) for hit in output.json["hits"]]
        found = workers.versions(SimpleNamespace(hits=hits, matched=output.json["matched"]))  # type: ignore[arg-type]
        assert seen.setdefault(last, found) == found
    return answers, seen


def check_together(vsearch: Vsearch, root: Path, seconds: float) -> dict[str, Any]:
    others = [start(root, role, "", seconds) for role in ROLES]
    writers = {writer: start(root, "write", writer, seconds) for writer in workers.WRITERS}
    answers, seen = query_by_command(vsearch, root, seconds)
    committed = {writer: result(process, seconds)["committed"] for writer, process in writers.items()}
    results = [result(process, seconds) for process in others]

    by_generation: Seen = {}
    every = [seen, *({int(number): found for number, found in each["seen"].items()} for each in results[:-1])]
    for each in every:
        for generation, found in each.items():
            assert by_generation.setdefault(generation, found) == found, f"two contents of generation {generation}"
    ordered = [by_generation[generation] for generation in sorted(by_generation)]
    for writer in workers.WRITERS:
        in_order = [found[writer] for found in ordered]
        assert in_order == sorted(in_order), "a commit was undone"
    with open_snapshot(root / ".vsearch") as snapshot:
        assert workers.query_versions(snapshot, "keyword")[1] == committed, "an acknowledged commit is lost"
        generation = snapshot.generation
    assert all(each["answers"] for each in results[:-1])
    assert answers
    assert all(committed.values())
    assert results[-1]["merged"]
    return {
        "answers": answers + sum(each["answers"] for each in results[:-1]),
        "by command": answers,
        "commits": committed,
        "merges": results[-1]["merged"],
        "generation": generation,
        "generations seen": len(by_generation),
    }


def test_readers_writers_and_a_compactor_together(vsearch: Vsearch, root: Path) -> None:
    check_together(vsearch, root, 2)


@pytest.mark.slow
def test_readers_writers_and_a_compactor_together_for_five_minutes(vsearch: Vsearch, root: Path) -> None:
    print(check_together(vsearch, root, 300))


@pytest.mark.parametrize("broken", ["mixed", "missing", "twice"])
def test_the_check_detects_results_that_no_generation_has(broken: str) -> None:
    """The check of the tests above can fail."""
    texts = [workers.text(writer, number, 3) for writer in workers.WRITERS for number in range(workers.FILES)]
    if broken == "mixed":
        texts[0] = workers.text(workers.WRITERS[0], 0, 6)
    elif broken == "missing":
        texts.pop()
    else:
        texts.append(texts[0])
    hits = tuple(Hit(1, 1.0, "", 0, 1, 1, 0, 0, None, None, text, {}) for text in texts)
    results = Results("marker", "keyword", True, 1, len(hits), len(hits), {}, hits, plain_query("marker"))
    with pytest.raises(AssertionError):
        workers.versions(results)


def test_a_hundred_merges_under_an_open_reader(root: Path) -> None:
    index = root / ".vsearch"
    queries = [SearchRequest("marker part1 second", k=20, mode=mode) for mode in MODES]
    with open_snapshot(index) as snapshot:
        searcher = LocalSearcher(snapshot)

        def hits() -> str:
            found = [search(searcher, one, query_embedding(workers.embedder())) for one in queries]
            return repr([each.hits for each in found])

        before = hits()
        for number in range(100):
            if number % 5 == 0:
                workers.write_version(root, workers.WRITERS[number % 2], number + 1)
                workers.update(root)
            with writer_lock(index):
                catalog = Catalog.open_to_write(index)
                merge_segments(catalog, catalog.segments())
                sweep(catalog)
                catalog.close()
            assert hits() == before
        assert len(list((index / "segments").iterdir())) == 1
    with open_snapshot(index) as snapshot:
        assert workers.query_versions(snapshot, "vector")[1] == {"first": 91, "second": 96}
