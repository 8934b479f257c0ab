"""Stage changed files: read them, and store their chunks and vectors in the catalog until a commit.

Staged files can't be found by searches. Every step is durable, so a run that is stopped loses at most one batch.
"""

import base64
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import overload

from vsearch_core.ann.flat import to_fixed
from vsearch_core.embed.base import Batch, Embedder
from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.pictures import PictureEmbedding, kept_pictures, pixels_of
from vsearch_core.index.preparation import PREPARE, PreparedFile, TermStore
from vsearch_core.index.progress import EMBEDDING_PICTURES, Observer, Progress
from vsearch_core.index.sources import FoundFile, Plan, settled_ctime
from vsearch_core.index.unembedded import live_chunks_without_vectors
from vsearch_core.model import BOXES, LEFT_OUT, OWN_KEYS, PICTURE, READER, JsonValue
from vsearch_core.store.catalog import Catalog, FileRecord, NewFile
from vsearch_core.store.records import Record
from vsearch_core.store.reuse import known_vectors
from vsearch_core.store.skipped import SkippedFile, clear_skipped, record_skipped, unopened_file
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract.options import ExtractOptions, remedy
from vsearch_core.text.extract.registry import EXTRACTOR_VERSION, format_of
from vsearch_core.text.files import FileRead, FileToRead, Outcome
from vsearch_core.text.reading import open_reader
from vsearch_core.text.worker import READ

_Seen = Mapping[str, Mapping[str, JsonValue]]  # what is kept of a file's pictures, by the keys of its metadata
KnownRecords = Callable[[Catalog, Iterable[int]], dict[int, bytes]]  # records of chunks whose texts are embedded
_PICTURES_AT_ONCE = 32  # that are embedded before progress is reported
_ADVISED = frozenset({"extra-missing", "old-office-file"})  # codes whose advice is stored, as that of a missing option


def extractor_version(missing_option: str = "") -> str:
    """Return the version to record with a skipped file.

    It is the version of the extractors, with the option that might have made the file readable, if there is one.
    """
    return f"{EXTRACTOR_VERSION} without {missing_option}" if missing_option else EXTRACTOR_VERSION


@dataclass(slots=True)
class StagingResult:
    """The results of reading the changed files.

    `touched` is the number of files whose times have changed but whose bytes have not, `binary` the number without
    text, and `failed` the number that can't be read. `removed` are live files that contain no text any more.
    """

    touched: int = 0
    binary: int = 0
    failed: int = 0
    removed: list[FileRecord] = field(default_factory=list)


class _FilesToRead(Sequence[FileToRead]):
    """The files to read, each made when it is asked for, so that a million take no memory."""

    def __init__(self, files: Sequence[FoundFile], to_read: Callable[[FoundFile], FileToRead]) -> None:
        self._files = files
        self._to_read = to_read

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, at: int) -> FileToRead: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[FileToRead]: ...

    def __getitem__(self, at: int | slice) -> FileToRead | Sequence[FileToRead]:
        if isinstance(at, slice):
            return [self._to_read(found) for found in self._files[at]]
        return self._to_read(self._files[at])


