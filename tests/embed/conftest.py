"""One prepared model for all tests of this folder, and the reference that it is compared with."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vsearch_core import config
from vsearch_core.embed import model_files, models
from vsearch_core.embed.prepared import PreparedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@pytest.fixture(scope="session")
def package() -> Path:
    """The default model's files."""
    folder = model_files.package_folder()
    assert folder is not None, f"install {model_files.PACKAGE} (`make` does)"
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Path:
    """A cache folder in which the default model is prepared. Not to be changed: others use it."""
    folder = tmp_path_factory.mktemp("cache")
    models.open_model(None, cache_dir=folder)
    return folder


@pytest.fixture(scope="session")
def model(cache: Path) -> PreparedModel:
    return models.open_model(None, cache_dir=cache)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the platform's cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(config, "default_cache_dir", lambda: folder)
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine torch's threads wait for one another most of the time."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def oracle(package: Path) -> "Iterator[SentenceTransformer]":
    """The same model, run by the sentence-transformers package in float32."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)  # on a busy machine its threads wait for one another most of the time
    loaded = SentenceTransformer(str(package), device="cpu", local_files_only=True)
    with torch.inference_mode():
        yield loaded


@pytest.fixture
def tiny_bert(tmp_path: Path) -> Callable[..., Path]:
    """Makes the folder of a BERT of 2 layers and 8 dimensions; keywords replace keys of its config.json."""

    def make(name: str = "tiny-bert", **changes: Any) -> Path:
        import torch
        from transformers import BertConfig, BertModel, BertTokenizerFast

        folder = tmp_path / name
        folder.mkdir()
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "the", "cat", "dog"]
        vocabulary = tmp_path / f"{name}.txt"
        vocabulary.write_text("\n".join(words), encoding="utf-8")
        torch.manual_seed(0)
        shape = BertConfig(
            vocab_size=len(words),
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=24,
        )
        BertModel(shape).save_pretrained(folder)
        BertTokenizerFast(str(vocabulary)).save_pretrained(folder)
        if changes:
            import json

            path = folder / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
        return folder

    return make
