"""`vsearch index`: one run from paths to a committed generation."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vsearch_core import config
from vsearch_core.embed.base import Embedder, OpenEmbedder
from vsearch_core.errors import InputError, ModelError
from vsearch_core.index.commit import Leaving, commit_staged, sweep
from vsearch_core.index.compaction import compact_until_stopped
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.renewal import renew_keywords
from vsearch_core.index.settings import (
    IndexOptions,
    IndexSettings,
    chunk_sizes,
    new_settings,
    refuse_other_model,
    refuse_other_options,
)
from vsearch_core.index.sources import (
    Known,
    Plan,
    Source,
    Walk,
    choose_walk,
    is_within,
    make_plan,
    source_from_json,
    source_to_json,
    stored_path,
)
from vsearch_core.index.staging import Stager, embed_block, tried
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.model import EmbedderSpec
from vsearch_core.store.catalog import Catalog, FileRecord
from vsearch_core.store.connections import refuse_lost_catalog
from vsearch_core.store.files import make_folder, refuse_non_utf8_path
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.skipped import load_skipped
from vsearch_core.store.states import count_incomplete, incomplete_files
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.discover import DiscoverOptions, discover
from vsearch_core.text.extract.options import ExtractOptions

CHUNKS_A_COMMIT = 4096  # so much becomes searchable at a time; fewer segments to merge against more to wait for


@dataclass(frozen=True, slots=True)
class UpdateSummary:
    """What a run did.

    Of the files: `moved` are neither `added` nor `removed`; `failed` could not be read, `skipped` hold nothing to read;
    a run that was stopped has left some `unread`. `partly` of all `files` could be read in part only, `textless` hold
    no text. Of the chunks: `embedded` were, `reused` got the vector that the same text had already, `pending` have none
    yet. `uncompacted` says that everything is indexed, and the run was stopped while it merged segments.
    """

    index: Path
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


def update_index(
    index: Path,
    sources: Sequence[Source],
    options: IndexOptions,
    open_embedder: OpenEmbedder,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    *,
    retry: bool = False,
    reading: ExtractOptions = ExtractOptions(),  # noqa: B008 - frozen
) -> UpdateSummary:
    """Bring the index up to date with the sources, or, without any, with all that were indexed before.

    Files that could not be read before, or in part only, are read again when they have changed, or when `reading` has
    what they lacked; with `retry`, all of them.

    Commits every CHUNKS_A_COMMIT chunks and at the end; stopped at any point, it keeps what it has, and the next run
    goes on from there. Raises InputError, IndexNotFoundError where an index has lost its catalog, IndexLockedError,
    IndexMismatchError, IndexVersionError, ModelError, StorageError, and StoppedError when the observer says stop while
    an earlier analyzer's keywords are made anew.
    """
    started = time.perf_counter()
    run = Run(index, options, open_embedder, observer, reading)
    if is_fresh(index, sources, options):
        run.open_first_embedder()
    with storage_errors(index):
        make_folder(index)
        with writer_lock(index), closing(run.open_catalog()) as catalog:
            return run.update(catalog, sources, started, retry=retry)


def is_fresh(index: Path, sources: Sequence[Source], options: IndexOptions) -> bool:
    """Whether there is no index yet. Raises InputError, before anything is made, for what can't be done."""
    for path in (index, *(source.path for source in sources)):
        refuse_non_utf8_path(path)
    with storage_errors(index):
        fresh = not (index / CATALOG_FILE).exists()
        refuse_lost_catalog(index)
    if fresh and not sources:
        raise InputError("index", "there is no index here yet, so there is nothing to refresh", "name a file or folder")
    for source in sources:
        discover([source.path], source.options or DiscoverOptions())  # raises for a missing path and for a bad pattern
    ChunkOptions(*chunk_sizes(options))  # and these for what is wrong with them
    Analysis(options.language or config.LANGUAGE)
    return fresh


@dataclass(frozen=True, slots=True)
class Intake:
    """What a run found: the files that were `live` before, what there is to do, and who reads and stages it."""

    live: Mapping[str, FileRecord]
    plan: Plan
    walk: Walk
    stager: Stager


