"""The environment variables that commands read and pass to the library."""

from pathlib import Path

import pytest
from vsearch_cli import environment

from vsearch_core.errors import ModelError

URL = "https://vectors.example/v1"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY", "GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("VSEARCH_CACHE_DIR", raising=False)


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.cache_dir() is None
    monkeypatch.setenv("VSEARCH_CACHE_DIR", "/somewhere")
    assert environment.cache_dir() == Path("/somewhere")


def test_addresses_by_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", URL)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "")
    assert environment.base_urls() == {"openai": URL}
    assert environment.credentials("openai", None).trusted_url == URL
    assert environment.credentials("openai", "https://named.example").trusted_url == "https://named.example"
    assert environment.credentials("local", None).trusted_url is None


def test_the_first_variable_with_a_key_is_used_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.credentials("gemini", None).api_key is None
    monkeypatch.setenv("GEMINI_API_KEY", " ")
    monkeypatch.setenv("GOOGLE_API_KEY", " a-key \n")
    found = environment.credentials("gemini", None)
    assert (found.api_key, found.key_name) == ("a-key", "GOOGLE_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "two words")
    with pytest.raises(ModelError, match=r"^OPENAI_API_KEY: contains characters"):
        environment.credentials("openai", None)
