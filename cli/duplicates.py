"""The command `vsearch duplicates`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import locate
from .opening import open_indexes
from .output import emit, one_line, plural, say, shown_path, to_json
from .pager import paged
from .search_options import FilterArguments, grouped

if TYPE_CHECKING:
    from vsearch_core import DuplicateMember, Duplicates

SCHEMA = "vsearch.duplicates/1"  # keys are never removed or renamed within it


@grouped
def duplicates(
    threshold: Annotated[
        float,
        typer.Option(metavar="X", min=0.5, max=1, help="The lowest resemblance of a near-copy; 1 means equal texts."),
    ] = 0.8,
    arguments: FilterArguments = FilterArguments(),  # noqa: B008 - frozen
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    index_dir: Annotated[list[Path] | None, locate.INDEXES_OPTION] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help=locate.EVERYWHERE_HELP)] = False,
) -> int:
    """Find chunks that are near-copies of one another, and near-identical pictures.

    Groups of near-copies are printed, the largest first. The number after a chunk is its resemblance to the first chunk
    of its group: the share of their five-word sequences that both contain. For pictures, it is 1 less 1.25 times the
    share of different bits in perceptual hashes, and at least 0.75. In an index with an image model, the cosine of its
    vectors of two pictures must be as high; without one, hashes alone decide, which don't see colours. Exit status: 0
    groups found, 1 none, 2 error.
    """
    started = time.perf_counter()
    with open_indexes(locate.indexes_to_read(index_dir or (), everywhere=everywhere)) as index:
        root = index.root
        found = index.duplicates(threshold, **arguments.filters(root))
    if as_json:
        counts = {"generation": found.generation, "searched": found.searched, "matched": found.matched}
        took = {"took_ms": round((time.perf_counter() - started) * 1000, 1)}
        groups = [
            {"kind": "picture" if group[0].is_picture else "text", "members": [_values(member) for member in group]}
            for group in found.groups
        ]
        emit(to_json({"schema": SCHEMA, "threshold": threshold, **counts, **took, "groups": groups}))
    else:
        with paged():
            _emit_text(found, root)
    if not found.groups:
        say(f"no two of {plural(found.matched, 'chunk')} have a resemblance of {threshold:g} or more")
    return 0 if found.groups else 1


def _emit_text(found: "Duplicates", root: Path) -> None:
    for number, group in enumerate(found.groups):
        if number:
            emit("")
        for member in group:
            chunk = member.stored.chunk
            folder = root if member.stored.index is None else Path(member.stored.index).parent
            place = f":{chunk.start_line}" if chunk.page is None else f"  page {chunk.page}"
            place = "" if member.is_picture else place
            emit(f"{one_line(shown_path(folder, member.stored.path))}{place}  {member.resemblance:.3f}")


def _values(member: "DuplicateMember") -> dict[str, Any]:
    names = ("start_line", "end_line", "start_char", "end_char", "page", "heading")
    place = {name: getattr(member.stored.chunk, name) for name in names}
    return {
        **({} if member.stored.index is None else {"index": member.stored.index}),
        "path": member.stored.path,
        "chunk": member.stored.ordinal,
        **place,
        "resemblance": round(member.resemblance, 6),
    }
