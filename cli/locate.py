"""Find the index that a command works on, and turn the paths in its arguments into absolute paths."""

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from vsearch_core.config import CONFIG_FILE, INDEX_DIR
from vsearch_core.errors import IndexNotFoundError, InputError

from .option_rules import running_command
from .output import complain
from .servers import address_of, index_named, refuse_server

INDEXES = "indexes"  # the setting, and the kind of record that a user has chosen a folder in it (`allowed`)
INDEX_HELP = "The index folder.  [default: the nearest .vsearch, from the working folder upwards]"
INDEXES_HELP = f"{INDEX_HELP.replace('folder.', 'folder; given twice, both are searched as one.', 1)}"
_ADDRESS_HELP = "Or the address of one on a server: postgresql://HOST/DB?schema=NAME, milvus://HOST/NAME."
INDEX_OPTION = typer.Option("--index", metavar="DIR", parser=index_named, help=INDEX_HELP)
INDEXES_OPTION = typer.Option("--index", metavar="DIR", parser=index_named, help=INDEXES_HELP)
INDEX_OR_SERVER = typer.Option("--index", metavar="DIR", parser=index_named, help=f"{INDEX_HELP} {_ADDRESS_HELP}")
_SERVERS_HELP = f"{INDEXES_HELP} {_ADDRESS_HELP}"
INDEXES_OR_SERVER = typer.Option("--index", metavar="DIR", parser=index_named, help=_SERVERS_HELP)
EVERYWHERE_HELP = "Also search the indexes that the setting `indexes` names."


def index_to_read(given: Path | None, *, servers: bool = False) -> Path:
    """Return the given index folder, or else the nearest one. Raises IndexNotFoundError if there is none.

    A folder that stands for an index on a server need not exist. Raises InputError for one if not `servers`.
    """
    if given is not None and address_of(given) is not None:
        if not servers:
            refuse_server(given, running_command())
        return given
    found = _named(given) if given is not None else nearest()
    if found is None or not found.is_dir():
        if given is not None:
            raise IndexNotFoundError(str(given), "there is no index here")
        raise IndexNotFoundError("index", f"there is no {INDEX_DIR} folder here or above")
    return found


def indexes_to_read(given: Sequence[Path], *, everywhere: bool, servers: bool = False) -> list[Path]:
    """Return the given index folders, or else the nearest one; `everywhere`: and those that the settings name.

    `servers` is as for `index_to_read`. Each folder is returned once. One that the settings name and that doesn't exist
    is left out, with a warning. Raises IndexNotFoundError if a given one doesn't exist, or if there is none at all.
    """
    folders = [index_to_read(each, servers=servers) for each in given]
    if not folders and (not everywhere or nearest() is not None):
        folders = [index_to_read(None)]
    if everywhere:
        folders += _configured_indexes(folders[0] if folders else working_folder() / INDEX_DIR)
    if not folders:
        raise IndexNotFoundError("index", f"there is no {INDEX_DIR} folder here or above, nor in the setting indexes")
    if len(folders) > 1:
        for folder in folders:
            refuse_server(folder, "a search over several indexes")
    return list({folder.resolve(): folder for folder in reversed(folders)}.values())[::-1]


def _configured_indexes(index: Path) -> list[Path]:
    """Return the folders in the setting `indexes`; relative ones start from the folder around `index`.

    A project's file may come from elsewhere. What it names counts if it is inside the project, or if the user has set
    it by `vsearch config` on this machine. Raises InputError for anything else.
    """
    from vsearch_core.allowed import allowed

    from .defaults import read_defaults

    setting = read_defaults(index)["indexes"]
    project = None if setting.origin != str(index / CONFIG_FILE) else index.parent.resolve()
    found = []
    for name in setting.value:
        folder = configured_folder(index, name)
        real = folder.resolve()
        is_chosen = project is None or real.is_relative_to(project) or str(real) in allowed(index, INDEXES)
        if not is_chosen:
            reason = f"names {name}, an index outside of the project that was never chosen on this machine"
            advice = "if you want it, set it with `vsearch config indexes`, or name it by --index"
            raise InputError(setting.origin, f"{reason}; {advice}")
        if folder.is_dir():
            found.append(folder)
        else:
            complain(f"{name}: the setting indexes names it, but there is no index; left out")
    return found


def configured_folder(index: Path, name: str) -> Path:
    """Return the index folder that `name` in the setting `indexes` means, as seen from the index `index`."""
    return _named(index.parent / expanded(name))


def index_to_write(given: Path | None, *, servers: bool = False) -> Path:
    """Return the given index folder, or else the nearest one, or else `.vsearch` in the working folder.

    `servers` is as for `index_to_read`.
    """
    if given is not None and address_of(given) is not None:
        if not servers:
            refuse_server(given, running_command())
        return given
    if given is not None:
        return _named(given)
    return nearest() or working_folder() / INDEX_DIR


def nearest() -> Path | None:
    """Return the nearest `.vsearch` folder with an index or a configuration, here or above; None if there is none."""
    here = working_folder()
    indexes = (folder / INDEX_DIR for folder in (here, *here.parents))
    return next((index for index in indexes if _is_index(index)), None)


def _is_index(folder: Path) -> bool:
    from vsearch_core.store.connections import has_lost_catalog
    from vsearch_core.store.tables import CATALOG_FILE

    try:
        return any((folder / name).exists() for name in (CATALOG_FILE, CONFIG_FILE)) or has_lost_catalog(folder)
    except PermissionError:
        return True  # opening it says so


def working_folder() -> Path:
    """Return the working folder. Raises InputError if it has been deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise InputError("working folder", "no longer exists; change to another folder") from None


def absolute(path: Path) -> Path:
    """Return the absolute path without "..", but don't resolve symbolic links."""
    return Path(os.path.normpath(working_folder() / path))


def named(given: str) -> Path:
    """Return the absolute path of a file or folder that the user named. Raises InputError if the name is empty."""
    if not given:
        raise InputError("path", "it is empty; write . for the working folder")
    return absolute(Path(given))


def file(given: str) -> Path:
    """Return the absolute path of a file or folder that the user named; "~" is replaced with the home folder."""
    return absolute(expanded(given))


def store_url(given: str) -> str:
    """Return the URL of a store of snapshots; "file:FOLDER" becomes the URL of that folder, from the working folder."""
    scheme, colon, path = given.partition(":")
    if scheme != "file" or not colon or path.startswith("/"):
        return given
    if not path:
        raise InputError(given, "names no folder; write file:FOLDER")
    return file(path).as_uri()


def expanded(given: str) -> Path:
    """Return the path with "~" or "~user" replaced with the home folder. Raises InputError for an unknown user."""
    try:
        return Path(given).expanduser()
    except RuntimeError:
        raise InputError(given, "there is no such home folder; give the absolute path") from None


def _named(given: Path) -> Path:
    from vsearch_core.library.opening import index_folder

    return index_folder(absolute(given))
