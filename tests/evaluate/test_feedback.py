"""Verdicts on hits: recording, reading, and conversion to a dataset."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.errors import StorageError
from vsearch_core.evaluate.feedback import (
    FEEDBACK_FILE,
    MAX_BYTES,
    SIZE_FILE,
    Verdict,
    accept_losses,
    damaged_lines,
    dataset_from_verdicts,
    lost_bytes,
    read_verdicts,
    record_verdict,
    set_damaged_lines_aside,
)


def verdict(query: str = "late fee", path: str = "a.md", *, good: bool = True, line: int | None = None) -> Verdict:
    return Verdict(query, path, line, good, "2026-01-31T12:00:00+00:00")


def test_recorded_verdicts_are_read(tmp_path: Path) -> None:
    verdicts = [verdict(), verdict("Mühle\u2028\n", "ü b.md", good=False, line=7)]
    for each in verdicts:
        record_verdict(tmp_path, each)
    assert read_verdicts(tmp_path) == (verdicts, 0)
    assert (tmp_path / FEEDBACK_FILE).read_bytes().count(b"\n") == 2


def test_a_verdict_keeps_the_page_the_sheet_and_the_file_in_an_archive(tmp_path: Path) -> None:
    parts: list[dict[str, Any]] = [{"member": "in/a.md"}, {"sheet": "Sales", "page": None}, {"page": 3}, {}]
    verdicts = [replace(verdict(line=9), **part) for part in parts]
    for each in verdicts:
        record_verdict(tmp_path, each)
    assert read_verdicts(tmp_path) == (verdicts, 0)
    last = json.loads((tmp_path / FEEDBACK_FILE).read_bytes().splitlines()[-1])
    assert list(last) == ["query", "path", "line", "good", "at", "crc"]  # as earlier versions write and read it


@pytest.mark.parametrize("part", [{"member": 3}, {"sheet": ["a"]}, {"page": "3"}])
def test_a_verdict_with_a_part_of_another_type_is_damaged(tmp_path: Path, part: dict[str, Any]) -> None:
    record_verdict(tmp_path, replace(verdict(), **part))
    assert read_verdicts(tmp_path) == ([], 1)


def test_without_a_file_there_are_no_verdicts(tmp_path: Path) -> None:
    assert read_verdicts(tmp_path) == ([], 0)


@given(st.integers(1, 200))
def test_a_line_cut_short_by_a_crash_loses_no_other_line(tmp_path_factory: pytest.TempPathFactory, lost: int) -> None:
    folder = tmp_path_factory.mktemp("torn")
    record_verdict(folder, verdict("one"))
    record_verdict(folder, verdict("two"))
    file = folder / FEEDBACK_FILE
    whole = file.read_bytes()
    second = whole.index(b"\n") + 1
    file.write_bytes(whole[: max(second, len(whole) - lost)])
    record_verdict(folder, verdict("three"))
    verdicts, damaged = read_verdicts(folder)
    queries = [each.query for each in verdicts]
    assert queries in (["one", "three"], ["one", "two", "three"])  # only the newline may be missing
    assert damaged == ("two" not in queries and len(whole) - lost > second)


def test_damaged_lines_are_counted(tmp_path: Path) -> None:
    record_verdict(tmp_path, verdict())
    lines = ["[]", "{}", "\xff", json.dumps({"query": "", "path": "a", "line": 1, "good": True, "at": ""})]
    lines += [json.dumps({"query": "q", "path": 3, "line": None, "good": True, "at": ""}), "[" * 100_000]
    with (tmp_path / FEEDBACK_FILE).open("a", encoding="latin-1") as file:
        file.writelines(f"{line}\n" for line in lines)
    assert read_verdicts(tmp_path) == ([verdict()], len(lines))


def test_the_later_verdict_counts_and_queries_without_a_good_file_are_left_out() -> None:
    dataset = dataset_from_verdicts(
        [
            verdict(),
            verdict(path="b.md", good=False),
            verdict(good=False),
            verdict(path="c.md"),
            verdict("x", good=False),
        ]
    )
    assert dataset.judgements == {"late fee": {"a.md": 0, "b.md": 0, "c.md": 1}}
    assert dataset.queries == {"late fee": "late fee"}


def test_each_flipped_bit_is_found(tmp_path: Path) -> None:
    for each in (verdict(), verdict("Mühle\u2028", "ü.md", good=False, line=7)):
        record_verdict(tmp_path, each)
    file = tmp_path / FEEDBACK_FILE
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert damaged_lines(tmp_path), f"bit {bit % 8} of {whole[bit // 8 : bit // 8 + 20]!r}"


def test_each_line_cut_short_is_found(tmp_path: Path) -> None:
    for query in ("one", "two"):
        record_verdict(tmp_path, verdict(query))
    file = tmp_path / FEEDBACK_FILE
    whole = file.read_bytes()
    second = whole.index(b"\n") + 1
    for size in {*range(len(whole) - 1)} - {0, second - 1, second}:
        file.write_bytes(whole[:size])
        assert damaged_lines(tmp_path) == [1 if size < second else 2]


def test_each_cut_between_lines_is_found_until_it_is_accepted(tmp_path: Path) -> None:
    for query in ("one", "two", "three"):
        record_verdict(tmp_path, verdict(query))
    file = tmp_path / FEEDBACK_FILE
    lines = file.read_bytes().splitlines(keepends=True)
    for kept in ([], lines[:1], lines[:2], lines[1:], [lines[0], lines[2]]):
        file.write_bytes(b"".join(kept))
        assert damaged_lines(tmp_path) == []
        assert lost_bytes(tmp_path) == sum(map(len, lines)) - sum(map(len, kept))
    lost = lost_bytes(tmp_path)
    record_verdict(tmp_path, verdict("four"))
    assert lost_bytes(tmp_path) == lost
    accept_losses(tmp_path)
    assert lost_bytes(tmp_path) == 0


def test_a_file_without_a_size_and_one_that_was_deleted_have_lost_nothing(tmp_path: Path) -> None:
    assert lost_bytes(tmp_path) == 0
    record_verdict(tmp_path, verdict("one"))
    (tmp_path / SIZE_FILE).unlink()
    assert lost_bytes(tmp_path) == 0
    record_verdict(tmp_path, verdict("two"))
    (tmp_path / FEEDBACK_FILE).unlink()
    assert lost_bytes(tmp_path) == 0
    record_verdict(tmp_path, verdict("three"))
    assert lost_bytes(tmp_path) == 0


def test_each_flipped_bit_of_the_size_is_found(tmp_path: Path) -> None:
    record_verdict(tmp_path, verdict())
    file = tmp_path / SIZE_FILE
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert lost_bytes(tmp_path) is None
    for size in range(1, len(whole)):
        file.write_bytes(whole[:size])
        assert lost_bytes(tmp_path) is None
    accept_losses(tmp_path)
    assert file.read_bytes() == whole


def test_lines_without_a_checksum_are_read(tmp_path: Path) -> None:
    line = {"query": "late fee", "path": "a.md", "line": None, "good": True, "at": "2026-01-31T12:00:00+00:00"}
    (tmp_path / FEEDBACK_FILE).write_text(json.dumps(line) + "\n")
    record_verdict(tmp_path, verdict("two"))
    assert read_verdicts(tmp_path) == ([verdict(), verdict("two")], 0)


def test_damaged_lines_are_set_aside(tmp_path: Path) -> None:
    assert set_damaged_lines_aside(tmp_path) is None
    for query in ("one", "two", "three"):
        record_verdict(tmp_path, verdict(query))
    file = tmp_path / FEEDBACK_FILE
    lines = file.read_bytes().replace(b"two", b"tow").splitlines(keepends=True)
    file.write_bytes(b"".join(lines))
    aside = set_damaged_lines_aside(tmp_path)
    assert aside is not None
    assert aside.read_bytes() == lines[1]
    assert file.read_bytes() == lines[0] + lines[2]
    assert set_damaged_lines_aside(tmp_path) is None


def test_a_file_too_large_for_memory_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / FEEDBACK_FILE).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(StorageError, match="more than 64,000,000 bytes"):
        read_verdicts(tmp_path)
