"""Files that were skipped, with the reason: they hold no text, could not be read, or were excluded by the walk.

A file that was opened and could not be read is opened again only when it changes, or when its readers do; a file that
the walk excluded is reported by every walk.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import checksum_ok


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that is not indexed; times as in FileRecord.

    `binary` is True if it holds nothing to read, False if it can't be read. `readers` names the version of the readers
    that tried it, "" if it was not opened.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    binary: bool
    reason: str
    readers: str

    @property
    def stamp(self) -> tuple[int, int, int]:
        """Return size and times, which are compared to detect a change: see `SourceFile.stamp`."""
        return self.size, self.mtime_ns, self.ctime_ns


def unopened_file(path: str, reason: str, *, binary: bool) -> SkippedFile:
    """Return the record of a file that was not, or could not be, opened: each run looks at it anew."""
    return SkippedFile(path, 0, 0, 0, binary, reason, "")


def load_skipped(catalog: Catalog) -> dict[str, SkippedFile]:
    """Return all skipped files by path. Deletes damaged rows, whose files are then read again."""
    damaged = f"NOT {checksum_ok(catalog.connection, 'passed_over')}"
    catalog.connection.execute(f"DELETE FROM passed_over WHERE {damaged}")
    query = "SELECT path, size, mtime_ns, ctime_ns, binary, reason, readers FROM passed_over"
    rows = catalog.connection.execute(query)
    return {
        path: SkippedFile(path, size, mtime_ns, ctime_ns, bool(binary), reason, readers)
        for path, size, mtime_ns, ctime_ns, binary, reason, readers in rows
    }


def skipped_paths(catalog: Catalog) -> list[str]:
    """Return the paths of all skipped files."""
    return [path for (path,) in catalog.connection.execute("SELECT path FROM passed_over")]


def record_skipped(catalog: Catalog, file: SkippedFile) -> None:
    """Record a skipped file, in place of an earlier record of its path."""
    values = (file.path, *file.stamp, file.readers, int(file.binary), file.reason)
    catalog.connection.execute(
        "INSERT OR REPLACE INTO passed_over (path, size, mtime_ns, ctime_ns, readers, binary, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def clear_skipped(catalog: Catalog, paths: Iterable[str]) -> None:
    """Delete the records of files that are gone or could now be read."""
    catalog.connection.executemany("DELETE FROM passed_over WHERE path = ?", ((path,) for path in paths))
