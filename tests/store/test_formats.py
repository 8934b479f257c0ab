"""Catalog formats: the current, older and newer ones; and forged catalogs."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from vsearch_core.errors import IndexCorruptError, IndexVersionError, VsearchError
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import rows_with_bad_checksums
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.tables import CATALOG_FILE, STATEMENTS, CatalogFormat


@pytest.fixture
def index(tmp_path: Path) -> Path:
    Catalog.create(tmp_path, {"generation": "0"}).close()
    return tmp_path


def alter(index: Path, *statements: str) -> bytes:
    """Run statements behind vsearch's back; return the file's bytes."""
    with closing(sqlite3.connect(index / CATALOG_FILE, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return (index / CATALOG_FILE).read_bytes()


def set_sealed(index: Path, *statements: str) -> None:
    """Change and seal a catalog, as a newer vsearch would."""
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        for statement in statements:
            catalog.connection.execute(statement)


def test_a_newer_format_that_this_version_can_read_is_not_written(index: Path) -> None:
    set_sealed(index, "UPDATE settings SET value = '1' WHERE key = 'min_reader'", "PRAGMA user_version = 7")
    alter(index, "CREATE TABLE later (a)")
    before = (index / CATALOG_FILE).read_bytes()
    Catalog.open_to_read(index).close()
    with pytest.raises(IndexVersionError, match="format 7") as caught:
        Catalog.open_to_write(index)
    assert caught.value.code == "index-version"
    assert (index / CATALOG_FILE).read_bytes() == before


@pytest.mark.parametrize("least", ["7", "", "no number"])
def test_a_newer_format_that_this_version_cannot_read_is_refused_unchanged(index: Path, least: str) -> None:
    set_sealed(index, f"UPDATE settings SET value = '{least}' WHERE key = 'min_reader'", "PRAGMA user_version = 7")
    before = (index / CATALOG_FILE).read_bytes()
    for opened in (Catalog.open_to_read, Catalog.open_to_write):
        with pytest.raises(IndexVersionError, match="format 7") as caught:
            opened(index)
        assert caught.value.code == "index-version"
    assert (index / CATALOG_FILE).read_bytes() == before


def test_an_older_format_that_can_not_be_migrated_is_refused_untouched(index: Path) -> None:
    before = alter(index, "PRAGMA user_version = 0")
    for opened in (Catalog.open_to_read, Catalog.open_to_write):
        with pytest.raises(IndexVersionError, match="format 0") as caught:
            opened(index)
        assert caught.value.code == "index-too-old"
    assert (index / CATALOG_FILE).read_bytes() == before


NEXT_FORMAT = CatalogFormat(
    version=2,
    statements=tuple(
        text.replace("crc INTEGER)", "crc INTEGER, note TEXT)") if "TABLE files" in text else text
        for text in STATEMENTS
    ),
    migrations={
        1: ("ALTER TABLE files ADD COLUMN note TEXT", "INSERT INTO settings (key, value) VALUES ('added', 'yes')")
    },
)


def test_an_older_format_is_migrated_by_the_writer(index: Path) -> None:
    with pytest.raises(IndexVersionError, match="format 1") as caught:
        Catalog.open_to_read(index, NEXT_FORMAT)
    assert caught.value.code == "index-needs-migration"
    Catalog.open_to_write(index, NEXT_FORMAT).close()
    with closing(Catalog.open_to_read(index, NEXT_FORMAT)) as catalog:
        assert catalog.settings()["added"] == "yes"
        assert catalog.connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_migration_that_fails_changes_nothing(index: Path) -> None:
    failing = replace(NEXT_FORMAT, migrations={1: ("ALTER TABLE files ADD COLUMN note TEXT", "nonsense")})
    before = (index / CATALOG_FILE).read_bytes()
    with pytest.raises(sqlite3.OperationalError):
        Catalog.open_to_write(index, failing)
    assert (index / CATALOG_FILE).read_bytes() == before


def test_damage_is_not_migrated(index: Path) -> None:
    alter(index, "UPDATE settings SET value = '9' WHERE key = 'generation'")
    with pytest.raises(IndexCorruptError):
        Catalog.open_to_write(index, NEXT_FORMAT)


HOSTILE = {
    "a trigger": ("CREATE TRIGGER t AFTER INSERT ON files BEGIN DELETE FROM chunks; END",),
    "a view": ("CREATE VIEW v AS SELECT load_extension('x')",),
    "a view for a table": (
        "DROP TABLE sources",
        "CREATE VIEW sources AS SELECT 'a' AS path, '{}' AS options, 0 AS crc",
    ),
    "a virtual table": ("CREATE VIRTUAL TABLE t USING fts5(a)",),
    "an index over an expression": ("CREATE INDEX i ON files (upper(path))",),
    "a column that computes": ("ALTER TABLE files ADD COLUMN x INTEGER AS (abs(size))",),
    "a missing table": ("DROP TABLE staged",),
    "a changed row": ("UPDATE settings SET value = '5' WHERE key = 'generation'",),
    "a removed row": ("DELETE FROM settings WHERE key = 'generation'",),
}


@pytest.mark.parametrize("statements", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_forged_catalog_is_refused(index: Path, statements: Sequence[str]) -> None:
    alter(index, *statements)
    for opened in (Catalog.open_to_read, Catalog.open_to_write):
        with pytest.raises(VsearchError), storage_errors(index):
            opened(index)


def test_every_row_has_a_checksum_of_itself(index: Path) -> None:
    with closing(Catalog.open_to_write(index)) as catalog:
        catalog.put_source("a", {"x": 1})
        catalog.put_source("a", {"x": 2})
        catalog.connection.execute("UPDATE sources SET path = 'b'")
        assert rows_with_bad_checksums(catalog.connection, "sources") == []
    alter(index, "UPDATE sources SET path = 'c'")
    with closing(Catalog.open_to_read(index)) as catalog:
        assert rows_with_bad_checksums(catalog.connection, "sources") != []
