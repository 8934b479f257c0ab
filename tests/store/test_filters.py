import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vsearch_core.errors import FilterError
from vsearch_core.store.catalog import Catalog, NewFile
from vsearch_core.store.filters import FileConditions, matching_files

MARCH = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 10**9
MAY = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp()) * 10**9

FILES = [
    NewFile("docs/api.md", 900, MAY, 0, b"", "The API", "en", {"tags": ["api", "http"], "status": "done"}),
    NewFile("docs/deep/notes.txt", 50_000, MARCH, 0, b"", None, "de", {"Status": "draft"}),
    NewFile("src/main.py", 10, MARCH, 0, b"", None, None, {"odd key": 3, 'quo"te': 1, "path": "not this one"}),
]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.create(tmp_path, {})
    for file in FILES:
        catalog.stage_file(file, [])
    catalog.publish_files(catalog.complete_files())
    catalog.stage_file(NewFile("docs/pending.md", 1, MAY, 0, b"", None, None, {}), [])
    yield catalog
    catalog.close()


def passing(
    catalog: Catalog,
    where: str | None = None,
    select_path: Any = None,
    ext: tuple[str, ...] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    seconds: float = 10,
) -> list[str]:
    ids = matching_files(catalog.connection, FileConditions(where, select_path, ext, since, until, seconds))
    names = {record.id: record.path for record in catalog.files(live=True).values()}
    return [names[number] for number in ids.tolist()]


ALL = [file.path for file in FILES]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ALL),
        ({"select_path": lambda path: path.startswith("docs/")}, ALL[:2]),
        ({"where": "ext = 'md'", "select_path": lambda path: "deep" in path}, []),
        ({"where": "ext = 'md'"}, ["docs/api.md"]),
        ({"where": "tags LIKE '%api%'"}, ["docs/api.md"]),
        ({"where": "meta->>'status' = 'done'"}, ["docs/api.md"]),
        ({"where": "status = 'draft' OR STATUS = 'done'"}, ALL[:2]),
        ({"where": "size > 100 AND mtime >= '2026-04-01'"}, ["docs/api.md"]),
        ({"where": '"odd key" = 3'}, ["src/main.py"]),
        ({"where": "path = 'src/main.py' -- a comment"}, ["src/main.py"]),
        ({"where": "dir = 'docs/deep' AND name = 'notes.txt' AND language = 'de' AND title IS NULL"}, [ALL[1]]),
        ({"where": "0"}, []),
        ({"ext": ("md", "py")}, ["docs/api.md", "src/main.py"]),
        ({"since": datetime(2026, 4, 1, tzinfo=UTC)}, ["docs/api.md"]),
        ({"until": datetime(2026, 4, 1, tzinfo=UTC), "ext": ("txt",)}, ["docs/deep/notes.txt"]),
    ],
)
def test_filters(catalog: Catalog, filters: dict[str, Any], expected: list[str]) -> None:
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
def test_an_expression_that_can_t_be_evaluated_is_refused_on_one_line(catalog: Catalog, where: str) -> None:
    with pytest.raises(FilterError) as caught:
        passing(catalog, where=where)
    assert "\n" not in str(caught.value)
    assert passing(catalog) == ALL


def test_any_number_of_metadata_keys_and_any_spelling(catalog: Catalog) -> None:
    catalog.delete_files(record.id for record in catalog.files(live=False).values())
    many = {f"key{number}": number for number in range(3000)}
    catalog.stage_file(NewFile("many.md", 1, MAY, 0, b"", None, None, {**many, "Status": "done"}), [])
    catalog.publish_files(catalog.complete_files())
    assert len(passing(catalog, ext=("md",))) == 2
    assert len(passing(catalog, "status = 'done' OR key2999 = 0")) == 2


def test_an_endless_expression_ends(catalog: Catalog) -> None:
    endless = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n) > 0"
    with pytest.raises(FilterError):
        passing(catalog, endless, seconds=0.1)


def test_the_connection_is_free_again_after_an_expression(catalog: Catalog) -> None:
    passing(catalog, where="1")
    with catalog.transaction():
        catalog.put_setting("generation", "5")
    assert catalog.generation == 5


def test_sqlite_has_json_arrows() -> None:
    assert sqlite3.sqlite_version_info >= (3, 38)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = 'red')", ["list.md", "text.md"]),
        ("'2026' IN (SELECT value FROM JSON_EACH( tags ))", []),
        ("2026 IN (SELECT value FROM json_each(tags))", ["number.md"]),
        ("json_extract(tags, '$[0]') = 'red'", ["list.md", "text.md"]),
        ("json_array_length(tags) = 1 AND tags IS NOT NULL AND tags ->> 0 = 'red'", ["text.md"]),
        ("tags ->> 0 = 'red'", ["list.md", "text.md"]),
        ('"tags" -> 0 = \'"red"\'', ["list.md", "text.md"]),
        ("'[odd' IN (SELECT value FROM json_each(\"tags\"))", ["odd.md"]),
        ("'json_each(tags)' = 'json_each' || '(tags)' AND tags = 'red'", ["text.md"]),
        ("(SELECT count(*) FROM json_each(tags)) = 0", ["none.md"]),
    ],
)
def test_a_plain_value_counts_as_a_list_of_one(tmp_path: Path, where: str, expected: list[str]) -> None:
    tags: dict[str, Any] = {"list": ["red", "blue"], "text": "red", "number": 2026, "odd": "[odd"}
    files = [NewFile(f"{name}.md", 1, MAY, 0, b"", None, None, {"tags": value}) for name, value in tags.items()]
    with closing(Catalog.create(tmp_path, {})) as untidy:
        for file in [*files, NewFile("none.md", 1, MAY, 0, b"", None, None, {})]:
            untidy.stage_file(file, [])
        untidy.publish_files(untidy.complete_files())
        assert sorted(passing(untidy, where)) == expected
