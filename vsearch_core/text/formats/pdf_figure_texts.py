"""Makes text of the figures of a PDF: what the file says about them, and the words in them; and takes their pixels."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

from vsearch_core.model import FigurePixels, PixelFormat
from vsearch_core.text.extract.figure_pixels import PixelReader
from vsearch_core.text.extract.figures import MAX_PICTURES, FigureWords
from vsearch_core.text.extract.recognition import RecognisedLine, as_text
from vsearch_core.text.extract.registry import FIGURE
from vsearch_core.text.formats.pdf_figures import PdfFigure
from vsearch_core.text.formats.pdf_text import drawn_pages

_FINER = 2  # pixels that are drawn for each that an image model reads, in each direction

Place = tuple[int, int]  # a page, and the number of a figure on it, both from 1


@dataclass(frozen=True, slots=True)
class PageBlock:
    """The text of a page, or that of a figure on it.

    Attributes:
        titles: Its headings.
        text: The text.
        lines: The lines that were recognised in it.
        recognised: The end of the text, in which these lines are.
        figure: The figure's number on its page; 0 for the text of the page.
    """

    titles: tuple[str, ...]
    text: str
    lines: Sequence[RecognisedLine] = ()
    recognised: str = ""
    figure: int = 0


def figure_blocks(
    figures: Mapping[int, Sequence[PdfFigure]], recognised: Mapping[Place, Sequence[RecognisedLine]]
) -> dict[int, list[PageBlock]]:
    """Return the texts of the figures of each page. A text that several figures share is given once."""
    found: dict[int, list[PageBlock]] = {}
    said: set[tuple[str, ...]] = set()
    for page, on_page in sorted(figures.items()):
        for number, figure in enumerate(on_page, 1):
            lines = recognised.get((page, number), ())
            if lines or (figure.texts and figure.texts not in said):
                words = as_text(lines)
                text = "\n\n".join(filter(None, (*figure.texts, words)))
                found.setdefault(page, []).append(PageBlock((f"{FIGURE}{number}",), text, lines, words, number))
            said.add(figure.texts)
    return found


def recognised_figures(
    data: bytes,
    password: str,
    figures: Mapping[int, Sequence[PdfFigure]],
    typed: Collection[int],
    words: FigureWords,
) -> dict[Place, list[RecognisedLine]]:
    """Return the lines of text in the pictures on `typed` pages. Of equal pictures, the first is read."""
    places = [
        (page, number)
        for page in sorted(figures.keys() & set(typed))
        for number, figure in enumerate(figures[page], 1)
        if figure.has_words
    ]
    if not places:
        return {}
    recognised: dict[Place, list[RecognisedLine]] = {}
    seen: set[bytes] = set()
    wanted = [(page, figures[page][number - 1]) for page, number in places[:MAX_PICTURES]]
    done = 0
    for (page, number), (_, image) in zip(places, drawn_pages(data, password, wanted), strict=False):
        if not words.has_time:
            break
        digest = b"" if image is None else blake2b(image.tobytes(), digest_size=16).digest()
        if digest not in seen:
            recognised[page, number] = words.of(partial(present, image), f"{FIGURE}{number}", page)
            seen |= {digest} if digest else set()
        done += 1
    for page, number in places[done:]:
        words.miss(f"{FIGURE}{number}", page)
    return recognised


def figures_with_pixels(
    data: bytes, password: str, figures: Mapping[int, Sequence[PdfFigure]], wanted: PixelFormat | None
) -> tuple[dict[Place, FigurePixels], list[str]]:
    """Return the figures as an image model reads them, by place, and phrases about those that are left out.

    Their offsets and titles are not set. A scanned page with its text, and a background, are no figures.
    """
    reader = PixelReader(wanted)
    places = [
        (page, number)
        for page in sorted(figures)
        for number, figure in enumerate(figures[page], 1)
        if wanted is not None and (figure.has_words or not figure.width)
    ]
    if wanted is None or not places:
        return {}, []
    found: dict[Place, FigurePixels] = {}
    drawn = [(page, figures[page][number - 1]) for page, number in places[:MAX_PICTURES]]
    enough = _FINER * max(wanted.shape)
    images = drawn_pages(data, password, drawn, enough)
    for (page, number), (_, figure) in zip(places, drawn, strict=False):
        if not reader.has_room:
            break
        place = FigurePixels(0, 0, page, (), 0, 0, b"")
        size = (figure.width, figure.height) if figure.width else None
        shown = reader.read(lambda: present(next(images)[1]), size, place)
        if shown is not None:
            found[page, number] = shown
    return found, reader.left_out()


def present(image: Any) -> Any:
    """Return the image. Raises ValueError if it is None."""
    if image is None:
        raise ValueError("it can't be drawn")
    return image
