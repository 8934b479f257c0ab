"""Worker processes: whatever a parser does to its process, only its own file fails."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from contracts.reader import go_on, stop, take_all
from process import is_running, wait_until

from vsearch_core.errors import BinaryFileError, ExtractionError, StorageError, VsearchError
from vsearch_core.text import workers
from vsearch_core.text.files import FileRead, FileToRead
from vsearch_core.text.limits import WorkerLimits
from vsearch_core.text.workers import SingleWorker, WorkerPool


def files_that(*actions: str, folder: Path = Path("/nowhere"), size: int = 100) -> list[FileToRead]:
    return [FileToRead(str(folder / f"{number} {action}"), size) for number, action in enumerate(actions)]


LIMITS = WorkerLimits(seconds=60)


@contextmanager
def pool(files: Sequence[FileToRead], limits: WorkerLimits = LIMITS, *, workers: int = 2) -> Iterator[WorkerPool]:
    with closing(
        WorkerPool(files, ("a setting",), go_on, limits, function="fake_reader:read", workers=workers)
    ) as opened:
        yield opened


def results(
    files: Sequence[FileToRead], *, seconds: float = 60, clock_factor: float = 100.0, workers: int = 2
) -> list[FileRead | ExtractionError | OSError]:
    with pool(files, WorkerLimits(seconds=seconds, clock_factor=clock_factor), workers=workers) as reader:
        return [outcome.result for outcome in take_all(reader)]


@pytest.mark.parametrize("fatal", [("fatal attachment.eml", "fatal.eml"), ("fatal member.zip", "fatal.zip")])
def test_a_message_or_archive_is_read_again_if_a_file_in_it_crashes_the_parser(fatal: tuple[str, str]) -> None:
    files = files_that("", fatal[0], "", fatal[1], "")
    found = results(files, workers=1)
    failure = found.pop(3)
    assert isinstance(failure, ExtractionError)
    assert failure.reason == "crashed the parser (signal 9)"
    del files[3]
    assert found == [FileRead(file.name.encode(), title="('a setting',)") for file in files]


def test_outcomes_are_in_the_order_of_the_files() -> None:
    files = files_that(*["late" if number % 40 == 0 else "" for number in range(200)])
    assert results(files) == [FileRead(file.name.encode(), title="('a setting',)") for file in files]


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("kill", "crashed the parser (signal 9)"),
        ("exit", "crashed the parser (status 3)"),
        ("close all", "crashed the parser"),
        ("bug", "crashed the parser (status 1)"),
        ("eat", "needs more than 256 MB to read"),
        ("hang", "took longer than 2 s to read"),
        ("hang in C", "took more than 1 s of CPU time to read"),
    ],
)
def test_what_a_parser_does_to_its_process_fails_its_file_only(action: str, reason: str) -> None:
    files = files_that("", "", action, "", "")
    clock_factor = 2.0 if action == "hang" else 100.0
    found = results(files, seconds=1 if "hang" in action else 60, clock_factor=clock_factor)
    failure = found.pop(2)
    assert isinstance(failure, ExtractionError)
    assert (failure.subject, failure.code) == (f"2 {action}", "over-limits")
    assert failure.reason.startswith(reason)
    assert [each.digest for each in found if isinstance(each, FileRead)] == [b"0 ", b"1 ", b"3 ", b"4 "]


def test_what_a_parser_prints_is_discarded() -> None:
    files = files_that("print", "", "print", "print")
    assert [each.digest for each in results(files) if isinstance(each, FileRead)] == [
        file.name.encode() for file in files
    ]


def test_errors_arrive_unchanged() -> None:
    binary, none = results(files_that("binary", "none"))
    assert isinstance(binary, BinaryFileError)
    assert (binary.subject, binary.reason, binary.code) == ("0 binary", "is binary", "binary-file")
    assert isinstance(none, FileNotFoundError)
    assert none.strerror == "No such file or directory"


def test_memory_that_earlier_files_left_occupied_fails_no_file() -> None:
    first, second = results(files_that("", "eat what is left"), workers=1)
    assert isinstance(first, FileRead)
    assert isinstance(second, FileRead)


def test_a_large_file_has_a_higher_memory_limit() -> None:
    (found,) = results(files_that("eat", size=2_000_000))
    assert isinstance(found, ExtractionError)
    assert found.reason == "needs more than 296 MB to read"


def test_a_worker_that_can_not_start_raises_storage_error() -> None:
    with (
        closing(WorkerPool(files_that(""), (), go_on, WorkerLimits(), function="no_such_module:read")) as reader,
        pytest.raises(StorageError, match="can't be started") as caught,
    ):
        take_all(reader)
    assert caught.value.code == "worker-not-started"


def test_output_of_something_else_than_the_worker_raises_storage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_START", f"print('Welcome!', flush=True); {workers._START}")
    with pytest.raises(StorageError, match="something else writes to its output"):
        results(files_that(""))


@pytest.mark.skipif(sys.platform != "linux", reason="pipes are widened on Linux only")
def test_pipes_that_can_not_be_widened_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("fcntl.fcntl", refuse)
    assert isinstance(results(files_that(""))[0], FileRead)


def test_time_limits_count_cpu_time_and_not_the_clock() -> None:
    """A busy machine, or a slow disk, must not make files unreadable."""
    with pool(files_that("late", "late"), WorkerLimits(seconds=0.1, clock_factor=600.0)) as reader:
        assert all(isinstance(outcome.result, FileRead) for outcome in take_all(reader))


@pytest.mark.parametrize(("number", "action"), [(signal.SIGALRM, "hang"), (signal.SIGPROF, "hang in C")])
def test_time_limits_work_though_the_run_ignores_and_blocks_alarms(number: signal.Signals, action: str) -> None:
    former = signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        (found,) = results(files_that(action), seconds=1, clock_factor=2.0)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.signal(number, former)
    assert isinstance(found, ExtractionError)
    assert found.reason.startswith("took ") and found.code == "over-limits"


def test_temporary_files_of_a_dead_worker_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pool(files_that("litter", "")) as reader:
        assert len(take_all(reader)) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_pool_waits_for_no_file() -> None:
    begun = time.monotonic()
    with closing(
        WorkerPool(files_that("hang"), (), stop, WorkerLimits(seconds=600), function="fake_reader:read")
    ) as reader:
        assert reader.take(10) == []
    assert time.monotonic() - begun < 300


def test_a_closed_pool_leaves_no_thread_and_no_process(tmp_path: Path) -> None:
    before = threading.active_count()
    with pool(files_that("note", "hang", folder=tmp_path), workers=1) as reader:
        reader.take(1)
    assert threading.active_count() == before
    assert not is_running(int((tmp_path / "0 note").read_text()))


def test_the_window_bounds_files_read_ahead(tmp_path: Path) -> None:
    files = files_that(*["note"] * 300, folder=tmp_path, size=1000)
    with pool(files, WorkerLimits(window_bytes=20_000)) as reader:
        assert len(reader.take(1)) == 1
        wait_until(lambda: len(list(tmp_path.iterdir())) > 10, "files to be read ahead")
        time.sleep(0.2)
        assert len(list(tmp_path.iterdir())) < 120
        assert len(take_all(reader)) == 299


def test_large_files_do_not_wait_for_one_another(tmp_path: Path) -> None:
    with pool(files_that("hang", "note", folder=tmp_path, size=3 * WorkerLimits().window_bytes)):
        wait_until((tmp_path / "1 note").exists, "the second file to be read beside the first")


def test_a_worker_imports_only_what_reading_needs() -> None:
    (found,) = results(files_that("modules"))
    assert isinstance(found, FileRead)
    loaded = set((found.title or "").split())
    assert "vsearch_core.text.extract.registry" in loaded
    assert not loaded & {
        "numpy",
        "sqlite3",
        "typer",
        "lxml",
        "pypdf",
        "pypdfium2_raw",
        "yaml",
        "chardet",
        "numba",
        "onnxruntime",
    }


PARENT = """
import sys
from pathlib import Path
from test_workers import files_that, pool
with pool(files_that("note", "hang", folder=Path(sys.argv[1])), workers=1) as reader:
    while True:  # a single call may return without the second file, and the run would end its worker itself
        reader.take(2)
