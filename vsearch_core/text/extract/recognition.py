"""Recognises the text in pictures (OCR) with RapidOCR, whose package holds its models: no program, no download.

The models are PP-OCRv6 small, run by ONNX Runtime. They read Latin scripts with accents, Greek, Chinese and Japanese,
but not Cyrillic, Arabic or Korean.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import Any

from vsearch_core.model import PARTS_OF_PAGE, TextBox
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import SOFT_HYPHEN, one_line

PACKAGE = "rapidocr"
EXTRA = "ocr"
SECONDS = 900.0  # the additional CPU time for reading a file
MEMORY = 2_500_000_000  # the bytes that a worker may use
MAX_SIDE = 3000  # pixels; a larger picture is made smaller first
MAX_BOXES = 20_000  # of a document
_UNSURE = 0.85  # the mean score of lines below which the picture may be upside down
_TIME_SHARE = 0.8  # of SECONDS, after which no other page is begun
_MAX_CUTS = 60  # inside one another
_COLUMN_GAP = 1.0  # heights of a line; a wider gap through all lines parts columns


@dataclass(frozen=True, slots=True)
class RecognisedLine:
    """A line of text in a picture, and the box around it in shares of the picture's width and height, from 0 to 1."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


class Recogniser:
    """Recognises the text in the pictures of one file, until the file's time is up."""

    def __init__(self, until: float | None = None) -> None:
        """Set the CPU time of this process at which no other picture is begun. None is that of `recognition_end`."""
        self._end = recognition_end() if until is None else until

    @property
    def has_time(self) -> bool:
        """Return True if there is time for another picture."""
        return time.process_time() < self._end

    def add(self, builder: DocumentBuilder, image: Any) -> None:
        """Add the text in an image of Pillow (mode RGB) to the document, with the places of its lines."""
        lines = recognise(image)
        start = builder.length
        builder.add(as_text(lines))
        add_boxes(builder, start, builder.text_since(start), lines)


def recognition_end() -> float:
    """Return the CPU time of this process at which a file that is begun now has no time left for recognition."""
    return time.process_time() + _TIME_SHARE * SECONDS


def is_installed() -> bool:
    """Return True if the package that recognises text is installed."""
    return find_spec(PACKAGE) is not None


def recognise(image: Any) -> list[RecognisedLine]:
    """Return the lines of text in an image of Pillow (mode RGB), in reading order.

    If they are hard to read, the image is read upside down, too.
    """
    from PIL import Image

    width, height = image.size
    if max(width, height) > MAX_SIDE:
        image = image.copy()
        image.thumbnail((MAX_SIDE, MAX_SIDE))
    found, score = _read(image)
    if found and score < _UNSURE:
        turned, other_score = _read(image.transpose(Image.Transpose.ROTATE_180))
        if other_score > score:
            found = [
                RecognisedLine(line.text, 1 - line.right, 1 - line.bottom, 1 - line.left, 1 - line.top)
                for line in turned
            ]
    return in_reading_order(found, height / width)


