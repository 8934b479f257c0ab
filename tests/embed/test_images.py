"""Image models, against transformers on tiny random models of each family."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_models import image_processor, noise, write_image_model
from numpy.typing import NDArray
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.embed.images.embedder import LocalImageEmbedder
from vsearch_core.embed.models import is_prepared, open_model
from vsearch_core.errors import ModelError
from vsearch_core.text.extract.pictures import model_pixels

TEXTS = ["the cat", "a dog", "x", "", "The CAT, the dog!", "the cat and the dogs in the house by the sea and so on"]
PICTURES = [(32, 32), (64, 40), (33, 97), (20, 25), (500, 30)]


@pytest.fixture(autouse=True)
def cache(empty_cache: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def opened(folder: Path) -> LocalImageEmbedder:
    return LocalImageEmbedder(open_model(str(folder), kind="image"))


def unit(vectors: Any) -> NDArray[np.float32]:
    values = np.asarray(vectors.detach())
    scaled: NDArray[np.float32] = values / np.linalg.norm(values, axis=1, keepdims=True)
    return scaled


def by_transformers(folder: Path, family: str, embedder: LocalImageEmbedder) -> tuple[Any, Any]:
    """Return the vectors of TEXTS and of pictures of the sizes PICTURES."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).float().eval()
    with torch.no_grad():
        tokens = [torch.tensor([embedder.tokens(text)]) for text in TEXTS]
        texts = [model.get_text_features(input_ids=each) for each in tokens]
        processor = image_processor(family)
        shown = [noise(*size, seed=number) for number, size in enumerate(PICTURES)]
        pixels = processor(images=shown, return_tensors="pt")["pixel_values"]
        pictures = model.get_image_features(pixel_values=pixels)
    pooled = [getattr(each, "pooler_output", each) for each in (*texts, pictures)]
    return np.concatenate([unit(each) for each in pooled[:-1]]), unit(pooled[-1])


@pytest.mark.parametrize(
    ("family", "text", "vision"),
    [
        ("clip", {}, {}),
        ("clip", {"eos_token_id": 2, "hidden_act": "gelu"}, {"hidden_act": "gelu"}),
        ("siglip", {}, {}),
        ("siglip", {"projection_size": 48}, {"num_hidden_layers": 1, "hidden_size": 48, "num_attention_heads": 6}),
    ],
)
def test_each_family_equals_transformers(
    tmp_path: Path, family: str, text: dict[str, Any], vision: dict[str, Any]
) -> None:
    folder = write_image_model(tmp_path / "tiny", family, text=text, **vision)
    embedder = opened(folder)
    texts, pictures = by_transformers(folder, family, embedder)
    assert np.abs(texts - texts[0]).max() > 0.05
    assert np.abs(pictures - pictures[0]).max() > 0.05  # they differ, so a wrong formula shows
    found = embedder.embed_texts(TEXTS)
    assert np.abs(found - texts).max() <= 1e-4
    shown = [model_pixels(noise(*size, seed=number), embedder.pixel_format) for number, size in enumerate(PICTURES)]
    assert np.abs(np.stack(list(embedder.embed_pictures(shown))) - pictures).max() <= 1e-4
    assert embedder.fingerprint.dimension == found.shape[1]


