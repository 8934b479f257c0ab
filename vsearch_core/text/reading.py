"""Reads files into chunks, in order: a few plain ones in this process, all others in worker processes (`workers`)."""

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

from vsearch_core.errors import ExtractionError
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.discover import contents
from vsearch_core.text.extract import limits
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.registry import extract, is_steady
from vsearch_core.text.files import FileRead, FileToRead, Outcome, Reader

FEW_FILES = 256  # plain ones that are read in the time it takes to start a worker
FEW_BYTES = 2_000_000


def read(file: FileToRead, options: ChunkOptions, reading: ExtractOptions = ExtractOptions()) -> FileRead:  # noqa: B008 - frozen
    """Read, hash, extract and cut a file. Raises ExtractionError, OSError and MemoryError."""
    data = contents(Path(file.path))
    digest = blake2b(data, digest_size=16).digest()
    if digest in file.known:
        return FileRead(digest)
    document = extract(file.name, data, reading)
    facts = (document.title, document.language, dict(document.metadata), document.left_out)
    return FileRead(digest, split(document, options), *facts)


def open_reader(
    files: Sequence[FileToRead],
    settings: tuple[object, ...],
    stop: Callable[[], bool],
    seconds: float | None = None,
) -> Reader:
    """A reader of the files, `settings` being the arguments of `read` behind the file.

    A worker that takes longer than `seconds` (None: SECONDS_A_FILE), and an allowance by the file's size, is ended.

    Raises, when outcomes are taken, StorageError where the system allows no worker.
    """
    plain = all(is_steady(file.name) for file in files)
    if plain and len(files) <= FEW_FILES and sum(file.size for file in files) <= FEW_BYTES:
        return InProcessReader(files, settings, stop)
    from vsearch_core.text.workers import Pool

    return Pool(files, settings, stop, limits.SECONDS_A_FILE if seconds is None else seconds)


class InProcessReader:
    """Reads files in this process, when their outcomes are asked for."""

    def __init__(self, files: Sequence[FileToRead], settings: tuple[object, ...], stop: Callable[[], bool]) -> None:
        self._files = iter(files)
        self._settings = settings
        self._stop = stop

    def take(self, limit: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while len(outcomes) < limit and not self._stop() and (file := next(self._files, None)):
            outcomes.append(self._outcome(file))
        return outcomes

    def close(self) -> None:
        """Nothing is left open."""

    def _outcome(self, file: FileToRead) -> Outcome:
        begun_ns = time.time_ns()
        try:
            return Outcome(begun_ns, read(file, *self._settings))  # type: ignore[arg-type]
        except (ExtractionError, OSError) as error:
            return Outcome(begun_ns, error)
