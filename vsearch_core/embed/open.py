"""Opens the embedder that a specification names."""

from collections.abc import Callable
from pathlib import Path

from vsearch_core.embed.base import Embedder
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.models import open_model
from vsearch_core.embed.onnx.runtime import Precision
from vsearch_core.embed.providers import PROVIDERS
from vsearch_core.embed.remote.credentials import Credentials, checked_url, host_of
from vsearch_core.embed.remote.retry import RequestPolicy
from vsearch_core.errors import ArgumentError, InputError, ModelError
from vsearch_core.model import EmbedderSpec


def open_embedder(
    spec: EmbedderSpec,
    *,
    credentials: Credentials | None = None,
    cache_dir: Path | None = None,
    device: str | None = None,
    policy: RequestPolicy | None = None,
    report: Callable[[str], None] | None = None,
    precision: Precision | None = None,
) -> Embedder:
    """Return the embedder that `spec` describes.

    A local model is prepared now if it isn't yet, which may take a minute; nothing is loaded before the first text.

    Args:
        spec: The provider and its model.
        credentials: The key for a remote provider, and where it may go.
        cache_dir: The folder in which prepared models are kept; the platform's cache folder by default.
        device: The device that sentence-transformers computes on, such as "cpu" or "cuda"; None takes the fastest.
        policy: Rate limits, timeout and callbacks for the requests to a remote provider.
        report: Called with a line of text before slow work.
        precision: The arithmetic of a local model; None takes what suits the CPU.

    Raises:
        InputError: The provider, or the value of an option, is unknown.
        ModelError: The model can't be found, prepared or run.
    """
    if spec.provider not in PROVIDERS:
        raise InputError(f"embedder {spec.provider!r}", "unknown", "unknown-choice", choices=", ".join(PROVIDERS))
    if device is not None and spec.provider != "sentence-transformers":
        raise ArgumentError("device", f"the embedder {spec.provider} has no choice of device", "option-not-applicable")
    if spec.provider == "gemini":
        from vsearch_core.embed.remote.gemini import open_gemini

        return open_gemini(spec, policy or RequestPolicy(), credentials or Credentials())
    if spec.provider == "openai":
        from vsearch_core.embed.remote.openai import open_openai

        return open_openai(spec, policy or RequestPolicy(), credentials or Credentials())
    if spec.provider == "sentence-transformers":
        from vsearch_core.embed.torch import TorchEmbedder

        return _shortened(TorchEmbedder(spec.model, device, report), spec.dimension)
    if spec.provider == "static":
        from vsearch_core.embed.static import StaticEmbedder

        if spec.model is None:
            raise ModelError("embedder static", "has no default model", "model-unnamed")
        return _shortened(StaticEmbedder(open_model(spec.model, report, "static", cache_dir)), spec.dimension)
    return _shortened(LocalEmbedder(open_model(spec.model, report, "local", cache_dir), precision), spec.dimension)


def _shortened(embedder: Embedder, dimension: int | None) -> Embedder:
    """Return the embedder with vectors of `dimension` numbers, if the model's are longer; the index checks the rest."""
    if dimension is None or not 0 < dimension < embedder.fingerprint.dimension:
        return embedder
    from vsearch_core.embed.shortened import ShortenedEmbedder

    return ShortenedEmbedder(embedder, dimension)


def recipient(spec: EmbedderSpec) -> str | None:
    """Return the host that would be sent every text, or None if texts stay on this machine. Raises ArgumentError.

    The whole address stands for a host that programs could disagree about, and for a provider's own host without
    encryption.
    """
    own_host = PROVIDERS[spec.provider].host if spec.provider in PROVIDERS else spec.provider
    if own_host is None:
        return None
    if spec.base_url is None:
        return own_host
    url = checked_url(spec.base_url)
    host = host_of(url)
    hosts = {provider.host for provider in PROVIDERS.values()}
    return url if host in hosts - {None} and not url.startswith("https:") else host
