"""`vsearch status`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import locate
from .output import emit, one_line, plural, size_text, to_json

if TYPE_CHECKING:
    from vsearch_core.index.status import Status
    from vsearch_core.search.tuned import Tuned


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Show what the index holds, what made it, how large it is, and what is pending."""
    from vsearch_core.evaluate.feedback import read
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.index.status import read_status
    from vsearch_core.search.tuned import tuned

    with open_snapshot(locate.index_to_read(index_dir)) as snapshot:
        found = read_status(snapshot)
        learned = tuned(snapshot.catalog)
        verdicts, _ = read(snapshot.catalog.index)
    if as_json:
        learned_values = None if learned is None else asdict(learned)
        more = {"index": str(found.index), "tuned": learned_values, "feedback": len(verdicts)}
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
        ("files", f"{status.files:,}"),
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


def _fusion(learned: "Tuned | None", verdicts: int) -> str:
    """How queries combine the routes."""
    from vsearch_core.search.fusion import Fusion

    waiting = f"; {plural(verdicts, 'verdict')} of `vsearch feedback`" if verdicts else ""
    if learned is None:
        return f"{Fusion().in_words}{waiting}"
    gain = f"nDCG@10 {learned.ndcg_10:.4f} on questions held out, {learned.former_ndcg_10:.4f} before"
    return f"{learned.fusion.in_words} on {plural(learned.questions, 'question')}: {gain}{waiting}"
