"""`vsearch query`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import consent, locate
from .defaults import EF_MOST, K_MOST, choose, shown
from .opening import embedder_opener
from .output import PREPARING, complain, emit, say

if TYPE_CHECKING:
    from vsearch_core.index.snapshot import Snapshot
    from vsearch_core.index.writer import OpenEmbedder
    from vsearch_core.search.pipeline import EmbedQuery, Query
    from vsearch_core.search.vectors import Effort


def query(
    text: Annotated[str, typer.Argument(metavar="TEXT|-", help="The question; - reads one a line from stdin.")],
    k: Annotated[int | None, typer.Option("-k", min=1, max=K_MOST, help=f"Hits at most.{shown('k')}")] = None,
    mode: Annotated[
        Literal["hybrid", "vector", "keyword"] | None,
        typer.Option(help=f"By meaning and keyword, or by one of them.{shown('mode')}"),
    ] = None,
    fusion: Annotated[
        Literal["convex", "rrf"] | None, typer.Option(help=f"How hybrid combines the two.{shown('fusion')}")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(min=0, max=1, help=f"The share of meaning in convex fusion.{shown('alpha')}")
    ] = None,
    where: Annotated[
        str | None, typer.Option(metavar="SQL", help="A condition on the file, like \"ext = 'md' AND size < 9000\".")
    ] = None,
    path: Annotated[str | None, typer.Option(metavar="GLOB", help="Only such paths below the root: 'docs/*'.")] = None,
    ext: Annotated[str | None, typer.Option(metavar="LIST", help="Only such extensions, like md,py.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Modified then or later: 2026-01-31 or 30d.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Modified then or earlier.")] = None,
    min_score: Annotated[
        float | None,
        typer.Option(metavar="X", help="Only hits that score as much."),
    ] = None,
    group_by: Annotated[Literal["file"] | None, typer.Option(help="The best hit of each file only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a hit, one a line.")] = False,
    as_paths: Annotated[bool, typer.Option("--paths", help="The hits' paths, each once.")] = False,
    null: Annotated[bool, typer.Option("-0", "--null", help="With --paths: end each with NUL.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Whole passages instead of the best sentence.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show terms, scores and timings.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help='Take "quotes", +, - and * as they stand.')] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Compare every vector.")] = False,
    ef: Annotated[
        int | None,
        typer.Option(
            "--ef", metavar="N", min=1, max=EF_MOST, help="Walk the graph, N candidates (100 at least) in view."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Answer a question with the passages that fit best.

    A hit begins with path:line. Exit status: 0 with hits, 1 without, 2 on an error.
    """
    from threading import Event

    from vsearch_core.errors import InputError
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.search.filters import Filters, parse_date
    from vsearch_core.search.fusion import Fusion
    from vsearch_core.search.pipeline import Query, clean_query
    from vsearch_core.search.vectors import Effort

    if as_json + as_jsonl + as_paths > 1:
        raise InputError("--json, --jsonl, --paths", "they exclude one another", "give one of them")
    if text == "-" and (as_paths or full):
        raise InputError("query -", "it answers in JSON", "leave out --paths and --full")
    if alpha != alpha or min_score != min_score:  # noqa: PLR0124 - only NaN differs from itself
        raise InputError("--alpha, --min-score", "nan is no number to compare with", "give another")
    if null and not as_paths:
        raise InputError("-0", "it needs --paths", "add --paths")
    filters = Filters(
        where,
        path,
        tuple(part for part in (ext or "").split(",") if part.strip()),
        None if since is None else parse_date(since),
        None if until is None else parse_date(until, end_of_day=True),
    )
    index = locate.index_to_read(index_dir)
    chosen = choose(index, k=k, mode=mode, fusion=fusion, alpha=alpha, ef=ef)
    effort = Effort(exact, ef if exact else chosen["ef"], lambda: complain(PREPARING))
    how = Fusion(chosen["fusion"], chosen["alpha"])
    asked = Query(text, chosen["k"], chosen["mode"], how, filters, min_score, group_by == "file", plain)
    if text != "-":
        clean_query(text)  # before anything is opened
    output = "json" if as_json else "jsonl" if as_jsonl else "paths0" if null else "paths" if as_paths else "text"
    with open_snapshot(index) as snapshot:
        if asked.mode != "keyword":
            consent.require(snapshot.settings.spec, index, yes=yes)  # here: a thread could not be interrupted
        interrupted = Event()
        opener = embedder_opener(index, report=say, stop=interrupted.is_set, yes=yes)
        if text == "-":
            return _answer_lines(snapshot, asked, effort, opener, explain=explain)
        try:
            return _answer_one(snapshot, asked, effort, opener, output, full=full, explain=explain)
        except KeyboardInterrupt:
            interrupted.set()  # the process ends only with the thread that embeds, which may be waiting for a provider
            raise


