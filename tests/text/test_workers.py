"""What a parser may do to the process that it runs in, and what the run sees of it: one file's failure."""

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
from process import is_running, until

from vsearch_core.errors import BinaryFileError, ExtractionError, StorageError
from vsearch_core.text import workers
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.files import FileRead, FileToRead, Outcome
from vsearch_core.text.reading import InProcessReader, open_reader
from vsearch_core.text.workers import Pool

CORPUS = Path(__file__).parent.parent.parent / "sample_corpus"


def files_that(*actions: str, folder: Path = Path("/nowhere"), size: int = 100) -> list[FileToRead]:
    return [FileToRead(str(folder / f"{number} {action}"), size) for number, action in enumerate(actions)]


def told_to_stop() -> bool:
    return True


def told_nothing() -> bool:
    return False


@contextmanager
def pool(files: Sequence[FileToRead], *, seconds: float = 60, count: int = 2) -> Iterator[Pool]:
    with closing(
        Pool(files, ("a setting",), told_nothing, seconds, function="fake_reader:read", workers=count)
    ) as made:
        yield made


def results(files: Sequence[FileToRead], **options: float) -> list[FileRead | ExtractionError | OSError]:
    with pool(files, **options) as reader:  # type: ignore[arg-type]
        return [outcome.result for outcome in all_of(reader)]


def all_of(reader: Pool | InProcessReader, limit: int = 7) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while some := reader.take(limit):
        assert len(some) <= limit
        outcomes += some
    return outcomes


def test_outcomes_come_in_the_files_order() -> None:
    files = files_that(*["late" if number % 40 == 0 else "" for number in range(200)])
    assert results(files) == [FileRead(file.name.encode(), title="('a setting',)") for file in files]


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("kill", "ended its reader (signal 9)"),
        ("exit", "ended its reader (status 3)"),
        ("close all", "ended its reader"),
        ("bug", "ended its reader (status 1)"),
        ("eat", "needs more than 256 MB to read"),
        ("hang", "took longer than 1 s to read"),
        ("hang in C", "took longer than 1 s to read"),
    ],
)
def test_what_a_parser_does_to_its_process_costs_that_file_only(action: str, reason: str) -> None:
    files = files_that("", "", action, "", "")
    found = results(files, seconds=1 if "hang" in action else 60)
    failure = found.pop(2)
    assert isinstance(failure, ExtractionError)
    assert failure.thing == f"2 {action}"
    assert failure.reason.startswith(reason)
    assert [each.digest for each in found if isinstance(each, FileRead)] == [b"0 ", b"1 ", b"3 ", b"4 "]


def test_what_is_printed_goes_nowhere() -> None:
    files = files_that("print", "", "print", "print")
    assert [each.digest for each in results(files) if isinstance(each, FileRead)] == [
        file.name.encode() for file in files
    ]


def test_errors_come_as_they_are() -> None:
    binary, none = results(files_that("binary", "none"))
    assert isinstance(binary, BinaryFileError)
    assert (binary.thing, binary.reason) == ("0 binary", "is binary")
    assert isinstance(none, FileNotFoundError)
    assert none.strerror == "No such file or directory"


def test_a_file_pays_for_no_other() -> None:
    first, second = results(files_that("", "eat what is left"), count=1)
    assert isinstance(first, FileRead)
    assert isinstance(second, FileRead)


def test_a_large_file_may_take_more() -> None:
    (found,) = results(files_that("eat", size=2_000_000))
    assert isinstance(found, ExtractionError)
    assert found.reason == "needs more than 296 MB to read"


def test_a_worker_that_can_not_start_ends_the_run() -> None:
    with (
        closing(Pool(files_that(""), (), told_nothing, 60, function="no_such_module:read")) as reader,
        pytest.raises(StorageError, match="can't be started"),
    ):
        all_of(reader)


def test_what_speaks_in_a_worker_s_place_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_START", f"print('Welcome!', flush=True); {workers._START}")
    with pytest.raises(StorageError, match="something else speaks in its place"):
        results(files_that(""))


@pytest.mark.skipif(sys.platform != "linux", reason="pipes are widened on Linux only")
def test_pipes_that_may_not_be_widened_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("fcntl.fcntl", refuse)
    assert isinstance(results(files_that(""))[0], FileRead)


def test_alarms_are_heeded_though_the_run_was_started_without() -> None:
    former = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        (found,) = results(files_that("hang"), seconds=1)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.signal(signal.SIGALRM, former)
    assert isinstance(found, ExtractionError)
    assert found.reason == "took longer than 1 s to read"


