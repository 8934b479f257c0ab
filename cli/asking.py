"""The options that `query` shares with the commands that are asked in another way than in words."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vsearch_core import config

from . import locate
from .defaults import K_MOST

if TYPE_CHECKING:
    from vsearch_core.embed.base import Embedder
    from vsearch_core.index.snapshot import Snapshot
    from vsearch_core.search.engine import Searcher
    from vsearch_core.search.filters import Filters
    from vsearch_core.search.request import SearchRequest
    from vsearch_core.search.rerank import Rerank

K = Annotated[
    int | None,
    typer.Option("-k", min=1, max=K_MOST, help="Hits at most.  [default: 10, or what --max-tokens holds]"),
]
Where = Annotated[
    str | None, typer.Option(metavar="SQL", help="A condition on the file, like \"ext = 'md' AND size < 9000\".")
]
PathGlob = Annotated[str | None, typer.Option(metavar="GLOB", help="Only such paths below the root: 'docs/*'.")]
Ext = Annotated[str | None, typer.Option(metavar="LIST", help="Only such extensions, like md,py.")]
Since = Annotated[str | None, typer.Option(metavar="DATE", help="Modified then or later: 2026-01-31 or 30d.")]
Until = Annotated[str | None, typer.Option(metavar="DATE", help="Modified then or earlier.")]
MinScore = Annotated[float | None, typer.Option(metavar="X", help="Only hits that score as much.")]
GroupBy = Annotated[Literal["file"] | None, typer.Option(help="The best hit of each file only.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
AsJsonl = Annotated[bool, typer.Option("--jsonl", help="One JSON object a hit, one a line.")]
AsPaths = Annotated[bool, typer.Option("--paths", help="The hits' paths, each once.")]
Null = Annotated[bool, typer.Option("-0", "--null", help="With --paths: end each with NUL.")]
Full = Annotated[bool, typer.Option("--full", help="Whole passages instead of the best sentence.")]
Explain = Annotated[bool, typer.Option("--explain", help="Show terms, scores and timings.")]
Exact = Annotated[bool, typer.Option("--exact", help="Compare every vector.")]
RerankModel = Annotated[
    str | None,
    typer.Option("--rerank", metavar="MODEL", help="Let a cross-encoder (folder or hub name) judge the best."),
]
RerankDepth = Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many of the best --rerank judges.")]
MoreLike = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE[:LINE]", help="Move the question towards such a file or passage; may stand for TEXT."),
]
LessLike = Annotated[list[str] | None, typer.Option(metavar="FILE[:LINE]", help="Move it away from such a one.")]
Context = Annotated[
    int, typer.Option("--context", metavar="N", min=0, max=100, help="With N chunks of the file before and after each.")
]
NoCollapse = Annotated[bool, typer.Option("--no-collapse", help="Show near-duplicates of a hit as hits, too.")]
Diversity = Annotated[
    float,
    typer.Option(metavar="X", min=0, max=1, help="From 0, the order of the scores, to 1: hits unlike one another."),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(metavar="N", min=50, help="Pack the best passages, none twice, into about N tokens for a model."),
]


def with_examples(
    snapshot: "Snapshot", searcher: "Searcher", request: "SearchRequest", embedder: "Callable[[], Embedder]"
) -> "SearchRequest":
    """Return the request with its examples found; `embedder` is called for a file that must be embedded.

    Raises InputError, and what opening an embedder raises.
    """
    names = (*request.more_like, *request.less_like)
    if not names:
        return request
    from vsearch_core.search.references import ExampleSources, resolve_examples
    from vsearch_core.text.chunk import ChunkOptions

    settings = snapshot.settings
    sources = ExampleSources(
        snapshot.catalog.index.parent,
        locate.working_folder(),
        ChunkOptions(settings.chunk_words, settings.overlap_words),
        embedder,
    )
    more, less = (
        tuple(str(locate.expanded(str(name))) for name in some) for some in (request.more_like, request.less_like)
    )
    return resolve_examples(replace(request, more_like=more, less_like=less), searcher, sources)


def output(*, as_json: bool, as_jsonl: bool, as_paths: bool, null: bool) -> str:
    """How to print: "text", "json", "jsonl", "paths" or "paths0". Raises InputError for what excludes one another."""
    from vsearch_core.errors import InputError

    if as_json + as_jsonl + as_paths > 1:
        raise InputError("--json, --jsonl, --paths", "they exclude one another", "give one of them")
    if null and not as_paths:
        raise InputError("-0", "it needs --paths", "add --paths")
    return "json" if as_json else "jsonl" if as_jsonl else "paths0" if null else "paths" if as_paths else "text"


def filters(where: str | None, path: str | None, ext: str | None, since: str | None, until: str | None) -> "Filters":
    """Which files may answer. Raises FilterError."""
    from vsearch_core.search.filters import Filters, parse_date

    return Filters(
        where,
        path,
        tuple(part for part in (ext or "").split(",") if part.strip()),
        None if since is None else parse_date(since, argument="since"),
        None if until is None else parse_date(until, argument="until", end_of_day=True),
    )


def refuse_nan(**values: float | None) -> None:
    """Raise InputError for an option's value that nothing can be compared with."""
    from vsearch_core.errors import InputError

    for name, value in values.items():
        if value is not None and value != value:  # noqa: PLR0124 - only NaN differs from itself
            raise InputError(f"--{name.replace('_', '-')}", "nan is no number to compare with", "give another")


def rerank(model: str | None, depth: int) -> "Rerank | None":
    """The re-ranker that was asked for. Raises ModelError."""
    if model is None:
        return None
    from vsearch_core.embed.cross_encoder import open_cross_encoder
    from vsearch_core.search.rerank import Rerank

    return Rerank(open_cross_encoder(model), depth)


def hits(k: int | None, max_tokens: int | None) -> int | None:
    """How many hits are asked for at most; None leaves it to the defaults."""
    return config.PACKED_HITS if k is None and max_tokens is not None else k


def whole(request: "SearchRequest") -> bool:
    """Whether text is shown whole because more, or less, than the passages themselves is asked for."""
    return request.context > 0 or request.max_tokens is not None
