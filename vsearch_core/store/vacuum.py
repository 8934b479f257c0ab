"""The catalog's size on disk: deleted rows leave gaps in its pages, which a rewrite of the catalog closes."""

import sqlite3
from contextlib import suppress

from vsearch_core.store.catalog import Catalog

CHUNKS_DELETED = "gaps_closed"  # the setting with the number of chunks ever deleted, as of the last rewrite
DELETED_SHARE = 0.05  # rewrite once this share of the chunks was deleted: docs/adr/0014-compaction-policy.md


def reclaim_space(catalog: Catalog, deleted_share: float = DELETED_SHARE) -> None:
    """Return unused pages to the file system, after a rewrite of the catalog if many chunks were deleted.

    Many are more than `deleted_share` of the present chunks, deleted since the last rewrite.
    """
    chunks, deleted = _counts(catalog)
    if deleted - int(catalog.settings().get(CHUNKS_DELETED, 0)) > deleted_share * chunks:
        with suppress(sqlite3.OperationalError):  # no room on the disk: the gaps stay
            rewrite_catalog(catalog)
    catalog.release_space()


def rewrite_catalog(catalog: Catalog) -> None:
    """Rewrite the catalog with full pages. Takes free space for a copy while it works. Raises sqlite3.Error."""
    catalog.connection.execute("VACUUM")
    with catalog.transaction():
        catalog.put_setting(CHUNKS_DELETED, str(_counts(catalog)[1]))


def _counts(catalog: Catalog) -> tuple[int, int]:
    """Return the number of chunks, and of chunks ever deleted: ids are never used twice."""
    (chunks,) = catalog.connection.execute("SELECT coalesce(sum(chunks), 0) FROM files").fetchone()
    row = catalog.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    return chunks, (row[0] if row else 0) - chunks
