"""Record the files that an update skips, and the reasons.

A skipped file contains no text, can't be read, or is excluded. A file that can't be read is opened again only after a
change of the file or of the extractors. Excluded files are found again by every update.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import checksum_ok


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that an update skipped, with the reason. Size and times are as in `FileRecord`.

    `binary` is True if the file contains nothing to index, and False if it can't be read. `readers` is the version of
    the extractors that tried to read it, or "" if it was not opened.
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
        """Return the size and times, which an update compares to detect a change (see `SourceFile.stamp`)."""
        return self.size, self.mtime_ns, self.ctime_ns


def unopened_file(path: str, reason: str, *, binary: bool) -> SkippedFile:
    """Return the record of a file that was excluded or can't be opened. Each update tries it again."""
    return SkippedFile(path, 0, 0, 0, binary, reason, "")


def load_skipped(catalog: Catalog) -> dict[str, SkippedFile]:
    """Return all skipped files by path. Delete damaged records, so that their files are read again."""
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
    """Store the record of a skipped file. It replaces an earlier record of the same path."""
    values = (file.path, *file.stamp, file.readers, int(file.binary), file.reason)
    catalog.connection.execute(
        "INSERT OR REPLACE INTO passed_over (path, size, mtime_ns, ctime_ns, readers, binary, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def clear_skipped(catalog: Catalog, paths: Iterable[str]) -> None:
    """Delete the records of files that no longer exist or could now be read."""
    catalog.connection.executemany("DELETE FROM passed_over WHERE path = ?", ((path,) for path in paths))
