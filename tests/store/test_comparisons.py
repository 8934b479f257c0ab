"""Numbers and dates that are texts in some files compare as people mean, or an error says that they can't."""

import json
import sqlite3
from collections.abc import Iterator
from unicodedata import normalize

import pytest

from vsearch_core.errors import FilterError
from vsearch_core.store.filters import FileConditions, matching_files

META: list[dict[str, object]] = [
    {"year": 2026, "version": "10", "date": "2026-03-15", "price": "15000", "zip": "01234"},
    {"year": "2019", "version": 9, "date": "2 May 2025", "price": 900, "zip": "1234"},
    {"year": "soon", "version": "2.5", "date": "2026-03-15T10:00", "price": "n/a"},
    {"date": "31.12.2024", "due": "3/4/2026", "Größe": "12"},
    {"date": 2023, "tags": "x"},
    {"cost": "1,200.50", "paid": "1,200", "sent": "1 March 2026"},
    {"cost": "12,50", "sent": "2026-03-01T08:00:00Z"},
    {"cost": "1.234.567,8", "sent": "2026/03/02"},
    {"cost": "1\u2019000\u2019000", "sent": "soon"},
]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT, name TEXT, ext TEXT, dir TEXT, live INTEGER,"
        " size INTEGER, mtime_ns INTEGER, title TEXT, language TEXT, meta TEXT)"
    )
    for number, meta in enumerate(META):
        name, mtime = f"{number}.md", (1_577_880_000 + number * 32_000_000) * 10**9  # 2020 … 2024
        row = (number, name, name, "md", "", 1, 1000 * number, mtime, None, "en", json.dumps(meta))
        connection.execute(f"INSERT INTO files VALUES ({', '.join('?' * len(row))})", row)
    yield connection
    connection.close()


def matches(connection: sqlite3.Connection, where: str) -> set[int]:
    found = matching_files(connection, FileConditions(where, None, (), None, None, 10))
    return set(found.tolist())


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("cost > 1200", {5, 7, 8}),
        ("cost < 13", {6}),
        ("cost = 12.5", {6}),
        ("cost BETWEEN '1000' AND '1300'", {5}),
        ("sent = '2026-03-01'", {5, 6}),
        ("sent = '2026-03'", {5, 6, 7}),
        ("'1 March 2026' = sent", {5, 6}),
        ("sent != '2026-03-01'", {7, 8}),
        ("sent = 'soon'", {8}),
        ("sent = '2026'", set()),
        ("year > 2020", {0}),
        ("year < 2020", {1}),
        ("2020 < year", {0}),
        ("year >= '2019'", {0, 1}),
        ("year = 2019", {1}),
        ("year = '2026'", {0}),
        ("year != 2019", {0, 2}),
        ("year IN (2019, 2026)", {0, 1}),
        ("year IN ('2019', '2026')", {0, 1}),
        ("year NOT IN (2019)", {0, 2}),
        ("year BETWEEN 2018 AND 2020", {1}),
        ("NOT year > 2020", {1}),
        ("(year > 2020) OR version < 5 -- and a comment", {0, 2}),
        ('"year" > 2020 AND [version] > 9', {0}),
        ("version > 9", {0}),
        ("version > '9'", {0}),
        ("version >= -1", {0, 1, 2}),
        ("price > 1000", {0}),
        ("price > '1700'", {0}),
        ("price < '1700'", {1}),
        ("zip = '01234'", {0}),
        ("date > '2025-12-31'", {0, 2}),
        ("date <= '2025-05'", {1, 3, 4}),
        ("date <= '2026-03-15'", {0, 1, 2, 3, 4}),
        ("date > '1 Jan 2025' AND date < '2026'", {1}),
        ("date >= 2025", {0, 1, 2}),
        ("date BETWEEN '2024-12' AND '2025'", {1, 3}),
        ("größe < 13", {3}),
        ("mtime < '2021'", {0}),
        ("mtime <= '2021'", {0, 1}),
        ("size > '1500'", {2, 3, 4, 5, 6, 7, 8}),
        ("size > 2000 - 10", {2, 3, 4, 5, 6, 7, 8}),
        ("tags > 'a'", {4}),
        ("year || 'x' = '2026x'", {0}),
        ("year + 1 > 2026", {0}),
        ("length(year) = 4 AND year > 2000", {0, 1}),
        ("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = 'x')", {4}),
        ("name = 'it''s 2026-03-01' OR year > 2020", {0}),
        ("CASE WHEN year > 2020 THEN 1 ELSE 0 END", {0}),
    ],
)
def test_comparisons_mean_what_people_mean(connection: sqlite3.Connection, where: str, expected: set[int]) -> None:
    assert matches(connection, where) == expected


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("date > 2026-03-01", "date-without-quotes"),
        ("mtime > 2026-03", "date-without-quotes"),
        ("mtime > 2020", "date-expected"),
        ("mtime > 'last week'", "date-expected"),
        ("size > '9 kB'", "number-expected"),
        ("date > '3/4/2026'", "unclear-date"),
        ("due > '2026-01-01'", "unclear-date"),
        ("paid > 5", "unclear-number"),
        ("year >", "invalid-expression"),
        ("year IN (", "invalid-expression"),
        ("year NOT", "invalid-expression"),
        ("year BETWEEN 1", "invalid-expression"),
    ],
)
def test_a_comparison_that_can_only_mislead_is_refused(connection: sqlite3.Connection, where: str, code: str) -> None:
    with pytest.raises(FilterError) as caught:
        matches(connection, where)
    assert caught.value.code == code


def test_names_in_other_compositions_are_found(connection: sqlite3.Connection) -> None:
    assert matches(connection, normalize("NFD", "größe > 11")) == {3}
