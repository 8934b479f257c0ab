"""The one way to an embedder: by what the user or an index says of it."""

from collections.abc import Callable

from vsearch_core.embed.base import Embedder
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.precision import Precision
from vsearch_core.embed.prepared import open_model
from vsearch_core.errors import InputError
from vsearch_core.model import EmbedderSpec

PROVIDERS = ("local",)


def open_embedder(
    spec: EmbedderSpec, *, report: Callable[[str], None] | None = None, precision: Precision | None = None
) -> Embedder:
    """The embedder that `spec` describes.

    A local model's files are prepared now where they aren't yet, after one line to `report`; nothing is loaded before
    the first text. Raises InputError for an unknown provider, ModelError where the model can't be had.
    """
    if spec.provider not in PROVIDERS:
        raise InputError(f"embedder {spec.provider!r}", "unknown", f"choose one of: {', '.join(PROVIDERS)}")
    return LocalEmbedder(open_model(spec.model, report), precision)