def _read(image: Any) -> tuple[list[RecognisedLine], float]:
    """Return the lines in an image that stands upright, in any order, and the mean of their scores, from 0 to 1."""
    import numpy as np

    # The package tells for each line whether it stands upright, and is wrong for one of twelve on a clean page.
    found = _engine()(np.asarray(image)[:, :, ::-1], use_cls=False)  # as OpenCV orders colours
    if found.boxes is None or not found.txts:
        return [], 0.0
    size = np.array(image.size)
    lines = []
    for text, corners in zip(found.txts, found.boxes, strict=True):
        (left, top), (right, bottom) = (
            np.clip(edge / size, 0, 1).tolist() for edge in (corners.min(axis=0), corners.max(axis=0))
        )
        shown = one_line(text.replace(SOFT_HYPHEN, ""))
        if shown:
            lines.append(RecognisedLine(shown, left, top, right, bottom))
    return lines, float(np.mean(found.scores))


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.max_side_len": MAX_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # there is a worker for each core
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def in_reading_order(lines: Sequence[RecognisedLine], shape: float = 1.0, cuts: int = 0) -> list[RecognisedLine]:
    """Return the lines in the order in which people read them: columns one after the other, rows from the left.

    It is the recursive X-Y cut (Nagy and Seth, 1984): a gap between columns through all lines is cut first, else the
    widest gap between rows. `shape` is the picture's height divided by its width.
    """
    if len(lines) > 1 and cuts < _MAX_CUTS:
        heights = sorted(line.bottom - line.top for line in lines)
        gap = _COLUMN_GAP * shape * heights[len(heights) // 2]
        at = _widest_gap([(line.left, line.right) for line in lines], gap)
        if at is not None:
            parts = [line for line in lines if line.right <= at], [line for line in lines if line.right > at]
            if all(_has_rows(part) for part in parts):
                return [each for part in parts for each in in_reading_order(part, shape, cuts + 1)]
        at = _widest_gap([(line.top, line.bottom) for line in lines], 0.0)
        if at is not None:
            parts = [line for line in lines if line.bottom <= at], [line for line in lines if line.bottom > at]
            return [each for part in parts for each in in_reading_order(part, shape, cuts + 1)]
    return [line for row in _rows(lines) for line in row]


def _has_rows(lines: Sequence[RecognisedLine]) -> bool:
    """Return True if the lines are at least two rows; one alone is a cell of a table or a page number."""
    return len(_rows(lines)) > 1


def _widest_gap(spans: Sequence[tuple[float, float]], least: float) -> float | None:
    """Return the middle of the widest gap between spans, or None if none is wider than `least`."""
    best, end = least, float("inf")
    middle: float | None = None
    for start, stop in sorted(spans):
        if start - end > best:
            best, middle = start - end, (start + end) / 2
        end = stop if end == float("inf") else max(end, stop)
    return middle


def _rows(lines: Sequence[RecognisedLine]) -> list[list[RecognisedLine]]:
    """Return the lines in rows from the top: those whose middle is within the height of the row's first line."""
    rows: list[list[RecognisedLine]] = []
    for line in sorted(lines, key=lambda each: (each.top + each.bottom, each.left)):
        if rows and (line.top + line.bottom) / 2 < rows[-1][0].bottom:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda each: each.left) for row in rows]


def as_text(lines: Sequence[RecognisedLine]) -> str:
    """Return the text of lines in reading order: those side by side are one, and wide gaps are blank lines."""
    parts: list[str] = []
    last: RecognisedLine | None = None
    for line in lines:
        if last is not None:
            is_beside = line.left > last.left and last.top < (line.top + line.bottom) / 2 < last.bottom
            is_apart = line.top - last.bottom > last.bottom - last.top or line.top < last.top
            parts.append(" " if is_beside else "\n\n" if is_apart else "\n")
        parts.append(line.text)
        last = line
    return "".join(parts)


def add_boxes(builder: DocumentBuilder, start: int, text: str, lines: Sequence[RecognisedLine]) -> None:
    """Add the places of lines to a document that has their text at the offset `start`."""
    boxes = builder.boxes if builder.boxes is not None else []
    for box in boxes_in(text, builder.page, lines)[: MAX_BOXES - len(boxes)]:
        boxes.append(replace(box, start=box.start + start, end=box.end + start))
    builder.boxes = boxes


def boxes_in(text: str, page: int | None, lines: Sequence[RecognisedLine]) -> list[TextBox]:
    """Return the boxes of lines by their places in a text, which has them in this order.

    A line that isn't there as a whole, since a broken word of it was joined, is found by its words but the last.
    """
    boxes: list[TextBox] = []
    start = 0
    for line in lines:
        shown = line.text
        at = text.find(shown, start)
        if at < 0:
            shown = shown.rpartition(" ")[0]
            at = text.find(shown, start) if shown else -1
        if at >= 0:
            start = at + len(shown)
            edges = (round(PARTS_OF_PAGE * edge) for edge in (line.left, line.top, line.right, line.bottom))
            boxes.append(TextBox(at, start, page, *edges))
    return boxes
