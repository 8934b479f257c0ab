"""The text of PDF pages by PDFium: lines in reading order, with the places of those at the page's edges.

PDFium is no thread-safe library and may crash on damaged files: worker processes call it, one page at a time each.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vsearch_core.text.extract.page_headers import EDGE, EdgeLine, PageText
from vsearch_core.text.formats.pdf_figures import PdfFigure, find_figures

_MAX_EDGE = 200  # characters of such a line
_MAX_RECTS = 5000  # pieces of text of a page that columns are looked for in
_WIDE_GAP = 1.2  # heights of a line; a wider gap parts columns or cells, or a page number from a title
_SAME_LEFT = 3.0  # points between the left edges of a column's lines, at most
_INDENT = 2.5  # heights of a line
_LETTER_GAP = 0.2  # heights of a line; a space that PDFium guessed in a gap no wider is none
_TORN = re.compile(r"[A-Za-z]{2} [b-hj-np-z]\b")
_MAX_TORN = 0.1  # of the words
_NEAR = 3.0  # points between two drawings of the same text, at most
_MIN_REPEATS = 2  # lines
_MIN_REPEATED = 8  # characters of such a line
_MIN_ROWS = 3  # of columns side by side
_SAMPLE = 12  # lines of a page that are searched for gaps
_MAX_SPACES = 60  # of such a line
_MAX_DISTANCE = 1.2  # heights of a line between a row and the next
_MIN_WIDTH = 6.0  # heights that the lines of a column are wide, on average; cells of tables are narrower
_MIN_CONTINUED = 0.4  # of the lines of a column go on with a small letter; cells of tables begin with large ones
_DOTS = 200  # an inch of a page whose text is recognised
_MAX_DOTS = 300  # an inch of a figure whose text is recognised
_MAX_DRAWN = 3000  # pixels of its longer side
_MAX_FONT_NAME = 256  # bytes
_LINE = re.compile(r"[^\r\n\ufffe]*[^\s\ufffe][^\r\n\ufffe]*")
_BREAK_HYPHEN = "\x02"  # PDFium's sign for a hyphen at the end of a line, whose end it leaves out


@dataclass(frozen=True, slots=True)
class ReadPage:
    """The text of a page, and the share of its characters that were left out because their font has no mapping.

    `annotated` is False if the page has no annotations but links. `may_lack_letters` is True if PDFium may have left
    out letters, because their font isn't in the file. `figures` are those on the page, from its top to its bottom.
    """

    text: PageText
    unmapped: float
    annotated: bool
    may_lack_letters: bool = False
    figures: tuple[PdfFigure, ...] = ()


class PdfiumDocument:
    """A PDF opened by PDFium."""

    def __init__(self, raw: Any) -> None:
        """Take PDFium's handle of the document. The bytes that it reads from must exist as long as it is open."""
        self._raw = raw

    def page(self, number: int, unmapped: Collection[str]) -> ReadPage | None:
        """Return the text of a page (from 1) without that in fonts of these names, or None if it can't be read."""
        import pypdfium2.raw as pdfium

        page = pdfium.FPDF_LoadPage(self._raw, number - 1)
        text_page = pdfium.FPDFText_LoadPage(page) if page else None
        try:
            if not text_page:
                return None
            text, share = _PageReader(text_page, unmapped).read()
            return ReadPage(text, share, _is_annotated(page), figures=find_figures(page, text_page))
        finally:
            if text_page:
                pdfium.FPDFText_ClosePage(text_page)
            if page:
                pdfium.FPDF_ClosePage(page)


def _is_annotated(page: Any) -> bool:
    import pypdfium2.raw as pdfium

    for number in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, number)
        if annotation:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            pdfium.FPDFPage_CloseAnnot(annotation)
            if kind != pdfium.FPDF_ANNOT_LINK:
                return True
    return False


