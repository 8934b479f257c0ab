"""Read the defaults of options: from the environment, the project's file, the user's file, or built in."""

import errno
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsearch_core import config
from vsearch_core.config import CONFIG_FILE
from vsearch_core.errors import InputError

from .environment import base_urls

VARIABLE = "VSEARCH_"  # and the key in capitals
BUILT_IN = "built in"
K_MOST = 10_000
LONGEST_GLOB = 500  # characters
MAX_FILE_BYTES = 1_000_000  # of a file of settings
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)(i?)b?\s*")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of setting: a description for messages, a test of a value, and a parser for environment variables."""

    description: str
    fits: Callable[[Any], bool]
    from_text: Callable[[str], Any] = str


def whole(least: int, most: int) -> Kind:
    """Return the type of settings that are whole numbers from `least` to `most`."""
    return Kind(f"a whole number from {least:,} to {most:,}", lambda v: type(v) is int and least <= v <= most, int)


def number(least: float, most: float) -> Kind:
    """Return the type of settings that are numbers from `least` to `most`; NaN is refused."""
    return Kind(f"a number from {least} to {most}", lambda v: type(v) in {int, float} and least <= v <= most, float)


def one_of(*names: str) -> Kind:
    """Return the type of settings that are one of the names."""
    return Kind(f"one of {', '.join(names)}", lambda value: value in names)


def _to_switch(text: str) -> bool | str:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower(), text)


def _to_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _are_globs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, str) and 0 < len(each.strip()) <= LONGEST_GLOB for each in value
    )


