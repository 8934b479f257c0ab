"""Opens pictures with Pillow, in bounds: only known formats, and no pixels before their number is known."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from vsearch_core.errors import BinaryFileError, first_line
from vsearch_core.model import PixelFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")  # of Pillow's; others run programs or are documents
HEIC_READER, _HEIC_FORMAT = "pi_heif", "HEIF"  # the package, and the name of its format in Pillow
_PNG = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IDAT", b"fdAT", b"acTL", b"fcTL")  # chunks of a PNG: pixels, and how they are animated
MAX_PIXELS = 120_000_000  # of a picture to decode
_MAX_FULL_PIXELS = 1_000_000_000  # of a JPEG that is decoded smaller
MIN_SIDE, MIN_PIXELS = 64, 10_000  # of a picture that is more than an icon
_ENOUGH = 3000  # pixels of each side
_MOST_OBLONG = 20  # the length over the width of a picture that an image model is shown whole
_MAX_MESSAGE = 100  # characters of Pillow's
_TURNED = frozenset({5, 6, 7, 8})  # values of the tag Orientation by which width and height change places
ORIENTATION = 0x0112


def has_pillow() -> bool:
    """Return True if pictures can be opened: Pillow is installed."""
    return find_spec("PIL") is not None


@contextmanager
def opened(name: str, data: bytes) -> Iterator[Any]:
    """Open a picture as an image of Pillow. Its header and metadata are read, but no pixels.

    Raises BinaryFileError if the bytes are no picture in one of `FORMATS` or in HEIC, or its header is damaged.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities of metadata
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # nothing is decoded yet
        try:
            image = Image.open(io.BytesIO(data), formats=_formats())
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders let errors of struct and many others through
            is_unknown = isinstance(error, Image.UnidentifiedImageError)
            message = "of an unknown kind" if is_unknown else first_line(error)[:_MAX_MESSAGE]
            raise BinaryFileError(name, f"is not a readable picture ({message})", "damaged-file") from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit
        with image:
            yield image


@cache
def _formats() -> tuple[str, ...]:
    """Return the formats that can be opened. HEIC is among them if its reader is installed."""
    if find_spec(HEIC_READER) is None:
        return FORMATS
    import_module(HEIC_READER).register_heif_opener()
    return (*FORMATS, _HEIC_FORMAT)


def is_large_enough(width: int, height: int) -> bool:
    """Return True if a picture of this size, in pixels, is more than an icon, a bullet or a button."""
    return min(width, height) >= MIN_SIDE and width * height >= MIN_PIXELS


def is_figure(name: str, data: bytes) -> bool:
    """Return True if the bytes are a picture that `is_large_enough`."""
    try:
        with opened(name, data) as image:
            return is_large_enough(*image.size)
    except BinaryFileError:
        return False


def upright_size(image: Any, orientation: object) -> tuple[int, int]:
    """Return the width and height of a picture as it is to be looked at; `orientation` is the EXIF tag's value."""
    width, height = image.size
    return (height, width) if orientation in _TURNED else (width, height)


def pixels(image: Any, enough: int = _ENOUGH) -> Any:
    """Decode an open picture, and return it as a new image of Pillow: upright, in RGB, on white.

    A JPEG may be decoded smaller, to `enough` pixels of each side or more.

    Raises ValueError if it has more than `MAX_PIXELS`, and OSError or SyntaxError if the pixels are damaged.
    """
    import numpy as np
    from PIL import Image, ImageOps

    if image.format == "JPEG" and image.width * image.height <= _MAX_FULL_PIXELS:
        image.draft("RGB", (enough, enough))  # large photos are decoded smaller
    if image.width * image.height > MAX_PIXELS:
        raise ValueError("too many pixels")
    image.load()
    shown = ImageOps.exif_transpose(image)
    if shown.mode.startswith(("I", "F")):  # 16 bits or more: as bright as the brightest pixel says
        values = np.asarray(shown, dtype=np.float32)
        most = (
            65535.0 if shown.mode.startswith("I") and values.max(initial=0) > 255 else max(values.max(initial=0), 1.0)
        )
        shown = Image.fromarray(np.clip(values * (255.0 / most), 0, 255).astype(np.uint8))
    if shown.has_transparency_data:
        shown = shown.convert("RGBA")
        white = Image.new("RGBA", shown.size, "white")
        white.alpha_composite(shown)
        shown = white
    return shown.convert("RGB")


def small(image: Any, longest: int) -> Any:
    """Decode an open picture, and return it in grey, with at most `longest` pixels of the longer side.

    Raises as `pixels` does.
    """
    from PIL import Image

    shown = pixels(image, longest).convert("L")
    shown.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return shown


def model_pixels(shown: Any, wanted: PixelFormat) -> "NDArray[np.uint8]":
    """Return the pixels (height, width, 3) of a picture in RGB, as an image model reads them.

    Of a picture that is more than `_MOST_OBLONG` times as long as wide, the middle counts.
    """
    import numpy as np

    short, long = sorted(shown.size)
    if long > _MOST_OBLONG * short:
        shown = _middle(shown, *(min(side, _MOST_OBLONG * short) for side in shown.size))
        short, long = sorted(shown.size)
    if wanted.width is not None:
        size = (wanted.width, wanted.height)
    else:
        longer = int(wanted.height * long / short)
        size = (wanted.height, longer) if shown.width <= shown.height else (longer, wanted.height)
    shown = shown.resize(size, wanted.resample)
    if wanted.crop is not None:
        shown = _middle(shown, wanted.crop[1], wanted.crop[0])
    return np.asarray(shown, np.uint8)


def _middle(shown: Any, width: int, height: int) -> Any:
    """Return the middle of an image; what lies outside of it is black."""
    left, top = (shown.width - width) // 2, (shown.height - height) // 2
    return shown.crop((left, top, left + width, top + height))


def without_pixels(data: bytes) -> bytes:
    """Return a PNG without the chunks of its pixels; other pictures as they are.

    A PNG's texts may follow its pixels, which Pillow would have to decode to find them.
    """
    if not data.startswith(_PNG):
        return data
    kept = [_PNG]
    at = len(_PNG)
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")  # length, type, content, checksum
        if data[at + 4 : at + 8] not in _PIXELS:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
