import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vsearch_core.errors import FilterError
from vsearch_core.search.filters import Filters, allowed_files, parse_date
from vsearch_core.store.catalog import Catalog, NewFile

MARCH = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 10**9
MAY = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp()) * 10**9

FILES = [
    NewFile("docs/api.md", 900, MAY, 0, b"", "The API", "en", {"tags": ["api", "http"], "status": "done"}),
    NewFile("docs/deep/notes.txt", 50_000, MARCH, 0, b"", None, "de", {"Status": "draft"}),
    NewFile("src/main.py", 10, MARCH, 0, b"", None, None, {"odd key": 3, 'quo"te': 1, "path": "not this one"}),
]


@pytest.fixture
def catalog(tmp_path: Path):
    catalog = Catalog.create(tmp_path, {})
    for file in FILES:
        catalog.stage_file(file, [])
    catalog.publish_files(catalog.complete_files())
    catalog.stage_file(NewFile("docs/pending.md", 1, MAY, 0, b"", None, None, {}), [])
    yield catalog
    catalog.close()


def passing(catalog: Catalog, **filters: object) -> list[str]:
    found = allowed_files(catalog.connection, Filters(**filters), 10)  # type: ignore[arg-type]
    names = {record.id: record.path for record in catalog.files(live=True).values()}
    return [names[number] for number in found.tolist()]


ALL = [file.path for file in FILES]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ALL),
        ({"where": "ext = 'md'"}, ["docs/api.md"]),
        ({"where": "tags LIKE '%api%'"}, ["docs/api.md"]),
        ({"where": "meta->>'status' = 'done'"}, ["docs/api.md"]),
        ({"where": "status = 'draft' OR STATUS = 'done'"}, ALL[:2]),
        ({"where": "size > 100 AND mtime >= '2026-04-01'"}, ["docs/api.md"]),
        ({"where": '"odd key" = 3'}, ["src/main.py"]),
        ({"where": "path = 'src/main.py' -- a comment"}, ["src/main.py"]),
        ({"where": "dir = 'docs/deep' AND name = 'notes.txt' AND language = 'de' AND title IS NULL"}, [ALL[1]]),
        ({"where": "0"}, []),
        ({"path": "docs"}, ALL[:2]),
        ({"path": "docs/"}, ALL[:2]),
        ({"path": "./docs/*.md"}, ["docs/api.md"]),
        ({"path": "*.py"}, ["src/main.py"]),
        ({"path": "doc"}, []),
        ({"ext": ("md", ".PY")}, ["docs/api.md", "src/main.py"]),
        ({"since": datetime(2026, 4, 1, tzinfo=UTC)}, ["docs/api.md"]),
        ({"until": datetime(2026, 4, 1, tzinfo=UTC), "ext": ("txt",)}, ["docs/deep/notes.txt"]),
    ],
)
def test_filters(catalog: Catalog, filters: dict[str, object], expected: list[str]) -> None:
    assert passing(catalog, **filters) == expected


@pytest.mark.parametrize(
    "where",
    [
        "",
        "ext = ",
        "no_such_column = 1",
        "1; DROP TABLE files",
        "1); DELETE FROM files; --",
        "DELETE FROM files",
        "path IN (SELECT value FROM settings)",
        "path IN (SELECT text FROM chunks)",
        "path IN (SELECT name FROM sqlite_master)",
        "load_extension('x')",
        "length(zeroblob(1000000000)) > 0",
        "nul \0 byte",
    ],
)
def test_what_is_no_readable_condition_is_refused_on_one_line(catalog: Catalog, where: str) -> None:
    with pytest.raises(FilterError) as caught:
        passing(catalog, where=where)
    assert "\n" not in str(caught.value)
    assert passing(catalog) == ALL


def test_any_number_of_metadata_keys_and_any_spelling(catalog: Catalog) -> None:
    catalog.delete_files(record.id for record in catalog.files(live=False).values())
    many = {f"key{number}": number for number in range(3000)}
    catalog.stage_file(NewFile("many.md", 1, MAY, 0, b"", None, None, {**many, "Status": "done"}), [])
    catalog.publish_files(catalog.complete_files())
    assert len(allowed_files(catalog.connection, Filters(ext=("md",)), 10)) == 2
    assert len(allowed_files(catalog.connection, Filters(where="status = 'done' OR key2999 = 0"), 10)) == 2


def test_an_endless_expression_ends(catalog: Catalog) -> None:
    endless = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n) > 0"
    with pytest.raises(FilterError):
        allowed_files(catalog.connection, Filters(where=endless), 0.1)


def test_the_connection_is_free_again_after_an_expression(catalog: Catalog) -> None:
    passing(catalog, where="1")
    catalog.put_setting("generation", "5")
    assert catalog.generation == 5


def test_dates() -> None:
    assert parse_date("2026-01-31T12:00+00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parse_date("2026-01-31T12:00").astimezone() == datetime(2026, 1, 31, 12).astimezone()
    assert parse_date("2026-01-31", end_of_day=True) > parse_date("2026-01-31T23:59:59")
    assert abs(datetime.now(UTC) - parse_date("2w") - timedelta(days=14)) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "yesterday-ish", "2026-13-01", "9999999999d", "99999w99"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="2026-01-31"):
        parse_date(text)


def test_sqlite_has_json_arrows() -> None:
    assert sqlite3.sqlite_version_info >= (3, 38)
