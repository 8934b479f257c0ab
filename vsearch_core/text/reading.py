"""Reads files into chunks, in order: a few plain ones in this process, all others in worker processes (`workers`)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from vsearch_core.errors import ExtractionError
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.discover import contents
from vsearch_core.text.extract import ocr
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.registry import extract, is_steady
from vsearch_core.text.files import FileRead, FileToRead, Outcome, Reader
from vsearch_core.text.limits import WorkerLimits

FEW_FILES = 256  # plain ones that are read in the time it takes to start a worker
FEW_BYTES = 2_000_000
WORKER_LIMITS = WorkerLimits()


def read(file: FileToRead, chunking: ChunkOptions, options: ExtractOptions = DEFAULTS) -> FileRead:
    """Read, hash, extract and split a file. Raises ExtractionError, OSError and MemoryError."""
    data = contents(Path(file.path))
    digest = blake2b(data, digest_size=16).digest()
    if digest in file.known:
        return FileRead(digest)
    document = extract(file.name, data, options)
    facts = (document.title, document.language, dict(document.metadata), document.left_out)
    return FileRead(digest, split(document, chunking), *facts)


def open_reader(
    files: Sequence[FileToRead],
    chunking: ChunkOptions,
    options: ExtractOptions,
    should_stop: Callable[[], bool],
    limits: WorkerLimits | None = None,
) -> Reader:
    """Return a reader of the files; close it when done. `limits` are those of worker processes, if it needs any.

    By default they are `WORKER_LIMITS`, with additional time for text recognition if that is on.

    The reader's `take` raises StorageError if no worker process can be started.
    """
    steady = all(is_steady(file.name) for file in files)
    if steady and len(files) <= FEW_FILES and sum(file.size for file in files) <= FEW_BYTES:
        return InProcessReader(files, chunking, options, should_stop)
    from vsearch_core.text.workers import WorkerPool

    if limits is None:
        limits = WORKER_LIMITS
        if options.ocr:
            limits = replace(limits, seconds=limits.seconds + ocr.SECONDS)
    return WorkerPool(files, (chunking, options), should_stop, limits)


class InProcessReader:
    """Reads files in this process, when their outcomes are taken."""

    def __init__(
        self,
        files: Sequence[FileToRead],
        chunking: ChunkOptions,
        options: ExtractOptions,
        should_stop: Callable[[], bool],
    ) -> None:
        """Take the files; none is opened yet."""
        self._files = iter(files)
        self._chunking = chunking
        self._options = options
        self._should_stop = should_stop

    def take(self, limit: int) -> list[Outcome]:
        """Read the next files, at most `limit`, and return their outcomes."""
        outcomes: list[Outcome] = []
        while len(outcomes) < limit and not self._should_stop() and (file := next(self._files, None)):
            outcomes.append(self._read(file))
        return outcomes

    def close(self) -> None:
        """Do nothing: no process and no file is open."""

    def _read(self, file: FileToRead) -> Outcome:
        begun_ns = time.time_ns()
        try:
            return Outcome(begun_ns, read(file, self._chunking, self._options))
        except (ExtractionError, OSError) as error:
            return Outcome(begun_ns, error)
