"""Read environment variables: the cache folder, and the API keys and base URLs of remote providers.

The library itself reads no environment variables. Commands read them here and pass them to it.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsearch_core.embed.remote.credentials import Credentials

KEY_VARIABLES = {"gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "openai": ("OPENAI_API_KEY",)}
BASE_URL_VARIABLES = {"gemini": "GOOGLE_GEMINI_BASE_URL", "openai": "OPENAI_BASE_URL"}  # of the providers' own packages


def cache_dir() -> Path | None:
    """Return the folder in VSEARCH_CACHE_DIR, or None for the platform's own cache folder."""
    named = os.environ.get("VSEARCH_CACHE_DIR")
    return Path(named) if named else None


def base_urls() -> dict[str, str]:
    """Return the base URLs that are set in the environment, by provider (such as "openai")."""
    named = {provider: os.environ.get(variable, "") for provider, variable in BASE_URL_VARIABLES.items()}
    return {provider: url for provider, url in named.items() if url}


def credentials(provider: str, trusted_url: str | None) -> "Credentials":
    """Return the provider's API key from the environment, with the base URL that the key may be sent to.

    That is `trusted_url`, to which the user has agreed, or else the provider's base URL in the environment. Raises
    ModelError for a malformed key.
    """
    from vsearch_core.embed.remote.credentials import Credentials

    trusted_url = trusted_url or base_urls().get(provider)
    variables = KEY_VARIABLES.get(provider, ())
    for variable in variables:
        if key := os.environ.get(variable, "").strip():
            return Credentials(key, trusted_url, variable)
    return Credentials(None, trusted_url, *variables[:1])