TEXT = Kind("a text", lambda value: isinstance(value, str) and bool(value.strip()))
GLOBS = Kind("a list of globs", _are_globs, _to_list)
FOLDERS = Kind("a list of folders", lambda value: isinstance(value, list) and all(map(TEXT.fits, value)), _to_list)
SIZE = Kind("a size like 50MB", lambda value: isinstance(value, str) and bool(_bytes(value)))
SWITCH = Kind("true or false", lambda value: isinstance(value, bool), _to_switch)
ANN = Kind(
    f"one of {', '.join(config.ANN_CHOICES)}, or pqN with N from {config.PQ_BYTES[0]} to {config.PQ_BYTES[2]}",
    lambda value: (
        value in {*config.ANN_CHOICES, *(f"pq{n}" for n in range(config.PQ_BYTES[0], config.PQ_BYTES[2] + 1))}
    ),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that users can configure: its type, and its built-in default or None if that depends on the model.

    `of_embedder` marks a setting that fits only one embedder, such as the model. It is ignored if a source of higher
    precedence chooses another embedder. A `personal` setting can't be set in a project's file, because somebody else
    may have written that file.
    """

    kind: Kind
    default: Any = None
    of_embedder: bool = False
    personal: bool = False


SETTINGS: Mapping[str, Setting] = {
    "embedder": Setting(TEXT, config.EMBEDDER),
    "model": Setting(TEXT, of_embedder=True),
    "base_url": Setting(TEXT, of_embedder=True),
    "dimensions": Setting(whole(1, config.MAX_DIMENSION), of_embedder=True),
    "device": Setting(one_of("cpu", "cuda", "mps")),
    "rpm": Setting(whole(1, 1_000_000), of_embedder=True),
    "tpm": Setting(whole(1, 1_000_000_000), of_embedder=True),
    "share_vectors": Setting(SWITCH, False, personal=True),
    "warm": Setting(SWITCH, False, personal=True),
    "chunk_words": Setting(whole(20, 5000), config.CHUNK_WORDS),
    "overlap_words": Setting(whole(0, 2499)),
    "language": Setting(TEXT, config.LANGUAGE),
    "ann": Setting(ANN, config.ANN_CHOICES[0]),
    "include": Setting(GLOBS, ()),
    "exclude": Setting(GLOBS, ()),
    "max_file_size": Setting(SIZE, f"{config.MAX_FILE_SIZE // 1_000_000}MB"),
    "indexes": Setting(FOLDERS, ()),
    "k": Setting(whole(1, K_MOST), config.K),
    "mode": Setting(one_of(*config.MODES), config.MODES[0]),
    "fusion": Setting(one_of(*config.FUSIONS), config.FUSIONS[0]),
    "alpha": Setting(number(0, 1), config.FUSION_ALPHA),
    "ef": Setting(whole(1, config.MAX_EF_SEARCH)),
    "nprobe": Setting(whole(1, config.MAX_NPROBE)),
}


@dataclass(frozen=True, slots=True)
class Default:
    """A setting's value, and its origin: BUILT_IN, the path of a file, or the name of an environment variable."""

    value: Any
    origin: str


def shown(key: str, *, tuned: bool = False) -> str:
    """Return text for the end of an option's help, such as "  [default: 10]", with the built-in default of `key`.

    With `tuned`, the text says that `vsearch tune` can set another default.
    """
    return f"  [default: {'set by `vsearch tune`, else ' if tuned else ''}{SETTINGS[key].default}]"


def choose(index: Path, **given: Any) -> dict[str, Any]:
    """Return the options by name. Those that are None get the default that applies to this index, if any."""
    defaults = read_defaults(index)
    named = given.get("embedder") not in {None, defaults["embedder"].value}
    return {key: value if value is not None else _default(defaults, key, named) for key, value in given.items()}


def _default(defaults: Mapping[str, Default], key: str, embedder_named: bool) -> Any:
    setting = SETTINGS[key]
    return setting.default if setting.of_embedder and embedder_named else defaults[key].value


def configured(index: Path, **given: Any) -> dict[str, Any]:
    """Return the options by name. Those that are None get the configured value; built-in defaults don't count."""
    defaults = read_defaults(index)
    values = {key: each.value for key, each in defaults.items() if each.origin != BUILT_IN}
    return {key: values.get(key) if value is None else value for key, value in given.items()}


def read_defaults(index: Path, unknown: Callable[[InputError], None] | None = None) -> dict[str, Default]:
    """Return every setting's value and origin for an index. Raises InputError for a malformed file or variable.

    `unknown` is called with an error for each key that is no setting; without it, that error is raised.
    """
    layers = [
        *(
            (str(path), read_file(path, personal=path != index / CONFIG_FILE, unknown=unknown))
            for path in config_files(index)
        ),
        *((VARIABLE + key.upper(), {key: value}) for key, value in _from_environment().items()),
    ]
    defaults = {key: Default(setting.default, BUILT_IN) for key, setting in SETTINGS.items()}
    for origin, values in layers:
        if values.get("embedder", defaults["embedder"].value) != defaults["embedder"].value:
            defaults |= {key: Default(s.default, BUILT_IN) for key, s in SETTINGS.items() if s.of_embedder}
        defaults |= {key: Default(value, origin) for key, value in values.items()}
    return defaults


def config_files(index: Path) -> tuple[Path, Path]:
    """Return the paths of the user's and the project's configuration file, in this order; neither needs to exist."""
    from platformdirs import user_config_path

    return user_config_path("vsearch", appauthor=False) / CONFIG_FILE, index / CONFIG_FILE


def read_file(path: Path, *, personal: bool, unknown: Callable[[InputError], None] | None = None) -> dict[str, Any]:
    """Return the settings in a configuration file, or {} if it doesn't exist. Raises InputError.

    `personal` is true for the user's own file. A project's file is refused if it, or its folder, is a symbolic link.
    `unknown` is called with an error for each key that is no setting, and the key is left out; without it, that error
    is raised.
    """
    from vsearch_core.own_files import open_file
    from vsearch_core.regular_files import open_regular

    try:
        with open_regular(path) if personal else open_file(path, "rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise OSError(errno.EFBIG, f"it is larger than {MAX_FILE_BYTES // 1000} kB")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        reason = f"can't be read ({(error.strerror or str(error)).lower()})"
        is_ours = error.errno in {errno.ELOOP, errno.EINVAL, errno.EFBIG, errno.EISDIR}
        advice = "put a settings file in its place, or delete it" if is_ours else "check its permissions"
        raise InputError(str(error.filename or path), f"{reason}; {advice}") from None
    values = parse(path, text)
    for key, value in list(values.items()):
        if key not in SETTINGS:
            no_setting = InputError(str(path), f"{key!r} is not a setting; see all settings with `vsearch config`")
            if unknown is None:
                raise no_setting
            unknown(no_setting)
            del values[key]
            continue
        if SETTINGS[key].personal and not personal:
            raise InputError(str(path), f"{key} can't be set in a project's file; set it in your own file")
        _refuse_misfit(f"{path}: {key}", key, value)
    return values


def parse(path: Path, text: bytes) -> dict[str, Any]:
    """Parse a TOML file into keys and values, without checking them. Raises InputError if it is not TOML."""
    from tomllib import loads

    try:
        return loads(text.decode())
    except (ValueError, RecursionError) as error:  # ValueError: not TOML, not UTF-8, or a number of 5,000 digits
        raise InputError(str(path), f"is not TOML ({error}); correct it, or delete it") from None


def chosen_by_user(key: str, project: Path) -> set[Any]:
    """Return the values of a setting that the user has chosen for all projects: in the environment and their own file.

    Addresses also come from the variables of the providers' packages. A model's folder counts if it is written as a
    path: a name could be a folder of that name in the project, which the user has not meant.
    """
    user_file = config_files(project)[0]
    values = {each.get(key) for each in (read_file(user_file, personal=True), _from_environment())}
    if key == "base_url":
        values |= set(base_urls().values())
    if key == "model":
        values |= {os.path.normpath(project / Path(each).expanduser()) for each in values if each and each[0] in "./~"}
    return values


def _from_environment() -> dict[str, Any]:
    given = {key: os.environ.get(VARIABLE + key.upper(), "") for key in SETTINGS}
    return {key: value_of(VARIABLE + key.upper(), key, text) for key, text in given.items() if text.strip()}


def value_of(subject: str, key: str, text: str) -> Any:
    """Return the value that `text` stands for in the setting `key`. An InputError about it names the `subject`."""
    try:
        value = SETTINGS[key].kind.from_text(text)
    except ValueError:
        value = text
    _refuse_misfit(subject, key, value)
    return value


def _refuse_misfit(subject: str, key: str, value: Any) -> None:
    kind = SETTINGS[key].kind
    if not kind.fits(value):
        raise InputError(subject, f"must be {kind.description}, not {value!r}; correct it, or leave it out")


def parse_size(text: str) -> int:
    """Return a size in bytes, from text such as 50MB, 1.5GiB, 200k or 1000. Raises InputError."""
    size = _bytes(text)
    if not size:
        reason = f"{text!r} is not a size" if size is None else f"{text!r} leaves out every file"
        raise InputError("--max-file-size", f"{reason}; write it like 50MB or 512KiB")
    return size


def _bytes(text: str) -> int | None:
    """Return a size in bytes, or None if the text is not a size."""
    match = _SIZE.fullmatch(text.lower())
    if not match:
        return None
    power = " kmgt".index(match[2] or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)
