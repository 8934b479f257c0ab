"""The files of a prepared image model: a graph for texts, one for pictures, and the way to their inputs."""

import json
from dataclasses import asdict
from pathlib import Path

from vsearch_core.embed.images.settings import ImagePreparation
from vsearch_core.embed.settings import read_json
from vsearch_core.errors import ModelError
from vsearch_core.model import PixelFormat
from vsearch_core.own_files import open_file

TEXTS, PICTURES = "texts.onnx", "pictures.onnx"
IMAGE_SETTINGS = "image.json"


def write_preparation(preparation: ImagePreparation, path: Path) -> None:
    """Write the preparation to a new JSON file. Raises OSError."""
    with open_file(path, "xb") as file:
        file.write(json.dumps(asdict(preparation), indent=1).encode())


def load_preparation(path: Path) -> ImagePreparation:
    """Read the file that `write_preparation` wrote. Raises ModelError."""
    raw = read_json(path)
    try:
        pixels = dict(raw.pop("pixels"))
        crop = pixels.pop("crop")
        mean, deviation = (tuple(map(float, raw.pop(name))) for name in ("mean", "deviation"))
        form = PixelFormat(**pixels, crop=None if crop is None else (int(crop[0]), int(crop[1])))
        return ImagePreparation(pixels=form, mean=mean, deviation=deviation, **raw)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelError(str(path), "is damaged", "prepared-model-damaged", folder=str(path.parent)) from error
