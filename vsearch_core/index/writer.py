"""Update an index in one run: find changed files, read and embed them, and commit them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vsearch_core import config
from vsearch_core.embed.base import Embedder, OpenEmbedder
from vsearch_core.errors import InputError, ModelError
from vsearch_core.index.commit import Removals, commit_staged, sweep
from vsearch_core.index.compaction import compact_until_stopped
from vsearch_core.index.interim import InterimSummary, begin_interim, open_interim, replace_interim
from vsearch_core.index.kept_documents import drop_unreadable, keep_documents, kept_source
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.named_sources import outside_paths, record_named_sources, refuse_unnamed_sources
from vsearch_core.index.pictures import (
    NO_MODEL,
    ImageModel,
    OpenImageEmbedder,
    PictureEmbedding,
    load_image_model,
    measure_picture_scale,
    no_image_embedder,
    refuse_other_image_model,
    require_pillow,
    store_image_model,
    unseen_pictures,
)
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.renewal import renew_keywords
from vsearch_core.index.runs import recorded_run
from vsearch_core.index.settings import (
    IndexOptions,
    IndexSettings,
    check_ann,
    check_vectors,
    chunk_sizes,
    new_settings,
    refuse_other_model,
    refuse_other_options,
)
from vsearch_core.index.sources import (
    KnownFiles,
    Plan,
    Source,
    SourceSelection,
    WalkOptions,
    catalog_sources,
    check_sources,
    is_within,
    make_plan,
    select_sources,
    source_to_json,
    stored_path,
)
from vsearch_core.index.staging import Stager, embed_block, extractor_version, reuse_vectors, staged_blocks
from vsearch_core.index.unembedded import (
    count_unembedded,
    embedding_order,
    has_vectors,
    live_chunks_without_vectors,
    text_blocks,
    unembedded_chunks,
)
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.model import BOXES, RawDocument
from vsearch_core.store.catalog import Catalog, FileRecord
from vsearch_core.store.connections import refuse_lost_catalog
from vsearch_core.store.files import make_folder, refuse_non_utf8_path
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.skipped import load_skipped
from vsearch_core.store.states import count_incomplete, files_without_key, incomplete_files, other_reader_versions
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.recognition import is_installed
from vsearch_core.text.extract.registry import current_versions, extensions_with_pictures, format_of, is_picture

if TYPE_CHECKING:
    from vsearch_core.embed.images.embedder import ImageEmbedder

_OUTDATED = "all that a newer extractor finds"  # missing from files that an older one has read


@dataclass(frozen=True, slots=True)
class UpdateSummary:
    """The result of an update.

    Files: `files` is the number of files in the index; of these, `partly` could be read only in part, and `textless`
    contain no text. Of the files that the update found, `added`, `changed`, `unchanged`, `removed` and `moved` are the
    numbers in each case (a moved file counts neither as added nor as removed). `failed` could not be read, `skipped`
    contain nothing to index, and `unread` were not read because the update was stopped.

    Chunks: `chunks` is the number of chunks in the index. `embedded` texts were embedded, `reused` chunks got the
    vector of an equal text, and `pending` chunks have no vector yet.

    `interrupted` is True if the update was stopped. `uncompacted` is True if only the merging of segments was stopped.
    `outside` are the sources outside the folder around the index. `interim` tells how far interim vectors were
    replaced, if the index had some.
    """

    index: Path | str
    files: int
    chunks: int
    added: int
    changed: int
    unchanged: int
    removed: int
    moved: int
    skipped: int
    failed: int
    embedded: int
    reused: int
    pending: int
    unread: int
    uncompacted: bool
    interrupted: bool
    seconds: float
    partly: int
    textless: int
    outside: tuple[str, ...] = ()
    interim: InterimSummary | None = None


class UpdatedEngine(Protocol):
    """An engine that keeps an index elsewhere, and which an update writes through a folder on this machine."""

    def push(self, catalog: Catalog) -> bool:
        """Bring what the folder has committed to the engine. Return True if anything had changed."""

    def known_vectors(self, catalog: Catalog, chunk_ids: Iterable[int]) -> dict[int, bytes]:
        """Return the records of those staged chunks whose texts are embedded already, as `store.reuse` does."""


MeasureScale = Callable[[Catalog, Embedder], None]


def _measure_nothing(_catalog: Catalog, _embedder: Embedder) -> None:
    pass


def update_index(
    index: Path,
    sources: Sequence[Source],
    options: IndexOptions,
    open_embedder: OpenEmbedder,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    *,
    walk: WalkOptions = WalkOptions(),  # noqa: B008 - frozen
    retry: bool = False,
    reading: ExtractOptions = ExtractOptions(),  # noqa: B008 - frozen
    limits: IndexLimits = DEFAULT_LIMITS,
    documents: Sequence[RawDocument] = (),
    engine: UpdatedEngine | None = None,
    open_images: OpenImageEmbedder = no_image_embedder,
    quick: bool = False,
    measure_scale: MeasureScale = _measure_nothing,
) -> UpdateSummary:
    """Update the index from the given sources, or from all sources of earlier updates if none are given.

    `documents`, which `check_documents` has checked, are written to the index's own folder first; their folder then is
    the only source. A new document that can't be read is deleted again.

    `walk` has options for walking the sources of earlier updates; it only counts if no sources are given. A file that
    could not be read, or only in part, is read again if it has changed, if `reading` now has an option that was missing
    then, or if `retry` is true. The run commits every `limits.chunks_per_commit` chunks and at the end. If it is
    stopped, it keeps the work done so far, and the next run continues from there. A run with many chunks commits their
    keywords first, so that searches find them early: see docs/adr/0053-progressive-runs.md. An `engine` that keeps the
    index elsewhere gets each commit, with all vectors. `open_images` opens the index's image model, if it has one.

    A `quick` run of an index without vectors first gives all chunks interim vectors by a static model, and replaces
    them by those of the index's own model when it has made all of these. If it is stopped, the next run, quick or not,
    continues (docs/adr/0065-static-vectors-first.md). `measure_scale` is called once all interim vectors are there.

    Raises ArgumentError if a quick run isn't possible, InputError, IndexNotFoundError if an index has lost its catalog,
    IndexLockedError, IndexMismatchError, IndexVersionError, ModelError, StorageError, and StoppedError if the observer
    stops the run while it rebuilds keyword postings that an earlier version of the analyzer made.
    """
    started = time.perf_counter()
    if quick and engine is not None:
        raise InputError(str(index), "only local indexes can have interim vectors", "not-on-servers")
    run = _Update(
        index, options, open_embedder, observer, reading, limits, engine, open_images, measure_scale, quick=quick
    )
    if is_new_index(index, sources, options, has_documents=bool(documents)):
        run.open_first_embedder()
    with storage_errors(index):
        make_folder(index)
        with (
            writer_lock(index),
            closing(run.open_catalog()) as catalog,
            recorded_run(index, observer) as record,
        ):
            run.observer = record.observer
            if documents:
                keep_documents(index, documents)
                sources = (kept_source(index, walk),)
            summary = run.update(catalog, sources, started, walk=walk, retry=retry)
            drop_unreadable(catalog, documents)
            record.end("interrupted" if summary.interrupted else "incomplete" if summary.failed else "done")
            return summary


def is_new_index(index: Path, sources: Sequence[Source], options: IndexOptions, *, has_documents: bool = False) -> bool:
    """Return True if the folder has no index yet. Check the arguments of an update first.

    Raises InputError for an invalid argument, before anything is written.
    """
    for path in (index, *(source.path for source in sources)):
        refuse_non_utf8_path(path)
    with storage_errors(index):
        is_new = not (index / CATALOG_FILE).exists()
        refuse_lost_catalog(index)
    if is_new and not sources and not has_documents:
        raise InputError("index", "there is no index here yet, so there is nothing to refresh", "nothing-to-refresh")
    check_sources(sources)
    ChunkOptions(*chunk_sizes(options))  # raises for sizes out of range
    Analysis(options.language or config.LANGUAGE)  # raises for an unknown language
    check_ann(options.ann)
    check_vectors(options.vectors)
    return is_new


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Counts of files that both an update and a forecast report."""

    unchanged: int
    skipped: int
    failed: int
    removed: int


