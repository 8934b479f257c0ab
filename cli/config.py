"""The command `vsearch config`."""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import defaults, locate
from .advice import describe
from .defaults import SETTINGS, Default
from .opening import absolute_model
from .option_rules import refuse_idle_options
from .output import complain, emit, one_line, to_json

if TYPE_CHECKING:
    from vsearch_core.errors import VsearchError


def config(
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="The setting to show or set.")] = None,
    value: Annotated[str | None, typer.Argument(metavar="[VALUE]", help="The new value, for this project.")] = None,
    user: Annotated[bool, typer.Option("--user", help="Show or set your own values, for all your projects.")] = False,
    unset: Annotated[bool, typer.Option("--unset", help="Remove KEY, so that its default counts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the settings as JSON.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
) -> int:
    """Show the defaults of options, or set one: `vsearch config k 20`.

    An option on the command line comes first, then the environment (such as VSEARCH_K), then the project's
    .vsearch/config.toml, then your own configuration file.
    """
    from vsearch_core.allowed import allow
    from vsearch_core.errors import InputError

    if key is not None and key not in SETTINGS:
        raise InputError(f"config {key}", f"there is no such setting; choose one of: {', '.join(SETTINGS)}")
    if unset and (key is None or value is not None):
        raise InputError("--unset", "needs the name of one setting and no value, such as `vsearch config --unset k`")
    refuse_idle_options("config", scope="user" if user else "project")
    index = locate.index_to_write(index_dir)
    files = dict(zip(("user", "project"), defaults.config_files(index), strict=True))
    if key is not None and unset:
        _put(files["user" if user else "project"], key, None)
    if key is not None and value is not None:
        if SETTINGS[key].personal and not user:
            raise InputError(f"config {key}", "can't be set for a project; set it for yourself with --user")
        chosen_value = defaults.value_of(f"config {key}", key, value)
        _put(files["user" if user else "project"], key, chosen_value)
        if isinstance(chosen_value, str) and not user:
            named = str(absolute_model(chosen_value, index.parent) if key == "model" else chosen_value)
            with suppress(OSError):  # the user is then asked about it
                allow(index, {key: [named]})
        if key == locate.INDEXES and not user:
            with suppress(OSError):  # they are then refused
                allow(index, {key: [str(locate.configured_folder(index, each).resolve()) for each in chosen_value]})
    found = _of_user(files["user"]) if user else defaults.read_defaults(index, unknown=_complain)
    chosen = found if key is None else {key: found[key]}
    if as_json:
        values = [{"key": name, "value": each.value, "from": each.origin} for name, each in chosen.items()]
        places = {name: str(path) for name, path in files.items()}
        emit(to_json({"schema": "vsearch.config/1", "files": places, "values": values}))
    elif key is None:
        shown = {name: one_line(_shown(each.value)) for name, each in found.items()}
        width = max(map(len, shown.values()))
        emit("\n".join(f"{name:<14} {shown[name]:<{width}} {one_line(each.origin)}" for name, each in found.items()))
    else:
        emit(one_line(_shown(found[key].value)))
    return 0


def _complain(error: "VsearchError") -> None:
    complain(describe(error))


def _of_user(path: Path) -> dict[str, Default]:
    """Return the user's own value of each setting, or None where their file has none."""
    values = defaults.read_file(path, personal=True, unknown=_complain)
    return {key: Default(values.get(key), str(path) if key in values else "not set") for key in SETTINGS}


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) or "-" if isinstance(value, list | tuple) else str(value)


def _put(path: Path, key: str, value: Any) -> None:
    """Set a key in a file, or remove it if `value` is None, and change no other line.

    Raises InputError if the key is not on its own line.
    """
    from vsearch_core.errors import InputError
    from vsearch_core.own_files import make_own_folders, refuse_links, replace_file
    from vsearch_core.regular_files import read_text
    from vsearch_core.store.io_errors import file_errors

    with file_errors(path):
        refuse_links(path)  # it may lead out of the project, and the rename would replace it by a file
        defaults.read_file(path, personal=True, unknown=_complain)  # refuses what is no file of settings
        text = read_text(path) if path.exists() else ""
        former = defaults.parse(path, text.encode())
        if value is None and key not in former:
            return
        line = "" if value is None else f"{key} = {to_json(value)}"
        wanted = {name: each for name, each in {**former, key: value}.items() if each is not None}
        end = r"\n?" if value is None else "$"
        changed, count = re.subn(rf"^[ \t]*{key}[ \t]*=.*{end}", lambda _: line, text, flags=re.MULTILINE)
        if not count:
            changed = f"{text}\n{line}\n" if text and not text.endswith("\n") else f"{text}{line}\n"
        if defaults.parse(path, changed.encode()) != wanted:
            raise InputError(str(path), f"{key} is not on its own line; edit the file by hand")
        make_own_folders(path.parent)
        replace_file(path, changed.encode())
