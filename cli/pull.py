"""The command `vsearch pull`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import locate
from .output import emit, size_text, to_json
from .progress import stopped_cleanly
from .push import STORE_HELP, contents_text


def pull(
    url: Annotated[str, typer.Argument(metavar="URL", help=STORE_HELP)],
    snapshot: Annotated[
        str | None,
        typer.Option("--snapshot", metavar="NUMBER|TAG", help="Get this snapshot.  [default: the current one]"),
    ] = None,
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an index with changes that are in no snapshot.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Create an index from a snapshot that `vsearch push` uploaded, or bring an index up to date with it.

    Only what the index lacks is fetched. The snapshot is verified first. It replaces the index completely or not at
    all; running queries still finish on the old index. The documents themselves are not needed.
    """
    from vsearch_core import pull_index

    url = locate.store_url(url)
    with stopped_cleanly():
        summary = pull_index(url, locate.index_to_write(index_dir), snapshot=snapshot, replace=replace)
    if as_json:
        emit(to_json({"schema": "vsearch.pull/1", **asdict(summary), "index": str(summary.index)}))
        return 0
    news = f"{size_text(summary.fetched_bytes)} fetched in {summary.seconds:.1f} s" if summary.is_new else "nothing new"
    emit(f"{summary.index}: snapshot {summary.snapshot}: {contents_text(summary)}; {news}")
    return 0
