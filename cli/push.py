"""The command `vsearch push`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import locate
from .opening import open_index
from .output import emit, plural, size_text, to_json

if TYPE_CHECKING:
    from vsearch_core.index.snapshots import SnapshotSummary
    from vsearch_core.store.snapshot_history import StoredSnapshot

STORE_HELP = "The store: s3://BUCKET/PREFIX, gs://…, az://… or file:FOLDER."


def push(
    url: Annotated[str, typer.Argument(metavar="URL", help=STORE_HELP)],
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also push an index that the store's current snapshot is not a part of.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> int:
    """Upload the index to object storage, as a new snapshot for other machines.

    Only what the store lacks is sent. A snapshot contains the text of all documents. `vsearch pull` gets it, and
    `vsearch serve --follow` answers from it. The store's credentials come from the environment: docs/scale.md.
    """
    url = locate.store_url(url)
    with open_index(locate.index_to_read(index_dir)) as index:
        summary = index.push(url, force=force)
    if as_json:
        emit(to_json({"schema": "vsearch.push/1", **asdict(summary), "index": str(summary.index)}))
        return 0
    news = f"{size_text(summary.sent_bytes)} sent in {summary.seconds:.1f} s" if summary.is_new else "nothing new"
    emit(f"{url}: snapshot {summary.snapshot}: {contents_text(summary)}; {news}")
    return 0


def contents_text(snapshot: "SnapshotSummary | StoredSnapshot") -> str:
    """Return the numbers of a snapshot's files and chunks, and its size, for the user."""
    return f"{plural(snapshot.files, 'file')}, {plural(snapshot.chunks, 'chunk')}, {size_text(snapshot.bytes)}"