@dataclass(frozen=True, slots=True)
class Changes:
    """The result of `scan`: what has changed, and the stager that reads it.

    `live` are the live files before the update, by path. `plan` has the files to read and to remove, `selection` the
    sources. `stager` reads and stages the files.
    """

    live: Mapping[str, FileRecord]
    plan: Plan
    selection: SourceSelection
    stager: Stager

    def removals(self, root: Path) -> Removals:
        """Return the files and sources to remove. More files may follow while changed files are staged."""
        deleted = [stored_path(root, source.path) for source in self.selection.deleted]
        return Removals([*self.plan.removed, *self.stager.result.removed], deleted)

    def counts(self) -> RunCounts:
        """Return the counts of files so far. They are final when all changed files are staged."""
        plan, staged = self.plan, self.stager.result
        binary = sum(file.binary for file in plan.still_skipped)
        unreadable = len(plan.unreadable) + len(plan.still_skipped) - binary
        return RunCounts(
            unchanged=plan.unchanged + staged.touched,
            skipped=len(plan.skipped) + binary + staged.binary,
            failed=unreadable + staged.failed + len(self.selection.missing),
            removed=len(plan.removed) + len(staged.removed),
        )


def scan(
    index: Path,
    catalog: Catalog,
    settings: IndexSettings,
    sources: Sequence[Source],
    observer: Observer,
    reading: ExtractOptions,
    limits: IndexLimits,
    *,
    walk: WalkOptions,
    retry: bool,
    open_pictures: Callable[[ImageModel], PictureEmbedding] | None = None,
    analyze: bool = False,
) -> Changes:
    """Find what has changed, record the sources in the catalog, and start to read the changed files.

    The caller must close the `stager` of the result. `open_pictures` opens the index's image model, if pictures are to
    get vectors; it is called if there is one and a picture must be read. With `analyze`, the files are analyzed, too,
    for a commit. Raises InputError if a source lies outside the index's parent folder and was never named by the user
    on this machine.
    """
    root = index.parent
    live = catalog.files(live=True)
    versions = () if retry else (extractor_version(), *map(extractor_version, reading.unset))
    incomplete = (incomplete_files(catalog) if retry or reading.ocr else {}) | _outdated_files(catalog)
    if reading.ocr and is_installed():
        incomplete |= dict.fromkeys(files_without_key(catalog, extensions_with_pictures(), BOXES), (_OUTDATED,))
    image_model = None if open_pictures is None else load_image_model(catalog)
    if image_model is not None:
        incomplete |= dict.fromkeys(unseen_pictures(catalog, image_model), (_OUTDATED,))
    known = KnownFiles(live, catalog.files(live=False), load_skipped(catalog), versions, incomplete)
    before = catalog_sources(root, catalog)
    known_sources = before if sources else [walk.for_known_source(source) for source in before]
    renewed = [source for source in known_sources if source not in before]
    check_sources([source for source in renewed if source.path.exists()])
    selection = select_sources(root, sources, known_sources, live)
    refuse_unnamed_sources(index, selection.walked, sources)
    plan = make_plan(index, selection, known)
    for source in (*sources, *renewed):
        catalog.put_source(stored_path(root, source.path), source_to_json(source))
    _report_unread(root, plan, selection, known, observer)
    chunk_options = ChunkOptions(settings.chunk_words, settings.overlap_words)
    pictures = None
    has_pictures = any(is_picture(each.stored) or format_of(each.stored).figures for each in plan.changed)
    if open_pictures is not None and image_model is not None and has_pictures:
        pictures = open_pictures(image_model)
        reading = replace(reading, pixels=pictures.embedder.pixel_format)
    analysis = settings.analysis.signature if analyze else None
    stager = Stager(catalog, plan, live, chunk_options, observer, reading, limits, pictures, analysis=analysis)
    return Changes(live, plan, selection, stager)


