"""Forecast an update or a re-embedding: what it would read, embed and send, and how long that takes.

The update is run on a temporary copy of the catalog up to the embedding, whose time is estimated.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vsearch_core import config
from vsearch_core.embed.base import OpenEmbedder
from vsearch_core.embed.model_files import DISTILLED
from vsearch_core.embed.open import recipient
from vsearch_core.embed.providers import OPENAI_ADDRESS
from vsearch_core.embed.tokens import BYTES_PER_TOKEN, COST_PER_TOKEN
from vsearch_core.index.interim import refuse_other_provider
from vsearch_core.index.kept_documents import keep_documents, kept_source
from vsearch_core.index.limits import DEFAULT_LIMITS, IndexLimits
from vsearch_core.index.named_sources import outside_paths
from vsearch_core.index.parts import CHUNK_IDS, FILE_IDS, read_ids
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.index.re_embedding import lacks_windows, live_texts, new_spec
from vsearch_core.index.settings import (
    IndexOptions,
    IndexSettings,
    new_settings,
    refuse_other_chunking,
    refuse_other_options,
)
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.index.sources import Source, WalkOptions, catalog_sources
from vsearch_core.index.staging import staged_blocks
from vsearch_core.index.unembedded import has_vectors, live_chunks_without_vectors, text_blocks, unembedded_chunks
from vsearch_core.index.writer import is_new_index, scan
from vsearch_core.model import EmbedderSpec, Fingerprint, RawDocument
from vsearch_core.own_files import make_own_folder
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.text.extract.options import ExtractOptions

SECONDS_PER_REQUEST = 1.0  # to a remote provider
_SAMPLE = 8  # chunks that are embedded, on this machine only, to measure the time


@dataclass(frozen=True, slots=True)
class Forecast:
    """The work that an update or a re-embedding would do.

    Files are counted as in `UpdateSummary`, but a moved file counts as `new` and as `gone` (no longer on disk).
    `chunks` is the number of new chunks. `embed` is the number of texts that must be embedded: equal texts count once,
    and texts that the index has embedded don't count. Vectors that other indexes share are not considered. These texts
    have `bytes` bytes of UTF-8, which is about `tokens` tokens. `recipient` is the host to which they would be sent in
    `requests` requests, or None if the embedder is local. `seconds` is the estimated time of the embedding alone.
    `outside` are the sources outside the folder around the index. `interim` is the static model that makes interim
    vectors first, or None if there are none; its time is not part of `seconds`.
    """

    index: Path
    new: int
    changed: int
    gone: int
    unchanged: int
    skipped: int
    failed: int
    chunks: int
    embed: int
    bytes: int
    tokens: int
    provider: str
    model: str | None
    recipient: str | None
    requests: int
    seconds: float
    outside: tuple[str, ...] = ()
    interim: str | None = None


def forecast(
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
    quick: bool = False,
) -> Forecast:
    """Return a forecast of `update_index` with the same arguments. Send nothing, and don't change the index.

    The files are read and chunked on a copy of the catalog in a temporary folder. `open_embedder` is called only if the
    embedder runs on this machine, to measure its speed. Raises the same errors as `update_index`, and StoppedError.
    """
    is_new = is_new_index(index, sources, options, has_documents=bool(documents))
    with storage_errors(index), _rehearsal(index, options if is_new else None) as catalog:
        place = index
        if documents:  # their paths are the same, as seen from the index folder
            place = _make_place(catalog.index, index.name)
            keep_documents(place, documents)
            sources = (kept_source(place, walk),)
        settings = IndexSettings.from_catalog(catalog)
        refuse_other_options(str(index), settings, options)
        interim = _interim_model(catalog, settings, observer, quick=quick)
        changes = scan(place, catalog, settings, sources, observer, reading, limits, walk=walk, retry=retry)
        with closing(changes.stager) as stager:
            stager.stage_all()
        if observer.should_stop():
            raise StoppedError
        staged, counts = catalog.files(live=False), changes.counts()
        changed = sum(path in changes.live for path in staged)
        spec = options.spec if is_new else options.spec_for(settings)
        if settings.coming is None:
            texts = _Texts(_unembedded_texts(catalog, index, limits.chunks_per_block))
        else:
            gone = {changes.live[path].id for path in staged if path in changes.live}
            gone |= {record.id for record in changes.removals(index.parent).files}
            texts = _Texts(_texts_for_coming(catalog, index, gone, limits.chunks_per_block))
        return replace(
            _forecast_embedding(index, spec, open_embedder, texts),
            new=len(staged) - changed,
            changed=changed,
            gone=counts.removed,
            unchanged=counts.unchanged,
            skipped=counts.skipped,
            failed=counts.failed,
            outside=outside_paths(index.parent, catalog_sources(index.parent, catalog)),
            interim=interim,
        )


def _interim_model(catalog: Catalog, settings: IndexSettings, observer: Observer, *, quick: bool) -> str | None:
    """Return the name of the static model that makes interim vectors, or None. Raises ArgumentError."""
    if quick:
        refuse_other_provider(settings.target)
    if settings.coming is not None:
        return settings.model
    if not quick:
        return None
    if has_vectors(catalog):
        observer.not_quick(settings.fingerprint.model)
        return None
    return DISTILLED + (settings.model or config.MODEL)


def forecast_re_embedding(
    index: Path,
    options: IndexOptions,
    open_embedder: OpenEmbedder,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    limits: IndexLimits = DEFAULT_LIMITS,
) -> Forecast:
    """Return a forecast of `re_embed_index` with the same arguments. Send nothing, and don't change the index.

    The progress of an earlier run that was stopped is not considered.
    """
    with storage_errors(index), open_snapshot(index) as snapshot:
        refuse_other_chunking(str(index), snapshot.settings, options)
        spec = new_spec(snapshot.settings, options)
        is_done = _is_made_by(snapshot, spec, open_embedder)
        blocks = () if is_done else live_texts(snapshot.catalog, limits.chunks_per_block)
        texts = _Texts((text, lambda: None) for block in blocks for text in block)
        if observer.should_stop():
            raise StoppedError
        embedding = _forecast_embedding(index, spec, open_embedder, texts)
        return replace(embedding, unchanged=len(snapshot.catalog.files(live=True)))


def _is_made_by(snapshot: Snapshot, spec: EmbedderSpec, open_embedder: OpenEmbedder) -> bool:
    """Return True if the embedder made the index's vectors. A remote embedder is compared by name only."""
    if spec != snapshot.settings.spec or snapshot.settings.coming is not None:
        return False
    if recipient(spec) is not None:
        return True
    embedder = open_embedder(spec)
    is_same = embedder.fingerprint == snapshot.settings.fingerprint
    return is_same and not lacks_windows(snapshot.catalog, embedder)


