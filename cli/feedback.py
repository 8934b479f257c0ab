"""The command `vsearch feedback`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from . import locate
from .opening import open_index
from .output import emit, one_line, to_json


def feedback(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The text of the query.")],
    place: Annotated[str, typer.Argument(metavar="PATH[:LINE]", help="The file, as `vsearch query` prints it.")],
    verdict: Annotated[Literal["good", "bad"], typer.Argument(help="Does the file answer the query?")] = "good",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was recorded as JSON.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
) -> int:
    """Record that a file answers a query, or that it doesn't.

    `vsearch tune` uses these verdicts to improve the ranking.
    """
    with open_index(locate.index_to_read(index_dir)) as index:
        recorded = index.record_verdict(query, place, good=verdict == "good")
    if as_json:
        emit(to_json({"schema": "vsearch.feedback/1", **asdict(recorded)}))
    else:
        emit(f"{verdict}: {one_line(recorded.path)} for {one_line(recorded.query)}")
    return 0
