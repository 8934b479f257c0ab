"""Removes page headers and footers: lines at the top or bottom of a page that other pages have too.

Invoices, slides and price lists also have lines that differ only in their numbers, and these lines are kept. So a line
is only removed if enough pages have it with the same words, in the same place. The only number in it that may differ is
a page number, which grows by one from page to page.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vsearch_core.text.extract.decode import one_line

EDGE = 2  # lines at the top and at the bottom of a page that may be a header or a footer
_MIN_PAGES = 3  # at least this many pages must have the line
_SHARE = 0.4  # of the pages: left and right pages often have headers of their own
_MAX_LENGTH = 150  # characters; a longer line is text
_SAME_HEIGHT = 4.0  # points between the same line of two pages, at most
_MAX_OFFSET = 400  # between a page's number and its place in the file, where words stand beside the number
_MAX_PAGE = 9999
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_DIGITS = re.compile(r"\d+")
_YEAR = re.compile(r"(?:19|20)\d\d")  # may be the title of a page
_NUMBER = re.compile(r"\d{1,9}|\b[ivxlc]{1,7}\b")
_GAPS = re.compile(r"\s{3,}|\t|\s[|•·]\s")  # between parts of a line, where nothing else tells them
_PAGE_WORDS = re.compile(
    r"(?:page|pages|p|pg|pp|slide|sheet|seite|seiten|s|folie|blatt|página|pagina|pág|pag|páginas|diapositiva|sida|sidan"
    r"|side|sivu|strona|str|strana|stránka|oldal|sayfa|halaman|trang|страница|стр|с|сторінка|第|页|頁|ページ|쪽|페이지"
    r"|of|von|de|di|sur|van|av|af|z|iz|из|共|/|-|–|—|#|\.|:|\(|\)|\[|\]|\s)*"
)

_Key = tuple[str, int, int | None]


@dataclass(frozen=True, slots=True)
class EdgeLine:
    """A line at the edge of a page: its parts between wide gaps, and its height on the page in points if known."""

    parts: tuple[str, ...]
    height: float | None = None

    @classmethod
    def of_text(cls, line: str) -> "EdgeLine":
        """Return the line with this text, split at wide gaps; its height is not known."""
        return cls(tuple(_GAPS.split(line.strip())))


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of a page, and its first and last lines that are not blank, from the edge inwards, if they are known."""

    text: str
    top: tuple[EdgeLine, ...] = ()
    bottom: tuple[EdgeLine, ...] = ()


def without_page_headers(pages: Sequence[PageText]) -> list[str]:
    """Return the texts of the pages without their headers and footers.

    A line at the edge of a page is a header or footer if at least 40 % of the pages, and at least three, have each of
    its parts. A part is the same on two pages if it has the same words at the same height. A page number is the same
    if it grows by one from page to page; the only words beside it may be words like "page" and "of". A page that has
    no other line is returned unchanged.
    """
    cut_top = _repeated([page.top or _edge(page.text, top=True) for page in pages])
    cut_bottom = _repeated([page.bottom or _edge(page.text, top=False) for page in pages])
    cuts = zip(pages, cut_top, cut_bottom, strict=True)
    return [_cut(page.text, top, bottom) or page.text for page, top, bottom in cuts]


def _edge(page: str, *, top: bool) -> tuple[EdgeLine, ...]:
    lines = [line for line in page.split("\n") if line.strip()]
    return tuple(EdgeLine.of_text(line) for line in (lines[:EDGE] if top else lines[: -EDGE - 1 : -1]))


def _repeated(edges: Sequence[Sequence[EdgeLine]]) -> list[int]:
    """Return for each page how many of its edge lines are a header or a footer, from the edge inwards."""
    enough = max(_MIN_PAGES, _SHARE * sum(map(bool, edges)))
    pages: Counter[_Key] = Counter()
    for place, edge in enumerate(edges):
        pages.update({key for line in edge for part in line.parts for key in _keys(part, line, place)})
    counts = []
    for place, edge in enumerate(edges):
        others = (at for at, line in enumerate(edge) if not _is_repeated(line, place, pages, enough))
        counts.append(next(others, len(edge)))
    return counts


def _is_repeated(line: EdgeLine, place: int, pages: Mapping[_Key, int], enough: float) -> bool:
    """Return True if each part of the line is on `enough` pages. `place` is that of its page in the file."""
    if sum(map(len, line.parts)) > _MAX_LENGTH:
        return False
    return all(any(pages.get(key, 0) >= enough for key in _keys(part, line, place)) for part in line.parts)


def _keys(part: str, line: EdgeLine, place: int) -> Iterator[_Key]:
    """Yield the keys of a part: its words, its height, and its number minus `place`. Equal parts share a key."""
    text = one_line(part).lower()
    for height in _heights(line.height):
        yield text, height, None
        for match in _NUMBER.finditer(text):
            before, after = text[: match.start()], text[match.end() :]
            offset = _value(match[0]) - place
            limit = _MAX_OFFSET if len(line.parts) > 1 or _YEAR.fullmatch(text) else _MAX_PAGE
            if abs(offset) > limit:
                continue
            if _PAGE_WORDS.fullmatch(_DIGITS.sub("", before)) and _PAGE_WORDS.fullmatch(_DIGITS.sub("", after)):
                yield f"{before}#{after}", height, offset


def _heights(height: float | None) -> tuple[int, ...]:
    """Return the height, rounded in two ways: heights at most `_SAME_HEIGHT` apart are equal in one of them."""
    if height is None:
        return (0,)
    step = 2 * _SAME_HEIGHT
    return 2 * math.floor(height / step), 2 * math.floor((height + _SAME_HEIGHT) / step) + 1


def _value(number: str) -> int:
    """Return the value of decimal digits or of a Roman number."""
    if number.isdecimal():
        return int(number)
    digits = [_ROMAN[letter] for letter in number]
    return sum(
        -one if one < following else one for one, following in itertools.zip_longest(digits, digits[1:], fillvalue=0)
    )


def _cut(page: str, top: int, bottom: int) -> str:
    """Return the page without that many lines at its top and bottom, not counting blank ones."""
    lines = page.split("\n")
    for edge, count in ((0, top), (-1, bottom)):
        removed = 0
        while lines and (removed < count or not lines[edge].strip()):
            removed += bool(lines.pop(edge).strip())
    return "\n".join(lines)
