"""The public API of the library: `open_index`, and the `Index` that it returns."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

from vsearch_core.config import CONFIG_FILE, EMBEDDER, INDEX_DIR, MODEL, MODES, RERANKED
from vsearch_core.errors import ArgumentError, IndexNotFoundError, InputError, StorageError

if TYPE_CHECKING:
    from datetime import datetime

    from vsearch_core.embed.base import Embedder, OpenEmbedder
    from vsearch_core.evaluate.dataset import Dataset
    from vsearch_core.evaluate.feedback import Verdict
    from vsearch_core.evaluate.report import EvaluationReport
    from vsearch_core.evaluate.trec import Run
    from vsearch_core.evaluate.tune import TuningResult
    from vsearch_core.index.check import CheckReport
    from vsearch_core.index.compaction import CompactionSummary
    from vsearch_core.index.forecast import Forecast
    from vsearch_core.index.named_files import FileFinder
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.re_embedding import ReEmbedSummary
    from vsearch_core.index.removal import RemovalSummary
    from vsearch_core.index.repair import RepairSummary
    from vsearch_core.index.settings import IndexOptions, IndexSettings
    from vsearch_core.index.snapshot import Snapshot
    from vsearch_core.index.sources import Source
    from vsearch_core.index.status import Status
    from vsearch_core.index.transfer import TransferSummary
    from vsearch_core.index.watch import UpdateFailed, WatchStarted
    from vsearch_core.index.writer import UpdateSummary
    from vsearch_core.model import EmbedderSpec
    from vsearch_core.search.duplicates import Duplicates
    from vsearch_core.search.filters import Filters
    from vsearch_core.search.fusion import Fusion
    from vsearch_core.search.pipeline import EmbeddedQuery, EmbedQuery
    from vsearch_core.search.request import SearchRequest
    from vsearch_core.search.rerank import Rerank
    from vsearch_core.search.results import Results
    from vsearch_core.search.rocchio import Example
    from vsearch_core.search.stored_text import StoredText
    from vsearch_core.search.tuned import TunedFusion
    from vsearch_core.search.verify import Verification
    from vsearch_core.store.check import Fault
    from vsearch_core.store.states import FileState

_FILTER_NAMES = frozenset(("where", "path", "ext", "since", "until"))
MAX_IDLE_READERS = 8  # open snapshots that are kept for later searches; each maps the index's files

Consent = Callable[["EmbedderSpec", str], bool]
Approve = Callable[[Mapping[str, str]], bool]


class UpdateOptions(TypedDict, total=False):
    """The options of `Index.update`.

    Attributes:
        include: Globs as in .gitignore; only files that match one are indexed.
        exclude: Globs of files to leave out; they take precedence over `include`.
        use_ignore_files: Obey .gitignore, .ignore and .vsearchignore files; True by default.
        max_file_size: The size in bytes above which a file is left out; 50 MB by default.
        walk_defaults: Any of the four options above. They apply to paths of earlier calls that were added without
            these options. Without `walk_defaults`, such paths keep the options of their last update.
        retry: Read again all files that an earlier update couldn't read, or read only in part.
        password: A password to try on encrypted files.
        ocr: Recognise text in PDF pages that are only images, with the program ocrmypdf.
        secrets: Also index files that contain private keys.
    """

    include: Sequence[str]
    exclude: Sequence[str]
    use_ignore_files: bool
    max_file_size: int
    walk_defaults: "Mapping[str, Any]"
    retry: bool
    password: str
    ocr: bool
    secrets: bool


class FilterOptions(TypedDict, total=False):
    """Options that restrict a search to some files.

    Attributes:
        where: An SQL condition on path, name, ext, dir, size, mtime, language, title and the files' metadata, such as
            "ext = 'md' AND size < 9000".
        path: Globs as in a .gitignore, relative to `Index.root`, such as "docs/*" or ["*.md", "!drafts/"].
        ext: File extensions: ["md", "py"], or "md,py". A file needs one of them.
        since: The earliest modification time: "2026-01-31", "30d" (30 days ago) or a datetime.
        until: The latest modification time, in the same forms.
    """

    where: str | None
    path: str | Sequence[str] | None
    ext: str | Sequence[str]
    since: "str | datetime | None"
    until: "str | datetime | None"


class SearchOptions(FilterOptions, total=False):
    """Options of a search, in addition to those of `FilterOptions`.

    Attributes:
        k: The maximum number of hits to return; 10 by default.
        mode: "hybrid" (the default), "vector" or "keyword".
        fusion: The way in which hybrid search combines vector and keyword scores: "convex" (a weighted sum) or "rrf"
            (reciprocal rank fusion). By default the fusion that the index was tuned with, else "convex".
        alpha: The weight of vector scores in convex fusion, from 0 to 1.
        min_score: The minimum score of a hit.
        min_confidence: The minimum confidence of a hit, from 0 to 1, in mode "hybrid" without examples.
        group_by_file: Return only the best hit of each file.
        plain: Treat quotes, +, - and * in the query as punctuation, not as operators.
        more_like: Examples that hits should resemble: files ("FILE") or single chunks ("FILE:LINE").
        less_like: Examples that hits should not resemble.
        collapse: Return only the best of several near-duplicate hits.
        diversity: A number from 0 (order by score alone) to 1 (prefer hits that differ from the hits above them).
        context: The number of chunks to return from before and after each hit.
        max_tokens: The maximum number of tokens of all hits together; further hits are shortened or left out.
        rerank: A cross-encoder from `open_reranker`, which scores the best candidates again.
        exact: Compare the query with every vector, instead of searching a graph.
        ef_search: The number of candidates that a graph search keeps; more make it slower and more accurate.
    """

    k: int
    mode: str
    fusion: str | None
    alpha: float | None
    min_score: float | None
    min_confidence: float | None
    group_by_file: bool
    plain: bool
    more_like: "Sequence[str | Example]"
    less_like: "Sequence[str | Example]"
    collapse: bool
    diversity: float
    context: int
    max_tokens: int | None
    rerank: "Rerank | None"
    exact: bool
    ef_search: int | None


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of `Index.tune`.

    `learned` is the fusion learned from the queries, with its quality; `present` is the fusion that it was compared
    with. `stored` is True if the index now uses the learned fusion.
    """

    learned: "TuningResult"
    present: "Fusion"
    stored: bool


