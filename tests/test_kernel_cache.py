"""The folder that compiled kernels are cached in."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from vsearch_core import kernel_cache
from vsearch_core.index.progress import StoppedError


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path) -> Iterator[Path]:
    kernel_cache.configure(cache_dir=tmp_path / "cache")
    yield tmp_path / "cache"
    kernel_cache.configure()


def test_kernels_are_cached_below_the_cache_folder(cache_dir: Path) -> None:
    assert not cache_dir.exists()
    folder = kernel_cache.folder()
    assert folder.parent == cache_dir / "kernels"
    assert list(folder.iterdir()) == []


def test_other_sources_have_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise numba would load a kernel that calls an old version of a changed one."""
    before = kernel_cache.default_folder()
    (tmp_path / "kernels").mkdir()
    monkeypatch.setattr(kernel_cache, "__file__", str(tmp_path / "kernel_cache.py"))
    without_sources = kernel_cache.default_folder()
    (tmp_path / "kernels" / "one.py").write_text("a = 1")
    assert len({before, without_sources, kernel_cache.default_folder()}) == 3


def test_a_configured_folder_is_used_unchanged(tmp_path: Path) -> None:
    kernel_cache.configure(cache_dir=tmp_path / "cache", folder=tmp_path / "mine")
    assert kernel_cache.folder() == tmp_path / "mine"
    assert not (tmp_path / "cache").exists()


def test_importing_the_package_of_kernels_changes_nothing(cache_dir: Path) -> None:
    script = (
        "import os, sys, vsearch_core.kernels.constants; from pathlib import Path;"
        "assert 'numba' not in sys.modules and 'NUMBA_CACHE_DIR' not in os.environ"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={"HOME": str(cache_dir)}, timeout=60)
    assert not cache_dir.exists()


def test_compiled_kernels_are_written_to_the_folder(cache_dir: Path) -> None:
    script = (
        "import sys, numpy as np; from pathlib import Path; from vsearch_core import kernel_cache;"
        "kernel_cache.configure(cache_dir=Path(sys.argv[1])); from vsearch_core.kernels import sq8;"
        "kernel_cache.load(lambda: sq8.hash_rows(np.zeros((1, 2), np.int16), np.empty(1, np.uint64)))"
    )
    subprocess.run([sys.executable, "-c", script, str(cache_dir)], check=True, timeout=60)
    names = {path.name.partition("-")[0] for path in cache_dir.glob("kernels/*/kernels_*/*.nbc")}
    assert names == {"sq8.hash_rows"}


def test_a_folder_that_can_not_be_written_is_replaced_until_the_process_ends(cache_dir: Path) -> None:
    cache_dir.write_text("a file where the folder should be")
    script = (
        "import sys; from pathlib import Path; from vsearch_core import kernel_cache;"
        "kernel_cache.configure(cache_dir=Path(sys.argv[1]));"
        "folder = kernel_cache.folder(); assert folder.is_dir(); print(folder)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(cache_dir)], capture_output=True, check=True, text=True)
    assert not done.stdout.startswith(str(cache_dir))
    assert not Path(done.stdout.strip()).exists()


def test_a_damaged_cache_is_deleted_and_made_again(tmp_path: Path) -> None:
    kernel_cache.configure(folder=tmp_path)
    damaged, foreign = tmp_path / "kernels_1a" / "graph.nbc", tmp_path / "others_2b" / "graph.nbc"
    for path in (damaged, foreign):
        path.parent.mkdir()
        path.write_bytes(b"")
    calls = []

    def loader() -> None:
        calls.append(damaged.exists())
        if damaged.exists():
            raise EOFError

    kernel_cache.load(loader)
    assert calls == [True, False]
    assert foreign.exists()


def test_waiting_for_the_compiler_can_be_stopped(tmp_path: Path) -> None:
    kernel_cache.configure(folder=tmp_path)
    cached = tmp_path / "kernels_1a" / "graph.nbc"
    cached.parent.mkdir()
    cached.write_bytes(b"")
    compiled, pauses = Event(), iter([None, None, StoppedError()])

    def pause() -> None:
        raised = next(pauses)
        if raised is not None:
            raise raised

    with pytest.raises(StoppedError):
        kernel_cache.load(lambda: assert_set(compiled), pause)
    assert next(pauses, "no more") == "no more"
    assert cached.exists()  # it is not damaged
    compiled.set()
    kernel_cache.load(lambda: assert_set(compiled))  # the lock is free


def assert_set(event: Event) -> None:
    assert event.wait(60)


def test_an_error_that_deleting_the_cache_does_not_cure_is_raised(tmp_path: Path) -> None:
    kernel_cache.configure(folder=tmp_path)
    with pytest.raises(ZeroDivisionError):
        kernel_cache.load(lambda: print(1 / 0))
