"""Static models against the contract and against Model2Vec."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.embedder import ODD, TEXTS, EmbedderContract
from tiny_models import tokenizer_of, write_json, write_static

from vsearch_core.embed.base import embed_all
from vsearch_core.embed.models import open_model
from vsearch_core.embed.open import open_embedder
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.embed.static import StaticEmbedder, StaticLimits
from vsearch_core.errors import ModelError
from vsearch_core.model import EmbedderSpec

WORDS = ["the cat", "the dog", "Xyz the the", "zebras eat grass", "a b", "the dogs bark " * 700]


@pytest.fixture(scope="module")
def word_model(package: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedModel:
    """The default model's word embeddings as a static model."""
    from safetensors import safe_open

    folder = tmp_path_factory.mktemp("static")
    with safe_open(package / "model.safetensors", framework="numpy") as file:
        vectors = file.get_tensor("embeddings.word_embeddings.weight")
    source = write_static(folder / "words", embeddings=vectors - vectors.mean(axis=0))
    shutil.copyfile(package / "tokenizer.json", source / "tokenizer.json")
    return open_model(str(source), kind="static", cache_dir=folder / "cache")


@pytest.fixture(scope="module")
def meaningful(word_model: PreparedModel) -> StaticEmbedder:
    return StaticEmbedder(word_model)


class TestContract(EmbedderContract):
    @pytest.fixture
    def embedder(self, meaningful: StaticEmbedder) -> StaticEmbedder:
        return meaningful


class TestShortenedContract(EmbedderContract):
    """Of whole vectors cut by `--dimensions`."""

    @pytest.fixture
    def embedder(self, meaningful: StaticEmbedder) -> Any:
        from vsearch_core.embed.shortened import ShortenedEmbedder

        return ShortenedEmbedder(meaningful, 128)


def as_float16(folder: Path) -> Path:
    return write_static(folder, embeddings=np.random.default_rng(1).standard_normal((60, 16)).astype(np.float16))


def as_int8(folder: Path) -> Path:
    return write_static(folder, embeddings=np.random.default_rng(1).integers(-127, 127, (60, 16)).astype(np.int8))


def quantized(folder: Path) -> Path:
    """Ten vectors for all tokens, and a weight for each token."""
    random = np.random.default_rng(1)
    tables = {"embeddings": random.standard_normal((10, 16)).astype(np.float32)}
    return write_static(folder, **tables, mapping=random.integers(0, 10, 60), weights=random.random(60))


def by_sentence_transformers(folder: Path) -> Path:
    """In that package's layout, where the static model is one module of several."""
    write_static(folder / "0_StaticEmbedding")
    path = folder / "0_StaticEmbedding" / "model.safetensors"
    from safetensors.numpy import load_file, save_file

    save_file({"embedding.weight": load_file(path)["embeddings"]}, path)
    write_json(folder / "config_sentence_transformers.json", {})
    return folder


@pytest.mark.parametrize("make", [write_static, as_float16, as_int8, quantized, by_sentence_transformers])
def test_it_equals_model2vec(make: Callable[[Path], Path], tmp_path: Path, empty_cache: Path) -> None:
    from model2vec import StaticModel

    folder = make(tmp_path / "model")
    expected = StaticModel.from_pretrained(folder).encode(WORDS, max_length=None).astype(np.float32)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    embedder = open_embedder(EmbedderSpec("static", str(folder)))
    tolerance = 2e-3 if make is as_float16 else 1e-5  # Model2Vec sums up in the table's own type
    assert np.abs(embed_all(embedder, WORDS) - expected).max() <= tolerance
    assert np.abs(embedder.embed_queries(WORDS) - expected).max() <= tolerance


def test_a_unigram_model_leaves_its_unknown_token_out(tmp_path: Path, empty_cache: Path) -> None:
    from model2vec import StaticModel

    folder = write_static(tmp_path / "model")
    tokenizer_of("xlm-roberta").backend_tokenizer.save(str(folder / "tokenizer.json"))
    random = np.random.default_rng(1)
    size = tokenizer_of("xlm-roberta").vocab_size
    write_static(tmp_path / "other", embeddings=random.standard_normal((size, 16)).astype(np.float32))
    shutil.copyfile(tmp_path / "other" / "model.safetensors", folder / "model.safetensors")
    embedder = open_embedder(EmbedderSpec("static", str(folder)))
    expected = StaticModel.from_pretrained(folder).encode(["the 猫 cat"])
    assert embed_all(embedder, ["the 猫 cat"])[0] == pytest.approx(expected[0], abs=1e-5)


def test_a_text_without_known_tokens_is_near_nothing_in_particular(tmp_path: Path, empty_cache: Path) -> None:
    embedder = open_embedder(EmbedderSpec("static", str(write_static(tmp_path / "model"))))
    vectors = embed_all(embedder, ["", "猫", ODD[2]])
    assert np.allclose(vectors, 0.25)


def test_batches_are_bounded_by_their_texts_and_characters(word_model: PreparedModel) -> None:
    embedder = StaticEmbedder(word_model, StaticLimits(batch_texts=3, batch_characters=10))
    batches = embedder.embed_documents(["a", "b", "c", "d" * 20, "e", "f" * 5, "g" * 5, "h"])
    assert [batch.indices.tolist() for batch in batches] == [[0, 1, 2], [3], [4, 5, 6], [7]]


def test_tokens_are_summed_in_pieces(word_model: PreparedModel, meaningful: StaticEmbedder) -> None:
    in_pieces = StaticEmbedder(word_model, StaticLimits(summed_tokens=2))
    assert np.abs(embed_all(in_pieces, TEXTS) - embed_all(meaningful, TEXTS)).max() <= 1e-6


def test_a_prepared_model_is_used_again(tmp_path: Path, empty_cache: Path) -> None:
    reports: list[str] = []
    folder = write_static(tmp_path / "model")
    first, again = (open_embedder(EmbedderSpec("static", str(folder)), report=reports.append) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    assert (first.fingerprint.provider, first.fingerprint.model, first.fingerprint.pooling) == (
        "static",
        "model",
        "mean+l2",
    )
    assert reports == ["preparing model (once per machine) …"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), r"has no model\.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 100), r"model\.safetensors: can't be read"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), r"tokenizer\.json: can't be read"),
        (
            lambda folder: write_static(folder, embeddings=np.zeros((5, 16))),
            "has 60 tokens, but there are only 5 vectors",
        ),
        (lambda folder: write_static(folder, embeddings=np.zeros(60)), "contains no table of vectors"),
        (lambda folder: write_static(folder, mapping=np.full(60, 99)), "its tables don't fit each other"),
        (lambda folder: write_static(folder, weights=np.full(60, np.nan)), "contains numbers that are not finite"),
        (lambda folder: write_static(folder, weights=np.ones(9)), "its tables don't fit each other"),
    ],
)
def test_a_file_that_is_not_a_static_model_is_named(
    tmp_path: Path, empty_cache: Path, spoil: Callable[[Path], object], message: str
) -> None:
    folder = write_static(tmp_path / "model")
    spoil(folder)
    with pytest.raises(ModelError, match=message):
        open_embedder(EmbedderSpec("static", str(folder)))
    assert not list(empty_cache.glob("models/*"))


def test_an_encoder_is_not_a_static_model(package: Path, empty_cache: Path) -> None:
    with pytest.raises(ModelError, match="isn't a static model"):
        open_embedder(EmbedderSpec("static", str(package)))


def test_there_is_no_default_static_model() -> None:
    with pytest.raises(ModelError, match="embedder static: has no default model"):
        open_embedder(EmbedderSpec("static"))