def open_index(
    path: str | Path,
    *,
    create: bool = False,
    embedder: str | None = None,
    model: str | None = None,
    dimension: int | None = None,
    base_url: str | None = None,
    chunk_words: int | None = None,
    overlap_words: int | None = None,
    language: str | None = None,
    api_key: str | None = None,
    default_base_urls: Mapping[str, str] | None = None,
    cache_dir: str | Path | None = None,
    open_embedder: "OpenEmbedder | None" = None,
    consent: Consent | None = None,
    approve: Approve | None = None,
    share_vectors: bool = False,
    observer: "Observer | None" = None,
) -> "Index":
    """Return the index at `path`. Its files are opened when one of its methods is called for the first time.

    Args:
        path: A folder of documents, whose index is the subfolder `.vsearch`; or an index folder itself.
        create: Allow a path without an index; the first call of `Index.update` creates it.
        embedder: The kind of embedder: "local", "static", "sentence-transformers", "gemini" or "openai". A new index
            gets "local" by default. For an existing index, this and the next six arguments must be None or match its
            settings. `Index.re_embed` changes the index's embedder to the first four.
        model: The model's name, or the folder that contains it.
        dimension: The length of the vectors, if the model offers several.
        base_url: The address of a remote embedder, if it is not the provider's own.
        chunk_words: The approximate number of words in a chunk.
        overlap_words: The number of words that neighbouring chunks share.
        language: The language to stem keywords in, such as "en"; "auto" detects it for each chunk, "none" turns
            stemming off.
        api_key: The key for a remote embedder. It is sent only to the provider's own address, and to an address that
            this call names or `consent` allows.
        default_base_urls: The addresses of remote embedders by provider, used if neither `base_url` nor the index gives
            one.
        cache_dir: The folder for prepared models and shared vectors; by default the platform's cache folder.
        open_embedder: A function that opens the embedder for an `EmbedderSpec`, instead of the library's own embedders.
        consent: A function that is called with the `EmbedderSpec` and an address, such as
            "https://api.openai.com/v1", before any text is sent there; it returns False to refuse. By default, text is
            sent only to an embedder that this call names.
        approve: A function that is called before an embedder is opened that the index names and the user has never
            chosen on this machine. Its argument maps the new settings ("embedder", "model", "base_url") to their
            values; it returns False to refuse. By default, such an embedder is refused, unless `open_embedder` is
            given, which can then refuse it itself.
        share_vectors: Share the vectors of equal texts with the user's other indexes, by a file in the cache folder.
        observer: Callbacks that report the progress of long methods and can stop them.

    Raises:
        IndexNotFoundError: There is no index at `path`, and `create` is false.
        StorageError: The folder can't be read.
    """
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.settings import IndexOptions

    folder = index_folder(path)
    if not create and not folder.is_dir():
        raise IndexNotFoundError(str(path), "there is no index here")
    if model is not None and Path(model).is_dir():
        model = str(_absolute(model))
    urls = default_base_urls or {}
    requested = IndexOptions(embedder, model, chunk_words, overlap_words, language, dimension, base_url, urls)

    def named_in_this_call(spec: "EmbedderSpec", _address: str) -> bool:
        return (embedder, base_url or urls.get(spec.provider)) == (spec.provider, spec.base_url)

    cache = None if cache_dir is None else Path(cache_dir)
    embedders = _Embedders(
        folder,
        open_embedder or _opener(base_url, api_key, cache),
        consent or named_in_this_call,
        None if approve is None and open_embedder is not None else _Choices(folder, requested, cache, approve),
        base_url,
    )
    return Index(folder, requested, embedders, observer or Observer(), share_vectors=share_vectors, cache_dir=cache)


