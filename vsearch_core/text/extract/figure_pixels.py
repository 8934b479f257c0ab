"""Takes the pixels of the pictures inside documents for an image model, within bounds on number, memory and time."""

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from vsearch_core.model import Chunk, Document, FigurePixels, PixelFormat
from vsearch_core.text.extract.pictures import model_pixels
from vsearch_core.text.limits import WorkerLimits

MOST_FIGURES = 256  # different ones of a file
MOST_BYTES = 48_000_000  # of the pixels of a file's figures
SECONDS = 10.0  # of CPU time to take the pixels of a document's figures
UNSEEN = "what figures show after the first {}, because there are too many"
_LATE = "what figures show after the first {}, because no time was left"
_DAMAGED = "what {} show{}, because of damaged or too many pixels"


def limits_with_figures(usual: WorkerLimits) -> WorkerLimits:
    """Return the limits of a worker that also takes the pixels of figures."""
    memory, most = usual.memory + MOST_BYTES, usual.max_memory + MOST_BYTES
    return replace(usual, seconds=usual.seconds + SECONDS, memory=memory, max_memory=most)


def has_room(figures: Sequence[FigurePixels], more: int = 0) -> bool:
    """Return True if a file may have another figure, whose pixels take `more` bytes."""
    taken = sum(len(figure.pixels) for figure in figures)
    return len(figures) < MOST_FIGURES and taken + more <= MOST_BYTES


class PixelReader:
    """Takes the pixels of the figures of one document. Of equal pictures, the first counts."""

    def __init__(self, wanted: PixelFormat | None) -> None:
        """Take pixels in this format; None for none."""
        self.wanted = wanted
        self._seen: set[bytes] = set()
        self._taken: list[FigurePixels] = []
        self._seconds = 0.0
        self._phrase = ""
        self._damaged = 0

    def read(self, load: Callable[[], Any], size: tuple[int, int] | None, place: FigurePixels) -> FigurePixels | None:
        """Return the figure at a place with its pixels; None if there are none, or too many.

        `load` returns the picture as an image of Pillow in RGB. `size` is its width and height, by default the image's.
        """
        if self.wanted is None or not self.has_room:
            return None
        started = time.process_time()
        try:
            image = load()
            pixels = model_pixels(image, self.wanted).tobytes()
        except Exception:  # damaged pixels raise many kinds; MemoryError too costs the figure only
            self._damaged += 1
            return None
        finally:
            self._seconds += time.process_time() - started
        digest = blake2b(pixels, digest_size=16).digest()
        if digest in self._seen:
            return None
        self._seen.add(digest)
        width, height = size or image.size
        found = replace(place, width=width, height=height, pixels=pixels)
        self._taken.append(found)
        return found

    @property
    def has_room(self) -> bool:
        """Return True if there is room and time for another figure. If not, it is reported as left out."""
        is_late = self._seconds > SECONDS
        size = 0 if self.wanted is None else 3 * math.prod(self.wanted.shape)
        if not is_late and has_room(self._taken, size):
            return True
        self._phrase = (_LATE if is_late else UNSEEN).format(len(self._taken))
        return False

    def left_out(self) -> list[str]:
        """Return phrases about the figures whose pixels were not taken."""
        one = self._damaged == 1
        damaged = _DAMAGED.format("a figure" if one else f"{self._damaged} figures", "s" if one else "")
        return [*([damaged] if self._damaged else []), *filter(None, [self._phrase])]


def placed_figures(document: Document, chunks: Sequence[Chunk]) -> tuple[FigurePixels, ...]:
    """Return the figures of a document that was split into these chunks, each with its chunk and its line."""
    starts = [chunk.start_char for chunk in chunks]
    found, line, counted = [], 0, 0
    for figure in sorted(document.figures, key=lambda figure: figure.start):
        own = bisect_left(starts, figure.start)
        is_own = own < len(starts) and starts[own] < figure.end
        chunk = own if is_own else max(bisect_right(starts, figure.start) - 1, 0)
        line += document.text.count("\n", counted, figure.start)
        counted = figure.start
        lines = document.lines
        source_line = lines[min(line, len(lines) - 1)] if lines else line + 1
        end = figure.end if is_own else figure.start
        found.append(replace(figure, end=end, chunk=chunk, line=source_line))
    return tuple(found)
