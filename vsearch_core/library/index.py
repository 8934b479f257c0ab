"""The class `Index`: each method of it does what one command does."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from vsearch_core.errors import InputError, ModelError, StorageError
from vsearch_core.library.embedders import Embedders
from vsearch_core.library.evaluating import Evaluating
from vsearch_core.library.options import (
    UpdateOptions,
    absolute,
    parse_run_options,
)
from vsearch_core.library.readers import IndexReader, LocalReaders, ReaderPool

if TYPE_CHECKING:
    from vsearch_core.embed.base import Embedder, OpenEmbedder
    from vsearch_core.evaluate.dataset import Dataset
    from vsearch_core.evaluate.feedback import Verdict
    from vsearch_core.evaluate.tune import TuningResult
    from vsearch_core.index.check import CheckReport
    from vsearch_core.index.compaction import CompactionSummary
    from vsearch_core.index.forecast import Forecast
    from vsearch_core.index.originals import Original
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.push import PushSummary
    from vsearch_core.index.re_embedding import ReEmbedSummary
    from vsearch_core.index.removal import RemovalSummary
    from vsearch_core.index.settings import IndexOptions
    from vsearch_core.index.snapshot import Snapshot
    from vsearch_core.index.status import Status
    from vsearch_core.index.transfer import TransferSummary
    from vsearch_core.index.watch import UpdateFailed, WatchStarted
    from vsearch_core.index.writer import UpdateSummary
    from vsearch_core.library.joined import JoinedIndexes
    from vsearch_core.search.fusion import Fusion
    from vsearch_core.search.tuned import TunedFusion
    from vsearch_core.store.catalog import Catalog
    from vsearch_core.store.check import Fault
    from vsearch_core.store.states import FileState


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of `Index.tune`.

    `learned` is the fusion learned from the queries, with its quality; `present` is the fusion that it was compared
    with. `stored` is True if the index now uses the learned fusion.
    """

    learned: "TuningResult"
    present: "Fusion"
    stored: bool


def _measure_interim_scale(catalog: "Catalog", embedder: "Embedder") -> None:
    from vsearch_core.evaluate.measure_scale import refresh_scale_of

    refresh_scale_of(catalog, embedder)


