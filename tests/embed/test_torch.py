"""sentence-transformers' own models: the contract, the devices, the memory, what is refused."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from contracts.embedder import LONG, TEXTS, EmbedderContract
from numpy.typing import NDArray
from tiny_models import add_modules, write_json, write_model, write_static

from vsearch_core.embed import torch_model
from vsearch_core.embed.base import embed_all
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.model_files import ModelReference
from vsearch_core.embed.open import open_embedder
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.torch import TorchEmbedder
from vsearch_core.embed.torch_model import LoadedModel, choose_device, choose_dtype
from vsearch_core.errors import InputError, ModelError
from vsearch_core.model import EmbedderSpec

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def shallow(package: Path, tmp_path_factory: pytest.TempPathFactory) -> TorchEmbedder:
    """The default model's first layer of six: fast, and similar words still have similar vectors."""
    folder = tmp_path_factory.mktemp("torch") / "shallow"
    shutil.copytree(package, folder, ignore=shutil.ignore_patterns("model.safetensors"))
    (folder / "model.safetensors").symlink_to(package / "model.safetensors")
    config = json.loads((package / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", config | {"num_hidden_layers": 1})
    return TorchEmbedder(str(folder), "cpu")


class TestContract(EmbedderContract):
    tolerance = 1e-5  # padding changes the last bits

    @pytest.fixture
    def embedder(self, shallow: TorchEmbedder) -> TorchEmbedder:
        return shallow


@pytest.fixture
def tiny(tmp_path: Path) -> TorchEmbedder:
    return TorchEmbedder(str(add_modules(write_model(tmp_path / "tiny"))), "cpu")


def test_it_equals_the_local_embedder(model: PreparedModel, package: Path) -> None:
    ours = LocalEmbedder(model, "fp32")
    theirs = TorchEmbedder(str(package), "cpu")
    texts = [*TEXTS, LONG[:6000]]
    assert len(ours.windows(texts[-1])) > 4
    assert np.abs(embed_all(ours, texts) - embed_all(theirs, texts)).max() <= 1e-4
    assert np.abs(ours.embed_queries(texts) - theirs.embed_queries(texts)).max() <= 1e-4


def test_the_fingerprint_names_the_package_and_the_files(tmp_path: Path, tiny: TorchEmbedder) -> None:
    before = tiny.fingerprint
    assert (before.provider, before.model, before.dimension) == ("sentence-transformers", "tiny", 16)
    folder = tmp_path / "tiny"
    assert TorchEmbedder(str(folder), "cpu").fingerprint == before
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 16, "pooling_mode": "cls"})
    assert TorchEmbedder(str(folder), "cpu").fingerprint.weights != before.weights


def test_a_decoder_is_run_with_its_own_pooling(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = add_modules(write_model(tmp_path / "tiny", "qwen3"), "lasttoken")
    prompts = {"prompts": {"query": "Query: ", "passage": "Text: "}}
    write_json(folder / "config_sentence_transformers.json", prompts)
    peer = SentenceTransformer(str(folder), device="cpu")
    texts = ["the cat", "a b", "Zebra, the"]
    embedder = TorchEmbedder(str(folder), "cpu")
    expected = peer.encode(texts, prompt="Query: ", normalize_embeddings=True)
    assert np.abs(embedder.embed_queries(texts) - expected).max() <= 1e-4
    expected = peer.encode(texts, prompt="Text: ", normalize_embeddings=True)
    assert np.abs(embed_all(embedder, texts) - expected).max() <= 1e-4


def device_of(*there: str) -> Any:
    """Return a stand-in for torch on a machine with these devices."""
    return SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: "cuda" in there),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: "mps" in there)),
        float16="16 bits",
        float32="32 bits",
    )


@pytest.mark.parametrize(
    ("devices", "device", "expected"),
    [
        ((), None, ("cpu", "32 bits")),
        (("cuda",), None, ("cuda", "16 bits")),
        (("mps",), None, ("mps", "16 bits")),
        (("cuda",), "cpu", ("cpu", "32 bits")),
        (("cuda", "mps"), "mps", ("mps", "16 bits")),
    ],
)
def test_a_gpu_is_the_default_device(devices: tuple[str, ...], device: str | None, expected: tuple[str, str]) -> None:
    torch = device_of(*devices)
    chosen = choose_device(torch, device)
    assert (chosen, choose_dtype(torch, chosen)) == expected


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="device: torch finds no cuda on this machine"):
        choose_device(device_of("mps"), "cuda")


