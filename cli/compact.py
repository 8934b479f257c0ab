"""`vsearch compact`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .output import PREPARING, emit, plural, size_text, to_json
from .progress import Bar, stop_flag


def compact(
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing.")] = False,
) -> int:
    """Make the index as small as a fresh one: one segment, no dead rows.

    `vsearch index` and `vsearch remove` keep it nearly so by themselves. Queries go on meanwhile.
    """
    from vsearch_core.index.compaction import compact_index
    from vsearch_core.index.progress import Observer, StoppedError

    with stop_flag() as stop, Bar(hidden=quiet or not sys.stderr.isatty()) as bar:
        observer = Observer(
            progress=bar.show, preparing=lambda: None if quiet else bar.write(f"vsearch: {PREPARING}"), stop=stop
        )
        try:
            done = compact_index(locate.index_to_read(index_dir), observer)
        except StoppedError:
            raise KeyboardInterrupt from None
    if as_json:
        emit(to_json({"schema": "vsearch.compact/1", **asdict(done), "index": str(done.index)}))
    elif not quiet:
        merged = f"{plural(done.segments, 'segment')} merged, {plural(done.dropped, 'dead row')} dropped"
        sizes = f"{size_text(done.bytes_before)} before, {size_text(done.bytes_after)} now"
        emit(f"{done.index}: {plural(done.rows, 'chunk')} ({merged}; {sizes}) in {done.seconds:.1f} s")
    return 0
