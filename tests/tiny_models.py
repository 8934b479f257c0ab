"""Tiny models with random weights, in the layouts of real ones; nothing is downloaded."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["the", "cat", "dog", "##og"]
SHAPE = {"vocab_size": 300, "max_position_embeddings": 64, "attention_probs_dropout_prob": 0.0}
USUAL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}
SHAPES: Mapping[str, dict[str, Any]] = {
    "bert": USUAL,
    "camembert": USUAL | {"pad_token_id": 1, "type_vocab_size": 1},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24},
    "mpnet": USUAL | {"pad_token_id": 1},
    "roberta": USUAL | {"pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": USUAL | {"pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "electra": USUAL | {"embedding_size": 16},
    "qwen3": USUAL | {"head_dim": 4, "num_key_value_heads": 2, "pad_token_id": 1},
}
WORD_PIECES = ("bert", "distilbert", "mpnet", "electra")
BERT_SPECIAL = ("[CLS]", "[PAD]", "[SEP]", "[UNK]")
OTHER_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # in the order of their ids


def write_model(folder: Path, architecture: str = "bert", **changes: Any) -> Path:
    """Write a transformer and its tokenizer; `changes` replace keys of its configuration."""
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **SHAPE | SHAPES[architecture] | changes)
    model = AutoModel.from_config(config).float()
    for parameter in model.parameters():  # the default, small weights would hide a wrong formula
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.4)
        else:  # a LayerNorm or a bias
            torch.nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.1)
    model.save_pretrained(folder)
    tokenizer_of(architecture).save_pretrained(folder)
    return folder


def tokenizer_of(architecture: str) -> Any:
    """Return a tokenizer of the family's kind: WordPiece, byte-level BPE or Unigram; Qwen's adds only an end token."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = BERT_SPECIAL if architecture in WORD_PIECES and architecture != "mpnet" else OTHER_SPECIAL
    begin, pad, end, unknown = special
    if architecture in WORD_PIECES:
        pieces = [*special, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
        tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token=unknown))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=architecture != "distilbert")
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
    elif architecture == "xlm-roberta":
        plain = [f"▁{word}" for word in WORDS[:3]] + ["▁", *LETTERS]
        tokenizer = Tokenizer(models.Unigram([*((s, 0.0) for s in special), *((p, -2.0) for p in plain)], unk_id=3))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
    else:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {piece: i for i, piece in enumerate([*special, *alphabet, "th", "the"])}
        tokenizer = Tokenizer(models.BPE(vocabulary, [("t", "h"), ("th", "e")]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    ends = [(begin, tokenizer.token_to_id(begin)), (end, tokenizer.token_to_id(end))]
    form = f"$A {end}" if architecture == "qwen3" else f"{begin} $A {end}"
    tokenizer.post_processor = processors.TemplateProcessing(single=form, special_tokens=ends)
    names = {"cls_token": begin, "pad_token": pad, "sep_token": end, "unk_token": unknown}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def add_modules(folder: Path, pooling: str = "mean", dense: int = 0, **sentence: Any) -> Path:
    """Write sentence-transformers' files beside a transformer; `dense` is the size of a Dense module, 0 for none."""
    import torch
    from safetensors.torch import save_file

    hidden = 16
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": hidden, "pooling_mode": pooling})
    if dense:
        modules.append(("2_Dense", "Dense"))
        shape = {"in_features": hidden, "out_features": dense, "bias": True}
        activation = "torch.nn.modules.activation.Tanh"
        write_json(folder / "2_Dense" / "config.json", shape | {"activation_function": activation})
        layer = {"linear.weight": torch.randn(dense, hidden), "linear.bias": torch.randn(dense)}
        save_file(layer, folder / "2_Dense" / "model.safetensors")
    names = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate([*modules, ("3_Normalize", "Normalize")])
    ]
    write_json(folder / "modules.json", names)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 40} | sentence)
    return folder


def write_static(folder: Path, **tables: Any) -> Path:
    """Write a Model2Vec model of 16 dimensions; `tables` replace or extend those of its safetensors file."""
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_of("bert").backend_tokenizer
    random = np.random.default_rng(0)
    vectors = random.standard_normal((tokenizer.get_vocab_size(), 16)).astype(np.float32)
    save_file({"embeddings": vectors} | tables, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", {"model_type": "model2vec", "normalize": True})
    return folder
