"""`vsearch index --watch`: it finds changes on disk, and ends on request."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import IO, Any

import pytest
from process import DEADLINE, Vsearch, wait_until, write_files
from tiny_models import write_static

from vsearch_core.store.lock import writer_lock

Start = Callable[..., "WatchProcess"]


class WatchProcess:
    """A running `index --watch`: the runs that it reports, and its stderr."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.runs: list[dict[str, Any]] = []
        self.stderr = ""
        assert process.stdout is not None
        assert process.stderr is not None
        self._threads = [
            Thread(target=self._read_runs, args=[process.stdout]),
            Thread(target=self._read_stderr, args=[process.stderr]),
        ]
        for thread in self._threads:
            thread.start()

    def _read_runs(self, stream: IO[bytes]) -> None:
        with stream:
            self.runs.extend(map(json.loads, stream))

    def _read_stderr(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self.stderr += line.decode()

    def wait_for_message(self, text: str) -> None:
        wait_until(lambda: text in self.stderr, repr(text))

    def wait_for_counts(self, **counts: int) -> None:
        """Wait until the runs after the first one have added, changed … these numbers of files in total."""
        wait_until(
            lambda: self.counts(*counts) == counts, f"runs that come to {counts}", DEADLINE + sum(counts.values()) / 50
        )

    def counts(self, *names: str) -> dict[str, int]:
        return {name: sum(run[name] for run in self.runs[1:]) for name in names}

    def stop(self, number: signal.Signals | None = signal.SIGINT) -> int:
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        return status


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_static(tmp_path_factory.mktemp("models") / "tiny static")


@pytest.fixture
def start(vsearch: Vsearch, project: Path, static: Path) -> Iterator[Start]:
    """Return a function that starts to watch the project; processes still running at the end are killed."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*paths: str, by: Vsearch = vsearch, waiting: str = "watching") -> WatchProcess:
        command: tuple[str | Path, ...] = (
            "index",
            *(paths or (".",)),
            "--watch",
            "--json",
            "--embedder",
            "static",
            "--model",
            static,
        )
        started.append(by.start(*command, cwd=project))
        watched = WatchProcess(started[-1])
        watched.wait_for_message(waiting)
        return watched

    yield begin
    for process in started:
        process.kill()
        process.wait(DEADLINE)


def save_as_vim(path: Path, text: str) -> None:
    """Save as vim does: a swap file, a probe called 4913, a backup, and a new file under the old name."""
    (path.parent / f".{path.name}.swp").write_text("swap")
    (path.parent / "4913").touch()
    (path.parent / "4913").unlink()
    path.rename(f"{path}~")
    path.write_text(text)
    Path(f"{path}~").unlink()
    (path.parent / f".{path.name}.swp").unlink()


def save_by_replacing(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def test_changes_of_files_are_found(vsearch: Vsearch, project: Path, start: Start) -> None:
    write_files(project, {"pump.txt": "The pump.", "bread.txt": "Rye bread.", "deep/oven.txt": "The oven."})
    watched = start()
    assert watched.runs[0]["added"] == 3
    assert "watching 2 folders; press Ctrl-C to end\n" in watched.stderr

    save_as_vim(project / "pump.txt", "The pump of the mill.")
    (project / "bread.txt").rename(project / "loaf.txt")
    write_files(project, {"new/er/folder.txt": "A folder."})
    watched.wait_for_counts(changed=1, moved=1, added=1, removed=0)
    save_by_replacing(project / "pump.txt", "The pump of another mill.")
    write_files(project, {"new/er/file.txt": "A file, in a folder that is watched by now."})
    watched.wait_for_counts(changed=2, moved=1, added=2, removed=0)
    (project / "new").rename(project / "newer")
    shutil.rmtree(project / "deep")
    watched.wait_for_counts(changed=2, moved=3, added=2, removed=1)
    (project / ".gitignore").write_text("newer/\n")
    watched.wait_for_counts(changed=2, moved=3, added=2, removed=3)
    assert watched.stop() == 0
    assert watched.stderr.endswith("watching 2 folders; press Ctrl-C to end\n")
    assert vsearch("query", "--mode", "keyword", "--paths", "mill", cwd=project).lines == ["pump.txt"]


def test_a_folder_that_is_deleted_and_recreated_is_watched_again(project: Path, start: Start) -> None:
    write_files(project, {"docs/a.txt": "The pump.", "note.txt": "A note."})
    watched = start("docs", "note.txt")
    shutil.rmtree(project / "docs")
    watched.wait_for_message("docs: was indexed before and is missing now")
    write_files(project, {"docs/b.txt": "The bread."})
    watched.wait_for_counts(added=1, removed=1)
    write_files(project, {"docs/c.txt": "The oven."})
    watched.wait_for_counts(added=2)
    save_by_replacing(project / "note.txt", "Another note.")
    watched.wait_for_counts(changed=1)
    assert watched.stderr.count("was indexed before") == 1
    assert watched.stop(signal.SIGTERM) == 0


def watch_many_new_files(project: Path, start: Start, files: int) -> WatchProcess:
    """Return a watch that has found `files` new files in twenty folders."""
    (project / "seed.txt").write_text("The seed.")
    watched = start()
    write_files(project, {f"d{number % 20}/f{number}.txt": f"Chunk {number % 50}." for number in range(files)})
    watched.wait_for_counts(added=files)
    return watched


def test_many_changes_take_few_runs(project: Path, start: Start) -> None:
    watched = watch_many_new_files(project, start, 300)
    assert len(watched.runs) < 20
    assert watched.stop() == 0


@pytest.mark.slow
def test_10_000_changes_take_few_runs(project: Path, start: Start) -> None:
    watched = watch_many_new_files(project, start, 10_000)
    (project / "d0").rename(project / "moved")
    watched.wait_for_counts(moved=500)
    for number in range(1, 20):
        shutil.rmtree(project / f"d{number}")
    watched.wait_for_counts(removed=9_500)
    assert len(watched.runs) < 20
    assert watched.stop() == 0


def test_the_watch_waits_for_another_writer(project: Path, start: Start) -> None:
    (project / "a.txt").write_text("The pump.")
    watched = start()
    with writer_lock(project / ".vsearch", DEADLINE):
        (project / "b.txt").write_text("The bread.")
        watched.wait_for_message("another vsearch is writing to this index")
    watched.wait_for_counts(added=1)
    assert f"(process {os.getpid()} on " in watched.stderr
    assert "; trying again in 2 s\n" in watched.stderr
    assert watched.stop() == 0


def test_a_closed_stdout_ends_the_watch(project: Path, start: Start, vsearch: Vsearch) -> None:
    (project / "a.txt").write_text("The pump.")
    read, write = os.pipe()
    process = vsearch.start("index", ".", "--watch", cwd=project, stdout=write)
    os.close(write)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"watching")
    os.close(read)
    (project / "b.txt").write_text("The bread.")
    assert process.wait(DEADLINE) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_without_free_inotify_watches_it_polls(project: Path, start: Start, vsearch: Vsearch) -> None:
    limit = 'echo 1 >/proc/sys/user/max_inotify_watches && exec "$@"'  # in a name space that ends with the command
    prefix = ("unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh")
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the system's watches can't be limited here")
    write_files(project, {"a.txt": "The pump.", "b/c.txt": "The bread."})
    watched = start(by=replace(vsearch, prefix=prefix), waiting="can't watch 2 folders: ")
    (project / "d.txt").write_text("The oven.")
    watched.wait_for_counts(added=1)
    assert watched.stop() == 0


@pytest.mark.parametrize("option", ["--plan", "--re-embed"])
def test_options_for_a_single_run_are_refused(vsearch: Vsearch, indexed: Path, option: str) -> None:
    error = vsearch("index", "--watch", option, cwd=indexed).error
    assert error == f"--watch: can't be combined with {option}; leave one of them out"


def test_an_error_of_the_first_run_ends_the_watch(vsearch: Vsearch, project: Path) -> None:
    assert vsearch("index", "nowhere", "--watch", cwd=project).error.endswith("check the path")
