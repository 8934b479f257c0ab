"""Give an index interim vectors, which a static model makes at once, and replace them by those of the local model.

All vectors of a generation are by one model: an index has interim vectors until a single transaction replaces them. See
docs/adr/0065-static-vectors-first.md.
"""

from dataclasses import dataclass

from vsearch_core import config
from vsearch_core.embed.base import Embedder, OpenEmbedder
from vsearch_core.embed.model_files import DISTILLED
from vsearch_core.errors import ArgumentError
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.progress import RE_EMBEDDING, Observer
from vsearch_core.index.re_embedding import ReEmbedding
from vsearch_core.index.settings import IndexSettings, refuse_other_model
from vsearch_core.index.unembedded import has_vectors
from vsearch_core.model import EmbedderSpec
from vsearch_core.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class InterimSummary:
    """The result of replacing the interim vectors of an index, or of a part of that.

    The static model `model` made them; `coming` is the model whose vectors replace them. This update embedded
    `embedded` texts with it, and earlier ones `kept`. `pending` chunks have no vector of it yet. If `replaced` is True,
    searches use its vectors now. `untuned` is True if a fusion that was tuned for the interim vectors was deleted.
    """

    model: str
    coming: str
    embedded: int
    kept: int
    pending: int
    replaced: bool
    untuned: bool


def open_interim(target: IndexSettings, open_embedder: OpenEmbedder) -> tuple[Embedder, IndexSettings]:
    """Open the static model that is distilled from an index's local one, to make interim vectors.

    Return it, and the settings of the index with these vectors. Raises ArgumentError for another kind of embedder, and
    ModelError.
    """
    refuse_other_provider(target)
    model = DISTILLED + target.model
    embedder = open_embedder(EmbedderSpec("static", model))
    return embedder, target.with_interim(embedder.fingerprint, model)


def refuse_other_provider(target: IndexSettings) -> None:
    """Raise ArgumentError if the index's embedder is no local one."""
    provider = target.fingerprint.provider
    if provider != config.EMBEDDER:
        reason = f"needs the embedder {config.EMBEDDER}, and this index has the embedder {provider}"
        raise ArgumentError("quick", reason, "option-not-applicable")


def begin_interim(
    catalog: Catalog, settings: IndexSettings, open_embedder: OpenEmbedder, observer: Observer
) -> IndexSettings:
    """Let a static model make the vectors of an existing index, if it has none yet. Return the index's settings.

    Raises ArgumentError if the index's embedder is no local one, and ModelError.
    """
    refuse_other_provider(settings.target)
    if settings.coming is not None:
        return settings
    if has_vectors(catalog):
        observer.not_quick(settings.fingerprint.model)
        return settings
    _, interim = open_interim(settings, open_embedder)
    before, after = settings.to_catalog(), interim.to_catalog()
    with catalog.transaction():
        for key in [key for key in after if after[key] != before[key]]:
            catalog.put_setting(key, after[key])
    return interim


def replace_interim(
    catalog: Catalog, settings: IndexSettings, embedder: Embedder, observer: Observer, limits: IndexLimits
) -> InterimSummary:
    """Embed all chunks with the coming model, and replace the interim vectors by one transaction.

    If the observer stops it, the index is unchanged, and the next call continues. Raises IndexMismatchError if
    `embedder` isn't the coming model, ModelError, and StorageError if there is no room for two copies of the vectors.
    """
    target = settings.target
    refuse_other_model(str(catalog.label), target, embedder.fingerprint)
    run = ReEmbedding(catalog, target, embedder, observer, limits, stage=RE_EMBEDDING)
    replaced = run.embed_and_swap()
    return InterimSummary(
        model=settings.fingerprint.model,
        coming=target.fingerprint.model,
        embedded=run.embedded,
        kept=run.kept,
        pending=0 if replaced else run.chunks - run.done,
        replaced=replaced,
        untuned=run.untuned,
    )
