"""The providers of embeddings: the host that each sends texts to, and the packages that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vsearch_core.model import Fingerprint


@dataclass(frozen=True, slots=True)
class EmbeddingProvider:
    """A provider of embeddings: a service or a library that turns texts into vectors.

    Attributes:
        address: The base URL that texts are sent to by default; None if they stay on this machine.
        extras: The optional dependencies of vsearch (such as `vsearch[openai]`) that enable this provider, each with
            the packages that it installs. Any one of them is enough; the first is preferred. Empty if none is needed.
        has_tasks: True if requests say if their texts are queries or documents, so that equal texts get different
            vectors.
    """

    address: str | None = None
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_tasks: bool = False


GEMINI_ADDRESS = "https://generativelanguage.googleapis.com"
OPENAI_ADDRESS = "https://api.openai.com/v1"

PROVIDERS: Mapping[str, EmbeddingProvider] = {
    "local": EmbeddingProvider(),
    "sentence-transformers": EmbeddingProvider(extras={"torch": ("sentence-transformers", "torch")}),
    "static": EmbeddingProvider(),
    "gemini": EmbeddingProvider(
        GEMINI_ADDRESS,
        {"genai": ("google-genai", "tenacity"), "gemini": ("google-generativeai", "tenacity")},
        has_tasks=True,
    ),
    "openai": EmbeddingProvider(OPENAI_ADDRESS, {"openai": ("httpx2", "tenacity")}),
}


def is_local(provider: str) -> bool:
    """Return True if a provider of that name, or an unknown one, embeds texts in this process, without a server."""
    known = PROVIDERS.get(provider)
    return known is None or known.address is None


def is_symmetric(fingerprint: Fingerprint) -> bool:
    """Return True if the embedder gives a text the same vector as a query and as a document."""
    known = PROVIDERS.get(fingerprint.provider)
    return fingerprint.query_prefix == fingerprint.document_prefix and not (known is not None and known.has_tasks)


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """The packages that a provider needs, and their versions on this machine.

    Attributes:
        name: The provider's name.
        extra: The optional dependency of vsearch that is installed, or else the preferred one; None if none is needed.
        packages: The packages of `extra`, each with its version, or None if it isn't installed.
    """

    name: str
    extra: str | None
    packages: Mapping[str, str | None]

    @property
    def installed(self) -> bool:
        """Return True if all packages are installed."""
        return None not in self.packages.values()


def list_providers() -> tuple[ProviderStatus, ...]:
    """Return the status of every provider. Only the metadata of packages is read; nothing is imported."""
    return tuple(_status(name, provider) for name, provider in PROVIDERS.items())


def _status(name: str, provider: EmbeddingProvider) -> ProviderStatus:
    found = [
        ProviderStatus(name, extra, {package: _version(package) for package in packages})
        for extra, packages in provider.extras.items()
    ]
    return next((each for each in found if each.installed), found[0] if found else ProviderStatus(name, None, {}))


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and a query needs none of it

    try:
        return version(package)
    except PackageNotFoundError:
        return None
