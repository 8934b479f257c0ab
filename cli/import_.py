"""The command `vsearch import`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .export import summary_text
from .output import emit, to_json


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="An archive made by `vsearch export`, or - for stdin.")],
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the index if there is one.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Create an index from an archive that `vsearch export` wrote.

    The archive is verified first. It replaces an existing index completely or not at all; running queries still finish
    on the old index. The documents themselves are not needed.
    """
    from vsearch_core import import_index

    index = locate.index_to_write(index_dir)
    if file == "-":
        name = "stdin"
        summary = import_index(sys.stdin.buffer.read, index, replace=replace, name=name)
    else:
        name = str(locate.file(file))
        summary = import_index(name, index, replace=replace)
    if as_json:
        values = {**asdict(summary), "index": str(summary.index), "archive": name}
        emit(to_json({"schema": "vsearch.import/1", **values}))
    else:
        emit(f"{summary.index}: {summary_text(summary)}")
    return 0
