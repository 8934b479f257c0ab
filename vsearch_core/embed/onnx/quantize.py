"""Quantizes weights to 8 bits, and measures the ranges of inputs that this needs.

ONNX Runtime quantizes the whole input of a matrix product with one scale. A few channels of a transformer have such
large values that the others lose precision: measured on single words, the int8 vectors have a cosine of 0.94 to the
fp32 vectors. So each channel is divided by a factor, and its weights are multiplied by the same factor. The product
stays the same, the ranges become similar, and the cosine rises to 0.99 (Xiao et al., "SmoothQuant", ICML 2023).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.onnx.runtime import open_session
from vsearch_core.errors import ModelError, first_line
from vsearch_core.own_files import open_file

ALPHA = 0.65  # how much of a channel's range moves into the weights; 0.5 and 0.8 are both worse by a cosine of 0.02
SAMPLES = 128
SAMPLE_TOKENS = 48
SMALLEST = 1e-5  # the magnitude assumed for a channel that is never used


def quantize_rows(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantize each row to int8. Return (codes, scales) such that rows ≈ codes · scales[:, None].

    The value with the largest magnitude in a row becomes 127 or -127.
    """
    scales = np.abs(rows).max(axis=1) / np.float32(127)
    scales[scales == 0] = 1
    codes = np.rint(rows / scales[:, None]).astype(np.int8)
    return codes, scales


def smoothing_factors(largest: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the factor of each input channel, (inputs,).

    Divide the inputs by the factors, and multiply the columns of `weight` by them.

    Args:
        largest: The largest magnitude of each input channel, (inputs,).
        weight: The weights of the linear layer, (outputs, inputs).
    """
    inputs = np.maximum(largest, SMALLEST)
    columns = np.maximum(np.abs(weight).max(axis=0), SMALLEST)
    factors = np.power(inputs, ALPHA) / np.power(columns, 1 - ALPHA)
    return np.asarray(factors / np.exp(np.log(factors).mean()), dtype=np.float32)


def max_inputs(graph: Path, tokenizer: Path, max_tokens: int) -> list[NDArray[np.float32]]:
    """Measure the largest magnitude of each input channel of each MatMul in an fp32 encoder.

    Return one array per MatMul, in the order of the graph. The encoder reads random words of its own vocabulary, so no
    sample texts are needed. A temporary file is written beside `graph`. Raises ModelError if the encoder can't read the
    tokenizer's tokens.
    """
    import onnx

    model = onnx.load(graph, load_external_data=False)
    names = [node.input[0] for node in model.graph.node if node.op_type == "MatMul"]
    probed = list(dict.fromkeys(names))
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in probed)
    probe = graph.with_name("probe.onnx")
    with open_file(probe, "xb") as file:
        file.write(onnx.ModelProto.SerializeToString(model))
    largest: dict[str, NDArray[np.float32]] = {}
    try:
        session = open_session(probe, optimised=False, cores=0)
        for row in _samples(tokenizer, max_tokens):
            for name, values in zip(probed, session.run(probed, {"input_ids": row}), strict=True):
                here = np.abs(values[0]).max(axis=0)
                largest[name] = np.maximum(largest[name], here) if name in largest else here
    except Exception as error:  # ONNX Runtime's errors share no narrower base
        raise ModelError(
            str(tokenizer), f"doesn't fit the model's weights ({first_line(error)})", "model-unsupported"
        ) from error
    probe.unlink()
    return [largest[name] for name in names]


def _samples(path: Path, max_tokens: int) -> list[NDArray[np.int64]]:
    """Return token ids (1, tokens) of texts of random words, the same at every call."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    random = np.random.default_rng(0)
    rows = []
    for _ in range(SAMPLES):
        words = tokenizer.decode(
            random.integers(tokenizer.get_vocab_size(), size=random.integers(SAMPLE_TOKENS)).tolist()
        )
        rows.append(np.array([tokenizer.encode(words).ids[:max_tokens]], dtype=np.int64))
    return rows
