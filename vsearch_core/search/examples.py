"""Resolve examples that are given as "FILE" or "FILE:LINE": take them from the index, or else read the file."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.base import Embedder, embed_all
from vsearch_core.errors import ExtractionError, InputError
from vsearch_core.model import PICTURES, Chunk, PixelFormat, RawDocument
from vsearch_core.search.engine import CONTEXT, FEEDBACK, VECTORS, Searcher, refuse_unsupported
from vsearch_core.search.picture_groups import is_undescribed
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.rocchio import Example
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract.options import DEFAULTS
from vsearch_core.text.extract.registry import is_picture
from vsearch_core.text.files import FileRead, FileToRead
from vsearch_core.text.reading import open_reader

if TYPE_CHECKING:
    from vsearch_core.embed.images.embedder import ImageEmbedder


@dataclass(frozen=True, slots=True)
class ExampleSources:
    """The folders in which named examples are looked for, and the means to embed them.

    A name is a path relative to `folder`, or else a path as the index stores it. `find` returns the stored path of an
    indexed file, or None. A file that is not in the index is split into chunks by `chunk_options`, and embedded by the
    embedder that `embedder()` opens. If `folder` is None, only indexed files are found. `images()` opens the index's
    image model, or returns None if it has none, or none on this machine.
    """

    find: Callable[[str], str | None]
    folder: Path | None
    chunk_options: ChunkOptions
    embedder: Callable[[], Embedder]
    images: "Callable[[], ImageEmbedder | None]" = lambda: None


def resolve_examples(request: SearchRequest, searcher: Searcher, sources: ExampleSources) -> SearchRequest:
    """Return the request with each example's name, and each document, replaced by the example itself.

    Raises InputError for a name that is neither in the index nor a file, ExtractionError, ModelError and
    IndexCorruptError.
    """
    if all(isinstance(each, Example) for each in (*request.more_like, *request.less_like)):
        return request
    refuse_unsupported(searcher, frozenset({FEEDBACK, VECTORS, CONTEXT}))
    sources = replace(sources, embedder=cache(sources.embedder))
    more, less = (
        tuple(each if isinstance(each, Example) else _example(each, searcher, sources) for each in examples)
        for examples in (request.more_like, request.less_like)
    )
    return replace(request, more_like=more, less_like=less)


def _example(given: str | RawDocument, searcher: Searcher, sources: ExampleSources) -> Example:
    if isinstance(given, str):
        return find_example(given, searcher, sources)
    file = FileToRead(given.name, len(given.data), data=given.data)
    return _embedded(file, None, given.name, sources)


def find_example(name: str, searcher: Searcher, sources: ExampleSources) -> Example:
    """Return the example for a name: the chunk at the line for "FILE:LINE", or all chunks of the file for "FILE".

    The example's vector is the mean of the chunks' vectors. Raises the same errors as `resolve_examples`.
    """
    for path, line in _readings(name):
        stored = sources.find(path)
        ids = np.empty(0, np.int64) if stored is None else searcher.chunk_ids(stored)
        if len(ids):
            stored_chunks = searcher.hydrate(ids)
            chunks = [each.chunk for each in stored_chunks]
            chosen = _chosen(chunks, line, name)
            texts = tuple(chunks[number].text for number in chosen)
            vectors = searcher.vectors(ids[chosen])
            shown = _stored_picture(searcher, ids[0])
            if is_undescribed(stored_chunks[0].meta):
                if shown is None:
                    raise _unseen(name)
                return Example(np.zeros_like(vectors[0]), (), ids[chosen], shown)
            if not vectors.any():  # another embedder made them
                vectors = embed_all(sources.embedder(), texts)
            return Example(_mean(vectors), texts, ids[chosen], shown)
    folder = sources.folder
    for path, line in _readings(name):
        if folder is not None and _is_file(folder / path):
            file = FileToRead(str(folder / path), _size(folder / path, name))
            return _embedded(file, line, name, sources)
    raise InputError(name, "neither in the index nor a file", "no-such-example")


def _stored_picture(searcher: Searcher, chunk_id: np.int64) -> NDArray[np.float32] | None:
    """Return the vector of a picture, given its file's first chunk; None if the index has none."""
    if searcher.image_model is None:
        return None
    vector = searcher.vectors(np.array([chunk_id], np.int64), PICTURES)[0]
    return vector if vector.any() else None


def _embedded(file: FileToRead, line: int | None, name: str, sources: ExampleSources) -> Example:
    """Return the example for a file, or for one line of it, that is not in the index."""
    none = np.empty(0, np.int64)
    images = sources.images() if is_picture(file.name) else None
    read = _read(file, sources.chunk_options, name, None if images is None else images.pixel_format)
    shown = None
    if images is not None and read.picture is not None and read.picture.pixels is not None:
        from vsearch_core.embed.images.embedder import pixels_from

        (shown,) = images.embed_pictures([pixels_from(read.picture.pixels, images.pixel_format)])
        if not read.picture.is_described:
            return Example(np.zeros(sources.embedder().fingerprint.dimension, np.float32), (), none, shown)
    if shown is None and read.picture is not None and not read.picture.is_described:
        raise _unseen(name)
    chunks = list(read.chunks or ())
    texts = tuple(chunks[number].text for number in _chosen(chunks, line, name))
    return Example(_mean(embed_all(sources.embedder(), texts)), texts, none, shown)


def _unseen(name: str) -> InputError:
    """Return the error about a picture of which only the name and the like are known."""
    reason = "nothing is written in or about the picture, and there is no vector of what it shows"
    return InputError(name, reason, "no-picture-vector")


def _readings(name: str) -> list[tuple[str, int | None]]:
    """Return the (path, line) pairs that the name may mean: "a.md:3" is a file of this name, or line 3 of a.md."""
    numbered = re.fullmatch(r"(.+):([0-9]{1,9})", name, re.DOTALL)
    return [(name, None)] + ([(numbered[1], int(numbered[2]))] if numbered else [])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for any file, or a folder that is closed to us
        return False


def _size(path: Path, name: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: OSError) -> InputError:
    return InputError(name, f"can't be read ({(error.strerror or str(error)).lower()})", "unreadable-example")


def _read(file: FileToRead, chunk_options: ChunkOptions, name: str, pixels: PixelFormat | None) -> FileRead:
    """Return a file of any kind and size, read as for indexing; of a picture also the pixels in this format."""
    try:
        options = replace(DEFAULTS, pixels=pixels)
        with closing(open_reader([file], chunk_options, options, lambda: False)) as reader:
            result = reader.take(1)[0].result
        if isinstance(result, OSError):
            raise result
    except OSError as error:
        raise _unreadable(name, error) from error
    if isinstance(result, ExtractionError):
        raise result.about(name)
    return result


def _chosen(chunks: Sequence[Chunk], line: int | None, name: str) -> list[int]:
    """Return the numbers of all chunks, or of the one in which the line is farthest from both ends."""
    if not chunks:
        raise InputError(name, "it holds no text", "unreadable-example")
    if line is None:
        return list(range(len(chunks)))
    inside = [number for number, chunk in enumerate(chunks) if chunk.start_line <= line <= chunk.end_line]
    if not inside:
        last = max(chunk.end_line for chunk in chunks)
        raise InputError(name, f"no chunk contains line {line}", "no-such-line", last=last)
    return [max(inside, key=lambda number: min(line - chunks[number].start_line, chunks[number].end_line - line))]


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    total: NDArray[np.float32] = vectors.mean(axis=0)
    length = np.linalg.norm(total)
    return total / length if length > 0 else total
