"""`vsearch remove`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .output import complain, emit, plural, say, shown_path, to_json
from .progress import watched


def remove(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders; they need not exist.")],
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing.")] = False,
) -> int:
    """Take files and folders out of the index.

    The documents stay as they are, and out of the index until they are named to `vsearch index` again.
    """
    from vsearch_core.index.removal import remove_paths

    with watched(quiet=quiet) as (_, observer):
        index = locate.index_to_read(index_dir)
        done = remove_paths(index, [locate.absolute(Path(path)) for path in paths], observer)
    if as_json:
        emit(to_json({"schema": "vsearch.remove/1", **asdict(done), "index": str(done.index)}))
    elif not quiet:
        left = f"{plural(done.files, 'file')}, {plural(done.chunks, 'chunk')}"
        emit(f"{done.index}: {left} ({plural(done.removed, 'file')} removed) in {done.seconds:.1f} s")
    for path in () if quiet else done.left_out:
        shown = shown_path(done.index.parent, path)
        say(f"{shown}: stays out of the index, until you name it: vsearch index {shown}")
    if done.uncompacted:
        complain("interrupted: the removal is done, segments still to merge; `vsearch compact` does it")
        return 130
    return 0
