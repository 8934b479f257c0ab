"""An update records its progress and its end, so that other processes can show them."""

import json
import os
from pathlib import Path

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import ModelError
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.runs import PAUSED, RUN_FILE, RunState, read_run, recorded_run
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.writer import update_index
from vsearch_core.machine import is_on_battery
from vsearch_core.store.lock import is_locked, writer_lock

DOCS = Path("docs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name in "abc":
        (tmp_path / "docs" / f"{name}.txt").write_text(f"pump {name}")
    return tmp_path


def state(root: Path) -> RunState:
    found = read_run(root / ".vsearch")
    assert found is not None and found.pid == os.getpid()
    return found


def test_an_update_records_its_progress_and_its_end(root: Path) -> None:
    seen: list[RunState] = []
    make_index(root, WordEmbedder(), DOCS, observer=Observer(progress=lambda _: seen.append(state(root))))
    assert {each.outcome for each in seen} == {"running"}
    assert (seen[0].stage, seen[0].done, seen[0].total) == ("reading", 3, 3)
    assert state(root).outcome == "done"


def test_a_stopped_update_and_one_with_an_unreadable_file_end_otherwise(root: Path) -> None:
    make_index(root, WordEmbedder(), DOCS, observer=Observer(should_stop=lambda: True))
    assert state(root).outcome == "interrupted"
    (root / "docs/bad.docx").write_bytes(b"no document")
    make_index(root, WordEmbedder(), DOCS)
    assert state(root).outcome == "incomplete"


def test_a_failed_update_says_why(root: Path) -> None:
    make_index(root, WordEmbedder(), DOCS)
    (root / "docs/new.txt").write_text("a new text")

    def refuse(_: object) -> WordEmbedder:
        raise ModelError("local", "there is no model")

    with pytest.raises(ModelError):
        update_index(root / ".vsearch", (), IndexOptions(), refuse)
    assert (state(root).outcome, state(root).reason) == ("failed", "local: there is no model")


def test_an_update_that_was_killed_has_recorded_no_end(root: Path) -> None:
    make_index(root, WordEmbedder(), DOCS)
    index = root / ".vsearch"
    with writer_lock(index):
        assert is_locked(index)
        with recorded_run(index, Observer()):
            assert state(root).outcome == "running"
    assert not is_locked(index)
    assert state(root).outcome == "killed"


@pytest.mark.parametrize(
    "written", [b"", b"[]", b"{}", b'{"pid": "1", "since": "now"}', b'{"pid": 1, "since": "now", "outcome": "?"}']
)
def test_a_damaged_record_counts_as_none(root: Path, written: bytes) -> None:
    make_index(root, WordEmbedder(), DOCS)
    (root / ".vsearch" / RUN_FILE).write_bytes(written)
    assert read_run(root / ".vsearch") is None


def test_a_record_that_cannot_be_written_is_no_error(root: Path) -> None:
    make_index(root, WordEmbedder(), DOCS)
    (root / ".vsearch" / RUN_FILE).unlink()
    (root / ".vsearch" / RUN_FILE).mkdir()
    (root / "docs/a.txt").write_text("another text")
    assert make_index(root, WordEmbedder(), DOCS).changed == 1


def test_an_update_waits_while_it_should_pause(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [False, True, True, False]
    seen: list[str] = []

    def sleep(_: float) -> None:
        seen.append(json.loads((root / RUN_FILE).read_text())["stage"])

    monkeypatch.setattr("vsearch_core.index.runs.time.sleep", sleep)
    with recorded_run(root, Observer(should_pause=lambda: answers.pop(0) if answers else False)) as record:
        record.observer.progress(Progress("reading", 1, 2))
        assert not record.observer.should_stop() and not seen
        assert not record.observer.should_stop()
    assert seen == [PAUSED, PAUSED]
    assert json.loads((root / RUN_FILE).read_text())["stage"] == "reading"


def test_a_paused_update_can_be_stopped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("vsearch_core.index.runs.time.sleep", slept.append)
    observer = Observer(should_pause=lambda: True, should_stop=lambda: len(slept) > 2)
    with recorded_run(root, observer) as record:
        assert record.observer.should_stop()
    assert len(slept) == 3


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ({}, False),
        ({"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Charging"}}, False),
        ({"BAT0": {"type": "Battery", "status": "Full"}}, False),
        ({"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, True),
        ({"mouse": {"type": "Battery", "scope": "Device", "status": "Discharging"}}, False),
        ({"BAT0": {"type": "Battery", "scope": "System", "status": "Discharging"}}, True),
    ],
)
def test_batteries(tmp_path: Path, supplies: dict[str, dict[str, str]], expected: bool) -> None:
    for name, properties in supplies.items():
        (tmp_path / name).mkdir()
        for key, value in properties.items():
            (tmp_path / name / key).write_text(value + "\n")
    assert is_on_battery(tmp_path) is expected
    assert not is_on_battery(tmp_path / "missing")
