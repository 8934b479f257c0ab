"""Export and import with little free space: they succeed, or fail with one line and change nothing.

The other files here kill, fail and cut the power of an import at any call (scenarios.py).
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from process import CommandResult, Volume, Vsearch, mount, write_files
from support import WordEmbedder, make_index

from vsearch_core.index.transfer import export_index

OLD = {f"{number}.txt": f"The old pump number {number}." for number in range(3)}
NEW = {f"{number}.txt": f"The new pump number {number}." for number in range(5)}


def make_project(root: Path, files: dict[str, str], embedder: WordEmbedder) -> Path:
    write_files(root / "docs", files)
    make_index(root, embedder, Path("docs"))
    return root


@pytest.fixture
def archive(tmp_path: Path, embedder: WordEmbedder) -> Path:
    root = make_project(tmp_path / "exported", NEW, embedder)
    path = tmp_path / "it.tar"
    with path.open("wb") as file:
        export_index(root / ".vsearch", root, file.write)
    return path


@pytest.fixture
def replaced(tmp_path: Path, embedder: WordEmbedder) -> Path:
    """Make the index that imports replace."""
    return make_project(tmp_path / "replaced", OLD, embedder)


def found(vsearch: Vsearch, project: Path) -> list[str]:
    result = vsearch("query", "--mode", "keyword", "--jsonl", "pump", cwd=project)
    return sorted(hit["text"].strip() for hit in result.json_lines)


def fill(volume: Volume, size: int) -> None:
    """Fill the volume until `size` bytes are free."""
    filler = volume.outside / "filler"
    filler.unlink(missing_ok=True)
    filler.write_bytes(bytes(shutil.disk_usage(volume.outside).free - size))


def check_full(vsearch: Vsearch, at: Path, archive: Path, sizes: Sequence[int]) -> None:
    at.mkdir()
    outcomes = set()
    with mount(vsearch, at, 'mount -t tmpfs -o size=4m,mode=0777 tmpfs "$1"') as volume:
        for size in sizes:
            shutil.rmtree(volume.outside / ".vsearch", ignore_errors=True)
            shutil.copytree(archive.parent / "replaced" / ".vsearch", volume.outside / ".vsearch")
            fill(volume, size * 1024)
            result = volume.vsearch("import", "--replace", archive, cwd=at)
            check_outcome(result)
            assert found(volume.vsearch, at) == sorted((OLD if result.status else NEW).values())
            assert len(list((volume.outside / ".vsearch" / "segments").iterdir())) == 1
            outcomes.add(result.status)
            exported = volume.vsearch("export", "it.tar", cwd=at)
            check_outcome(exported)
            assert (volume.outside / "it.tar").exists() == (exported.status == 0)
            assert {path.name for path in volume.outside.iterdir()} <= {".vsearch", "filler", "it.tar"}
            (volume.outside / "it.tar").unlink(missing_ok=True)
    assert outcomes == {0, 2}


def check_outcome(result: CommandResult) -> None:
    if result.status:
        assert re.search("no space left|full|not enough free space", result.error), result
        assert "free some space" in result.error, result


@pytest.mark.usefixtures("replaced")
def test_on_a_full_disk_the_index_is_the_old_or_the_new_one(vsearch: Vsearch, tmp_path: Path, archive: Path) -> None:
    check_full(vsearch, tmp_path / "disk", archive, (0, 550, 1500))


@pytest.mark.faults
@pytest.mark.usefixtures("replaced")
def test_with_any_free_space_the_index_is_the_old_or_the_new_one(
    vsearch: Vsearch, tmp_path: Path, archive: Path
) -> None:
    check_full(vsearch, tmp_path / "disk", archive, range(0, 1600, 40))
