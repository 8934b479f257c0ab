"""`vsearch duplicates`."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import asking, locate
from .output import emit, one_line, plural, say, shown_path, to_json

if TYPE_CHECKING:
    from vsearch_core.search.duplicates import DuplicateMember

SCHEMA = "vsearch.duplicates/1"  # keys are never removed or renamed within it


def duplicates(
    threshold: Annotated[
        float, typer.Option(metavar="X", min=0.5, max=1, help="The share of five-word runs that two passages share.")
    ] = 0.8,
    where: asking.Where = None,
    path: asking.PathGlob = None,
    ext: asking.Ext = None,
    since: asking.Since = None,
    until: asking.Until = None,
    as_json: asking.AsJson = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Find passages that are copies, give or take some edits.

    The largest group comes first; a number says how much of its group's first a passage is. Exit status: 0 with
    groups, 1 without, 2 on an error.
    """
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.search.duplicates import find_duplicates
    from vsearch_core.search.local import LocalSearcher

    asking.refuse_nan(threshold=threshold)
    filters = asking.filters(where, path, ext, since, until)
    started = time.perf_counter()
    with open_snapshot(locate.index_to_read(index_dir)) as snapshot:
        found = find_duplicates(LocalSearcher(snapshot), filters, threshold)
        root = snapshot.catalog.index.parent
    if as_json:
        counts = {"generation": found.generation, "searched": found.searched, "matched": found.matched}
        took = {"took_ms": round((time.perf_counter() - started) * 1000, 1)}
        listed = [{"members": [_values(member) for member in group]} for group in found.groups]
        emit(to_json({"schema": SCHEMA, "threshold": threshold, **counts, **took, "groups": listed}))
    else:
        _emit_text(found.groups, root)
    if not found.groups:
        say(f"no two of {plural(found.matched, 'chunk')} are alike to {threshold:g}")
    return 0 if found.groups else 1


def _emit_text(found: Sequence[Sequence["DuplicateMember"]], root: Path) -> None:
    for number, group in enumerate(found):
        if number:
            emit("")
        for member in group:
            chunk = member.stored.chunk
            place = f":{chunk.start_line}" if chunk.page is None else f"  page {chunk.page}"
            emit(f"{one_line(shown_path(root, member.stored.path))}{place}  {member.resemblance:.3f}")


def _values(member: "DuplicateMember") -> dict[str, Any]:
    chunk = member.stored.chunk
    place = {
        name: getattr(chunk, name) for name in ("start_line", "end_line", "start_char", "end_char", "page", "heading")
    }
    named = {"path": member.stored.path, "chunk": member.stored.ordinal, **place}
    return {**named, "resemblance": round(member.resemblance, 6)}
