"""From changed files to staged chunks with vectors. Every step is durable, so a stopped run loses one batch at most."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vsearch_core.ann.flat import to_fixed
from vsearch_core.embed.base import Embedder
from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.sources import Found, Plan, settled_ctime
from vsearch_core.model import LEFT_OUT, Document
from vsearch_core.store.catalog import Catalog, FileRecord, NewFile
from vsearch_core.store.passed_over import PassedOver, forget, not_opened, remember
from vsearch_core.store.reuse import known_vectors
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.discover import contents
from vsearch_core.text.extract.reading import Reading
from vsearch_core.text.extract.registry import READERS, extract

FILES_A_TRANSACTION = 64
CHUNKS_A_BLOCK = 800  # texts in memory at a time: whole requests of the remote embedders; a stop wastes one at most


def tried(option: str = "") -> str:
    """What is noted as the readers of a file that could not be read: our version, without an option that may help."""
    return f"{READERS} without {option}" if option else READERS


@dataclass(slots=True)
class Staged:
    """What happened to the changed files.

    `touched` counts those whose bytes turned out to be the same, `gone` are live files that hold no text now.
    """

    touched: int = 0
    binary: int = 0
    failed: int = 0
    gone: list[FileRecord] = field(default_factory=list)


def stage_files(
    catalog: Catalog,
    plan: Plan,
    live: Mapping[str, FileRecord],
    options: ChunkOptions,
    observer: Observer,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> Staged:
    """Extract, cut and stage the changed files; those that an earlier, stopped run has staged are left as they are."""
    changed = plan.changed
    with catalog.transaction():
        catalog.forget_files(record.id for record in plan.outdated)
        forget(catalog, plan.vanished)
        for passed in plan.noticed:
            remember(catalog, passed)
    stager = _Stager(catalog, live, catalog.files(live=False), plan.incomplete, options, observer, reading)
    for start in range(0, len(changed), FILES_A_TRANSACTION):
        with catalog.transaction():
            for number, found in enumerate(changed[start : start + FILES_A_TRANSACTION], start):
                if observer.stop():
                    return stager.result
                stager.stage(found)
                observer.progress(Progress("reading", number + 1, len(changed)))
    return stager.result


@dataclass(slots=True)
class _Stager:
    catalog: Catalog
    live: Mapping[str, FileRecord]
    staged: Mapping[str, FileRecord]
    incomplete: Mapping[str, tuple[str, ...]]
    options: ChunkOptions
    observer: Observer
    reading: Reading
    result: Staged = field(default_factory=Staged)

    def stage(self, found: Found) -> None:
        earlier = self.staged.get(found.stored)
        if earlier is not None and earlier.stamp == found.file.stamp:
            return
        ctime_ns = settled_ctime(found.file, time.time_ns())
        try:
            data = contents(found.file.path)
            digest = hashlib.blake2b(data, digest_size=16).digest()
            if found.stored not in self.incomplete and self._is_known(found, digest, ctime_ns):
                return
            document = extract(found.file.path.name, data, self.reading)
        except ExtractionError as error:
            self._pass_over(found, ctime_ns, error)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            remember(self.catalog, not_opened(found.stored, reason, binary=False))
            self._fail(found.stored, reason)
        else:
            if document.left_out:
                self.observer.partly(found.stored, "; ".join(document.left_out))
            is_as_before = self.incomplete.get(found.stored) == document.left_out
            if is_as_before and self._is_known(found, digest, ctime_ns):
                return
            forget(self.catalog, [found.stored])
            self._unstage(found.stored)
            self.catalog.stage_file(_new_file(found, ctime_ns, digest, document), split(document, self.options))

    def _is_known(self, found: Found, digest: bytes, ctime_ns: int) -> bool:
        """Whether the live or else the staged version has these very bytes; if so, its times are noted."""
        former, earlier = self.live.get(found.stored), self.staged.get(found.stored)
        same = next((record for record in (former, earlier) if record is not None and record.hash == digest), None)
        if same is None:
            return False
        if same is former:
            self._unstage(found.stored)
        forget(self.catalog, [found.stored])
        self.catalog.touch(same.id, found.file.mtime_ns, ctime_ns)
        self.result.touched += same is former
        return True

    def _pass_over(self, found: Found, ctime_ns: int, error: ExtractionError) -> None:
        file, former, binary = found.file, self.live.get(found.stored), isinstance(error, BinaryFileError)
        reason = f"{error.reason}; {error.next_step}" if error.option else error.reason
        passed = PassedOver(found.stored, *(file.size, file.mtime_ns, ctime_ns), binary, reason, tried(error.option))
        remember(self.catalog, passed)
        if binary:
            self.result.binary += 1
            self.observer.skipped(found.stored, reason)
            self._unstage(found.stored)
            if former is not None:
                self.result.gone.append(former)
        else:
            self._fail(found.stored, reason)

    def _fail(self, stored: str, reason: str) -> None:
        """The live version stays, or else the staged one: it is all the text there is."""
        self.result.failed += 1
        if stored in self.live:
            self._unstage(stored)
        tell = self.observer.kept if stored in self.live or stored in self.staged else self.observer.failed
        tell(stored, reason)

    def _unstage(self, stored: str) -> None:
        if stored in self.staged:
            self.catalog.forget_files([self.staged[stored].id])


def _new_file(found: Found, ctime_ns: int, digest: bytes, document: Document) -> NewFile:
    file = found.file
    metadata = {key: value for key, value in document.metadata.items() if key != LEFT_OUT}
    if document.left_out:
        metadata[LEFT_OUT] = list(document.left_out)
    facts = (document.title, document.language, metadata)
    return NewFile(found.stored, file.size, file.mtime_ns, ctime_ns, digest, *facts)


@dataclass(frozen=True, slots=True)
class Block:
    """Some chunks that have vectors now, up to chunk id `last`: `embedded` of them anew, `reused` from equal texts."""

    last: int
    embedded: int
    reused: int


def embed_block(
    catalog: Catalog, embedder: Callable[[], Embedder], after: int, observer: Observer, report: Callable[[int], None]
) -> Block | None:
    """Give the next staged chunks past chunk id `after` their vectors, each batch staged as it arrives and reported.

    A text that the index has embedded before, or that comes twice, is not embedded (again); `embedder` is called only
    if any has to be. None when no chunk is left.
    """
    block = catalog.unembedded(after, CHUNKS_A_BLOCK)
    if not block:
        return None
    known = known_vectors(catalog, (chunk_id for chunk_id, _ in block))
    with catalog.transaction():
        catalog.stage_vectors(known, known.values())
    chunks_of: dict[str, list[int]] = {}
    for chunk_id, text in block:
        if chunk_id not in known:
            chunks_of.setdefault(text, []).append(chunk_id)
    texts = list(chunks_of)
    embedded, done = 0, len(known)
    report(done)
    for batch in embedder().embed_documents(texts) if texts else ():
        chunks = [chunks_of[texts[index]] for index in batch.indices.tolist()]
        vectors = np.repeat(to_fixed(batch.vectors), [len(same) for same in chunks], axis=0)
        with catalog.transaction():
            catalog.stage_vectors((chunk_id for same in chunks for chunk_id in same), vectors)
        embedded += len(chunks)
        done += len(vectors)
        report(done)
        if observer.stop():
            break
    return Block(block[-1][0], embedded, done - embedded)
