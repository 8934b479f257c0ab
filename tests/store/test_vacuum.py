"""The catalog's size on disk after deletions."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsearch_core.model import Chunk
from vsearch_core.store import vacuum
from vsearch_core.store.catalog import Catalog, NewFile
from vsearch_core.store.checksums import rows_with_bad_checksums, seal_matches
from vsearch_core.store.connections import has_our_header
from vsearch_core.store.tables import TABLES


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Twenty files of twenty chunks each, whose texts do not compress."""
    catalog = Catalog.create(tmp_path, {"generation": "0"})
    for number in range(20):
        texts = [os.urandom(600).hex() for _ in range(20)]
        file = NewFile(f"{number}.txt", 1, 2, 3, b"h", None, None, {})
        catalog.stage_file(file, [Chunk(text, 0, len(text), 1, 1, None, None) for text in texts])
    yield catalog
    catalog.close()


def used_pages(catalog: Catalog) -> int:
    (count,) = catalog.connection.execute("PRAGMA page_count").fetchone()
    (free,) = catalog.connection.execute("PRAGMA freelist_count").fetchone()
    return int(count) - int(free)


def delete_chunks(catalog: Catalog, share: float) -> None:
    """Delete that share of the chunks, spread over the whole table."""
    with catalog.transaction():
        catalog.connection.execute("DELETE FROM chunks WHERE ordinal >= ?", (20 * (1 - share),))
        catalog.connection.execute("UPDATE files SET chunks = (SELECT count(*) FROM chunks WHERE file_id = files.id)")


def test_the_catalog_is_rewritten_only_after_many_deletions(catalog: Catalog) -> None:
    catalog.release_space()
    before = used_pages(catalog)
    delete_chunks(catalog, 0.1)
    vacuum.reclaim_space(catalog, deleted_share=0.2)
    assert catalog.settings().get(vacuum.CHUNKS_DELETED) is None
    delete_chunks(catalog, 0.5)
    vacuum.reclaim_space(catalog, deleted_share=0.2)
    assert used_pages(catalog) < 0.8 * before
    assert catalog.settings()[vacuum.CHUNKS_DELETED] == "200"
    assert has_our_header(catalog.index)
    assert seal_matches(catalog.connection)
    assert not any(rows_with_bad_checksums(catalog.connection, table) for table in TABLES)
    changes = catalog.connection.total_changes
    vacuum.reclaim_space(catalog, deleted_share=0.2)
    assert catalog.connection.total_changes == changes


def test_a_full_disk_leaves_the_catalog_unchanged(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_catalog: Catalog) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(vacuum, "rewrite_catalog", full)
    delete_chunks(catalog, 0.5)
    vacuum.reclaim_space(catalog)
    assert catalog.settings().get(vacuum.CHUNKS_DELETED) is None
