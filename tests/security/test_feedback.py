"""`check --full` names the damaged lines of the feedback, and `repair` moves them aside."""

from pathlib import Path

import pytest
from process import write_files
from support import WordEmbedder, make_index

import vsearch_core
from vsearch_core.evaluate.feedback import FEEDBACK_FILE


@pytest.fixture
def feedback(tmp_path: Path) -> Path:
    write_files(tmp_path, {"a.txt": "heron"})
    make_index(tmp_path, WordEmbedder(), Path())
    with vsearch_core.open_index(tmp_path, open_embedder=lambda _: WordEmbedder()) as index:
        for query in ("heron", "weir"):
            index.record_verdict(query, "a.txt", good=True)
    return tmp_path / ".vsearch" / FEEDBACK_FILE


def faults(feedback: Path, *, full: bool = True) -> list[str]:
    with vsearch_core.open_index(feedback.parent, open_embedder=lambda _: WordEmbedder()) as index:
        return [fault.thing for fault in index.check(full=full).faults]


def test_a_damaged_line_is_named_and_moved_aside(feedback: Path) -> None:
    assert faults(feedback) == []
    feedback.write_bytes(feedback.read_bytes().replace(b"weir", b"weis"))
    assert faults(feedback) == [f"{feedback}:2"]
    assert faults(feedback, full=False) == []
    repaired = vsearch_core.repair_index(feedback.parent)
    assert [Path(path).name.endswith(FEEDBACK_FILE) for path in repaired.set_aside] == [True]
    assert faults(feedback) == []
    assert feedback.read_bytes().count(b"\n") == 1


def test_a_cut_at_the_end_of_a_line_is_named_and_reported_by_a_repair(feedback: Path) -> None:
    first, second = feedback.read_bytes().splitlines(keepends=True)
    feedback.write_bytes(first)
    assert faults(feedback) == [str(feedback)]
    assert vsearch_core.repair_index(feedback.parent).feedback_lost == len(second)
    assert faults(feedback) == []
    assert vsearch_core.repair_index(feedback.parent).feedback_lost == 0


def test_a_file_that_can_not_be_read_is_a_fault(feedback: Path) -> None:
    for kind in ("link", "folder", "too large"):
        feedback.unlink()
        if kind == "link":
            feedback.symlink_to("/etc/passwd")
        elif kind == "folder":
            feedback.mkdir()
        else:
            feedback.touch()
            with feedback.open("r+b") as file:
                file.truncate(3_000_000_000)
        assert faults(feedback) == [str(feedback)], kind
        if kind == "folder":
            feedback.rmdir()
            feedback.touch()
