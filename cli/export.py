"""`vsearch export`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import locate
from .output import emit, emit_bytes, plural, size_text, to_json
from .progress import stopped_cleanly

if TYPE_CHECKING:
    from vsearch_core.index.transfer import TransferSummary


def export(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Where the archive goes; -: stdout.")],
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Write the index into one file, to take along.

    `vsearch import` takes it in on any machine. It holds the text of all documents. Writers go on meanwhile; what
    is not committed yet is left out.
    """
    from vsearch_core.errors import InputError

    index = locate.index_to_read(index_dir)
    if file == "-":
        if as_json or sys.stdout.isatty():
            raise InputError("export -", "stdout takes the archive", "send it to a file or a pipe, without --json")
        _to_stdout(index)
        return 0
    target = locate.file(file)
    summary = _to_file(index, target, force=force)
    if as_json:
        values = {**asdict(summary), "index": str(summary.index), "archive": str(target)}
        emit(to_json({"schema": "vsearch.export/1", **values}))
    else:
        emit(f"{target}: {summary_text(summary)}")
    return 0


def _refuse_bad_target(index: Path, target: Path, *, force: bool) -> None:
    from vsearch_core.errors import InputError

    if target.is_dir():
        raise InputError(str(target), "it is a folder", "name a file")
    if not target.parent.is_dir():
        raise InputError(str(target.parent), "there is no such folder", "make it, or choose another")
    if target.parent.resolve().is_relative_to(index.resolve()):
        raise InputError(str(target), "it lies in the index itself", "choose a place outside of it")
    if target.exists() and not target.is_file():
        raise InputError(str(target), "it is no regular file", "name a file, or send the archive to a pipe with -")
    if target.exists() and not force:
        raise InputError(str(target), "it exists already", "choose another name, or replace it with --force")


def summary_text(summary: "TransferSummary") -> str:
    """What was transferred, for people."""
    what = f"{plural(summary.files, 'file')}, {plural(summary.chunks, 'chunk')}, {size_text(summary.bytes)}"
    return f"generation {summary.generation}: {what} in {summary.seconds:.1f} s"


def _to_stdout(index: Path) -> None:
    from tempfile import TemporaryDirectory

    from vsearch_core.index.transfer import export_index
    from vsearch_core.store.io_errors import file_errors

    with stopped_cleanly(), file_errors("temporary folder"), TemporaryDirectory() as scratch:
        export_index(index, Path(scratch), emit_bytes)


def _to_file(index: Path, target: Path, *, force: bool) -> "TransferSummary":
    """Write beside the target, and give it its name once it is whole and durable."""
    from tempfile import TemporaryDirectory

    from vsearch_core.index.transfer import export_index
    from vsearch_core.store.folders import durable_file, sync_folder
    from vsearch_core.store.io_errors import file_errors

    with stopped_cleanly(), file_errors(target):
        _refuse_bad_target(index, target, force=force)
        with TemporaryDirectory(prefix=".vsearch-export-", dir=target.parent) as folder:
            unfinished = Path(folder) / "archive"
            with durable_file(unfinished) as file:
                summary = export_index(index, Path(folder), file.write)
            _refuse_bad_target(index, target, force=force)  # again: it may have come meanwhile
            unfinished.replace(target)
            sync_folder(target.parent)
    return summary
