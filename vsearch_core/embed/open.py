"""Opens the embedder that an `EmbedderSpec` describes: its provider, its model and their settings."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.embed.base import Embedder
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.models import open_model
from vsearch_core.embed.onnx.runtime import Precision
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.providers import PROVIDERS
from vsearch_core.embed.remote.credentials import Credentials, canonical_address, checked_url, host_of
from vsearch_core.embed.remote.retry import RequestPolicy
from vsearch_core.errors import ArgumentError, InputError, ModelError
from vsearch_core.model import EmbedderSpec

if TYPE_CHECKING:
    from vsearch_core.embed.images.embedder import ImageEmbedder


class LoadedModels:
    """Keeps the local embedder that was used last, with its model in memory."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._latest: tuple[PreparedModel, LocalEmbedder] | None = None

    def embedder(self, model: PreparedModel) -> LocalEmbedder:
        """Return the embedder that is kept, if it runs this very model, or else a new one, which is then kept."""
        if self._latest is None or self._latest[0] != model:
            self._latest = model, LocalEmbedder(model)
        return self._latest[1]


def open_embedder(
    spec: EmbedderSpec,
    *,
    credentials: Credentials | None = None,
    cache_dir: Path | None = None,
    device: str | None = None,
    policy: RequestPolicy | None = None,
    report: Callable[[str], None] | None = None,
    precision: Precision | None = None,
    loaded: LoadedModels | None = None,
) -> Embedder:
    """Return the embedder that `spec` describes.

    A local or static model that isn't prepared yet is prepared now, which may take a minute. A model is loaded into
    memory only at the first text.

    Args:
        spec: The provider, its model and their settings.
        credentials: The API key for a remote provider, and the address that may receive it.
        cache_dir: The folder for prepared models; None means the platform's cache folder.
        device: The device for sentence-transformers, such as "cpu" or "cuda"; None means the fastest.
        policy: The rate limits, timeout and callbacks of requests to a remote provider.
        report: Called with a line of text before slow work.
        precision: "int8" or "fp32" for a local model; None means the best one for this CPU.
        loaded: Local models that are in memory already, for the best precision.

    Raises:
        InputError: The provider is unknown, or an option is invalid or not applicable.
        ModelError: The model can't be found, prepared or run.
    """
    if spec.provider not in PROVIDERS:
        raise InputError(f"embedder {spec.provider!r}", "unknown", "unknown-choice", choices=", ".join(PROVIDERS))
    if device is not None and spec.provider != "sentence-transformers":
        raise ArgumentError(
            "device", f"the embedder {spec.provider} doesn't let you choose a device", "option-not-applicable"
        )
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
    model = open_model(spec.model, report, "local", cache_dir)
    embedder = LocalEmbedder(model, precision) if loaded is None else loaded.embedder(model)
    return _shortened(embedder, spec.dimension)


def open_image_embedder(
    model: str, cache_dir: Path | None = None, report: Callable[[str], None] | None = None
) -> "ImageEmbedder":
    """Return the embedder of an image model, a folder or a name on the Hugging Face hub; prepare it if necessary.

    Raises ModelError.
    """
    from vsearch_core.embed.images.embedder import LocalImageEmbedder

    return LocalImageEmbedder(open_model(model, report, "image", cache_dir))


def _shortened(embedder: Embedder, dimension: int | None) -> Embedder:
    """Shorten the embedder's vectors to `dimension` if they are longer. The index rejects any other dimension."""
    if dimension is None or not 0 < dimension < embedder.fingerprint.dimension:
        return embedder
    from vsearch_core.embed.shortened import ShortenedEmbedder

    return ShortenedEmbedder(embedder, dimension)


def recipient(spec: EmbedderSpec) -> str | None:
    """Return the host that all texts would be sent to, or None if they stay on this machine.

    Return the whole base URL instead of the host in two cases: if programs could disagree about which part of it is the
    host, and if it is a provider's own host without https. Raises ArgumentError if the base URL is invalid.
    """
    address = recipient_address(spec)
    if address is None or spec.provider not in PROVIDERS:
        return address
    host = host_of(address)
    hosts = {host_of(each.address) for each in PROVIDERS.values() if each.address is not None}
    return checked_url(spec.base_url or address) if host in hosts and not address.startswith("https:") else host


def recipient_address(spec: EmbedderSpec) -> str | None:
    """Return the address that would be sent every text, or None if texts stay on this machine. Raises ArgumentError.

    It has a scheme, a host, a port unless it is the scheme's own, and a path. Addresses that differ in one of these
    have different results.
    """
    if spec.provider not in PROVIDERS:
        return spec.provider
    own = PROVIDERS[spec.provider].address
    if own is None:
        return None
    url = checked_url(own if spec.base_url is None else spec.base_url)
    return None if host_of(url) is None else canonical_address(url)
