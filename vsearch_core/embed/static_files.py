"""Reads static models' files: a vector a token, in safetensors, as Model2Vec and sentence-transformers write them.

Model2Vec's own package isn't needed: a text's vector is the mean of its tokens' vectors.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.embed.onnx_graph import open_weights
from vsearch_core.embed.settings import FETCH_AGAIN
from vsearch_core.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TABLES = ("embeddings", "embedding.weight")  # Model2Vec's name and sentence-transformers'


def read_vectors(path: Path) -> NDArray[Any]:
    """Each token's vector (tokens, dimension), in the file's type, or float32 where each token has a weight.

    A model of a quantized vocabulary maps several tokens to one vector; here each has its own row. Raises ModelError.
    """
    try:
        with open_weights(path) as file:
            held = {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  # it is no dict
    except (TypeError, ValueError) as error:  # bfloat16, which numpy doesn't have
        raise ModelError(str(path), "has a type that can't be read", FETCH_AGAIN) from error
    table = next((held[name] for name in TABLES if name in held), None)
    if table is None or table.ndim != 2 or not table.size:
        reason = "isn't a static model: it holds no table of vectors"
        raise ModelError(str(path), reason, "leave --embedder static out, or choose another model")
    mapping, weights = held.get("mapping"), held.get("weights")
    try:
        if mapping is not None:
            table = table[mapping.astype(np.int64)]
        if weights is not None:
            table = table.astype(np.float32) * weights.astype(np.float32)[:, None]
    except (IndexError, ValueError) as error:
        raise ModelError(str(path), f"its tables don't fit each other ({error})", FETCH_AGAIN) from error
    if not np.isfinite(table).all():
        raise ModelError(str(path), "holds numbers that are not finite", FETCH_AGAIN)
    return table


def unknown_token(tokenizer: "Tokenizer") -> int | None:
    """The token that stands for what the vocabulary lacks; it has no meaning, so it is left out of the mean."""
    model = tokenizer.model
    if hasattr(model, "unk_token"):  # WordPiece, BPE, WordLevel
        return None if model.unk_token is None else tokenizer.token_to_id(model.unk_token)
    found: int | None = json.loads(tokenizer.to_str())["model"].get("unk_id")  # Unigram
    return found
