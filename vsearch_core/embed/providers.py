"""The embedding providers: where each computes, and the packages that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EmbeddingProvider:
    """A provider of embeddings, which an `EmbedderSpec` names.

    Attributes:
        host: The host that texts are sent to by default; None if they stay on this machine.
        extras: The names of vsearch's extras, each with the packages that it installs: one of them is needed, the first
            is preferred. Empty if the plain installation suffices.
    """

    host: str | None = None
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


PROVIDERS: Mapping[str, EmbeddingProvider] = {
    "local": EmbeddingProvider(),
    "sentence-transformers": EmbeddingProvider(extras={"torch": ("sentence-transformers", "torch")}),
    "static": EmbeddingProvider(),
    "gemini": EmbeddingProvider(
        "generativelanguage.googleapis.com",
        {"genai": ("google-genai", "tenacity"), "gemini": ("google-generativeai", "tenacity")},
    ),
    "openai": EmbeddingProvider("api.openai.com", {"openai": ("httpx2", "tenacity")}),
}


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """The packages of a provider on this machine.

    Attributes:
        name: The provider.
        extra: The extra that is installed, else the preferred one; None if the provider needs none.
        packages: The extra's packages, each with its version, or None if it isn't installed.
    """

    name: str
    extra: str | None
    packages: Mapping[str, str | None]

    @property
    def installed(self) -> bool:
        """True if the provider can be used."""
        return None not in self.packages.values()


def list_providers() -> tuple[ProviderStatus, ...]:
    """Return the status of every provider by the packages' metadata; nothing is imported."""
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
