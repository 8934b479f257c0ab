"""Commands open embedders with the user's consent and configuration, and send a key only where it may go."""

from pathlib import Path
from typing import Any

import pytest
from vsearch_cli.opening import embedder_opener, open_index

from vsearch_core.embed import open as opening
from vsearch_core.errors import InputError
from vsearch_core.model import EmbedderSpec

FAR = "https://vectors.example/v1"
NEAR = "http://127.0.0.1:9/v1"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """Record the arguments that embedders are opened with, in empty user folders."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(opening, "open_embedder", lambda spec, **how: calls.append({"spec": spec, **how}))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "VSEARCH_DEVICE", "VSEARCH_RPM"):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_a_key_is_sent_only_where_the_user_agreed_or_named_the_address(
    opened: list[dict[str, Any]], tmp_path: Path
) -> None:
    far, near = EmbedderSpec("openai", "m", base_url=FAR), EmbedderSpec("openai", "m", base_url=NEAR)
    embedder_opener(tmp_path, report=print)(far)
    embedder_opener(tmp_path, report=print)(near)
    embedder_opener(tmp_path, report=print, base_url=NEAR)(near)
    assert [call["credentials"].trusted_url for call in opened] == [FAR, None, NEAR]


def test_no_remote_embedder_is_opened_without_consent(opened: list[dict[str, Any]], tmp_path: Path) -> None:
    options = {"embedder": "openai", "model": "m", "base_url": FAR}
    with pytest.raises(InputError, match="nothing was sent to") as refused:
        open_index(tmp_path, create=True, **options).update([tmp_path])
    assert refused.value.code == "no-consent"
    assert opened == []


def test_the_command_line_overrides_the_configuration(
    opened: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSEARCH_DEVICE", "cuda")
    monkeypatch.setenv("VSEARCH_RPM", "7")
    for provider in ("sentence-transformers", "local"):
        embedder_opener(tmp_path, report=print)(EmbedderSpec(provider))
    embedder_opener(tmp_path, report=print, device="cpu", rpm=9)(EmbedderSpec("sentence-transformers"))
    assert [call["device"] for call in opened] == ["cuda", None, "cpu"]
    assert [call["policy"].rpm for call in opened] == [7, 7, 9]
