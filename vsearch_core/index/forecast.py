"""What `vsearch index` would do, and send to whom: the run itself, on a copy of the catalog, up to the embedding."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from vsearch_core.embed.base import OpenEmbedder
from vsearch_core.embed.open import recipient
from vsearch_core.embed.tokens import BYTES_PER_TOKEN, COST_PER_TOKEN
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.index.re_embedding import live_texts, wanted
from vsearch_core.index.settings import (
    IndexOptions,
    IndexSettings,
    new_settings,
    refuse_other_chunking,
    refuse_other_options,
)
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.sources import Source
from vsearch_core.index.staging import CHUNKS_A_BLOCK
from vsearch_core.index.writer import Run, is_fresh
from vsearch_core.model import EmbedderSpec, Fingerprint
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.text.extract.options import ExtractOptions

SECONDS_A_REQUEST = 1.0  # to a provider elsewhere
_SAMPLE = 8  # chunks that are embedded, where that is done on this machine, to see how long it takes


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do. Files are counted as by `Summary`, but for those that moved: they are `new` and `gone`.

    `embed` of the `chunks` that are new would be embedded, with `tokens` by BYTES_PER_TOKEN; the others' texts are
    known to the index. What other projects share is left out of account.
    `recipient` would be sent them, in so many `requests`; None: nobody.
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


def forecast(
    index: Path,
    sources: Sequence[Source],
    options: IndexOptions,
    open_embedder: OpenEmbedder,
    observer: Observer = Observer(),  # noqa: B008 - frozen
    *,
    retry: bool = False,
    reading: ExtractOptions = ExtractOptions(),  # noqa: B008 - frozen
) -> Forecast:
    """What `update_index` would do with the same arguments. Nothing is sent, nothing is written to the index.

    `open_embedder` is called for an embedder on this machine only. Takes room for a copy of the catalog among the
    temporary files. Raises what `update_index` raises, and StoppedError.
    """
    run = Run(index, options, open_embedder, observer, reading)
    fresh = is_fresh(index, sources, options)
    with storage_errors(index), _rehearsal(index, options if fresh else None) as catalog:
        settings = IndexSettings.from_catalog(catalog)
        refuse_other_options(str(index), settings, options)
        taken = run.take_in(catalog, settings, sources, retry=retry)
        with closing(taken.stager) as stager:
            stager.stage_all()
        if observer.should_stop():
            raise StoppedError
        texts = _Texts(_staged(catalog))
        staged = catalog.files(live=False)
        changed = sum(path in taken.live for path in staged)
        binary = sum(file.binary for file in taken.plan.passed_over)
        unread = len(taken.plan.unreadable) + len(taken.plan.passed_over) - binary
        plain = _forecast(index, options.spec if fresh else run.spec(settings), open_embedder, texts)
        return replace(
            plain,
            new=len(staged) - changed,
            changed=changed,
            gone=len(taken.plan.gone) + len(stager.result.gone),
            unchanged=taken.plan.unchanged + stager.result.touched,
            skipped=len(taken.plan.skipped) + binary + stager.result.binary,
            failed=unread + stager.result.failed + len(taken.walk.missing),
        )


def forecast_re_embedding(
    index: Path,
    options: IndexOptions,
    open_embedder: OpenEmbedder,
    observer: Observer = Observer(),  # noqa: B008 - frozen
) -> Forecast:
    """What `re_embed_index` would do with the same arguments, were there nothing yet; as `forecast`."""
    with storage_errors(index), open_snapshot(index) as snapshot:
        refuse_other_chunking(str(index), snapshot.settings, options)
        spec = wanted(snapshot.settings, options)
        made_so = _is_made_by(snapshot.settings, spec, open_embedder)
        blocks = () if made_so else live_texts(snapshot.catalog, CHUNKS_A_BLOCK)
        texts = _Texts((text, False) for block in blocks for text in block)
        if observer.should_stop():
            raise StoppedError
        plain = _forecast(index, spec, open_embedder, texts)
        return replace(plain, unchanged=len(snapshot.catalog.files(live=True)))


def _is_made_by(settings: IndexSettings, spec: EmbedderSpec, open_embedder: OpenEmbedder) -> bool:
    """Whether the index has that embedder's vectors already; of one elsewhere, by its name alone."""
    if spec != settings.spec:
        return False
    return recipient(spec) is not None or open_embedder(spec).fingerprint == settings.fingerprint


