"""Consent to send text names a scheme, a host, a port and a path; a change of any of them is asked about again."""

import json
import os
from pathlib import Path

import pytest
from process import write_files
from vsearch_cli import consent as asking
from vsearch_cli.consent import Consent

from vsearch_core.allowed import _file
from vsearch_core.embed.open import recipient_address
from vsearch_core.errors import InputError
from vsearch_core.model import EmbedderSpec

AGREED = "https://llm.corp.example/v1"
OTHERS = (
    "http://llm.corp.example/v1",
    "http://llm.corp.example:443/v1",
    "http://llm.corp.example:8080/evil",
    "https://llm.corp.example:444/v1",
    "https://llm.corp.example:80/v1",
    "https://llm.corp.example:0443/v1",
    "https://llm.corp.example/v2",
    "https://llm.corp.example/v1/evil",
    "https://llm.corp.example/V1",
    "https://llm.corp.example/v1/../evil",
    "https://llm.corp.example/%76%31",
    "https://llm.corp.example//v1",
    "https://llm.corp.example",
    "https://llm.corp.example./v1",
    "https://llm.corp.example.evil.example/v1",
    "https://evil.llm.corp.example/v1",
    "https://llm.corp.example\\.evil.example/v1",
    "https://llm.corp.example\t/v1",
    "https://llm.corp.exampl\u0435/v1",  # a Cyrillic letter
)
SAME = ("https://llm.corp.example/v1/", "HTTPS://LLM.CORP.EXAMPLE/v1", "https://llm.corp.example:443/v1")


def ask(project: Path, url: str | None, provider: str = "openai", *, yes: bool = False) -> bool:
    """Ask for consent as a command does, without a terminal; True if none is needed."""
    spec = EmbedderSpec(provider, "m", base_url=url)
    address = recipient_address(spec)
    return address is None or Consent(project, yes=yes)(spec, address)


@pytest.mark.parametrize("url", OTHERS)
def test_another_address_on_an_agreed_host_is_not_agreed_to(tmp_path: Path, url: str) -> None:
    assert ask(tmp_path, AGREED, yes=True)
    assert ask(tmp_path, AGREED)
    with pytest.raises(InputError, match="nothing was sent to http") as caught:
        ask(tmp_path, url)
    assert caught.value.code == "no-consent"


@pytest.mark.parametrize("url", SAME)
def test_another_spelling_of_an_agreed_address_is_agreed_to(tmp_path: Path, url: str) -> None:
    ask(tmp_path, AGREED, yes=True)
    assert ask(tmp_path, url)


@pytest.mark.parametrize(
    "url", ["https://api.openai.com:444/v1", "http://api.openai.com/v1", "https://api.openai.com/x"]
)
def test_a_providers_own_host_is_agreed_to_at_its_own_address_only(tmp_path: Path, url: str) -> None:
    ask(tmp_path, None, yes=True)
    assert ask(tmp_path, None)
    assert ask(tmp_path, "https://api.openai.com:443/v1/")
    with pytest.raises(InputError, match="nothing was sent to"):
        ask(tmp_path, url)


def test_another_provider_at_the_same_address_is_not_agreed_to(tmp_path: Path) -> None:
    ask(tmp_path, AGREED, yes=True)
    with pytest.raises(InputError, match="nothing was sent to"):
        ask(tmp_path, AGREED, "gemini")


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://127.9.9.9/v1", "http://[::1]:8080/v1"]
)
def test_this_machine_needs_no_consent_without_encryption(tmp_path: Path, url: str) -> None:
    assert ask(tmp_path, url)


@pytest.mark.parametrize(
    "url", ["http://localhost.evil.example/v1", "http://0.0.0.0/v1", "http://127.1/v1", "http://2130706433"]
)
def test_what_only_looks_like_this_machine_needs_consent(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="nothing was sent to"):
        ask(tmp_path, url)


def test_the_question_names_the_address_and_that_it_is_not_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[str] = []
    monkeypatch.setattr(asking, "_ask", lambda question: not questions.append(question))  # type: ignore[func-returns-value]
    for url in (AGREED, "http://llm.corp.example:8080/v1"):
        assert ask(tmp_path, url)
        assert ask(tmp_path, url)
    assert [question.partition(" would be sent to ")[2] for question in questions] == [
        "https://llm.corp.example/v1 (openai)",
        "http://llm.corp.example:8080/v1 (openai, unencrypted)",
    ]


def test_a_consent_of_an_earlier_version_named_a_host_only_and_is_asked_for_again(
    tmp_path: Path, state_dir: Path
) -> None:
    project = tmp_path / "project"
    former = {"project": os.path.realpath(project), "provider": "openai", "host": "llm.corp.example"}
    write_files(state_dir, {"consent.json": json.dumps([former])})
    for _ in range(2):
        with pytest.raises(InputError, match="you agreed before, but only to a host"):
            ask(project, AGREED)
    with pytest.raises(InputError) as caught:
        ask(tmp_path, AGREED)
    assert "before" not in str(caught.value)
    ask(project, AGREED, yes=True)
    assert ask(project, AGREED)
    assert json.loads((state_dir / "consent.json").read_text()) == [former]


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{}", "[5]", '[{"project": 1}]', "\0"])
def test_a_damaged_file_of_former_consents_is_no_consent(tmp_path: Path, state_dir: Path, text: str) -> None:
    write_files(state_dir, {"consent.json": text})
    with pytest.raises(InputError, match="nothing was sent to"):
        ask(tmp_path, AGREED)


def test_the_record_is_private_and_read_through_no_link(tmp_path: Path) -> None:
    ask(tmp_path, AGREED, yes=True)
    record = _file(tmp_path)
    assert record.stat().st_mode & 0o077 == 0
    assert record.parent.stat().st_mode & 0o077 == 0
    record.rename(tmp_path / "elsewhere")
    record.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="nothing was sent to"):
        ask(tmp_path, AGREED)


def test_a_copied_record_counts_for_its_own_project_only(tmp_path: Path) -> None:
    ask(tmp_path / "one", AGREED, yes=True)
    _file(tmp_path / "one").rename(_file(tmp_path / "other"))
    with pytest.raises(InputError, match="nothing was sent to"):
        ask(tmp_path / "other", AGREED)
