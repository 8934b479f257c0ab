"""The command `vsearch doctor`."""

import os
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from . import locate
from .environment import cache_dir
from .output import emit, one_line, to_json
from .servers import address_of

PACKAGES = ("numpy", "numba", "onnxruntime", "tokenizers", "typer", "pypdfium2", "lxml")
CPU_FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OR_SERVER] = None,
) -> int:
    """Print what a bug report needs: versions, processor, models, caches and the state of the index.

    The report has no text of files, no names of files but the index's, and no keys.
    """
    report = {
        "versions": _versions(),
        "machine": _machine(),
        "models": _models(),
        "caches": _caches(),
        "index": _index(index_dir),
    }
    if as_json:
        emit(to_json({"schema": "vsearch.doctor/1", **report}))
        return 0
    lines = [(f"{part} {name}", value) for part, values in report.items() for name, value in values.items()]
    width = max(len(name) for name, _ in lines)
    emit("\n".join(one_line(f"{name:<{width}}") + f"  {one_line(str(value))}" for name, value in lines))
    return 0


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version
    from sqlite3 import sqlite_version

    from vsearch_core import __version__

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    python = {"vsearch": __version__, "python": platform.python_version(), "sqlite": sqlite_version}
    return python | {name: installed(name) for name in PACKAGES}


def _machine() -> dict[str, Any]:
    from vsearch_core.machine import usable_cores
    from vsearch_core.regular_files import open_regular

    try:
        with open_regular("/proc/cpuinfo") as file:
            words = set(file.read().decode("utf-8", "replace").split())
    except OSError:  # not Linux
        words = set()
    features = " ".join(name for name in CPU_FEATURES if name in words) or "unknown"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    encodings = f"{sys.getfilesystemencoding()}, terminal {os.environ.get('TERM', 'unknown')}"
    return {"system": system, "cores": usable_cores(), "features": features, "encoding": encodings}


def _models() -> dict[str, str]:
    from vsearch_core.embed.models import list_models

    return {
        model.name: "not on this machine" if model.location is None else model.precision or "not prepared yet"
        for model in list_models(cache_dir())
    }


def _caches() -> dict[str, Any]:
    from vsearch_core import config, kernel_cache

    return {
        "models and vectors": str(cache_dir() or config.default_cache_dir()),
        "compiled kernels": str(kernel_cache.folder()),
    }


def _index(index_dir: Path | None) -> dict[str, Any]:
    """Return the state of the index, or the reason why it can't be read."""
    from vsearch_core.errors import VsearchError

    from .advice import describe
    from .opening import open_any_index

    try:
        folder = locate.index_to_read(index_dir, servers=True)
        with open_any_index(folder) as index:
            status, report = index.status(), index.check()
    except VsearchError as error:
        return {"state": describe(error)}
    state = "intact (quick check)" if not report.faults else f"{len(report.faults)} faults; see `vsearch check`"
    made_with = status.fingerprint
    model = f"{made_with.model} ({made_with.provider}, {made_with.dimension} dimensions)"
    counts = {"files": status.files, "chunks": status.chunks, "segments": status.segments}
    return {"state": state, "generation": report.generation, "model": model, **counts, "warm helper": _helper(folder)}


def _helper(index: Path) -> str:
    """Return the state of the warm helper of the index, and if a query starts one."""
    from .defaults import choose
    from .warm import running_helper

    if address_of(index) is not None:
        return "none, for an index on a server"
    process = running_helper(index)
    if process is not None:
        return f"process {process}"
    return "none runs; a query starts one" if choose(index, warm=None)["warm"] else "none runs"
