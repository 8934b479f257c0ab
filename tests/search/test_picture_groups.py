"""Perceptual hashes: versions of a picture are near-identical, other pictures are not; `duplicates` groups them."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.model import HASH_BITS, HASH_WINDOWS, PICTURE
from vsearch_core.search import picture_groups as module
from vsearch_core.search.hash_buckets import best_blocks, cut_into, near_pairs
from vsearch_core.search.picture_groups import Hashes, hashes_of, is_undescribed, picture_groups
from vsearch_core.text.extract.registry import extract

pytest.importorskip("PIL")

from pictures import png


def photo(seed: int, width: int = 320, height: int = 240) -> Any:
    """Return an image of soft colours with some shapes; other seeds give other images."""
    from PIL import Image, ImageDraw

    chance = np.random.default_rng(seed)
    rough = chance.integers(0, 256, (4, 5, 3)).astype(np.uint8)
    image = Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(8):
        x, y, size = chance.integers(0, 240), chance.integers(0, 180), chance.integers(10, 80)
        draw.ellipse([int(x), int(y), int(x + size), int(y + size)], fill=tuple(chance.integers(0, 256, 3).tolist()))
    return image


def saved(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def versions(image: Any) -> dict[str, bytes]:
    """Return the files of a picture: as it is, smaller, saved with losses, cropped, turned by its EXIF, in colours."""
    from PIL import Image

    width, height = image.size
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "same.bmp": saved(image, "BMP"),
        "half.png": saved(image.resize((width // 2, height // 2))),
        "poor.jpg": saved(image, "JPEG", quality=30),
        "cropped.png": saved(image.crop((int(0.04 * width), 0, width, int(0.96 * height)))),
        "web.webp": saved(image, "WEBP", quality=60),
        "turned.jpg": saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=90, exif=turned),
        "few.gif": saved(image.quantize(64), "GIF"),
    }


def hashes(name: str, data: bytes) -> Hashes:
    picture = extract(name, data).picture
    assert picture is not None
    assert picture.hash is not None
    return np.frombuffer(picture.hash, np.uint8).reshape(HASH_WINDOWS, HASH_BITS // 8)


def test_versions_of_a_picture_are_a_group_and_other_pictures_are_none() -> None:
    files = [(seed, name, data) for seed in range(6) for name, data in versions(photo(seed)).items()]
    groups = picture_groups([hashes(name, data) for _, name, data in files], 0.8)
    assert [{files[number][0] for number in group} for group, _ in groups] == [{seed} for seed in range(6)]
    assert [len(group) for group, _ in groups] == [7] * 6
    for group, resemblances in groups:
        assert resemblances[0] == 1
        assert all(0.8 <= value <= 1 for value in resemblances)
        assert list(group) == sorted(group)


def test_a_threshold_of_one_finds_equal_hashes_only() -> None:
    files = versions(photo(1))
    files["again.bmp"] = files["same.bmp"]
    found = picture_groups([hashes(name, data) for name, data in files.items()], 1.0)
    (group,) = [set(group) for group, _ in found if 0 in group]
    assert {0, len(files) - 1} <= group
    assert len(group) < len(files)
    assert {value for _, values in found for value in values} == {1.0}


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(2, 150),
    threshold=st.sampled_from([0.5, 0.75, 0.8, 0.9, 1.0]),
    blocks=st.integers(20, 29),
)
def test_kernels_find_the_groups_that_comparing_all_hashes_finds(
    seed: int, count: int, threshold: float, blocks: int
) -> None:
    chance = np.random.default_rng(seed)
    bits = chance.random((count, HASH_WINDOWS, HASH_BITS)) < 0.5
    likeness = chance.uniform(0, 0.3, count)  # windows differ from the whole by up to this share of bits
    bits = bits[:, :1] ^ (chance.random(bits.shape) < chance.uniform(0, 0.45, (count, 1, 1)))
    for number in np.flatnonzero(chance.random(count) < 0.5)[1:].tolist():  # a version of another picture, or of a crop
        source = bits[chance.integers(0, number), chance.integers(0, HASH_WINDOWS)]
        bits[number] = source ^ (chance.random(bits[number].shape) < likeness[number])
    hashes = [*np.packbits(bits, axis=2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FEW", count)
        expected = picture_groups(hashes, threshold)
        patch.setattr(module, "_FEW", 0)
        patch.setattr(module, "best_blocks", lambda _pictures, _radius: ())
        assert picture_groups(hashes, threshold) == expected
        patch.setattr(module, "best_blocks", lambda _pictures, radius: cut_into(blocks, radius) if radius else ())
        assert picture_groups(hashes, threshold) == expected


@pytest.mark.parametrize("few", [0, 9])
@pytest.mark.parametrize(("different", "threshold", "is_near"), [(57, 0.8, True), (58, 0.8, False), (72, 0.5, True)])
def test_the_number_of_different_bits_decides(
    few: int, different: int, threshold: float, is_near: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEW", few)
    chance = np.random.default_rng(5)
    bits = chance.random((2, HASH_WINDOWS, HASH_BITS)) < 0.5
    bits[1, 7] = bits[0, 0]
    bits[1, 7, :different] ^= True
    groups = picture_groups([*np.packbits(bits, axis=2)], threshold)
    assert [group for group, _ in groups] == ([(0, 1)] if is_near else [])


def test_there_is_a_least_resemblance() -> None:
    assert picture_groups([hashes("a.png", saved(photo(seed))) for seed in range(8)], 0.5) == []
    assert picture_groups([], 0.8) == []


@pytest.mark.parametrize(
    "data",
    [saved(photo(1).convert("L").point(lambda _: 90)), png(size=(60_000, 60_000)), saved(photo(1), "JPEG")[:900]],
)
def test_pictures_of_one_colour_too_large_and_damaged_ones_have_no_hash(data: bytes) -> None:
    document = extract("mill.png", data)
    assert document.text.startswith("mill (")
    assert document.picture is not None
    assert document.picture.hash is None


@pytest.mark.parametrize("kept", ["null", "[]", '{"hash": 7}', '{"hash": "AAAA"}', '{"hash": "?"}', '"x"', "{"])
def test_a_forged_hash_is_none(kept: str) -> None:
    meta = f'{{"{PICTURE}": {kept}}}'
    assert hashes_of(meta) is None
    assert not is_undescribed(meta)


def test_a_hash_is_read_from_metadata() -> None:
    kept = base64.b64encode(bytes(HASH_WINDOWS * HASH_BITS // 8)).decode()
    found = hashes_of(json.dumps({PICTURE: {"hash": kept, "described": False}}))
    assert found is not None
    assert found.shape == (HASH_WINDOWS, HASH_BITS // 8)


def test_duplicates_groups_pictures_and_not_their_names(tmp_path: Path, embedder: WordEmbedder) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(2):
        for name, data in list(versions(photo(seed)).items())[:3]:
            (folder / f"DSC {seed} {name}").write_bytes(data)
    for number in range(3):  # names with the same words, of different pictures
        (folder / f"DSC of the river and the weir in spring {number}.png").write_bytes(saved(photo(10 + number)))
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: embedder) as index:
        assert index.update([folder]).added == 9
        found = index.duplicates()
        assert [[Path(member.stored.path).name.split()[1] for member in group] for group in found.groups] == [
            ["0"] * 3,
            ["1"] * 3,
        ]
        assert all(member.is_picture for group in found.groups for member in group)
        hit = index.search("spring river", mode="keyword").hits[0]
        assert PICTURE not in hit.meta
        assert hit.text.startswith("DSC of the river")
        assert index.update([folder]).unchanged == 9


def two_colours(one: tuple[int, int, int], other: tuple[int, int, int]) -> Any:
    """Return a drawing in two colours; grey pixels show only how bright these are."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (320, 240), one)
    draw = ImageDraw.Draw(image)
    for x, y, size in ((20, 30, 90), (150, 20, 60), (180, 120, 100), (40, 150, 50)):
        draw.ellipse((x, y, x + size, y + size), fill=other)
    return image


