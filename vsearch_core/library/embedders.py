"""The embedders of an index: opened once, after the user's consent."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from vsearch_core.config import EMBEDDER, MODEL
from vsearch_core.errors import InputError
from vsearch_core.library.images import ImageEmbedders

if TYPE_CHECKING:
    from vsearch_core.embed.base import Embedder, OpenEmbedder
    from vsearch_core.index.pictures import OpenImageEmbedder
    from vsearch_core.index.settings import IndexOptions, IndexSettings
    from vsearch_core.model import EmbedderSpec
    from vsearch_core.search.pipeline import EmbeddedQuery, EmbedQuery
    from vsearch_core.search.rescoring import DocumentVectors


Consent = Callable[["EmbedderSpec", str], bool]
Approve = Callable[[Mapping[str, str]], bool]


class Embedders:
    """Opens embedders after the caller's consent, and keeps the last one, because loading a model is slow."""

    def __init__(
        self,
        index: Path,
        requested: "IndexOptions",
        cache_dir: Path | None,
        open_embedder: "OpenEmbedder | None" = None,
        consent: Consent | None = None,
        approve: Approve | None = None,
        api_key: str | None = None,
        open_image_embedder: "OpenImageEmbedder | None" = None,
        preparing: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open nothing yet. The arguments are as for `open_index`, with its embedder and models in `requested`.

        `preparing` is that of an `Observer`.
        """
        self.images = ImageEmbedders(index, requested.image_model, cache_dir, open_image_embedder, preparing)
        base_url, urls = requested.base_url, requested.default_base_urls

        def named_in_this_call(spec: "EmbedderSpec", _address: str) -> bool:
            return (requested.embedder, base_url or urls.get(spec.provider)) == (spec.provider, spec.base_url)

        trusts_opener = approve is None and open_embedder is not None
        self._index = index
        self._open_embedder = open_embedder or _own_embedders(base_url, api_key, cache_dir)
        self._consent = consent or named_in_this_call
        self._choices = None if trusts_opener else _Choices(index, requested, cache_dir, approve)
        self._base_url = base_url
        self._agreed: EmbedderSpec | None = None
        self._opened: tuple[EmbedderSpec, Embedder] | None = None
        self._documents: tuple[Embedder, DocumentVectors] | None = None
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

    @property
    def opened(self) -> "Embedder | None":
        """Return the embedder that was opened last, or None."""
        return None if self._opened is None else self._opened[1]

    def embed_query(self, settings: "IndexSettings", text: str) -> "EmbeddedQuery":
        """Embed a query with the embedder that made the index's vectors, and return its vector.

        Raises IndexMismatchError if the model has changed since then, and ModelError.
        """
        from vsearch_core.search.pipeline import query_embedding
        from vsearch_core.search.rescoring import DocumentVectors

        embedder = self.open_for(settings)
        with self._lock:
            if self._documents is None or self._documents[0] is not embedder:
                self._documents = embedder, DocumentVectors(embedder)
            documents = self._documents[1]
        return query_embedding(embedder, documents)(text)

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


class EmbeddingAhead:
    """Embeds a text in a background thread, so that a search can begin while the model is loaded."""

    def __init__(self, embed: "EmbedQuery", text: str) -> None:
        """Begin to embed the text."""
        from concurrent.futures import ThreadPoolExecutor

        self._embed, self._text = embed, text
        executor = ThreadPoolExecutor(1)
        self._embedded = executor.submit(embed, text)
        executor.shutdown(wait=False)

    def __call__(self, text: str) -> "EmbeddedQuery":
        """Return the embedded text, as soon as it is ready."""
        return self._embedded.result() if text == self._text else self._embed(text)


def _own_embedders(base_url: str | None, api_key: str | None, cache_dir: Path | None) -> "OpenEmbedder":
    """Return a function that opens the library's own embedders for a caller who named `base_url`."""

    def opener(spec: "EmbedderSpec") -> "Embedder":
        from vsearch_core.embed.open import open_embedder, recipient
        from vsearch_core.embed.remote.credentials import Credentials

        # Only an address that the caller agreed to gets the key: an index made elsewhere may name any.
        trusted_url = base_url or (spec.base_url if recipient(spec) else None)
        return open_embedder(spec, credentials=Credentials(api_key, trusted_url), cache_dir=cache_dir)

    return opener