def index_folder(path: str | Path) -> Path:
    """Return the absolute path of the index folder for `path`, whether it exists or not.

    If `path` is a folder of documents, the index folder is its subfolder `.vsearch`, because an index is never mixed
    with a user's files. Otherwise `path` is the index folder itself. Raises StorageError.
    """
    from vsearch_core.store.io_errors import file_errors

    folder = _absolute(path)
    inner = folder / INDEX_DIR
    with file_errors(folder):
        is_project = inner.is_dir() or (folder.name != INDEX_DIR and folder.is_dir() and _has_documents(folder))
    return inner if is_project else folder


def _has_documents(folder: Path) -> bool:
    """Return True if the folder contains anything that is not a file of an index."""
    from vsearch_core.store.connections import has_lost_catalog
    from vsearch_core.store.lock import GIT_IGNORE, HOLDER_FILE, LOCK_FILE
    from vsearch_core.store.segment import SEGMENTS_DIR
    from vsearch_core.store.tables import CATALOG_FILE

    ours = (CATALOG_FILE, HOLDER_FILE, CONFIG_FILE, GIT_IGNORE)
    names = {path.name for path in folder.iterdir() if not path.name.startswith(ours)}
    begun = {LOCK_FILE, SEGMENTS_DIR} if LOCK_FILE in names else set()  # left by an interrupted import
    return not (folder / CATALOG_FILE).exists() and not has_lost_catalog(folder) and not names <= begun


def _opener(base_url: str | None, api_key: str | None, cache_dir: Path | None) -> "OpenEmbedder":
    """Return a function that opens the library's own embedders for a caller who named `base_url`."""

    def opener(spec: "EmbedderSpec") -> "Embedder":
        from vsearch_core.embed.open import open_embedder, recipient
        from vsearch_core.embed.remote.credentials import Credentials

        # Only an address that the caller agreed to gets the key: an index made elsewhere may name any.
        trusted_url = base_url or (spec.base_url if recipient(spec) else None)
        return open_embedder(spec, credentials=Credentials(api_key, trusted_url), cache_dir=cache_dir)

    return opener


class _Embedders:
    """Opens embedders after the caller's consent, and keeps the last one, because loading a model is slow."""

    def __init__(
        self,
        index: Path,
        open_embedder: "OpenEmbedder",
        consent: Consent,
        choices: "_Choices | None",
        base_url: str | None = None,
    ) -> None:
        self._index = index
        self._open_embedder = open_embedder
        self._consent = consent
        self._choices = choices
        self._base_url = base_url  # replaces that of the index
        self._agreed: EmbedderSpec | None = None
        self._opened: tuple[EmbedderSpec, Embedder] | None = None
        self._lock = Lock()

    def require_permission(self, spec: "EmbedderSpec") -> None:
        """Raise InputError if the user never chose the embedder, or refuses to send text to its remote address."""
        if spec == self._agreed or (spec.provider == EMBEDDER and spec.model in {None, MODEL}):
            return  # the default: this imports nothing
        from vsearch_core.embed.open import recipient_address

        address = recipient_address(spec)
        if self._choices is not None:
            self._choices.require(spec)
        if address is not None and not self._consent(spec, address):
            raise InputError(os.path.realpath(self._index), f"nothing was sent to {address}", code="no-consent")
        self._agreed = spec

    def open(self, spec: "EmbedderSpec") -> "Embedder":
        """Return the embedder that `spec` describes, and open it if it isn't open yet."""
        self.require_permission(spec)
        with self._lock:
            if self._opened is None or self._opened[0] != spec:
                from vsearch_core.embed.base import LockedEmbedder
                from vsearch_core.embed.foreign_errors import crashes

                with crashes("embedder"):
                    self._opened = spec, LockedEmbedder(self._open_embedder(spec))
            return self._opened[1]

    def embed_query(self, settings: "IndexSettings", text: str) -> "EmbeddedQuery":
        """Embed a query with the embedder that made the index's vectors, and return its vector.

        Raises IndexMismatchError if the model has changed since then, and ModelError.
        """
        from vsearch_core.search.pipeline import query_embedding

        return query_embedding(self.open_for(settings))(text)

    def is_open(self, spec: "EmbedderSpec") -> bool:
        """Return True if the embedder is open already."""
        return self._opened is not None and self._opened[0] == spec

    def spec_for(self, settings: "IndexSettings") -> "EmbedderSpec":
        """Return the specification of the index's embedder, at the caller's address if there is one."""
        return settings.spec if self._base_url is None else replace(settings.spec, base_url=self._base_url)

    def open_for(self, settings: "IndexSettings") -> "Embedder":
        """Return the embedder that made the index's vectors.

        Raises IndexMismatchError if the model has changed since then, and ModelError.
        """
        from vsearch_core.index.settings import refuse_other_model

        embedder = self.open(self.spec_for(settings))
        refuse_other_model(str(self._index), settings, embedder.fingerprint)
        return embedder


@dataclass(frozen=True, slots=True)
class _Choices:
    """Refuses embedders that an index names and the user has never chosen on this machine."""

    index: Path
    requested: "IndexOptions"
    cache_dir: Path | None
    approve: Approve | None

    def require(self, spec: "EmbedderSpec") -> None:
        """Raise InputError unless the user has chosen the embedder, or approves of it now."""
        from vsearch_core.index.choices import record_choice, unchosen, unchosen_error

        new = unchosen(self.index, spec, self.requested, self.cache_dir)
        if new and not (self.approve and self.approve(new)):
            raise unchosen_error(self.index, new)
        record_choice(self.index, spec)


