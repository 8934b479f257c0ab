"""Whatever page of a table is lost, all rows on the others are read."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from vsearch_core.store import lenient, schema

PAGE = schema.PAGE_BYTES
INTERIOR, LEAF = 5, 13  # the first byte of a table's page


def build(path: Path, rows: int, text_bytes: int) -> bytes:
    """A catalog with so many chunks of so many random bytes each; the file's bytes."""
    chance = random.Random(rows)
    with closing(schema.begin(path)) as connection:
        for number in range(1, rows + 1):
            connection.execute(
                "INSERT INTO chunks (id, file_id, ordinal, start_char, end_char, start_line, end_line, hash, text)"
                " VALUES (?, 1, ?, 0, 1, 1, 1, 0, ?)",
                (number, number, chance.randbytes(text_bytes)),
            )
        connection.execute("COMMIT")
    return path.read_bytes()


def pages_of(path: Path, data: bytes, kind: int) -> Iterator[int]:
    """The numbers of the pages of `chunks` of the kind: below its root, no other table has any."""
    with closing(sqlite3.connect(path)) as connection:
        names = {root for (root,) in connection.execute("SELECT rootpage FROM sqlite_master")}
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chunks'").fetchone()
    for page in range(2, len(data) // PAGE + 1):
        if data[(page - 1) * PAGE] == kind and (page == root or page not in names):
            yield page


def wiped(data: bytes, page: int) -> bytes:
    return data[: (page - 1) * PAGE] + bytes(PAGE) + data[page * PAGE :]


def read(path: Path) -> tuple[list[int], int]:
    """The ids of the rows that can be read and are sound, and how often it is said that some can't be."""
    with closing(lenient.connect(path)) as connection:
        rows = list(lenient.rows(connection, path, "chunks"))
        assert connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chunks'").fetchone() == (9,)
    return sorted({row[0] for row in rows if row and row[-1] == schema.row_crc(*row[1:-1])}), rows.count(())


@pytest.mark.parametrize("rows", [3, 40, 400])
def test_all_rows_of_a_sound_table_come_once_and_in_order(tmp_path: Path, rows: int) -> None:
    build(tmp_path / "c", rows, 2000)
    with closing(lenient.connect(tmp_path / "c")) as connection:
        assert [row[0] for row in lenient.rows(connection, tmp_path / "c", "chunks")] == list(range(1, rows + 1))


@pytest.mark.parametrize(
    ("rows", "text_bytes"), [(400, 2000), (4000, 300), (30, 40_000)], ids=["few", "many", "overflowing"]
)
def test_a_lost_page_that_leads_to_others_costs_nothing(tmp_path: Path, rows: int, text_bytes: int) -> None:
    data = build(tmp_path / "c", rows, text_bytes)
    interior = list(pages_of(tmp_path / "c", data, INTERIOR))
    assert interior
    for page in interior:
        (tmp_path / "c").write_bytes(wiped(data, page))
        assert read(tmp_path / "c") == (list(range(1, rows + 1)), 0)


def test_with_a_leaf_only_its_rows_are_lost(tmp_path: Path) -> None:
    data = build(tmp_path / "c", 100, 2000)
    gone: list[int] = []
    for page in pages_of(tmp_path / "c", data, LEAF):
        (tmp_path / "c").write_bytes(wiped(data, page))
        found, said = read(tmp_path / "c")
        assert said == 1
        gone += sorted(set(range(1, 101)) - set(found))
    assert sorted(gone) == list(range(1, 101))  # each row was lost with one leaf, and with one only


def test_a_page_cut_in_the_middle_gives_its_other_rows(tmp_path: Path) -> None:
    data = build(tmp_path / "c", 5, 2000)
    (leaf,) = pages_of(tmp_path / "c", data, LEAF)
    second = (leaf - 1) * PAGE + 8 + 2  # where the page says that its second row is
    (tmp_path / "c").write_bytes(data[:second] + b"\xff\xff" + data[second + 2 :])
    found, _ = read(tmp_path / "c")  # what SQLite finds out there may look like a row, or like none
    assert {1, 4, 5} <= {*found} <= {1, 3, 4, 5}


def test_a_pointer_map_of_several_pages(tmp_path: Path) -> None:
    rows = 3400  # a page each: the first page of the map tells of 3,276
    data = build(tmp_path / "c", rows, 15_000)
    (tmp_path / "c").write_bytes(wiped(data, 9))
    assert read(tmp_path / "c") == (list(range(1, rows + 1)), 0)


def test_a_damaged_pointer_map_leads_nowhere(tmp_path: Path) -> None:
    data = bytearray(wiped(build(tmp_path / "c", 100, 2000), 9))
    for page in range(3, 30):  # each is the child of the next
        data[PAGE + 5 * (page - 3) : PAGE + 5 * (page - 2)] = b"\x05" + (page + 1).to_bytes(4, "big")
    data[PAGE + 5 * 26 : PAGE + 5 * 27] = b"\x05" + (3).to_bytes(4, "big")
    (tmp_path / "c").write_bytes(data)
    found, said = read(tmp_path / "c")
    assert said
    assert set(found) <= set(range(1, 101))
