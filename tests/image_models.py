"""Tiny CLIP and SigLIP models with random weights, in the layout of real ones, and pictures for them."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tiny_models import LETTERS, write_json

import vsearch_core as vsearch
from vsearch_core.embed.base import Embedder
from vsearch_core.model import Fingerprint, PixelFormat

OpenWithImages = Callable[..., vsearch.Index]
TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
SIDE, PATCH = 32, 8


def write_image_model(
    folder: Path, family: str = "clip", *, text: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """Write a model of "clip" or "siglip"; `text` and `changes` replace keys of its text and vision configuration."""
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    tokenizer = clip_tokenizer() if family == "clip" else siglip_tokenizer()
    end = tokenizer.token_to_id("<|endoftext|>" if family == "clip" else "</s>")
    words = TOWER | {"vocab_size": 400, "max_position_embeddings": 16, "eos_token_id": end} | (text or {})
    if family == "siglip":
        words = {"projection_size": 32} | words
    config = AutoConfig.for_model(
        family,
        text_config=words,
        vision_config=TOWER | {"image_size": SIDE, "patch_size": PATCH} | changes,
        **({"projection_dim": 24} if family == "clip" else {}),
    )
    model = AutoModel.from_config(config).float()
    for parameter in model.parameters():  # the default, small weights would hide a wrong formula
        spread = 0.3 if parameter.dim() > 1 else 0.1
        torch.nn.init.normal_(
            parameter, mean=float(parameter.detach().mean()) if parameter.dim() == 1 else 0, std=spread
        )
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    processor = image_processor(family)
    processor.save_pretrained(folder)
    kind = {"tokenizer_class": "CLIPTokenizer" if family == "clip" else "SiglipTokenizer", "pad_token": "</s>"}
    write_json(folder / "tokenizer_config.json", kind)
    return folder


def image_processor(family: str) -> Any:
    """Return the family's preprocessing of pictures for the tiny models."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    if family == "clip":
        return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})


def clip_tokenizer() -> Any:
    """Return a tokenizer as CLIP's: byte-level BPE in small letters with a mark at the end of words."""
    from transformers import CLIPTokenizer

    letters = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    names = [*letters, "th", "the</w>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: number for number, name in enumerate(names)}
    return CLIPTokenizer(vocab=vocabulary, merges=[("t", "h"), ("th", "e</w>")]).backend_tokenizer


def siglip_tokenizer() -> Any:
    """Return a tokenizer as SigLIP's: Unigram, with an end token that also fills texts up."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    plain = [("▁the", -1.0), ("▁cat", -1.5), ("▁", -2.0), *((letter, -3.0) for letter in LETTERS)]
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("</s>", 0.0), *plain], unk_id=0))
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def noise(width: int, height: int, seed: int = 0) -> Any:
    """Return a picture in RGB of coarse random colours, as an image of Pillow."""
    from PIL import Image

    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (30, 50, 220),
    "yellow": (230, 220, 20),
    "purple": (150, 20, 190),
    "orange": (250, 130, 10),
}


class ColourModel:
    """A deterministic stand-in for an image model: it sees colours, and reads their names.

    As in CLIP, all texts and pictures have a part in common, and unrelated ones differ by chance.
    """

    dimension = 64

    def __init__(self, name: str = "colours", noise: float = 0.6) -> None:
        self.fingerprint = Fingerprint("image", name, "0" * 64, self.dimension, "clip")
        self.pixel_format = PixelFormat(16, None, (16, 16), 3)
        self.noise = noise
        self.pictures = 0
        self.texts = 0

    def embed_pictures(self, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        for pixels in pictures:
            self.pictures += 1
            flat = pixels.reshape(-1, 3).astype(np.int64)
            near = np.stack([np.abs(flat - colour).sum(axis=1) < 120 for colour in COLOURS.values()])
            yield self._vector(near.mean(axis=1), pixels.tobytes())

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        words = [set(text.lower().split()) for text in texts]
        return np.stack(
            [
                self._vector(np.array([colour in each for colour in COLOURS], np.float64), text.encode())
                for each, text in zip(words, texts, strict=True)
            ]
        )

    def _vector(self, seen: NDArray[np.float64], seed: bytes) -> NDArray[np.float32]:
        random = np.random.default_rng(int.from_bytes(blake2b(seed, digest_size=8).digest()))
        vector = self.noise * random.standard_normal(self.dimension) / np.sqrt(self.dimension)
        vector[: len(seen)] += seen
        vector[-1] += 0.5
        unit: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
        return unit


def coloured(*names: str, size: tuple[int, int] = (160, 120), kind: str = "PNG") -> bytes:
    """Return a picture file of stripes in these colours."""
    from PIL import Image

    image = Image.new("RGB", size)
    width = -(-size[0] // len(names))
    for number, name in enumerate(names):
        image.paste(COLOURS[name], (number * width, 0, (number + 1) * width, size[1]))
    image.putpixel((0, 0), (len(names), size[0] % 256, size[1] % 256))
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def index_opener(root: Path, embedder: Embedder, model: ColourModel) -> OpenWithImages:
    """Return a function that opens or makes an index, by default in `root`, with these models as its defaults."""

    def open_it(folder: Path = root, images: ColourModel = model, **options: Any) -> vsearch.Index:
        return vsearch.open_index(
            folder,
            create=True,
            open_embedder=lambda _spec: embedder,
            open_image_embedder=lambda _name: images,
            **options,
        )

    return open_it
