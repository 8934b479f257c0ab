"""Refuse an embedder that an index names and the user has never chosen on this machine.

An index names its embedder, and may come from elsewhere. To open that embedder may fetch a model, read a folder of a
clone as a model, or send text to a program on this machine. So the embedder, its model and its address count only if
they are the default, if the caller names them, if they are on record (`vsearch_core.allowed`), or if the model is
prepared on this machine already. docs/adr/0036-choices-of-a-project.md has the reasons.
"""

import os
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from vsearch_core import config
from vsearch_core.allowed import allow, allowed
from vsearch_core.embed.model_files import distilled_from
from vsearch_core.embed.providers import is_local
from vsearch_core.errors import InputError, VsearchError
from vsearch_core.index.settings import IndexOptions, IndexSettings
from vsearch_core.model import EmbedderSpec
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.tables import CATALOG_FILE

NAMES = {"embedder": "embedder", "model": "model", "base_url": "address", "device": "device"}  # in messages
ORIGIN = "origin"  # the kind of record that `record_origin` makes
_SECOND = 1_000_000_000  # nanoseconds


def settings_of(spec: EmbedderSpec) -> dict[str, str]:
    """Return what a spec names besides the default embedder and its model, by the name of the setting.

    A remote provider's model is left out: nothing is fetched or read for it here. A static model that is distilled on
    this machine counts as the local model that it is made from.
    """
    local = is_local(spec.provider)
    source = distilled_from(spec.provider, spec.model)
    provider, model = (spec.provider, spec.model) if source is None else ("local", source)
    named = {
        "embedder": provider if provider != config.EMBEDDER else None,
        "model": model if local and not _is_default_model(model) else None,
        "base_url": None if local else spec.base_url,
    }
    return {key: value for key, value in named.items() if value is not None}


def unchosen(index: Path, spec: EmbedderSpec, requested: IndexOptions, cache_dir: Path | None) -> dict[str, str]:
    """Return the settings of the index's embedder that the user has never chosen on this machine.

    `requested` is what the caller names. `cache_dir` is the folder of prepared models, as for `open_model`.
    """
    named = settings_of(spec)
    if not named:
        return named
    urls = {requested.base_url, requested.default_base_urls.get(spec.provider)}
    by_caller = {"embedder": {requested.embedder}, "model": {requested.model}, "base_url": urls}
    new = {
        key: value for key, value in named.items() if value not in by_caller[key] and value not in allowed(index, key)
    }
    if "model" in new and _is_prepared(spec, cache_dir):
        del new["model"]
    return {} if new and is_made_here(index) else new


def record_choice(index: Path, spec: EmbedderSpec) -> None:
    """Record that the user has chosen the embedder. If that fails, a later run asks again, or refuses."""
    with suppress(OSError):
        allow(index, {key: [value] for key, value in settings_of(spec).items()})


def record_origin(index: Path) -> None:
    """Record, before an index is changed for the first time, that its times prove nothing from now on.

    The change may store times of files on this disk in an index that came from elsewhere. What an index that is made
    here names at this moment is recorded as chosen.
    """
    if allowed(index, ORIGIN):
        return
    if is_made_here(index):
        with suppress(VsearchError), storage_errors(index), closing(Catalog.open_to_read(index)) as catalog:
            record_choice(index, IndexSettings.from_catalog(catalog, renewing=True).spec)
    with suppress(OSError):
        allow(index, {ORIGIN: ["recorded"]})


def unchosen_error(index: Path, new: Mapping[str, str]) -> InputError:
    """Return the error about settings that the user has never chosen."""
    what = " and ".join(f"the {NAMES[key]} {value}" for key, value in new.items())
    return InputError(str(index), f"names {what}, never chosen on this machine", "not-chosen", settings=dict(new))


def is_made_here(index: Path) -> bool:
    """Return True for an index that this user made on this machine, before there was a record of it.

    The index stores the time of the last change (ctime) of each file that it has read, in nanoseconds. Nobody can set
    that time, and a clone, an unpacked archive or a copy gets the time at which it was made: an index whose times agree
    with the files on this disk has read them here. One file is enough. A record, once there is one, decides alone.
    """
    if any(allowed(index, key) for key in (ORIGIN, *NAMES)):
        return False
    try:
        if hasattr(os, "getuid") and (index / CATALOG_FILE).stat().st_uid != os.getuid():
            return False
        with storage_errors(index), closing(Catalog.open_to_read(index)) as catalog:
            times = {path: file.ctime_ns for path, file in catalog.files(live=True).items()}
    except (OSError, VsearchError):
        return False
    root = os.path.realpath(index.parent)
    return any(_has_ctime(root, path, ctime) for path, ctime in times.items() if ctime % _SECOND)


def _has_ctime(root: str, stored: str, ctime_ns: int) -> bool:
    """Return True if the file is below `root`, reached without a link, and was changed last at that time."""
    path = os.path.join(root, stored)  # noqa: PTH118 - it may be absolute, which realpath shows
    try:
        is_inside = os.path.realpath(path) == path and path.startswith(root + os.sep)
        return is_inside and Path(path).lstat().st_ctime_ns == ctime_ns
    except (OSError, ValueError):
        return False


def _is_default_model(model: str | None) -> bool:
    return model in {None, config.MODEL, config.MODEL.rpartition("/")[2]}


def _is_prepared(spec: EmbedderSpec, cache_dir: Path | None) -> bool:
    from vsearch_core.embed.models import is_prepared

    return is_prepared(spec.provider, spec.model, cache_dir)
