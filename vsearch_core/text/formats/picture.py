"""Reads picture files: what people wrote about a picture becomes its text, what the camera wrote its metadata."""

from vsearch_core.errors import PictureError
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.pictures import opened, without_pixels
from vsearch_core.text.formats.picture_metadata import PictureFacts, facts


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return a picture's captions, keywords and names of people as text. No pixels are decoded.

    Of a file with several pictures, such as an animation, those of the first are read.

    Raises:
        PictureError: Nobody wrote anything about the picture.
        BinaryFileError: The file is no picture in a known format.
    """
    with opened(name, without_pixels(data)) as image:
        known = facts(image, positions=options.positions)
        metadata: dict[str, JsonValue] = {**known.metadata}
        frames = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if frames > 1:
            metadata["pages"] = frames
    builder = DocumentBuilder(name, options.limits)
    _add_captions(builder, known)
    if not builder.length:
        raise PictureError(name, "is a picture about which nothing is written in its file")
    return builder.document(known.title, metadata=metadata)


def _add_captions(builder: DocumentBuilder, known: PictureFacts) -> None:
    for caption in known.captions:
        builder.add(caption)
    for noun, values in (("Keywords", known.keywords), ("People", known.people), ("Place", known.places)):
        if values:
            builder.add(f"{noun}: {', '.join(values)}")
