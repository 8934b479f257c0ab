"""The command `vsearch copy`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .output import complain, emit, plural, to_json
from .progress import watched
from .servers import address_of, index_named


def copy(
    source: Annotated[
        Path, typer.Option("--from", metavar="INDEX", parser=index_named, help="The index folder or address to copy.")
    ],
    target: Annotated[
        Path, typer.Option("--to", metavar="INDEX", parser=index_named, help="The index folder or address to write.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing.")] = False,
) -> int:
    """Copy an index between folders and servers, with its vectors: nothing is embedded.

    An address is postgresql://HOST/DB?schema=NAME or milvus://HOST/NAME. A copy that was stopped is continued by the
    same command, and a copy of an index that has changed is brought up to date. At the end, all texts and vectors are
    compared.
    """
    from vsearch_core import copy_index

    with watched(quiet=quiet) as (_, observer):
        done = copy_index(_place(source), _place(target), root=locate.working_folder(), observer=observer)
    if as_json:
        emit(to_json({"schema": "vsearch.copy/1", **asdict(done)}))
    elif not quiet:
        files = f"{plural(done.files, 'file')}, {plural(done.chunks, 'chunk')}"
        changes = f"{plural(done.copied, 'file')} copied, {done.removed:,} removed"
        emit(f"{done.target}: {files} ({changes}) in {done.seconds:.1f} s")
    if done.interrupted:
        complain("interrupted: run the same command again to continue")
        return 130
    return 0


def _place(given: Path) -> str | Path:
    return address_of(given) or locate.absolute(given)
