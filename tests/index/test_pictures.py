"""The vectors of pictures: stopped runs, archives, forged and damaged catalogs. A stand-in model sees colours."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from damage import damaged_copy, spread
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.errors import IndexCorruptError, VsearchError
from vsearch_core.model import PICTURE
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.tables import CATALOG_FILE

pytest.importorskip("PIL")

from image_models import COLOURS, ColourModel, coloured


def opened(root: Path, model: ColourModel | None = None, **options: Any) -> vsearch.Index:
    images = model or ColourModel()
    return vsearch.open_index(
        root,
        create=True,
        open_embedder=lambda _spec: WordEmbedder(),
        open_image_embedder=lambda _name: images,
        **options,
    )


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "root" / "album"
    folder.mkdir(parents=True)
    for number, colour in enumerate(COLOURS):
        (folder / f"IMG_{number}.png").write_bytes(coloured(colour))
    (folder / "pump.md").write_text("The pump is started by turning the valve slowly.", encoding="utf-8")
    return folder


@pytest.fixture
def index_path(album: Path) -> Path:
    with opened(album.parent, image_model="colours") as index:
        index.update([album])
        return index.path


def answers(root: Path) -> list[list[tuple[str, float, float | None]]]:
    """Return the hits for each colour and for a text."""
    with opened(root) as index:
        found = [index.search(query).hits for query in (*COLOURS, "turning the valve")]
        return [[(hit.path, hit.score, hit.scores.get("picture")) for hit in hits] for hits in found]


def test_a_stopped_run_continues_with_the_pictures_that_are_left(album: Path) -> None:
    for number in range(200):
        (album / f"note{number}.md").write_text(f"Note number {number} about the river.", encoding="utf-8")
    model, seen = ColourModel(), list[object]()
    observer = vsearch.Observer(progress=seen.append, should_stop=lambda: bool(seen))
    with opened(album.parent, model, image_model="colours", observer=observer) as index:
        assert index.update([album]).interrupted
    first = model.pictures
    with opened(album.parent, model) as index:
        assert not index.update().interrupted
        assert index.search("red").hits[0].path == "album/IMG_0.png"
        assert index.check(full=True).faults == ()
    assert model.pictures == len(COLOURS) or first == 0


def test_an_archive_has_the_vectors_of_pictures(album: Path, index_path: Path, tmp_path: Path) -> None:
    with opened(album.parent) as index:
        index.export(tmp_path / "album.vsearch")
    copy = tmp_path / "copy"
    copy.mkdir()
    vsearch.import_index(tmp_path / "album.vsearch", copy / ".vsearch")
    assert answers(copy) == answers(album.parent)


FORGED: list[Any] = [
    None,
    7,
    "text",
    [],
    {},
    {"hash": 3, "described": "x", "vector": 3},
    {"hash": "====", "described": None, "vector": "===="},
    {"hash": "QUJD", "described": False, "vector": "QUJD"},
    {"hash": ["QUJD"], "described": False, "vector": {"a": 1}},
    {"hash": "A" * 1200, "described": False, "vector": "A" * 172},
]


@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
def test_forged_hashes_and_vectors_are_refused_or_ignored(album: Path, index_path: Path, forged: Any) -> None:
    with closing(Catalog.open_to_write(index_path)) as catalog, catalog.transaction():
        rows = catalog.connection.execute("SELECT id, meta FROM files WHERE ext = 'png'").fetchall()
        for file_id, text in rows:
            meta = json.loads(text)
            if isinstance(forged, dict):
                forged = {"model": meta[PICTURE]["model"], **forged}
            changed = json.dumps({**meta, PICTURE: forged})
            catalog.connection.execute("UPDATE files SET meta = ? WHERE id = ?", (changed, file_id))
    with opened(album.parent) as index:
        assert not [group for group in index.duplicates().groups if group[0].is_picture]
        assert index.search("pump", mode="keyword").hits[0].path == "album/pump.md"
        if isinstance(forged, dict) and "vector" in forged:
            with pytest.raises(IndexCorruptError, match="picture"):
                index.search("red")
            assert "picture" in index.check(full=True).faults[0].reason
        else:
            assert index.search("pump").hits[0].path == "album/pump.md"
        if not isinstance(forged, dict) or "model" not in forged:
            index.update()
            assert index.search("red").hits[0].path == "album/IMG_0.png"


def test_damage_of_the_catalog_never_changes_an_answer(album: Path, index_path: Path, tmp_path: Path) -> None:
    right = answers(album.parent)
    with closing(sqlite3.connect(index_path / CATALOG_FILE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (index_path / CATALOG_FILE).stat().st_size
    refused = 0
    for number, damage in enumerate(spread(40, size, "flip")):
        copy = tmp_path / f"copy{number}"
        copy.mkdir()
        damaged_copy(index_path, copy / ".vsearch", Path(CATALOG_FILE), damage)
        try:
            assert answers(copy) == right
        except VsearchError:
            refused += 1
    assert refused > 0


def test_pictures_are_found_again_after_a_repair(album: Path, index_path: Path) -> None:
    with closing(sqlite3.connect(index_path / CATALOG_FILE)) as connection, connection:
        connection.execute("UPDATE files SET meta = replace(meta, 'vector', 'wector') WHERE name = 'IMG_2.png'")
    with opened(album.parent) as index:
        assert index.check(full=True).faults
    vsearch.repair_index(album.parent, open_embedder=lambda _spec: WordEmbedder())
    with opened(album.parent) as index:
        index.update()
        assert index.search("blue").hits[0].path == "album/IMG_2.png"
        assert index.check(full=True).faults == ()
