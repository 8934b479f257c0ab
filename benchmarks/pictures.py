"""Measure near-identical pictures: precision and recall of `vsearch duplicates` on made pictures, and indexing speed.

    python -m benchmarks.pictures [--pictures 200] [--index [--ocr] [--image-model]]

A quarter each of the pictures are like photos, charts on the same axes, slides of one template, and pages of text. Each
has five versions: as it is, of half the size, saved as a JPEG of quality 40, cropped by up to 5 % at each edge, and
cropped, made smaller and saved again. A pair counts as found if both are in one group, as the command prints it. For
each threshold the precision and the recall of pairs are printed, of all pictures and of each kind. The pictures are the
same in every run.

With --index, `vsearch index` reads a folder of their files instead: the pictures a second, the CPU seconds, and the
peak of memory of all its processes are printed. With --ocr, the words in them are recognised; with --image-model, a
model of the shape of CLIP ViT-B/32 with random weights embeds them, which is made and prepared before.
"""

import argparse
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe, process_cost
from vsearch_core.model import HASH_WINDOWS
from vsearch_core.search.picture_groups import picture_groups, resemblances
from vsearch_core.text.extract.registry import extract

THRESHOLDS = (0.75, 0.775, 0.8, 0.825, 0.85)
_WORDS = (
    *("heron", "weir", "mill", "pump", "valve", "river", "gauge", "stone", "bridge", "north", "south", "water"),
    *(
        "level",
        "spring",
        "survey",
        "report",
        "figure",
        "table",
        "annual",
        "meeting",
        "minutes",
        "budget",
        "plan",
        "drawing",
    ),
    *("section", "detail", "measure", "depth", "flow", "wind", "rain", "ice", "snow", "lock", "gate"),
)


