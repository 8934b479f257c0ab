"""Record of the names that the user has allowed on this machine, for each index.

An index, and the settings of its project, may come from elsewhere, and name folders to read, models to fetch and
addresses to send text to. Such a name counts only if it is on record here, in the user's own state folder, which an
index can't bring along. There is one JSON file an index; to delete it is to allow nothing any more.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from vsearch_core import config
from vsearch_core.json_text import parse_json
from vsearch_core.own_files import make_own_folders, open_file, replace_file

FOLDER = "allowed"  # in the user's state folder
_MAX_BYTES = 10_000_000
_INDEX = "index"  # the key with the real path of the index


def allowed(index: Path, kind: str) -> frozenset[str]:
    """Return the values of a kind that are on record for the index, links in its path resolved.

    None are if the record can't be read: they are then refused, or asked for.
    """
    return frozenset(_load(index).get(kind, ()))


def allow(index: Path, values: Mapping[str, Iterable[str]]) -> None:
    """Add values, by kind, to the record of the index. Raises OSError."""
    former = _load(index)
    known = {**former, **{kind: sorted({*former.get(kind, ()), *added}) for kind, added in values.items() if added}}
    if known == former:
        return
    path = _file(index)
    text = json.dumps({_INDEX: os.path.realpath(index), **known}, indent=1)
    make_own_folders(path.parent.parent, 0o700)
    make_own_folders(path.parent, 0o700)
    replace_file(path, text.encode(), suffix=f".{os.getpid()}", permissions=0o600)


def forget(index: Path) -> None:
    """Delete the record of an index, if there is one and it can be deleted."""
    with suppress(OSError):
        _file(index).unlink(missing_ok=True)


def _file(index: Path) -> Path:
    digest = sha256(os.fsencode(os.path.realpath(index))).hexdigest()
    return config.default_state_dir() / FOLDER / f"{digest[:32]}.json"


def _load(index: Path) -> dict[str, list[str]]:
    """Return the record by kind; an empty one if it can't be read."""
    try:
        with open_file(_file(index), "rb") as file:
            values = parse_json(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict) or values.get(_INDEX) != os.path.realpath(index):
        return {}
    return {
        kind: sorted(each for each in found if isinstance(each, str))
        for kind, found in values.items()
        if isinstance(found, list)
    }
