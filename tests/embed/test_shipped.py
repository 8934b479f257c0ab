"""Graphs that come with a model: wrapped, they give what sentence-transformers gives; others are refused by name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import add_modules, write_json, write_model

from vsearch_core.embed.base import embed_all
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.models import list_models, open_model
from vsearch_core.errors import ModelError

TEXTS = ["the cat", "the dog", "a b c", "Xy z the the THE Dog", "", "zebras eat grass"]
OURS = ("input_ids", "attention_mask", "token_type_ids")


def export(folder: Path, *, outputs: str = "last_hidden_state") -> Path:
    """Write `onnx/model.onnx` as exporters do."""
    import torch
    from transformers import AutoModel

    class Tokens(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.inner = AutoModel.from_pretrained(folder).eval()

        def forward(self, ids: Any, mask: Any, types: Any) -> Any:
            tokens = self.inner(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
            return tokens if outputs == "last_hidden_state" else tokens[:, 0]

    (folder / "onnx").mkdir()
    ids = torch.tensor([[2, 5, 6, 3]])
    axes = {name: {0: "batch", 1: "tokens"} for name in OURS} | {outputs: {0: "batch"}}
    torch.onnx.export(
        Tokens(),
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        folder / "onnx" / "model.onnx",
        input_names=[*OURS],
        output_names=[outputs],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,  # the other exporter needs a package more
    )
    return folder


def keep_numbers_aside(folder: Path) -> None:
    import onnx

    path = folder / "onnx" / "model.onnx"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="model.onnx_data", size_threshold=0)


@pytest.mark.filterwarnings("ignore")  # of the exporter
@pytest.mark.parametrize(
    ("architecture", "pooling", "outputs", "prepare"),
    [
        ("electra", "mean", "last_hidden_state", lambda folder: None),
        ("electra", "lasttoken", "last_hidden_state", keep_numbers_aside),
        ("electra", "cls", "sentence_embedding", lambda folder: None),
        ("bert", "cls", "last_hidden_state", lambda folder: (folder / "model.safetensors").unlink()),
    ],
)
def test_a_shipped_graph_equals_sentence_transformers(
    tmp_path: Path,
    empty_cache: Path,
    architecture: str,
    pooling: str,
    outputs: str,
    prepare: Callable[[Path], None],
) -> None:
    from sentence_transformers import SentenceTransformer

    dense = 8 if outputs == "last_hidden_state" else 0
    folder = export(add_modules(write_model(tmp_path / "tiny", architecture), pooling, dense), outputs=outputs)
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    prepare(folder)
    model = open_model(str(folder))
    embedder = LocalEmbedder(model, "int8")
    assert embedder.precision == "fp32"  # the one that there is
    assert (embedder.fingerprint.dimension, model.description.max_tokens) == (dense or 16, 40)
    assert np.abs(embed_all(embedder, TEXTS) - expected).max() <= 1e-4
    assert sorted(path.name for path in model.folder.iterdir()) == [
        "model.fp32.bin",
        "model.fp32.onnx",
        "model.json",
        "tokenizer.json",
    ]
    shown = next(info for info in list_models() if info.name == "tiny")
    assert (shown.precision, shown.reason) == ("fp32", "the graph is the one that the model came with")


def write_graph(
    folder: Path, inputs: Sequence[str] = OURS, output: str = "last_hidden_state", opset: int = 17, **changes: Any
) -> Path:
    """A graph that adds up, for each token, a row of a table and its mask, type and position."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kind = changes.get("kind", TensorProto.INT64)
    table = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    nodes = [helper.make_node("Gather", ["table", inputs[0]], ["sum0"])]
    for number, name in enumerate(inputs[1:]):
        nodes.append(helper.make_node("Cast", [name], [f"cast{number}"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Unsqueeze", [f"cast{number}", "last"], [f"wide{number}"]))
        nodes.append(helper.make_node("Add", [f"sum{number}", f"wide{number}"], [f"sum{number + 1}"]))
    nodes[-1].output[0] = output
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, ["batch", "tokens"]) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", "tokens", 16])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([2]), "last")],
    )
    (folder / "onnx").mkdir(exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8),
        folder / "onnx" / "model.onnx",
    )
    return folder


@pytest.fixture
def folder(tmp_path: Path, empty_cache: Path) -> Path:
    """A model of an architecture that is not ours to write, without a graph yet."""
    return add_modules(write_model(tmp_path / "tiny", "electra"))


def test_every_input_is_worked_out_from_the_tokens(folder: Path) -> None:
    model = open_model(str(write_graph(folder, (*OURS, "position_ids"))))
    embedder = LocalEmbedder(model)
    (window,) = embedder.windows("the cat")
    table = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    mean = (table[window[0]] + 1 + np.arange(window.shape[1])[:, None]).mean(axis=0)
    assert embed_all(embedder, ["the cat"])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: None, "model_type is 'electra', only bert"),
        (lambda folder: write_graph(folder, (*OURS, "past_key_values")), "its input past_key_values isn't supported"),
        (lambda folder: write_graph(folder, ("attention_mask",)), "has no input input_ids"),
        (lambda folder: write_graph(folder, kind=6), "its input input_ids isn't int64"),
        (lambda folder: write_graph(folder, output="logits"), "its outputs are logits, not last_hidden_state"),
        (lambda folder: write_graph(folder, opset=10), "uses opset 10; the oldest supported opset is 11"),
        (
            lambda folder: write_graph(folder, output="sentence_embedding"),
            r"returns float32 of shape \(1, 3, 16\), not one",
        ),
        (lambda folder: (write_graph(folder) / "onnx" / "model.onnx").write_bytes(b"x"), "isn't an ONNX graph"),
        (lambda folder: shorten_limits(write_graph(folder)), "has neither max_position_embeddings nor n_positions"),
    ],
)
def test_a_graph_of_another_kind_is_named(folder: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(folder)
    with pytest.raises(ModelError, match=message):
        open_model(str(folder))


def shorten_limits(folder: Path) -> None:
    """Take every word on the longest text out of the files."""
    write_json(folder / "config.json", {"model_type": "electra"})
    write_json(folder / "tokenizer_config.json", {})
    write_json(folder / "sentence_bert_config.json", {})


def test_numbers_outside_the_folder_are_refused(folder: Path) -> None:
    import onnx

    path = write_graph(folder) / "onnx" / "model.onnx"
    keep_numbers_aside(folder)
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "../../secret"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="keeps its numbers outside its folder"):
        open_model(str(folder))
    keep = path.with_name("model.onnx_data")
    model.graph.initializer[0].external_data[0].value = keep.name
    path.write_bytes(model.SerializeToString())
    keep.unlink()
    with pytest.raises(ModelError, match=r"model\.onnx_data: is missing"):
        open_model(str(folder))


def test_the_hub_is_asked_for_the_graph_where_the_architecture_is_unknown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads: list[str] = []

    def download(_name: str, *, allow_patterns: list[str], **_options: object) -> str:
        downloads.append(allow_patterns[0])
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    message = r"model someone/tiny: model_type is 'electra', .* are supported, and it ships no onnx/model\.onnx"
    with pytest.raises(ModelError, match=message):
        open_model("someone/tiny")
    write_graph(folder)
    assert open_model("someone/tiny").description.file == "onnx/model.onnx"
    assert "model.safetensors" not in downloads
