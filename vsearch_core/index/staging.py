"""From changed files to staged chunks with vectors. Every step is durable, so a stopped run loses one batch at most."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vsearch_core.ann.flat import to_fixed
from vsearch_core.embed.base import Embedder
from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.sources import Found, Plan
from vsearch_core.model import UNREADABLE_PAGES, Document
from vsearch_core.store.catalog import Catalog, FileRecord, NewFile
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract.registry import extract

FILES_A_TRANSACTION = 64
CHUNKS_A_BLOCK = 512  # texts in memory at a time; a stop wastes none of them but the batch at work


@dataclass(slots=True)
class Staged:
    """What happened to the changed files.

    `touched` counts those whose bytes turned out to be the same, `gone` are live files that hold no text now, by id.
    """

    touched: int = 0
    binary: int = 0
    failed: int = 0
    gone: list[int] = field(default_factory=list)


def stage_files(
    catalog: Catalog,
    plan: Plan,
    live: Mapping[str, FileRecord],
    options: ChunkOptions,
    observer: Observer,
) -> Staged:
    """Extract, cut and stage the changed files; those that an earlier, stopped run has staged are left as they are."""
    changed = plan.changed
    result = Staged()
    with catalog.transaction():
        catalog.forget_files(record.id for record in plan.outdated)
    already = catalog.files(live=False)
    for start in range(0, len(changed), FILES_A_TRANSACTION):
        with catalog.transaction():
            for number, found in enumerate(changed[start : start + FILES_A_TRANSACTION], start):
                if observer.stop():
                    return result
                if found.stored not in already:
                    _stage_one(catalog, found, live.get(found.stored), options, observer, result)
                observer.progress(Progress("reading", number + 1, len(changed)))
    return result


def _stage_one(
    catalog: Catalog,
    found: Found,
    former: FileRecord | None,
    options: ChunkOptions,
    observer: Observer,
    result: Staged,
) -> None:
    try:
        data = found.file.path.read_bytes()
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if former is not None and former.hash == digest:
            catalog.touch(former.id, found.file.mtime_ns)
            result.touched += 1
            return
        document = extract(found.file.path.name, data)
    except BinaryFileError as error:
        result.binary += 1
        if former is not None:
            result.gone.append(former.id)
        observer.skipped(found.stored, error.reason)
    except ExtractionError as error:
        result.failed += 1
        observer.failed(found.stored, error.reason)
    except OSError as error:
        result.failed += 1
        observer.failed(found.stored, (error.strerror or str(error)).lower())
    else:
        lost = document.metadata.get(UNREADABLE_PAGES)
        if isinstance(lost, list):
            observer.partly(found.stored, f"can't read page {', '.join(map(str, lost))}")
        catalog.stage_file(_new_file(found, digest, document), split(document, options))


def _new_file(found: Found, digest: bytes, document: Document) -> NewFile:
    file = found.file
    return NewFile(found.stored, file.size, file.mtime_ns, digest, document.title, document.language, document.metadata)


def embed_block(
    catalog: Catalog, embedder: Embedder, after: int, observer: Observer, report: Callable[[int], None]
) -> tuple[int, int]:
    """Embed the next block of staged chunks past chunk id `after`, each batch staged as it arrives and reported.

    Returns the last id of the block and the number of chunks embedded; (after, 0) when none is left.
    """
    block = catalog.unembedded(after, CHUNKS_A_BLOCK)
    if not block:
        return after, 0
    ids = np.array([chunk_id for chunk_id, _ in block])
    embedded = 0
    for batch in embedder.embed_documents([text for _, text in block]):
        with catalog.transaction():
            catalog.stage_vectors(ids[batch.indices].tolist(), to_fixed(batch.vectors))
        embedded += len(batch.indices)
        report(embedded)
        if observer.stop():
            break
    return int(ids[-1]), embedded
