"""The command `vsearch check`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .opening import open_any_index
from .output import complain, emit, one_line, plural, to_json


def check(
    full: Annotated[bool, typer.Option("--full", help="Read every byte and compare everything.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OR_SERVER] = None,
) -> int:
    """Look for damage in the index, without changing it.

    Each fault is printed on its own line. Exit status: 0 intact, 2 damaged.
    """
    with open_any_index(locate.index_to_read(index_dir, servers=True)) as index:
        report = index.check(full=full)
    if as_json:
        values = {"schema": "vsearch.check/1", **asdict(report), "index": str(report.index), "sound": not report.faults}
        emit(to_json(values))
    else:
        for fault in report.faults:
            emit(one_line(f"{fault.thing}: {fault.reason}"))
        if not report.faults:
            depth = "every byte was read" if full else "quick check; --full reads every byte"
            contents = f"{plural(report.files or 0, 'file')}, {plural(report.chunks or 0, 'chunk')}"
            emit(one_line(f"{report.index}: intact ({contents}, generation {report.generation}; {depth})"))
    if report.faults:
        complain(f"{report.index}: {plural(len(report.faults), 'fault')} found; repair it with `vsearch repair`")
        return 2
    return 0