class Maker:
    """Makes pictures by Pillow."""

    def __init__(self) -> None:
        """Start with the same chance in every run."""
        self.chance = np.random.default_rng(7)
        self.kinds: tuple[Callable[[], Any], ...] = (self.photo, self.chart, self.slide, self.page)

    def photo(self) -> Any:
        """Return soft colours with shapes and noise."""
        from PIL import Image, ImageDraw, ImageFilter

        width, height = self.chance.choice([(800, 600), (600, 800), (1000, 667)]).tolist()
        rough = self.chance.normal(size=(*self.chance.integers(3, 7, 2), 3))
        levels = ((rough - rough.min()) / np.ptp(rough) * 255).astype(np.uint8)
        image = Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(image)
        for _ in range(self.chance.integers(4, 30)):
            x, y = self.chance.integers(0, width), self.chance.integers(0, height)
            across, down = self.chance.integers(10, 200), self.chance.integers(5, 200)
            shape = draw.ellipse if self.chance.random() < 0.6 else draw.rectangle
            colour = tuple(self.chance.integers(0, 256, 3).tolist())
            shape((int(x - across), int(y - down), int(x + across), int(y + down)), fill=colour)
        image = image.filter(ImageFilter.GaussianBlur(3 * self.chance.random()))
        noisy = np.asarray(image, dtype=np.float32) + self.chance.normal(size=(height, width, 3)) * 8
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))

    def chart(self) -> Any:
        """Return bars or a line, on axes that all charts have."""
        image, draw = self._canvas(800, 500)
        draw.line((60, 20, 60, 450, 780, 450), fill="black", width=2)
        self._text(draw, 300, 2, 20, 2)
        if self.chance.random() < 0.5:
            for number, size in enumerate(self.chance.integers(20, 400, 12).tolist()):
                draw.rectangle((80 + number * 58, 450 - size, 120 + number * 58, 450), fill="steelblue")
        else:
            heights = self.chance.integers(20, 400, 25).tolist()
            draw.line([(60 + 30 * at, 450 - size) for at, size in enumerate(heights)], fill="firebrick", width=3)
        return image

    def slide(self) -> Any:
        """Return a title and some lines, on a template that all slides have."""
        image, draw = self._canvas(960, 540)
        draw.rectangle((0, 0, 960, 90), fill="navy")
        self._text(draw, 30, 20, 40, 4, "white")
        for number in range(self.chance.integers(3, 7)):
            self._text(draw, 60, 130 + 60 * number, 26, int(self.chance.integers(3, 8)))
        return image

    def page(self) -> Any:
        """Return a page of text."""
        image, draw = self._canvas(620, 877)
        y = 60
        while y < 820:
            is_last = self.chance.random() < 0.25
            self._text(draw, 60, y, 14, 4 if is_last else 9)
            y += 34 if is_last else 20
        return image

    def _canvas(self, width: int, height: int) -> tuple[Any, Any]:
        from PIL import Image, ImageDraw

        image = Image.new("RGB", (width, height), "white")
        return image, ImageDraw.Draw(image)

    def _text(self, draw: Any, x: int, y: int, size: int, words: int, colour: str = "black") -> None:
        from PIL import ImageFont

        text = " ".join(self.chance.choice(_WORDS, words))[:70]
        draw.text((x, y), text, font=ImageFont.load_default(size), fill=colour)

    def versions(self, image: Any) -> Iterator[tuple[str, bytes]]:
        """Yield the names and the files of the versions of a picture."""
        width, height = image.size
        yield "same.png", saved(image, "PNG")
        yield "half.png", saved(image.resize((width // 2, height // 2)), "PNG")
        yield "saved.jpg", saved(image, "JPEG", quality=40)
        yield "cropped.png", saved(self.cropped(image, 0.05), "PNG")
        smaller = self.cropped(image, 0.03).resize((int(0.7 * width), int(0.7 * height)))
        yield "all.jpg", saved(smaller, "JPEG", quality=70)

    def cropped(self, image: Any, most: float) -> Any:
        """Return the picture without up to this share of it at each edge."""
        width, height = image.size
        left, top, right, bottom = (self.chance.random(4) * most).tolist()
        return image.crop((int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height)))


def saved(image: Any, kind: str, **options: Any) -> bytes:
    """Return the file of a picture."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def write_clip(folder: Path) -> None:
    """Write a model of the shape of CLIP ViT-B/32 with random weights. Needs torch and transformers."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    letters = [chr(code) for code in range(33, 127)]
    names = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={name: number for number, name in enumerate(names)}, merges=[])
    ids = {"bos_token_id": len(names) - 2, "eos_token_id": len(names) - 1, "pad_token_id": len(names) - 1}
    CLIPModel(CLIPConfig(text_config=ids)).save_pretrained(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}', encoding="utf-8")
    CLIPImageProcessorPil().save_pretrained(folder)


def measure_indexing(files: Sequence[tuple[int, str, bytes]], *, ocr: bool, image_model: bool) -> None:
    """Index the files in a folder of their own, and print what it took."""
    vsearch = str(Path(sys.executable).with_name("vsearch"))
    with TemporaryDirectory() as name:
        folder = Path(name, "pictures")
        folder.mkdir()
        for number, kind, data in files:
            (folder / f"{number} {kind}").write_bytes(data)
        options = ["--ocr"] if ocr else []
        if image_model:
            write_clip(Path(name, "clip"))
            subprocess.run([vsearch, "index", "--image-model", f"{name}/clip", "."], cwd=_one_of(folder), check=True)
            options += ["--image-model", f"{name}/clip"]
        cost = process_cost([vsearch, "index", "--json", *options, "."], cwd=folder)
        summary = json.loads(cost.output)
    count = len(files)
    print(
        f"{' '.join(['vsearch index', *options]).replace(name + '/', '')}: {summary['added']} of {count} pictures in"
        f" {cost.seconds:.1f} s ({count / cost.seconds:.1f} a second), {cost.cpu_seconds:.1f} s of CPU"
        f" ({1000 * cost.cpu_seconds / count:.0f} ms each), {cost.peak / 1e6:.0f} MB in all processes"
    )


def _one_of(folder: Path) -> Path:
    """Return a new folder beside this one with one of its pictures, whose indexing prepares the models."""
    one = folder.with_name("one")
    one.mkdir()
    first = min(folder.iterdir())
    (one / first.name).write_bytes(first.read_bytes())
    return one


def main() -> None:
    """Make the pictures, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--index", action="store_true")
    parser.add_argument("--ocr", action="store_true")
    parser.add_argument("--image-model", action="store_true")
    arguments = parser.parse_args()
    count = arguments.pictures
    maker = Maker()
    files = [
        (number, name, data)
        for number in range(count)
        for name, data in maker.versions(maker.kinds[number % len(maker.kinds)]())
    ]
    print(describe())
    if arguments.index:
        measure_indexing(files, ocr=arguments.ocr, image_model=arguments.image_model)
        return
    start = time.process_time()
    summaries = [extract(name, data).picture for _, name, data in files]
    took = time.process_time() - start
    print(f"{len(files)} files, {took / len(files) * 1000:.1f} ms of CPU each to read and to hash")
    hashes = [
        np.frombuffer(summary.hash, np.uint8).reshape(HASH_WINDOWS, -1)
        for summary in summaries
        if summary is not None and summary.hash is not None
    ]
    owners = np.array([number for number, _, _ in files])
    start = time.process_time()
    resemblances(np.stack(hashes), np.stack(hashes))
    print(f"{time.process_time() - start:.2f} s of CPU to compare all pairs")
    one, two = np.triu_indices(len(owners), 1)
    is_same = owners[one] == owners[two]
    for threshold in THRESHOLDS:
        label = np.arange(len(owners))
        for group, _ in picture_groups(hashes, threshold):
            label[list(group)] = group[0]
        near = label[one] == label[two]
        print(f"threshold {threshold:.2f}: {shares(near, is_same)}", end="")
        for number, kind in enumerate(("photos", "charts", "slides", "pages")):
            mine = (owners[one] % 4 == number) & (owners[two] % 4 == number)
            print(f"; {kind} {shares(near[mine], is_same[mine])}", end="")
        print()


def shares(near: NDArray[np.bool_], is_same: NDArray[np.bool_]) -> str:
    """Return the precision and the recall of pairs."""
    right = (near & is_same).sum()
    return f"{right / max(near.sum(), 1):.4f} {right / is_same.sum():.4f}"


if __name__ == "__main__":
    main()