def _forecast_embedding(index: Path, spec: EmbedderSpec, open_embedder: OpenEmbedder, texts: "_Texts") -> Forecast:
    """Return the forecast of embedding the texts; all its counts of files are 0."""
    host = recipient(spec)
    requests = 0 if host is None else -(-texts.distinct // _texts_per_request(spec))
    return Forecast(
        new=0,
        changed=0,
        gone=0,
        unchanged=0,
        skipped=0,
        failed=0,
        index=index,
        chunks=texts.chunks,
        embed=texts.distinct,
        bytes=texts.bytes,
        tokens=texts.tokens,
        provider=spec.provider,
        model=spec.model,
        recipient=host,
        requests=requests,
        seconds=_seconds(open_embedder, spec, texts) if host is None else requests * SECONDS_PER_REQUEST,
    )


def at_rate_limits(plan: Forecast, rpm: int | None, tpm: int | None) -> Forecast:
    """Return the forecast with the time that a remote provider's rate limits require.

    `rpm` and `tpm` are the allowed requests and tokens per minute; None means no limit.
    """
    if plan.recipient is None:
        return plan
    counted = plan.embed if plan.provider == "gemini" else plan.requests  # each text is a request to Gemini's quota
    amounts = ((counted, rpm), (plan.tokens * COST_PER_TOKEN, tpm))
    minutes = [amount / limit - 1 for amount, limit in amounts if limit is not None]
    return replace(plan, seconds=max(plan.seconds, *(60 * each for each in minutes), 0.0))


def _texts_per_request(spec: EmbedderSpec) -> int:
    from vsearch_core.embed.remote import gemini, openai
    from vsearch_core.embed.remote.credentials import same_address

    if spec.provider == "gemini":
        return gemini.TEXTS_PER_REQUEST
    return openai.TEXTS_PER_REQUEST[same_address(spec.base_url or OPENAI_ADDRESS, OPENAI_ADDRESS)]


def _make_place(folder: Path, name: str) -> Path:
    """Make a folder with the name of the index in a temporary folder, and return it."""
    place = folder / "documents" / name
    make_own_folder(place.parent)
    make_own_folder(place)
    return place


@contextmanager
def _rehearsal(index: Path, options: IndexOptions | None) -> Iterator[Catalog]:
    """Yield a writable copy of the index's catalog or, with options of a new index, an empty catalog."""
    with TemporaryDirectory(prefix="vsearch-plan-") as folder:
        if options is None:
            with closing(Catalog.open_to_read(index)) as source:
                source.copy_to(Path(folder))
            catalog = Catalog.open_to_write(Path(folder), label=index)
        else:
            unknown = Fingerprint(options.spec.provider, "", "", options.dimension or 1, "")
            catalog = Catalog.create(Path(folder), new_settings(options, unknown).to_catalog(), label=index)
        with closing(catalog):
            yield catalog


def _unembedded_texts(catalog: Catalog, index: Path, block_chunks: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield, for each chunk without a vector, its text and a function that finds a copy with a vector.

    `index` is the folder of the segments.
    """
    without_vectors = frozenset(live_chunks_without_vectors(catalog, index)[0].tolist())
    live = text_blocks(catalog, unembedded_chunks(catalog, index)[0], block_chunks)
    for chunk_id, text in chain.from_iterable(chain(live, staged_blocks(catalog, block_chunks))):
        yield text, partial(catalog.find_embedded_copy, chunk_id, without_vectors)


def _texts_for_coming(
    catalog: Catalog, index: Path, gone: set[int], block_chunks: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the text of each chunk, and a function that finds no vector: those that are made already don't count.

    `index` is the folder of the segments. The chunks of the files `gone` are left out.
    """
    ids = [np.empty(0, np.int64)]
    for record in catalog.segments():
        stays = record.alive & ~np.isin(read_ids(index, record, FILE_IDS), list(gone))
        ids.append(read_ids(index, record, CHUNK_IDS)[stays])
    live = text_blocks(catalog, np.concatenate(ids), block_chunks)
    for _, text in chain.from_iterable(chain(live, staged_blocks(catalog, block_chunks))):
        yield text, lambda: None


class _Texts:
    """Counts the distinct texts to embed; `sample` are the first of them.

    Each text comes with a function that returns a copy that has a vector, or None if the text must be embedded.
    """

    def __init__(self, texts: Iterable[tuple[str, Callable[[], object]]]) -> None:
        self.chunks = self.bytes = self.distinct = 0
        self.sample: list[str] = []
        seen: set[bytes] = set()  # digests: to look for a copy of each of many equal texts would be quadratic
        for text, find_copy in texts:
            self.chunks += 1
            data = text.encode("utf-8", "surrogatepass")
            digest = blake2b(data, digest_size=16).digest()
            if digest in seen:
                continue
            seen.add(digest)
            if find_copy() is not None:
                continue
            self.distinct += 1
            self.bytes += len(data)
            if len(self.sample) < _SAMPLE:
                self.sample.append(text)

    @property
    def tokens(self) -> int:
        return -(-self.bytes // BYTES_PER_TOKEN)


def _seconds(open_embedder: OpenEmbedder, spec: EmbedderSpec, texts: _Texts) -> float:
    """Estimate the seconds that this machine takes for all texts, by embedding the sample."""
    if not texts.sample:
        return 0.0
    embedder = open_embedder(spec)
    embedder.embed_queries(texts.sample[:1])  # loads the model
    started = time.perf_counter()
    for _ in embedder.embed_documents(texts.sample):
        pass
    share = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts.sample) / max(1, texts.bytes)
    return (time.perf_counter() - started) / share if share else 0.0
