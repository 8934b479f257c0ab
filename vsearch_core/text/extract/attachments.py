"""Reads files inside a file, such as attachments of a message, with their own extractors and within limits."""

import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.model import Document
from vsearch_core.text.extract import recognition
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.figure_pixels import has_room, limits_with_figures
from vsearch_core.text.extract.figures import MAX_BYTES, MAX_PICTURES
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.pictures import has_pillow, is_figure
from vsearch_core.text.extract.registry import ATTACHMENT, PICTURES, extract, is_picture, is_steady
from vsearch_core.text.limits import WorkerLimits

_LEVEL = 2  # of the heading that names an attachment, below that of its message
_TIME_SHARE = 0.5  # of the CPU time that a worker may use for the file
_MAX_NAMED = 5  # files in one phrase about those that were not read
_MAX_NAME = 100  # characters
_MAX_PHRASES = 100  # about parts that were left out


class NestedFiles:
    """Reads the files inside one file, until they have taken half of the file's CPU time.

    The recognition of text in all of them has the time of one file.
    """

    def __init__(self, noun: str, size: int, options: ExtractOptions) -> None:
        """Set the limits for an outer file of `size` bytes. `noun` names an inner one in messages: "attachment"."""
        self._noun = noun
        limits = WorkerLimits() if options.pixels is None else limits_with_figures(WorkerLimits())
        seconds = limits.for_file(size).cpu_seconds + (recognition.SECONDS if options.ocr else 0.0)
        self._end = time.process_time() + _TIME_SHARE * seconds
        self.options = options.nested()
        if self.options is not None and self.options.ocr and self.options.recognise_until is None:
            self.options = replace(self.options, recognise_until=recognition.recognition_end())
        self._looks_for_words = options.ocr and recognition.is_installed()
        self._too_late: list[str] = []
        self._has_unseen = False

    def read(self, builder: DocumentBuilder, name: str, load: Callable[[], bytes]) -> Document | None:
        """Return the text of an inner file. Return None if it has none, or can't be read.

        What can't be read is reported to `builder` as left out, but not what has no text, such as a picture. `load`
        returns the bytes of the file, or raises ExtractionError.
        """
        options = self.options
        if options is None or (options.steady_only and not is_steady(name)):
            return None
        if options.pixels is not None and not has_room(builder.figures):
            options = replace(options, pixels=None)
            self._has_unseen = True
        shown = one_line(name)[:_MAX_NAME]
        if time.process_time() > self._end:
            self._too_late.append(shown)
            return None
        try:
            part = extract(name, load(), options)
        except BinaryFileError:
            return None
        except ExtractionError as error:
            self._leave_out(builder, f"can't read {self._noun} {shown} ({error.reason})")
            return None
        for phrase in part.left_out:
            self._leave_out(builder, f"{self._noun} {shown}: {phrase}")
        return part

    def report(self, builder: DocumentBuilder) -> None:
        """Report the inner files that were not read because there was no time left, and that words were looked for."""
        if self._looks_for_words and builder.boxes is None:
            builder.boxes = []
        builder.has_unseen_figures = builder.has_unseen_figures or self._has_unseen
        if self._too_late:
            named = ", ".join(self._too_late[:_MAX_NAMED])
            others = len(self._too_late) - _MAX_NAMED
            more = f" and {others} more" if others > 0 else ""
            builder.left_out.append(f"no time left for {self._noun}s {named}{more}")

    def _leave_out(self, builder: DocumentBuilder, phrase: str) -> None:
        if len(builder.left_out) < _MAX_PHRASES:
            builder.left_out.append(phrase)
        elif len(builder.left_out) == _MAX_PHRASES:
            builder.left_out.append("and more")


class Attachments(NestedFiles):
    """Reads the attachments of the messages in one file."""

    def __init__(self, size: int, options: ExtractOptions) -> None:
        """Set the limits for a file of `size` bytes."""
        super().__init__("attachment", size, options)
        self._pictures: set[bytes] = set()
        self._has_more = False

    def add(self, builder: DocumentBuilder, name: str, data: bytes, line: int = 0) -> None:
        """Add the text of an attachment below a heading with its name. `line` is its line in the source, if not 0.

        Raises ExtractionError if the document gets too long.
        """
        if is_picture(name):
            self.add_picture(builder, name, data, line)
        else:
            self._add(builder, name, self.read(builder, name, lambda: data), line)

    def add_picture(self, builder: DocumentBuilder, name: str, data: bytes, line: int = 0) -> None:
        """Add the text of an attached picture as `add` does, whatever its name is.

        A picture that is as small as an icon is left out, and so is one that was read before: many messages have the
        same logo.
        """
        digest = blake2b(data, digest_size=16).digest()
        if digest in self._pictures or not (has_pillow() and len(data) <= MAX_BYTES and is_figure(name, data)):
            return
        if len(self._pictures) < MAX_PICTURES:
            self._pictures.add(digest)
            shown = name if is_picture(name) else f"{name}{PICTURES[0]}"
            self._add(builder, name, self.read(builder, shown, lambda: data), line)
        elif not self._has_more:
            self._has_more = True
            self._leave_out(builder, f"pictures after the first {MAX_PICTURES}, because there are too many")

    def _add(self, builder: DocumentBuilder, name: str, part: Document | None, line: int) -> None:
        if part is not None:
            builder.start_heading(_LEVEL, ATTACHMENT + one_line(name)[:_MAX_NAME])
            builder.add_document(part, line=line, apart=True)
            builder.end_headings(_LEVEL)
