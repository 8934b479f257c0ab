"""Fixtures: the installed `vsearch`, documents that take a while to index, and the prepared scenarios."""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from faults import sqlite_calls
from faults.runner import Runner, running
from faults.scenarios import SCENARIOS, Project, prepare
from process import Vsearch, hit_keys, write_files

from vsearch_core.index.parts import VECTORS
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.tables import CATALOG_FILE

QUERIES = ("pump valve", "bread oven loaf", "error network retry")
OPTIONS = ("--chunk-words", "20", "--overlap-words", "0")
_WORDS = (
    *("pump", "valve", "engine", "retry", "error", "network", "index", "search", "river", "seed", "library", "loaf"),
    *("bread", "oven", "tool", "drill", "battery", "repair", "lamp", "wheel", "chain", "brake", "glue", "wood"),
)

Projects = Callable[[str], Project]
Hits = list[list[tuple[str, int, float]]]


@dataclass(frozen=True)
class Workload:
    """Documents, and the results of indexing them without faults; `run_seconds` is the part of `seconds` in the run."""

    documents: Path
    chunks: int
    seconds: float
    run_seconds: float
    hits: Hits
    keyword_hits: Hits


def query_all(vsearch: Vsearch, project: Path, mode: str = "hybrid") -> Hits:
    """Return the hits of all queries, in one generation."""
    result = vsearch("query", "--mode", mode, "-", cwd=project, stdin="\n".join(QUERIES))
    assert result.status in {0, 1}, result
    return hit_keys(result.json_lines)


def kept_vectors(project: Path) -> int:
    """Return the number of vectors in the index, staged ones included."""
    if not (project / ".vsearch" / CATALOG_FILE).exists():
        return 0
    with closing(Catalog.open_to_read(project / ".vsearch")) as catalog:
        rows = sum(each.rows for each in catalog.segments() if VECTORS.is_in(each.manifest))
        return rows + len(catalog.chunks_with_staged_vectors())


@pytest.fixture(scope="session")
def work(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """Index many small chunks: a second or two of embedding, in several batches."""
    base = tmp_path_factory.mktemp("work")
    rng = random.Random(7)
    for number in range(45):
        entries = (f"Entry {number}-{part}: {' '.join(rng.choices(_WORDS, k=16))}." for part in range(24))
        write_files(base / "documents", {f"{number:02}.txt": "\n\n".join(entries)})
    whole = base / "whole"
    whole.mkdir()
    started = time.monotonic()
    result = vsearch("index", "--json", *OPTIONS, base / "documents", cwd=whole)
    seconds = time.monotonic() - started
    assert result.status == 0, result
    assert result.json["embedded"] == result.json["chunks"] > 1000
    hits = query_all(vsearch, whole), query_all(vsearch, whole, "keyword")
    return Workload(base / "documents", result.json["chunks"], seconds, result.json["seconds"], *hits)


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """Return a folder in memory, if there is one: thousands of trials sync tens of files each."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="vsearch-faults-", dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def runner(memory: Path) -> Iterator[Runner]:
    """Run the command through the shim."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the shim intercepts Linux's calls only")
    if sqlite_calls.library() is None:
        pytest.skip("SQLite is linked into the interpreter, so its calls can't be intercepted")
    with running(memory / "home") as run:
        yield run


@pytest.fixture(scope="session")
def projects(runner: Runner, memory: Path) -> Projects:
    """Return the scenarios by name, each prepared on first use."""
    scenarios = {scenario.name: scenario for scenario in SCENARIOS}

    @cache
    def prepared(name: str) -> Project:
        if scenarios[name].needs:
            pytest.importorskip(scenarios[name].needs)
        return prepare(runner, memory / name, scenarios[name])

    return prepared