def _forecast(index: Path, spec: EmbedderSpec, open_embedder: OpenEmbedder, texts: "_Texts") -> Forecast:
    """What embedding the texts takes; of files nothing."""
    host = recipient(spec)
    requests = 0 if host is None else -(-texts.distinct // _texts_a_request(spec))
    return Forecast(
        **dict.fromkeys(("new", "changed", "gone", "unchanged", "skipped", "failed"), 0),
        index=index,
        chunks=texts.chunks,
        embed=texts.distinct,
        bytes=texts.bytes,
        tokens=texts.tokens,
        provider=spec.provider,
        model=spec.model,
        recipient=host,
        requests=requests,
        seconds=_seconds(open_embedder, spec, texts) if host is None else requests * SECONDS_A_REQUEST,
    )


def at_rate_limits(plan: Forecast, rpm: int | None, tpm: int | None) -> Forecast:
    """The plan at so many requests and tokens a minute, to a provider elsewhere. The first minute's go at once."""
    if plan.recipient is None:
        return plan
    counted = plan.embed if plan.provider == "gemini" else plan.requests  # each text is a request to Gemini's quota
    amounts = ((counted, rpm), (plan.tokens * COST_PER_TOKEN, tpm))
    minutes = [amount / limit - 1 for amount, limit in amounts if limit is not None]
    return replace(plan, seconds=max(plan.seconds, *(60 * each for each in minutes), 0.0))


def _texts_a_request(spec: EmbedderSpec) -> int:
    from vsearch_core.embed.remote import gemini, openai
    from vsearch_core.embed.remote.credentials import same_address

    if spec.provider == "gemini":
        return gemini.TEXTS_PER_REQUEST
    return openai.TEXTS_PER_REQUEST[same_address(spec.base_url or openai.HOME, openai.HOME)]


@contextmanager
def _rehearsal(index: Path, options: IndexOptions | None) -> Iterator[Catalog]:
    """A copy of the index's catalog that may be written to; of an index still to be `requested`, what it begins as."""
    with TemporaryDirectory(prefix="vsearch-plan-") as folder:
        if options is None:
            with closing(Catalog.open_to_read(index)) as source:
                source.copy_to(Path(folder))
            catalog = Catalog.open_to_write(Path(folder), label=index)
        else:
            nobody = Fingerprint(options.spec.provider, "", "", options.dimension or 1, "")
            catalog = Catalog.create(Path(folder), new_settings(options, nobody).to_catalog(), label=index)
        with closing(catalog):
            yield catalog


def _staged(catalog: Catalog) -> Iterator[tuple[str, bool]]:
    """The texts of the staged chunks that have no vector, and whether another chunk has had each embedded."""
    after = 0
    while block := catalog.unembedded(after, CHUNKS_A_BLOCK):
        after = block[-1][0]
        for chunk_id, text in block:
            yield text, catalog.find_embedded_copy(chunk_id) is not None


class _Texts:
    """What there is to embed of texts, each with whether its vector is known."""

    def __init__(self, texts: Iterable[tuple[str, bool]]) -> None:
        self.chunks = self.bytes = 0
        self.sample: list[str] = []
        seen: set[bytes] = set()
        for text, known in texts:
            self.chunks += 1
            data = text.encode("utf-8", "surrogatepass")
            digest = blake2b(data, digest_size=16).digest()
            if known or digest in seen:
                continue
            seen.add(digest)
            self.bytes += len(data)
            if len(self.sample) < _SAMPLE:
                self.sample.append(text)
        self.distinct = len(seen)

    @property
    def tokens(self) -> int:
        return -(-self.bytes // BYTES_PER_TOKEN)


def _seconds(open_embedder: OpenEmbedder, spec: EmbedderSpec, texts: _Texts) -> float:
    """How long this machine would take for all, going by how long it takes for some."""
    if not texts.sample:
        return 0.0
    embedder = open_embedder(spec)
    embedder.embed_queries(texts.sample[:1])  # loads the model
    started = time.perf_counter()
    for _ in embedder.embed_documents(texts.sample):
        pass
    share = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts.sample) / max(1, texts.bytes)
    return (time.perf_counter() - started) / share if share else 0.0
