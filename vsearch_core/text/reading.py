"""Reads files into chunks, in order.

A few small plain-text files are read in this process, all others in worker processes (see `workers.py`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from vsearch_core.errors import ExtractionError
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.discover import contents
from vsearch_core.text.extract import ocr
from vsearch_core.text.extract.figure_pixels import limits_with_figures, placed_figures
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.registry import extract, is_archive, is_steady
from vsearch_core.text.files import FileRead, FileToRead, Outcome, Reader
from vsearch_core.text.limits import WorkerLimits
from vsearch_core.text.worker import READ, Work

FEW_FILES = 256  # this many plain-text files are read in the time that it takes to start a worker
FEW_BYTES = 2_000_000
_NO_RISKY_FILES = "its files that are not plain text, because one of them broke the limits on reading"
_NO_ATTACHMENTS = "the attachments, because one of them broke the limits on reading"
WORKER_LIMITS = WorkerLimits()


def read(file: FileToRead, chunking: ChunkOptions, options: ExtractOptions = DEFAULTS) -> FileRead:
    """Read a file, extract its text and split that into chunks. If its digest is known, only return the digest.

    Raises ExtractionError if the text can't be extracted, OSError if the file can't be read, and MemoryError.
    """
    data = contents(Path(file.path)) if file.data is None else file.data
    digest = blake2b(data, digest_size=16).digest()
    if digest in file.known:
        return FileRead(digest)
    if file.data is None:
        options = replace(options, folder=Path(file.path).parent)
    reasons: tuple[str, ...] = ()
    if not file.with_attachments:
        archive = is_archive(file.name)
        options = options.with_steady_files() if archive else options.without_attachments()
        reasons = (_NO_RISKY_FILES if archive else _NO_ATTACHMENTS,)
    document = extract(file.name, data, options)
    facts = (document.title, document.language, dict(document.metadata), (*document.left_out, *reasons))
    chunks = split(document, chunking)
    return FileRead(digest, chunks, *facts, document.boxes, document.picture, placed_figures(document, chunks))


def open_reader(
    files: Sequence[FileToRead],
    chunking: ChunkOptions,
    options: ExtractOptions,
    should_stop: Callable[[], bool],
    limits: WorkerLimits | None = None,
    *,
    function: str = READ,
    more: tuple[object, ...] = (),
) -> Reader:
    """Return a reader for the files. The caller must close it.

    Args:
        files: The files to read.
        chunking: The size and overlap of chunks.
        options: The options of text extraction.
        should_stop: Called while waiting; returns True to stop reading.
        limits: The limits of worker processes, if any are needed. None means `WORKER_LIMITS`, with additional time and
            memory if text recognition is on, or pixels are asked for.
        function: The function that reads a file, as "module:function". It is called with the file, `chunking`,
            `options` and the arguments `more`.
        more: See `function`.

    The reader's `take` raises StorageError if a worker process can't be started.
    """
    are_few = len(files) <= FEW_FILES and sum(file.size for file in files) <= FEW_BYTES
    if are_few and all(is_steady(file.name) for file in files):
        return InProcessReader(files, chunking, options, should_stop, Work(function, (chunking, options, *more)))
    from vsearch_core.text.workers import WorkerPool

    if limits is None:
        limits = WORKER_LIMITS
        if options.ocr:
            limits = ocr.limits(limits)
        if options.pixels is not None:
            limits = limits_with_figures(limits)
    return WorkerPool(files, (chunking, options, *more), should_stop, limits, function=function)


class InProcessReader:
    """A `Reader` that reads files in this process. It reads them when `take` is called."""

    def __init__(
        self,
        files: Sequence[FileToRead],
        chunking: ChunkOptions,
        options: ExtractOptions,
        should_stop: Callable[[], bool],
        work: Work | None = None,
    ) -> None:
        """Set the files and options. No file is opened yet. `work` reads a file, by default `read`."""
        self._files = iter(files)
        self._work = work or Work(READ, (chunking, options))
        self._function = self._work.imported()
        self._should_stop = should_stop

    def take(self, limit: int) -> list[Outcome]:
        """Read the next files, at most `limit`, and return their outcomes in order."""
        outcomes: list[Outcome] = []
        while len(outcomes) < limit and not self._should_stop() and (file := next(self._files, None)):
            outcomes.append(self._read(file))
        return outcomes

    def close(self) -> None:
        """Do nothing: this reader has no processes, threads or open files."""

    def _read(self, file: FileToRead) -> Outcome:
        begun_ns = time.time_ns()
        try:
            return Outcome(begun_ns, self._function(file, *self._work.settings))
        except (ExtractionError, OSError) as error:
            return Outcome(begun_ns, error)
