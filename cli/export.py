"""The command `vsearch export`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import locate
from .opening import open_index
from .option_rules import refuse_idle_options
from .output import emit, emit_bytes, plural, size_text, to_json
from .progress import stopped_cleanly

if TYPE_CHECKING:
    from vsearch_core import TransferSummary


def export(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The archive file to write, or - for stdout.")],
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Write the index into one file, for another machine.

    `vsearch import` reads the file on any machine. The file contains the text of all documents. Other commands may
    change the index meanwhile; the file then has the state from before their changes.
    """
    from vsearch_core.errors import InputError

    to_stdout = file == "-"
    if to_stdout and (as_json or sys.stdout.isatty()):
        raise InputError("export -", "writes binary data to stdout; redirect it to a file or a pipe, without --json")
    refuse_idle_options("export", target="stdout" if to_stdout else "file")
    target = emit_bytes if to_stdout else locate.file(file)
    with stopped_cleanly(), open_index(locate.index_to_read(index_dir)) as index:
        summary = index.export(target, replace=force)
    if as_json:
        values = {**asdict(summary), "index": str(summary.index), "archive": str(target)}
        emit(to_json({"schema": "vsearch.export/1", **values}))
    elif not to_stdout:
        emit(f"{target}: {summary_text(summary)}")
    return 0


def summary_text(summary: "TransferSummary") -> str:
    """Return the summary of an export or import as one line for the user."""
    contents = f"{plural(summary.files, 'file')}, {plural(summary.chunks, 'chunk')}, {size_text(summary.bytes)}"
    return f"generation {summary.generation}: {contents} in {summary.seconds:.1f} s"
