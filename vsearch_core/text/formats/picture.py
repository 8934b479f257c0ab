"""Reads picture files: what people wrote about a picture and what is written in it is its text."""

from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from vsearch_core.errors import BinaryFileError, PictureError
from vsearch_core.model import Document, FigurePixels, JsonValue, PictureSummary, PixelFormat
from vsearch_core.text.extract.builder import DocumentBuilder, numbered
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.picture_hash import LARGEST, picture_hash
from vsearch_core.text.extract.pictures import is_large_enough, model_pixels, opened, pixels, small, without_pixels
from vsearch_core.text.extract.recognition import EXTRA, PACKAGE, Recogniser, is_installed
from vsearch_core.text.formats.picture_metadata import PictureFacts, facts

_MAX_PAGES = 2000  # of a TIFF


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return a picture's captions, keywords and names of people as text, and with `options.ocr` the words in it.

    If nothing is written in or about the picture, its text is the name of the file, its camera, date and size. Of a
    file with several pictures, the first is read, and of a TIFF all, as pages. With `options.pixels`, a picture inside
    another file is a figure, also without any text.

    Raises:
        PictureError: The picture is an icon or inside another file, has no text, and its words were not asked for.
        BinaryFileError: The file is no picture in a known format, or is such a picture without any words.
    """
    with opened(name, without_pixels(data)) as image:
        known = facts(image, positions=options.positions)
        metadata: dict[str, JsonValue] = {**known.metadata}
        pages = min(getattr(image, "n_frames", 1), _MAX_PAGES) if image.format == "TIFF" else 1
        is_icon = not is_large_enough(*image.size)
        if pages > 1:
            metadata["pages"] = pages
    builder = DocumentBuilder(name, options.limits)
    if pages > 1:
        builder.start_page(1)
    _add_captions(builder, known)
    if options.ocr and is_installed():
        builder.boxes = []
        _add_words(builder, data, pages, options.recognise_until)
    summary = None
    seen = None if options.pixels is None or (options.nesting and is_icon) else _pixels(name, data, options.pixels)
    if options.nesting and seen is not None:
        figure = FigurePixels(0, builder.length, None, (), *known.size, seen)
        return replace(builder.document(known.title, metadata=metadata), figures=(figure,))
    if not options.nesting:
        summary = PictureSummary(_hash(name, data), builder.length > 0, seen)
    if not builder.length and (options.nesting or is_icon):
        raise _no_text(builder, options)
    if not builder.length:
        builder.add(_line(name, known))
    return replace(builder.document(known.title, metadata=metadata), picture=summary)


def _no_text(builder: DocumentBuilder, options: ExtractOptions) -> BinaryFileError:
    name = builder.name
    if options.ocr and not is_installed():
        return BinaryFileError(name, f"is a picture, whose words {PACKAGE} finds", "extra-missing", extra=EXTRA)
    if not options.ocr:
        return PictureError(name, "is a picture about which nothing is written in its file")
    if builder.left_out:
        return BinaryFileError(name, f"is a picture, and {'; '.join(builder.left_out)}", "damaged-file")
    return BinaryFileError(name, "is a picture without words, in it or about it")


def _line(name: str, known: PictureFacts) -> str:
    """Return the name of a picture's file, its camera, its date and its size in one line."""
    values = known.metadata
    facts = [str(values[key]) for key in ("camera", "created") if key in values]
    facts = [*(each.partition("T")[0] for each in facts), f"{values['width']} × {values['height']} pixels"]
    return f"{one_line(PurePath(name).stem)} ({', '.join(facts)})"


def _hash(name: str, data: bytes) -> bytes | None:
    """Return the perceptual hash of a picture, or None if it can't be decoded or has one colour."""
    try:
        with opened(name, data) as image:
            return picture_hash(small(image, LARGEST))
    except Exception:  # of damaged pixels, and MemoryError of too many: the picture is kept without a hash
        return None


def _pixels(name: str, data: bytes, wanted: PixelFormat) -> bytes | None:
    """Return a picture's pixels for an image model, or None if it can't be decoded."""
    try:
        with opened(name, data) as image:
            return model_pixels(pixels(image), wanted).tobytes()
    except Exception:  # as above
        return None


def _add_captions(builder: DocumentBuilder, known: PictureFacts) -> None:
    for caption in known.captions:
        builder.add(caption)
    for noun, values in (("Keywords", known.keywords), ("People", known.people), ("Place", known.places)):
        if values:
            builder.add(f"{noun}: {', '.join(values)}")


def _add_words(builder: DocumentBuilder, data: bytes, pages: int, until: float | None) -> None:
    """Recognise the words in a picture, and add them with their places. A TIFF's pages are parted and numbered."""
    recogniser = Recogniser(until)
    late: list[int] = []
    damaged: list[int] = []
    with opened(builder.name, data) as image:
        for number in range(1, pages + 1):
            if not recogniser.has_time:
                late.append(number)
                continue
            shown: Any = None
            with suppress(EOFError, OSError, ValueError, SyntaxError):  # of damaged pixels
                if number > 1:
                    image.seek(number - 1)
                shown = pixels(image)
            if shown is None:
                damaged.append(number)
                continue
            if number > 1:
                builder.start_page(number, apart=True)
            recogniser.add(builder, shown)
    if damaged:
        where = f" on {numbered('page', damaged)}" if pages > 1 else ""
        builder.left_out.append(f"can't recognise words in damaged or too many pixels{where}")
    if late:
        builder.left_out.append(f"no time left to recognise the words on {numbered('page', late)}")
