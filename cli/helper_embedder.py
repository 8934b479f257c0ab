"""Let a warm helper embed queries, so that several processes that search hold one model.

The helper runs a request of its own for it, `EMBED`, and answers in JSON, which keeps each number of a vector exactly.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.json_text import parse_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vsearch_core.embed.base import Batch, Embedder, OpenEmbedder
    from vsearch_core.library.index import Index
    from vsearch_core.model import EmbedderSpec, Fingerprint

EMBED = "embed"  # the first word of the request; the second one is the text


@dataclass(frozen=True, slots=True)
class HelperEmbedding:
    """A query's vector as a helper has made it, and the share of the query that the model can read."""

    fingerprint: "Fingerprint"
    vector: list[float]
    legible: float


def embedding_json(index: "Index", text: str) -> bytes:
    """Return the helper's answer. Raises the errors of `Index.search`."""
    found = index.embed_query(text)
    fingerprint = asdict(index.fingerprint)
    value = {"fingerprint": fingerprint, "vector": found.vector.tolist(), "legible": found.legible}
    return json.dumps(value).encode()


def ask_helper(index: Path, text: str) -> HelperEmbedding | None:
    """Return the embedding of a text by the helper of an index folder, or None if none answers."""
    from vsearch_core.model import Fingerprint
    from vsearch_core.serve.warm_client import STDOUT, ask

    if not hasattr(os, "environb"):
        return None
    try:
        words = [EMBED.encode(), text.encode("utf-8", "surrogatepass")]
        answer = ask(os.fsencode(index), words, cwd=os.fsencode(Path.cwd()), environment=os.environb)
        value = None if answer is None or answer.status else parse_json(answer.text(STDOUT))
    except (OSError, ValueError):
        return None
    if value is None:
        return None
    return HelperEmbedding(Fingerprint(**value["fingerprint"]), value["vector"], value["legible"])


class HelperEmbedder:
    """An embedder whose queries the helper of an index embeds; without a helper, and for documents, a model of its own.

    A lock of the caller's keeps two calls apart.
    """

    def __init__(self, index: Path, fingerprint: "Fingerprint", load: "OpenEmbedder", spec: "EmbedderSpec") -> None:
        """Ask the helper of the index folder, whose model has this fingerprint; `load` opens an own model."""
        self.fingerprint = fingerprint
        self._index = index
        self._load = load
        self._spec = spec
        self._own: Embedder | None = None
        self._latest: tuple[str, float] | None = None  # a text, and its legible share

    def embed_documents(self, texts: Sequence[str]) -> "Iterator[Batch]":
        """Yield the vectors of texts, by an own model."""
        return self._own_model().embed_documents(texts)

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return the queries' unit vectors, float32 (len(texts), dimension)."""
        import numpy as np

        vectors = []
        for text in texts:
            found = self._ask(text)
            if found is None:
                return self._own_model().embed_queries(texts)
            vectors.append(found.vector)
        return np.array(vectors, np.float32).reshape(len(texts), self.fingerprint.dimension)

    def legible_share(self, query: str) -> float:
        """Return the share of the query that the model can read, from 0 to 1."""
        if self._latest is None or self._latest[0] != query:
            self._ask(query)
        if self._latest is not None and self._latest[0] == query:
            return self._latest[1]
        return self._own_model().legible_share(query)

    def _ask(self, text: str) -> HelperEmbedding | None:
        """Return the helper's answer, or None if there is an own model already, or no helper with the same model."""
        found = None if self._own is not None else ask_helper(self._index, text)
        if found is None or found.fingerprint != self.fingerprint:
            self._latest = None
            return None
        self._latest = text, found.legible
        return found

    def _own_model(self) -> "Embedder":
        if self._own is None:
            self._own = self._load(self._spec)
        return self._own


def by_helper(index: Path, load: "OpenEmbedder") -> "OpenEmbedder":
    """Return a function that opens an embedder: one that asks the helper of the index, or `load`'s if none runs."""

    def opener(spec: "EmbedderSpec") -> "Embedder":
        found = ask_helper(index, "ready")
        return load(spec) if found is None else HelperEmbedder(index, found.fingerprint, load, spec)

    return opener
