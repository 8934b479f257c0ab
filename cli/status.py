"""The command `vsearch status`."""

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from vsearch_core.config import MAX_FILE_SIZE

from . import locate
from .follow import follow, progress_text
from .opening import open_any_index
from .output import emit, one_line, plural, shown_path, size_text, to_json
from .pager import paged
from .warm import running_helper
from .watch import refuse_together

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vsearch_core import FileState, Index, ServerIndex, Status, TunedFusion
    from vsearch_core.model import Fingerprint, JsonValue
    from vsearch_core.search.fusion import Fusion

LINES_AT_ONCE = 1000


def status(
    by_file: Annotated[
        bool, typer.Option("--files", help="Print each file with its state, and the reason for it.")
    ] = False,
    following: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Show the progress of the update that runs, until it ends. The exit status says how it ended: 0 done,"
            " 2 failed or killed, or a file could not be read, 130 interrupted.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the status as JSON.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OR_SERVER] = None,
) -> int:
    """Show the contents, the model and the size of the index.

    With --files, print one line for each file, with its state: indexed, partly (a part could not be read), keywords
    (not embedded yet, so that only keywords find it), pending (read, but not found yet), skipped (without text, or left
    out on purpose) or failed (could not be read).
    """
    from vsearch_core import Index
    from vsearch_core.index.runs import read_run
    from vsearch_core.search.fusion import INTERIM_FUSION, Fusion

    if following:
        refuse_together("--follow", {"--files": by_file})
        return follow(locate.index_to_read(index_dir), as_json=as_json)
    folder = locate.index_to_read(index_dir, servers=True)
    pid, run = running_helper(folder), read_run(folder)
    with open_any_index(folder) as index:
        if by_file and not as_json:
            return _print_files(index)
        states = [asdict(state) for state in index.files()] if by_file else None
        found, tuned, root = index.status(), index.tuned(), index.root
        verdicts = len(index.verdicts()[0]) if isinstance(index, Index) else 0
    if as_json:
        tuned_values = None if tuned is None else asdict(tuned)
        more = {"index": str(found.index), "tuned": tuned_values, "feedback": verdicts, "by_file": states}
        more["run"] = None if run is None else asdict(run)
        more["warm_helper"] = None if pid is None else {"pid": pid}
        emit(to_json({"schema": "vsearch.status/1", **asdict(found), **more}))
    else:
        usual = Fusion() if found.coming is None else INTERIM_FUSION
        lines = [*_lines(found, root), ("fusion", _fusion(tuned, usual, verdicts))]
        lines += (
            []
            if pid is None
            else [("warm", f"a helper answers queries (process {pid}); end it with `vsearch warm --stop`")]
        )
        if run is not None and run.outcome == "running":
            lines.append(("run", f"{progress_text(run)} (process {run.pid}); `vsearch status --follow` shows more"))
        emit("\n".join(f"{name:<9} {one_line(value)}" for name, value in lines))
    return 0


