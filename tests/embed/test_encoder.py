"""The graph writer against transformers on a tiny model, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vsearch_core.embed.base import embed_all
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.models import open_model
from vsearch_core.embed.onnx.encoder import _buckets, write_encoder
from vsearch_core.embed.onnx.families import BERT, EncoderConfig
from vsearch_core.embed.onnx.quantize import quantize_rows, smoothing_factors
from vsearch_core.embed.onnx.runtime import PRECISIONS, Precision
from vsearch_core.embed.settings import Pooling, SentenceSettings
from vsearch_core.errors import ModelError

Maker = Callable[..., Path]


def with_pooling(folder: Path, settings: str) -> Path:
    types = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{name}"} for path, name in types.items()]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(settings, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("settings", "pooling"),
    [
        ('{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false, "include_prompt": true}', "cls"),
        ('{"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true}', "mean"),
        ('{"pooling_mode": "cls"}', "cls"),
        ('{"pooling_mode": "mean", "include_prompt": true}', "mean"),
    ],
)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_another_model_equals_transformers(
    tiny_bert: Maker, empty_cache: Path, settings: str, pooling: Pooling, precision: Precision
) -> None:
    import torch
    from transformers import AutoModel

    folder = with_pooling(tiny_bert(), settings)
    embedder = LocalEmbedder(open_model(str(folder)), precision)
    assert embedder.fingerprint.pooling.startswith(f"{pooling}+l2, ")
    texts = ["the cat", "the dog", "a b c", "x y z the the the dog", ""]
    peer = AutoModel.from_pretrained(folder).eval()
    expected = []
    with torch.inference_mode():
        for text in texts:
            (window,) = embedder.windows(text)
            tokens = peer(input_ids=torch.from_numpy(window)).last_hidden_state[0].numpy()
            vector = tokens[0] if pooling == "cls" else tokens.mean(axis=0)
            expected.append(vector / np.linalg.norm(vector))
    assert np.abs(embed_all(embedder, texts) - np.array(expected)).max() <= {"fp32": 1e-5, "int8": 0.05}[precision]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "albert"}, "model_type is 'albert', only bert, camembert, distilbert"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"hidden_size": None}, "is not the configuration of a supported encoder"),
        ({"is_decoder": True}, "it is a decoder"),
        ({"num_attention_heads": 3}, "can't be divided by 3 heads"),
    ],
)
def test_an_unknown_architecture_is_named(
    tiny_bert: Maker, empty_cache: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        open_model(str(tiny_bert(**changes)))
    assert not list(empty_cache.glob("models/*"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('{"pooling_mode_max_tokens": true}', "pooling by max isn't supported, only mean, cls, lasttoken"),
        ('{"pooling_mode": "weightedmean"}', "pooling by weightedmean isn't supported"),
        ('{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}', r"pooling by \['cls', 'mean'\]"),
        ('{"pooling_mode": "mean"', "isn't JSON"),
        ("[]", "isn't a JSON dict"),
    ],
)
def test_an_unknown_pooling_is_named(tiny_bert: Maker, empty_cache: Path, settings: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_model(str(with_pooling(tiny_bert(), settings)))


def test_an_unknown_module_is_named(tiny_bert: Maker, empty_cache: Path) -> None:
    folder = tiny_bert()
    (folder / "modules.json").write_text(
        '[{"path": "2_LSTM", "type": "sentence_transformers.models.LSTM"}]', encoding="utf-8"
    )
    with pytest.raises(ModelError, match=r"module sentence_transformers\.models\.LSTM isn't supported"):
        open_model(str(folder))


def test_prompts_and_limits_come_from_the_folder(tiny_bert: Maker, empty_cache: Path) -> None:
    folder = tiny_bert()
    prompts = '{"prompts": {"query": "the ", "document": "dog "}}'
    (folder / "config_sentence_transformers.json").write_text(prompts, encoding="utf-8")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 12}', encoding="utf-8")
    embedder = LocalEmbedder(open_model(str(folder)), "fp32")
    assert (embedder.fingerprint.query_prefix, embedder.fingerprint.document_prefix) == ("the ", "dog ")
    assert [window.shape[1] for window in embedder.windows("a " * 11)] == [12, 12]
    plain = embed_all(LocalEmbedder(open_model(str(tiny_bert("plain"))), "fp32"), ["the cat", "dog cat"])
    assert np.array_equal(embedder.embed_queries(["cat"])[0], plain[0])
    assert np.array_equal(embed_all(embedder, ["cat"])[0], plain[1])


def test_a_missing_tensor_is_named(tiny_bert: Maker, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tiny_bert()
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["encoder.layer.1.output.dense.bias"]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=r"no tensor 'encoder\.layer\.1\.output\.dense\.bias'"):
        write_encoder(folder, tmp_path / "graph.onnx", SentenceSettings.read(folder, ["tiny"]))


def test_a_tensor_of_another_shape_is_named(tiny_bert: Maker, tmp_path: Path) -> None:
    folder = tiny_bert(hidden_size=16)
    with pytest.raises(ModelError, match=r"'embeddings.word_embeddings.weight' has shape \(\d+, 8\), not \(-1, 16\)"):
        write_encoder(folder, tmp_path / "graph.onnx", SentenceSettings.read(folder, ["tiny"]))


def test_cut_weights_are_named(tiny_bert: Maker, tmp_path: Path) -> None:
    folder = tiny_bert()
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=rf"{path}: can't be read"):
        write_encoder(folder, tmp_path / "graph.onnx", SentenceSettings.read(folder, ["tiny"]))


def test_the_default_model_is_understood(package: Path) -> None:
    shape = {"hidden": 384, "layers": 6, "heads": 12, "max_positions": 512, "first_position": 0}
    assert EncoderConfig.read(package) == EncoderConfig(BERT, **shape, gelu="none", epsilon=1e-12)


def test_the_buckets_of_distances_are_transformers() -> None:
    import torch
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-600, 601)
    expected = MPNetEncoder.relative_position_bucket(torch.from_numpy(distances))
    assert _buckets(distances).tolist() == expected.tolist()


def test_quantised_rows_are_near_and_zero_rows_stay_zero() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    rows[2] = 0
    codes, scales = quantize_rows(rows)
    assert codes.dtype == np.int8
    assert scales.dtype == np.float32
    assert np.abs(codes * scales[:, None] - rows).max() <= np.abs(rows).max() / 127 / 2 + 1e-6
    assert not codes[2].any()


def test_smoothing_keeps_the_product_and_evens_the_inputs() -> None:
    random = np.random.default_rng(0)
    inputs = random.standard_normal((50, 16)).astype(np.float32)
    inputs[:, 3] *= 100
    weight = random.standard_normal((8, 16)).astype(np.float32)
    factors = smoothing_factors(np.abs(inputs).max(axis=0), weight)
    assert factors.dtype == np.float32
    assert np.allclose((inputs / factors) @ (weight * factors).T, inputs @ weight.T, atol=1e-3)
    spread = np.abs(inputs / factors).max(axis=0)
    assert spread.max() / spread.min() < 20
