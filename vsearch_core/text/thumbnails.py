"""Makes thumbnails of indexed pictures, and of figures in documents, in a worker process.

A thumbnail is a new JPEG of the decoded pixels, so that nothing else of the file, such as where a photo was taken, gets
into it.
"""

import io
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.text.discover import contents
from vsearch_core.text.extract.options import DEFAULTS, WantedFigure
from vsearch_core.text.extract.pictures import opened, pixels
from vsearch_core.text.extract.registry import extract, is_picture
from vsearch_core.text.files import FileToRead, ShownFile, Thumbnail
from vsearch_core.text.limits import WorkerLimits
from vsearch_core.text.workers import SingleWorker

MEDIA_TYPE = "image/jpeg"
LEAST_SIDE, MOST_SIDE = 16, 2048  # pixels of the longer side that can be asked for
MAX_BYTES = 1_000_000  # of a thumbnail
LIMITS = WorkerLimits(seconds=10.0, seconds_per_megabyte=0.5, clock_factor=2.0)
IDLE_SECONDS = 60.0  # after which the worker process ends
_QUALITIES = (85, 70, 50, 30)  # of the JPEG, the first that is small enough


def open_worker(limits: WorkerLimits = LIMITS) -> SingleWorker:
    """Return a worker whose function is `show`. No process is started yet."""
    return SingleWorker(f"{__name__}:{show.__name__}", limits, IDLE_SECONDS)


def show(file: FileToRead, digest: bytes, page: int | None, figure: int | None, longest: int) -> ShownFile:
    """Read a file, and return a thumbnail of the picture, or of a figure in it, with at most `longest` pixels a side.

    If the file's digest is another one, nothing is decoded, and there is no thumbnail.

    Args:
        file: The file, which the index has with `digest`.
        digest: The digest of the content that may be shown.
        page: The page, from 1, of a picture with several, or that of the figure.
        figure: The number of the figure on its page; None for a picture file.
        longest: The length of the longer side, from LEAST_SIDE to MOST_SIDE.

    Raises ExtractionError if there is no such picture or it can't be decoded, OSError, and MemoryError.
    """
    data = contents(Path(file.path))
    found = blake2b(data, digest_size=16).digest()
    if found != digest:
        return ShownFile(found)
    shown = _picture(file.name, data, page, longest) if figure is None else _figure(file, data, page, figure)
    return ShownFile(found, thumbnail=_thumbnail(shown, longest))


def _picture(name: str, data: bytes, page: int | None, longest: int) -> Any:
    if not is_picture(name):
        raise BinaryFileError(name, "is not a picture")
    with opened(name, data) as image:
        try:
            if page is not None and page > 1:
                image.seek(page - 1)
            return pixels(image, longest)
        except MemoryError:
            raise
        except Exception:  # damaged pixels raise many kinds
            raise BinaryFileError(name, "is a picture with damaged or too many pixels", "damaged-file") from None


def _figure(file: FileToRead, data: bytes, page: int | None, number: int) -> Any:
    wanted = WantedFigure(page, number)
    extract(file.name, data, replace(DEFAULTS, folder=Path(file.path).parent, wanted_figure=wanted))
    if wanted.image is None:
        raise ExtractionError(file.name, "has no such figure that can be decoded", "no-figure")
    return wanted.image


def _thumbnail(shown: Any, longest: int) -> Thumbnail:
    """Return an image of Pillow in RGB, made smaller until it fits."""
    from PIL import Image

    while True:
        shown.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        shown.info.clear()  # a comment of a JPEG would be saved, too
        for quality in _QUALITIES:
            out = io.BytesIO()
            shown.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= MAX_BYTES:
                return Thumbnail(out.getvalue(), *shown.size)
        longest //= 2