def test_vectors_of_an_image_model_tell_pictures_apart_whose_hashes_are_equal(
    tmp_path: Path, embedder: WordEmbedder
) -> None:
    from image_models import COLOURS, ColourModel

    album = tmp_path / "album"
    album.mkdir()
    for name, colour in (("red", COLOURS["red"]), ("purple", (110, 40, 190))):  # both a third as bright as white
        drawing = two_colours(colour, (255, 255, 255))
        (album / f"{name}.png").write_bytes(saved(drawing))
        (album / f"{name} half.png").write_bytes(saved(drawing.resize((160, 120))))
        (album / f"{name} again.jpg").write_bytes(saved(drawing, "JPEG", quality=95))
    groups = {}
    for model in (None, "colours"):
        with vsearch.open_index(
            tmp_path / f"{model}.index",
            create=True,
            open_embedder=lambda _spec: embedder,
            open_image_embedder=lambda _name: ColourModel(noise=0.05),
            image_model=model,
        ) as index:
            index.update([album])
            found = index.duplicates()
            groups[model] = [
                {member.stored.path.rpartition("/")[2].partition(".")[0] for member in group} for group in found.groups
            ]
    everything = {f"{name}{version}" for name in ("red", "purple") for version in ("", " half", " again")}
    assert groups[None] == [everything]
    assert sorted(map(sorted, groups["colours"])) == [
        sorted(each for each in everything if each.startswith(name)) for name in ("purple", "red")
    ]