def test_sixteen_bits_give_nearly_the_same(
    shallow: TorchEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch_model, "choose_dtype", lambda _torch, _device: torch.float16)
    narrow = TorchEmbedder(str(shallow._model), "cpu")
    assert {each.dtype for each in narrow._loaded.model.parameters()} == {torch.float16}
    assert (embed_all(narrow, TEXTS) * embed_all(shallow, TEXTS)).sum(axis=1).min() >= 0.999


Encode = Callable[[LoadedModel, Sequence[list[int]]], NDArray[np.float32]]


def test_a_batch_that_does_not_fit_is_halved_and_said_once(
    tiny: TorchEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    texts = [f"the cat {'and dogs ' * (number % 9)}" for number in range(200)]
    expected = embed_all(tiny, texts)
    whole: Encode = LoadedModel.encode
    result: list[int] = []

    def encode(loaded: LoadedModel, windows: Sequence[list[int]]) -> NDArray[np.float32]:
        tokens = len(windows) * max(map(len, windows))
        if tokens > 300:
            raise torch.OutOfMemoryError("CUDA out of memory")
        result.append(tokens)
        return whole(loaded, windows)

    monkeypatch.setattr(LoadedModel, "encode", encode)
    reports: list[str] = []
    monkeypatch.setattr(tiny, "_report", reports.append)
    batches = list(tiny.embed_documents(texts))
    assert sorted(np.concatenate([batch.indices for batch in batches]).tolist()) == list(range(200))
    for batch in batches:
        assert np.abs(batch.vectors - expected[batch.indices]).max() <= 1e-5
    assert reports == ["cpu ran out of memory; going on with smaller batches"]
    assert max(result) <= 300
    assert np.median(result) > 150  # halved as often as needed, not more


def test_a_window_that_does_not_fit_alone_is_named(tiny: TorchEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(_loaded: LoadedModel, _windows: Sequence[list[int]]) -> NDArray[np.float32]:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 3 bytes")

    assert tiny.fingerprint.dimension == 16
    monkeypatch.setattr(LoadedModel, "encode", encode)
    with pytest.raises(ModelError, match="model tiny: cpu has too little memory for it"):
        embed_all(tiny, ["the cat"])


def test_another_failure_is_translated(tiny: TorchEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(_loaded: LoadedModel, _windows: Sequence[list[int]]) -> NDArray[np.float32]:
        raise RuntimeError("CUDA error: device-side assert\nmore")

    assert tiny.fingerprint.dimension == 16
    monkeypatch.setattr(LoadedModel, "encode", encode)
    with pytest.raises(ModelError, match=r"failed \(CUDA error: device-side assert\)$"):
        embed_all(tiny, ["the cat"])


def test_an_overflow_of_sixteen_bits_is_run_again_with_32(tiny: TorchEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = embed_all(tiny, TEXTS)
    tiny._loaded.model.half()
    whole: Encode = LoadedModel.encode

    def encode(loaded: LoadedModel, windows: Sequence[list[int]]) -> NDArray[np.float32]:
        narrow = next(loaded.model.parameters()).element_size() == 2
        return np.full((len(windows), 16), np.nan, dtype=np.float32) if narrow else whole(loaded, windows)

    monkeypatch.setattr(LoadedModel, "encode", encode)
    reports: list[str] = []
    monkeypatch.setattr(tiny, "_report", reports.append)
    assert np.abs(embed_all(tiny, TEXTS) - expected).max() <= 1e-2  # its weights have been through 16 bits
    assert reports == ["model tiny overflows 16-bit numbers; going on with 32 bits"]


def test_numbers_that_are_not_finite_are_refused(tiny: TorchEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tiny.fingerprint.dimension == 16
    monkeypatch.setattr(LoadedModel, "encode", lambda _loaded, windows: np.full((len(windows), 16), np.inf))
    with pytest.raises(ModelError, match="returns numbers that are not finite"):
        embed_all(tiny, ["the cat"])


def test_the_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_model, "PACKAGES", ("no_such_package",))
    message = "embedder sentence-transformers: the package no-such-package isn't installed"
    with pytest.raises(ModelError, match=message) as caught:
        open_embedder(EmbedderSpec("sentence-transformers"))
    assert (caught.value.code, caught.value.details) == ("package-missing", {"extra": "torch"})


def test_no_code_of_a_model_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = add_modules(write_model(tmp_path / "tiny"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    remote = {"model_type": "made-up", "auto_map": {"AutoConfig": "code.C", "AutoModel": "code.M"}}
    write_json(folder / "config.json", config | remote)
    (folder / "code.py").write_text(f"open({str(tmp_path / 'result')!r}, 'w')\n", encoding="utf-8")
    with pytest.raises(ModelError, match="names code of its own, which is never run"):
        embed_all(TorchEmbedder(str(folder), "cpu"), ["the cat"])
    assert not (tmp_path / "ran").exists()


def test_a_static_model_is_sent_to_its_own_embedder(tmp_path: Path) -> None:
    folder = write_static(tmp_path / "static")
    write_json(
        folder / "modules.json",
        [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"}],
    )
    with pytest.raises(ModelError, match="is a static model"):
        embed_all(TorchEmbedder(str(folder), "cpu"), ["the cat"])


def test_a_model_in_the_hubs_cache_is_opened_without_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_model(tmp_path / "tiny")
    calls: list[bool] = []

    def download(_name: str, *, local_files_only: bool, **_options: object) -> str:
        calls.append(local_files_only)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert torch_model.find_folder(ModelReference("someone/tiny")) == folder
    assert calls == [True]
    (folder / "model.safetensors").unlink()
    assert torch_model.find_folder(ModelReference("someone/tiny")) == folder
    assert calls == [True, True, False]
    write_json(folder / "model.safetensors.index.json", {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})
    (folder / "1.safetensors").touch()
    torch_model.find_folder(ModelReference("someone/tiny"))
    (folder / "2.safetensors").touch()
    torch_model.find_folder(ModelReference("someone/tiny"))
    assert calls[3:] == [True, False, True]


def test_the_hubs_cache_names_large_files_by_their_hash(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    for folder in (blobs, snapshot):
        folder.mkdir(parents=True)
    real = write_model(tmp_path / "tiny") / "model.safetensors"
    from hashlib import sha256

    named = blobs / sha256(real.read_bytes()).hexdigest()
    named.write_bytes(b"not read")
    (snapshot / "model.safetensors").symlink_to(named)
    shutil.copyfile(tmp_path / "tiny" / "tokenizer.json", snapshot / "tokenizer.json")
    assert torch_model.weights_digest(snapshot) == torch_model.weights_digest(tmp_path / "tiny")


def test_windows_are_sorted_within_a_bounded_buffer(tiny: TorchEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Encode = LoadedModel.encode
    lengths: list[list[int]] = []

    def encode(loaded: LoadedModel, windows: Sequence[list[int]]) -> NDArray[np.float32]:
        lengths.append([len(window) for window in windows])
        return whole(loaded, windows)

    assert tiny.fingerprint.dimension == 16
    monkeypatch.setattr(LoadedModel, "encode", encode)
    monkeypatch.setattr(tiny, "_batch_tokens", 40)
    calls: list[int] = []

    class Texts(list[str]):
        def __iter__(self) -> Iterator[str]:
            for number, text in enumerate(super().__iter__()):
                calls.append(number)
                yield text

    texts = Texts(f"the {'cat ' * (number % 12)}" for number in range(300))
    batches = tiny.embed_documents(texts)
    next(batches)
    assert len(calls) < 150
    list(batches)
    assert all(each == sorted(each, reverse=True) for each in lengths)
    assert all(len(each) * each[0] <= 40 for each in lengths)


def test_positions_that_belong_to_the_padding_are_not_used(tmp_path: Path) -> None:
    """RoBERTa's table has two rows more than a text may have tokens; sentence-transformers counts them in."""
    folder = write_model(tmp_path / "tiny", "roberta")
    embedder = TorchEmbedder(str(folder), "cpu")
    assert embedder._loaded.model.max_seq_length == 64
    assert max(map(len, embedder._loaded.windower.windows("the cat " * 50))) == 62
    assert embed_all(embedder, ["the cat " * 50]).shape == (1, 16)
