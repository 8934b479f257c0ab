"""`vsearch status`."""

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import locate
from .output import emit, one_line, plural, shown_path, size_text, to_json

if TYPE_CHECKING:
    from vsearch_core.index.snapshot import Snapshot
    from vsearch_core.index.status import Status
    from vsearch_core.search.tuned import Tuned
    from vsearch_core.store.states import FileState


LINES_AT_ONCE = 1000


def status(
    by_file: Annotated[bool, typer.Option("--files", help="Name each file, what became of it, and why.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Show what the index holds, its model and size; or each file.

    With --files, a line a file: indexed, partly (the rest could not be read), pending (read, and not embedded yet),
    skipped (nothing to read in it) or failed (could not be read).
    """
    from vsearch_core.evaluate.feedback import read
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.index.status import read_states, read_status
    from vsearch_core.search.tuned import tuned

    with open_snapshot(locate.index_to_read(index_dir)) as snapshot:
        if by_file and not as_json:
            return _show_files(snapshot)
        states = [asdict(state) for state in read_states(snapshot)] if by_file else None
        found = read_status(snapshot)
        learned = tuned(snapshot.catalog)
        verdicts, _ = read(snapshot.catalog.index)
    if as_json:
        learned_values = None if learned is None else asdict(learned)
        more = {"index": str(found.index), "tuned": learned_values, "feedback": len(verdicts), "by_file": states}
        emit(to_json({"schema": "vsearch.status/1", **asdict(found), **more}))
    else:
        lines = [*_lines(found), ("fusion", _fusion(learned, len(verdicts)))]
        emit("\n".join(f"{name:<9} {one_line(value)}" for name, value in lines))
    return 0


def _lines(status: "Status") -> list[tuple[str, str]]:
    made_by = status.fingerprint
    dead = f", {plural(status.dead_rows, 'dead row')}" if status.dead_rows else ""
    without = f"; without {', '.join(status.removed)}" if status.removed else ""
    linked = f", {status.graph_segments:,} of them ({plural(status.graph_rows, 'row')}) with a graph"
    graphs = linked if status.graph_segments else ""
    used = {name: size for name, size in status.size.items() if name != "damaged"}
    parts = ", ".join(f"{name} {size_text(size)}" for name, size in used.items())
    aside = status.size["damaged"]
    aside_text = f"{size_text(aside)} in {status.index}/damaged: nothing reads it, delete it when nothing is missed"
    files = (
        f"{plural(status.pending_files, 'file')}, {plural(status.pending_chunks, 'chunk')} to embed:"
        " run `vsearch index` to go on"
    )
    begun = "another model's vectors: run the same `vsearch index --re-embed` to go on"
    pending = [text for text, there in ((files, status.pending_files), (begun, status.re_embedding)) if there]
    return [
        ("index", f"{status.index} (format {status.format}, generation {status.generation})"),
        ("sources", (", ".join(status.sources) or "none") + without),
        ("files", f"{status.files:,}" + _incomplete(status)),
        ("chunks", f"{status.chunks:,} in {plural(status.segments, 'segment')}{graphs}{dead}"),
        ("model", f"{made_by.model} ({made_by.provider}, {made_by.dimension} dimensions, {made_by.pooling})"),
        (
            "chunking",
            f"{status.chunk_words} words, {status.overlap_words} shared; keywords stemmed as {status.language}",
        ),
        ("size", f"{size_text(sum(used.values()))}: {parts}"),
        *([("set aside", aside_text)] if aside else []),
        ("commit", status.last_commit or "none yet"),
        ("pending", "; ".join(pending) or "nothing"),
    ]


def _incomplete(status: "Status") -> str:
    """How many files are not, or not wholly, in the index."""
    counts = status.files_by_state
    among = f", {counts['partly']:,} of them partly" if counts["partly"] else ""
    others = ", ".join(f"{counts[state]:,} {state}" for state in ("skipped", "failed") if counts[state])
    beside = f"; {others}" if others else ""
    return f"{among}{beside} (--files says why)" if among or beside else ""


def _show_files(snapshot: "Snapshot") -> int:
    """Print a line a file. Returns the exit status."""
    from vsearch_core.index.status import read_states

    root = snapshot.catalog.index.parent
    lines = (_file_line(root, file) for file in read_states(snapshot))
    while some := list(islice(lines, LINES_AT_ONCE)):
        emit("\n".join(some))
    return 0


def _file_line(root: Path, file: "FileState") -> str:
    path = one_line(shown_path(root, file.path))
    return f"{file.state:<8} {path}" + (f": {one_line(file.reason)}" if file.reason else "")


def _fusion(learned: "Tuned | None", verdicts: int) -> str:
    """How queries combine the routes."""
    from vsearch_core.search.fusion import Fusion

    waiting = f"; {plural(verdicts, 'verdict')} of `vsearch feedback`" if verdicts else ""
    if learned is None:
        return f"{Fusion().in_words}{waiting}"
    gain = f"nDCG@10 {learned.ndcg_10:.4f} on questions held out, {learned.former_ndcg_10:.4f} before"
    return f"{learned.fusion.in_words} on {plural(learned.questions, 'question')}: {gain}{waiting}"