class Index(Evaluating["Snapshot"]):
    """An index of documents. `open_index` returns it; use it in a `with` statement, or call `close`.

    Any number of threads may use one `Index` at once. Each search sees exactly one generation of the index, the state
    that one commit left. A method that changes the index makes its changes visible to later searches of this object.
    Changes that other objects or processes commit become visible after `refresh`.

    Every method raises IndexNotFoundError, IndexVersionError, IndexMismatchError, IndexCorruptError or StorageError if
    it can't read the index. A method that writes raises IndexLockedError if another writer is at work.
    """

    def __init__(
        self,
        path: Path,
        requested: "IndexOptions",
        embedders: Embedders,
        observer: "Observer",
        *,
        share_vectors: bool,
        cache_dir: Path | None,
        read_examples: bool = True,
        readers: "ReaderPool[Snapshot] | None" = None,
    ) -> None:
        """Create the object from the arguments that `open_index` prepares. Call that instead."""
        from vsearch_core.index.snapshot import open_snapshot

        readers = readers or LocalReaders((path,), partial(open_snapshot, path), observer.compiling)
        super().__init__(embedders, readers, read_examples=read_examples)
        self.path = path
        self._requested = requested
        self._observer = observer
        self._share_vectors = share_vectors
        self._cache_dir = cache_dir

    def join(self, others: Iterable[str | Path]) -> "JoinedIndexes":
        """Return this index and the indexes at the paths `others`, to search them as one.

        Queries are embedded by this index's embedder. Of the others, those whose vectors another embedder made are
        searched by keywords only. Both objects must be closed. Raises IndexNotFoundError and StorageError.
        """
        from vsearch_core.library.joined import JoinedIndexes
        from vsearch_core.library.opening import existing_index

        paths = (self.path, *map(existing_index, others))
        return JoinedIndexes(paths, self._embedders, self._observer, read_examples=self._read_examples)

    def __repr__(self) -> str:
        """Return the class and the path of the index folder."""
        return f"Index({str(self.path)!r})"

    @property
    def root(self) -> Path:
        """The parent of the index folder. Relative paths of files start from it."""
        return self.path.parent

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Make commits of the block visible to later searches, even if the block raises an exception."""
        try:
            yield
        finally:
            self._readers.renew()

    def _original(self, reader: "IndexReader[Snapshot]", path: str) -> "Original":
        from vsearch_core.index.originals import find_original

        return find_original(self.path, reader.snapshot.catalog, path)

    def _reread(self, index: str | None, paths: Sequence[str], deadline: float) -> "Mapping[str, str]":
        from vsearch_core.library.freshness import reread_until

        with self._changing():
            return reread_until(deadline, self.path, paths, self._embedders.open_for)

    def _opener(self, *, share_vectors: bool = False) -> "OpenEmbedder":
        """Return a function that opens embedders for an update. With `share_vectors`, it uses the shared cache."""
        if not share_vectors:
            return self._embedders.open
        from vsearch_core.index.sharing import sharing

        return sharing(self._embedders.open, self._cache_dir)

    # Methods that change the index

    def update(self, paths: Iterable[str | Path] = (), **options: Unpack[UpdateOptions]) -> "UpdateSummary":
        """Index new and changed files, and remove deleted ones. Create the index if it doesn't exist yet.

        Unchanged files are not read again. If the call is interrupted, the index keeps the work that is committed, and
        the next call continues from there.

        Args:
            paths: Files and folders to index; if there are none, and no documents in `options`, all paths of earlier
                calls.
            options: See `UpdateOptions`. A call without `quick` continues what one with it has begun. Without `paths`,
                `include` and the like replace those of all earlier paths.

        Raises:
            InputError: A path doesn't exist, a glob is malformed, or `paths` is empty and there is no index yet.
            IndexMismatchError: The index was made with other settings or another model than `open_index` was called
                with.
            ModelError: The embedder can't be opened, or fails. Vectors that were made before are kept.
        """
        from vsearch_core.index.choices import record_origin
        from vsearch_core.index.writer import update_index

        sources, run = parse_run_options(paths, options)
        with self._changing():
            record_origin(self.path)
            opener = self._opener(share_vectors=self._share_vectors)
            summary = update_index(
                self.path,
                sources,
                self._requested,
                opener,
                self._observer,
                open_images=self._embedders.images.open,
                measure_scale=_measure_interim_scale,
                **run,
            )
            if (summary.embedded or summary.interim) and not summary.interrupted:
                self._measure_vector_scale()
            return summary

    def re_embed(self) -> "ReEmbedSummary":
        """Replace all vectors with vectors from the embedder that was passed to `open_index`.

        Searches use the old vectors until all new ones are ready. If the call is stopped, the index keeps its old
        vectors, and the next call reuses the new vectors made so far. Fusion that was tuned for the old vectors is
        deleted.

        Raises:
            IndexMismatchError: `open_index` was called with other chunk settings than the index has.
            ModelError: The embedder can't be opened, or fails.
        """
        from vsearch_core.index.re_embedding import re_embed_index

        with self._changing():
            opener = self._opener(share_vectors=self._share_vectors)
            summary = re_embed_index(self.path, self._requested, opener, self._observer)
            if not summary.interrupted:
                self._measure_vector_scale()
            return summary

    def _measure_vector_scale(self) -> None:
        """Measure the scale of vector scores, on which confidence depends for other models than the default one.

        The update has succeeded already. If the model fails now, keywords alone decide the confidence.
        """
        from vsearch_core.evaluate.measure_scale import refresh_scale

        embedder = self._embedders.opened
        if embedder is not None:
            with suppress(ModelError):
                refresh_scale(self.path, embedder)

    def remove(self, paths: Iterable[str | Path]) -> "RemovalSummary":
        """Remove files and folders from the index. `update` leaves them out until it is called with them again.

        The files themselves are not touched, and need not exist. Documents that the index keeps itself are deleted. If
        the index has nothing at one of the paths, raise InputError and remove nothing.
        """
        from vsearch_core.index.removal import remove_paths

        with self._changing():
            return remove_paths(self.path, [absolute(path) for path in paths], self._observer)

    def compact(self) -> "CompactionSummary":
        """Merge all segments of the index into one without deleted rows, and free unused disk space."""
        from vsearch_core.index.compaction import compact_index

        with self._changing():
            return compact_index(self.path, self._observer)

    # Evaluating and tuning

    def record_verdict(self, query: str, place: str, *, good: bool = True) -> "Verdict":
        """Store a user's verdict that a file or chunk answers a query or, if `good` is false, doesn't.

        `place` is "FILE" or "FILE:LINE". Returns the verdict. Raises InputError for an empty query, a file that
        is not indexed, or a line that the file doesn't have.
        """
        from datetime import UTC, datetime

        from vsearch_core.evaluate.feedback import Verdict, record_verdict
        from vsearch_core.index.named_files import NamedPlace
        from vsearch_core.search.request import clean_query

        text = clean_query(query)
        with self._readers.lend() as reader:
            path, named = self._finder(reader).find_place(place)
        if named != NamedPlace(named.name):
            self.read(place)  # raises for a line or a page that the file doesn't have
        at = datetime.now(UTC).isoformat(timespec="seconds")
        verdict = Verdict(text, path, named.first, good, at, named.page, named.sheet, named.member)
        record_verdict(self.path, verdict)
        return verdict

    def verdicts(self) -> "tuple[list[Verdict], int]":
        """Return the stored verdicts, oldest first, and the number of damaged records, which are left out."""
        from vsearch_core.evaluate.feedback import read_verdicts

        return read_verdicts(self.path)

    def known_item_queries(self, count: int) -> "Dataset":
        """Generate `count` test queries from the index's own chunks, each with the chunk that answers it."""
        from vsearch_core.evaluate.known_items import known_item_queries

        with self._readers.lend() as reader:
            return known_item_queries(reader.snapshot, count)

    def tune(
        self,
        dataset: "Dataset",
        *,
        fusion: str | None = None,
        alpha: float | None = None,
        document_id: Callable[[str], str] = str,
        dry_run: bool = False,
    ) -> "Tuning":
        """Learn the best fusion of vector and keyword scores from queries with known answers.

        Store it in the index if it is significantly better than the present one, by cross-validation: on queries that
        it was not learned from.

        Args:
            dataset: Queries and the documents that answer them.
            fusion: The fusion to compare with, as for `search`; by default the one that the index uses.
            alpha: The alpha of that fusion.
            document_id: As for `evaluate`.
            dry_run: Store nothing.

        Raises:
            InputError: There are too few queries to learn from.
        """
        from vsearch_core.evaluate.run import embed_dataset
        from vsearch_core.evaluate.tune import MIN_QUERIES, store_fusion, tune_fusion
        from vsearch_core.search.tuned import fusion_for

        if len(dataset.queries) < MIN_QUERIES:
            count = len(dataset.queries)
            reason = f"{count} judged {'query is' if count == 1 else 'queries are'} too few to learn from"
            raise InputError(str(self.path), reason, code="too-few-queries", least=MIN_QUERIES)
        with self._readers.lend() as reader:
            present = fusion_for(reader.snapshot.catalog, fusion, alpha)
            embed = embed_dataset(dataset, self._embedders.open_for(reader.snapshot.settings))
            learned = tune_fusion(reader.searcher, embed, dataset, document_id, present)
        stored = learned.wins and not dry_run
        if stored:
            with self._changing():
                store_fusion(self.path, learned.setting)
        return Tuning(learned, present, stored)

    def reset_tuning(self) -> None:
        """Delete the fusion that `tune` stored, so that searches use the default fusion again."""
        from vsearch_core.evaluate.tune import store_fusion

        with self._changing():
            store_fusion(self.path, None)

    # Methods that leave the index as it is

    def plan(
        self,
        paths: Iterable[str | Path] = (),
        *,
        rpm: int | None = None,
        tpm: int | None = None,
        **options: Unpack[UpdateOptions],
    ) -> "Forecast":
        """Return a forecast of `update` with the same arguments: files, chunks, time, and text sent to a provider.

        Nothing is sent, and nothing is written to the index. `rpm` and `tpm` are the requests and tokens per minute
        that a remote embedder allows. Raises the same errors as `update`.
        """
        from vsearch_core.index.forecast import at_rate_limits, forecast

        sources, run = parse_run_options(paths, options)
        planned = forecast(self.path, sources, self._requested, self._opener(), self._observer, **run)
        return at_rate_limits(planned, rpm, tpm)

    def plan_re_embed(self, *, rpm: int | None = None, tpm: int | None = None) -> "Forecast":
        """Return a forecast of `re_embed`. The arguments and the result are as for `plan`."""
        from vsearch_core.index.forecast import at_rate_limits, forecast_re_embedding

        planned = forecast_re_embedding(self.path, self._requested, self._opener(), self._observer)
        return at_rate_limits(planned, rpm, tpm)

    def watch(
        self, **options: Unpack[UpdateOptions]
    ) -> "Generator[WatchStarted | UpdateFailed | UpdateSummary, None, None]":
        """Update the index whenever its files change, until the observer's `should_stop` returns True.

        Yield WatchStarted when watching begins or its folders change, the summary of each update, and UpdateFailed for
        an error after which the update is tried again. Raises ArgumentError at once if the package watchfiles is not
        installed.
        """
        from vsearch_core.index.watch import require_watchfiles, watch_index

        require_watchfiles()
        return watch_index(self.path, lambda: self.update((), **options), self._observer.should_stop)

    def check(self, *, full: bool = False) -> "CheckReport":
        """Check the index for damage, and return a report of all faults.

        A full check reads every byte. Damage is part of the report, and not raised as an error.
        """
        from vsearch_core.index.check import check_index
        from vsearch_core.search.recall import recall_faults

        report = check_index(self.path, full=full, recall=recall_faults)
        return replace(report, faults=(*report.faults, *self._feedback_faults())) if full else report

    def _feedback_faults(self) -> "list[Fault]":
        from vsearch_core.evaluate.feedback import FEEDBACK_FILE, SIZE_FILE, damaged_lines, lost_bytes
        from vsearch_core.store.check import Fault

        path = self.path / FEEDBACK_FILE
        try:
            lines, lost = damaged_lines(self.path), lost_bytes(self.path)
        except StorageError as error:
            return [Fault(error.subject, error.reason)]
        faults = [Fault(f"{path}:{number}", "is damaged: its checksum differs") for number in lines]
        if lost is None:
            faults.append(Fault(str(self.path / SIZE_FILE), "is damaged: its checksum differs"))
        elif lost:
            faults.append(Fault(str(path), f"has lost {lost:,} of the bytes that were written"))
        return faults

    def status(self) -> "Status":
        """Return the number of files and chunks in the index, its settings, and its size on disk."""
        from vsearch_core.index.status import read_status

        with self._readers.lend() as reader:
            return read_status(reader.snapshot)

    def statuses(self) -> "tuple[Status, ...]":
        """Return the status of each index that this object searches, which is one; see `JoinedIndexes.statuses`."""
        return (self.status(),)

    def files(self) -> "Iterator[FileState]":
        """Yield each file that updates have met, sorted by path, with its state and the reason for it.

        The states are indexed, partly (indexed), keywords, pending, skipped and failed.
        """
        from vsearch_core.index.status import read_states

        with self._readers.lend() as reader:
            yield from read_states(reader.snapshot)

    def tuned(self) -> "TunedFusion | None":
        """Return the fusion that `tune` stored in the index, or None."""
        from vsearch_core.search.tuned import load_tuned_fusion

        with self._readers.lend() as reader:
            return load_tuned_fusion(reader.snapshot.catalog)

    def export(
        self, target: str | Path | Callable[[bytes | memoryview], object], *, replace: bool = False
    ) -> "TransferSummary":
        """Write the current generation of the index to an archive, which `import_index` can read on any machine.

        Args:
            target: The file to write; or a function that is called with successive blocks of the archive.
            replace: Replace a file that exists, as soon as the archive is complete.

        Raises:
            InputError: `target` can't be written: it is a folder, is inside the index, or exists already.
        """
        from vsearch_core.library.archives import export_to_file, export_to_function

        if callable(target):
            return export_to_function(self.path, target)
        return export_to_file(self.path, absolute(target), replace=replace)

    def push(self, url: str, *, force: bool = False) -> "PushSummary":
        """Upload the current generation of the index to a store, as its current snapshot.

        Only what the store lacks is uploaded. `pull_index` and other machines get the snapshot, and `Snapshots` lists
        it. Earlier snapshots stay in the store until they are pruned.

        Args:
            url: The store: "s3://bucket/prefix", "gs://…", "az://…" or "file:///folder".
            force: Also push an index that the store's current snapshot is not a part of: neither an earlier state of
                this index, nor what it was pulled from.

        Raises:
            InputError: `url` is not a URL of a store.
            SnapshotError: The store fails, can't replace objects conditionally, or another push was quicker; or its
                current snapshot is not a part of this index, and `force` is false.
        """
        from vsearch_core.library.snapshots import push_to_store

        return push_to_store(self.path, url, force=force)
