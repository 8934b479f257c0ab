"""Which index a command means."""

import os
from pathlib import Path

from vsearch_core.config import CONFIG_FILE, INDEX_DIR
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
    """The nearest `.vsearch` upward of the working folder that holds an index, or what one is to be made with."""
    here = working_folder()
    indexes = (folder / INDEX_DIR for folder in (here, *here.parents))
    return next((index for index in indexes if _is_index(index)), None)


def _is_index(folder: Path) -> bool:
    from vsearch_core.store.lost import is_lost
    from vsearch_core.store.schema import CATALOG_FILE

    try:
        return any((folder / name).is_file() for name in (CATALOG_FILE, CONFIG_FILE)) or is_lost(folder)
    except PermissionError:
        return True  # whoever opens it says so


def working_folder() -> Path:
    """The working folder. Raises InputError where it has been deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise InputError("working folder", "it is there no more", "change to a folder that is") from None


def absolute(path: Path) -> Path:
    """The path from the root down, without ".."; symbolic links stay as the user named them."""
    return Path(os.path.normpath(working_folder() / path))


def file(given: str) -> Path:
    """A file or folder that was named; "~" is the home folder, also where the shell has left it as it is."""
    return absolute(expanded(given))


def expanded(given: str) -> Path:
    """What was named, with "~" as the home folder."""
    try:
        return Path(given).expanduser()
    except RuntimeError:
        raise InputError(given, "there is no such home folder", "name it by its whole path") from None


def _named(given: Path) -> Path:
    """`--index` names the index folder, or a project folder, whose index is the `.vsearch` in it.

    A folder that holds other things than an index is a project: an index is never mixed with somebody's files.
    """
    from vsearch_core.store.io_errors import file_errors

    folder = absolute(given)
    inner = folder / INDEX_DIR
    with file_errors(folder):
        is_project = inner.is_dir() or (folder.name != INDEX_DIR and folder.is_dir() and _holds_other_things(folder))
    return inner if is_project else folder


def _holds_other_things(folder: Path) -> bool:
    from vsearch_core.store.lock import HOLDER_FILE, LOCK_FILE
    from vsearch_core.store.lost import is_lost
    from vsearch_core.store.schema import CATALOG_FILE
    from vsearch_core.store.segment import SEGMENTS_DIR

    ours = (CATALOG_FILE, HOLDER_FILE, CONFIG_FILE)
    names = {path.name for path in folder.iterdir() if not path.name.startswith(ours)}
    begun = {LOCK_FILE, SEGMENTS_DIR} if LOCK_FILE in names else set()  # what an interrupted import leaves
    return not (folder / CATALOG_FILE).exists() and not is_lost(folder) and not names <= begun
