"""Small cross-encoders with predictable scores: they count good and bad words."""

import json
from pathlib import Path

import numpy as np

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "pump", "good", "bad", "filler", "question")
GOOD, BAD, BIAS = 2.0, -1.0, -1.0  # added to the output by a word, on either side


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer that splits at blanks: [CLS] query [SEP] text [SEP]."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", WORDS.index("[CLS]")), ("[SEP]", WORDS.index("[SEP]"))],
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def write_counting(folder: Path, max_tokens: int = 512, outputs: int = 1) -> Path:
    """Write a model with an ONNX graph, whose output is BIAS plus the values of the words."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    (folder / "onnx").mkdir(parents=True)
    write_tokenizer(folder)
    shape = {"model_type": "bert", "max_position_embeddings": max_tokens}
    (folder / "config.json").write_text(json.dumps(shape))
    values = np.zeros((len(WORDS), outputs), np.float32)
    values[WORDS.index("good")], values[WORDS.index("bad")] = GOOD, BAD
    nodes = [
        helper.make_node("Gather", ["values", "input_ids"], ["found"]),
        helper.make_node("ReduceSum", ["found", "axis"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "bias"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(values, "values"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
        numpy_helper.from_array(np.full(outputs, BIAS, np.float32), "bias"),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [1, "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, outputs])
    graph = helper.make_graph(nodes, "counting", inputs, [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "onnx" / "model.onnx"))
    return folder
