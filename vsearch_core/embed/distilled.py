"""Distil a static model from a prepared local one, in a second or two: its word embeddings, whitened and weighted.

The encoder itself is not run. Its word embeddings are made comparable by whitening (Kessy et al., "Optimal Whitening
and Decorrelation", 2018), and frequent tokens get a small weight (Arora et al., "A Simple but Tough-to-Beat Baseline
for Sentence Embeddings", ICLR 2017). That a vocabulary tells how frequent a token is, is an idea of Model2Vec. See
docs/adr/0065-static-vectors-first.md.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from shutil import copyfileobj
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.model_files import DISTILLED, RECIPE
from vsearch_core.embed.onnx.graph import TOKEN_IDS
from vsearch_core.embed.prepared import DESCRIPTION, TOKENIZER, VECTORS, PreparedModel
from vsearch_core.embed.static import unknown_token
from vsearch_core.errors import ModelError
from vsearch_core.own_files import open_file

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import TensorProto
    from tokenizers import Tokenizer

_COMMON = 1e-4  # a token with this share of all tokens gets half the weight of a rare one
_SHIFT = 2.7  # of ranks, in Zipf's law as Mandelbrot refined it
_CHARACTER_RANK = 100  # of a single letter or digit
_LEAST_VARIANCE = 1e-3  # of a component, as a share of the mean: smaller ones are noise
_ROWS = 16_384  # that are converted at once

Table = NDArray[np.float32]


def distilled_weights(source: PreparedModel) -> str:
    """Return what identifies the weights of the static model that is distilled from the local model `source`.

    The vectors of two machines differ by rounding, so that a hash of them would not identify the model.
    """
    return sha256(f"{DISTILLED}{RECIPE} {source.description.weights}".encode()).hexdigest()


def write_distilled_model(source: PreparedModel, folder: "Path") -> None:
    """Write all files of the static model that is distilled from the local model `source` to `folder`.

    Raises ModelError if the model's graph has no table of word embeddings, and OSError.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source.tokenizer))
    vectors = token_vectors(read_word_embeddings(source), tokenizer)
    with open_file(folder / VECTORS, "xb") as file:
        np.save(file, vectors.astype(np.float16))
    with open_file(source.tokenizer, "rb") as ours, open_file(folder / TOKENIZER, "xb") as copy:
        copyfileobj(ours, copy)
    described = replace(
        source.description,
        name=DISTILLED + source.description.name,
        kind="static",
        weights=distilled_weights(source),
        dimension=vectors.shape[1],
        max_tokens=None,
        pooling="mean",
        query_prefix="",
        document_prefix="",
        unknown=unknown_token(tokenizer),
        files={path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    )
    with open_file(folder / DESCRIPTION, "xb") as file:
        file.write(json.dumps(asdict(described), indent=1, ensure_ascii=False).encode())


def token_vectors(words: Table, tokenizer: "Tokenizer") -> Table:
    """Return a vector for each token, (tokens, dimension), given the encoder's word embeddings of the same shape.

    Whitening is symmetric (ZCA), so that other machines get the same vectors, not only the same cosines.
    """
    centred = words - words.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = sum(block.T @ block for block in _blocks(centred)) / len(centred)
    variances, components = np.linalg.eigh(covariance)
    scales = 1 / np.sqrt(np.maximum(variances, _LEAST_VARIANCE * variances.mean()))
    vectors: Table = centred @ ((components * scales) @ components.T).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    vectors *= token_weights(tokenizer, len(words))[:, None]
    return vectors


def _blocks(table: Table) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(table), _ROWS):
        yield table[start : start + _ROWS].astype(np.float64)


def token_weights(tokenizer: "Tokenizer", count: int) -> Table:
    """Return the weight of each token, (count,): near 1 for rare ones, less for frequent ones, 0 for special ones.

    Vocabularies list frequent tokens first, so the frequency follows from the rank by Zipf's law. Single characters
    come first whether they are frequent or not: letters and digits count as fairly frequent, and punctuation as the
    most frequent.
    """
    names = dict.fromkeys(range(count), "")
    names |= {number: name for name, number in tokenizer.get_vocab().items() if number < count}
    special = {number for number, added in tokenizer.get_added_tokens_decoder().items() if added.special}
    ranks, is_word = np.zeros(count, np.float64), np.zeros(count, np.bool_)
    for number in range(count):
        text = names[number].removeprefix("##").strip("\N{LOWER ONE EIGHTH BLOCK}Ġ")  # marks of parts, or of blanks
        is_word[number] = len(text) > 1 and text.isalnum()
        ranks[number] = _CHARACTER_RANK if text.isalnum() else 0
    ranks[is_word] = np.arange(is_word.sum())
    shares = 1 / ((ranks + _SHIFT) * np.log(max(is_word.sum(), 2)))
    weights: Table = (_COMMON / (_COMMON + shares)).astype(np.float32)
    weights[[number for number in special if number < count]] = 0
    return weights


def read_word_embeddings(source: PreparedModel) -> Table:
    """Return the table of word embeddings, (tokens, dimension), of a prepared local model.

    Raises ModelError if its graph looks tokens up in no table.
    """
    import onnx

    path = source.graph("fp32")
    with open_file(path, "rb") as file:
        graph = onnx.ModelProto.FromString(file.read()).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    lookups = (node.input[0] for node in graph.node if node.op_type == "Gather" and node.input[1] == TOKEN_IDS.name)
    found = next((constants[name] for name in lookups if name in constants), None)
    if found is None or len(found.dims) != 2 or found.data_type != onnx.TensorProto.FLOAT:
        reason = "no static model can be distilled from it: its graph has no table of word embeddings"
        raise ModelError(f"model {source.description.name}", reason, "not-distillable")
    return _values(found, path)


def _values(tensor: "TensorProto", graph: "Path") -> Table:
    """Return a tensor's values, which may be in a file beside the graph."""
    from onnx import TensorProto, numpy_helper

    if tensor.data_location != TensorProto.EXTERNAL:
        return np.asarray(numpy_helper.to_array(tensor), np.float32)
    entry = {each.key: each.value for each in tensor.external_data}
    with open_file(graph.with_suffix(".bin"), "rb") as file:
        file.seek(int(entry.get("offset", 0)))
        data = file.read(int(entry["length"]))
    return np.frombuffer(data, np.float32).reshape(tuple(tensor.dims))
