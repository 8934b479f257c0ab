"""The command `vsearch repair`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import consent, locate
from .environment import cache_dir
from .opening import embedder_opener
from .output import complain, emit, one_line, plural, say, to_json
from .progress import watched

if TYPE_CHECKING:
    from vsearch_core import RepairSummary


_ADVICE = {  # by the table of the catalog that has lost rows
    "settings": "see what is left with `vsearch status`",
    "sources": "name all folders again in one `vsearch index PATH…`, and remove again what you had removed",
    "files": "files without names are listed in .vsearch/lost until `vsearch index` has read all folders",
    "chunks": "read the files again with `vsearch index`",
}


def repair(
    re_embed: Annotated[bool, typer.Option("--re-embed", help="Embed chunks that have lost their vectors.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
) -> int:
    """Repair a damaged index.

    Damaged parts are rebuilt from intact ones where possible. Files that can't be repaired are moved to a folder inside
    the index, and their names are printed. Exit status: 0 nothing is lost, 2 something is lost.
    """
    from vsearch_core import repair_index

    folder = locate.index_to_read(index_dir)
    agreement = consent.Consent(folder, yes=yes)
    with watched(quiet=False) as (bar, observer):
        done = repair_index(
            folder,
            re_embed=re_embed,
            cache_dir=cache_dir(),
            open_embedder=embedder_opener(folder, report=bar.write, stop=observer.should_stop, agreement=agreement),
            consent=agreement,
            approve=agreement.approve,
            observer=observer,
            salvaged=_report_losses,
        )
    for path in done.set_aside:
        say(f"moved aside: {path}")
    for path in done.staged if done.pending else ():
        complain(f"{path}: lacks vectors, so only keywords find it; embed it with `vsearch index`")
    if done.feedback_lost:
        complain(f"{done.index}: the verdicts have lost {plural(done.feedback_lost, 'byte')}; record them again")
    if as_json:
        emit(to_json({"schema": "vsearch.repair/1", **asdict(done), "index": str(done.index)}))
    else:
        emit(one_line(f"{done.index}: {_summary(done)}"))
    if observer.should_stop() and done.pending:
        return 130
    has_losses = done.lost or done.recalled or done.reread or done.feedback_lost
    return 2 if has_losses or (done.staged and done.pending) else 0


def _report_losses(done: "RepairSummary") -> None:
    """Print at once what the catalog has lost: if the repair is interrupted, the next one can't see the loss."""
    for path in done.reread:
        complain(f"{path}: some of its text is lost; read it again with `vsearch index`")
    for table, count in done.lost.items():
        complain(
            f"{done.index}: the catalog has lost at least {plural(count, 'row')} of its table {table}; {_ADVICE[table]}"
        )
    if done.recalled:
        names = ", ".join(done.recalled)
        complain(f"{done.index}: settings are lost ({names}) and were restored from the last segment")


def _summary(done: "RepairSummary") -> str:
    parts = [
        "catalog rebuilt" if done.catalog else "",
        f"{plural(done.rebuilt, 'segment')} rebuilt, {plural(done.rows, 'row')} recovered" if done.rebuilt else "",
        "keywords analyzed again" if done.renewed else "",
        f"{plural(done.embedded, 'chunk')} embedded" if done.embedded else "",
        f"{plural(done.pending, 'chunk')} to embed with `vsearch index`" if done.pending else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing to repair"
