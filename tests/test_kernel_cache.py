"""Where compiled kernels are kept."""

import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from vsearch_core import kernel_cache
from vsearch_core.index.progress import StoppedError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VSEARCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv(kernel_cache.VARIABLE, raising=False)
    return tmp_path / "cache"


def chosen(monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `use` tells numba."""
    monkeypatch.setenv(kernel_cache.VARIABLE, "")  # so that it is undone
    kernel_cache.use()
    return kernel_cache.folder()


def test_it_is_in_the_cache_folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = chosen(monkeypatch)
    assert folder.parent == cache / "kernels"
    assert list(folder.iterdir()) == []


def test_other_sources_have_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba would load a kernel that calls an old version of a changed one."""
    before = kernel_cache.folder()
    (tmp_path / "kernels").mkdir()
    monkeypatch.setattr(kernel_cache, "__file__", str(tmp_path / "kernel_cache.py"))
    none = kernel_cache.folder()
    (tmp_path / "kernels" / "one.py").write_text("a = 1")
    assert len({before, none, kernel_cache.folder()}) == 3


def test_what_the_user_set_for_numba_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path / "mine"))
    kernel_cache.use()
    assert kernel_cache.folder() == tmp_path / "mine"


def test_a_cache_that_can_not_be_written_is_replaced_while_the_process_lasts(cache: Path) -> None:
    cache.write_text("no folder")
    script = "from vsearch_core import kernel_cache as k; k.use(); f = k.folder(); assert f.is_dir(); print(f)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert not done.stdout.startswith(str(cache))
    assert not Path(done.stdout.strip()).exists()


def test_a_damaged_cache_is_deleted_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path))
    damaged, foreign = tmp_path / "kernels_1a" / "walk.nbc", tmp_path / "others_2b" / "walk.nbc"
    for path in (damaged, foreign):
        path.parent.mkdir()
        path.write_bytes(b"")
    tries = []

    def load() -> None:
        tries.append(damaged.exists())
        if damaged.exists():
            raise EOFError

    kernel_cache.load(load)
    assert tries == [True, False]
    assert foreign.exists()


def test_who_waits_for_the_compiler_can_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path))
    kept = tmp_path / "kernels_1a" / "walk.nbc"
    kept.parent.mkdir()
    kept.write_bytes(b"")
    compiled, pauses = Event(), iter([None, None, StoppedError()])

    def pause() -> None:
        raised = next(pauses)
        if raised is not None:
            raise raised

    with pytest.raises(StoppedError):
        kernel_cache.load(compiled.wait, pause)
    assert next(pauses, "no more") == "no more"
    assert kept.exists()  # it is not damaged
    compiled.set()
    kernel_cache.load(compiled.wait)  # the lock is free


def test_what_is_no_fault_of_the_cache_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        kernel_cache.load(lambda: print(1 / 0))