def test_tokens_of_clip_equal_transformers(tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    folder = write_image_model(tmp_path / "tiny", "clip")
    theirs = CLIPTokenizer.from_pretrained(folder)
    embedder = opened(folder)
    for text in TEXTS:
        assert embedder.tokens(text) == theirs(text, truncation=True, max_length=16)["input_ids"]


def test_tokens_of_siglip_fill_all_positions_and_ignore_punctuation(tmp_path: Path) -> None:
    embedder = opened(write_image_model(tmp_path / "tiny", "siglip"))
    assert all(len(embedder.tokens(text)) == 16 for text in TEXTS)
    assert embedder.tokens("The  CAT!") == embedder.tokens("the cat")
    assert embedder.tokens("the cat")[-13:] == [1] * 13


def test_a_very_oblong_picture_costs_little(tmp_path: Path) -> None:
    embedder = opened(write_image_model(tmp_path / "tiny", "clip"))
    assert model_pixels(noise(60_000, 2), embedder.pixel_format).shape == (32, 32, 3)


def test_a_model_of_sentence_transformers_is_found_in_its_folder(tmp_path: Path) -> None:
    write_image_model(tmp_path / "st" / "0_CLIPModel", "clip")
    assert opened(tmp_path / "st").embed_texts(["the cat"]).shape == (1, 24)
    assert is_prepared("image", str(tmp_path / "st"))


@pytest.mark.parametrize(
    ("file", "changes", "reason"),
    [
        ("config.json", {"model_type": "bert"}, "only clip and siglip"),
        ("preprocessor_config.json", {"do_resize": False}, "do_resize is False"),
        ("preprocessor_config.json", {"crop_size": {"height": 16, "width": 16}}, r"makes pictures of \(16, 16\)"),
        ("preprocessor_config.json", {"size": {"longest_edge": 3}}, "can't be read"),
        ("preprocessor_config.json", {"image_std": [1, 0, 1]}, "image_std"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, file: str, changes: dict[str, Any], reason: str) -> None:
    path = write_image_model(tmp_path / "tiny", "clip") / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=reason):
        opened(path.parent)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    folder = write_image_model(tmp_path / "tiny", "clip")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        opened(folder)


def test_halves_of_different_dimensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gives texts 32 dimensions, and pictures 48"):
        opened(write_image_model(tmp_path / "tiny", "siglip", hidden_size=48))


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_an_index_uses_a_model_from_its_folder(tmp_path: Path, family: str) -> None:
    """The weights are random: a picture is only sure to be most similar to itself, saved in another format."""
    folder = write_image_model(tmp_path / "models" / "tiny", family)
    album = tmp_path / "album"
    album.mkdir()
    for number in range(4):
        noise(160, 120, seed=number).save(album / f"{number}.png")
    noise(160, 120, seed=2).save(tmp_path / "photo.jpg", quality=95)
    with vsearch.open_index(
        tmp_path, create=True, image_model=str(folder), open_embedder=lambda _spec: WordEmbedder()
    ) as index:
        assert index.update([album]).added == 4
    with vsearch.open_index(tmp_path, open_embedder=lambda _spec: WordEmbedder()) as index:
        assert index.similar(str(tmp_path / "photo.jpg")).hits[0].path == "album/2.png"
        results = index.search("the cat")
        assert {hit.scores["picture"] is not None for hit in results.hits} == {True}
        assert not results.pictures_left_out
        assert index.check(full=True).faults == ()


@pytest.mark.slow
def test_a_real_model_equals_transformers_and_tells_pictures_apart() -> None:
    folder = os.environ.get("VSEARCH_IMAGE_MODEL")
    if folder is None:
        pytest.skip("VSEARCH_IMAGE_MODEL names no folder of a CLIP or SigLIP model")
    import torch
    from PIL import Image
    from transformers import AutoModel, AutoProcessor

    embedder = opened(Path(folder))
    colours = ["red", "green", "blue", "yellow"]
    texts = [f"a {colour} picture" for colour in colours]
    shown = [Image.new("RGB", (320, 240), colour) for colour in colours]
    model, processor = AutoModel.from_pretrained(folder).float().eval(), AutoProcessor.from_pretrained(folder)
    read = processor(text=texts, images=shown, padding="max_length", return_tensors="pt")
    with torch.no_grad():
        output = model(**read)
    found = embedder.embed_texts(texts)
    pictures = np.stack(list(embedder.embed_pictures([model_pixels(each, embedder.pixel_format) for each in shown])))
    assert np.abs(found - output.text_embeds.numpy()).max() <= 1e-4
    assert np.abs(pictures - output.image_embeds.numpy()).max() <= 1e-4
    assert (found @ pictures.T).argmax(axis=1).tolist() == [0, 1, 2, 3]
