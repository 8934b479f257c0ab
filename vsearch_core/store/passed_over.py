"""Files that hold no text, or could not be read: remembered, so that they are opened again only when they change."""

from collections.abc import Iterable
from dataclasses import dataclass

from vsearch_core.store import schema
from vsearch_core.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file that was opened in vain. `binary`: it holds no text; otherwise it is damaged. Times as in FileRecord."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    binary: bool
    reason: str

    @property
    def stamp(self) -> tuple[int, int, int]:
        """As `SourceFile.stamp`."""
        return self.size, self.mtime_ns, self.ctime_ns


def recall(catalog: Catalog, readers: str, *, retry: bool) -> dict[str, PassedOver]:
    """What these readers passed over, by path; what others did, or is damaged, is forgotten; with `retry`, all."""
    damaged = f"NOT {schema.sound(catalog.connection, 'passed_over')}"
    catalog.connection.execute(f"DELETE FROM passed_over WHERE readers <> ? OR ? OR {damaged}", (readers, retry))
    query = "SELECT path, size, mtime_ns, ctime_ns, binary, reason FROM passed_over"
    rows = catalog.connection.execute(query)
    return {
        path: PassedOver(path, size, mtime_ns, ctime_ns, bool(binary), reason)
        for path, size, mtime_ns, ctime_ns, binary, reason in rows
    }


def remembered(catalog: Catalog) -> list[str]:
    """The paths of all files that were passed over, by whatever readers."""
    return [path for (path,) in catalog.connection.execute("SELECT path FROM passed_over")]


def remember(catalog: Catalog, readers: str, file: PassedOver) -> None:
    """Note a file that was opened in vain, in place of what was noted of it before."""
    values = (file.path, *file.stamp, readers, int(file.binary), file.reason)
    catalog.connection.execute(
        "INSERT OR REPLACE INTO passed_over (path, size, mtime_ns, ctime_ns, readers, binary, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def forget(catalog: Catalog, paths: Iterable[str]) -> None:
    """Forget files that are gone, or could be read now."""
    catalog.connection.executemany("DELETE FROM passed_over WHERE path = ?", ((path,) for path in paths))
