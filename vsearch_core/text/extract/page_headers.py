"""Removes page headers and footers: lines at the top or bottom of a page that other pages have too."""

import re
from collections import Counter
from collections.abc import Sequence

from vsearch_core.text.extract.decode import one_line

_EDGE = 2  # lines at the top and at the bottom of a page that may be a header or a footer
_MIN_PAGES = 3  # at least this many pages must have the line
_SHARE = 0.4  # of the pages: left and right pages often have headers of their own
_MAX_LENGTH = 150  # characters; a longer line is text
_DIGITS = re.compile(r"\d+|\b[ivxlc]{1,7}\b")


def without_page_headers(pages: Sequence[str]) -> list[str]:
    """Return the pages without their headers and footers.

    A line at the edge of a page is a header or footer if at least 40 % of the pages, and at least three, have it.
    Numbers in the line may differ. A page that has no other line is returned unchanged.
    """
    headers = _repeated([_edge(page, top=True) for page in pages])
    footers = _repeated([_edge(page, top=False) for page in pages])
    if not headers and not footers:
        return list(pages)
    return [_cut(page, headers, footers) or page for page in pages]


def _edge(page: str, *, top: bool) -> list[str]:
    lines = [line for line in page.split("\n") if line.strip()]
    return [_normalized(line) for line in (lines[:_EDGE] if top else lines[-_EDGE:])]


def _normalized(line: str) -> str:
    line = one_line(line).lower()
    return _DIGITS.sub("#", line) if len(line) <= _MAX_LENGTH else ""


def _repeated(edges: Sequence[list[str]]) -> set[str]:
    counts = Counter(line for edge in edges for line in set(edge) if line)
    return {line for line, count in counts.items() if count >= max(_MIN_PAGES, _SHARE * len(edges))}


def _cut(page: str, headers: set[str], footers: set[str]) -> str:
    lines = page.split("\n")
    for edge, repeated in ((0, headers), (-1, footers)):
        removed = 0
        while lines and removed < _EDGE and (not lines[edge].strip() or _normalized(lines[edge]) in repeated):
            removed += bool(lines.pop(edge).strip())
    return "\n".join(lines).strip()
