"""From changed files to staged chunks with vectors. Every step is durable, so a stopped run loses one batch at most."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vsearch_core.ann.flat import to_fixed
from vsearch_core.embed.base import Embedder
from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.sources import Found, Plan, settled_ctime
from vsearch_core.model import LEFT_OUT
from vsearch_core.store.catalog import Catalog, FileRecord, NewFile
from vsearch_core.store.reuse import known_vectors
from vsearch_core.store.skipped import SkippedFile, clear_skipped, record_skipped, unopened_file
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract.options import ExtractOptions, remedy
from vsearch_core.text.extract.registry import EXTRACTOR_VERSION
from vsearch_core.text.files import FileRead, FileToRead, Outcome
from vsearch_core.text.reading import open_reader

FILES_A_TRANSACTION = 64
CHUNKS_A_BLOCK = 800  # texts in memory at a time: whole requests of the remote embedders; a stop wastes one at most


def tried(option: str = "") -> str:
    """What is noted as the readers of a file that could not be read: our version, without an option that may help."""
    return f"{EXTRACTOR_VERSION} without {option}" if option else EXTRACTOR_VERSION


@dataclass(slots=True)
class Staged:
    """What happened to the changed files.

    `touched` counts those whose bytes turned out to be the same, `gone` are live files that hold no text now.
    """

    touched: int = 0
    binary: int = 0
    failed: int = 0
    gone: list[FileRecord] = field(default_factory=list)


class Stager:
    """Reads, cuts and stages the changed files; those that an earlier, stopped run has staged are left as they are.

    Files that such a run has staged, and that have changed since, come first, and all before anything is embedded:
    what is to be replaced must not be committed. The others follow in the plan's order.
    """

    def __init__(
        self,
        catalog: Catalog,
        plan: Plan,
        live: Mapping[str, FileRecord],
        options: ChunkOptions,
        observer: Observer,
        reading: ExtractOptions,
    ) -> None:
        with catalog.transaction():
            catalog.delete_files(record.id for record in plan.outdated)
            clear_skipped(catalog, plan.vanished)
            for passed in plan.noticed:
                record_skipped(catalog, passed)
        self.result = Staged()
        self._catalog = catalog
        self._live = live
        self._staged = catalog.files(live=False)
        self._observer = observer
        self._incomplete = plan.incomplete
        changed = [found for found in plan.changed if not self._is_staged(found)]
        self._files = sorted(changed, key=lambda found: found.stored not in self._staged)
        self._first = sum(found.stored in self._staged for found in changed)
        self._done = 0
        self._total = len(plan.changed)
        files = [self._to_read(found) for found in self._files]
        self._reader = open_reader(files, options, reading, observer.should_stop)

    def close(self) -> None:
        """Give up what is not read yet."""
        self._reader.close()

    @property
    def unread(self) -> int:
        """How many files are still to read."""
        return len(self._files) - self._done

    def stage_block(self) -> None:
        """Stage files until a block of chunks waits for vectors, or all are staged, or the observer says stop."""
        self._stage(CHUNKS_A_BLOCK - self._catalog.count_unembedded())

    def stage_all(self) -> None:
        """Stage all files, or until the observer says stop."""
        self._stage(None)

    def _stage(self, enough: int | None) -> None:
        chunks = 0
        while not self._observer.should_stop() and (self._done < self._first or enough is None or chunks < enough):
            outcomes = self._reader.take(FILES_A_TRANSACTION)
            if not outcomes:
                return
            with self._catalog.transaction():
                batch = self._files[self._done : self._done + len(outcomes)]
                for found, outcome in zip(batch, outcomes, strict=True):
                    chunks += self._keep(found, outcome)
            self._done += len(outcomes)
            self._observer.progress(Progress("reading", self._total - self.unread, self._total))

    def _is_staged(self, found: Found) -> bool:
        earlier = self._staged.get(found.stored)
        return earlier is not None and earlier.stamp == found.file.stamp

    def _to_read(self, found: Found) -> FileToRead:
        known = () if found.stored in self._incomplete else tuple(each.hash for each in self._versions(found))
        return FileToRead(str(found.file.path), found.file.size, known)

    def _versions(self, found: Found) -> list[FileRecord]:
        """What is known of the file: the live version, and then the staged one."""
        both = (self._live.get(found.stored), self._staged.get(found.stored))
        return [each for each in both if each is not None]

    def _keep(self, found: Found, outcome: Outcome) -> int:
        """Stage what was read. Returns how many chunks wait for vectors now that did not."""
        result, ctime_ns = outcome.result, settled_ctime(found.file, outcome.begun_ns)
        if isinstance(result, ExtractionError):
            self._pass_over(found, ctime_ns, result)
        elif isinstance(result, FileNotFoundError) and found.file.path.parent.exists():
            self._unstage(found.stored)  # deleted since it was found, which is no failure: the next run sees it gone
        elif isinstance(result, OSError):
            reason = (result.strerror or str(result)).lower()
            record_skipped(self._catalog, unopened_file(found.stored, reason, binary=False))
            self._fail(found.stored, reason)
        else:
            if result.left_out:
                self._observer.file_incomplete(found.stored, "; ".join(result.left_out))
            clear_skipped(self._catalog, [found.stored])
            same = next((each for each in self._versions(found) if each.hash == result.digest), None)
            is_as_before = result.chunks is None or self._incomplete.get(found.stored) == result.left_out
            if is_as_before and same is not None:
                self._touch(found, same, ctime_ns)
            elif result.chunks is not None:
                self._unstage(found.stored)
                self._catalog.stage_file(_new_file(found, ctime_ns, result), result.chunks)
                return len(result.chunks)
        return 0

    def _touch(self, found: Found, same: FileRecord, ctime_ns: int) -> None:
        """Note the times of the version that has these very bytes."""
        is_live = same is self._live.get(found.stored)
        if is_live:
            self._unstage(found.stored)
        self._catalog.update_times(same.id, found.file.mtime_ns, ctime_ns)
        self.result.touched += is_live

    def _pass_over(self, found: Found, ctime_ns: int, error: ExtractionError) -> None:
        file, former, binary = found.file, self._live.get(found.stored), isinstance(error, BinaryFileError)
        option = remedy(error)
        advice = self._observer.advice(error) if option else ""
        reason = f"{error.reason}; {advice}" if advice else error.reason
        passed = SkippedFile(found.stored, *(file.size, file.mtime_ns, ctime_ns), binary, reason, tried(option))
        record_skipped(self._catalog, passed)
        if binary:
            self.result.binary += 1
            self._observer.file_skipped(found.stored, reason)
            self._unstage(found.stored)
            if former is not None:
                self.result.gone.append(former)
        else:
            self._fail(found.stored, reason)

    def _fail(self, stored: str, reason: str) -> None:
        """The live version stays, or else the staged one: it is all the text there is."""
        self.result.failed += 1
        if stored in self._live:
            self._unstage(stored)
        tell = (
            self._observer.file_kept if stored in self._live or stored in self._staged else self._observer.file_failed
        )
        tell(stored, reason)

    def _unstage(self, stored: str) -> None:
        if stored in self._staged:
            self._catalog.delete_files([self._staged[stored].id])


def _new_file(found: Found, ctime_ns: int, read: FileRead) -> NewFile:
    file = found.file
    metadata = {key: value for key, value in read.metadata.items() if key != LEFT_OUT}
    if read.left_out:
        metadata[LEFT_OUT] = list(read.left_out)
    facts = (read.title, read.language, metadata)
    return NewFile(found.stored, file.size, file.mtime_ns, ctime_ns, read.digest, *facts)


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
        if observer.should_stop():
            break
    return Block(block[-1][0], embedded, done - embedded)
