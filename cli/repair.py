"""`vsearch repair`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import consent, locate
from .opening import embedder_opener
from .output import complain, emit, one_line, plural, say, to_json
from .progress import watched

if TYPE_CHECKING:
    from vsearch_core.index.repair import RepairSummary


_NEXT_STEPS = {
    "settings": "see with `vsearch status` what is left",
    "sources": "name all folders again, in one run of `vsearch index PATH…`, and remove again what had been",
    "files": "what has lost its name is found in .vsearch/lost until `vsearch index` has read all folders",
    "chunks": "refresh it with `vsearch index`",
}


def repair(
    re_embed: Annotated[bool, typer.Option("--re-embed", help="Embed at once what has lost its vectors.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Make a damaged index sound again.

    What follows from the rest is made anew; what can't be saved is set aside in the index folder and named. Exit
    status: 0 all is saved, 2 not.
    """
    from vsearch_core.index.repair import repair_index

    index = locate.index_to_read(index_dir)
    with watched(quiet=False) as (bar, observer):
        opener = embedder_opener(index, report=bar.write, stop=observer.should_stop, yes=yes)
        done = repair_index(index, opener if re_embed else None, observer, _say_losses)
    for path in done.set_aside:
        say(f"set aside: {path}")
    for path in done.staged if done.pending else ():
        complain(f"{path}: has lost vectors and is not searched until `vsearch index` has embedded it")
    if as_json:
        emit(to_json({"schema": "vsearch.repair/1", **asdict(done), "index": str(done.index)}))
    else:
        emit(one_line(f"{done.index}: {_summary(done)}"))
    if observer.should_stop() and done.pending:
        return 130
    return 2 if done.lost or done.recalled or done.reread or (done.staged and done.pending) else 0


def _say_losses(done: "RepairSummary") -> None:
    """Say what the catalog has lost, at once: should the repair be stopped, the next one finds nothing amiss."""
    for path in done.reread:
        complain(f"{path}: some of its text is lost; `vsearch index` reads it again")
    for table, count in done.lost.items():
        complain(f"{done.index}: at least {plural(count, 'row')} of its {table} can't be saved; {_NEXT_STEPS[table]}")
    if done.recalled:
        names = ", ".join(done.recalled)
        complain(f"{done.index}: settings are lost ({names}); they are now those of the last segment's commit")


def _summary(done: "RepairSummary") -> str:
    parts = [
        "the catalog made anew" if done.catalog else "",
        f"{plural(done.rebuilt, 'segment')} made anew, {plural(done.rows, 'row')} saved" if done.rebuilt else "",
        "keywords made anew" if done.renewed else "",
        f"{plural(done.embedded, 'chunk')} embedded" if done.embedded else "",
        f"{plural(done.pending, 'chunk')} to embed with `vsearch index`" if done.pending else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing to repair"
