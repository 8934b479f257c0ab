"""Reads the settings of CLIP and SigLIP models: `config.json`, `preprocessor_config.json` and the tokenizer's files.

Configurations leave out values that equal the defaults of the package transformers, so the defaults are repeated here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsearch_core.embed.settings import read_json, read_optional
from vsearch_core.errors import ModelError
from vsearch_core.model import PixelFormat

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CLIP, SIGLIP = "clip", "siglip"
PREPROCESSOR = "preprocessor_config.json"
ACTIVATIONS = ("quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh")
MAX_INPUT = 1024  # pixels of each side
_LAYERS = {"num_hidden_layers": 12, "num_attention_heads": 12}
_DEFAULTS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {  # of the text and the vision configuration
    CLIP: (
        {
            **_LAYERS,
            "hidden_size": 512,
            "num_attention_heads": 8,
            "max_position_embeddings": 77,
            "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-5,
            "eos_token_id": 49407,
        },
        {
            **_LAYERS,
            "hidden_size": 768,
            "image_size": 224,
            "patch_size": 32,
            "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-5,
        },
    ),
    SIGLIP: (
        {
            **_LAYERS,
            "hidden_size": 768,
            "max_position_embeddings": 64,
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": 1e-6,
            "pad_token_id": 1,
        },
        {
            **_LAYERS,
            "hidden_size": 768,
            "image_size": 224,
            "patch_size": 16,
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": 1e-6,
        },
    ),
}
_IMAGE_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    CLIP: {
        "size": {"shortest_edge": 224},
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    },
    SIGLIP: {
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    },
}


@dataclass(frozen=True, slots=True)
class TowerConfig:
    """The shape of one of a model's two transformers, that for texts or that for pictures.

    Attributes:
        hidden: The length of a token's or a patch's vector.
        layers: The number of layers.
        heads: The number of attention heads.
        activation: The name of the activation function, one of ACTIVATIONS.
        epsilon: The number that layer normalisation adds to the variance.
        positions: The most tokens of a text; of a picture, the number of patches in a row.
        patch: The width and height of a patch, in pixels; 0 for texts.
    """

    hidden: int
    layers: int
    heads: int
    activation: str
    epsilon: float
    positions: int
    patch: int = 0


@dataclass(frozen=True, slots=True)
class ImageModelConfig:
    """The settings of a model in `config.json`: its family, CLIP or SIGLIP, and its two transformers.

    `end` is the id of the token whose vector stands for a text, in CLIP; None means the highest id of the text.
    """

    family: str
    texts: TowerConfig
    pictures: TowerConfig
    end: int | None
    padding: int

    @classmethod
    def read(cls, folder: Path) -> "ImageModelConfig":
        """Read `folder/config.json`. Raises ModelError if a setting is missing or not supported."""
        path = folder / "config.json"
        raw = read_json(path)
        family = str(raw.get("model_type"))
        if family not in _DEFAULTS:
            reason = f"model_type is {family!r}, only {CLIP} and {SIGLIP} read pictures"
            raise ModelError(str(path), reason, "model-unsupported")
        try:
            text, vision = (
                {**defaults, **dict(raw.get(name) or {})}
                for name, defaults in zip(("text_config", "vision_config"), _DEFAULTS[family], strict=True)
            )
            side, patch = int(vision["image_size"]), int(vision["patch_size"])
            texts = _tower(text, int(text["max_position_embeddings"]))
            pictures = _tower(vision, side // patch, patch)
            end = int(text.get("eos_token_id", 2))
            padding = int(text.get("pad_token_id") or 0)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            reason = f"is not the configuration of a supported model ({error})"
            raise ModelError(str(path), reason, "model-unsupported") from error
        for tower in (texts, pictures):
            if tower.activation not in ACTIVATIONS:
                reason = f"hidden_act is {tower.activation!r}, only {', '.join(ACTIVATIONS)} are supported"
                raise ModelError(str(path), reason, "model-unsupported")
            counts = (tower.hidden, tower.layers, tower.heads, tower.positions)
            if min(counts) < 1 or tower.hidden % tower.heads or tower.positions * tower.patch > MAX_INPUT:
                reason = f"hidden_size {tower.hidden}, {tower.heads} heads and image_size don't fit together"
                raise ModelError(str(path), reason, "model-unsupported")
        # CLIP's first models state 2, which is no token's id: transformers then takes the highest id
        return cls(family, texts, pictures, None if end == 2 else end, padding)


def _tower(raw: Mapping[str, Any], positions: int, patch: int = 0) -> TowerConfig:
    return TowerConfig(
        hidden=int(raw["hidden_size"]),
        layers=int(raw["num_hidden_layers"]),
        heads=int(raw["num_attention_heads"]),
        activation=str(raw["hidden_act"]),
        epsilon=float(raw["layer_norm_eps"]),
        positions=positions,
        patch=patch,
    )


@dataclass(frozen=True, slots=True)
class ImagePreparation:
    """The way from a picture and a text to a model's inputs.

    Attributes:
        pixels: The size and the resampling of a picture.
        scale: The factor of a byte of a pixel.
        mean: The number that is then subtracted from each colour: red, green, blue.
        deviation: The number that each colour is then divided by.
        max_tokens: The most tokens of a text, special tokens included.
        padding: The id of the token that fills a text up to `max_tokens`; None if texts aren't filled up.
        plain_words: True if punctuation is removed from texts, and letters become small.
    """

    pixels: PixelFormat
    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    max_tokens: int
    padding: int | None
    plain_words: bool

    @classmethod
    def read(cls, folder: Path, config: ImageModelConfig, tokenizer: "Tokenizer") -> "ImagePreparation":
        """Read the files of the model in `folder`. Raises ModelError if a step is not supported.

        `tokenizer` is the model's, as its file has it.
        """
        path = folder / PREPROCESSOR
        raw = {**_IMAGE_DEFAULTS[config.family], **read_json(path)}
        for step in ("do_resize", "do_rescale", "do_normalize"):
            if raw.get(step, True) is not True:
                raise ModelError(str(path), f"{step} is {raw[step]!r}, only true is supported", "model-unsupported")
        try:
            size, side = _size(raw["size"]), config.pictures.positions * config.pictures.patch
            crop = _size(raw.get("crop_size")) if raw.get("do_center_crop") else None
            pixels = PixelFormat(
                height=size if isinstance(size, int) else size[0],
                width=None if isinstance(size, int) else size[1],
                crop=(crop, crop) if isinstance(crop, int) else crop,
                resample=int(raw.get("resample", 3)),
            )
            mean, deviation = (_colours(raw[name]) for name in ("image_mean", "image_std"))
            scale = float(raw.get("rescale_factor", 1 / 255))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(str(path), f"has settings that can't be read ({error})", "model-unsupported") from error
        if not 0 <= pixels.resample <= 5 or 0.0 in deviation:
            raise ModelError(str(path), "has a resample or image_std that can't be used", "model-unsupported")
        if pixels.shape != (side, side):
            reason = f"makes pictures of {pixels.shape}, and the model reads {side} × {side} pixels"
            raise ModelError(str(path), reason, "model-unsupported")
        tokens = read_optional(folder / "tokenizer_config.json")
        padding = _padding(tokenizer, tokens, config.padding) if config.family == SIGLIP else None
        # The tokenizer of the first SigLIP models cleans texts in Python; that of their file may not.
        plain = str(tokens.get("tokenizer_class", "")).startswith("SiglipTokenizer")
        return cls(pixels, scale, mean, deviation, config.texts.positions, padding, plain)


def _size(value: Any) -> int | tuple[int, int]:
    """Return the length of the shorter side, or (height, width), of a size in its three spellings."""
    if isinstance(value, int):
        return value
    return int(value["shortest_edge"]) if "shortest_edge" in value else (int(value["height"]), int(value["width"]))


def _colours(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _padding(tokenizer: "Tokenizer", settings: Mapping[str, Any], default: int) -> int:
    """Return the id of the padding token: the tokenizer's, or else `default`."""
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"])
    token = settings.get("pad_token")
    content = token.get("content") if isinstance(token, dict) else token
    found = tokenizer.token_to_id(content) if isinstance(content, str) else None
    return default if found is None else found
