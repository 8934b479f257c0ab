"""Passages named by file and line, as examples: from the index where they are in it, else read and embedded."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Embedder, embed_all
from vsearch_core.errors import ExtractionError, InputError
from vsearch_core.index.snapshot import Snapshot
from vsearch_core.index.sources import stored_path
from vsearch_core.model import Chunk
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.passages import chunk_ids
from vsearch_core.search.rocchio import Example
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.files import FileToRead
from vsearch_core.text.reading import open_reader

NOWHERE = np.empty(0, np.int64)


def example(
    snapshot: Snapshot, searcher: LocalSearcher, name: str, folder: Path, embedder: Callable[[], Embedder]
) -> Example:
    """The example that FILE, or FILE:LINE, names: the file's mean vector, or that of the passage with the line.

    `folder` is where relative names are looked for, before the project's root. `embedder` is called for a file that the
    index lacks. Raises InputError for what is neither, ExtractionError, ModelError, IndexCorruptError.
    """
    for path, line in _readings(name):
        for stored in (stored_path(snapshot.catalog.index.parent, folder / path), path):
            if ids := chunk_ids(snapshot.catalog, stored):
                return _from_index(snapshot, searcher, ids, line, name)
    for path, line in _readings(name):
        if _is_file(folder / path):
            return _from_file(snapshot, folder / path, line, name, embedder())
    raise InputError(name, "neither in the index nor a file", "name one, or one and a line as FILE:LINE")


def _readings(name: str) -> list[tuple[str, int | None]]:
    """What the name may mean: a file of that name, else a file and a line."""
    numbered = re.fullmatch(r"(.+):([0-9]{1,9})", name, re.DOTALL)
    return [(name, None)] + ([(numbered[1], int(numbered[2]))] if numbered else [])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for any file, or a folder that is closed to us
        return False


def _from_index(
    snapshot: Snapshot, searcher: LocalSearcher, ids: Sequence[int], line: int | None, name: str
) -> Example:
    with storage_errors(snapshot.catalog.index):
        chunks = [passage.chunk for passage in snapshot.catalog.stored_chunks(ids)]
    chosen = _chosen(chunks, line, name)
    rows = searcher.rows([ids[number] for number in chosen])
    return Example(_mean(searcher.vectors(rows)), tuple(chunks[number].text for number in chosen), rows)


def _from_file(snapshot: Snapshot, path: Path, line: int | None, name: str, embedder: Embedder) -> Example:
    chunks = _read(path, ChunkOptions(snapshot.settings.chunk_words, snapshot.settings.overlap_words), name)
    texts = tuple(chunks[number].text for number in _chosen(chunks, line, name))
    return Example(_mean(embed_all(embedder, texts)), texts, NOWHERE)


def _read(path: Path, cutting: ChunkOptions, name: str) -> Sequence[Chunk]:
    """What a file says, read as `index` reads it: it may be of any kind and size."""
    try:
        with closing(open_reader([FileToRead(str(path), path.stat().st_size)], (cutting,), lambda: False)) as reader:
            result = reader.take(1)[0].result
        if isinstance(result, OSError):
            raise result
    except OSError as error:
        raise InputError(name, f"can't be read ({(error.strerror or str(error)).lower()})", "name another") from error
    if isinstance(result, ExtractionError):
        raise result.about(name)
    return result.chunks or ()


def _chosen(chunks: Sequence[Chunk], line: int | None, name: str) -> list[int]:
    """The numbers of all chunks, or of the one in which the line stands farthest from both ends."""
    if not chunks:
        raise InputError(name, "it holds no text", "name another")
    if line is None:
        return list(range(len(chunks)))
    inside = [number for number, chunk in enumerate(chunks) if chunk.start_line <= line <= chunk.end_line]
    if not inside:
        last = max(chunk.end_line for chunk in chunks)
        raise InputError(name, f"no passage of it has line {line}", f"its last line with text is {last}")
    return [max(inside, key=lambda number: min(line - chunks[number].start_line, chunks[number].end_line - line))]


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    total: NDArray[np.float32] = vectors.mean(axis=0)
    length = np.linalg.norm(total)
    return total / length if length > 0 else total
