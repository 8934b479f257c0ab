"""If a page of a table is lost, all rows on its other pages can still be read."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from vsearch_core.store.checksums import row_crc
from vsearch_core.store.connections import begin_catalog
from vsearch_core.store.recovery.pages import connect, readable_rows
from vsearch_core.store.tables import PAGE_BYTES

INTERIOR, LEAF = 5, 13  # the first byte of a page of a table


def build(path: Path, rows: int, text_bytes: int) -> bytes:
    """Create a catalog with `rows` chunks of `text_bytes` random bytes each; return the file's bytes."""
    source = random.Random(rows)
    with closing(begin_catalog(path)) as connection:
        for number in range(1, rows + 1):
            connection.execute(
                "INSERT INTO chunks (id, file_id, ordinal, start_char, end_char, start_line, end_line, hash, text)"
                " VALUES (?, 1, ?, 0, 1, 1, 1, 0, ?)",
                (number, number, source.randbytes(text_bytes)),
            )
        connection.execute("COMMIT")
    return path.read_bytes()


def pages_of(path: Path, data: bytes, kind: int) -> Iterator[int]:
    """Yield the numbers of the pages of that kind in `chunks`, the only table with pages below its root."""
    with closing(sqlite3.connect(path)) as connection:
        names = {root for (root,) in connection.execute("SELECT rootpage FROM sqlite_master")}
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chunks'").fetchone()
    for page in range(2, len(data) // PAGE_BYTES + 1):
        if data[(page - 1) * PAGE_BYTES] == kind and (page == root or page not in names):
            yield page


def wiped(data: bytes, page: int) -> bytes:
    return data[: (page - 1) * PAGE_BYTES] + bytes(PAGE_BYTES) + data[page * PAGE_BYTES :]


def read(path: Path) -> tuple[list[int], int]:
    """Return the ids of the intact rows that can be read, and the number of pages reported as unreadable."""
    with closing(connect(path)) as connection:
        rows = list(readable_rows(connection, path, "chunks"))
        assert connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chunks'").fetchone() == (9,)
    return sorted({row[0] for row in rows if row and row[-1] == row_crc(*row[1:-1])}), rows.count(())


@pytest.mark.parametrize("rows", [3, 40, 400])
def test_all_rows_of_an_intact_table_are_read_once_and_in_order(tmp_path: Path, rows: int) -> None:
    build(tmp_path / "c", rows, 2000)
    with closing(connect(tmp_path / "c")) as connection:
        assert [row[0] for row in readable_rows(connection, tmp_path / "c", "chunks")] == list(range(1, rows + 1))


@pytest.mark.parametrize(
    ("rows", "text_bytes"), [(400, 2000), (4000, 300), (30, 40_000)], ids=["few", "many", "overflowing"]
)
def test_a_lost_interior_page_costs_no_row(tmp_path: Path, rows: int, text_bytes: int) -> None:
    data = build(tmp_path / "c", rows, text_bytes)
    interior = list(pages_of(tmp_path / "c", data, INTERIOR))
    assert interior
    for page in interior:
        (tmp_path / "c").write_bytes(wiped(data, page))
        assert read(tmp_path / "c") == (list(range(1, rows + 1)), 0)


def test_a_lost_leaf_costs_only_its_own_rows(tmp_path: Path) -> None:
    data = build(tmp_path / "c", 100, 2000)
    gone: list[int] = []
    for page in pages_of(tmp_path / "c", data, LEAF):
        (tmp_path / "c").write_bytes(wiped(data, page))
        found, unreadable = read(tmp_path / "c")
        assert unreadable == 1
        gone += sorted(set(range(1, 101)) - set(found))
    assert sorted(gone) == list(range(1, 101))  # each row was lost with one leaf, and with one only


def test_a_page_with_a_bad_row_pointer_gives_its_other_rows(tmp_path: Path) -> None:
    data = build(tmp_path / "c", 5, 2000)
    (leaf,) = pages_of(tmp_path / "c", data, LEAF)
    second = (leaf - 1) * PAGE_BYTES + 8 + 2  # the pointer to the page's second row
    (tmp_path / "c").write_bytes(data[:second] + b"\xff\xff" + data[second + 2 :])
    found, _ = read(tmp_path / "c")  # the bytes at the wrong place may happen to look like a row
    assert {1, 4, 5} <= {*found} <= {1, 3, 4, 5}


def test_a_pointer_map_of_several_pages(tmp_path: Path) -> None:
    rows = 3400  # a page each; the first page of the map has 3,276 entries
    data = build(tmp_path / "c", rows, 15_000)
    (tmp_path / "c").write_bytes(wiped(data, 9))
    assert read(tmp_path / "c") == (list(range(1, rows + 1)), 0)


def test_a_pointer_map_with_a_cycle_ends(tmp_path: Path) -> None:
    data = bytearray(wiped(build(tmp_path / "c", 100, 2000), 9))
    for page in range(3, 30):  # each is the child of the next
        data[PAGE_BYTES + 5 * (page - 3) : PAGE_BYTES + 5 * (page - 2)] = b"\x05" + (page + 1).to_bytes(4, "big")
    data[PAGE_BYTES + 5 * 26 : PAGE_BYTES + 5 * 27] = b"\x05" + (3).to_bytes(4, "big")
    (tmp_path / "c").write_bytes(data)
    found, unreadable = read(tmp_path / "c")
    assert unreadable
    assert set(found) <= set(range(1, 101))
