"""Indexes that came from elsewhere, with links planted in them, and what lies outside and must not change."""

import os
from pathlib import Path


def contents(folder: Path) -> dict[str, bytes | str]:
    """Return everything in a folder, by path: bytes of files, targets of links, "" of folders."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""  # noqa: PTH115
    return found


def plant(path: Path, target: Path) -> None:
    """Put a link to the target in the path's place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rename(target)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(os.path.relpath(target, path.parent))