class Stager:
    """Reads and chunks the changed files of a plan, and stages them in the plan's order.

    Files that an earlier, stopped run has staged are not read again, unless they have changed since then. Those that
    have changed are read first, before anything is embedded, so that their old text can't be committed. `terms` has the
    terms of the staged chunks, if the files are analyzed.
    """

    def __init__(
        self,
        catalog: Catalog,
        plan: Plan,
        live: Mapping[str, FileRecord],
        chunk_options: ChunkOptions,
        observer: Observer,
        extract_options: ExtractOptions,
        limits: IndexLimits = DEFAULT_LIMITS,
        pictures: PictureEmbedding | None = None,
        *,
        analysis: str | None = None,
    ) -> None:
        """Record the plan in the catalog, and start to read its changed files.

        `live` are the live files by path. With `pictures`, picture files get vectors, too, for which
        `extract_options.pixels` is set. `analysis` is the signature of the analysis of the files' texts; without it,
        they are not analyzed, which suits a plan.
        """
        with catalog.transaction():
            catalog.delete_files(record.id for record in plan.stale)
            clear_skipped(catalog, plan.no_longer_skipped)
            for file in plan.newly_skipped:
                record_skipped(catalog, file)
        self.result = StagingResult()
        self.terms = TermStore()
        self._catalog = catalog
        self._live = live
        self._pictures = pictures
        self._seen = 0  # pictures that were embedded
        self._staged = catalog.files(live=False)
        self._observer = observer
        self._limits = limits
        self._incomplete = plan.incomplete
        changed = [found for found in plan.changed if not self._is_staged(found)]
        self._files = sorted(changed, key=lambda found: found.stored not in self._staged)
        self._first = sum(found.stored in self._staged for found in changed)
        self._done = 0
        self._total = len(plan.changed)
        files = _FilesToRead(self._files, self._to_read)
        function, more = (READ, ()) if analysis is None else (PREPARE, (analysis,))
        self._reader = open_reader(
            files, chunk_options, extract_options, observer.should_stop, function=function, more=more
        )

    def close(self) -> None:
        """Stop reading files."""
        self._reader.close()

    @property
    def unread(self) -> int:
        """Return the number of files that are not read yet."""
        return len(self._files) - self._done

    def stage_block(self, chunks: int | None = None) -> None:
        """Stage files until this number of chunks, by default `IndexLimits.chunks_per_block`, is ready to be embedded.

        Return earlier if all files are staged, or if the observer stops it.
        """
        self._stage((chunks or self._limits.chunks_per_block) - self._catalog.count_unembedded())

    def stage_all(self) -> None:
        """Stage all files, unless the observer stops it."""
        self._stage(None)

    def _stage(self, enough: int | None) -> None:
        chunks = 0
        while not self._observer.should_stop() and (self._done < self._first or enough is None or chunks < enough):
            outcomes = self._reader.take(self._limits.files_per_transaction)
            if not outcomes:
                return
            seen = self._embed_pictures(outcomes)
            if seen is None:
                return
            with self._catalog.transaction():
                batch = self._files[self._done : self._done + len(outcomes)]
                for number, (found, outcome) in enumerate(zip(batch, outcomes, strict=True)):
                    chunks += self._record(found, outcome, seen.get(number, {}))
            self._done += len(outcomes)
            self._observer.progress(Progress("reading", self._total - self.unread, self._total))

    def _embed_pictures(self, outcomes: Sequence[Outcome]) -> dict[int, _Seen] | None:
        """Return what is kept of the pictures in the results for searches by an image model, by the result's number.

        Return None if the observer stops it.
        """
        if self._pictures is None:
            return {}
        read = {number: each.result for number, each in enumerate(outcomes) if isinstance(each.result, FileRead)}
        pixels = [each for result in read.values() for each in pixels_of(result)]
        kept = []
        for at in range(0, len(pixels), _PICTURES_AT_ONCE):
            if self._observer.should_stop():
                return None
            self._observer.progress(Progress(EMBEDDING_PICTURES, self._seen, self._seen + len(pixels) - at))
            kept += self._pictures.kept_values(pixels[at : at + _PICTURES_AT_ONCE])
            self._seen += len(pixels[at : at + _PICTURES_AT_ONCE])
        vectors = iter(kept)
        return {
            number: kept_pictures(self._pictures.model.key, self._files[self._done + number].stored, result, vectors)
            for number, result in read.items()
        }

    def _is_staged(self, found: FoundFile) -> bool:
        earlier = self._staged.get(found.stored)
        return earlier is not None and earlier.stamp == found.file.stamp

    def _to_read(self, found: FoundFile) -> FileToRead:
        known = () if found.stored in self._incomplete else tuple(each.hash for each in self._versions(found))
        return FileToRead(found.file.name, found.file.size, known, stored=found.stored)

    def _versions(self, found: FoundFile) -> list[FileRecord]:
        """Return the file's known versions: the live one, then the staged one."""
        both = (self._live.get(found.stored), self._staged.get(found.stored))
        return [each for each in both if each is not None]

    def _record(self, found: FoundFile, outcome: Outcome, seen: _Seen) -> int:
        """Record the result of reading a file. Return the number of new chunks, which need vectors."""
        result, ctime_ns = outcome.result, settled_ctime(found.file, outcome.begun_ns)
        if isinstance(result, ExtractionError):
            self._skip(found, ctime_ns, result)
        elif isinstance(result, FileNotFoundError) and found.file.path.parent.exists():
            self._unstage(found.stored)  # deleted during the run, which is no failure: the next run removes it
        elif isinstance(result, OSError):
            reason = (result.strerror or str(result)).lower()
            record_skipped(self._catalog, unopened_file(found.stored, reason, binary=False))
            self._fail(found.stored, reason)
        else:
            return self._stage_file(found, ctime_ns, result, seen)
        return 0

    def _stage_file(self, found: FoundFile, ctime_ns: int, result: FileRead, seen: _Seen) -> int:
        if result.left_out:
            self._observer.file_incomplete(found.stored, "; ".join(result.left_out))
        clear_skipped(self._catalog, [found.stored])
        same = next((each for each in self._versions(found) if each.hash == result.digest), None)
        is_unchanged = result.chunks is None or self._incomplete.get(found.stored) == result.left_out
        if is_unchanged and same is not None:
            self._touch(found, same, ctime_ns)
            return 0
        if result.chunks is None:
            return 0
        self._unstage(found.stored)
        file = _new_file(found, ctime_ns, result, seen)
        if isinstance(result, PreparedFile):
            chunk_ids = self._catalog.stage_file(file, result.packed)
            self.terms.put(chunk_ids, result.terms)
        else:
            chunk_ids = self._catalog.stage_file(file, result.chunks)
        return len(chunk_ids)

    def _touch(self, found: FoundFile, same: FileRecord, ctime_ns: int) -> None:
        """Update the times of the version that has the same bytes."""
        is_live = same is self._live.get(found.stored)
        if is_live:
            self._unstage(found.stored)
        self._catalog.update_times(same.id, found.file.mtime_ns, ctime_ns)
        self.result.touched += is_live

    def _skip(self, found: FoundFile, ctime_ns: int, error: ExtractionError) -> None:
        file, former, binary = found.file, self._live.get(found.stored), isinstance(error, BinaryFileError)
        option = remedy(error)
        advice = self._observer.advice(error) if option or error.code in _ADVISED else ""
        reason = f"{error.reason}; {advice}" if advice else error.reason
        version, times = extractor_version(option), (file.size, file.mtime_ns, ctime_ns)
        record_skipped(self._catalog, SkippedFile(found.stored, *times, binary, reason, version))
        if binary:
            self.result.binary += 1
            self._observer.file_skipped(found.stored, reason)
            self._unstage(found.stored)
            if former is not None:
                self.result.removed.append(former)
        else:
            self._fail(found.stored, reason)

    def _fail(self, stored: str, reason: str) -> None:
        """Count a failure. Keep the live version or else the staged one, because it is the only text."""
        self.result.failed += 1
        if stored in self._live:
            self._unstage(stored)
        is_kept = stored in self._live or stored in self._staged
        report = self._observer.file_kept if is_kept else self._observer.file_failed
        report(stored, reason)

    def _unstage(self, stored: str) -> None:
        if stored in self._staged:
            self._catalog.delete_files([self._staged[stored].id])


