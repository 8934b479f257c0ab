"""Finds the figures on PDF pages by PDFium: pictures, their alternative texts in tagged PDFs, and captions below them.

Coordinates are points from the upper left corner of the page as it is shown, so that rotated pages need no other rules.
"""

import ctypes
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vsearch_core.text.extract.figures import distinct_texts
from vsearch_core.text.extract.office import alternative_text
from vsearch_core.text.extract.pictures import MAX_PIXELS, is_large_enough

_MAX_OBJECTS = 20_000  # of a page that are looked at
_MAX_IMAGES = 500  # of a page
_MAX_DEPTH = 12  # of forms within forms
_MAX_ELEMENTS = 5000  # of a page's structure that are looked at
_MAX_ALT = 4000  # characters
_MIN_POINTS = 24.0  # of the shorter side of a drawing that is no picture
_TOUCHING = 1.5  # points between strips of one picture, at most
_SAME_EDGE = 2.0  # points between the edges of such strips, at most
_MIN_COVERED = 100  # characters of text on a picture, for it to be a scanned page or a background
_MIN_SAMPLE = 400  # characters of a page, of which is found out whether they are on a picture
_MAX_GAP = 45.0  # points between a figure and its caption, at most
_LINE_GAP = 0.9  # heights of a line between the lines of a caption, at most
_MAX_LINES = 10  # of a caption
_MAX_CAPTIONS = 50  # of a page
_LINE = re.compile(r"[^\n\ufffe]*[^\s\ufffe]")
_GRAIN = 100  # parts of a point in which PDFium tells where something is shown
_CAPTION = re.compile(
    r"^[^\S\n]*(?:(?:supplementary |extended data )?(?:figure|fig\.|fig|photo|plate|chart|diagram|scheme|map)"
    r"|abbildung|abb\.|bild|foto|schaubild|figur|figuur|afbeelding|afb\.|fig[uú]ras?|gr[aá]fico|ilustraci[oó]n|imagem"
    r"|figura|immagine|photographie|image|sch[eé]ma|rysunek|rys\.|obr[aá]zek|obr\.|kuva|kuvio|рисунок|рис\.|мал\."
    r"|图|圖|図|그림|εικόνα|σχήμα)[^\S\n]{0,3}[A-Z]?\d",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page."""

    left: float
    top: float
    right: float
    bottom: float

    def around(self, other: "Box") -> "Box":
        """Return the smallest box around both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


@dataclass(frozen=True, slots=True)
class PdfFigure:
    """A figure on a page.

    Attributes:
        box: Where it is shown.
        width: Its pixels in a row, 0 for a drawing that is no picture.
        height: Its rows of pixels.
        texts: Its alternative text and its caption, if there are any.
        has_words: False if its words needn't be recognised, because it is no picture, or text of the page is on it.
    """

    box: Box
    width: int
    height: int
    texts: tuple[str, ...] = ()
    has_words: bool = True


@dataclass(slots=True)
class _Tagged:
    """An element of the page's structure that is a figure, with its alternative text and what is drawn for it."""

    text: str
    box: Box | None = None
    pictures: list[PdfFigure] = field(default_factory=list)


def find_figures(page: Any, text_page: Any) -> tuple[PdfFigure, ...]:
    """Return the figures of a page from its top to its bottom; `page` and `text_page` are PDFium's handles."""
    finder = _Finder(page)
    finder.walk()
    figures = [figure for tagged in finder.tagged if (figure := _of_element(tagged)) is not None]
    figures += [figure for figure in _merged(finder.pictures) if is_large_enough(figure.width, figure.height)]
    if not figures:
        return ()
    figures.sort(key=lambda figure: (figure.box.top, figure.box.left))
    reader = _TextAround(finder, text_page)
    captions = reader.captions([figure.box for figure in figures])
    return tuple(
        replace(
            figure,
            texts=distinct_texts(*figure.texts, caption),
            has_words=figure.width > 0 and not finder.is_too_large and not reader.is_covered(figure.box),
        )
        for figure, caption in zip(figures, captions, strict=True)
    )


def _of_element(tagged: _Tagged) -> PdfFigure | None:
    """Return the figure of an element, or None if its pictures are too small, or it has neither those nor a text."""
    if tagged.pictures:
        around = _around(tagged.pictures)
        is_large = is_large_enough(around.width, around.height)
        return replace(around, texts=(tagged.text,)) if is_large else None
    box = tagged.box
    if not tagged.text or box is None or min(box.right - box.left, box.bottom - box.top) < _MIN_POINTS:
        return None
    return PdfFigure(box, 0, 0, (tagged.text,))


def _around(pictures: Sequence[PdfFigure]) -> PdfFigure:
    """Return the pictures as one, with pixels as dense as the densest has them."""
    box = pictures[0].box
    for picture in pictures[1:]:
        box = box.around(picture.box)
    across = max(each.width / max(each.box.right - each.box.left, 1e-3) for each in pictures)
    down = max(each.height / max(each.box.bottom - each.box.top, 1e-3) for each in pictures)
    return PdfFigure(box, round(across * (box.right - box.left)), round(down * (box.bottom - box.top)))


def _merged(pictures: Sequence[PdfFigure]) -> list[PdfFigure]:
    """Return the pictures with those whole that are drawn in strips or tiles, as many programs do."""
    rows = _joined(sorted(pictures, key=lambda each: (round(each.box.top), round(each.box.bottom), each.box.left)), 0)
    return _joined(sorted(rows, key=lambda each: (round(each.box.left), round(each.box.right), each.box.top)), 1)


def _joined(pictures: Sequence[PdfFigure], direction: int) -> list[PdfFigure]:
    """Return the pictures with neighbours joined that touch, from left to right (0) or from top to bottom (1)."""
    joined: list[PdfFigure] = []
    for picture in pictures:
        if joined and _are_strips(joined[-1].box, picture.box, direction):
            joined[-1] = _around([joined[-1], picture])
        else:
            joined.append(picture)
    return joined


def _are_strips(first: Box, second: Box, direction: int) -> bool:
    if direction:
        edges, gap = ((first.left, second.left), (first.right, second.right)), second.top - first.bottom
    else:
        edges, gap = ((first.top, second.top), (first.bottom, second.bottom)), second.left - first.right
    is_same = all(abs(one - other) <= _SAME_EDGE for one, other in edges)
    return is_same and (abs(gap) <= _TOUCHING or first == second)


class _Finder:
    """Collects the pictures of a page: those of elements of its structure, and the others."""

    def __init__(self, page: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._page = page
        self._size = [round(_GRAIN * each(page)) for each in (pdfium.FPDF_GetPageWidthF, pdfium.FPDF_GetPageHeightF)]
        self.tagged: list[_Tagged] = []
        self._elements: dict[int, _Tagged] = {}  # by the number of marked content
        self.pictures: list[PdfFigure] = []
        self.is_too_large = False  # a picture has too many pixels to draw the page
        self._objects = self._images = 0

    def walk(self) -> None:
        """Look at what is drawn on the page, within limits."""
        self._read_structure()
        pdfium = self._pdfium
        self._walk(
            self._page, pdfium.FPDFPage_CountObjects, pdfium.FPDFPage_GetObject, (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), None, 0
        )

    def _walk(
        self, holder: Any, count_of: Any, object_of: Any, matrix: Sequence[float], element: _Tagged | None, depth: int
    ) -> None:
        """Look at the objects of a page or form; `matrix` leads from its coordinates to those of the page."""
        pdfium = self._pdfium
        for number in range(max(count_of(holder), 0)):
            self._objects += 1
            if self._objects > _MAX_OBJECTS:
                return
            each = object_of(holder, number)
            kind = pdfium.FPDFPageObj_GetType(each)
            if kind not in {pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM} and not self._elements:
                continue
            own = self._elements.get(pdfium.FPDFPageObj_GetMarkedContentID(each), element)
            if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
                inner = _product(self._matrix_of(each), matrix)
                self._walk(each, pdfium.FPDFFormObj_CountObjects, pdfium.FPDFFormObj_GetObject, inner, own, depth + 1)
            elif kind == pdfium.FPDF_PAGEOBJ_IMAGE or own is not None:
                self._add(each, kind == pdfium.FPDF_PAGEOBJ_IMAGE, matrix, own)

    def _add(self, drawn: Any, is_picture: bool, matrix: Sequence[float], element: _Tagged | None) -> None:
        box = self._box_of(drawn, matrix)
        if box is None:
            return
        if element is not None:
            element.box = box if element.box is None else element.box.around(box)
        if is_picture and self._images < _MAX_IMAGES:
            self._images += 1
            width, height = ctypes.c_uint(), ctypes.c_uint()
            if self._pdfium.FPDFImageObj_GetImagePixelSize(drawn, width, height):
                self.is_too_large = self.is_too_large or width.value * height.value > MAX_PIXELS
                pictures = self.pictures if element is None else element.pictures
                pictures.append(PdfFigure(box, width.value, height.value))

    def _matrix_of(self, form: Any) -> tuple[float, ...]:
        matrix = self._pdfium.FS_MATRIX()
        if not self._pdfium.FPDFPageObj_GetMatrix(form, matrix):
            return (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
        return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f

    def _box_of(self, drawn: Any, matrix: Sequence[float]) -> Box | None:
        left, bottom, right, top = (ctypes.c_float() for _ in range(4))
        if not self._pdfium.FPDFPageObj_GetBounds(drawn, left, bottom, right, top):
            return None
        a, b, c, d, e, f = matrix
        corners = itertools.product((left.value, right.value), (bottom.value, top.value))
        return self.shown([(a * x + c * y + e, b * x + d * y + f) for x, y in corners])

    def shown(self, points: Sequence[tuple[float, float]]) -> Box | None:
        """Return the box around points of the page's own coordinates, or None if they are out of all bounds."""
        across, down = ctypes.c_int(), ctypes.c_int()
        places = []
        for x, y in points:
            if not self._pdfium.FPDF_PageToDevice(self._page, 0, 0, *self._size, 0, x, y, across, down):
                return None
            places.append((across.value / _GRAIN, down.value / _GRAIN))
        columns, rows = zip(*places, strict=True)
        return Box(min(columns), min(rows), max(columns), max(rows))

    def _read_structure(self) -> None:
        """Collect the figures among the elements of the page's structure."""
        pdfium = self._pdfium
        tree = pdfium.FPDF_StructTree_GetForPage(self._page)
        if not tree:
            return
        try:
            left: list[tuple[Any, _Tagged | None]] = [
                (pdfium.FPDF_StructTree_GetChildAtIndex(tree, at), None)
                for at in range(min(max(pdfium.FPDF_StructTree_CountChildren(tree), 0), _MAX_ELEMENTS))
            ]
            for _ in range(_MAX_ELEMENTS):
                if not left:
                    break
                self._read_element(left)
        finally:
            pdfium.FPDF_StructTree_Close(tree)

    def _read_element(self, left: list[tuple[Any, _Tagged | None]]) -> None:
        """Take an element from the list, and append its children. What is inside of a figure belongs to it."""
        pdfium = self._pdfium
        element, around = left.pop()
        if not element:
            return
        if around is None and self._text_of(pdfium.FPDF_StructElement_GetType, element) == "Figure":
            text = self._text_of(pdfium.FPDF_StructElement_GetAltText, element)
            around = _Tagged(alternative_text({"descr": text}))
            self.tagged.append(around)
        if around is not None:
            for at in range(min(max(pdfium.FPDF_StructElement_GetMarkedContentIdCount(element), 0), _MAX_ELEMENTS)):
                number = pdfium.FPDF_StructElement_GetMarkedContentIdAtIndex(element, at)
                if number >= 0:
                    self._elements[number] = around
        children = min(max(pdfium.FPDF_StructElement_CountChildren(element), 0), _MAX_ELEMENTS)
        left += [(pdfium.FPDF_StructElement_GetChildAtIndex(element, at), around) for at in range(children)]

    def _text_of(self, function: Any, element: Any) -> str:
        size = min(function(element, None, 0), 2 * _MAX_ALT)
        if size <= 2:
            return ""
        buffer = ctypes.create_string_buffer(size)
        function(element, buffer, size)
        return buffer.raw[:size].decode("utf-16-le", "replace").partition("\0")[0]


def _product(first: Sequence[float], then: Sequence[float]) -> tuple[float, ...]:
    """Return the matrix (a, b, c, d, e, f, as in PDF) of one after the other."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


class _TextAround:
    """Finds text on and below figures."""

    def __init__(self, finder: _Finder, text_page: Any) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._finder = finder
        self._page = text_page
        self._count = max(pdfium.FPDFText_CountChars(text_page), 0)
        buffer = (ctypes.c_ushort * (2 * self._count + 2))()
        units = pdfium.FPDFText_GetText(text_page, 0, self._count, buffer)
        text = bytes(memoryview(buffer)[: max(units - 1, 0)]).decode("utf-16-le", "surrogatepass")
        self._text = text if len(text) == self._count else ""  # else characters have no places in the text

    def is_covered(self, box: Box) -> bool:
        """Return True if much text of the page is on a picture."""
        step = max(1, self._count // _MIN_SAMPLE)
        letters = filter(None, map(self._letter, range(0, self._count, step)))
        inside = sum(
            box.left <= (letter.left + letter.right) / 2 <= box.right
            and box.top <= (letter.top + letter.bottom) / 2 <= box.bottom
            for letter in letters
        )
        return bool(inside * step >= _MIN_COVERED)

    def captions(self, boxes: Sequence[Box]) -> list[str]:
        """Return the caption below each box, or "". Each caption is that of one figure."""
        text = self._text.replace("\r\n", "\n\n").replace("\r", "\n")  # each character stays in its place
        starts = [
            match.end() - len(match[0].lstrip()) for match in itertools.islice(_CAPTION.finditer(text), _MAX_CAPTIONS)
        ]
        free = {start: place for start in starts if (place := self._letter(start)) is not None}
        found = []
        for box in boxes:
            below = [
                start
                for start, place in free.items()
                if -_SAME_EDGE <= place.top - box.bottom <= _MAX_GAP and box.left - _MAX_GAP <= place.left <= box.right
            ]
            start = min(below, key=lambda each: free[each].top, default=None)
            found.append("" if start is None else self._caption(text, start, starts))
            if start is not None:
                del free[start]
        return found

    def _caption(self, text: str, start: int, starts: Sequence[int]) -> str:
        """Return the line that starts at an offset, and those that follow it closely."""
        end, last = start, None
        for match in itertools.islice(_LINE.finditer(text, start), _MAX_LINES):
            first, final = self._letter(match.start()), self._letter(match.end() - 1)
            if first is None or final is None:
                break
            line = first.around(final)
            height = line.bottom - line.top
            if last is not None and (
                not -height / 2 <= line.top - last.bottom <= _LINE_GAP * height
                or line.left > last.right
                or line.right < last.left
                or match.start() in starts
            ):
                break
            end, last = match.end(), line
        return text[start:end].replace("\ufffe", "")  # a hyphen at the end of a line

    def _letter(self, at: int) -> Box | None:
        """Return where a character is shown."""
        box = self._pdfium.FS_RECTF()
        if not self._pdfium.FPDFText_GetLooseCharBox(self._page, at, box):
            return None
        return self._finder.shown([(box.left, box.bottom), (box.right, box.top)])