def test_what_a_dead_worker_leaves_among_the_temporary_files_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pool(files_that("litter", "")) as reader:
        assert len(all_of(reader)) == 2
    assert list(tmp_path.iterdir()) == []


def test_whoever_stops_waits_for_nobody() -> None:
    begun = time.monotonic()
    with closing(Pool(files_that("hang"), (), told_to_stop, 600, function="fake_reader:read")) as reader:
        assert reader.take(10) == []
    assert time.monotonic() - begun < 300


def test_a_closed_pool_leaves_no_thread_and_no_process(tmp_path: Path) -> None:
    before = threading.active_count()
    with pool(files_that("note", "hang", folder=tmp_path), count=1) as reader:
        reader.take(1)
    assert threading.active_count() == before
    assert not is_running(int((tmp_path / "0 note").read_text()))


def test_work_in_flight_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WINDOW_BYTES", 20_000)
    files = files_that(*["note"] * 300, folder=tmp_path, size=1000)
    with pool(files) as reader:
        assert len(reader.take(1)) == 1
        until(lambda: len(list(tmp_path.iterdir())) > 10, "files to be read ahead")
        time.sleep(0.2)
        assert len(list(tmp_path.iterdir())) < 120
        assert len(all_of(reader)) == 299


def test_large_files_do_not_wait_for_one_another(tmp_path: Path) -> None:
    with pool(files_that("hang", "note", folder=tmp_path, size=3 * workers.WINDOW_BYTES)):
        until((tmp_path / "1 note").exists, "the second file to be read beside the first")


def test_a_worker_loads_only_what_reading_takes() -> None:
    (found,) = results(files_that("modules"))
    assert isinstance(found, FileRead)
    loaded = set((found.title or "").split())
    assert "vsearch_core.text.extract.registry" in loaded
    assert not loaded & {"numpy", "sqlite3", "typer", "lxml", "pypdf", "yaml", "chardet", "numba", "onnxruntime"}


PARENT = """
import sys
from pathlib import Path
from test_workers import files_that, pool
with pool(files_that("note", "hang", folder=Path(sys.argv[1])), count=1) as reader:
    reader.take(2)
"""


def test_workers_go_when_the_run_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "0 note"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary)}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], env=environment) as parent:
        until(lambda: note.exists() and note.read_text() != "", "a worker")
        parent.kill()
    until(lambda: not is_running(int(note.read_text())), "the worker's end")
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


def test_the_same_is_read_here_and_there() -> None:
    files = [FileToRead(str(path), path.stat().st_size) for path in sorted(CORPUS.rglob("*")) if path.is_file()]
    settings = (ChunkOptions(60, 6),)
    here = all_of(InProcessReader(files, settings, told_nothing))
    with closing(open_reader(files, settings, told_nothing)) as reader:
        assert isinstance(reader, Pool)
        there = all_of(reader)
    assert [said(outcome) for outcome in there] == [said(outcome) for outcome in here]
    assert len(here) == len(files) > 20


def said(outcome: Outcome) -> object:
    return outcome.result if isinstance(outcome.result, FileRead) else str(outcome.result)


def test_known_bytes_are_not_extracted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Known.")
    (first,) = InProcessReader([FileToRead(str(path), 6)], (ChunkOptions(),), told_nothing).take(1)
    assert isinstance(first.result, FileRead)
    assert first.result.chunks
    (second,) = InProcessReader(
        [FileToRead(str(path), 6, (first.result.digest,))], (ChunkOptions(),), told_nothing
    ).take(1)
    assert isinstance(second.result, FileRead)
    assert second.result.chunks is None


@pytest.mark.parametrize(
    ("names", "size", "kind"),
    [
        (["a.txt", "b.md", "c.py", "noname"], 1000, InProcessReader),
        (["a.txt", "b.pdf"], 1000, Pool),
        (["a.txt.gz"], 1000, Pool),
        (["a.txt"], 3_000_000, Pool),
        ([f"{number}.txt" for number in range(300)], 10, Pool),
    ],
)
def test_a_few_plain_files_start_no_worker(names: list[str], size: int, kind: type) -> None:
    files = [FileToRead(f"/nowhere/{name}", size) for name in names]
    with closing(open_reader(files, (ChunkOptions(),), told_to_stop)) as reader:
        assert type(reader) is kind
