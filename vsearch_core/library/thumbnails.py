"""Thumbnails of the pictures of an index, made from the originals on this machine."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from vsearch_core.errors import ArgumentError, ExtractionError, InputError

if TYPE_CHECKING:
    from vsearch_core.index.originals import Original
    from vsearch_core.text.files import Thumbnail

KEPT_BYTES = 8_000_000  # of the thumbnails that are kept in memory


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """A picture: the page of a file with several, or None; or a figure of a document, by its page and its number."""

    page: int | None
    figure: int | None


class Thumbnails:
    """Makes thumbnails in one worker process, and keeps the last ones in memory; none is ever written to the disk."""

    def __init__(self) -> None:
        """Start no process yet."""
        from vsearch_core.text.thumbnails import open_worker

        self._worker = open_worker()
        self._lock = Lock()
        self._kept: OrderedDict[tuple[object, ...], Thumbnail] = OrderedDict()

    def make(self, original: "Original", place: PicturePlace, longest: int) -> "Thumbnail":
        """Return the thumbnail of a picture.

        Raises InputError if the file has changed since it was indexed or can't be opened, ExtractionError if the
        picture can't be decoded within the limits, and StorageError if the process can't be started.
        """
        from vsearch_core.text.files import FileToRead, ShownFile

        record, file = original.record, original.file
        key = (str(file.path), file.stamp, record.hash, place, longest)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        wanted = FileToRead(str(file.path), file.size)
        try:
            read = self._worker.read(wanted, record.hash, place.page, place.figure, longest)
        except ExtractionError as error:
            raise error.about(record.path) from None
        except OSError as error:
            raise InputError(record.path, (error.strerror or str(error)).lower(), "permission-denied") from None
        made = read.thumbnail if isinstance(read, ShownFile) else None
        if made is None:
            raise InputError(record.path, "has changed since it was indexed", "file-changed")
        with self._lock:
            self._kept[key] = made
            while sum(len(each.data) for each in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return made

    def close(self) -> None:
        """End the worker process."""
        self._worker.close()


def check_side(longest: int) -> None:
    """Raise ArgumentError unless a thumbnail may have this length, in pixels."""
    from vsearch_core.text.thumbnails import LEAST_SIDE, MOST_SIDE

    if not LEAST_SIDE <= longest <= MOST_SIDE:
        raise ArgumentError("longest", f"{longest} is not between {LEAST_SIDE} and {MOST_SIDE}")
