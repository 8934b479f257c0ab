"""Documents embedded by compiled kernels: near fp32, the same in any batch, and left to ONNX Runtime where need be."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from vsearch_core import kernel_cache
from vsearch_core.embed import compiled
from vsearch_core.embed.base import embed_all
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.model_files import ModelFiles
from vsearch_core.embed.models import prepare
from vsearch_core.embed.prepared import PreparedModel
from vsearch_core.errors import ModelError
from vsearch_core.kernels.encoder_steps import HAS_VNNI

TEXTS = ["a cat", "the dog", "x", "", "the cat sat by the dog and so on and on", "abc " * 40]
LONG = "the dog sat by a cat " * 60

pytestmark = pytest.mark.skipif(not HAS_VNNI, reason="this CPU has no AVX-512 VNNI")


def prepared_bert(folder: Path, pooling: str = "mean", **changes: Any) -> PreparedModel:
    """Write and prepare a BERT of 2 layers with random weights; keywords replace settings of its configuration."""
    import json

    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "the", "cat", "dog"]
    source = folder / "source"
    source.mkdir(parents=True)
    (folder / "words.txt").write_text("\n".join(words), encoding="utf-8")
    torch.manual_seed(0)
    shape = {
        "vocab_size": len(words),
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "max_position_embeddings": 300,
        "initializer_range": 0.2,
    }
    BertModel(BertConfig(**shape | changes)).save_pretrained(source)
    BertTokenizerFast(str(folder / "words.txt")).save_pretrained(source)
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (source / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}), encoding="utf-8")
    return prepare(
        ModelFiles(name="tiny", folder=source, file="model.safetensors", weights=None, origin="folder"), folder / "home"
    )


def by_kernels(model: PreparedModel) -> LocalEmbedder:
    return LocalEmbedder(model, "int8", compile_after=0)


def onnx_runtime(model: PreparedModel) -> LocalEmbedder:
    return LocalEmbedder(model, "int8", compile_after=None)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> PreparedModel:
    return prepared_bert(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("changes", [{}, {"pooling": "cls"}, {"num_attention_heads": 1}, {"hidden_act": "gelu_new"}])
def test_vectors_are_near_fp32(tmp_path: Path, changes: dict[str, Any]) -> None:
    model = prepared_bert(tmp_path, **changes)
    embedder = by_kernels(model)
    assert embedder._compiled is not None
    found, expected = embed_all(embedder, [*TEXTS, LONG]), embed_all(LocalEmbedder(model, "fp32"), [*TEXTS, LONG])
    assert (found * expected).sum(axis=1).min() >= 0.99
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() <= 1e-5


def test_a_vector_does_not_depend_on_its_batch(bert: PreparedModel) -> None:
    texts = [*TEXTS, LONG] * 3
    together = embed_all(by_kernels(bert), texts)
    assert [embed_all(by_kernels(bert), [text]).tobytes() for text in texts] == [
        vector.tobytes() for vector in together
    ]


def test_late_windows_are_near_those_of_onnx_runtime(bert: PreparedModel) -> None:
    stops = []
    for embedder in (by_kernels(bert), onnx_runtime(bert)):
        (batch,) = embedder.embed_documents([LONG])
        assert batch.windows is not None
        stops.append(len(batch.windows[0]))
    assert stops[0] == stops[1] > 0


@pytest.mark.parametrize(
    "changes", [{"hidden_size": 32}, {"num_attention_heads": 4}, {"intermediate_size": 100}], ids=str
)
def test_other_sizes_are_left_to_onnx_runtime(tmp_path: Path, changes: dict[str, Any]) -> None:
    model = prepared_bert(tmp_path, **changes)
    embedder, plain = by_kernels(model), onnx_runtime(model)
    assert embed_all(embedder, TEXTS).tobytes() == embed_all(plain, TEXTS).tobytes()


@pytest.mark.parametrize("forged", ["positions", "words", "scales", "numbers"])
def test_arrays_that_do_not_fit_are_left_to_onnx_runtime(bert: PreparedModel, forged: str) -> None:
    nodes = compiled._Nodes.of(
        onnx.load(bert.graph("int8"), load_external_data=False), bert.graph("int8").with_suffix(".bin")
    )
    shape = nodes.shape()
    assert shape is not None
    weights, tokens = nodes.weights(shape), bert.description.max_tokens or 0
    assert compiled._fits(weights, shape, tokens)
    shorter: dict[str, dict[str, Any]] = {
        "positions": {"positions": weights.positions[: tokens - 1]},
        "words": {"words": weights.words[:-1]},
        "scales": {"word_scales": weights.word_scales.astype(np.float64)},
        "numbers": {"numbers": weights.numbers[:-64]},
    }
    assert not compiled._fits(weights._replace(**shorter[forged]), shape, tokens)
    assert not compiled._fits(weights, shape, 0)


def test_fp32_is_left_to_onnx_runtime(bert: PreparedModel) -> None:
    found, expected = (embed_all(LocalEmbedder(bert, "fp32", compile_after=after), TEXTS) for after in (0, None))
    assert found.tobytes() == expected.tobytes()


def test_kernels_start_after_enough_characters(bert: PreparedModel) -> None:
    embedder = LocalEmbedder(bert, "int8", compile_after=2 * len(LONG))
    first, second = (embed_all(embedder, [LONG]).tobytes() for _ in range(2))
    assert [first, second] == [embed_all(each, [LONG]).tobytes() for each in (onnx_runtime(bert), by_kernels(bert))]
    assert first != second
    assert (embedder.embed_queries([LONG]) == onnx_runtime(bert).embed_queries([LONG])).all()


def test_onnx_runtime_takes_over_where_kernels_cannot_be_stored(
    bert: PreparedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kernel_cache, "load", fail)
    plain = embed_all(onnx_runtime(bert), TEXTS)
    assert embed_all(by_kernels(bert), TEXTS).tobytes() == plain.tobytes()


def test_a_token_that_the_model_does_not_know_is_an_error(bert: PreparedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = by_kernels(bert)
    monkeypatch.setattr(embedder._windower, "windows_with_plan", lambda *_: ([[2, 10**6, 3]], None))
    with pytest.raises(ModelError, match=r"failed .*1000000"):
        embed_all(embedder, ["x"])
