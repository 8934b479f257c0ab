"""The command `vsearch read`."""

from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from vsearch_core.errors import InputError
from vsearch_core.model import PAGE_BREAK

from . import locate
from .advice import describe
from .links import linked, wants_links
from .opening import open_indexes
from .output import (
    COLOUR_HELP,
    DIM,
    PATH,
    RESET,
    Colour,
    emit,
    one_line,
    printable,
    say,
    shown_path,
    shown_place,
    to_json,
    wants_colour,
)
from .pager import paged

if TYPE_CHECKING:
    from vsearch_core import StoredText

SCHEMA = "vsearch.read/1"  # keys are never removed or renamed within it
NOTHING = ("no-such-line", "no-such-page", "no-text")  # codes of errors that mean that there is no text, status 1


def read(
    place: Annotated[
        str,
        typer.Argument(
            metavar="PATH[:LINE[-LINE]]", help="A file in the index, and its lines to print; LINE- means to the end."
        ),
    ],
    page: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Print only this page, slide, sheet, message or cell.")
    ] = None,
    context: Annotated[
        int, typer.Option("-C", "--context", metavar="N", min=0, max=1000, help="Show N more lines before and after.")
    ] = 0,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=50, help="Stop after about N tokens, for a language model.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    color: Annotated[Colour, typer.Option("--color", help=COLOUR_HELP)] = "auto",
    index_dir: Annotated[list[Path] | None, locate.INDEXES_OR_SERVER] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help=locate.EVERYWHERE_HELP)] = False,
) -> int:
    """Print the text of a file as the index stores it.

    The file itself isn't needed. PATH is relative to the working folder, or written as `vsearch query` prints it. Exit
    status: 0 text, 1 no text at these lines or on this page, 2 error.
    """
    with open_indexes(locate.indexes_to_read(index_dir or (), everywhere=everywhere, servers=True)) as index:
        name = str(locate.expanded(place)) if place.startswith("~") else place
        try:
            found = index.read(name, page=page, context=context, max_tokens=max_tokens)
        except InputError as error:
            if error.code not in NOTHING:
                raise
            say(f"no text: {describe(error)}")
            return 1
        root = index.root if found.index is None else Path(found.index).parent
    if as_json:
        emit(to_json({"schema": SCHEMA, **asdict(found)}))
    else:
        with paged():
            _emit_text(found, root, colour=wants_colour(color))
        if found.truncated:
            rest = quote(f"{shown_path(root, found.path)}:{found.end_line + 1}-")
            say(f"cut off by --max-tokens; read on with `vsearch read {rest}`")
    return 0


def _emit_text(found: "StoredText", root: Path, *, colour: bool) -> None:
    """Print a line with the place and the heading, then the text. The context before and after is dimmed."""
    from vsearch_core.text.extract.registry import split_member, unit_of

    unit = unit_of(found.path)
    place = shown_place(root, found)
    if wants_links(colour=colour):
        place = linked(place, root / found.path, None if found.place else found.start_line)
    _, below = split_member(found.path, found.heading)
    heading = f"  {one_line(below)}" if below and unit != "sheet" else ""
    emit(f"{PATH}{place}{RESET}{heading}" if colour else f"{place}{heading}")
    page = (found.page or 0) - found.before.count(PAGE_BREAK)
    parts = []
    for text, style in ((found.before, DIM), (found.text, ""), (found.after, DIM)):
        shown, page = _with_page_lines(text, unit, page)
        parts.append(f"{style}{shown}{RESET}" if colour and style and text else shown)
    emit("".join(parts))


def _with_page_lines(text: str, unit: str, page: int) -> tuple[str, int]:
    """Replace each page break with a mark such as "[page 4]". Return the new text and the number of its last page."""
    first, *others = text.split(PAGE_BREAK)
    shown = [printable(first)]
    for part in others:
        page += 1
        shown.append(f"[{unit} {page}]{printable(part)}")
    return "".join(shown), page