class _EmbeddingAhead:
    """Embeds a text in a background thread, so that a search can begin while the model is loaded."""

    def __init__(self, embed: "EmbedQuery", text: str) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._embed, self._text = embed, text
        executor = ThreadPoolExecutor(1)
        self._embedded = executor.submit(embed, text)
        executor.shutdown(wait=False)

    def __call__(self, text: str) -> "EmbeddedQuery":
        return self._embedded.result() if text == self._text else self._embed(text)


class _IndexReader:
    """A snapshot of one generation and its searcher, for one thread at a time.

    After use, a reader returns to the pool unless the pool has begun a new epoch.
    """

    def __init__(self, index: Path, epoch: int, engine_starting: Callable[[], None]) -> None:
        from vsearch_core.index.snapshot import open_snapshot
        from vsearch_core.search.local import LocalSearcher

        self.epoch = epoch
        self._stack = ExitStack()
        self.snapshot: Snapshot = self._stack.enter_context(open_snapshot(index))
        self.searcher = LocalSearcher(self.snapshot, engine_starting=engine_starting)

    def close(self) -> None:
        self._stack.close()


class _ReaderPool:
    """A pool of readers of the newest known generation.

    An epoch is the time between two generations: when a newer one is known, the pool begins a new epoch and closes the
    readers of the old one after their use.
    """

    def __init__(self, index: Path, engine_starting: Callable[[], None]) -> None:
        self._index = index
        self._engine_starting = engine_starting
        self._lock = Lock()
        self._epoch = 0
        self._state: tuple[str, int] | None = None  # of the catalog, as the epoch's readers see it, once one is open
        self._idle: list[_IndexReader] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[_IndexReader]:
        """Yield a reader, an open snapshot of the newest known generation, for the calling thread.

        Errors of SQLite and the operating system in the block become StorageError or IndexCorruptError.
        """
        from vsearch_core.store.io_errors import storage_errors

        with self._lock:
            self._refuse_closed()
            reader, epoch = self._idle.pop() if self._idle else None, self._epoch
        if reader is None:
            reader = _IndexReader(self._index, epoch, self._engine_starting)
            self._adopt(reader)
        try:
            with storage_errors(self._index):
                yield reader
        finally:
            with self._lock:
                keep = reader.epoch == self._epoch and len(self._idle) < MAX_IDLE_READERS and not self._closed
                if keep:
                    self._idle.append(reader)
            if not keep:
                reader.close()

    def _adopt(self, reader: _IndexReader) -> None:
        """Begin an epoch with a new reader if it sees a newer generation than the other readers."""
        state = reader.snapshot.catalog.state
        with self._lock:
            current = reader.epoch == self._epoch
            known, self._state = self._state, state if current else self._state
        if current and known not in {None, state}:
            reader.epoch = self.renew(state)

    def renew(self, state: tuple[str, int] | None = None) -> int:
        """Discard all readers, because a newer generation was committed. Return the number of the new epoch.

        Idle readers are closed now, and readers in use after their use. An epoch is the time between two such calls.
        """
        with self._lock:
            self._epoch += 1
            self._state = state
            epoch = self._epoch
            stale, self._idle = self._idle, []
        for reader in stale:
            reader.close()
        return epoch

    def refresh(self) -> bool:
        """Discard all readers if a newer generation was committed than they see. Return True if so."""
        from vsearch_core.store.catalog import Catalog
        from vsearch_core.store.io_errors import storage_errors

        self._refuse_closed()
        with storage_errors(self._index), closing(Catalog.open_to_read(self._index)) as catalog:
            state = catalog.state
        with self._lock:
            changed = self._state not in {None, state}
        if changed:
            self.renew(state)
        return changed

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self.renew()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise InputError(str(self._index), "this Index is closed", code="index-closed")


