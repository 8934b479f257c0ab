"""The command `vsearch remove`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .opening import open_any_index
from .output import complain, emit, plural, say, shown_path, to_json
from .progress import watched


def remove(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files and folders to remove; they need not exist any more.")
    ],
    index_dir: Annotated[Path | None, locate.INDEX_OR_SERVER] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing.")] = False,
) -> int:
    """Remove files and folders from the index.

    The files themselves are not deleted, only documents from stdin are. They stay out of the index until you name them
    in `vsearch index`.
    """
    with (
        watched(quiet=quiet) as (_, observer),
        open_any_index(locate.index_to_read(index_dir, servers=True), observer=observer) as index,
    ):
        done, root = index.remove(locate.named(path) for path in paths), index.root
    if as_json:
        emit(to_json({"schema": "vsearch.remove/1", **asdict(done), "index": str(done.index)}))
    elif not quiet:
        left = f"{plural(done.files, 'file')}, {plural(done.chunks, 'chunk')}"
        emit(f"{done.index}: {left} ({plural(done.removed, 'file')} removed) in {done.seconds:.1f} s")
    for path in () if quiet else done.left_out:
        shown = shown_path(root, path)
        say(f"{shown}: stays out of the index until you name it: vsearch index {shown}")
    if done.uncompacted:
        complain("interrupted: the files are removed, but still take up space; run `vsearch compact`")
        return 130
    return 0
