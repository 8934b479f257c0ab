"""The command `vsearch compact`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .opening import open_any_index
from .output import emit, plural, size_text, to_json
from .progress import watched


def compact(
    index_dir: Annotated[Path | None, locate.INDEX_OR_SERVER] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing.")] = False,
) -> int:
    """Make the index as small as a new one.

    Merge all segments (the folders of arrays that each run adds) into one, and drop deleted chunks. `vsearch index` and
    `vsearch remove` already merge small segments. You can still query the index meanwhile.
    """
    with (
        watched(quiet=quiet) as (_, observer),
        open_any_index(locate.index_to_read(index_dir, servers=True), observer=observer) as index,
    ):
        done = index.compact()
    if as_json:
        emit(to_json({"schema": "vsearch.compact/1", **asdict(done), "index": str(done.index)}))
    elif not quiet:
        merged = f"{plural(done.segments, 'segment')} merged, {plural(done.dropped, 'deleted row')} dropped"
        sizes = f"; {size_text(done.bytes_before)} before, {size_text(done.bytes_after)} now" * (done.bytes_before > 0)
        emit(f"{done.index}: {plural(done.rows, 'chunk')} ({merged}{sizes}) in {done.seconds:.1f} s")
    return 0
