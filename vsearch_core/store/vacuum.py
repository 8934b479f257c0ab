"""Reduce the catalog's size on disk: deleted rows leave gaps in its pages, and a rewrite closes them."""

import sqlite3
from contextlib import suppress

from vsearch_core.store.catalog import Catalog

CHUNKS_DELETED = "gaps_closed"  # the setting with the number of chunks ever deleted, as of the last rewrite
DELETED_SHARE = 0.05  # rewrite once this share of the chunks was deleted: docs/adr/0014-compaction-policy.md


def reclaim_space(catalog: Catalog, deleted_share: float = DELETED_SHARE) -> None:
    """Give unused pages back to the file system. Rewrite the catalog first if many chunks were deleted.

    That is the case if the chunks deleted since the last rewrite exceed `deleted_share` of the present chunks.
    """
    chunks, deleted = _counts(catalog)
    if deleted - int(catalog.settings().get(CHUNKS_DELETED, 0)) > deleted_share * chunks:
        with suppress(sqlite3.OperationalError):  # no room on the disk: the gaps stay
            rewrite_catalog(catalog)
    catalog.release_space()


def rewrite_catalog(catalog: Catalog) -> None:
    """Rewrite the catalog without gaps in its pages, by SQLite's VACUUM. Raises sqlite3.Error.

    This needs free disk space for a copy while it works.
    """
    catalog.connection.execute("VACUUM")
    with catalog.transaction():
        catalog.put_setting(CHUNKS_DELETED, str(_counts(catalog)[1]))


def _counts(catalog: Catalog) -> tuple[int, int]:
    """Return the number of chunks, and of all chunks ever deleted, which follows from the last id."""
    (chunks,) = catalog.connection.execute("SELECT coalesce(sum(chunks), 0) FROM files").fetchone()
    row = catalog.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    return chunks, (row[0] if row else 0) - chunks
