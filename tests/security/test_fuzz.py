"""Forged catalogs with valid checksums, and hostile clones: no command reads or writes outside, hangs or fails."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from forgery import forge
from fork_server import CommandOutcome, ForkServer, serving
from hostile import contents
from hostile_clones import make
from process import write_files
from support import WordEmbedder, make_index

from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions

CATALOGS, CLONES = 2000, 500
FEW_CATALOGS, FEW_CLONES = 40, 20
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
    """Projects with an index: a small one, one with several segments and deleted rows, one with a graph."""
    made = []
    for kind, files in (("small", 4), ("segments", 40), ("graph", 40)):
        root, rng = tmp_path_factory.mktemp(kind) / "project", random.Random(kind)
        for number in range(files):
            parts = [" ".join(rng.choices(WORDS, k=25)) for _ in range(rng.randint(1, 6))]
            write_files(root, {f"{number}.md": f"---\nn: {number}\n---\n# {number}\n\n" + "\n\n".join(parts)})
        options, limits = IndexOptions(chunk_words=20, overlap_words=0), IndexLimits()
        if kind == "graph":
            limits = IndexLimits(graph_rows=50)
        make_index(root, WordEmbedder(), Path(), options=options, limits=limits)
        if kind == "segments":
            (root / "3.md").write_text("heron and lock")
            make_index(root, WordEmbedder(), limits=limits)
        made.append(root)
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


def outside_of(folder: Path) -> Path:
    """Make a folder beside the project with a file to read and one to overwrite."""
    return write_files(folder / "outside", {"secret.txt": "zebra quagga okapi", "victim": "k = 5\n"})


def run(server: ForkServer, commands: list[list[str]], project: Path, outside: Path, case: str) -> list[CommandOutcome]:
    """Run the commands in the project; none may do harm."""
    before, outcomes = contents(outside), []
    beside = sorted(outside.parent.iterdir())
    for command in commands:
        done = server.run(command, project, outside)
        outcomes.append(done)
        assert done.faults() == [], f"{case}: {' '.join(command)}: {done}"
        assert contents(outside) == before, f"{case}: {' '.join(command)}: changed a file outside"
        assert sorted(outside.parent.iterdir()) == beside, f"{case}: {' '.join(command)}: wrote beside the project"
        assert "quagga" not in done.out + done.err, f"{case}: {' '.join(command)}: shows a file from outside"
    return outcomes


def fuzz_catalogs(server: ForkServer, bases: list[Path], folder: Path, seeds: range) -> list[tuple[float, float, str]]:
    """Run commands over a forged catalog a seed. Returns (seconds, megabytes, case) of each command."""
    measured = []
    for seed in seeds:
        rng, home = random.Random(f"commands {seed}"), folder / str(seed)
        outside = outside_of(home)
        project = Path(shutil.copytree(bases[seed % len(bases)], home / "project", symlinks=True))
        case = f"catalog {seed} ({', '.join(forge(project / '.vsearch', seed, outside))})"
        commands = [rng.choice(READING), rng.choice(READING), rng.choice([*READING, *WRITING]), rng.choice(WRITING)]
        for command, done in zip(commands, run(server, commands, project, outside, case), strict=True):
            measured.append((done.seconds, done.megabytes, f"{case}: {' '.join(command)}"))
        shutil.rmtree(home)
    return measured


def fuzz_clones(server: ForkServer, bases: list[Path], folder: Path, seeds: range) -> list[tuple[float, float, str]]:
    """Run commands in a hostile clone a seed. Returns (seconds, megabytes, case) of each command."""
    measured = []
    for seed in seeds:
        rng, home = random.Random(f"commands {seed}"), folder / str(seed)
        outside = outside_of(home)
        made = make(bases[0], home / "project", outside, seed)
        case = f"clone {seed} ({', '.join(made)})"
        commands = [["index", "."], rng.choice(READING), rng.choice([*WRITING, *FOREIGN])]
        for command, done in zip(commands, run(server, commands, home / "project", outside, case), strict=True):
            measured.append((done.seconds, done.megabytes, f"{case}: {' '.join(command)}"))
        shutil.rmtree(home)
    return measured


def test_a_few_forged_catalogs_do_no_harm(server: ForkServer, bases: list[Path], tmp_path: Path) -> None:
    assert len(fuzz_catalogs(server, bases, tmp_path, range(FEW_CATALOGS))) == 4 * FEW_CATALOGS


def test_a_few_hostile_clones_do_no_harm(server: ForkServer, bases: list[Path], tmp_path: Path) -> None:
    assert len(fuzz_clones(server, bases, tmp_path, range(FEW_CLONES))) == 3 * FEW_CLONES


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CATALOGS, BLOCK))
def test_forged_catalogs_do_no_harm(server: ForkServer, bases: list[Path], tmp_path: Path, first: int) -> None:
    fuzz_catalogs(server, bases, tmp_path, range(first, first + BLOCK))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CLONES, BLOCK))
def test_hostile_clones_do_no_harm(server: ForkServer, bases: list[Path], tmp_path: Path, first: int) -> None:
    fuzz_clones(server, bases, tmp_path, range(first, first + BLOCK))
