"""`vsearch query`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsearch_core import config

from . import asking, consent, locate
from .advice import describe
from .defaults import EF_MOST, choose, shown, told
from .opening import consenting, embedder_opener, interruptible
from .output import PREPARING, complain, emit, say, to_json

if TYPE_CHECKING:
    from vsearch_core.embed.base import Embedder, OpenEmbedder
    from vsearch_core.index.snapshot import Snapshot
    from vsearch_core.search.pipeline import EmbedQuery
    from vsearch_core.search.request import SearchRequest


def query(
    text: Annotated[str, typer.Argument(metavar="TEXT|-", help="The question; - reads one a line from stdin.")] = "",
    k: asking.K = None,
    mode: Annotated[
        Literal["hybrid", "vector", "keyword"] | None,
        typer.Option(help=f"By meaning and keyword, or by one of them.{shown('mode')}"),
    ] = None,
    fusion: Annotated[
        Literal["convex", "rrf"] | None,
        typer.Option(help=f"How hybrid combines the two, unless tuned.{shown('fusion')}"),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(min=0, max=1, help=f"The share of meaning in convex fusion, unless tuned.{shown('alpha')}"),
    ] = None,
    where: asking.Where = None,
    path: asking.PathGlob = None,
    ext: asking.Ext = None,
    since: asking.Since = None,
    until: asking.Until = None,
    min_score: asking.MinScore = None,
    group_by: asking.GroupBy = None,
    as_json: asking.AsJson = False,
    as_jsonl: asking.AsJsonl = False,
    as_paths: asking.AsPaths = False,
    null: asking.Null = False,
    full: asking.Full = False,
    rerank: asking.RerankModel = None,
    rerank_depth: asking.RerankDepth = config.RERANKED,
    more_like: asking.MoreLike = None,
    less_like: asking.LessLike = None,
    no_collapse: asking.NoCollapse = False,
    diversity: asking.Diversity = 0.0,
    context: asking.Context = 0,
    max_tokens: asking.MaxTokens = None,
    explain: asking.Explain = False,
    plain: Annotated[bool, typer.Option("--plain", help='Take "quotes", +, - and * as they stand.')] = False,
    exact: asking.Exact = False,
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
    from vsearch_core.errors import InputError
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.search.request import SearchRequest

    output = asking.output(as_json=as_json, as_jsonl=as_jsonl, as_paths=as_paths, null=null)
    if text == "-" and (as_paths or full):
        raise InputError("query -", "it answers in JSON", "leave out --paths and --full")
    asking.refuse_nan(alpha=alpha, min_score=min_score, diversity=diversity)
    examples_only = bool(more_like) and not text
    if rerank and examples_only:
        raise InputError("--rerank", "it judges passages by words", "give TEXT, too")
    filters = asking.filters(where, path, ext, since, until)
    index = locate.index_to_read(index_dir)
    chosen = choose(index, k=asking.hits(k, max_tokens), mode=mode, ef=ef)
    request = SearchRequest(
        text,
        chosen["k"],
        chosen["mode"],
        **told(index, fusion=fusion, alpha=alpha),
        filters=filters,
        min_score=min_score,
        group_by_file=group_by == "file",
        plain=plain,
        more_like=tuple(more_like or ()),
        less_like=tuple(less_like or ()),
        examples_only=examples_only,
        collapse=not (no_collapse or as_paths),  # a script that asks for paths wants all of them
        diversity=diversity,
        context=context,
        max_tokens=max_tokens,
        rerank=asking.rerank(rerank, rerank_depth),
        exact=exact,
        ef_search=ef if exact else chosen["ef"],
    )
    with interruptible() as stop, open_snapshot(index) as snapshot:
        opener = consenting(embedder_opener(index, report=say, stop=stop.should_stop), index, yes=yes)
        if text == "-":
            return _answer_lines(snapshot, request, opener, explain=explain)
        return answer_one(snapshot, request, opener, output, full=full or asking.whole(request), explain=explain)


def answer_one(
    snapshot: "Snapshot", request: "SearchRequest", opener: "OpenEmbedder", output: str, *, full: bool, explain: bool
) -> int:
    """Print the answer to one query; return the exit status."""
    from vsearch_core.search.local import LocalSearcher
    from vsearch_core.search.pipeline import search
    from vsearch_core.search.results_json import results_json

    from . import render

    embed = None
    if request.mode != "keyword" and not request.examples_only:
        embed = _embed_ahead(snapshot, opener, request.parsed.semantic_text)
    searcher = LocalSearcher(snapshot, engine_starting=lambda: complain(PREPARING))
    request = asking.with_examples(snapshot, searcher, request, lambda: embedder_of(snapshot, opener))
    results = search(searcher, request, embed)
    root = snapshot.catalog.index.parent
    if output == "json":
        emit(to_json(results_json(results, explain=explain)))
    elif output == "jsonl":
        render.emit_hits_jsonl(results)
    elif output.startswith("paths"):
        render.emit_paths(results, root, null=output == "paths0")
    else:
        render.emit_text(results, root, lambda texts: searcher.excerpts(request, texts), full=full, explain=explain)
    if not results.hits:
        say(render.why_nothing(results, has_min_score=request.min_score is not None))
    return 0 if results.hits else 1


def _answer_lines(snapshot: "Snapshot", request: "SearchRequest", opener: "OpenEmbedder", *, explain: bool) -> int:
    """Batch mode: a JSON object for each line of stdin, errors included, so that line n answers query n."""
    from dataclasses import replace

    from vsearch_core.errors import InputError
    from vsearch_core.search.local import LocalSearcher
    from vsearch_core.search.pipeline import query_embedding, search
    from vsearch_core.search.results_json import error_json, results_json

    searcher = LocalSearcher(snapshot, engine_starting=lambda: complain(PREPARING))
    searcher.select(request.filters)  # a bad filter is no line's fault: it ends the command here
    request = asking.with_examples(snapshot, searcher, request, lambda: embedder_of(snapshot, opener))
    embed = query_embedding(embedder_of(snapshot, opener)) if request.mode != "keyword" else None
    failed = found = False
    for line in _lines():
        try:
            results = search(searcher, replace(request, text=line), embed)
        except InputError as error:
            failed = True
            emit(to_json(error_json(line, describe(error))))
            continue
        found = found or bool(results.hits)
        emit(to_json(results_json(results, explain=explain)))
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

    from vsearch_core.search.pipeline import query_embedding

    embedded = ThreadPoolExecutor(1).submit(lambda: query_embedding(embedder_of(snapshot, opener))(text))
    return lambda _: embedded.result()


def embedder_of(snapshot: "Snapshot", opener: "OpenEmbedder") -> "Embedder":
    """The model that made the index's vectors. Raises IndexMismatchError when it is not the same any more."""
    from vsearch_core.index.settings import refuse_other_model

    settings = snapshot.settings
    embedder = opener(settings.spec)
    refuse_other_model(str(snapshot.catalog.index), settings, embedder.fingerprint)
    return embedder
