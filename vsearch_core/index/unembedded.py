"""Find the live chunks that have no vector yet, and choose the order in which they are embedded.

A large update commits texts and keywords first: its rows go to segments without vectors. When the chunks of a file are
embedded, a commit moves their rows to a segment with vectors. See docs/adr/0053-progressive-runs.md.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.index.limits import most_bytes_of_texts
from vsearch_core.index.parts import CHUNK_IDS, FILE_IDS, is_embedded, read_ids
from vsearch_core.store.catalog import Catalog

_DAY_NS = 86_400_000_000_000
_AGE_GROWTH = 4  # a group of files is this many times as old as the one before

Ids = NDArray[np.int64]


def live_chunks_without_vectors(catalog: Catalog, index: Path | None = None) -> tuple[Ids, Ids]:
    """Return the ids of the live chunks in segments without vectors, (n,), and the ids of their files, (n,).

    Some of them may have a staged vector. `index` is the folder of the segments if it isn't the catalog's. Raises
    FileNotFoundError and IndexCorruptError.
    """
    folder = index or catalog.index
    found: tuple[list[Ids], list[Ids]] = ([np.empty(0, np.int64)], [np.empty(0, np.int64)])
    for record in catalog.segments():
        if not is_embedded(record.manifest):
            for ids, name in zip(found, (CHUNK_IDS, FILE_IDS), strict=True):
                ids.append(read_ids(folder, record, name)[record.alive])
    return np.concatenate(found[0]), np.concatenate(found[1])


def has_vectors(catalog: Catalog) -> bool:
    """Return True if the index has a vector, or a code of one, in a segment, or a staged vector."""
    return any(is_embedded(record.manifest) for record in catalog.segments()) or catalog.has_staged_vectors()


def unembedded_chunks(catalog: Catalog, index: Path | None = None) -> tuple[Ids, Ids]:
    """Return the same as `live_chunks_without_vectors`, but without the chunks that have a staged vector."""
    chunk_ids, file_ids = live_chunks_without_vectors(catalog, index)
    if len(chunk_ids):
        waiting = _have_no_staged_vector(catalog, chunk_ids)
        chunk_ids, file_ids = chunk_ids[waiting], file_ids[waiting]
    return chunk_ids, file_ids


def chunks_to_embed(catalog: Catalog, staged_files: Iterable[int]) -> Ids:
    """Return the ids of the chunks of these staged files that have no vector yet, file by file."""
    chunk_ids = np.array([chunk_id for chunk_id, _ in catalog.chunks_of_files(staged_files)], np.int64)
    return chunk_ids[_have_no_staged_vector(catalog, chunk_ids)]


def _have_no_staged_vector(catalog: Catalog, chunk_ids: Ids) -> NDArray[np.bool_]:
    return np.isin(chunk_ids, np.array(catalog.chunks_with_staged_vectors(), np.int64), invert=True)


def count_unembedded(catalog: Catalog) -> int:
    """Return the number of chunks, of staged and of live files, that have no vector yet."""
    return catalog.count_unembedded() + len(unembedded_chunks(catalog)[0])


def count_without_staged_vector(catalog: Catalog, chunk_ids: Ids) -> int:
    """Return how many of these chunks, which are in segments without vectors, have no staged vector."""
    return int(_have_no_staged_vector(catalog, chunk_ids).sum()) if len(chunk_ids) else 0


def embedding_order(catalog: Catalog, chunk_ids: Ids, file_ids: Ids) -> Ids:
    """Return the ids of live chunks in the order in which they are most useful.

    Files that were changed lately come first: those of the last day, then those of the last 4 days, 16 days, and so on.
    Among these, short files come first, because the same time makes more of them complete. Chunks of a file stay
    together.
    """
    files = catalog.live_file_times()
    places = np.minimum(np.searchsorted(files["id"], file_ids), max(len(files) - 1, 0))
    known = files[places] if len(files) else np.zeros(len(file_ids), files.dtype)
    known[known["id"] != file_ids] = 0
    days = np.maximum((time.time_ns() - known["mtime_ns"].astype(np.float64)) / _DAY_NS, 1)
    ages = np.ceil(np.log(days) / np.log(_AGE_GROWTH))
    return chunk_ids[np.lexsort((chunk_ids, file_ids, known["chunks"], ages))]


def text_blocks(catalog: Catalog, chunk_ids: Ids, size: int) -> Iterator[list[tuple[int, str]]]:
    """Yield the chunks with their texts as (id, text), in order, in lists of at most `size`.

    Raises IndexCorruptError, also if the texts of a list are longer than those of any document.
    """
    most_bytes = most_bytes_of_texts(size, int(catalog.settings()["chunk_words"]))
    for start in range(0, len(chunk_ids), size):
        block = chunk_ids[start : start + size].tolist()
        texts = [stored.chunk.text for stored in catalog.stored_chunks(block, most_bytes)]
        yield list(zip(block, texts, strict=True))