def _lines(status: "Status", root: Path) -> list[tuple[str, str]]:
    model = status.fingerprint
    dead = f", {plural(status.dead_rows, 'deleted row')}" if status.dead_rows else ""
    without = f"; without {', '.join(status.removed)}" if status.removed else ""
    graphs = f", {status.graph_segments:,} of them ({plural(status.graph_rows, 'row')}) with a graph"
    graphs = graphs if status.graph_segments else ""
    lists = f", {status.ivf_segments:,} of them ({plural(status.ivf_rows, 'row')}) with inverted lists"
    lists = lists if status.ivf_segments else ""
    codes = f", {status.pq_segments:,} of them ({plural(status.pq_rows, 'row')}) with product quantisation"
    codes = codes if status.pq_segments else ""
    archive = f"none: {plural(status.coded_rows, 'row')} with codes instead"
    waiting = "kept so far; codes will replace them from 1,024 chunks on"
    kept = (archive if status.coded_rows else waiting) if status.vectors == "none" else ""
    used = {name: size for name, size in status.size.items() if size and name != "damaged"}
    parts = ", ".join(f"{name} {size_text(size)}" for name, size in used.items())
    aside = status.size["damaged"]
    aside_text = f"{size_text(aside)} in {status.index}/damaged: not used; delete it once you miss nothing"
    files = (
        f"{plural(status.pending_files, 'file')}, {plural(status.pending_chunks, 'chunk')} to embed:"
        " run `vsearch index` to continue"
    )
    files += f"; only keywords find {status.keyword_files:,} of them until then" if status.keyword_files else ""
    begun = "another model's vectors: run the same `vsearch index --re-embed` to continue"
    unfinished = status.re_embedding and status.coming is None
    pending = [text for text, there in ((files, status.pending_files), (begun, unfinished)) if there]
    if status.coming is not None:
        texts = f"{plural(status.coming_texts, 'text')} embedded so far"
        pending.append(f"vectors of {status.coming.model}, {texts}: run `vsearch index` to continue")
    interim = "" if status.coming is None else f"; interim, {status.coming.model} replaces it"
    return [
        ("index", f"{status.index} (format {status.format}, generation {status.generation})"),
        ("sources", (", ".join(_source(path, status.walks[path]) for path in status.sources) or "none") + without),
        *([("outside", f"{', '.join(status.outside)} (not in {root})")] if status.outside else []),
        ("files", f"{status.files:,}" + _incomplete(status)),
        ("chunks", f"{status.chunks:,} in {plural(status.segments, 'segment')}{graphs}{lists}{codes}{dead}"),
        ("model", f"{model.model} ({model.provider}, {model.dimension} dimensions, {model.pooling}){interim}"),
        *([("pictures", _pictures(status, status.image_model))] if status.image_model else []),
        (
            "chunking",
            f"{status.chunk_words} words, {status.overlap_words} shared; keywords stemmed as {status.language}",
        ),
        *([("vectors", kept)] if kept else []),
        *([("size", f"{size_text(sum(used.values()))}: {parts}")] if used else []),
        *([("set aside", aside_text)] if aside else []),
        ("commit", status.last_commit or "none yet"),
        ("pending", "; ".join(pending) or "nothing"),
    ]


def _pictures(status: "Status", model: "Fingerprint") -> str:
    """Return the image model and the number of pictures that it has seen."""
    inside = f", and {status.figure_vectors:,} in documents" if status.figure_vectors else ""
    seen = f"{plural(status.picture_vectors, 'picture')}{inside}"
    return f"{model.model} ({model.pooling}, {model.dimension} dimensions; {seen})"


def _source(path: str, options: "Mapping[str, JsonValue]") -> str:
    """Return a source's path, with the options it was walked with, if they are not the built-in ones."""
    told = [f"{name} {pattern}" for name in ("include", "exclude") for pattern in cast("list[str]", options[name])]
    told += [] if options["use_ignore_files"] else ["no ignore files"]
    size = cast("int", options["max_file_size"])
    told += [] if size == MAX_FILE_SIZE else [f"files up to {size_text(size)}"]
    return f"{path} ({'; '.join(told)})" if told else path


def _incomplete(status: "Status") -> str:
    """Return the counts of files that are not, or only in part, in the index."""
    counts = status.files_by_state
    among = f", {counts['partly']:,} of them partly" if counts["partly"] else ""
    others = ", ".join(f"{counts[state]:,} {state}" for state in ("skipped", "failed") if counts[state])
    beside = f"; {others}" if others else ""
    return f"{among}{beside} (--files says why)" if among or beside else ""


def _print_files(index: "Index | ServerIndex") -> int:
    """Print one line for each file. Return the exit status."""
    lines = (_file_line(index.root, file) for file in index.files())
    with paged():
        while some := list(islice(lines, LINES_AT_ONCE)):
            emit("\n".join(some))
    return 0


def _file_line(root: Path, file: "FileState") -> str:
    path = one_line(shown_path(root, file.path))
    return f"{file.state:<8} {path}" + (f": {one_line(file.reason)}" if file.reason else "")


def _fusion(tuned: "TunedFusion | None", usual: "Fusion", verdicts: int) -> str:
    """Return text about the way queries combine keyword and vector scores, and its measured quality."""
    waiting = f"; {plural(verdicts, 'verdict')} of `vsearch feedback`" if verdicts else ""
    if tuned is None:
        return f"{usual.in_words}{waiting}"
    gain = f"nDCG@10 {tuned.ndcg_10:.4f} on held-out queries, {tuned.former_ndcg_10:.4f} before"
    return f"{tuned.fusion.in_words} on {plural(tuned.questions, 'query', 'queries')}: {gain}{waiting}"
