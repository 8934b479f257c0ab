"""Pictures inside documents are found by what they show, with their places. A stand-in model sees colours."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.errors import InputError
from vsearch_core.model import FIGURES
from vsearch_core.search.rerank import Rerank
from vsearch_core.search.results_json import results_json

pytest.importorskip("PIL")

from coloured_documents import coloured_message, coloured_pdf, coloured_slides, coloured_web_page, coloured_word
from image_models import ColourModel, OpenWithImages, coloured, index_opener

COLOUR_WORDS = ("red", "green", "blue", "yellow", "purple", "orange")


@pytest.fixture
def model() -> ColourModel:
    return ColourModel()


@pytest.fixture
def opened(tmp_path: Path, embedder: WordEmbedder, model: ColourModel) -> OpenWithImages:
    return index_opener(tmp_path, embedder, model)


FILES: Mapping[str, bytes] = {
    "report.pdf": coloured_pdf(
        ("Income of the mill in spring", ["red", "green"]),
        ("Costs of the mill in autumn", []),
        ("", ["blue"]),
        captions={"green": "Figure 2: The wheel seen from the weir"},
    ),
    "talk.pptx": coloured_slides(("Turbines and their blades", ["yellow"]), ("", ["purple"])),
    "letter.docx": coloured_word("The lease ends in March, and the rent is due monthly.", "orange"),
    "canal.md": b"Boats on the canal must keep to the right side under bridges.",
    "bread.md": b"Bread from rye flour needs a sour dough and a hot oven.",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "papers"
    made.mkdir()
    for name, data in FILES.items():
        (made / name).write_bytes(data)
    return made


def first(results: vsearch.Results) -> tuple[str, str | None]:
    hit = results.hits[0]
    return hit.path.rpartition("/")[2], hit.place


def test_figures_are_found_with_their_places(folder: Path, opened: OpenWithImages, model: ColourModel) -> None:
    with opened(image_model="colours") as index:
        assert index.update([folder]).added == 5
        assert model.pictures == 6
        results = index.search("blue")
        assert first(results) == ("report.pdf", "page 3, figure 1")
        assert results.answered
        hit = results_json(results)["hits"][0]
        assert (hit["kind"], hit["image"]) == ("figure", {"width": 200, "height": 150})
        assert (hit["page"], hit["heading"], hit["text"]) == (3, "figure 1", "figure 1 (200 × 150 pixels)")
        assert hit["scores"]["vector"] is None
        assert hit["scores"]["picture"] > 0.5
        assert not any(FIGURES in each["meta"] for each in results_json(results)["hits"])
        described = index.search("green")
        assert first(described) == ("report.pdf", "page 1, figure 2")
        assert described.hits[0].text == "Figure 2: The wheel seen from the weir"
        assert results_json(described)["hits"][0]["image"] == {"width": 200, "height": 150}
        assert described.hits[0].kind == "figure"
        assert first(index.search("purple")) == ("talk.pptx", "slide 2, figure 1")
        assert first(index.search("orange")) == ("letter.docx", "figure 1")
        assert index.update().unchanged == 5
        assert model.pictures == 6
        assert (index.status().picture_vectors, index.status().figure_vectors) == (0, 6)
        assert index.check(full=True).faults == ()


# Judged queries over the collection: the words, and the file and place that answer; None if nothing does
JUDGED: Mapping[str, tuple[str, str | None] | None] = {
    "red": ("report.pdf", "page 1, figure 1"),
    "a green thing": ("report.pdf", "page 1, figure 2"),
    "something blue": ("report.pdf", "page 3, figure 1"),
    "yellow": ("talk.pptx", "slide 1, figure 1"),
    "all in purple": ("talk.pptx", "slide 2, figure 1"),
    "orange": ("letter.docx", "figure 1"),
    "income of the mill": ("report.pdf", "page 1"),
    "the wheel seen from the weir": ("report.pdf", "page 1, figure 2"),
    "blades of turbines": ("talk.pptx", "slide 1"),
    "when does the lease end": ("letter.docx", None),
    "boats under bridges": ("canal.md", None),
    "bread from rye flour": ("bread.md", None),
    "quasar spectroscopy pipeline": None,
    "mitochondrial enzymes": None,
}


def test_neither_texts_nor_figures_bury_the_others(folder: Path, opened: OpenWithImages) -> None:
    with opened(image_model="colours") as index:
        index.update([folder])
        for query, answer in JUDGED.items():
            results = index.search(query)
            if answer is None:
                assert not any(hit.kind == "figure" and (hit.confidence or 0) > 0.2 for hit in results.hits), query
            else:
                assert first(results) == answer, query
        assert ("talk.pptx", "slide 2, figure 1") in _places(index.search("purple", mode="vector"))[:3]
        assert ("talk.pptx", "slide 2, figure 1") in _places(index.search("purple", fusion="rrf"))[:3]
        both = _places(index.search("purple bread"))
        assert set(both[:2]) == {("talk.pptx", "slide 2, figure 1"), ("bread.md", None)}


def _places(results: vsearch.Results) -> list[tuple[str, str | None]]:
    return [(hit.path.rpartition("/")[2], hit.place) for hit in results.hits]


def test_filters_and_clauses_count_for_figures(folder: Path, opened: OpenWithImages) -> None:
    (folder / "photo.png").write_bytes(coloured("blue", "green"))
    with opened(image_model="colours") as index:
        index.update([folder])
        pictures = index.search("blue", images=True, k=20)
        assert {hit.kind for hit in pictures.hits} == {"image", "figure"}
        assert len(pictures.hits) == 7
        assert pictures.matched == 7  # the figures, and the photo
        assert {hit.kind for hit in index.search("blue wheel weir", images=False, k=20).hits} == {"text"}
        assert {hit.path for hit in index.search("blue", images=True, ext="pdf").hits} == {"papers/report.pdf"}
        assert index.search("blue", images=True, ext="md").hits == ()
        assert [hit.kind for hit in index.search("blue +wheel").hits] == ["figure", "text"]  # by its caption
        assert first(index.search("blue -wheel"))[1] == "page 3, figure 1"
        assert first(index.search("blue", path="*.pptx"))[0] == "talk.pptx"
        assert first(index.search("blue", where="name = 'report.pdf'"))[1] == "page 3, figure 1"
        grouped = index.search("blue", group_by_file=True, k=20)
        assert len({hit.path for hit in grouped.hits}) == len(grouped.hits)


def test_figures_of_the_same_size_are_no_copies(tmp_path: Path, opened: OpenWithImages) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number, colour in enumerate(("red", "green")):
        (folder / f"{number}.docx").write_bytes(coloured_word(f"Text number {number}", colour))
    with opened(image_model="colours") as index:
        index.update([folder])
        hits = index.search("red", images=True).hits
        assert [(hit.path, hit.alike_count) for hit in hits] == [("papers/0.docx", 0), ("papers/1.docx", 0)]
        assert index.duplicates().groups == ()
        assert len(index.search("red", images=True, diversity=0.5).hits) == 2


def test_documents_of_pictures_alone_are_found(tmp_path: Path, opened: OpenWithImages) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "scan.pdf").write_bytes(coloured_pdf(("", ["red"]), ("", ["blue"])))
    with opened(image_model="colours") as index:
        done = index.update([folder])
        assert (done.added, done.textless) == (1, 1)
        assert first(index.search("blue")) == ("scan.pdf", "page 2, figure 1")
        assert index.search("blue", context=1).hits[0].before == ""
        assert index.update().unchanged == 1
        assert index.check(full=True).faults == ()


def test_the_text_around_a_figure_is_shown(folder: Path, opened: OpenWithImages) -> None:
    with opened(image_model="colours") as index:
        index.update([folder])
        hit = index.search("red", context=1).hits[0]
        assert (hit.place, hit.text) == ("page 1, figure 1", "figure 1 (200 × 150 pixels)")
        assert hit.before is not None
        assert hit.before.startswith("Income of the mill")
        assert hit.before.endswith("\n\n")
        assert index.read("papers/report.pdf  page 1, figure 1").text.startswith("Income of the mill")
        assert index.thumbnail("papers/report.pdf  page 1, figure 1").width > 100
        assert index.thumbnail("papers/report.pdf  page 3, figure 1").width > 100
        with pytest.raises(InputError, match="no text on page 3"):
            index.read("papers/report.pdf  page 3, figure 1")
        assert hit.after is not None
        assert "The wheel" in hit.after
        packed = index.search("red", max_tokens=300, context=1).hits
        assert packed[0].place == "page 1, figure 1"
        assert any("Income of the mill" in each.text for each in packed)


class Reversing:
    """A stand-in for a cross-encoder: it prefers the shortest text."""

    def load(self) -> None: ...

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts = list(texts)
        return np.array([-len(text) for text in texts], np.float32)


def test_reranking_orders_texts_and_leaves_pictures_where_they_are(folder: Path, opened: OpenWithImages) -> None:
    reranker = Reversing()
    with opened(image_model="colours") as index:
        index.update([folder])
        before = index.search("purple canal bread", k=20)
        after = index.search("purple canal bread", k=20, rerank=Rerank(reranker, 20))
        kinds = [(number, hit.place) for number, hit in enumerate(before.hits) if "picture" in hit.scores]
        sighted = [number for number, hit in enumerate(after.hits) if hit.scores["rerank"] is None]
        assert sighted
        for number in sighted:
            assert after.hits[number].place == before.hits[number].place
            assert after.hits[number].scores["picture"] is not None
        assert after.hits[0].place == before.hits[0].place == "slide 2, figure 1"
        texts = [hit for hit in after.hits if hit.scores["rerank"] is not None]
        assert [len(hit.text) for hit in texts] == sorted(len(hit.text) for hit in texts)
        assert [hit.score for hit in after.hits] == sorted((hit.score for hit in after.hits), reverse=True)
        assert not any("pixels)" in text for text in reranker.texts)
        assert kinds
        only = index.search("purple", images=True, rerank=Rerank(reranker, 20))
        assert only.hits[0].place == "slide 2, figure 1"


def test_figures_of_several_indexes_are_found_together(folder: Path, opened: OpenWithImages, tmp_path: Path) -> None:
    other = tmp_path / "other" / "papers"
    other.mkdir(parents=True)
    (other / "page.html").write_bytes(coloured_web_page("A page about ships", "red", "blue", "blue"))
    (other / "photo.png").write_bytes(coloured("green", "green"))
    with opened(other.parent, image_model="colours") as second:
        second.update([other])
    with opened(image_model="colours") as index:
        index.update([folder])
        with index.join([other.parent]) as both:
            red = both.search("red", k=20)
            assert not red.pictures_left_out
            assert {(hit.path.rpartition("/")[2], hit.place) for hit in red.hits[:2]} == {
                ("report.pdf", "page 1, figure 1"),
                ("page.html", "figure 1"),
            }
            assert {hit.index for hit in red.hits} == {str(index.path), str(second.path)}
            assert len(both.search("red", images=True, k=20).hits) == 9
            assert both.search("red", images=True, path="other/**").hits[0].place == "figure 1"
            assert both.similar("papers/report.pdf").hits
    with opened(other.parent, ColourModel("others"), image_model="others") as second:
        second.update()
    with opened() as index, index.join([other.parent]) as both:
        assert both.search("red").pictures_left_out
        assert not both.search("red", images=False).pictures_left_out
        assert first(both.search("red")) == ("report.pdf", "page 1, figure 1")


def test_similar_pictures_are_found_in_documents(folder: Path, opened: OpenWithImages, tmp_path: Path) -> None:
    elsewhere = tmp_path / "photo.jpg"
    elsewhere.write_bytes(coloured("blue", kind="JPEG"))
    with opened(image_model="colours") as index:
        index.update([folder])
        assert first(index.similar(str(elsewhere))) == ("report.pdf", "page 3, figure 1")
        assert not any(
            hit.path.endswith("report.pdf") for hit in index.search("blue", more_like=["papers/report.pdf"]).hits
        )


def test_a_model_is_added_changed_and_taken_away(folder: Path, opened: OpenWithImages, model: ColourModel) -> None:
    with opened() as index:
        index.update([folder])
        assert "picture" not in index.search("red").hits[0].scores
        texts = {hit.text for hit in index.search("mill wheel lease", k=20).hits}
    with opened(image_model="colours") as index:
        done = index.update()
        assert (done.changed, done.unchanged, done.embedded) == (3, 2, 0)  # texts keep their vectors
        assert first(index.search("red")) == ("report.pdf", "page 1, figure 1")
        index.re_embed()
        index.compact()
        assert first(index.search("red")) == ("report.pdf", "page 1, figure 1")
    other = ColourModel("other", noise=0.3)
    with opened(images=other, image_model="other") as index:
        assert index.update().changed == 3
        assert other.pictures == 6
        assert first(index.search("red")) == ("report.pdf", "page 1, figure 1")
    with opened(image_model="none") as index:
        index.update()
        results = index.search("mill wheel lease", k=20)
        assert {hit.text for hit in results.hits} == texts
        assert not any("picture" in hit.scores for hit in results.hits)
        assert index.check(full=True).faults == ()


def test_messages_and_files_with_many_figures(
    tmp_path: Path, opened: OpenWithImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.eml").write_bytes(coloured_message("See the picture.", "blue"))
    with opened(image_model="colours") as index:
        index.update([folder])
        assert first(index.search("blue")) == ("a.eml", "attachment photo.png")
