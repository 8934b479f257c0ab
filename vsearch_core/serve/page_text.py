"""Prepare texts of documents for the web page: safe to look at, with paragraphs that flow, cut into pieces.

Control characters and what isn't valid Unicode are replaced. Marks that reorder letters stay in texts, because some
scripts need them: each text is a block of its own on the page, beyond which they have no effect.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import PurePath

from vsearch_core.text.extract.registry import unit_of

Range = tuple[int, int]

WRAPPED = 45  # characters: a shorter line ends where its author wanted

_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
_PROSE = {"", ".txt", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".html", ".htm", ".eml", ".srt", ".vtt"}
_LINE = re.compile(r"[^\n]*\n?")
_OWN_LINE = re.compile(r"[ \t]*(?:[-*+>|#•:~=_`.\\{\[<]|\d+[.)]|\d+(?:\.\d+)+|[A-Za-z][.)] |$)|[ \t]{4}|\t")
_HARD_END = re.compile(r"(?:  |\\|\||:)$")
_ROW = re.compile(r"\S \| |\t")  # of a table
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")


def clean(text: str) -> str:
    """Return the text with the same length, without control characters; a page break becomes a line end."""
    return _CONTROLS.sub("\ufffd", text.replace("\f", "\n"))


def is_code(path: str) -> bool:
    """Return True if the lines of a file are meant as they are: code, settings, tables."""
    return unit_of(path) == "line" and PurePath(path).suffix.lower() not in _PROSE


def is_valid(text: str) -> bool:
    """Return True if the text has no character that `clean` replaces."""
    return not _CONTROLS.search(text)


def cut(text: str, ranges: Sequence[Range], *, flowing: bool) -> list[tuple[str, list[int]]]:
    """Cut a text at the ends of ranges. Return each piece with the numbers of the ranges that it is in.

    With `flowing`, line ends within paragraphs become blanks.
    """
    joints = list(_joints(text)) if flowing else []
    cuts = sorted({0, len(text), *(at for pair in ranges for at in pair)})
    pieces = zip(pairwise(cuts), _with_blanks(text, joints, cuts), strict=True)
    return [
        (piece, [number for number, (low, high) in enumerate(ranges) if low <= start and end <= high])
        for (start, end), piece in pieces
        if piece
    ]


def _with_blanks(text: str, joints: Sequence[Range], cuts: Iterable[int]) -> Iterator[str]:
    """Yield the text between each two cuts, with one blank for each joint; a cut in a joint moves behind it."""
    flowed, at = "", 0
    for start, end in joints:
        flowed += text[at:start] + " "
        at = end
    flowed += text[at:]
    ends = [end for _, end in joints]
    shrunk = [0, *accumulate(end - start - 1 for start, end in joints)]

    def moved(place: int) -> int:
        before = bisect_right(ends, place)
        if before < len(joints) and joints[before][0] < place:
            return joints[before][0] + 1 - shrunk[before]
        return place - shrunk[before]

    return (flowed[moved(start) : moved(end)] for start, end in pairwise(cuts))


def _joints(text: str) -> Iterator[Range]:
    """Yield the line ends within paragraphs, with the blanks after them.

    A line continues the one above if that is long, and neither looks like an item, a row, a heading or code.
    """
    in_code = False
    above = ""
    for found in _LINE.finditer(text):
        line = found[0].rstrip("\n")
        is_fence = _FENCE.match(line) is not None
        is_numbered = line[:1].isdigit() and above[:1].isdigit()
        is_row = _ROW.search(line) or _ROW.search(above)
        continues = not (
            in_code or is_row or is_fence or is_numbered or _OWN_LINE.match(line) or _HARD_END.search(above)
        )
        if continues and len(above) >= WRAPPED:
            yield found.start() - 1, found.start() + len(line) - len(line.lstrip())
        in_code ^= is_fence
        above = line
