"""Reads the pictures inside a document, each in a place of its own, such as "page 3, figure 2".

A figure's text is what the document says about the picture, such as an alternative text or a caption. With text
recognition, the words in the picture follow. A picture below a size is no figure: it is a button, a bullet or a logo.
For an image model, the pixels of all figures are kept, too, also of those about which nothing is said.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import Any

from vsearch_core.model import Document, FigurePixels
from vsearch_core.text.extract import recognition
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import SOFT_HYPHEN, one_line
from vsearch_core.text.extract.figure_pixels import PixelReader
from vsearch_core.text.extract.options import ExtractLimits, ExtractOptions
from vsearch_core.text.extract.pictures import has_pillow, is_figure, opened, pixels
from vsearch_core.text.extract.recognition import RecognisedLine, Recogniser, add_boxes, as_text
from vsearch_core.text.extract.registry import FIGURE, unit_of

MAX_BYTES = 50_000_000  # of a picture's file
MAX_PICTURES = 1000  # different ones of a document that are looked at
_MAX_SHOWN = 20_000  # places of a document that show one
_MAX_TEXT = 4000  # characters of an alternative text or a caption
_MAX_NAMED = 5  # figures in one phrase about those whose words were not recognised

Load = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class FoundFigure:
    """A figure in a document.

    Attributes:
        address: The picture's name in the document: the same for each place that shows the same picture.
        load: Returns the bytes of the picture's file.
        texts: What the document says about it; each says something new.
        titles: The headings above it, outermost first.
        line: Its line in the source, from 1, or 0 if the format has no lines.
    """

    address: str
    load: Load
    texts: tuple[str, ...]
    titles: tuple[str, ...] = ()
    line: int = 0


def distinct_texts(*texts: str) -> tuple[str, ...]:
    """Return the texts on one line each, without blank ones, and without those that another one contains."""
    cleaned = [one_line(text.replace(SOFT_HYPHEN, ""))[:_MAX_TEXT].strip() for text in texts]
    kept: list[str] = []
    for text in sorted(dict.fromkeys(filter(None, cleaned)), key=len, reverse=True):
        if not any(text.casefold() in other.casefold() for other in kept):
            kept.append(text)
    return tuple(sorted(kept, key=cleaned.index))


class Figures:
    """Adds the figures of one document to its text. Each picture is read once, wherever it is shown again."""

    def __init__(self, name: str, options: ExtractOptions) -> None:
        """Start without figures. `name` is the document's name."""
        self._name = name
        self._is_readable = has_pillow()
        self._left = options.limits.expanded_bytes
        self._digests: dict[str, bytes] = {}  # by address; b"" for a picture that is no figure
        self._said: dict[bytes, set[str]] = {}  # the texts about a picture
        self._has_more = False
        self._shown = 0
        self._words = FigureWords(name, options)
        self._wanted = options.wanted_figure
        self.section: int | None = None  # the page of figures that are written for a part of a document
        self._pixels = PixelReader(options.pixels)

    def is_figure(self, address: str, load: Load) -> bool:
        """Return True if `load` returns a picture that is large enough. It is called once for each address."""
        if address not in self._digests:
            is_over = self._left <= 0 or len(self._digests) >= MAX_PICTURES
            self._has_more = self._has_more or is_over
            if is_over or not self._is_readable:
                return False
            self._digests[address] = self._digest(load())
        if self._digests[address] and self._shown == _MAX_SHOWN:
            self._has_more = True
            return False
        self._shown += bool(self._digests[address])
        return bool(self._digests[address])

    def _digest(self, data: bytes) -> bytes:
        self._left -= len(data)
        return blake2b(data, digest_size=16).digest() if is_figure(self._name, data) else b""

    def write(self, builder: DocumentBuilder, found: Sequence[FoundFigure]) -> None:
        """Add the figures of one page, or of a document without pages, in their order. One without text is left out."""
        for number, figure in enumerate(found, 1):
            digest = self._digests[figure.address]
            is_new = digest not in self._said
            said = self._said.setdefault(digest, set())
            place = f"{FIGURE}{number}"
            if self._wanted is not None:
                page = self.section if builder.page is None else builder.page
                self._wanted.offer(page, number, partial(self._image, figure))
            lines = self._words.of(partial(self._image, figure), place, builder.page) if is_new else []
            titles = (*figure.titles, place)
            start = end = builder.length
            if lines or not said.issuperset(figure.texts):
                start, end = write_figure(builder, titles, figure.texts, lines, figure.line), builder.length
            said.update(figure.texts)
            if is_new:
                where = FigurePixels(start, end, builder.page, titles, 0, 0, b"")
                shown = self._pixels.read(partial(self._image, figure), None, where)
                builder.figures += () if shown is None else (shown,)

    def _image(self, figure: FoundFigure) -> Any:
        with opened(self._name, figure.load()) as image:
            return pixels(image)

    def report(self, builder: DocumentBuilder) -> None:
        """Report what was left out, and that words were looked for if they were."""
        self._words.report(builder)
        builder.left_out += self._pixels.left_out()
        if self._has_more:
            builder.left_out.append(f"pictures after the first {len(self._digests)}, because there are too many")

    def reported(self, document: Document, limits: ExtractLimits) -> Document:
        """Return a finished document with what `report` says about its figures."""
        builder = DocumentBuilder(self._name, limits)
        self.report(builder)
        boxes = builder.boxes if document.boxes is None else document.boxes
        left_out = (*document.left_out, *builder.left_out)
        return replace(document, left_out=left_out, boxes=None if boxes is None else tuple(boxes))