def _new_file(found: FoundFile, ctime_ns: int, read: FileRead, seen: _Seen) -> NewFile:
    file = found.file
    metadata = {key: value for key, value in read.metadata.items() if key not in OWN_KEYS}
    version = format_of(file.path.name).version
    if version > 1:
        metadata[READER] = version
    if read.left_out:
        metadata[LEFT_OUT] = list(read.left_out)
    if read.boxes is not None:
        metadata[BOXES] = [list(astuple(box)) for box in read.boxes]
    if read.picture is not None:
        encoded = None if read.picture.hash is None else base64.b64encode(read.picture.hash).decode()
        metadata[PICTURE] = {"hash": encoded, "described": read.picture.is_described}
    for key, value in seen.items():
        known = metadata.get(key)
        metadata[key] = {**(known if isinstance(known, dict) else {}), **value}
    facts = (read.title, read.language, metadata)
    return NewFile(found.stored, file.size, file.mtime_ns, ctime_ns, read.digest, *facts)


def batch_records(batch: Batch) -> list[Record]:
    """Return what is stored of each text of a batch."""
    windows = [None] * len(batch.indices) if batch.windows is None else batch.windows
    return [Record(vector.tobytes(), codes) for vector, codes in zip(to_fixed(batch.vectors), windows, strict=True)]