"""


def test_workers_end_when_the_run_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "0 note"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary)}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], env=environment) as parent:
        wait_until(lambda: note.exists() and note.read_text() != "", "a worker")
        parent.kill()
    wait_until(lambda: not is_running(int(note.read_text())), "the worker's end")
    assert list(temporary.iterdir()) == []


OPTIMISED = """
from test_workers import files_that, results
print([each.digest for each in results(files_that("", ""))])
"""


def test_a_python_without_assertions_reads_the_same() -> None:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONOPTIMIZE": "1"}
    done = subprocess.run([sys.executable, "-c", OPTIMISED], env=environment, capture_output=True, check=True)
    assert done.stdout == b"[b'0 ', b'1 ']\n"


def test_a_single_worker_reads_what_comes_and_survives_what_ends_its_process(tmp_path: Path) -> None:
    limits = WorkerLimits(seconds=0.3, clock_factor=2.0)
    with closing(SingleWorker("fake_reader:read", limits, idle_seconds=60)) as worker:
        good, *bad = files_that("", "kill", "hang", "hang in C", "eat", "bug", "binary", "close all")
        for file in bad:
            assert worker.read(good, "an argument", 7).title == "('an argument', 7)"
            with pytest.raises(ExtractionError) as failure:
                worker.read(file)
            assert failure.value.code in {"over-limits", "binary-file"}
        with pytest.raises(FileNotFoundError):
            worker.read(files_that("none")[0])
        (note,) = files_that("note", folder=tmp_path)
        worker.read(note)
        process = int((tmp_path / "0 note").read_text())
        assert is_running(process)
    assert not is_running(process)
    with pytest.raises(StorageError):
        worker.read(good)


def test_closing_a_single_worker_ends_a_read_under_way() -> None:
    worker = SingleWorker("fake_reader:read", LIMITS, idle_seconds=60)
    failures: list[Exception] = []

    def read() -> None:
        try:
            worker.read(files_that("hang")[0])
        except VsearchError as error:
            failures.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    wait_until(lambda: worker._worker is not None and worker._lock.locked(), "the read")
    worker.close()
    reading.join()
    assert len(failures) == 1
