"""Forged catalogs with valid checksums, and hostile clones: no command reads or writes outside, hangs or fails."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from forgery import forge
from fork_server import ForkServer, serving
from hostile import contents
from hostile_clones import make
from process import write_files
from support import WordEmbedder, make_index

from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions

Case = tuple[str, list[list[str]]]  # a description of a project, and the commands to run in it
Maker = Callable[[list[Path], Path, Path, int, random.Random], Case]

CATALOGS, CLONES = 2000, 500
FEW_CATALOGS, FEW_CLONES = 20, 10
BLOCK = 50  # cases of a slow test
WORDS = ["weir", "mill", "river", "stone", "reed", "heron", "lock", "barge"]
READING = [
    ["status"],
    ["status", "--files"],
    ["query", "heron weir"],
    ["query", "heron", "--mode", "keyword", "--json"],
    ["query", "heron", "--where", "size > 0", "--path", "*.md", "--full"],
    ["query", '"heron weir" -lock riv*', "--context", "2", "--max-tokens", "500"],
    ["query", "mill", "-k", "200", "--explain", "--diversity", "0.5"],
    ["similar", "0.md"],
    ["duplicates"],
    ["check"],
    ["check", "--full"],
    ["export", "out.tar"],
]
WRITING = [
    ["index"],
    ["index", "."],
    ["index", "--plan"],
    ["compact"],
    ["repair"],
    ["remove", "1.md"],
    ["feedback", "heron", "0.md"],
    ["config", "k", "7"],
]
FOREIGN = [["import", "index.tar", "--replace"], ["eval", "."], ["index", ".", "--index", "elsewhere"]]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Projects with an index: a small one, one with several segments and deleted rows, one with a graph or lists."""
    made = []
    for kind, files in (("small", 4), ("segments", 40), ("graph", 40), ("ivf", 40), ("pq", 40), ("pq8", 40)):
        root, rng = tmp_path_factory.mktemp(kind) / "project", random.Random(kind)
        for number in range(files):
            parts = [" ".join(rng.choices(WORDS, k=25)) for _ in range(rng.randint(1, 6))]
            write_files(root, {f"{number}.md": f"---\nn: {number}\n---\n# {number}\n\n" + "\n\n".join(parts)})
        options, limits = IndexOptions(chunk_words=20, overlap_words=0), IndexLimits()
        if kind in ("graph", "ivf", "pq", "pq8"):
            options, limits = replace(options, ann=kind), IndexLimits(graph_rows=50)
        make_index(root, WordEmbedder(), Path(), options=options, limits=limits)
        if kind == "segments":
            (root / "3.md").write_text("heron and lock")
            make_index(root, WordEmbedder(), limits=limits)
        made.append(root)
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, bases: list[Path]) -> Iterator[ForkServer]:
    """A server whose commands find all kernels compiled, which takes seconds the first time."""
    with serving(tmp_path_factory.mktemp("home")) as running:
        for base in bases:
            assert running.run(["check", "--full"], base, base / "none").status == 0
        yield running


def outside_of(folder: Path) -> Path:
    """Make a folder beside the project with a file to read and one to overwrite."""
    return write_files(folder / "outside", {"secret.txt": "zebra quagga okapi", "victim": "k = 5\n"})


def run(server: ForkServer, commands: list[list[str]], project: Path, outside: Path, case: str) -> None:
    """Run the commands in the project; none may do harm."""
    before, beside = contents(outside), sorted(outside.parent.iterdir())
    for command in commands:
        done = server.run(command, project, outside)
        assert done.faults() == [], f"{case}: {' '.join(command)}: {done}"
        assert contents(outside) == before, f"{case}: {' '.join(command)}: changed a file outside"
        assert sorted(outside.parent.iterdir()) == beside, f"{case}: {' '.join(command)}: wrote beside the project"
        assert "quagga" not in done.out + done.err, f"{case}: {' '.join(command)}: shows a file from outside"


def forged_catalog(bases: list[Path], project: Path, outside: Path, seed: int, rng: random.Random) -> Case:
    shutil.copytree(bases[seed % len(bases)], project, symlinks=True)
    case = f"catalog {seed} ({', '.join(forge(project / '.vsearch', seed, outside))})"
    return case, [rng.choice(READING), rng.choice(READING), rng.choice([*READING, *WRITING]), rng.choice(WRITING)]


def hostile_clone(bases: list[Path], project: Path, outside: Path, seed: int, rng: random.Random) -> Case:
    case = f"clone {seed} ({', '.join(make(bases[0], project, outside, seed))})"
    return case, [["index", "."], rng.choice(READING), rng.choice([*WRITING, *FOREIGN])]


def fuzz(server: ForkServer, bases: list[Path], folder: Path, seeds: range, maker: Maker) -> int:
    """Make a project for each seed and run commands in it. Return the number of commands."""
    count = 0
    for seed in seeds:
        home = folder / str(seed)
        outside, project = outside_of(home), home / "project"
        case, commands = maker(bases, project, outside, seed, random.Random(f"commands {seed}"))
        run(server, commands, project, outside, case)
        count += len(commands)
        shutil.rmtree(home)
    return count


def test_a_few_forged_catalogs_do_no_harm(server: ForkServer, bases: list[Path], tmp_path: Path) -> None:
    assert fuzz(server, bases, tmp_path, range(FEW_CATALOGS), forged_catalog) == 4 * FEW_CATALOGS


def test_a_few_hostile_clones_do_no_harm(server: ForkServer, bases: list[Path], tmp_path: Path) -> None:
    assert fuzz(server, bases, tmp_path, range(FEW_CLONES), hostile_clone) == 3 * FEW_CLONES


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CATALOGS, BLOCK))
def test_forged_catalogs_do_no_harm(server: ForkServer, bases: list[Path], tmp_path: Path, first: int) -> None:
    fuzz(server, bases, tmp_path, range(first, first + BLOCK), forged_catalog)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CLONES, BLOCK))
def test_hostile_clones_do_no_harm(server: ForkServer, bases: list[Path], tmp_path: Path, first: int) -> None:
    fuzz(server, bases, tmp_path, range(first, first + BLOCK), hostile_clone)