@dataclass(frozen=True, slots=True)
class EmbeddedBlock:
    """The result of embedding a block of chunks.

    `embedded` is the number of texts that were embedded, and `reused` the number of chunks that got the vector of an
    equal text.
    """

    embedded: int
    reused: int


def staged_blocks(catalog: Catalog, size: int) -> Iterator[list[tuple[int, str]]]:
    """Yield the chunks of staged files that have no vector yet as (id, text), by id, in lists of at most `size`.

    Each list is read when it is asked for, so files may be staged meanwhile.
    """
    after = 0
    while block := catalog.unembedded(after, size):
        after = block[-1][0]
        yield block


def reuse_vectors(
    catalog: Catalog,
    block: Sequence[tuple[int, str]],
    known_records: KnownRecords | None = None,
    without_vectors: Collection[int] | None = None,
) -> dict[str, list[int]]:
    """Stage the vectors that the index has of the chunks' texts, given as (id, text).

    `known_records` finds the records of texts that are embedded already, by default those in this index.
    `without_vectors` are the live chunks in segments without vectors, if the caller knows them. Return the other texts,
    each with the ids of its chunks.
    """
    chunks_of: dict[str, list[int]] = {}
    for chunk_id, text in block:
        chunks_of.setdefault(text, []).append(chunk_id)
    ids = [same[0] for same in chunks_of.values()]
    if known_records is None:
        without = live_chunks_without_vectors(catalog)[0].tolist() if without_vectors is None else without_vectors
        known = known_vectors(catalog, ids, frozenset(without))
    else:
        known = known_records(catalog, ids)
    with catalog.transaction():
        for same in chunks_of.values():
            if same[0] in known:
                catalog.stage_vectors(same, [known[same[0]]] * len(same))
    return {text: same for text, same in chunks_of.items() if same[0] not in known}


def embed_block(
    catalog: Catalog,
    embedder: Callable[[], Embedder],
    block: Sequence[tuple[int, str]],
    observer: Observer,
    report: Callable[[int], None],
    known_records: KnownRecords | None = None,
) -> EmbeddedBlock:
    """Embed chunks without vectors, given as (id, text).

    Each batch of vectors is stored as it arrives, and `report` is called with the number of chunks done. Equal texts
    are embedded once, and not at all if the index has their vector. `embedder` is a function that opens the embedder.
    It is called only if a text must be embedded. `known_records` is that of `reuse_vectors`.
    """
    chunks_of = reuse_vectors(catalog, block, known_records)
    texts = list(chunks_of)
    embedded, done = 0, len(block) - sum(map(len, chunks_of.values()))
    report(done)
    for batch in embedder().embed_documents(texts) if texts else ():
        chunks = [chunks_of[texts[index]] for index in batch.indices.tolist()]
        records = [record.to_bytes() for record, same in zip(batch_records(batch), chunks, strict=True) for _ in same]
        with catalog.transaction():
            catalog.stage_vectors((chunk_id for same in chunks for chunk_id in same), records)
        embedded += len(chunks)
        done += len(records)
        report(done)
        if observer.should_stop():
            break
    return EmbeddedBlock(embedded, done - embedded)