class WaitingFigures:
    """Collects the figures of a page or sheet, until its text is complete. They stand below the headings of that time.

    `lacks_caption` is True while the last figure has no caption, and only blank paragraphs follow it.
    """

    def __init__(self, builder: DocumentBuilder, figures: Figures) -> None:
        """Start without figures."""
        self.figures = figures
        self.lacks_caption = False
        self._builder = builder
        self._found: list[FoundFigure] = []

    @property
    def is_empty(self) -> bool:
        """Return True if no figure waits."""
        return not self._found

    def add(self, figure: FoundFigure) -> None:
        """Add a figure below the current headings."""
        self._found.append(replace(figure, titles=self._builder.titles))
        self.lacks_caption = True

    def describe(self, caption: str) -> None:
        """Add a caption to the last figure."""
        last = self._found[-1]
        self._found[-1] = replace(last, texts=distinct_texts(*last.texts, caption))
        self.lacks_caption = False

    def write(self, titles: Sequence[str] | None = None) -> None:
        """Add the figures to the document, and forget them. `titles` are other headings for them."""
        found = self._found if titles is None else [replace(each, titles=tuple(titles)) for each in self._found]
        self.figures.write(self._builder, found)
        self._found.clear()
        self.lacks_caption = False


class FigureWords:
    """Recognises the words in the figures of one document, if the options ask for it, until its time is up."""

    def __init__(self, name: str, options: ExtractOptions) -> None:
        """Start the clock. `name` is the document's name."""
        self._unit = unit_of(name)
        self.is_on = options.ocr and recognition.is_installed()
        self._recogniser = Recogniser(options.recognise_until)
        self._late: list[str] = []
        self._damaged: list[str] = []

    def of(self, load: Callable[[], object], place: str, page: int | None) -> list[RecognisedLine]:
        """Return the lines of text in the image of Pillow that `load` returns."""
        if not self.is_on:
            return []
        if not self.has_time:
            self.miss(place, page)
            return []
        try:
            return recognition.recognise(load())
        except Exception:  # damaged pixels raise many kinds; MemoryError too costs the figure only, not the document
            self._damaged.append(self._shown(place, page))
            return []

    @property
    def has_time(self) -> bool:
        """Return True if there is time for another figure."""
        return self._recogniser.has_time

    def miss(self, place: str, page: int | None) -> None:
        """Note a figure for which no time is left."""
        self._late.append(self._shown(place, page))

    def _shown(self, place: str, page: int | None) -> str:
        return place if page is None else f"{self._unit} {page}, {place}"

    def report(self, builder: DocumentBuilder) -> None:
        """Report the figures whose words could not be recognised."""
        builder.left_out += self.left_out()
        if self.is_on and builder.boxes is None:
            builder.boxes = []

    def left_out(self) -> list[str]:
        """Return a phrase about the figures that are damaged, and one about those for which no time was left."""
        phrases = (
            ("can't recognise words in damaged or too many pixels of", self._damaged),
            ("no time left to recognise the words in", self._late),
        )
        return [f"{phrase} {_named(places)}" for phrase, places in phrases if places]


def write_figure(
    builder: DocumentBuilder,
    titles: Sequence[str],
    texts: Sequence[str],
    lines: Sequence[RecognisedLine],
    line: int = 0,
) -> int:
    """Add a figure's texts and the recognised lines, with their places, below these titles. Return their start."""
    words = as_text(lines)
    text = "\n\n".join(filter(None, (*texts, words)))
    start = builder.add_apart(text, titles, line)
    if lines:
        add_boxes(builder, start + len(text) - len(words), words, lines)
    return start


def with_figures(
    name: str, document: Document, placed: Iterable[tuple[int, FoundFigure]], figures: Figures, limits: ExtractLimits
) -> Document:
    """Return a document with its figures after its text, below the headings that they stand under.

    `placed` has the figures, each with the offset in the text of its place. `Document.lines` must have all lines.
    """
    builder = DocumentBuilder(name, limits)
    if document.text:
        builder.add_document(document, lines=document.lines or ())
    starts = [span.start for span in document.spans]
    found = []
    for start, figure in placed:
        at = bisect_right(starts, start) - 1
        found.append(replace(figure, titles=document.spans[at].heading if at >= 0 else ()))
    figures.write(builder, found)
    return builder.document(document.title, document.language, document.metadata)


def _named(places: Sequence[str]) -> str:
    shown = ", ".join(places[:_MAX_NAMED])
    return f"{shown} and {len(places) - _MAX_NAMED} more" if len(places) > _MAX_NAMED else shown
