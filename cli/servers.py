"""Indexes on servers among the values of --index: each is known by the folder that stages documents for it."""

import re
from collections.abc import Mapping
from pathlib import Path

from vsearch_core.errors import InputError

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_ADDRESSES: dict[Path, str] = {}  # that this process was given, by folder


def index_named(text: str) -> Path:
    """Return the folder that a value of --index names; for an address, the folder for staging in the working folder.

    Raises InputError for a malformed address, and for a URL of another kind, whose text may be secret.
    """
    from vsearch_core.store.server.address import is_server_address, parse_server_address

    from .locate import working_folder

    if not is_server_address(text):
        if url := _URL.match(text):
            raise InputError(f"{url[1]}://", "is no kind of address of an index", "invalid-server-address")
        return Path(text)
    folder = working_folder() / parse_server_address(text).folder_name
    _ADDRESSES[folder] = text
    return folder


def address_of(folder: Path) -> str | None:
    """Return the address of the index on a server that a folder stands for, or None. It may contain a password."""
    return _ADDRESSES.get(folder)


def refuse_server_with(folder: Path, options: Mapping[str, bool]) -> None:
    """Raise InputError if the folder stands for an index on a server and one of the options is given."""
    for option, is_given in options.items():
        if is_given:
            refuse_server(folder, option)


def refuse_server(folder: Path, what: str) -> None:
    """Raise InputError if the folder stands for an index on a server; `what` names what can't be done there."""
    address = address_of(folder)
    if address is not None:
        from vsearch_core.store.server.address import parse_server_address

        raise InputError(parse_server_address(address).name, f"{what} works on local indexes only", "not-on-servers")
