"""Pictures are found by what they show, in one ranking with texts. A stand-in model sees colours."""

from pathlib import Path

import pytest
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.errors import IndexCorruptError, IndexMismatchError, InputError, ModelError
from vsearch_core.search.results_json import results_json

pytest.importorskip("PIL")

from image_models import ColourModel, OpenWithImages, coloured, index_opener


@pytest.fixture
def model() -> ColourModel:
    return ColourModel()


@pytest.fixture
def opened(tmp_path: Path, embedder: WordEmbedder, model: ColourModel) -> OpenWithImages:
    return index_opener(tmp_path, embedder, model)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Return a folder of six photos, whose names say nothing, and of notes."""
    folder = tmp_path / "album"
    folder.mkdir()
    for number, colour in enumerate(["red", "green", "blue", "yellow", "purple", "orange"]):
        (folder / f"IMG_{number}.png").write_bytes(coloured(colour))
    (folder / "pump.md").write_text("The pump is started by turning the valve slowly.", encoding="utf-8")
    (folder / "lease.md").write_text("The lease ends in March, and the rent is due monthly.", encoding="utf-8")
    return folder


def paths(results: vsearch.Results) -> list[str]:
    return [hit.path.rpartition("/")[2] for hit in results.hits]


def test_pictures_are_found_by_what_they_show(album: Path, opened: OpenWithImages, model: ColourModel) -> None:
    with opened(image_model="colours") as index:
        assert index.update([album]).added == 8
        assert model.pictures == 6
        results = index.search("green")
        assert paths(results)[0] == "IMG_1.png"
        assert results.answered
        found = results_json(results)["hits"][0]
        assert found["kind"] == "image"
        assert found["image"] == {"width": 160, "height": 120}
        assert found["scores"]["picture"] > 0.5
        assert index.update().unchanged == 8
        assert model.pictures == 6
        status = index.status()
        assert (status.image_model, status.picture_vectors) == (model.fingerprint, 6)


def test_texts_stay_first_for_what_only_they_answer(album: Path, opened: OpenWithImages) -> None:
    with opened(image_model="colours") as index:
        index.update([album])
        assert paths(index.search("turning the valve of the pump"))[0] == "pump.md"
        assert paths(index.search("when is the rent due"))[0] == "lease.md"
        assert paths(index.search("purple", images=True))[0] == "IMG_4.png"
        assert not [path for path in paths(index.search("purple", images=False)) if path.endswith("png")]


# Judged queries over the mixed collection: the words, and the file that answers; None if nothing does
JUDGED = {
    "red": "IMG_0.png",
    "a green thing": "IMG_1.png",
    "something blue": "IMG_2.png",
    "yellow": "IMG_3.png",
    "all in purple": "IMG_4.png",
    "orange": "IMG_5.png",
    "how is the pump started": "pump.md",
    "when does the lease end": "lease.md",
    "voltage of the generator": "generator.md",
    "boats on the canal": "canal.md",
    "opening hours of the library": "library.md",
    "bread from rye flour": "bread.md",
    "quasar spectroscopy pipeline": None,
    "mitochondrial enzymes": None,
}
NOTES = {
    "generator": "The generator gives a voltage of 400 volts at full load.",
    "canal": "Boats on the canal must keep to the right side under bridges.",
    "library": "Opening hours of the library are from nine to five on weekdays.",
    "bread": "Bread from rye flour needs a sour dough and a hot oven.",
}


def test_neither_texts_nor_pictures_bury_the_others(album: Path, opened: OpenWithImages) -> None:
    for name, text in NOTES.items():
        (album / f"{name}.md").write_text(text, encoding="utf-8")
    with opened(image_model="colours") as index:
        index.update([album])
        ranks = {}
        for query, answer in JUDGED.items():
            results = index.search(query)
            if answer is None:
                assert not any(hit.kind == "image" and (hit.confidence or 0) > 0.2 for hit in results.hits), query
            else:
                ranks[query] = paths(results).index(answer) + 1
        assert ranks == dict.fromkeys(ranks, 1)
        # Each mode and fusion finds a picture beside the texts
        assert "IMG_4.png" in paths(index.search("purple", mode="vector"))[:3]
        assert "IMG_4.png" in paths(index.search("purple", fusion="rrf"))[:3]
        both = paths(index.search("purple bread"))
        assert set(both[:2]) == {"IMG_4.png", "bread.md"}


def test_similar_pictures_are_found_from_the_index_and_from_any_file(
    album: Path, opened: OpenWithImages, tmp_path: Path
) -> None:
    (album / "IMG_9.png").write_bytes(coloured("blue", "blue", "green"))
    elsewhere = tmp_path / "photo.jpg"
    elsewhere.write_bytes(coloured("blue", size=(90, 200), kind="JPEG"))
    with opened(image_model="colours") as index:
        index.update([album])
        assert paths(index.similar("album/IMG_2.png"))[0] == "IMG_9.png"
        assert set(paths(index.similar(str(elsewhere)))[:2]) == {"IMG_2.png", "IMG_9.png"}
        assert paths(index.search("yellow", more_like=[str(elsewhere)]))[0] in {"IMG_2.png", "IMG_3.png"}


def test_a_picture_of_which_nothing_is_known_is_no_example_without_vectors(
    album: Path, opened: OpenWithImages, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "photo.jpg"
    elsewhere.write_bytes(coloured("blue", kind="JPEG"))
    with opened() as index:
        index.update([album])
        for name in ("album/IMG_2.png", str(elsewhere)):
            with pytest.raises(InputError, match="no vector of what it shows"):
                index.similar(name)


def test_an_index_without_an_image_model_is_as_it_was(album: Path, opened: OpenWithImages, model: ColourModel) -> None:
    with opened() as index:
        index.update([album])
        assert model.pictures == model.texts == 0
        hit = index.search("IMG").hits[0]
        assert "picture" not in hit.scores
        assert "image_model" not in _settings(index)


def test_the_model_can_be_added_changed_and_taken_away(album: Path, opened: OpenWithImages, model: ColourModel) -> None:
    with opened() as index:
        index.update([album])
    with opened(image_model="colours") as index:
        done = index.update()
        assert (done.changed, done.unchanged, done.embedded) == (6, 2, 0)  # texts keep their vectors
        assert paths(index.search("red"))[0] == "IMG_0.png"
    other = ColourModel("other", noise=0.3)
    with opened(image_model="other", images=other) as index:
        assert index.update().changed == other.pictures == 6
        assert paths(index.search("red"))[0] == "IMG_0.png"
    with opened(images=other) as index:
        (album / "IMG_0.png").write_bytes(coloured("orange", "red"))
        assert index.update().changed == 1
    with opened(images=model) as index:
        assert index.search("red").pictures_left_out
        (album / "IMG_0.png").write_bytes(coloured("red", "red"))
        with pytest.raises(IndexMismatchError, match="another version of the model other"):
            index.update()
    with opened(image_model="none") as index:
        index.update()
        assert "picture" not in index.search("red").hits[0].scores


def test_pictures_follow_their_files(album: Path, opened: OpenWithImages, model: ColourModel) -> None:
    with opened(image_model="colours") as index:
        index.update([album])
        (album / "IMG_0.png").rename(album / "renamed.png")
        (album / "IMG_1.png").unlink()
        index.update()
        assert paths(index.search("red"))[0] == "renamed.png"
        assert "IMG_1.png" not in paths(index.search("green"))
        index.compact()
        index.re_embed()
        assert paths(index.search("red"))[0] == "renamed.png"
        assert index.check(full=True).faults == ()


def test_damaged_and_hostile_pictures_cost_themselves_only(album: Path, opened: OpenWithImages) -> None:
    (album / "cut.png").write_bytes(coloured("red")[:200])
    (album / "bomb.png").write_bytes(_with_size(coloured("red"), 60_000, 60_000))
    with opened(image_model="colours") as index:
        index.update([album])
        assert index.update().unchanged >= 8  # they are not read again
        assert paths(index.search("red"))[0] == "IMG_0.png"
        assert index.check(full=True).faults == ()


def test_a_model_that_is_not_at_hand_leaves_pictures_to_their_texts(
    album: Path, opened: OpenWithImages, embedder: WordEmbedder, tmp_path: Path
) -> None:
    with opened(image_model="colours") as index:
        index.update([album])
    with vsearch.open_index(tmp_path, open_embedder=lambda _spec: embedder, cache_dir=tmp_path / "cache") as index:
        results = index.search("green")
        assert results.pictures_left_out
        assert results_json(results)["pictures_left_out"] is True
        assert not index.search("green", mode="keyword").pictures_left_out
        (album / "IMG_1.png").write_bytes(coloured("green", "red"))
        with pytest.raises((InputError, ModelError)):
            index.update()


@pytest.mark.parametrize("setting", ["image_model", "picture_scale"])
@pytest.mark.parametrize("value", ["{", "[]", '{"name": 3, "fingerprint": {}}', '{"mean": "x"}'])
def test_forged_settings_are_refused(album: Path, opened: OpenWithImages, setting: str, value: str) -> None:
    with opened(image_model="colours") as index:
        index.update([album])
        catalog_path = index.path
    _put_setting(catalog_path, setting, value)
    with opened() as index:
        with pytest.raises(IndexCorruptError, match=setting):
            index.search("red")
        assert index.check(full=True).faults
        assert index.search("pump", mode="keyword").hits


def _settings(index: vsearch.Index) -> dict[str, str]:
    from contextlib import closing

    from vsearch_core.store.catalog import Catalog

    with closing(Catalog.open_to_read(index.path)) as catalog:
        return dict(catalog.settings())


def _put_setting(index: Path, key: str, value: str) -> None:
    from contextlib import closing

    from vsearch_core.store.catalog import Catalog

    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.put_setting(key, value)


def _with_size(png: bytes, width: int, height: int) -> bytes:
    """Return the PNG with another size in its header."""
    import struct
    import zlib

    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
