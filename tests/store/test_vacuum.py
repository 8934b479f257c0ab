import os
import sqlite3
from pathlib import Path

import pytest

from vsearch_core.model import Chunk
from vsearch_core.store import schema, vacuum
from vsearch_core.store.catalog import Catalog, NewFile


@pytest.fixture
def catalog(tmp_path: Path):
    """Twenty files of twenty chunks whose texts do not compress."""
    catalog = Catalog.create(tmp_path, {"generation": "0"})
    for number in range(20):
        texts = [os.urandom(600).hex() for _ in range(20)]
        file = NewFile(f"{number}.txt", 1, 2, 3, b"h", None, None, {})
        catalog.stage_file(file, [Chunk(text, 0, len(text), 1, 1, None, None) for text in texts])
    yield catalog
    catalog.close()


def pages(catalog: Catalog) -> int:
    (count,) = catalog.connection.execute("PRAGMA page_count").fetchone()
    (free,) = catalog.connection.execute("PRAGMA freelist_count").fetchone()
    return int(count) - int(free)


def thin_out(catalog: Catalog, share: float) -> None:
    """Delete some chunks all over the table, as if their files had been small."""
    with catalog.transaction():
        catalog.connection.execute("DELETE FROM chunks WHERE ordinal >= ?", (20 * (1 - share),))
        catalog.connection.execute("UPDATE files SET chunks = (SELECT count(*) FROM chunks WHERE file_id = files.id)")


def test_many_gaps_are_closed_and_a_few_are_left(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum, "GAPS_SHARE", 0.2)
    catalog.release_space()
    whole = pages(catalog)
    thin_out(catalog, 0.1)
    vacuum.reclaim_space(catalog)
    assert catalog.settings().get(vacuum.GAPS) is None
    thin_out(catalog, 0.5)
    vacuum.reclaim_space(catalog)
    assert pages(catalog) < 0.8 * whole
    assert catalog.settings()[vacuum.GAPS] == "200"
    assert schema.has_our_header(catalog.index)
    assert schema.seal_matches(catalog.connection)
    assert not any(schema.rows_with_bad_checksums(catalog.connection, table) for table in schema.TABLES)
    before = catalog.connection.total_changes
    vacuum.reclaim_space(catalog)
    assert catalog.connection.total_changes == before


def test_a_disk_without_room_keeps_the_gaps(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_catalog: Catalog) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(vacuum, "rewrite_catalog", full)
    thin_out(catalog, 0.5)
    vacuum.reclaim_space(catalog)
    assert catalog.settings().get(vacuum.GAPS) is None
