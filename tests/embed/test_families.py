"""Every architecture that we write, against sentence-transformers on tiny random models of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import add_modules, write_json, write_model

from vsearch_core.embed.base import embed_all
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.models import open_model
from vsearch_core.embed.onnx.families import FAMILIES
from vsearch_core.embed.static import StaticEmbedder
from vsearch_core.embed.torch import TorchEmbedder
from vsearch_core.errors import ModelError

TEXTS = ["the cat", "the dog", "a b c", "Xy z the the THE Dog", "", "zebras eat grass", "東京 🦜"]
LONG = "the dogs bark at the cat and then the cat runs up the tree " * 5


@pytest.fixture(autouse=True)
def cache(empty_cache: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def by_sentence_transformers(folder: Path, texts: list[str], **prompt: str) -> NDArray[np.float32]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return np.asarray(model.encode(texts, normalize_embeddings=True, **prompt))


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
@pytest.mark.parametrize("architecture", [*FAMILIES])
def test_every_family_equals_sentence_transformers(tmp_path: Path, architecture: str, pooling: str) -> None:
    folder = add_modules(write_model(tmp_path / "tiny", architecture), pooling)
    expected = by_sentence_transformers(folder, TEXTS)
    assert np.abs(expected - expected[0]).max() > 0.05  # the texts differ, so a wrong formula shows
    model = open_model(str(folder))
    fp32 = LocalEmbedder(model, "fp32")
    assert np.abs(embed_all(fp32, TEXTS) - expected).max() <= 1e-4
    int8 = embed_all(LocalEmbedder(model, "int8"), TEXTS)
    assert (int8 * expected).sum(axis=1).min() >= 0.98  # of random weights; the default model's bound is 0.984
    torch = TorchEmbedder(str(folder), "cpu")
    assert len(fp32.windows(LONG)) > 2
    assert np.abs(embed_all(torch, [*TEXTS, LONG]) - embed_all(fp32, [*TEXTS, LONG])).max() <= 1e-4


@pytest.mark.parametrize("outputs", [8, 24])
def test_a_dense_layer_equals_sentence_transformers(tmp_path: Path, outputs: int) -> None:
    folder = add_modules(write_model(tmp_path / "tiny"), "cls", dense=outputs)
    embedder = LocalEmbedder(open_model(str(folder)), "fp32")
    assert embedder.fingerprint.dimension == outputs
    assert np.abs(embed_all(embedder, TEXTS) - by_sentence_transformers(folder, TEXTS)).max() <= 1e-4


@pytest.mark.parametrize("changes", [{"hidden_act": "gelu_new"}, {"hidden_act": "gelu_pytorch_tanh"}])
def test_the_other_gelu_equals_sentence_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = add_modules(write_model(tmp_path / "tiny", **changes))
    embedder = LocalEmbedder(open_model(str(folder)), "fp32")
    assert np.abs(embed_all(embedder, TEXTS) - by_sentence_transformers(folder, TEXTS)).max() <= 1e-5


def test_lower_case_is_honoured(tmp_path: Path) -> None:
    folder = add_modules(write_model(tmp_path / "tiny", "distilbert"), do_lower_case=True)
    embedder = LocalEmbedder(open_model(str(folder)), "fp32")
    found = embed_all(embedder, ["THE CAT", "the cat"])
    assert np.array_equal(found[0], found[1])
    assert np.abs(embed_all(embedder, TEXTS) - by_sentence_transformers(folder, TEXTS)).max() <= 1e-4


def test_a_checkpoint_with_a_head_is_read(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = add_modules(write_model(tmp_path / "tiny", "roberta"))
    before = embed_all(LocalEmbedder(open_model(str(folder)), "fp32"), TEXTS)
    path = folder / "model.safetensors"
    save_file({f"roberta.{name}": values for name, values in load_file(path).items()}, path)
    assert np.array_equal(embed_all(LocalEmbedder(open_model(str(folder)), "fp32"), TEXTS), before)


def test_a_known_family_wears_its_prefixes(tmp_path: Path) -> None:
    folder = add_modules(write_model(tmp_path / "multilingual-e5-small", "xlm-roberta"))
    embedder = LocalEmbedder(open_model(str(folder)), "fp32")
    assert (embedder.fingerprint.query_prefix, embedder.fingerprint.document_prefix) == ("query: ", "passage: ")
    expected = by_sentence_transformers(folder, TEXTS, prompt="query: ")
    assert np.abs(embedder.embed_queries(TEXTS) - expected).max() <= 1e-4
    assert (
        np.abs(embed_all(embedder, TEXTS) - by_sentence_transformers(folder, TEXTS, prompt="passage: ")).max() <= 1e-4
    )
    torch = TorchEmbedder(str(folder), "cpu")
    assert np.abs(torch.embed_queries(TEXTS) - expected).max() <= 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "torch.nn.modules.activation.SiLU"}, "activation SiLU isn't supported"),
        ({"use_residual": True}, "without a residual connection"),
        ({"module_input_name": "token_embeddings"}, "without a residual connection"),
        ({"in_features": None}, "not the configuration of a linear layer"),
        ({"in_features": 12}, r"'linear.weight' has shape \(8, 16\), not \(8, 12\)"),
    ],
)
def test_an_unknown_dense_layer_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = add_modules(write_model(tmp_path / "tiny"), dense=8)
    dense = {
        "in_features": 16,
        "out_features": 8,
        "bias": True,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    write_json(folder / "2_Dense" / "config.json", dense | changes)
    with pytest.raises(ModelError, match=message):
        open_model(str(folder))


def test_a_prompt_left_out_of_the_pooling_is_refused(tmp_path: Path) -> None:
    folder = add_modules(write_model(tmp_path / "e5-small"))
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean", "include_prompt": False})
    with pytest.raises(ModelError, match="leaving the prompt out"):
        open_model(str(folder))


def test_modules_in_another_order_are_named(tmp_path: Path) -> None:
    folder = add_modules(write_model(tmp_path / "tiny"))
    write_json(
        folder / "modules.json",
        [
            {"path": "3_Normalize", "type": "sentence_transformers.models.Normalize"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
    )
    with pytest.raises(ModelError, match="module Pooling after Normalize isn't supported"):
        open_model(str(folder))


@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta", "mpnet"])
def test_a_static_model_is_distilled_from_any_family(tmp_path: Path, empty_cache: Path, architecture: str) -> None:
    folder = add_modules(write_model(tmp_path / "tiny", architecture))
    static = StaticEmbedder(open_model(f"distilled:{folder}", kind="static"))
    vectors = embed_all(static, ["the cat", "the cat", "a dog"])
    assert (static.fingerprint.model, vectors.shape) == ("distilled:tiny", (3, 16))
    assert vectors[0] @ vectors[1] > 0.999 > vectors[0] @ vectors[2]
