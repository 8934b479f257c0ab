"""Import killed at any step, and on a full disk: the old index or the new one, and nothing in between."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from process import DEADLINE, Ran, Volume, Vsearch, mounted, write_files
from support import WordEmbedder, make_index

from vsearch_core.index.transfer import export_index

from .test_killed import KILLED_AT

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


def killed_at(vsearch: Vsearch, project: Path, step: int, archive: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", KILLED_AT, str(step), "import", "--replace", str(archive)],
        cwd=project,
        env=dict(vsearch.environment),
        capture_output=True,
        check=False,
        text=True,
        timeout=DEADLINE,
    )


def found(vsearch: Vsearch, project: Path) -> list[str]:
    ran = vsearch("query", "--mode", "keyword", "--jsonl", "pump", cwd=project)
    return sorted(hit["text"].strip() for hit in ran.json_lines)


def check_killed_at(
    vsearch: Vsearch, project: Path, step: int, archive: Path, embedder: WordEmbedder, *, fresh: bool
) -> bool:
    """Whether the kill came before the end. Afterwards the same command completes what it began."""
    project.mkdir()
    if not fresh:
        make_project(project, OLD, embedder)
    done = killed_at(vsearch, project, step, archive)
    if done.returncode == 0:
        return False
    assert done.returncode == -signal.SIGKILL, done
    if (project / ".vsearch" / "catalog.sqlite").exists():
        assert found(vsearch, project) in [sorted(each.values()) for each in ((NEW,) if fresh else (OLD, NEW))]
    else:
        assert fresh
    assert vsearch("import", "--replace", archive, cwd=project).status == 0
    assert found(vsearch, project) == sorted(NEW.values())
    assert len(list((project / ".vsearch" / "segments").iterdir())) == 1
    return True


@pytest.fixture
def steps(vsearch: Vsearch, tmp_path: Path, archive: Path, embedder: WordEmbedder) -> int:
    """How many steps an import that replaces an index has."""
    project = make_project(tmp_path / "steps", OLD, embedder)
    done = killed_at(vsearch, project, 0, archive)
    assert done.returncode == 0, done
    return int(done.stderr.split()[-1])


def test_an_import_killed_between_two_steps(
    vsearch: Vsearch, steps: int, tmp_path: Path, archive: Path, embedder: WordEmbedder
) -> None:
    assert steps > 40
    for share in (0.6, 0.9):
        step = round(steps * share)
        assert check_killed_at(vsearch, tmp_path / str(step), step, archive, embedder, fresh=False)


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [False, True], ids=["replacing", "first"])
def test_an_import_killed_between_any_two_steps(
    vsearch: Vsearch, tmp_path: Path, archive: Path, embedder: WordEmbedder, fresh: bool
) -> None:
    step = 1
    while check_killed_at(vsearch, tmp_path / f"at {step}", step, archive, embedder, fresh=fresh):
        step += 1
    assert step > 40


# A full disk


def leave(volume: Volume, size: int) -> None:
    """Leave so many bytes free on the volume."""
    filler = volume.outside / "filler"
    filler.unlink(missing_ok=True)
    filler.write_bytes(bytes(shutil.disk_usage(volume.outside).free - size))


def check_full(vsearch: Vsearch, at: Path, archive: Path, sizes: Sequence[int]) -> None:
    """With so many kB free, an import or export is done, or one line says that it is not and nothing has changed."""
    at.mkdir()
    outcomes = set()
    with mounted(vsearch, at, 'mount -t tmpfs -o size=4m,mode=0777 tmpfs "$1"') as volume:
        for size in sizes:
            shutil.rmtree(volume.outside / ".vsearch", ignore_errors=True)
            shutil.copytree(archive.parent / "replaced" / ".vsearch", volume.outside / ".vsearch")
            leave(volume, size * 1024)
            ran = volume.vsearch("import", "--replace", archive, cwd=at)
            check_outcome(ran)
            assert found(volume.vsearch, at) == sorted((OLD if ran.status else NEW).values())
            assert len(list((volume.outside / ".vsearch" / "segments").iterdir())) == 1
            outcomes.add(ran.status)
            exported = volume.vsearch("export", "it.tar", cwd=at)
            check_outcome(exported)
            assert (volume.outside / "it.tar").exists() == (exported.status == 0)
            assert {path.name for path in volume.outside.iterdir()} <= {".vsearch", "filler", "it.tar"}
            (volume.outside / "it.tar").unlink(missing_ok=True)
    assert outcomes == {0, 2}


def check_outcome(ran: Ran) -> None:
    if ran.status:
        assert re.search("no space left|full", ran.error), ran
        assert "free some space" in ran.error, ran


@pytest.fixture
def replaced(tmp_path: Path, embedder: WordEmbedder) -> Path:
    """An index to be replaced."""
    return make_project(tmp_path / "replaced", OLD, embedder)


@pytest.mark.usefixtures("replaced")
def test_on_a_full_disk_it_is_the_old_index_or_the_new_one(vsearch: Vsearch, tmp_path: Path, archive: Path) -> None:
    check_full(vsearch, tmp_path / "disk", archive, (0, 550, 1500))


@pytest.mark.slow
@pytest.mark.usefixtures("replaced")
def test_at_any_size_of_the_disk_it_is_the_old_index_or_the_new_one(
    vsearch: Vsearch, tmp_path: Path, archive: Path
) -> None:
    check_full(vsearch, tmp_path / "disk", archive, range(0, 1600, 40))