class Index:
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
        embedders: _Embedders,
        observer: "Observer",
        *,
        share_vectors: bool,
        cache_dir: Path | None,
    ) -> None:
        """Create the object from the arguments that `open_index` prepares. Call that instead."""
        self.path = path
        self._requested = requested
        self._embedders = embedders
        self._observer = observer
        self._share_vectors = share_vectors
        self._cache_dir = cache_dir
        self._readers = _ReaderPool(path, observer.compiling)

    def __enter__(self) -> "Index":
        """Return the index itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the index."""
        self.close()

    def __repr__(self) -> str:
        """Return the class and the path of the index folder."""
        return f"Index({str(self.path)!r})"

    def close(self) -> None:
        """Release the index's files. Searches under way end as usual; later calls raise InputError."""
        self._readers.close()

    @property
    def root(self) -> Path:
        """The parent of the index folder. Relative paths of files start from it."""
        return self.path.parent

    @property
    def generation(self) -> int:
        """The number of the generation that searches see. Each commit increases it."""
        with self._readers.lend() as reader:
            return reader.snapshot.generation

    def refresh(self) -> bool:
        """Make the newest committed generation visible to later searches. Return True if there is a newer one."""
        return self._readers.refresh()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Make commits of the block visible to later searches, even if the block raises an exception."""
        try:
            yield
        finally:
            self._readers.renew()

    def _opener(self, *, share_vectors: bool = False) -> "OpenEmbedder":
        """Return a function that opens embedders for an update. With `share_vectors`, it uses the shared cache."""
        if not share_vectors:
            return self._embedders.open
        from vsearch_core.index.sharing import sharing

        return sharing(self._embedders.open, self._cache_dir)

    # Searching

    @overload
    def search(self, query: "SearchRequest", *, snippets: bool = False) -> "Results": ...

    @overload
    def search(self, query: str, *, snippets: bool = False, **options: Unpack[SearchOptions]) -> "Results": ...

    def search(
        self, query: "str | SearchRequest", *, snippets: bool = False, **options: Unpack[SearchOptions]
    ) -> "Results":
        """Search the index for the chunks that answer a query best. Return them, best first.

        Args:
            query: The text of a query, or a complete request.
            snippets: Also select the best sentences of each hit, for `Results.snippets`.
            options: See `SearchOptions`.

        Raises:
            InputError: The query is empty, or an example in `more_like` or `less_like` is not found.
            ArgumentError: An option has an invalid value.
            FilterError: `where`, `since` or `until` can't be parsed.
            IndexMismatchError: The embedder is not the one that made the index's vectors.
            ModelError: The embedder or the reranker fails.
        """
        if options and not isinstance(query, str):
            raise ArgumentError(", ".join(options), "can't be combined with a SearchRequest", "conflicting-arguments")
        request = search_request(query, **options) if isinstance(query, str) else query
        with self._readers.lend() as reader:
            return self._search(reader, self._with_examples(reader, request), snippets=snippets)

    def search_many(
        self, queries: "Iterable[str | SearchRequest]", **options: Unpack[SearchOptions]
    ) -> "Iterator[Results]":
        """Search for several queries, and yield the results of each, all from the same generation.

        `options` apply to the queries that are text, not to those that are a `SearchRequest`. Examples in the options
        are read once. Raises the same errors as `search`.
        """
        with self._readers.lend() as reader:
            template = None
            for query in queries:
                if isinstance(query, str):
                    if template is None:
                        template = self._with_examples(reader, search_request(query, **options))
                    request = replace(template, text=query)
                else:
                    request = self._with_examples(reader, query)
                yield self._search(reader, request)

    def similar(self, place: str, *, snippets: bool = False, **options: Unpack[SearchOptions]) -> "Results":
        """Return the chunks that are most similar to a file ("FILE"), or to the chunk at "FILE:LINE".

        Chunks are compared by their vectors. A file that isn't indexed is read and embedded. Raises the same errors as
        `search`.
        """
        options = {"mode": "vector", "more_like": (place,), **options}
        return self.search(replace(search_request(place, **options), examples_only=True), snippets=snippets)

    def prepare(self, request: "SearchRequest") -> "SearchRequest":
        """Check a request that will be used for many queries, and return it with its examples loaded.

        An error in the filters, the examples or the embedder concerns every query. This method raises it before the
        first search. Raises the same errors as `search`.
        """
        with self._readers.lend() as reader:
            reader.searcher.select(request.filters)
            found = self._with_examples(reader, request)
            if request.mode != "keyword":
                self._embedders.open_for(reader.snapshot.settings)
            return found

    def duplicates(self, threshold: float = 0.8, **options: Unpack[FilterOptions]) -> "Duplicates":
        """Return groups of chunks that are equal except for small edits.

        Two chunks are near-duplicates if both similarities reach `threshold`, from 0.5 to 1: the share of five-word
        sequences that they have in common, and the cosine of their vectors. Takes about 100 MB of memory. Raises
        ArgumentError and FilterError.
        """
        from vsearch_core.search.duplicates import find_duplicates

        if not 0.5 <= threshold <= 1:
            raise ArgumentError("threshold", f"{threshold} is not between 0.5 and 1")
        filters = _filters(options)
        with self._readers.lend() as reader:
            return find_duplicates(reader.searcher, filters, threshold)

    def read(
        self,
        path: str,
        start_line: int | None = None,
        end_line: int | None = None,
        *,
        page: int | None = None,
        context: int = 0,
        max_tokens: int | None = None,
    ) -> "StoredText":
        """Return the text of an indexed file as the index stores it. The file itself is not read.

        Without line numbers, return all its text. With line numbers, return these lines. If the text is not stored line
        by line, as that of a PDF, return the text that may be from these lines. Lines that are not stored are blank.

        Args:
            path: The file, by its path on disk or as a hit names it. Without lines, also "FILE:LINE", "FILE:LINE-LINE"
                or "FILE:LINE-", and a page or rows as a hit shows them: "FILE  page 3".
            start_line: The first line, from 1.
            end_line: The last line, inclusive; `start_line` by default.
            page: Only this page, slide, sheet, message or cell.
            context: The number of lines to return in `before` and `after`.
            max_tokens: The most tokens, about, of the text and its context; the rest is cut off.

        Raises:
            InputError: The file is not indexed, or the index stores no text of the lines or the page.
        """
        from vsearch_core.search.stored_text import read_stored_text

        with self._readers.lend() as reader:
            finder = self._finder(reader)
            return read_stored_text(
                reader.searcher,
                finder,
                path,
                start_line,
                end_line,
                page=page,
                context=context,
                max_tokens=max_tokens,
            )

    def verify(self, text: str) -> "Verification":
        """Check the quotes and the citations of a text against the index. No model is loaded.

        A quote, between quotation marks or in lines that begin with ">", is *supported* if the index has its words,
        where it is cited if it is; *misattributed* if they stand elsewhere than cited; *altered* if the index has
        nearly these words; else *absent*. A citation, such as "notes/pump.md:12", is supported if the index has text
        there, else absent. Quotes of less than four words without a citation are *unchecked*.
        """
        from vsearch_core.search.verify import verify_text

        with self._readers.lend() as reader:
            finder = self._finder(reader)
            return verify_text(reader.searcher, finder, text)

    def _search(self, reader: _IndexReader, request: "SearchRequest", *, snippets: bool = False) -> "Results":
        from vsearch_core.search.pipeline import search

        embed = self._query_embedding(reader.snapshot.settings, request)
        results = search(reader.searcher, request, embed)
        if snippets:
            found = reader.searcher.excerpts(request, [hit.text for hit in results.hits])
            results = replace(results, snippets=tuple(found))
        return results

    def _query_embedding(self, settings: "IndexSettings", request: "SearchRequest") -> "EmbedQuery | None":
        """Return a function that embeds the request's text, or None if no text needs to be embedded."""
        if request.mode == "keyword" or request.examples_only:
            return None
        spec = self._embedders.spec_for(settings)
        # The caller's own thread asks the user: another one could not be interrupted.
        self._embedders.require_permission(spec)
        embed = partial(self._embedders.embed_query, settings)
        return embed if self._embedders.is_open(spec) else _EmbeddingAhead(embed, request.parsed.semantic_text)

    def _finder(self, reader: _IndexReader) -> "FileFinder":
        """Return a finder of the files that a user names, relative to the working folder or the root."""
        from vsearch_core.index.named_files import FileFinder

        return FileFinder(reader.snapshot.catalog, self.root, Path.cwd())

    def _with_examples(self, reader: _IndexReader, request: "SearchRequest") -> "SearchRequest":
        """Return the request with its examples loaded, instead of their names."""
        if not request.more_like and not request.less_like:
            return request
        from vsearch_core.search.examples import ExampleSources, resolve_examples
        from vsearch_core.text.chunk import ChunkOptions

        settings = reader.snapshot.settings
        sources = ExampleSources(
            self._finder(reader).find,
            Path.cwd(),
            ChunkOptions(settings.chunk_words, settings.overlap_words),
            lambda: self._embedders.open_for(settings),
        )
        return resolve_examples(request, reader.searcher, sources)

    # Methods that change the index

    def update(self, paths: Iterable[str | Path] = (), **options: Unpack[UpdateOptions]) -> "UpdateSummary":
        """Index new and changed files, and remove deleted ones. Create the index if it doesn't exist yet.

        Unchanged files are not read again. If the call is interrupted, the index keeps the work that is committed, and
        the next call continues from there.

        Args:
            paths: Files and folders to index; if there are none, all paths of earlier calls.
            options: See `UpdateOptions`. Without `paths`, `include` and the like replace those of all earlier paths.

        Raises:
            InputError: A path doesn't exist, a glob is malformed, or `paths` is empty and there is no index yet.
            IndexMismatchError: The index was made with other settings or another model than `open_index` was called
                with.
            ModelError: The embedder can't be opened, or fails. Vectors that were made before are kept.
        """
        from vsearch_core.index.choices import record_origin
        from vsearch_core.index.writer import update_index

        sources, run = _run_options(paths, options)
        with self._changing():
            record_origin(self.path)
            opener = self._opener(share_vectors=self._share_vectors)
            return update_index(self.path, sources, self._requested, opener, self._observer, **run)

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
            return re_embed_index(self.path, self._requested, opener, self._observer)

    def remove(self, paths: Iterable[str | Path]) -> "RemovalSummary":
        """Remove files and folders from the index. `update` leaves them out until it is called with them again.

        The files themselves are not touched, and need not exist. If the index has nothing at one of the paths, raise
        InputError and remove nothing.
        """
        from vsearch_core.index.removal import remove_paths

        with self._changing():
            return remove_paths(self.path, [_absolute(path) for path in paths], self._observer)

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
        verdict = Verdict(text, path, named.first, good, datetime.now(UTC).isoformat(timespec="seconds"))
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

    def missing_documents(self, dataset: "Dataset", document_id: Callable[[str], str] = str) -> list[str]:
        """Return the ids of the dataset's judged documents that are missing from the index.

        `document_id` is as for `evaluate`.
        """
        from vsearch_core.evaluate.dataset import missing_documents

        with self._readers.lend() as reader:
            return missing_documents(dataset, [document_id(path) for path in reader.snapshot.catalog.files(live=True)])

    def evaluate(
        self,
        dataset: "Dataset",
        *,
        modes: Sequence[str] = MODES,
        fusion: str | None = None,
        alpha: float | None = None,
        document_id: Callable[[str], str] = str,
        former: "tuple[str, Run] | None" = None,
    ) -> "EvaluationReport":
        """Measure the quality of search results, on queries with known answers.

        Args:
            dataset: Queries and the documents that answer them.
            modes: The modes of search to compare: "hybrid", "vector" or "keyword".
            fusion: As for `search`.
            alpha: As for `search`.
            document_id: A function from a stored path to the id that the dataset uses; by default the path is the id.
            former: The name and the results of an earlier run, to compare each mode with.
        """
        from vsearch_core.evaluate.report import evaluate
        from vsearch_core.evaluate.run import embed_dataset
        from vsearch_core.search.tuned import fusion_for

        _check_alpha(alpha)
        with self._readers.lend() as reader:
            embedder = None if list(modes) == ["keyword"] else self._embedders.open_for(reader.snapshot.settings)
            embed = None if embedder is None else embed_dataset(dataset, embedder)
            combined = fusion_for(reader.snapshot.catalog, fusion, alpha)
            return evaluate(reader.searcher, embed, dataset, modes, combined, document_id, former)

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

        sources, run = _run_options(paths, options)
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
        from vsearch_core.evaluate.feedback import FEEDBACK_FILE, damaged_lines
        from vsearch_core.store.check import Fault

        path = self.path / FEEDBACK_FILE
        try:
            return [
                Fault(f"{path}:{number}", "is damaged: its checksum differs") for number in damaged_lines(self.path)
            ]
        except StorageError as error:
            return [Fault(error.subject, error.reason)]

    def status(self) -> "Status":
        """Return the number of files and chunks in the index, its settings, and its size on disk."""
        from vsearch_core.index.status import read_status

        with self._readers.lend() as reader:
            return read_status(reader.snapshot)

    def files(self) -> "Iterator[FileState]":
        """Yield each file that updates have met, sorted by path, with its state and the reason for it.

        The states are indexed, partly (indexed), pending, skipped and failed.
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
        from tempfile import TemporaryDirectory

        from vsearch_core.index.transfer import export_index
        from vsearch_core.store.io_errors import file_errors

        if callable(target):
            with file_errors("temporary folder"), TemporaryDirectory() as scratch:
                return export_index(self.path, Path(scratch), target)
        return self._export_to_file(_absolute(target), replace=replace)

    def _export_to_file(self, target: Path, *, replace: bool) -> "TransferSummary":
        """Write a temporary file beside the target, and rename it once the archive is complete and durable."""
        from tempfile import TemporaryDirectory

        from vsearch_core.index.transfer import export_index
        from vsearch_core.store.files import durable_file, sync_folder
        from vsearch_core.store.io_errors import file_errors

        with file_errors(target):
            _refuse_bad_target(self.path, target, replace=replace)
            with TemporaryDirectory(prefix=".vsearch-export-", dir=target.parent) as folder:
                unfinished = Path(folder) / "archive"
                with durable_file(unfinished) as file:
                    summary = export_index(self.path, Path(folder), file.write)
                _refuse_bad_target(self.path, target, replace=replace)  # again: it may have been created meanwhile
                unfinished.replace(target)
                sync_folder(target.parent)
        return summary


def import_index(
    archive: str | Path | Callable[[int], bytes],
    path: str | Path,
    *,
    replace: bool = False,
    name: str = "archive",
) -> "TransferSummary":
    """Create an index from an archive that `Index.export` wrote, or replace an index by it.

    The archive is verified first. After an error, the former index is unchanged. Searches that use the former index can
    continue.

    Args:
        archive: The archive's file; or a function that takes a number and returns up to this many of the next bytes.
        path: The index folder, or the folder of documents around it, as for `open_index`; it need not exist.
        replace: Allow the replacement of an index that has files.
        name: The archive's name in errors, if `archive` is a function.

    Raises:
        InputError: There is an index already, and `replace` is false.
        ArchiveError: The archive is damaged, or the file is not an archive of an index.
    """
    from vsearch_core.index import transfer
    from vsearch_core.store.io_errors import file_errors

    folder = index_folder(path)
    if callable(archive):
        return transfer.import_index(folder, name, archive, replace=replace)
    file = _absolute(archive)
    with file_errors(file), file.open("rb") as stream:
        return transfer.import_index(folder, str(file), stream.read, replace=replace)


def repair_index(
    path: str | Path,
    *,
    re_embed: bool = False,
    cache_dir: str | Path | None = None,
    open_embedder: "OpenEmbedder | None" = None,
    consent: Consent | None = None,
    approve: Approve | None = None,
    observer: "Observer | None" = None,
    salvaged: Callable[["RepairSummary"], None] | None = None,
) -> "RepairSummary":
    """Repair a damaged index, and return a summary of the repair. An intact index is not changed.

    Derived data, such as keyword postings, is computed again from the texts and vectors that are intact. Damaged files
    are kept in the folder `damaged` inside the index folder.

    Args:
        path: As for `open_index`.
        re_embed: Embed the chunks that have lost their vectors now; otherwise the next `Index.update` does so.
        cache_dir: As for `open_index`.
        open_embedder: As for `open_index`.
        consent: As for `open_index`.
        approve: As for `open_index`.
        observer: As for `open_index`.
        salvaged: A function that is called with the summary so far when a damaged catalog has been replaced.

    Raises:
        IndexNotFoundError: There is no index at `path`.
        IndexCorruptError: The catalog is damaged beyond repair.
    """
    from vsearch_core.evaluate.feedback import set_damaged_lines_aside
    from vsearch_core.index import repair

    opened = open_index(
        path, cache_dir=cache_dir, open_embedder=open_embedder, consent=consent, approve=approve, observer=observer
    )
    with opened as index:
        opener = index._opener() if re_embed else None
        summary = repair.repair_index(index.path, opener, index._observer, salvaged or _ignore)
        aside = set_damaged_lines_aside(index.path)
        return replace(summary, set_aside=[*summary.set_aside, *([str(aside)] if aside else [])])


def open_reranker(model: str | Path, depth: int = RERANKED) -> "Rerank":
    """Open a cross-encoder for the option `rerank` of a search. It scores the `depth` best candidates again.

    `model` is its folder, or its name on the Hugging Face hub. Raises ModelError.
    """
    from vsearch_core.embed.cross_encoder import open_cross_encoder
    from vsearch_core.search.rerank import Rerank

    return Rerank(open_cross_encoder(str(model)), depth)


def search_request(text: str, **options: Unpack[SearchOptions]) -> "SearchRequest":
    """Make a `SearchRequest` from a query's text and the options that `Index.search` takes.

    If the text is empty, search only for chunks that resemble `more_like`. Raises InputError, ArgumentError and
    FilterError.
    """
    from vsearch_core.search.request import SearchRequest

    fields: dict[str, Any] = {name: value for name, value in options.items() if name not in _FILTER_NAMES}
    for name in ("more_like", "less_like"):
        fields[name] = tuple(fields.get(name, ()))
    examples_only = bool(fields["more_like"]) and not text
    return SearchRequest(text, filters=_filters(options), examples_only=examples_only, **fields)


def _filters(options: FilterOptions) -> "Filters":
    """Return the filters among the options. Raises FilterError."""
    from vsearch_core.search.filters import Filters, parse_date, parse_extensions, parse_globs

    def moment(name: Literal["since", "until"]) -> "datetime | None":
        value = options.get(name)
        return parse_date(value, argument=name, end_of_day=name == "until") if isinstance(value, str) else value

    return Filters(
        options.get("where"),
        parse_globs(options.get("path")),
        parse_extensions(options.get("ext", ())),
        moment("since"),
        moment("until"),
    )


def _check_alpha(alpha: float | None) -> None:
    if alpha is not None and not 0 <= alpha <= 1:
        raise ArgumentError("alpha", f"{alpha} is not between 0 and 1")


def _ignore(_: object) -> None:
    pass


def _absolute(path: str | Path) -> Path:
    """Return the absolute path without ".."; symbolic links are not resolved."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links


