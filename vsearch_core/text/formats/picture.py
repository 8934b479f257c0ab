"""Reads picture files: what people wrote about a picture and what is written in it is its text."""

from contextlib import suppress
from typing import Any

from vsearch_core.errors import BinaryFileError, PictureError
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.builder import DocumentBuilder, numbered
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.pictures import opened, pixels, without_pixels
from vsearch_core.text.extract.recognition import EXTRA, PACKAGE, Recogniser, is_installed
from vsearch_core.text.formats.picture_metadata import PictureFacts, facts

_MAX_PAGES = 2000  # of a TIFF


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return a picture's captions, keywords and names of people as text, and with `options.ocr` the words in it.

    Without that option, no pixels are decoded. Of a file with several pictures, the first is read, and of a TIFF all,
    as pages.

    Raises:
        PictureError: The picture has no text, and the words in it were not asked for.
        BinaryFileError: The file is no picture in a known format, or has no text.
    """
    with opened(name, without_pixels(data)) as image:
        known = facts(image, positions=options.positions)
        metadata: dict[str, JsonValue] = {**known.metadata}
        pages = min(getattr(image, "n_frames", 1), _MAX_PAGES) if image.format == "TIFF" else 1
        if pages > 1:
            metadata["pages"] = pages
    builder = DocumentBuilder(name, options.limits)
    if pages > 1:
        builder.start_page(1)
    _add_captions(builder, known)
    if options.ocr and is_installed():
        builder.boxes = []
        _add_words(builder, data, pages)
    elif not builder.length and options.ocr:
        raise BinaryFileError(name, f"is a picture, whose words {PACKAGE} finds", "extra-missing", extra=EXTRA)
    elif not builder.length:
        raise PictureError(name, "is a picture about which nothing is written in its file")
    if not builder.length and not builder.left_out:
        raise BinaryFileError(name, "is a picture without words, in it or about it")
    if not builder.length:
        raise BinaryFileError(name, f"is a picture, and {'; '.join(builder.left_out)}", "damaged-file")
    return builder.document(known.title, metadata=metadata)


def _add_captions(builder: DocumentBuilder, known: PictureFacts) -> None:
    for caption in known.captions:
        builder.add(caption)
    for noun, values in (("Keywords", known.keywords), ("People", known.people), ("Place", known.places)):
        if values:
            builder.add(f"{noun}: {', '.join(values)}")


def _add_words(builder: DocumentBuilder, data: bytes, pages: int) -> None:
    """Recognise the words in a picture, and add them with their places. A TIFF's pages are parted and numbered."""
    recogniser = Recogniser()
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
