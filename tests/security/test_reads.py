"""Nothing outside is read, listed or shown through a link in the place of anything in an index."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fork_server import ForkServer, serving
from hostile import contents
from process import write_files
from support import WordEmbedder, make_index

import vsearch_core

COMMANDS = [
    *(["status"], ["status", "--files"], ["check"], ["check", "--full"], ["query", "heron"], ["duplicates"]),
    *(["similar", "a.txt"], ["read", "a.txt"], ["verify", "quotes.txt"], ["export", "out.tar"], ["index"]),
    *(["compact"], ["repair"], ["remove", "a.txt"], ["feedback", "heron", "a.txt"], ["tune"], ["config", "k"]),
    *(["config", "k", "7"], ["eval", "--known-items", "2"]),
]
FILES = [
    *("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite-journal", "catalog.sqlite.new"),
    *(
        "catalog.sqlite.salvage",
        "writer.json",
        "run.json",
        "writer.lock",
        "feedback.jsonl",
        "feedback.size",
        "config.toml",
    ),
    *(".gitignore", "re-embed-0123456789abcdef.sqlite", "SEGMENT/vectors.npy", "SEGMENT/about.npy", "SEGMENT/more.npy"),
    f"segments/{'0' * 32}",
]
FOLDERS = ["", "segments", "SEGMENT", f"segments/{'1' * 32}", "damaged", "damaged/20260101T000000.000000Z", "lost"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an index and a verdict, and beside it a folder with secrets and a copy of the index."""
    folder = tmp_path_factory.mktemp("made")
    files = {"a.txt": "heron", "b.txt": "weir", "quotes.txt": 'He wrote "heron and weir and mill" (a.txt:1).'}
    project = write_files(folder / "project", files)
    make_index(project, WordEmbedder(), Path())
    with vsearch_core.open_index(project, open_embedder=lambda _: WordEmbedder()) as index:
        index.record_verdict("heron", "a.txt")
    shutil.copytree(project / ".vsearch", folder / "outside")
    write_files(folder / "outside", {"secret.npy": "quagga", "deep/quagga.txt": "quagga"})
    return folder


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("name", [*FILES, *FOLDERS], ids=lambda name: name or ".vsearch")
def test_no_command_reads_through_a_link(server: ForkServer, made: Path, tmp_path: Path, name: str, kind: str) -> None:
    outside = Path(shutil.copytree(made / "outside", tmp_path / "outside"))
    before = contents(outside)
    for number, command in enumerate(COMMANDS):
        project = Path(shutil.copytree(made / "project", tmp_path / str(number)))
        index = project / ".vsearch"
        (segment,) = (index / "segments").iterdir()
        inner = name.replace("SEGMENT", f"segments/{segment.name}")
        place = index / inner if inner else index
        target = outside / inner if (outside / inner).is_dir() == (kind == "folder") else outside / "secret.npy"
        if kind == "folder" and not target.is_dir():
            target = outside / "deep"
        place.parent.mkdir(exist_ok=True)
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(target)
        done = server.run(command, project, outside)
        assert done.faults() == [], f"{' '.join(command)}: {done}"
        assert contents(outside) == before, f"{' '.join(command)}: {done}"
        assert "quagga" not in done.out + done.err, f"{' '.join(command)}: {done}"
