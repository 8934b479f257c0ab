"""Pictures from the index to hits: captions, words in pictures, and their places."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.errors import InputError
from vsearch_core.search.results import HitBox
from vsearch_core.search.results_json import hit_json
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract import recognition
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.recognition import RecognisedLine
from vsearch_core.text.files import FileToRead
from vsearch_core.text.reading import InProcessReader

pytest.importorskip("PIL")

from pictures import drawn, exif


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in this process, where the recognised lines are set, and say that the package is installed."""
    lines = [RecognisedLine("EXIT", 0.25, 0.5, 0.5, 0.6), RecognisedLine("Gate 7", 0.3, 0.65, 0.4, 0.75)]

    def open_reader(
        files: Sequence[FileToRead],
        chunking: ChunkOptions,
        options: ExtractOptions,
        should_stop: Callable[[], bool],
        **_: object,
    ) -> InProcessReader:
        return InProcessReader(files, chunking, options, should_stop)

    def recognise(_: Any) -> list[RecognisedLine]:
        return lines

    monkeypatch.setattr("vsearch_core.index.staging.open_reader", open_reader)
    monkeypatch.setattr(recognition, "recognise", recognise)
    for module in (
        "vsearch_core.text.extract.recognition",
        "vsearch_core.text.formats.picture",
        "vsearch_core.index.writer",
    ):
        monkeypatch.setattr(f"{module}.is_installed", lambda: True)


@pytest.mark.usefixtures("in_this_process")
def test_words_in_pictures_are_found_when_asked_for_and_hits_say_where(tmp_path: Path, embedder: WordEmbedder) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "plain.jpg").write_bytes(drawn())
    (photos / "heron.jpg").write_bytes(drawn(exif=exif({0x010E: "A heron"}, {0x9003: "2026:03:01 12:30:00"})))
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: embedder) as index:
        first = index.update([photos])
        assert (first.added, first.skipped, first.failed) == (1, 1, 0)
        hit = index.search("heron", mode="keyword").hits[0]
        assert (hit.path, hit.date, hit.box) == ("photos/heron.jpg", "2026-03-01T12:30:00", None)
        assert (hit.meta["width"], hit.meta["height"]) == (40, 20)

        again = index.update([photos], ocr=True)
        assert (again.added, again.changed, again.failed) == (1, 1, 0)
        hits = index.search("exit gate", mode="keyword").hits
        assert {hit.path for hit in hits} == {"photos/heron.jpg", "photos/plain.jpg"}
        for hit in hits:
            assert hit.box == HitBox(0.25, 0.5, 0.5, 0.75)
            assert not any(key.startswith("vsearch_") for key in hit.meta)

        assert index.update([photos], ocr=True).unchanged == 2
        assert index.update([photos]).unchanged == 2  # words that were found stay


@pytest.mark.usefixtures("in_this_process")
def test_figures_of_documents_are_places_and_their_words_are_found_when_asked_for(
    tmp_path: Path, embedder: WordEmbedder
) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.png").write_bytes(drawn("PNG", size=(200, 100)))
    page = "<h1>Mill</h1><p>Text</p>\n<img src='a.png' alt='A heron'>"
    (folder / "page.html").write_text(page, encoding="utf-8")
    (folder / "plain.html").write_text("<p>Text</p>", encoding="utf-8")
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: embedder) as index:
        index.update([folder])
        hit = index.search("heron", mode="keyword").hits[0]
        assert (hit.path, hit.place, hit.heading, hit.box) == ("notes/page.html", "figure 1", "Mill > figure 1", None)

        shown = index.read("notes/page.html  figure 1")
        assert (shown.text.strip(), shown.heading) == ("A heron", "Mill > figure 1")
        with pytest.raises(InputError, match="the index holds no text of it"):
            index.read("notes/page.html  figure 2")
        again = index.update([folder], ocr=True)
        assert (again.added, again.changed, again.failed) == (0, 3, 0)  # each file is read once more
        hits = [hit for hit in index.search("exit gate", mode="keyword").hits if hit.path == "notes/page.html"]
        assert [(hit.place, hit.box) for hit in hits] == [("figure 1", HitBox(0.25, 0.5, 0.5, 0.75))]

        assert index.update([folder], ocr=True).unchanged == 3
        assert index.update([folder]).unchanged == 3


def test_searches_are_limited_to_pictures_or_to_other_files(tmp_path: Path, embedder: WordEmbedder) -> None:
    folder = tmp_path / "trip"
    folder.mkdir()
    (folder / "heron.JPG").write_bytes(drawn(exif=exif({0x010E: "A heron by the river"})))
    (folder / "notes.md").write_text("A heron by the river", encoding="utf-8")
    (folder / "LICENSE").write_text("The heron is free", encoding="utf-8")
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: embedder) as index:
        index.update([folder])

        def found(**options: Any) -> set[str]:
            return {hit.path for hit in index.search("heron", **options).hits}

        assert found() == {"trip/heron.JPG", "trip/notes.md", "trip/LICENSE"}
        assert found(images=True) == found(images=True, ext="jpg") == {"trip/heron.JPG"}
        assert found(images=False) == {"trip/notes.md", "trip/LICENSE"}
        assert found(images=True, ext="md") == found(images=False, ext="jpg") == set()
        hits = {hit.path: hit_json(hit) for hit in index.search("heron").hits}
        assert hits["trip/heron.JPG"]["kind"] == "image"
        assert hits["trip/heron.JPG"]["image"] == {"width": 40, "height": 20}
        assert hits["trip/notes.md"]["kind"] == "text"
        assert "image" not in hits["trip/notes.md"]


@pytest.mark.slow
def test_the_box_of_a_hit_covers_the_pixels_of_its_words(tmp_path: Path, embedder: WordEmbedder) -> None:
    pytest.importorskip("rapidocr")
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    size = (800, 600)
    words = {(60, 80): "The weir keeper lives here", (300, 480): "Platform nine is closed today"}
    pages = []
    for place, text in words.items():
        page = Image.new("RGB", size, "white")
        ImageDraw.Draw(page).text(place, text, "black", font=ImageFont.load_default(28))
        pages.append(page)
    folder = tmp_path / "scans"
    folder.mkdir()
    pages[0].save(folder / "scan.tiff", save_all=True, append_images=pages[1:])
    pages[1].save(folder / "scan.pdf", resolution=100)
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: embedder) as index:
        assert index.update([folder], ocr=True).failed == 0
        for page, (query, name, number) in zip(
            (*pages, pages[1]),
            (("weir keeper", "scan.tiff", 1), ("platform nine", "scan.tiff", 2), ("platform nine", "scan.pdf", 1)),
            strict=True,
        ):
            hits = index.search(query, mode="keyword", where=f"path LIKE '%{name}'").hits
            (box,) = [hit.box for hit in hits if hit.page == number and query.split()[0] in hit.text.lower()]
            assert box is not None
            rows, columns = np.nonzero(np.asarray(page.convert("L")) < 128)
            inside = (box.left * size[0] <= columns) & (columns <= box.right * size[0])
            inside &= (box.top * size[1] <= rows) & (rows <= box.bottom * size[1])
            assert inside.mean() > 0.98, (name, number, box)
            around = ((columns.max() - columns.min()) * (rows.max() - rows.min())) / (size[0] * size[1])
            assert (box.right - box.left) * (box.bottom - box.top) < 2.5 * around, "the box is not much larger"
