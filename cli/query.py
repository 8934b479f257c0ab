"""The command `vsearch query`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsearch_core import config
from vsearch_core.errors import ArgumentError, FilterError, InputError

from . import locate
from .advice import describe
from .defaults import choose, configured, shown
from .opening import interruptible, open_indexes, refuse_idle_address
from .option_rules import refuse_idle_options
from .output import complain, emit, say, to_json
from .search_options import SearchArguments, grouped
from .warm import start_if_wanted

if TYPE_CHECKING:
    from vsearch_core import Index, JoinedIndexes, Results, SearchOptions, SearchRequest, ServerIndex

_MOST_SECONDS = 3600.0  # of --rerank-budget


@grouped
def query(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT|-",
            help="The query, or - to read one query a line: from a terminal, or else from stdin, with answers in JSON.",
        ),
    ] = None,
    mode: Annotated[
        Literal["hybrid", "vector", "keyword"] | None,
        typer.Option(help=f"Search by meaning (vector), by keyword, or by both.{shown('mode')}"),
    ] = None,
    fusion: Annotated[
        Literal["convex", "rrf"] | None,
        typer.Option(
            help=f"The method by which hybrid search combines keyword and vector scores.{shown('fusion', tuned=True)}"
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="X", min=0, max=1, help=f"The weight of vector scores in convex fusion.{shown('alpha', tuned=True)}"
        ),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help='Treat "quotes", +, - and * as ordinary text.')] = False,
    more_like: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE[:LINE]", help="Prefer hits like this file or line; TEXT may be left out."),
    ] = None,
    less_like: Annotated[
        list[str] | None, typer.Option(metavar="FILE[:LINE]", help="Prefer hits unlike this file or line.")
    ] = None,
    rerank: Annotated[
        str | None,
        typer.Option(
            "--rerank",
            metavar="MODEL",
            help="Score the best hits again with a cross-encoder: its folder or its name on the Hugging Face hub.",
        ),
    ] = None,
    rerank_depth: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="The number of best hits that --rerank scores again.")
    ] = config.RERANKED,
    rerank_budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The time that --rerank may take, such as 500ms or 2s. Hits that it can't score in this time are left"
            " out; if too few are scored, the order without --rerank stays.",
        ),
    ] = None,
    ef: Annotated[
        int | None,
        typer.Option(
            "--ef",
            metavar="N",
            min=1,
            max=config.MAX_EF_SEARCH,
            help="Search the graph of vectors with N candidates (at least 100): more find more, but take longer.",
        ),
    ] = None,
    nprobe: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=config.MAX_NPROBE,
            help="Search the N inverted lists nearest to the query, if the index has lists (see `vsearch index --ann`)."
            f"  [default: {config.NPROBE}]",
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(metavar="X", min=0, max=1, help="Show only hits with at least this probability to be relevant."),
    ] = None,
    arguments: SearchArguments = SearchArguments(),  # noqa: B008 - frozen
) -> int:
    """Search the index, and print the chunks that answer best.

    A chunk is a piece of a document, about a page long. Each hit begins with path:line. Exit status: 0 hits, 1 no hit,
    2 error.
    """
    from vsearch_core import open_reranker, search_request

    from . import render

    text = " ".join(words or ())  # the shell splits a query without quotes
    if "-" in (words or ()) and text != "-":
        raise InputError("query -", "reads the queries from stdin; leave out the other words")
    lines_to_json = text == "-" and not _has_terminal()
    if rerank is not None and more_like and not text:  # before the model is looked for
        reason = "it needs a query's text, and there are only examples"
        raise ArgumentError("rerank", reason, "rerank-needs-text")
    folders = arguments.index_folders()
    folder = folders[0]
    chosen = choose(folder, mode=mode, ef=ef, nprobe=nprobe)
    combination = configured(folder, fusion=fusion, alpha=alpha)
    refuse_idle_options(
        "query",
        mode=chosen["mode"] if text else "examples",
        fusion=combination["fusion"] or config.FUSIONS[0],
        format="lines" if lines_to_json else arguments.format,
        reranker="none" if rerank is None else "some",
    )
    refuse_idle_address("query", folder, arguments.base_url)
    options: SearchOptions = {
        **arguments.search_options(folders),
        **combination,  # type: ignore[typeddict-item]
        "mode": chosen["mode"],
        "plain": plain,
        "min_confidence": min_confidence,
        "more_like": [str(locate.expanded(name)) for name in more_like or ()],
        "less_like": [str(locate.expanded(name)) for name in less_like or ()],
        "rerank": None if rerank is None else open_reranker(rerank, rerank_depth),
        "rerank_budget": None if rerank_budget is None else _seconds(rerank_budget),
        "ef_search": ef if arguments.exact else chosen["ef"],
        "nprobe": nprobe if arguments.exact else chosen["nprobe"],
    }
    request = search_request(text, **options)
    yes, base_url = arguments.yes, arguments.base_url
    with (
        interruptible() as observer,
        open_indexes(folders, yes=yes, base_url=base_url, report=say, observer=observer) as index,
    ):
        if lines_to_json:
            return _answer_lines(index, request, explain=arguments.explain)

        def answer(request: "SearchRequest") -> int:
            results = index.search(request, snippets=arguments.output == "text")
            _say_what_was_not_reranked(results)
            _say_what_had_no_effect(results, ef=ef, nprobe=nprobe)
            return render.show(results, index.root, arguments, min_confidence)

        status = _converse(answer, index.prepare(request)) if text == "-" else answer(request)
    start_if_wanted(folder)
    return status


def _has_terminal() -> bool:
    """Return True if a user can type queries and see their answers: stdin and stdout are terminals."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _converse(answer: "Callable[[SearchRequest], int]", request: "SearchRequest") -> int:
    """Ask for queries at the terminal, and answer each, until an empty line or Ctrl-D.

    `request` has the options of all queries. Return 0 if a query had a hit, else 1.
    """
    from dataclasses import replace

    with suppress(ImportError):  # it is missing on some systems
        import readline  # noqa: F401 - with it, `input` lets the user edit the line and recall earlier ones

    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    say("type a query; an empty line or Ctrl-D ends")
    lowest = 1
    while line := _typed_line():
        try:
            lowest = min(lowest, answer(replace(request, text=line)))
        except FilterError:
            raise
        except InputError as error:
            complain(describe(error))
    return lowest


