"""Pictures and figures of an index on a server are found by what they show. A stand-in model sees colours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.search.results_json import hit_json

pytest.importorskip("PIL")

from coloured_documents import coloured_pdf, coloured_word
from image_models import ColourModel, coloured

pytestmark = pytest.mark.engines
NAMES = ("red", "green", "blue", "yellow", "purple", "income of the mill", "rent")
OPTIONS: list[dict[str, Any]] = [
    {},
    {"images": True},
    {"images": False},
    {"ext": "pdf"},
    {"images": True, "ext": "pdf"},
    {"mode": "vector"},
    {"fusion": "rrf"},
    {"context": 1},
    {"group_by_file": True},
    {"more_like": ["papers/photo.png"]},
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    pages = [("Income of the mill", ["red", "green"]), ("", ["blue"])]
    (folder / "report.pdf").write_bytes(coloured_pdf(*pages, captions={"green": "Figure 2: A wheel"}))
    (folder / "lease.docx").write_bytes(coloured_word("The rent is due monthly.", "yellow"))
    (folder / "photo.png").write_bytes(coloured("purple"))
    (folder / "scan.pdf").write_bytes(coloured_pdf(("", ["orange", "orange"])))
    return tmp_path


def answers(index: Any) -> list[object]:
    found: list[object] = []
    for name in NAMES:
        for options in OPTIONS:
            results = index.search(name, k=20, **options)
            hits = [hit_json(hit) for hit in results.hits]
            assert not results.pictures_left_out
            found.append((name, options, results.matched, hits))
    return found


def test_a_server_answers_as_a_local_index(any_address: Callable[[], str], root: Path) -> None:
    model, embedder = ColourModel(), WordEmbedder()
    made: dict[str, Any] = {"open_embedder": lambda _: embedder, "open_image_embedder": lambda _: model}
    with vsearch.open_index(root, create=True, image_model="colours", **made) as local:
        local.update([root / "papers"])
        expected = answers(local)
        (root / "papers" / "photo.png").write_bytes(coloured("purple", "red"))
        local.update()
        local.compact()
        later = answers(local)
    (root / "papers" / "photo.png").write_bytes(coloured("purple"))
    address = any_address()
    with vsearch.open_server_index(address, root=root, image_model="colours", **made) as index:
        index.update([root / "papers"])
        assert _rounded(answers(index)) == _rounded(expected)
        status = index.status()
        assert (status.image_model, status.picture_vectors, status.figure_vectors) == (model.fingerprint, 1, 5)
        assert index.check(full=True).faults == ()
        seen = model.pictures
    (root / "papers" / "photo.png").write_bytes(coloured("purple", "red"))
    with vsearch.open_server_index(address, root=root, **made) as index:
        assert index.update().changed == 1
        assert model.pictures == seen + 1
        index.compact()  # until then, removed chunks count in BM25
        assert _rounded(answers(index)) == _rounded(later)
    with vsearch.open_server_index(address, root=root, image_model="none", **made) as index:
        index.update()
        assert "picture" not in index.search("red").hits[0].scores
        assert index.status().image_model is None
    with vsearch.open_server_index(address, root=root, image_model="colours", **made) as index:
        index.update()
        assert index.search("blue").hits[0].place == "page 2, figure 1"


def _rounded(value: Any) -> Any:
    """Return answers with scores rounded, since servers compute with fewer digits, and without times of files."""
    match value:
        case dict():
            return {key: _rounded(each) for key, each in value.items() if key not in {"mtime", "stale"}}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case float():
            return round(value, 4)
    return value
