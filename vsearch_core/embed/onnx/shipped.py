"""Adapts the ONNX graph that comes with a model, for architectures that `encoder.py` can't write."""

from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any

import numpy as np

from vsearch_core.embed.model_files import SHIPPED
from vsearch_core.embed.onnx.graph import GraphBuilder
from vsearch_core.embed.onnx.head import add_head, add_norm
from vsearch_core.embed.onnx.runtime import onnxruntime
from vsearch_core.embed.settings import SentenceSettings
from vsearch_core.errors import ModelError, first_line
from vsearch_core.own_files import open_file
from vsearch_core.regular_files import open_regular

if TYPE_CHECKING:
    from onnx import ModelProto

TOKENS = ("last_hidden_state", "token_embeddings")  # exporters' names for the tokens' vectors
POOLED = "sentence_embedding"  # and for the pooled vector
INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
LOOPS = ("Loop", "Scan")
MIN_OPSET = 11  # the first whose Gather counts from the end


def adapt_graph(folder: Path, target: Path, settings: SentenceSettings) -> int:
    """Adapt the graph that comes with the model in `folder`, and write it to `target`. Return its dimension.

    Its weights go to a file with the suffix .bin beside it. The tokens become the only input: since each run reads one
    window without padding, the attention mask is all ones and the token types are all zero. The graph is fp32, and
    ONNX Runtime optimises it only in ways that any CPU supports. Raises ModelError if the graph has inputs or outputs
    that are not supported.
    """
    import onnx

    source = folder / SHIPPED
    try:
        with open_regular(source) as graph:
            model = onnx.load(graph, load_external_data=False)
    except Exception as error:  # protobuf's errors share no base with onnx's
        raise ModelError(str(source), "isn't an ONNX graph", "model-damaged") from error
    check_supported(source, model)
    _check_contents(source, model)
    unfinished = target.with_name("shipped.onnx")
    parts = [unfinished, unfinished.with_suffix(".bin"), *_copy_data(source, model, target.parent)]
    with open_file(unfinished.with_suffix(".bin"), "xb") as data:
        _wrap(model, GraphBuilder(data, unfinished.with_suffix(".bin").name, None), settings)
    with open_file(unfinished, "xb") as file:
        file.write(onnx.ModelProto.SerializeToString(model))
    dimension = _optimise(source, unfinished, target)
    for part in parts:
        part.unlink()
    return dimension


def check_supported(source: Path, model: "ModelProto") -> None:
    """Raise ModelError if the graph has inputs, outputs or an opset that we don't support."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    outputs = [each.name for each in model.graph.output]
    if unknown := [each.name for each in inputs if each.name not in INPUTS]:
        raise ModelError(str(source), f"its input {unknown[0]} isn't supported", "model-unsupported")
    if unknown := [each.name for each in inputs if each.type.tensor_type.elem_type != 7]:  # TensorProto.INT64
        raise ModelError(str(source), f"its input {unknown[0]} isn't int64", "model-unsupported")
    if INPUTS[0] not in {each.name for each in inputs}:
        raise ModelError(str(source), f"has no input {INPUTS[0]}", "model-unsupported")
    if not {POOLED, *TOKENS} & set(outputs):
        raise ModelError(str(source), f"its outputs are {', '.join(outputs)}, not {TOKENS[0]}", "model-unsupported")
    opset = next((each.version for each in model.opset_import if each.domain in {"", "ai.onnx"}), 0)
    if opset < MIN_OPSET:
        raise ModelError(
            str(source), f"uses opset {opset}; the oldest supported opset is {MIN_OPSET}", "model-unsupported"
        )


def _check_contents(source: Path, model: "ModelProto") -> None:
    """Raise ModelError if the graph has loops, which might never end, or numbers in files outside of its folder."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        part = waiting.pop()
        tensors = list(getattr(part, "initializer", ()))
        for node in part.node:
            if node.op_type in LOOPS:
                raise ModelError(str(source), f"has a node {node.op_type}, which isn't supported", "model-unsupported")
            for attribute in node.attribute:
                waiting += [each for each in (attribute.g, *attribute.graphs) if each.node]
                tensors += [attribute.t, *attribute.tensors]
        names = {entry.value for each in tensors for entry in each.external_data if entry.key == "location"}
        if outside := sorted(name for name in names if Path(name).name != name):
            reason = f"keeps its numbers outside its folder ({outside[0]!r})"
            raise ModelError(str(source), reason, "model-unsupported")


def _copy_data(source: Path, model: "ModelProto", folder: Path) -> list[Path]:
    """Copy the files that hold the graph's numbers. Return the copies."""
    entries = [entry for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == "location"]
    copies = []
    for name in sorted({entry.value for entry in entries}):
        if not (source.parent / name).is_file():
            raise ModelError(str(source.parent / name), "is missing", "model-damaged")
        with open_regular(source.parent / name) as reader, open_file(folder / name, "xb") as writer:
            copyfileobj(reader, writer)
        copies.append(folder / name)
    return copies


def _wrap(model: "ModelProto", graph: GraphBuilder, settings: SentenceSettings) -> None:
    """Compute the other inputs from `input_ids`, and the embedding from the graph's outputs."""
    from onnx import TensorProto, helper

    inputs = {each.name for each in model.graph.input}
    shape = graph.node("Shape", INPUTS[0])
    for name, value in (("attention_mask", 1), ("token_type_ids", 0)):
        if name in inputs:
            filled = helper.make_tensor("value", TensorProto.INT64, [1], [value])
            graph.rename_last(graph.node("ConstantOfShape", shape, value=filled), name)
    if "position_ids" in inputs:
        length = graph.node("Gather", shape, graph.scalar(1))
        positions = graph.node("Range", graph.scalar(0), length, graph.scalar(1))
        graph.rename_last(graph.node("Reshape", positions, graph.index(1, -1)), "position_ids")
    before = graph.size
    outputs = [each.name for each in model.graph.output]
    if POOLED in outputs:
        add_norm(graph, POOLED)
    else:
        add_head(graph, next(name for name in TOKENS if name in outputs), settings)
    graph.surround(model, before)


def _optimise(source: Path, unfinished: Path, target: Path) -> int:
    """Write the graph in its optimised form, and run it once. Return the embedding's dimension."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # "all" would suit this CPU only
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4  # failures arrive as exceptions
    key = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{key}_file_name", target.with_suffix(".bin").name)
    options.add_session_config_entry(f"{key}_min_size_in_bytes", "1024")
    try:
        session = ort.InferenceSession(unfinished, options, providers=["CPUExecutionProvider"])
        vector: Any = session.run(["embedding"], {INPUTS[0]: np.array([[0, 1, 2]], dtype=np.int64)})[0]
    except Exception as error:  # ONNX Runtime's errors share no narrower base
        raise ModelError(str(source), f"can't be run ({first_line(error)})", "model-unsupported") from error
    if vector.ndim != 2 or vector.dtype != np.float32:
        raise ModelError(
            str(source), f"returns {vector.dtype} of shape {vector.shape}, not one float32 vector", "model-unsupported"
        )
    return int(vector.shape[1])
