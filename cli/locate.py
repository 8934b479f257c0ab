"""Which index a command means."""

import os
from pathlib import Path

from vsearch_core.config import INDEX_DIR
from vsearch_core.errors import IndexNotFoundError, InputError

INDEX_HELP = "The index folder; else the nearest .vsearch upward of the working folder."


def index_to_read(given: Path | None) -> Path:
    """The index that was named, or the nearest one. Raises IndexNotFoundError."""
    found = _named(given) if given is not None else nearest()
    if found is None or not found.is_dir():
        thing = str(given) if given is not None else "index"
        reason = "no index there" if given is not None else f"no {INDEX_DIR} folder here or above"
        raise IndexNotFoundError(thing, reason, "make one with `vsearch index PATH`")
    return found


def index_to_write(given: Path | None) -> Path:
    """The index that was named, or the nearest one, or a new one in the working folder."""
    if given is not None:
        return _named(given)
    return nearest() or working_folder() / INDEX_DIR


def nearest() -> Path | None:
    """The nearest `.vsearch` upward of the working folder."""
    here = working_folder()
    return next((folder / INDEX_DIR for folder in (here, *here.parents) if (folder / INDEX_DIR).is_dir()), None)


def working_folder() -> Path:
    """The working folder. Raises InputError where it has been deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise InputError("working folder", "it is there no more", "change to a folder that is") from None


def absolute(path: Path) -> Path:
    """The path from the root down, without ".."; symbolic links stay as the user named them."""
    return Path(os.path.normpath(working_folder() / path))


def _named(given: Path) -> Path:
    """`--index` may name the index folder or the project that holds it."""
    inner = given / INDEX_DIR
    return absolute(inner if inner.is_dir() else given)
