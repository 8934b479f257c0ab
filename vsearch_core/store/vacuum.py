"""The catalog's size on disk: rows that have gone leave gaps, which now and then are closed."""

import sqlite3
from contextlib import suppress

from vsearch_core.store.catalog import Catalog

GAPS = "gaps_closed"  # the setting that says how many chunks had ever been deleted when the catalog was last rebuilt
GAPS_SHARE = (
    0.05  # of the chunks there are: so many deleted since, and it is rebuilt: docs/adr/0014-compaction-policy.md
)


def reclaim_space(catalog: Catalog) -> None:
    """Give pages that nothing needs back to the file system; rebuild the catalog when many chunks were deleted."""
    chunks, deleted = _counts(catalog)
    if deleted - int(catalog.settings().get(GAPS, 0)) > GAPS_SHARE * chunks:
        with suppress(sqlite3.OperationalError):  # a disk without the room for it: the gaps stay
            rewrite_catalog(catalog)
    catalog.release_space()


def rewrite_catalog(catalog: Catalog) -> None:
    """Write the catalog anew, every page full. Takes free space for another copy while it works."""
    catalog.connection.execute("VACUUM")
    with catalog.transaction():
        catalog.put_setting(GAPS, str(_counts(catalog)[1]))


def _counts(catalog: Catalog) -> tuple[int, int]:
    """How many chunks there are, and how many there ever were that are no more: their ids are never used again."""
    (chunks,) = catalog.connection.execute("SELECT coalesce(sum(chunks), 0) FROM files").fetchone()
    row = catalog.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    return chunks, (row[0] if row else 0) - chunks
