"""`open_embedder`, `recipient`, and the choice of precision."""

from pathlib import Path

import pytest

from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.onnx import runtime
from vsearch_core.embed.onnx.runtime import PRECISIONS, Precision, best_precision
from vsearch_core.embed.open import open_embedder, recipient
from vsearch_core.errors import ArgumentError, InputError
from vsearch_core.model import EmbedderSpec


def test_local_is_opened_with_the_requested_precision(cache: Path) -> None:
    for precision in (*PRECISIONS, None):
        embedder = open_embedder(EmbedderSpec("local"), cache_dir=cache, precision=precision)
        assert isinstance(embedder, LocalEmbedder)
        assert embedder.precision == (precision or best_precision()[0])


def test_an_unknown_provider_is_refused_with_the_choices() -> None:
    with pytest.raises(InputError, match="embedder 'psychic': unknown") as caught:
        open_embedder(EmbedderSpec("psychic"))
    assert caught.value.details == {"choices": "local, sentence-transformers, static, gemini, openai"}


def test_a_device_is_refused_by_embedders_without_a_choice() -> None:
    with pytest.raises(ArgumentError, match="device: the embedder local doesn't let you choose a device"):
        open_embedder(EmbedderSpec("local"), device="cpu")


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("linux x86_64", "flags : fpu avx512f avx512_vnni", "int8"),
        ("linux x86_64", "flags : fpu avx2 avx_vnni", "int8"),
        ("linux x86_64", "flags : fpu avx2", "fp32"),
        ("linux x86_64", "", "fp32"),
        ("linux aarch64", "Features : asimd", "int8"),
        ("darwin arm64", "", "int8"),
        ("darwin x86_64", "", "fp32"),
        ("win32 AMD64", "", "fp32"),
    ],
)
def test_precision_follows_the_cpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str, flags: str, expected: Precision
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor : 0\n{flags}\n", encoding="utf-8")
    system, processor = machine.split()
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: processor)
    monkeypatch.setattr(runtime, "CPU_INFO", path)
    found, reason = best_precision.__wrapped__()
    assert found == expected
    assert reason


def test_a_missing_cpuinfo_means_the_safe_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(runtime, "CPU_INFO", tmp_path / "missing")
    assert best_precision.__wrapped__()[0] == "fp32"


@pytest.mark.parametrize(
    ("provider", "base_url", "to"),
    [
        ("local", None, None),
        ("static", "https://example.org", None),
        ("gemini", None, "generativelanguage.googleapis.com"),
        ("openai", None, "api.openai.com"),
        ("openai", "https://Example.ORG:8443/v1", "example.org"),
        ("gemini", "https://example.org", "example.org"),
        ("openai", "http://localhost:11434/v1", None),
        ("openai", "http://127.0.0.1", None),
        ("openai", "http://[::1]:8080/v1", None),
        ("openai", "http://192.168.0.5/v1", "192.168.0.5"),
        ("openai", "http://localhost.example.org", "localhost.example.org"),
        ("openai", "http://127.0.0.1.example.org", "127.0.0.1.example.org"),
        ("openai", "http://2130706433", "2130706433"),
        ("openai", "http://127.1", "127.1"),
        ("openai", "http://api.openai.com/v1", "http://api.openai.com/v1"),
        ("gemini", "HTTP://API.openai.com:443", "HTTP://API.openai.com:443"),
        ("openai", "https://api.openai.com:8443/v1", "api.openai.com"),
        ("unheard-of", None, "unheard-of"),
    ],
)
def test_the_host_that_texts_are_sent_to(provider: str, base_url: str | None, to: str | None) -> None:
    assert recipient(EmbedderSpec(provider, base_url=base_url)) == to


@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost\\.example.org",
        "http://localhost\t.example.org",
        "http://\uff4cocalhost",
    ],
)
def test_an_ambiguous_address_counts_as_a_foreign_host(base_url: str) -> None:
    assert recipient(EmbedderSpec("openai", base_url=base_url)) == base_url


@pytest.mark.parametrize(
    "base_url",
    [
        "http://example.org\\@localhost",
        "http://localhost@example.org",
        "http://me:secret@localhost",
        "http://localhost?key=secret",
        "http://localhost#@example.org",
        "http://[::1]@example.org",
        "localhost:11434",
        "http:localhost//example.org",
        "",
        "http://",
    ],
)
def test_a_malformed_address_is_refused_without_repeating_secrets(base_url: str) -> None:
    with pytest.raises(InputError, match=r"^base_url: ") as caught:
        recipient(EmbedderSpec("openai", base_url=base_url))
    assert "secret" not in str(caught.value)
