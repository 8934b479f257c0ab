"""The providers, and the packages that each needs."""

import pytest

from vsearch_core.embed import providers
from vsearch_core.embed.providers import PROVIDERS, list_providers


def test_every_provider_is_listed_with_its_packages() -> None:
    listed = {each.name: each for each in list_providers()}
    assert list(listed) == list(PROVIDERS)
    assert {name for name, each in listed.items() if each.extra is None} == {"local", "static"}
    assert listed["openai"].packages.keys() == {"httpx2", "tenacity"}


@pytest.mark.parametrize(
    ("missing", "extra", "installed"),
    [
        ([], "genai", True),
        (["google-genai"], "gemini", True),
        (["google-generativeai"], "genai", True),
        (["google-genai", "google-generativeai"], "genai", False),
        (["tenacity"], "genai", False),
    ],
)
def test_one_of_geminis_extras_is_enough(
    monkeypatch: pytest.MonkeyPatch, missing: list[str], extra: str, installed: bool
) -> None:
    monkeypatch.setattr(providers, "_version", lambda package: None if package in missing else "1.0")
    (gemini,) = (each for each in list_providers() if each.name == "gemini")
    assert (gemini.extra, gemini.installed) == (extra, installed)
