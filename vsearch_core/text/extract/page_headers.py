"""Running heads and feet: the lines at the edges of pages that say the same on page after page."""

import re
from collections import Counter
from collections.abc import Sequence

from vsearch_core.text.extract.decode import one_line

_EDGE = 2  # lines at the top and at the bottom of a page that may be running ones
_LEAST = 3  # pages that must have a line for it to be one
_SHARE = 0.4  # of the pages: left and right pages often have heads of their own
_MAX_LENGTH = 150  # characters; a longer line is text
_DIGITS = re.compile(r"\d+|\b[ivxlc]{1,7}\b")


def without_running_lines(pages: Sequence[str]) -> list[str]:
    """The pages without their running heads and feet, numbers aside the same on two pages of five, three at least.

    A page that would be empty then is left as it is.
    """
    heads = _repeated([_edge(page, top=True) for page in pages])
    feet = _repeated([_edge(page, top=False) for page in pages])
    if not heads and not feet:
        return list(pages)
    return [_cut(page, heads, feet) or page for page in pages]


def _edge(page: str, *, top: bool) -> list[str]:
    lines = [line for line in page.split("\n") if line.strip()]
    return [_normal(line) for line in (lines[:_EDGE] if top else lines[-_EDGE:])]


def _normal(line: str) -> str:
    line = one_line(line).lower()
    return _DIGITS.sub("#", line) if len(line) <= _MAX_LENGTH else ""


def _repeated(edges: Sequence[list[str]]) -> set[str]:
    counts = Counter(line for edge in edges for line in set(edge) if line)
    return {line for line, count in counts.items() if count >= max(_LEAST, _SHARE * len(edges))}


def _cut(page: str, heads: set[str], feet: set[str]) -> str:
    lines = page.split("\n")
    for edge, running in ((0, heads), (-1, feet)):
        taken = 0
        while lines and taken < _EDGE and (not lines[edge].strip() or _normal(lines[edge]) in running):
            taken += bool(lines.pop(edge).strip())
    return "\n".join(lines).strip()