def _run_options(paths: Iterable[str | Path], options: UpdateOptions) -> "tuple[list[Source], dict[str, Any]]":
    """Return the sources of an update, and its options as keyword arguments of `update_index`."""
    from vsearch_core.index.sources import WalkOptions
    from vsearch_core.text.extract.ocr import require_program
    from vsearch_core.text.extract.options import ExtractOptions

    if options.get("ocr"):
        require_program()
    defaults = options.get("walk_defaults")
    walk = WalkOptions(_walk_options(options), None if defaults is None else _walk_options(defaults))
    reading = ExtractOptions(options.get("password", ""), options.get("ocr", False), options.get("secrets", False))
    sources = [walk.for_new_source(_absolute(path)) for path in paths]
    return sources, {"walk": walk, "retry": options.get("retry", False), "reading": reading}


def _walk_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the options that decide which files are found, as fields of DiscoverOptions."""
    names = ("include", "exclude", "use_ignore_files", "max_file_size")
    values = {name: options[name] for name in names if name in options}
    return {name: value if isinstance(value, int) else tuple(value) for name, value in values.items()}


def _refuse_bad_target(index: Path, target: Path, *, replace: bool) -> None:
    """Raise InputError if no archive can be written to the path."""
    if target.is_dir():
        raise InputError(str(target), "is a folder", code="not-a-file")
    if not target.parent.is_dir():
        raise InputError(str(target.parent), "there is no such folder", code="no-such-folder")
    if target.parent.resolve().is_relative_to(index.resolve()):
        raise InputError(str(target), "is inside the index folder", code="inside-the-index")
    if target.exists() and not target.is_file():
        raise InputError(str(target), "is not a regular file", code="not-a-regular-file")
    if target.exists() and not replace:
        raise InputError(str(target), "exists already", code="file-exists")
