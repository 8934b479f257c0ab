"""`vsearch feedback`."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from . import locate
from .output import emit, one_line, to_json


def feedback(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What was asked.")],
    place: Annotated[str, typer.Argument(metavar="PATH[:LINE]", help="The file that was found, as a hit names it.")],
    verdict: Annotated[Literal["good", "bad"], typer.Argument(help="Whether it answers.")] = "good",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was recorded as JSON.")] = False,
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Note that a file answers a question, or does not.

    `vsearch tune` learns from it.
    """
    from dataclasses import asdict

    from vsearch_core.evaluate.feedback import Verdict, record_verdict
    from vsearch_core.index.snapshot import open_snapshot
    from vsearch_core.search.request import clean_query

    text = clean_query(query)
    index = locate.index_to_read(index_dir)
    with open_snapshot(index) as snapshot:
        path, line = _in_index(index, place, snapshot.catalog.files(live=True).keys())
    found = Verdict(text, path, line, verdict == "good", datetime.now(UTC).isoformat(timespec="seconds"))
    record_verdict(index, found)
    if as_json:
        emit(to_json({"schema": "vsearch.feedback/1", **asdict(found)}))
    else:
        emit(f"{verdict}: {one_line(path)} for {one_line(text)}")
    return 0


def _in_index(index: Path, place: str, known: Collection[str]) -> tuple[str, int | None]:
    """The stored path and the line that are meant. Raises InputError for a file that the index does not hold."""
    from vsearch_core.errors import InputError
    from vsearch_core.index.sources import stored_path

    ends = re.fullmatch(r"(.+):([1-9]\d{0,8})", place, re.DOTALL)
    for name, line in ((place, None), *([(ends[1], int(ends[2]))] if ends else [])):
        # As a hit names it, from the working folder; or as JSON names it, from the project's root.
        for path in (stored_path(index.parent, locate.absolute(Path(name))), name):
            if path in known:
                return path, line
    raise InputError(one_line(place), "the index holds no such file", "name it as a hit of `vsearch query` does")