def _typed_line() -> str:
    """Return the line that the user types at a prompt, without blanks around it; "" at the end of the input."""
    try:
        return input("query> ").strip()
    except EOFError:
        emit("")  # after the prompt
        return ""


def _answer_lines(index: "Index | JoinedIndexes | ServerIndex", request: "SearchRequest", *, explain: bool) -> int:
    """Answer each line of stdin with one JSON object, even if it fails, so that line n answers query n."""
    from dataclasses import replace

    from vsearch_core.search.results_json import error_json, results_json

    request = index.prepare(request)
    has_failed = has_hits = False
    for line in _lines():
        try:
            results = index.search(replace(request, text=line))
        except FilterError:
            raise
        except InputError as error:
            has_failed = True
            emit(to_json(error_json(line, describe(error))))
            continue
        _say_what_was_not_reranked(results)
        has_hits = has_hits or bool(results.hits)
        emit(to_json(results_json(results, explain=explain)))
    if has_failed:
        complain('some queries could not be answered; their lines have the key "error"')
        return 2
    return 0 if has_hits else 1


def _seconds(text: str) -> float:
    """Return the seconds that a time such as "500ms" or "2s" stands for. Raises InputError."""
    number, unit = (text[:-2], 0.001) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = 0.0
    if not (text.endswith("s") and 0 < seconds < _MOST_SECONDS):
        raise InputError("--rerank-budget", f"{text!r} is not a time; write 500ms or 2s")
    return seconds


def _say_what_had_no_effect(results: "Results", *, ef: int | None, nprobe: int | None) -> None:
    """Tell the user if an option of approximate search did nothing."""
    if ef is not None and results.exact:
        say("--ef: had no effect, because every vector was compared")
    elif nprobe is not None and results.nprobe is None:
        way = "every vector was compared" if results.exact else "the index has a graph and no inverted lists"
        say(f"--nprobe: had no effect, because {way}")


def _say_what_was_not_reranked(results: "Results") -> None:
    """Tell the user if the time for reranking did not suffice for all candidates."""
    found = results.reranking
    if found is None or found.scored == found.candidates:
        return
    effect = "the others are no hits" if found.used else "too few, so the order without --rerank stays"
    say(f"--rerank-budget: {found.scored} of {found.candidates} hits were scored in time; {effect}")


def _lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.decode("utf-8", "replace").rstrip("\r\n")
