"""Files that hold no text, could not be read or were left alone: remembered with the reason.

What was opened in vain is opened again only when it changes; what a walk left alone is told by every walk anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from vsearch_core.store import schema
from vsearch_core.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that is not read. `binary`: there is nothing to read; otherwise it can't be. Times as in FileRecord.

    `readers` are those that have tried to read it, "" where it was not opened.
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
        """As `SourceFile.stamp`."""
        return self.size, self.mtime_ns, self.ctime_ns


def unopened_file(path: str, reason: str, *, binary: bool) -> SkippedFile:
    """What is remembered of a file that was not opened, or would not open: no run goes by it."""
    return SkippedFile(path, 0, 0, 0, binary, reason, "")


def load_skipped(catalog: Catalog) -> dict[str, SkippedFile]:
    """All that was passed over, by path. What a damaged row says is forgotten."""
    damaged = f"NOT {schema.checksum_ok(catalog.connection, 'passed_over')}"
    catalog.connection.execute(f"DELETE FROM passed_over WHERE {damaged}")
    query = "SELECT path, size, mtime_ns, ctime_ns, binary, reason, readers FROM passed_over"
    rows = catalog.connection.execute(query)
    return {
        path: SkippedFile(path, size, mtime_ns, ctime_ns, bool(binary), reason, readers)
        for path, size, mtime_ns, ctime_ns, binary, reason, readers in rows
    }


def skipped_paths(catalog: Catalog) -> list[str]:
    """The paths of all files that were passed over, by whatever readers."""
    return [path for (path,) in catalog.connection.execute("SELECT path FROM passed_over")]


def record_skipped(catalog: Catalog, file: SkippedFile) -> None:
    """Note a file that is not read, in place of what was noted of it before."""
    values = (file.path, *file.stamp, file.readers, int(file.binary), file.reason)
    catalog.connection.execute(
        "INSERT OR REPLACE INTO passed_over (path, size, mtime_ns, ctime_ns, readers, binary, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def clear_skipped(catalog: Catalog, paths: Iterable[str]) -> None:
    """Forget files that are gone, or could be read now."""
    catalog.connection.executemany("DELETE FROM passed_over WHERE path = ?", ((path,) for path in paths))