class Run:
    """One run's settings and, once something needs it, its embedder: an unchanged folder loads no model."""

    def __init__(
        self,
        index: Path,
        options: IndexOptions,
        open_embedder: OpenEmbedder,
        observer: Observer,
        reading: ExtractOptions,
    ) -> None:
        self.index = index
        self.root = index.parent
        self.options = options
        self.observer = observer
        self.reading = reading
        self._open_embedder = open_embedder
        self._embedder: Embedder | None = None

    def open_first_embedder(self) -> None:
        """Open the embedder that a new index will have, before anything is made: it may not be there."""
        self._embedder = self._open_embedder(self.options.spec)
        new_settings(self.options, self._embedder.fingerprint)  # raises what is wrong with them

    def open_catalog(self) -> Catalog:
        """The catalog, made with the requested settings where there is none."""
        if self._embedder is None or (self.index / CATALOG_FILE).exists():
            return Catalog.open_to_write(self.index)
        settings = new_settings(self.options, self._embedder.fingerprint)
        return Catalog.create(self.index, settings.to_catalog())

    def update(self, catalog: Catalog, sources: Sequence[Source], started: float, *, retry: bool) -> UpdateSummary:
        settings = IndexSettings.from_catalog(catalog, renewing=True)
        refuse_other_options(str(self.index), settings, self.options)
        if self._embedder is not None:  # another process made the index meanwhile
            refuse_other_model(str(self.index), settings, self._embedder.fingerprint)
        elif self.options.model is not None or self.options.base_url is not None:
            self._open(settings)
            if self.options.base_url is not None:  # the same model has moved
                catalog.put_setting("base_url", self.options.base_url)
        renew_keywords(catalog, settings, self.observer)
        sweep(catalog)
        taken = self.take_in(catalog, settings, sources, retry=retry)
        live, plan, walk, stager = taken.live, taken.plan, taken.walk, taken.stager
        staged = stager.result
        with closing(stager):
            try:
                embedded, reused = self._embed(catalog, settings, taken)
            except ModelError:  # what is complete is found while the provider is away
                commit_staged(catalog, settings.analysis, self._leaving(taken))
                raise
        interrupted = self.observer.should_stop()
        commit_staged(catalog, settings.analysis, self._leaving(taken), last=not interrupted)
        uncompacted = not interrupted and not compact_until_stopped(catalog, self.observer)
        sweep(catalog)
        after = catalog.files(live=True)
        added = Counter(after[path].hash for path in after.keys() - live.keys())
        removed = Counter(live[path].hash for path in live.keys() - after.keys())
        moved = (added & removed).total()
        binary = sum(file.binary for file in plan.passed_over)
        partly, textless = count_incomplete(catalog)
        return UpdateSummary(
            index=self.index,
            files=len(after),
            chunks=sum(record.chunks for record in after.values()),
            added=added.total() - moved,
            changed=sum(after[path].id != record.id for path, record in live.items() if path in after),
            unchanged=plan.unchanged + staged.touched,
            removed=removed.total() - moved,
            moved=moved,
            skipped=len(plan.skipped) + binary + staged.binary,
            failed=len(plan.unreadable) + len(plan.passed_over) - binary + staged.failed + len(walk.missing),
            embedded=embedded,
            reused=reused,
            pending=catalog.count_unembedded(),
            unread=stager.unread,
            uncompacted=uncompacted,
            interrupted=interrupted or uncompacted,
            seconds=time.perf_counter() - started,
            partly=partly,
            textless=textless,
        )

    def take_in(self, catalog: Catalog, settings: IndexSettings, sources: Sequence[Source], *, retry: bool) -> Intake:
        """Find what has changed, and begin to read it; whoever asks closes the stager."""
        live = catalog.files(live=True)
        readers = () if retry else (tried(), *map(tried, self.reading.unset))
        incomplete = incomplete_files(catalog) if retry or self.reading.ocr else {}
        known = Known(live, catalog.files(live=False), load_skipped(catalog), readers, incomplete)
        plan, walk = self._plan(catalog, sources, known)
        chunk_options = ChunkOptions(settings.chunk_words, settings.overlap_words)
        return Intake(live, plan, walk, Stager(catalog, plan, live, chunk_options, self.observer, self.reading))

    def _leaving(self, taken: Intake) -> Leaving:
        """What is known by now to leave the index."""
        deleted = [stored_path(self.root, source.path) for source in taken.walk.deleted]
        return Leaving([*taken.plan.gone, *taken.stager.result.gone], deleted)

    def _plan(self, catalog: Catalog, sources: Sequence[Source], files: Known) -> tuple[Plan, Walk]:
        """What there is to do, and the sources that it was found in."""
        known = [source_from_json(self.root, path, options) for path, options in catalog.sources().items()]
        walk = choose_walk(self.root, sources, known, files.live)
        plan = make_plan(self.index, walk, files)
        for source in sources:
            catalog.put_source(stored_path(self.root, source.path), source_to_json(source))
        for source in walk.missing:
            self.observer.source_missing(stored_path(self.root, source.path))
        held = [str(self.root / path) for path in (*files.live, *files.staged)] if plan.unreadable else []
        for unreadable in plan.unreadable:
            kept = any(is_within(path, [str(unreadable.path)]) for path in held)
            tell = self.observer.file_kept if kept else self.observer.file_failed
            tell(stored_path(self.root, unreadable.path), unreadable.reason)
        for skipped in plan.skipped:
            self.observer.file_skipped(stored_path(self.root, skipped.path), skipped.reason)
        for passed in plan.passed_over:
            kept = passed.path in files.live or passed.path in files.staged
            unread = self.observer.file_kept if kept else self.observer.file_failed
            (self.observer.file_skipped if passed.binary else unread)(passed.path, passed.reason)
        return plan, walk

    def _embed(self, catalog: Catalog, settings: IndexSettings, taken: Intake) -> tuple[int, int]:
        """Stage the files and give their chunks vectors, in turn, committing every so many chunks.

        Workers read on while a block is embedded. Returns how many chunks were embedded, and how many reused.
        """
        embedded = reused = committed = after = 0
        while not self.observer.should_stop():
            taken.stager.stage_block()
            if self.observer.should_stop():
                break
            done = embedded + reused
            show = partial(self._show, done, done + catalog.count_unembedded())
            block = embed_block(catalog, lambda: self._open(settings), after, self.observer, show)
            if block is None:
                break
            after, embedded, reused = block.last, embedded + block.embedded, reused + block.reused
            if embedded + reused - committed >= CHUNKS_A_COMMIT:
                commit_staged(catalog, settings.analysis, self._leaving(taken))
                committed = embedded + reused
        return embedded, reused

    def _show(self, before: int, total: int, done: int) -> None:
        self.observer.progress(Progress("embedding", before + done, total))

    def spec(self, settings: IndexSettings) -> EmbedderSpec:
        """The embedder that an index's run opens: its own, where the command line does not say where it is now."""
        spec = settings.spec
        return replace(spec, model=self.options.model or spec.model, base_url=self.options.base_url or spec.base_url)

    def _open(self, settings: IndexSettings) -> Embedder:
        if self._embedder is None:
            self._embedder = self._open_embedder(self.spec(settings))
            refuse_other_model(str(self.index), settings, self._embedder.fingerprint)
        return self._embedder
