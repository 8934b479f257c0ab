"""Reads the files that are attached to messages, with their own extractors and within limits."""

import time

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.registry import ATTACHMENT, extract
from vsearch_core.text.limits import WorkerLimits

_LEVEL = 2  # of the heading that names an attachment, below that of its message
_TIME_SHARE = 0.5  # of the CPU time that a worker may use for the file
_MAX_NAMED = 5  # attachments in one phrase about those that were not read
_MAX_NAME = 100  # characters


class Attachments:
    """Reads the attachments of the messages in one file, until they have taken half of the file's CPU time."""

    def __init__(self, size: int, options: ExtractOptions) -> None:
        """Set the limits for a file of `size` bytes."""
        self._end = time.process_time() + _TIME_SHARE * WorkerLimits().for_file(size).cpu_seconds
        self._options = options.nested()
        self._too_late: list[str] = []

    def add(self, builder: DocumentBuilder, name: str, data: bytes, line: int = 0) -> None:
        """Add the text of an attachment below a heading with its name. `line` is its line in the source, if not 0.

        What contains no text is ignored, such as pictures. What can't be read is reported as left out. Raises
        ExtractionError if the document gets too long.
        """
        if self._options is None:
            return
        shown = one_line(name)[:_MAX_NAME]
        if time.process_time() > self._end:
            self._too_late.append(shown)
            return
        try:
            part = extract(name, data, self._options)
        except BinaryFileError:
            return
        except ExtractionError as error:
            builder.left_out.append(f"can't read attachment {shown} ({error.reason})")
            return
        builder.left_out += [f"attachment {shown}: {phrase}" for phrase in part.left_out]
        builder.start_heading(_LEVEL, ATTACHMENT + shown)
        builder.add_document(part, line=line, apart=True)
        builder.end_headings(_LEVEL)

    def report(self, builder: DocumentBuilder) -> None:
        """Report the attachments that were not read because there was no time left."""
        if self._too_late:
            named = ", ".join(self._too_late[:_MAX_NAMED])
            others = len(self._too_late) - _MAX_NAMED
            more = f" and {others} more" if others > 0 else ""
            builder.left_out.append(f"no time left for attachments {named}{more}")
