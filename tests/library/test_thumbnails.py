"""Thumbnails of indexed pictures and figures: what they show, and which files may be read for them."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from process import is_running, wait_until
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.errors import ArgumentError, ExtractionError, InputError
from vsearch_core.library.thumbnails import Thumbnails
from vsearch_core.text import thumbnails
from vsearch_core.text.files import Thumbnail

pytest.importorskip("PIL")

from image_models import COLOURS, ColourModel, coloured
from pictures import drawn, exif, png

MARK = b"a mark that must not get out"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "red.png").write_bytes(coloured("red", size=(400, 300)))
    (folder / "note.md").write_text("The pump is started slowly.", encoding="utf-8")
    return folder


@pytest.fixture
def opened(folder: Path, embedder: WordEmbedder) -> Callable[[], vsearch.Index]:
    def open_it() -> vsearch.Index:
        index = vsearch.open_index(folder, create=True, open_embedder=lambda _spec: embedder)
        index.update([folder])
        return index

    return open_it


Opened = Callable[[], vsearch.Index]


def image_of(made: Thumbnail) -> Any:
    from PIL import Image

    image = Image.open(io.BytesIO(made.data))
    assert (image.format, image.size) == ("JPEG", (made.width, made.height))
    return image


def is_colour(image: Any, place: tuple[int, int], name: str) -> bool:
    shown = image.convert("RGB").getpixel(place)
    return all(abs(one - other) < 12 for one, other in zip(shown, COLOURS[name], strict=True))


def test_a_thumbnail_is_a_new_jpeg_without_metadata(folder: Path, opened: Opened) -> None:
    position = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 0.0)}
    tags = exif({0x0112: 6, 0x010E: MARK.decode()}, position=position)
    photo = drawn("JPEG", size=(800, 400), exif=tags, comment=MARK, icc_profile=MARK * 10)
    (folder / "photo.jpg").write_bytes(photo)
    with opened() as index:
        made = index.thumbnail("photo.jpg")
        assert (made.width, made.height) == (160, 320)  # upright
        assert MARK not in made.data and b"Exif" not in made.data
        image = image_of(index.thumbnail("red.png", longest=100))
        assert image.size == (100, 75) and is_colour(image, (50, 50), "red")
        assert image_of(index.thumbnail("red.png", longest=2048)).size == (400, 300)  # never enlarged
        assert image_of(index.thumbnail(str(folder / "red.png"), longest=16)).size == (16, 12)


def test_pages_of_a_tiff_and_figures_of_a_document_have_thumbnails(folder: Path, opened: Opened) -> None:
    from PIL import Image

    pages = [Image.open(io.BytesIO(coloured(name))) for name in ("green", "blue")]
    pages[0].save(folder / "scan.tiff", save_all=True, append_images=pages[1:])
    (folder / "page.html").write_text("<p>Text</p><img src='red.png' alt='A wall'>", encoding="utf-8")
    with opened() as index:
        assert is_colour(image_of(index.thumbnail("scan.tiff")), (80, 60), "green")
        assert is_colour(image_of(index.thumbnail("scan.tiff  page 2")), (80, 60), "blue")
        with pytest.raises(ExtractionError, match=r"scan\.tiff: is a picture with damaged"):
            index.thumbnail("scan.tiff  page 3")
        (hit,) = [each for each in index.search("wall").hits if each.path == "page.html" and each.place]
        assert is_colour(image_of(index.thumbnail(f"{hit.path}  {hit.place}")), (80, 60), "red")
        with pytest.raises(InputError) as refused:
            index.thumbnail("page.html  figure 2")
        assert refused.value.code == "no-text"
        (folder / "red.png").write_bytes(b"no picture any more")
        with pytest.raises(ExtractionError, match=r"page\.html: has no such figure"):
            index.thumbnail("page.html  figure 1", longest=99)


def test_figures_about_which_nothing_is_said_have_thumbnails(folder: Path, embedder: WordEmbedder) -> None:
    (folder / "page.html").write_text("<p>Text</p><img src='red.png'>", encoding="utf-8")
    with vsearch.open_index(
        folder,
        create=True,
        open_embedder=lambda _spec: embedder,
        open_image_embedder=lambda _name: ColourModel(),
        image_model="colours",
    ) as index:
        index.update([folder])
        (hit,) = [each for each in index.search("red").hits if each.path == "page.html" and each.place]
        assert is_colour(image_of(index.thumbnail(f"{hit.path}  {hit.place}")), (80, 60), "red")
        with pytest.raises(InputError):
            index.thumbnail("page.html  figure 2")


def test_only_live_unchanged_files_in_named_folders_are_shown(
    tmp_path: Path, folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(coloured("blue"))
    for name in ("changed", "gone", "link", "same", "swapped"):
        (folder / f"{name}.png").write_bytes(coloured("green", size=(160, 120 + len(name))))
    inner = folder / "inner"
    inner.mkdir()
    (inner / "deep.png").write_bytes(coloured("yellow"))
    reading = monkeypatch.context
    with opened() as index:
        (folder / "new.png").write_bytes(coloured("green"))
        (folder / "changed.png").write_bytes(coloured("purple"))
        (folder / "gone.png").unlink()
        (folder / "link.png").rename(outside / "link.png")
        (folder / "link.png").symlink_to(outside / "link.png")
        (folder / "swapped.png").unlink()
        os.mkfifo(folder / "swapped.png")
        inner.rename(outside / "inner")
        inner.symlink_to(outside / "inner")
        expected = {
            "new.png": "not-indexed",
            "../outside/secret.png": "not-indexed",
            str(outside / "secret.png"): "not-indexed",
            "/etc/passwd": "not-indexed",
            "nul\0.png": "not-indexed",
            "": "not-indexed",
            "note.md": "not-a-picture",
            "changed.png": "file-changed",
            "gone.png": "file-gone",
            "link.png": "file-gone",
            "swapped.png": "file-gone",
            "inner/deep.png": "file-gone",
        }
        with reading() as patched:
            patched.setattr(Thumbnails, "__init__", lambda _: pytest.fail("a worker was started"))
            for place in [place for place, code in expected.items() if code != "file-changed"]:
                with pytest.raises(InputError) as refused:
                    index.thumbnail(place)
                assert (place, refused.value.code) == (place, expected[place])
        with pytest.raises(InputError) as refused:
            index.thumbnail("changed.png")
        assert refused.value.code == "file-changed"
        (folder / "same.png").touch()
        assert index.thumbnail("same.png").width == 160  # its content is what was indexed
        for longest in (0, 15, 2049, 10**9):
            with pytest.raises(ArgumentError):
                index.thumbnail("red.png", longest=longest)


def test_a_folder_that_was_never_named_here_is_not_read(
    tmp_path: Path, folder: Path, opened: Opened, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "blue.png").write_bytes(coloured("blue"))
    with opened() as index:
        index.update([outside])
        assert index.thumbnail(str(outside / "blue.png")).width == 160
    monkeypatch.setattr("vsearch_core.config.default_state_dir", lambda: tmp_path / "another machine")
    with vsearch.open_index(folder, open_embedder=lambda _spec: embedder) as index:
        assert index.thumbnail("red.png").width == 320
        with pytest.raises(InputError) as refused:
            index.thumbnail(str(outside / "blue.png"))
        assert refused.value.code == "source-not-named"


def test_hostile_pictures_cost_themselves_only(folder: Path, opened: Opened) -> None:
    (folder / "bomb.png").write_bytes(png(size=(60_000, 60_000)))
    (folder / "cut.jpg").write_bytes(drawn("JPEG", size=(800, 600))[:4000])
    with opened() as index:
        for name in ("bomb.png", "cut.jpg"):
            with pytest.raises(ExtractionError, match=f"{name}: is a picture with damaged or too many pixels"):
                index.thumbnail(name)
        assert index.thumbnail("red.png").width == 320


def test_thumbnails_are_kept_in_memory_and_never_on_disk(
    tmp_path: Path, folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as index:
        before = sorted(tmp_path.rglob("*"))
        first = index.thumbnail("red.png")
        assert index.thumbnail("red.png") is first
        assert index.thumbnail("red.png", longest=64) is not first
        monkeypatch.setattr("vsearch_core.library.thumbnails.KEPT_BYTES", 10)
        index.thumbnail("red.png", longest=65)
        assert index.thumbnail("red.png") is not first
        assert sorted(tmp_path.rglob("*")) == before


def test_indexes_searched_as_one_have_thumbnails_of_each(
    tmp_path: Path, folder: Path, opened: Opened, embedder: WordEmbedder
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "red.png").write_bytes(coloured("blue"))
    with vsearch.open_index(other, create=True, open_embedder=lambda _spec: embedder) as second:
        second.update([other])
    with opened() as index, index.join([other]) as joined:
        for name, colour in (("album/red.png", "red"), (str(other / "red.png"), "blue")):
            assert is_colour(image_of(joined.thumbnail(name)), (20, 20), colour)
        with pytest.raises(InputError):
            joined.thumbnail("elsewhere/red.png")


def test_a_large_thumbnail_is_saved_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    from PIL import Image

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8))
    monkeypatch.setattr(thumbnails, "MAX_BYTES", 20_000)
    made = thumbnails._thumbnail(noise, 600)
    assert len(made.data) <= 20_000 and (made.width, made.height) < (600, 600)


def test_the_worker_ends_with_the_index_and_when_idle(
    folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "IDLE_SECONDS", 0.2)
    with opened() as index:
        index.thumbnail("red.png")
        assert index._thumbnails is not None
        worker = index._thumbnails._worker
        wait_until(lambda: worker._worker is None, "the end of the idle worker")
        assert index.thumbnail("red.png", longest=90).width == 90
        assert worker._worker is not None
        process = worker._worker._process.pid
    assert not is_running(process)
