"""Say of hits whether their files have changed or are gone since they were indexed."""

import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from vsearch_core.search.results import Hit

CHANGED: Final = "changed"
GONE: Final = "gone"


def mtime_text(seconds: float) -> str:
    """Return a file's time of modification as hits have it, such as "2026-03-01T12:00:00" in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def with_staleness(root: Path, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    """Return the hits with `stale` set where it isn't None. Their paths are relative to `root`, or absolute.

    A file whose time of modification differs counts as changed; no file is opened.
    """
    known: dict[str, Literal["changed", "gone"] | None] = {}
    for hit in hits:
        if hit.path not in known:
            known[hit.path] = _staleness(root / hit.path, hit.mtime)
    return tuple(replace(hit, stale=stale) if (stale := known[hit.path]) else hit for hit in hits)


def _staleness(path: Path, mtime: str | None) -> Literal["changed", "gone"] | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return GONE
    except (OSError, ValueError):  # no permission, say: the file may be there
        return None
    if not stat.S_ISREG(found.st_mode):
        return GONE
    try:
        return None if mtime is None or mtime_text(found.st_mtime_ns // 1_000_000_000) == mtime else CHANGED
    except (OverflowError, ValueError, OSError):
        return None