@contextmanager
def opened(data: bytes, password: str) -> Iterator[PdfiumDocument | None]:
    """Open a PDF with the empty or the given password, and close it in the end. Yield None if PDFium can't open it."""
    import pypdfium2.raw as pdfium

    pdfium.FPDF_InitLibrary()
    raw = None
    for attempt in dict.fromkeys(("", password)):
        raw = raw or pdfium.FPDF_LoadMemDocument64(data, len(data), attempt.encode())
    try:
        yield PdfiumDocument(raw) if raw else None
    finally:
        if raw:
            pdfium.FPDF_CloseDocument(raw)


def drawn_pages(
    data: bytes, password: str, wanted: Sequence[tuple[int, PdfFigure | None]], enough: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield each of these pages (from 1), or a figure on it, as an image of Pillow (mode RGB).

    The image is None if it can't be drawn. The shorter side of a figure needn't have more than `enough` pixels.
    """
    import pypdfium2

    for attempt in dict.fromkeys(("", password)):
        try:
            document = pypdfium2.PdfDocument(data, password=attempt or None)
            break
        except pypdfium2.PdfiumError:
            continue
    else:
        yield from ((number, None) for number, _ in wanted)
        return
    with document:
        for number, figure in wanted:
            try:
                page = document[number - 1]
                image = _drawn(page) if figure is None else _drawn_figure(page, figure, enough)
                page.close()
            except (pypdfium2.PdfiumError, ValueError):  # ValueError: nothing of the figure is on the page
                image = None
            yield number, image


def _drawn(page: Any) -> Any:
    scale = min(_DOTS / 72, _MAX_DRAWN / max(*page.get_size(), 1))
    return page.render(scale=scale).to_pil().convert("RGB")


def _drawn_figure(page: Any, figure: PdfFigure, enough: int | None) -> Any:
    """Return the part of a page with a figure, with about as many pixels as the figure has.

    With `enough`, the shorter side has no more than that, and a drawing, which has no pixels, about as many.
    """
    width, height = page.get_size()
    box = figure.box
    across, down = min(box.right, width) - max(box.left, 0.0), min(box.bottom, height) - max(box.top, 0.0)
    points = max((box.right - box.left) * (box.bottom - box.top), 1.0)
    own = math.sqrt(figure.width * figure.height / points)  # pixels a point; the picture may be turned
    sufficient = math.inf if enough is None else enough / max(min(across, down), 1.0)
    own = sufficient if enough is not None and not figure.width else max(own, 1.0)
    scale = min(own, sufficient, _MAX_DOTS / 72, _MAX_DRAWN / max(across, down, 1.0))
    crop = (max(box.left, 0.0), max(height - box.bottom, 0.0), max(width - box.right, 0.0), max(box.top, 0.0))
    return page.render(scale=scale, crop=crop).to_pil().convert("RGB")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of one line without wide gaps, and the box around it in points."""

    text: str
    left: float
    bottom: float
    right: float
    top: float

    @property
    def height(self) -> float:
        return self.top - self.bottom


_Line = list[_Piece]


class _PageReader:
    """Reads a page. Characters are UTF-16 units, as PDFium counts them."""

    def __init__(self, text_page: Any, unmapped: Collection[str]) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._page = text_page
        self._count = max(pdfium.FPDFText_CountChars(text_page), 0)
        self._unmapped = self._in_fonts(unmapped) if unmapped else frozenset[int]()

    def read(self) -> tuple[PageText, float]:
        """Return the text of the page, and the share of its characters that are left out."""
        page = None
        if not self._unmapped and not self._may_have_columns():
            page = self._in_order_of_drawing()
        if page is None or _is_torn(page.text) or (_has_repeats(page.text) and self._draws_twice()):
            page = self._by_place()
        return page, len(self._unmapped) / max(self._count, 1)

    def _in_order_of_drawing(self) -> PageText | None:
        """Return the page as it is drawn, or None if lines have wide gaps in the same place: those of columns."""
        import ctypes

        buffer = (ctypes.c_ushort * (2 * self._count + 2))()
        units = self._pdfium.FPDFText_GetText(self._page, 0, self._count, buffer)
        text = bytes(memoryview(buffer)[: max(units - 1, 0)]).decode("utf-16-le", "surrogatepass")
        top: tuple[EdgeLine, ...] = ()
        bottom: tuple[EdgeLine, ...] = ()
        if len(text) == self._count:  # else PDFium's numbers of characters are not places in the text
            lines = [match.span() for match in _LINE.finditer(text)]
            if self._have_gaps_in_one_place(text, lines):
                return None
            top = tuple(self._edge_line(text, *span) for span in lines[:EDGE])
            bottom = tuple(self._edge_line(text, *span) for span in lines[: -EDGE - 1 : -1])
        return PageText(text.replace("\r\n", "\n").replace("\ufffe", "-\n"), top, bottom)

    def _by_place(self) -> PageText:
        lines = _in_reading_order(list(_without_repeats(self._lines(0, self._count))))
        edges = [EdgeLine(tuple(piece.text for piece in line), line[0].bottom) for line in lines]
        text = "\n".join(" ".join(piece.text for piece in line) for line in lines)
        return PageText(text, tuple(edges[:EDGE]), tuple(edges[: -EDGE - 1 : -1]))

    def _have_gaps_in_one_place(self, text: str, lines: Sequence[tuple[int, int]]) -> bool:
        """Return True if wide gaps within lines, of which each is drawn at once, end in the same place.

        Only some of the page's lines are looked at.
        """
        box = self._pdfium.FS_RECTF()
        ends: Counter[int] = Counter()
        for start, end in lines[:: max(1, len(lines) // _SAMPLE)]:
            spaces = [at for at in range(start + 1, end - 1) if text[at] == " "][:_MAX_SPACES]
            for at in spaces:
                if not self._pdfium.FPDFText_GetLooseCharBox(self._page, at - 1, box):
                    continue
                right, height = box.right, box.top - box.bottom
                if self._pdfium.FPDFText_GetLooseCharBox(self._page, at + 1, box) and (
                    box.left - right > _WIDE_GAP * height and abs(box.top - box.bottom - height) < height / 2
                ):
                    place = round(box.left / _SAME_LEFT)
                    ends.update((place, place + 1))
        return max(ends.values(), default=0) >= _MIN_ROWS

    def _edge_line(self, text: str, start: int, end: int) -> EdgeLine:
        """Return a line of the text as an edge line."""
        rects = list(self._rects(start, min(end, start + _MAX_EDGE) - start))
        if any(_gap(*pair) > _WIDE_GAP * min(pair[0].height, pair[1].height) for pair in itertools.pairwise(rects)):
            pieces = [piece for line in self._lines(start, min(end, start + _MAX_EDGE)) for piece in line]
            return EdgeLine(tuple(piece.text for piece in pieces), rects[0].bottom)
        return EdgeLine((text[start:end],), rects[0].bottom if rects else None)

    def _rects(self, start: int, count: int) -> Iterator[_Piece]:
        """Yield the boxes around stretches of characters that are drawn at once."""
        import ctypes

        left, top, right, bottom = (ctypes.c_double() for _ in range(4))
        for number in range(min(self._pdfium.FPDFText_CountRects(self._page, start, count), _MAX_RECTS)):
            self._pdfium.FPDFText_GetRect(self._page, number, left, top, right, bottom)
            yield _Piece("", left.value, bottom.value, right.value, top.value)

    def _draws_twice(self) -> bool:
        """Return True if several stretches of characters are drawn again in their place."""
        places = Counter(
            (round(rect.left / _NEAR), round(rect.bottom / _NEAR), round(rect.right / _NEAR))
            for rect in self._rects(0, -1)
        )
        return places.total() - len(places) >= _MIN_REPEATS

    def _may_have_columns(self) -> bool:
        """Return True if wide gaps after long stretches of lines end at the same distance from the left."""
        ends: Counter[int] = Counter()
        begun = last = None
        height = 0.0  # of the stretch
        for rect in self._rects(0, -1):
            gap = 0.0 if last is None else rect.left - last.right
            if begun is None or last is None or not _overlaps(last, rect) or gap < -height:
                begun, height = rect, 0.0
            elif gap > _WIDE_GAP * max(height, rect.height):
                if last.right - begun.left > _MIN_WIDTH / 2 * height:
                    place = round(rect.left / _SAME_LEFT)
                    ends.update((place, place + 1))
                begun, height = rect, 0.0
            height = max(height, rect.height)
            last = rect
        return max(ends.values(), default=0) >= _MIN_ROWS

    def _in_fonts(self, names: Collection[str]) -> frozenset[int]:
        """Return the characters, other than white space, that are in fonts of these names."""
        import ctypes

        name = ctypes.create_string_buffer(_MAX_FONT_NAME)
        known: dict[int | None, bool] = {}  # by the address of a text object
        found = []
        for at in range(self._count):
            text_object = self._pdfium.FPDFText_GetTextObject(self._page, at)
            address = ctypes.cast(text_object, ctypes.c_void_p).value
            if address is None:
                continue  # PDFium made the character: a space or a line end
            if address not in known:
                self._pdfium.FPDFText_GetFontInfo(self._page, at, name, _MAX_FONT_NAME, None)
                known[address] = name.value.decode("utf-8", "replace") in names
            if known[address]:
                found.append(at)
        return frozenset(found)

    def _lines(self, start: int, end: int) -> Iterator[_Line]:
        """Yield the lines of a range of characters."""
        box = self._pdfium.FS_RECTF()
        line: _Line = []
        letters: list[str] = []
        left = bottom = right = top = 0.0
        space = is_guess = False
        last_gap = 0.0  # between two letters

        def end_piece() -> None:
            if letters:
                line.append(_Piece("".join(letters), left, bottom, right, top))
                letters.clear()

        page, code_of, box_of = self._page, self._pdfium.FPDFText_GetUnicode, self._pdfium.FPDFText_GetLooseCharBox
        for at in range(start, end):
            letter = chr(code_of(page, at) & 0xFFFF)
            if letter in "\r\n" or letter == _BREAK_HYPHEN:
                if letter == _BREAK_HYPHEN and letters:
                    letters.append("-")
                end_piece()
                if line:
                    yield line
                    line = []
                continue
            if letter.isspace():
                space = True
                is_guess = self._pdfium.FPDFText_IsGenerated(self._page, at) == 1
                continue
            if at in self._unmapped or not box_of(page, at, box):
                continue
            gap = max(box.left - right, left - box.right)
            height = max(box.top - box.bottom, top - bottom)
            if gap > _WIDE_GAP * height:
                end_piece()
            if letters:
                if space and not (is_guess and gap < min(_LETTER_GAP * height, 1.5 * max(last_gap, 0.0))):
                    letters.append(" ")
                left, right = min(left, box.left), max(right, box.right)
                bottom, top = min(bottom, box.bottom), max(top, box.top)
                last_gap = gap
            else:
                left, bottom, right, top = box.left, box.bottom, box.right, box.top
                last_gap = 0.0
            letters.append(letter)
            space = False
        end_piece()
        if line:
            yield line


def _gap(left: _Piece, right: _Piece) -> float:
    """Return the points between two boxes, whichever of them stands left."""
    return max(right.left - left.right, left.left - right.right)


def _is_torn(text: str) -> bool:
    """Return True if last letters stand alone after many words, as PDFium reads letters that are drawn far apart."""
    return len(_TORN.findall(text)) > _MAX_TORN * len(text.split())


def _has_repeats(text: str) -> bool:
    """Return True if several long lines occur more than once."""
    lines = [line for line in text.split("\n") if len(line) >= _MIN_REPEATED]
    return len(lines) - len(set(lines)) >= _MIN_REPEATS


def _without_repeats(lines: Iterable[_Line]) -> Iterator[_Line]:
    """Yield the lines without pieces that were drawn before in the same place."""
    seen: set[tuple[str, int, int]] = set()
    for line in lines:
        kept = []
        for piece in line:
            column, row = round(piece.left / _NEAR), round(piece.bottom / _NEAR)
            near = ((piece.text, column + across, row + up) for across in (0, -1, 1) for up in (0, -1, 1))
            if not any(place in seen for place in near):
                kept.append(piece)
                seen.add((piece.text, column, row))
        if kept:
            yield kept


def _in_reading_order(lines: Sequence[_Line]) -> list[_Line]:
    """Return the lines with text in columns, drawn row by row, in the order of the columns."""
    ordered: list[_Line] = []
    rows = list(_rows(lines))
    at = 0
    while at < len(rows):
        columns, count = _columns(rows, at)
        if columns:
            ordered += [[piece] for column in columns for piece in column]
            at += count
        else:
            ordered += rows[at]
            at += 1
    return ordered


def _rows(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    """Yield the lines in groups that stand side by side."""
    row: list[_Line] = []
    for line in lines:
        if row and not _is_beside(row[-1][-1], line[0]):
            yield row
            row = []
        row.append(line)
    if row:
        yield row


def _is_beside(left: _Piece, right: _Piece) -> bool:
    """Return True if `right` follows at the same height, after a wide gap."""
    return right.left - left.right > _WIDE_GAP * min(left.height, right.height) and _overlaps(left, right)


def _overlaps(left: _Piece, right: _Piece) -> bool:
    """Return True if the boxes are at the same height."""
    return min(left.top, right.top) - max(left.bottom, right.bottom) > min(left.height, right.height) / 2


def _columns(rows: Sequence[list[_Line]], first: int) -> tuple[list[list[_Piece]], int]:
    """Return the columns of running text that begin with the row `first`, and the number of their rows; or none."""
    lefts = [piece.left for line in rows[first] for piece in line]
    if len(lefts) < 2:
        return [], 0
    columns: list[list[_Piece]] = [[] for _ in lefts]
    complete = count = 0
    bottom = None
    for row in rows[first:]:
        pieces = [piece for line in row for piece in line]
        places = [_column_of(piece, lefts) for piece in pieces]
        top, height = max(piece.top for piece in pieces), pieces[0].height
        distance = 0.0 if bottom is None else bottom - top
        if None in places or len(set(places)) < len(places):
            break
        if not -height < distance < height * (_MAX_DISTANCE if len(pieces) > 1 else _MAX_DISTANCE / 2):
            break
        for place, piece in zip(places, pieces, strict=True):
            columns[place or 0].append(piece)
        bottom = min(piece.bottom for piece in pieces)
        complete += len(pieces) > 1
        count += 1
    is_text = complete >= _MIN_ROWS and all(_is_running_text(column) for column in columns)
    return (columns, count) if is_text else ([], 0)


def _column_of(piece: _Piece, lefts: Sequence[float]) -> int | None:
    """Return the number of the column that the piece is a line of, or None if it is of none."""
    for number, left in enumerate(lefts):
        end = lefts[number + 1] if number + 1 < len(lefts) else math.inf
        if left - _SAME_LEFT <= piece.left <= left + _INDENT * piece.height and piece.right < end:
            return number
    return None


def _is_running_text(lines: Sequence[_Piece]) -> bool:
    """Return True if the lines are long and most of them go on with a sentence, unlike the cells of a table."""
    if len(lines) < _MIN_ROWS:
        return False
    width = sum((line.right - line.left) / (line.height or 1.0) for line in lines) / len(lines)
    continued = sum(line.text[0].isalpha() and line.text[0] == line.text[0].lower() for line in lines[1:])
    return width >= _MIN_WIDTH and continued >= _MIN_CONTINUED * (len(lines) - 1)