def test_a_picture_without_a_vector_is_compared_by_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(3)
    bits = np.repeat(chance.random((1, HASH_WINDOWS, HASH_BITS)) < 0.5, 4, axis=0)
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6], [0, 0]], np.float32)
    for few in (0, 9):
        monkeypatch.setattr(module, "_FEW", few)
        hashes = [*np.packbits(bits, axis=2)]
        assert [group for group, _ in picture_groups(hashes[:2], 0.8, vectors[:2])] == []
        assert [group for group, _ in picture_groups(hashes[:3], 0.8, vectors[:3])] == [(0, 2)]
        assert [group for group, _ in picture_groups(hashes[:3], 0.9, vectors[:3])] == []
        assert [group for group, _ in picture_groups(hashes, 0.9, vectors)] == [(0, 1, 2, 3)]


@pytest.mark.parametrize("radius", [36, 57, 72])
def test_two_hashes_within_the_radius_are_within_that_of_a_block(radius: int) -> None:
    for count in range(15, min(radius, 45) + 2):
        blocks = cut_into(count, radius)
        assert sum(block.width for block in blocks) == HASH_BITS
        assert [block.start for block in blocks[1:]] == [block.start + block.width for block in blocks[:-1]]
        assert sum(block.radius + 1 for block in blocks) == radius + 1  # one more in each would be beyond the radius
        assert all(len(block.masks()) == block.probes for block in blocks[::7])


def test_many_pictures_are_not_all_compared() -> None:
    assert best_blocks(1000, 57) == best_blocks(10_000, 57) == ()
    assert best_blocks(10_000, 0) == ()
    chosen = {pictures: best_blocks(pictures, 57) for pictures in (30_000, 100_000, 1_000_000)}
    assert all(chosen.values())
    assert len(chosen[30_000]) > len(chosen[100_000]) > len(chosen[1_000_000])  # fewer blocks have more buckets


def test_pairs_of_many_alike_pictures_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsearch_core.search.hash_buckets._MOST_PAIRS", 7)
    bits = np.repeat(np.random.default_rng(3).random((1, HASH_WINDOWS, HASH_BITS)) < 0.5, 40, axis=0)
    words = module._as_words(np.packbits(bits, axis=2))
    parts = list(near_pairs(words, cut_into(24, 57), 57, np.arange(40)))
    assert max(len(part) for part in parts) == 7 and len(parts) > 40 * 39 / 7
    assert {tuple(pair) for part in parts for pair in part.tolist()} == {
        (one, other) for one in range(40) for other in range(40) if one != other
    }
