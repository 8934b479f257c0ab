"""The one way to an embedder: by what the user or an index says of it."""

from collections.abc import Callable

from vsearch_core import config
from vsearch_core.embed.base import Embedder
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.models import open_model
from vsearch_core.embed.onnx.runtime import Precision
from vsearch_core.embed.remote.retry import RequestPolicy
from vsearch_core.embed.remote.wire import checked_url, host_of
from vsearch_core.errors import InputError, ModelError
from vsearch_core.model import EmbedderSpec

PROVIDERS = ("local", "sentence-transformers", "static", "gemini", "openai")
ON_THIS_MACHINE = ("local", "sentence-transformers", "static")
HOSTS = {"gemini": "generativelanguage.googleapis.com", "openai": "api.openai.com"}


def open_embedder(
    spec: EmbedderSpec,
    *,
    report: Callable[[str], None] | None = None,
    precision: Precision | None = None,
    device: str | None = None,
    policy: RequestPolicy | None = None,
    named_url: str | None = None,
) -> Embedder:
    """The embedder that `spec` describes.

    A local model's files are prepared now where they aren't yet, after one line to `report`; nothing is loaded before
    the first text. `device` says where sentence-transformers computes, None leaves it to torch. A remote provider is
    asked with `policy`; beside its own address only `named_url`, which the user or else the environment has named,
    gets the key: an index that others made names an address, too. Raises InputError for an unknown provider, ModelError
    where the model can't be had.
    """
    if spec.provider not in PROVIDERS:
        raise InputError(f"embedder {spec.provider!r}", "unknown", f"choose one of: {', '.join(PROVIDERS)}")
    if device is not None and spec.provider != "sentence-transformers":
        raise InputError(f"--device {device}", f"{spec.provider} has no choice of it", "leave --device out")
    named_url = named_url or config.url_from_environment(spec.provider)
    if spec.provider == "gemini":
        from vsearch_core.embed.remote.gemini import open_gemini

        return open_gemini(spec, policy or RequestPolicy(), named_url)
    if spec.provider == "openai":
        from vsearch_core.embed.remote.openai import open_openai

        return open_openai(spec, policy or RequestPolicy(), named_url)
    return _shortened(_open_whole(spec, report, precision, device), spec.dimension)


def _open_whole(
    spec: EmbedderSpec, report: Callable[[str], None] | None, precision: Precision | None, device: str | None
) -> Embedder:
    """The embedder, with vectors of the length that its model makes."""
    if spec.provider == "sentence-transformers":
        from vsearch_core.embed.torch import TorchEmbedder

        return TorchEmbedder(spec.model, device, report)
    if spec.provider == "static":
        from vsearch_core.embed.static import StaticEmbedder

        if spec.model is None:
            raise ModelError("--embedder static", "has no default model", "name one with --model")
        return StaticEmbedder(open_model(spec.model, report, "static"))
    return LocalEmbedder(open_model(spec.model, report), precision)


def _shortened(embedder: Embedder, dimension: int | None) -> Embedder:
    """Vectors of the dimension that was asked for, where the model's are longer; whoever asked refuses shorter ones."""
    if dimension is None or not 0 < dimension < embedder.fingerprint.dimension:
        return embedder
    from vsearch_core.embed.shortened import ShortenedEmbedder

    return ShortenedEmbedder(embedder, dimension)


def recipient(spec: EmbedderSpec) -> str | None:
    """The host that would be sent every text, or None where texts stay on this machine. Raises InputError.

    An address that programs might read in two ways is given whole, as that of a stranger, and so is a provider's own
    without encryption.
    """
    if spec.provider in ON_THIS_MACHINE:
        return None
    if spec.base_url is None:
        return HOSTS.get(spec.provider, spec.provider)
    url = checked_url(spec.base_url)
    host = host_of(url)
    return url if host in HOSTS.values() and not url.startswith("https:") else host
