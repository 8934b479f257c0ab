"""`vsearch import`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .export import summary_text
from .output import emit, to_json


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="An archive that `vsearch export` wrote; -: stdin.")],
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the index that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Take in what `vsearch export` has written.

    It is verified, and swapped in whole or not at all. The index can be queried without the documents. Queries that
    are under way go on with the index that was there.
    """
    from vsearch_core.index.transfer import import_index
    from vsearch_core.store.io_errors import file_errors

    index = locate.index_to_write(index_dir)
    if file == "-":
        name = "stdin"
        summary = import_index(index, name, sys.stdin.buffer.read, replace=replace)
    else:
        name = str(locate.file(file))
        with file_errors(name), Path(name).open("rb") as stream:
            summary = import_index(index, name, stream.read, replace=replace)
    if as_json:
        values = {**asdict(summary), "index": str(summary.index), "archive": name}
        emit(to_json({"schema": "vsearch.import/1", **values}))
    else:
        emit(f"{summary.index}: {summary_text(summary)}")
    return 0
