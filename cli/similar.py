"""`vsearch similar`."""

from pathlib import Path
from typing import Annotated

import typer

from . import asking, consent, locate
from .defaults import choose
from .opening import consenting, embedder_opener, interruptible
from .output import say


def similar(
    file: Annotated[str, typer.Argument(metavar="FILE[:LINE]", help="A file, or the passage of it with that line.")],
    k: asking.K = None,
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
    no_collapse: asking.NoCollapse = False,
    diversity: asking.Diversity = 0.0,
    context: asking.Context = 0,
    max_tokens: asking.MaxTokens = None,
    explain: asking.Explain = False,
    exact: asking.Exact = False,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Find passages that mean the same as a file, or a line of it.

    What is indexed needs no model; another file is read and embedded. Exit status: 0 with hits, 1 without, 2 on an
    error.
    """
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.search.request import SearchRequest

    from .query import answer_one

    output = asking.output(as_json=as_json, as_jsonl=as_jsonl, as_paths=as_paths, null=null)
    index = locate.index_to_read(index_dir)
    asking.refuse_nan(min_score=min_score, diversity=diversity)
    request = SearchRequest(
        file,
        choose(index, k=asking.hits(k, max_tokens))["k"],
        "vector",
        more_like=(file,),
        examples_only=True,
        filters=asking.filters(where, path, ext, since, until),
        min_score=min_score,
        group_by_file=group_by == "file",
        collapse=not (no_collapse or as_paths),
        diversity=diversity,
        context=context,
        max_tokens=max_tokens,
        exact=exact,
    )
    with interruptible() as stop, open_snapshot(index) as snapshot:
        opener = consenting(embedder_opener(index, report=say, stop=stop.should_stop), index, yes=yes)
        return answer_one(snapshot, request, opener, output, full=full or asking.whole(request), explain=explain)