def _outdated_files(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return the live files that an extractor of another version has read, with a phrase that no extractor uses."""
    versions = other_reader_versions(catalog, current_versions())
    return {path: (_OUTDATED,) for path, version in versions.items() if version != format_of(path).version}


def _report_unread(root: Path, plan: Plan, selection: SourceSelection, known: KnownFiles, observer: Observer) -> None:
    """Report the files that will not be read to the observer."""
    for source in selection.missing:
        observer.source_missing(stored_path(root, source.path))
    in_index = [str(root / path) for path in (*known.live, *known.staged)] if plan.unreadable else []
    for unreadable in plan.unreadable:
        is_kept = any(is_within(path, [str(unreadable.path)]) for path in in_index)
        report = observer.file_kept if is_kept else observer.file_failed
        report(stored_path(root, unreadable.path), unreadable.reason)
    for skipped in plan.skipped:
        observer.file_skipped(stored_path(root, skipped.path), skipped.reason)
    for file in plan.still_skipped:
        is_kept = file.path in known.live or file.path in known.staged
        report = observer.file_kept if is_kept else observer.file_failed
        (observer.file_skipped if file.binary else report)(file.path, file.reason)


@dataclass(slots=True)
class _Comparison:
    """The live files after an update, compared with those before it. Moved files count as added and as removed, too."""

    files: int = 0
    chunks: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    moved: int = 0


def _compare(before: Mapping[str, FileRecord], catalog: Catalog) -> _Comparison:
    """Compare the live files with those `before`. Only if some are gone, memory is needed for each file."""
    found, same = _Comparison(), 0
    for file_id, path, _, chunks in catalog.live_versions():
        former = before.get(path)
        found.files += 1
        found.chunks += chunks
        found.changed += former is not None and former.id != file_id
        same += former is not None
    found.added, found.removed = found.files - same, len(before) - same
    if found.added and found.removed:
        paths, added = set[str](), Counter[bytes]()
        for _, path, digest, _ in catalog.live_versions():
            if path in before:
                paths.add(path)
            else:
                added[digest] += 1
        removed = Counter(record.hash for path, record in before.items() if path not in paths)
        found.moved = (added & removed).total()
    return found


class _Update:
    """One update. It opens the embedder only when a text must be embedded, because loading a model is slow."""

    def __init__(
        self,
        index: Path,
        options: IndexOptions,
        open_embedder: OpenEmbedder,
        observer: Observer,
        reading: ExtractOptions,
        limits: IndexLimits,
        engine: UpdatedEngine | None,
        open_images: OpenImageEmbedder,
        measure_scale: MeasureScale,
        *,
        quick: bool,
    ) -> None:
        self.quick = quick
        self._measure_scale = measure_scale
        self._open_images = open_images
        self._images: ImageEmbedder | None = None
        self.index = index
        self.engine = engine
        self.options = options
        self.observer = observer
        self.reading = reading
        self.limits = limits
        self._open_embedder = open_embedder
        self._embedder: Embedder | None = None
        self._first: IndexSettings | None = None  # of a new index
        self._keywords_first = False

    def open_first_embedder(self) -> None:
        """Open the embedder of a new index and check its settings, before anything is written."""
        self._embedder = self._open_embedder(self.options.spec)
        self._first = new_settings(self.options, self._embedder.fingerprint)
        if self.quick:
            self._embedder, self._first = open_interim(self._first, self._open_embedder)
        self._open_named_images()

    def open_catalog(self) -> Catalog:
        """Return the catalog, open for writing. Create it with the settings of the options if it is missing."""
        if self._first is None or (self.index / CATALOG_FILE).exists():
            return Catalog.open_to_write(self.index)
        return Catalog.create(self.index, self._first.to_catalog())

    def update(
        self, catalog: Catalog, sources: Sequence[Source], started: float, *, walk: WalkOptions, retry: bool
    ) -> UpdateSummary:
        settings = IndexSettings.from_catalog(catalog, renewing=True)
        self._check_options(catalog, settings)
        record_named_sources(self.index, sources)
        renew_keywords(catalog, settings, self.observer, self.limits)
        sweep(catalog)
        if self.quick:
            settings = begin_interim(catalog, settings, self._open_embedder, self.observer)
        changes = scan(
            self.index,
            catalog,
            settings,
            sources,
            self.observer,
            self.reading,
            self.limits,
            walk=walk,
            retry=retry,
            open_pictures=self._open_pictures,
            analyze=True,
        )
        with closing(changes.stager):
            try:
                changes.stager.stage_block()
                self._keywords_first = self._is_large(catalog, settings, changes)
                embed = self._embed_after_keywords if self._keywords_first else self._embed
                embedded, reused = embed(catalog, settings, changes)
            except ModelError:  # what is complete is searchable while the provider is away
                self._commit(catalog, changes)
                raise
        interrupted = self.observer.should_stop()
        self._commit(catalog, changes, last=not interrupted)
        if self._images is not None and not interrupted:
            model = load_image_model(catalog)
            if model is not None and measure_picture_scale(catalog, model, self._images) and self.engine is not None:
                self.engine.push(catalog)
        uncompacted = not interrupted and not compact_until_stopped(catalog, self.observer, self.limits)
        sweep(catalog)
        interim = None
        if settings.coming is not None and not interrupted and not uncompacted:
            interim = self._replace_interim(catalog, settings)
        live, counts = changes.live, changes.counts()
        after = _compare(live, catalog)
        partly, textless = count_incomplete(catalog)
        return UpdateSummary(
            index=self.index,
            files=after.files,
            chunks=after.chunks,
            added=after.added - after.moved,
            changed=after.changed,
            unchanged=counts.unchanged,
            removed=after.removed - after.moved,
            moved=after.moved,
            skipped=counts.skipped,
            failed=counts.failed,
            embedded=embedded,
            reused=reused,
            pending=count_unembedded(catalog),
            unread=changes.stager.unread,
            uncompacted=uncompacted,
            interrupted=interrupted or uncompacted or (interim is not None and not interim.replaced),
            seconds=time.perf_counter() - started,
            partly=partly,
            textless=textless,
            outside=outside_paths(self.index.parent, catalog_sources(self.index.parent, catalog)),
            interim=interim,
        )

    def _replace_interim(self, catalog: Catalog, settings: IndexSettings) -> InterimSummary:
        """Replace the interim vectors, which all chunks have now."""
        static, coming = settings.fingerprint.model, settings.target.fingerprint.model
        chunks = sum(record.live_rows for record in catalog.segments())
        if chunks:
            self._measure_scale(catalog, self._open(settings))
            self.observer.interim_ready(static, coming, chunks)
        embedder = self._open_embedder(self.options.spec_for(settings))
        done = replace_interim(catalog, settings, embedder, self.observer, self.limits)
        self._embedder = None
        if done.replaced:
            compact_until_stopped(catalog, self.observer, self.limits)  # replaces vectors by codes, if only these stay
            sweep(catalog)
        return done

    def _check_options(self, catalog: Catalog, settings: IndexSettings) -> None:
        refuse_other_options(str(self.index), settings, self.options)
        if self._first is not None:  # another process may have made the index meanwhile
            refuse_other_model(str(self.index), settings.target, self._first.target.fingerprint)
            if settings.fingerprint != self._first.fingerprint:
                self._embedder = None
        elif self.options.model is not None or self.options.base_url is not None:
            self._refuse_other_model(settings)
            if self.options.base_url is not None:  # the same model at another address
                with catalog.transaction():
                    catalog.put_setting("base_url", self.options.base_url)
        self._set_image_model(catalog)
        for name in ("ann", "vectors"):
            choice = getattr(self.options, name)
            if choice not in (None, getattr(settings, name)):
                with catalog.transaction():
                    catalog.put_setting(name, choice)

    def _open_named_images(self) -> "ImageEmbedder | None":
        """Return the embedder of the image model that the options name, or None if they name none."""
        named = self.options.image_model
        if named in (None, NO_MODEL):
            return None
        require_pillow()
        if self._images is None:
            self._images = self._open_images(str(named))
        return self._images

    def _set_image_model(self, catalog: Catalog) -> None:
        """Make the index's image model the one that the options name, if they name one."""
        present, images = load_image_model(catalog), self._open_named_images()
        if self.options.image_model == NO_MODEL and present is not None:
            store_image_model(catalog, None)
        if images is not None:
            model = ImageModel(str(self.options.image_model), images.fingerprint)
            if model != present:
                store_image_model(catalog, model)

    def _open_pictures(self, model: ImageModel) -> PictureEmbedding:
        """Open the index's image model. Raises IndexMismatchError if it has changed."""
        if self._images is None:
            self._images = self._open_images(model.name)
        refuse_other_image_model(str(self.index), model, self._images.fingerprint)
        return PictureEmbedding(model, self._images)

    def _commit(self, catalog: Catalog, changes: Changes, *, last: bool = False) -> None:
        removals = changes.removals(self.index.parent)
        terms = changes.stager.terms
        commit_staged(catalog, removals, last=last, keywords=self._keywords_first, limits=self.limits, terms=terms)
        if self.engine is not None:
            self.engine.push(catalog)

    def _is_large(self, catalog: Catalog, settings: IndexSettings, changes: Changes) -> bool:
        """Return True if keywords must be committed first: embedding takes long, or has been stopped before.

        Static models embed about as fast as files are read, so that nothing would be gained. Engines that keep the
        index elsewhere need all vectors.
        """
        if self.engine is not None:
            return False
        if len(live_chunks_without_vectors(catalog)[0]):
            return True
        more = changes.stager.unread > 0 or catalog.count_unembedded() > self.limits.chunks_per_block
        return more and (settings.fingerprint.provider != "static" or settings.coming is not None)

    def _embed_after_keywords(self, catalog: Catalog, settings: IndexSettings, changes: Changes) -> tuple[int, int]:
        """Commit the keywords of all files, then embed chunks, the most useful first. Return the same as `_embed`."""
        reused = self._commit_keywords(catalog, changes)
        waiting = embedding_order(catalog, *unembedded_chunks(catalog))
        embedded = done = committed = 0
        for block in text_blocks(catalog, waiting, self.limits.chunks_per_block):
            if self.observer.should_stop():
                break
            report = partial(self._report, done, len(waiting))
            found = embed_block(catalog, lambda: self._open(settings), block, self.observer, report)
            embedded, reused = embedded + found.embedded, reused + found.reused
            done += found.embedded + found.reused
            if done - committed >= self.limits.chunks_per_commit:
                self._commit(catalog, changes)
                committed = done
        return embedded, reused

    def _commit_keywords(self, catalog: Catalog, changes: Changes) -> int:
        """Read all files, and commit their texts and keywords in steps that grow.

        Chunks get their vectors if the index has them already. Return the number of these. The last commit also removes
        the files that no longer exist.
        """
        reused, step = 0, self.limits.chunks_per_block
        is_last = False
        while not is_last and not self.observer.should_stop():
            changes.stager.stage_block(step)
            if has_vectors(catalog):
                without = frozenset(live_chunks_without_vectors(catalog)[0].tolist())
                for block in staged_blocks(catalog, self.limits.chunks_per_block):
                    others = reuse_vectors(catalog, block, without_vectors=without)
                    reused += len(block) - sum(map(len, others.values()))
            is_last = not changes.stager.unread and not self.observer.should_stop()
            self._commit(catalog, changes, last=is_last)
            step = min(2 * step, self.limits.chunks_per_keyword_commit)
        return reused

    def _embed(self, catalog: Catalog, settings: IndexSettings, changes: Changes) -> tuple[int, int]:
        """Stage files and embed their chunks block by block. Commit after each `chunks_per_commit` chunks.

        Worker processes read further files while a block is embedded. Return two numbers: of texts that were embedded,
        and of chunks that got the vector of an equal text.
        """
        embedded = reused = committed = 0
        blocks = staged_blocks(catalog, self.limits.chunks_per_block)
        while not self.observer.should_stop():
            changes.stager.stage_block()
            block = None if self.observer.should_stop() else next(blocks, None)
            if block is None:
                break
            done = embedded + reused
            report = partial(self._report, done, done + catalog.count_unembedded())
            known = None if self.engine is None else self.engine.known_vectors
            found = embed_block(catalog, lambda: self._open(settings), block, self.observer, report, known)
            embedded, reused = embedded + found.embedded, reused + found.reused
            if embedded + reused - committed >= self.limits.chunks_per_commit:
                self._commit(catalog, changes)
                committed = embedded + reused
        return embedded, reused

    def _report(self, before: int, total: int, done: int) -> None:
        self.observer.progress(Progress("embedding", before + done, total))

    def _open(self, settings: IndexSettings) -> Embedder:
        """Return the embedder that makes the index's vectors: as long as these are interim ones, the static model."""
        if self._embedder is None:
            spec = self.options.spec_for(settings) if settings.coming is None else settings.spec
            self._embedder = self._open_embedder(spec)
            refuse_other_model(str(self.index), settings, self._embedder.fingerprint)
        return self._embedder

    def _refuse_other_model(self, settings: IndexSettings) -> None:
        """Raise IndexMismatchError if the options name another model than the index's."""
        if settings.coming is None:
            self._open(settings)
            return
        coming = self._open_embedder(self.options.spec_for(settings))
        refuse_other_model(str(self.index), settings.target, coming.fingerprint)