def _answer_one(
    snapshot: "Snapshot",
    asked: "Query",
    effort: "Effort",
    opener: "OpenEmbedder",
    output: str,
    *,
    full: bool,
    explain: bool,
) -> int:
    from vsearch_core.search.local import LocalSearcher
    from vsearch_core.search.pipeline import answer

    from . import render

    question = asked.question()
    embed = _embed_ahead(snapshot, opener, question.spoken) if asked.mode != "keyword" else None
    searcher = LocalSearcher(snapshot, effort)
    if embed is not None:
        searcher.verify_vectors()  # while the model is loaded
    results = answer(searcher, embed, asked)
    terms = searcher.terms(question)
    root = snapshot.catalog.index.parent
    if output == "json":
        emit(render.results_json(results, terms if explain else None))
    elif output == "jsonl":
        render.emit_hits_jsonl(results)
    elif output.startswith("paths"):
        render.emit_paths(results, root, null=output == "paths0")
    else:
        render.emit_text(results, root, terms, snapshot.settings.analysis, full=full, explain=explain)
    if not results.hits:
        conditions = bool(question.required or question.excluded)
        say(render.why_nothing(results, terms, floor=asked.min_score is not None, conditions=conditions))
    return 0 if results.hits else 1


def _answer_lines(
    snapshot: "Snapshot", asked: "Query", effort: "Effort", opener: "OpenEmbedder", *, explain: bool
) -> int:
    """Batch mode: a JSON object for each line of stdin, errors included, so that line n answers query n."""
    from dataclasses import replace

    from vsearch_core.errors import InputError
    from vsearch_core.search.local import LocalSearcher
    from vsearch_core.search.pipeline import answer

    from . import render

    searcher = LocalSearcher(snapshot, effort)
    searcher.allow(asked.filters)  # a bad filter is no line's fault: it ends the command here
    embed = _embed_queries(snapshot, opener) if asked.mode != "keyword" else None
    failed = found = False
    for line in _lines():
        try:
            asked = replace(asked, text=line)
            results = answer(searcher, embed, asked)
        except InputError as error:
            failed = True
            emit(render.error_json(line, error))
            continue
        found = found or bool(results.hits)
        emit(render.results_json(results, searcher.terms(asked.question()) if explain else None))
    if failed:
        complain('some queries could not be answered; their lines hold an "error"')
        return 2
    return 0 if found else 1


def _lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def _embed_ahead(snapshot: "Snapshot", opener: "OpenEmbedder", text: str) -> "EmbedQuery":
    """Embed the one query from now on, in a thread.

    Loading the model is most of a cold query's time and leaves the interpreter to others.
    """
    from concurrent.futures import ThreadPoolExecutor

    vector = ThreadPoolExecutor(1).submit(lambda: _embed_queries(snapshot, opener)(text))
    return lambda _: vector.result()


def _embed_queries(snapshot: "Snapshot", opener: "OpenEmbedder") -> "EmbedQuery":
    """The model that made the index's vectors. Raises IndexMismatchError when it is not the same any more."""
    from vsearch_core.index.settings import refuse_other_model

    settings = snapshot.settings
    embedder = opener(settings.spec)
    refuse_other_model(str(snapshot.catalog.index), settings, embedder.fingerprint)
    return lambda text: embedder.embed_queries([text])[0]
