"""`vsearch verify`."""

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsearch_core.errors import InputError
from vsearch_core.regular_files import open_regular

from . import locate
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
    plural,
    say,
    shown_place,
    to_json,
    wants_colour,
)
from .pager import paged

if TYPE_CHECKING:
    from vsearch_core import Claim, Verification

SCHEMA = "vsearch.verify/1"  # keys are never removed or renamed within it
_SHOWN = 100  # characters of a quote
_COLOURS = {
    "supported": "\x1b[32m",
    "altered": "\x1b[33m",
    "misattributed": "\x1b[33m",
    "absent": "\x1b[31m",
    "unchecked": DIM,
}


def verify(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The text to verify; -: stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    color: Annotated[Colour, typer.Option("--color", help=COLOUR_HELP)] = "auto",
    index_dir: Annotated[list[Path] | None, locate.INDEXES_OR_SERVER] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help=locate.EVERYWHERE_HELP)] = False,
) -> int:
    """Check a text's quotes and citations against the index.

    A quote is supported if the index has its words, and where it is cited; else altered, misattributed or absent. A
    citation is a file's name and a line, like notes/pump.md:12. Exit status: 0 all are supported, 1 not all, 2 error.
    """
    text = _read(file)
    with open_indexes(locate.indexes_to_read(index_dir or (), everywhere=everywhere, servers=True)) as index:
        verification = index.verify(text)
        root = index.root
    if as_json:
        emit(to_json(_values(verification)))
    else:
        name = one_line(file)
        with paged():
            for claim in verification.claims:
                _emit_claim(claim, name, root, colour=wants_colour(color))
    say(_summary(verification))
    return 0 if verification.is_supported else 1


def _read(file: str) -> str:
    """Return the text of a file or of stdin. Raises InputError."""
    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else open_regular(locate.file(file)) as stream:
            data = stream.read()
    except OSError as error:
        reason = f"can't be read ({(error.strerror or str(error)).lower()})"
        raise InputError(file, reason, "no-such-path") from None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise InputError(file, "is not UTF-8 text", "not-utf8") from None


def _summary(verification: "Verification") -> str:
    from vsearch_core.search.verify import STATUSES

    if not verification.claims:
        return "nothing to verify: the text has no quotes and no citations"
    counts = ((verification.count(status), status) for status in STATUSES)
    return f"{plural(len(verification.claims), 'claim')}: " + ", ".join(f"{n:,} {status}" for n, status in counts if n)


def _emit_claim(claim: "Claim", name: str, root: Path, *, colour: bool) -> None:
    """Print a claim: its status, its words and where the index has them, then how they differ."""
    status = f"{_COLOURS[claim.status]}{claim.status}{RESET}" if colour else claim.status
    words = one_line(claim.words)
    words = words if len(words) <= _SHOWN else words[:_SHOWN].rstrip() + "…"
    words = f'"{words}"' if claim.kind == "quote" else words
    emit(f"{name}:{claim.line}: {status}  {words}")
    if claim.found is not None and claim.kind == "quote":
        root = root if claim.found.index is None else Path(claim.found.index).parent
        place = shown_place(root, claim.found)
        if wants_links(colour=colour):
            place = linked(place, root / claim.found.path, None if claim.found.place else claim.found.start_line)
        emit(f"    {PATH}{place}{RESET}" if colour else f"    {place}")
    for change in claim.changes:
        emit(f'    stored "{one_line(change.stored)}", quoted "{one_line(change.quoted)}"')
    if claim.reason is not None:
        emit(f"    {claim.reason}")


def _values(verification: "Verification") -> dict[str, Any]:
    from vsearch_core.search.verify import STATUSES

    return {
        "schema": SCHEMA,
        "generation": verification.generation,
        "supported": verification.is_supported,
        "counts": {status: verification.count(status) for status in STATUSES},
        "claims": [asdict(claim) for claim in verification.claims],
    }
