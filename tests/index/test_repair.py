"""A repair saves everything that can be saved, and reports the rest."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from damage import QUERIES, WORDS, answers, build
from support import WordEmbedder, make_index

from vsearch_core.errors import ExtractionError, IndexCorruptError, IndexNotFoundError, VsearchError
from vsearch_core.index import compaction, repair
from vsearch_core.index.check import check_index
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.index.repair import RepairSummary, repair_index
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.transfer import export_index, import_index
from vsearch_core.model import Document, EmbedderSpec
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, search
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.segment import SEGMENTS_DIR, write_segment
from vsearch_core.store.tables import CATALOG_FILE, DAMAGED_DIR


@pytest.fixture(scope="module")
def intact_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("repair") / "project")


@pytest.fixture
def index(intact_index: Path, tmp_path: Path) -> Path:
    """Return an index to damage, with its documents beside it."""
    shutil.copytree(intact_index.parent / "d", tmp_path / "d")
    return Path(shutil.copytree(intact_index, tmp_path / ".vsearch"))


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 8
    path.write_bytes(data)


def larger(index: Path) -> Path:
    return max((index / SEGMENTS_DIR).iterdir(), key=lambda folder: (folder / "vectors.npy").stat().st_size)


def places(index: Path) -> list[tuple[str, int]]:
    """Return the results of vector search: BM25 would count deleted rows too, which a repair drops."""
    return [hit[:2] for hit in answers(index)[1]]


def is_intact(index: Path) -> bool:
    return not check_index(index, full=True, recall=recall_faults).faults


def test_an_intact_index_is_left_unchanged(index: Path) -> None:
    before = {path: path.read_bytes() for path in index.rglob("*.npy")}
    with closing(Catalog.open_to_read(index)) as catalog:
        generation = catalog.generation
    assert repair_index(index) == RepairSummary(index)
    assert {path: path.read_bytes() for path in index.rglob("*.npy")} == before
    assert check_index(index).generation == generation


DERIVED = ("postings_terms", "postings_term_offsets", "postings_offsets", "postings_rows", "postings_counts")


@pytest.mark.parametrize("name", [*DERIVED, "postings_lengths", "file_ids"])
@pytest.mark.parametrize("lose", [lambda path: flip(path, -3), Path.unlink], ids=["flipped", "missing"])
def test_derived_parts_are_rebuilt(index: Path, name: str, lose: Callable[[Path], None]) -> None:
    before = places(index)
    lose(larger(index) / f"{name}.npy")
    done = repair_index(index)
    assert (done.rebuilt, done.pending, done.staged) == (1, 0, [])
    assert len(done.set_aside) == 1
    assert Path(done.set_aside[0]).is_dir()
    assert is_intact(index)
    assert places(index) == before


@pytest.mark.parametrize("name", ["vectors", "chunk_ids"])
def test_only_lost_vectors_are_embedded_again(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsearch_core.store.segment.BLOCK_BYTES", 256)
    index = build(tmp_path / "project")
    before = places(index)
    flip(larger(index) / f"{name}.npy", -1)
    done = repair_index(index)
    assert 0 < done.pending < 48
    assert done.staged
    assert is_intact(index)
    embedder = WordEmbedder(dimension=24)
    make_index(index.parent, embedder)
    assert len(embedder.embedded) == done.pending
    assert is_intact(index)
    assert places(index) == before


def test_lost_vectors_are_embedded_at_once_on_request(index: Path) -> None:
    (larger(index) / "vectors.npy").unlink()
    embedder = WordEmbedder(dimension=24)
    done = repair_index(index, lambda _spec: embedder)
    assert (done.pending, done.embedded) == (0, len(embedder.embedded))
    assert done.embedded
    assert is_intact(index)
    assert make_index(index.parent, embedder).embedded == 0


def test_a_lost_segment_is_embedded_again(index: Path) -> None:
    shutil.rmtree(larger(index))
    assert repair_index(index).pending
    assert is_intact(index)
    make_index(index.parent, WordEmbedder(dimension=24))
    assert is_intact(index)


def test_a_repair_keeps_the_text_of_a_file_that_became_unreadable(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(name: str, data: bytes, *_: object) -> Document:
        raise ExtractionError(name, "it is damaged", "mend it")

    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**18))
    monkeypatch.setattr("vsearch_core.text.reading.extract", extract)
    before = places(index)
    embedder = WordEmbedder(dimension=24)
    documents = [path for path in (index.parent / "d").iterdir() if path.is_file()]
    for path in documents:
        path.write_bytes(b"What nobody can read.")
    assert make_index(index.parent, embedder).failed == len(documents)
    shutil.rmtree(larger(index))
    assert repair_index(index).pending
    assert make_index(index.parent, embedder).failed == len(documents)
    assert is_intact(index)
    assert places(index) == before


def test_a_damaged_record_of_a_skipped_file_is_not_a_loss(index: Path) -> None:
    (index.parent / "d" / "sound.mp3").write_bytes(bytes(range(256)) * 8)
    make_index(index.parent, WordEmbedder(dimension=24))
    with closing(Catalog.open_to_write(index)) as catalog:
        assert catalog.connection.execute("UPDATE passed_over SET crc = crc + 1").rowcount == 1
    done = repair_index(index)
    assert (done.catalog, done.lost, done.reread, done.staged) == (True, {}, [], [])
    assert is_intact(index)
    assert make_index(index.parent, WordEmbedder(dimension=24)).skipped == 1


def test_rows_lost_by_the_catalog_are_reported_and_read_again(index: Path) -> None:
    before = places(index)
    with closing(Catalog.open_to_write(index)) as catalog:
        catalog.connection.execute("UPDATE chunks SET crc = 1 WHERE id = 2")
        catalog.connection.execute("UPDATE sources SET crc = crc")
    done = repair_index(index)
    assert (done.catalog, done.lost) == (True, {"chunks": 1})
    assert len(done.reread) == 1
    assert is_intact(index)
    make_index(index.parent, WordEmbedder(dimension=24))
    assert is_intact(index)
    assert places(index) == before


@pytest.fixture
def small_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an index of twelve files of one chunk each, in one segment; the last chunk's row in `chunks` is damaged.

    One deleted row is not enough for the segment to be rewritten.
    """
    (tmp_path / "d").mkdir()
    for number, line in enumerate((*WORDS[:11], "geese feather lake"), 1):
        (tmp_path / "d" / f"{number:02}.txt").write_text(line)
    make_index(tmp_path, WordEmbedder(dimension=24), Path("d"))
    with closing(Catalog.open_to_write(tmp_path / ".vsearch")) as catalog:
        catalog.connection.execute("UPDATE chunks SET crc = crc + 1 WHERE id = 12")
    return tmp_path / ".vsearch"


def change_last_file(index: Path) -> None:
    (index.parent / "d" / "12.txt").write_text("telescope planet orbit")
    make_index(index.parent, WordEmbedder(dimension=24), limits=IndexLimits(dead_share=0.1))


def nearest(index: Path, text: str) -> str:
    """Return the text of the best hit of vector search."""
    vector = WordEmbedder(dimension=24).embed_queries([text])[0]
    with open_snapshot(index) as snapshot:
        (hit,) = search(
            LocalSearcher(snapshot), SearchRequest(text, 1, "vector"), lambda _text: EmbeddedQuery(vector)
        ).hits
        return hit.text


def last_ids(index: Path) -> tuple[int, int]:
    """Return the highest chunk id, and its file's id."""
    with closing(Catalog.open_to_read(index)) as catalog:
        query = "SELECT id, file_id FROM chunks ORDER BY id DESC LIMIT 1"
        found: tuple[int, int] = catalog.connection.execute(query).fetchone()
        return found


@pytest.mark.parametrize("lose", ["DELETE FROM sqlite_sequence", "DELETE FROM files WHERE id = 12"])
def test_ids_of_lost_rows_are_not_reused(small_index: Path, lose: str) -> None:
    with closing(Catalog.open_to_write(small_index)) as catalog:
        catalog.connection.execute(lose)
    repair_index(small_index)
    change_last_file(small_index)
    assert last_ids(small_index) == (13, 13)
    assert is_intact(small_index)


def test_a_salvaged_catalog_continues_its_id_sequences(small_index: Path) -> None:
    """Even if no segment has rows of the ids in use."""
    with closing(Catalog.open_to_write(small_index)) as catalog:
        catalog.connection.execute("UPDATE sqlite_sequence SET seq = 40")
    repair_index(small_index)
    change_last_file(small_index)
    assert last_ids(small_index) == (41, 41)
    with closing(Catalog.open_to_read(small_index)) as catalog:
        assert [record.id for record in catalog.segments()] == [1, 41]


def test_ids_of_lost_rows_are_not_reused_after_an_interrupted_repair(
    small_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Catalog.open_to_write(small_index)) as catalog:
        catalog.connection.execute("DELETE FROM sqlite_sequence")
        catalog.connection.execute("DELETE FROM chunks WHERE id = 12")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(repair, "_SegmentRepair", interrupt)
        repair_index(small_index)
    repair_index(small_index)
    change_last_file(small_index)
    assert last_ids(small_index) == (13, 13)
    assert is_intact(small_index)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_implausible_id_sequence_is_not_kept(small_index: Path) -> None:
    with closing(Catalog.open_to_write(small_index)) as catalog:
        catalog.connection.execute("UPDATE sqlite_sequence SET seq = ?", (2**63 - 1,))
    repair_index(small_index)
    change_last_file(small_index)
    assert is_intact(small_index)


def test_for_a_reused_id_the_row_of_the_right_file_is_kept(small_index: Path) -> None:
    repair_index(small_index)
    with closing(Catalog.open_to_write(small_index)) as catalog:
        catalog.connection.execute("UPDATE sqlite_sequence SET seq = 11 WHERE name = 'chunks'")
    change_last_file(small_index)
    assert last_ids(small_index) == (12, 13)
    assert is_intact(small_index)
    with closing(Catalog.open_to_write(small_index)) as catalog, catalog.transaction():
        for record in catalog.segments():
            catalog.set_tombstones(record.id, record.alive)
    assert not is_intact(small_index)
    repair_index(small_index)
    assert is_intact(small_index)
    assert nearest(small_index, "telescope planet orbit") == "telescope planet orbit"


def test_of_two_rows_of_one_chunk_the_newer_is_kept(small_index: Path) -> None:
    repair_index(small_index)
    with closing(Catalog.open_to_write(small_index)) as catalog:
        catalog.connection.execute("DELETE FROM files WHERE id = 12")
        catalog.connection.execute("UPDATE sqlite_sequence SET seq = 11")
    change_last_file(small_index)
    assert last_ids(small_index) == (12, 12)
    with closing(Catalog.open_to_write(small_index)) as catalog, catalog.transaction():
        older, newer = catalog.segments()
        catalog.set_tombstones(older.id, ~older.alive)
        catalog.set_tombstones(newer.id, newer.alive)
    repair_index(small_index)
    assert nearest(small_index, "telescope planet orbit") == "telescope planet orbit"


def test_a_missing_segment_file_has_the_code_index_corrupt(index: Path) -> None:
    (larger(index) / "vectors.npy").unlink()
    with pytest.raises(IndexCorruptError) as caught:
        answers(index)
    assert caught.value.code == "index-corrupt"


PAGE = 16384


def wipe(index: Path, *pages: int) -> None:
    """Zero pages of the catalog; the first is 1."""
    data = bytearray((index / CATALOG_FILE).read_bytes())
    for page in pages:
        data[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)
    (index / CATALOG_FILE).write_bytes(data)


def copy_page(index: Path, source: int, target: int) -> None:
    """Overwrite page `target` of the catalog with a copy of page `source`; the first is 1."""
    data = bytearray((index / CATALOG_FILE).read_bytes())
    data[(target - 1) * PAGE : target * PAGE] = data[(source - 1) * PAGE : source * PAGE]
    (index / CATALOG_FILE).write_bytes(data)


def export(index: Path, file: Path, scratch: Path) -> None:
    """Write the index to an archive."""
    scratch.mkdir()
    with file.open("wb") as archive:
        export_index(index, scratch, archive.write)


def pages_of_tables(index: Path) -> dict[str, int]:
    """Return the first page of every table and index."""
    with closing(sqlite3.connect(index / CATALOG_FILE)) as connection:
        return dict(connection.execute("SELECT name, rootpage FROM sqlite_master"))


def test_a_catalog_can_be_repaired_after_any_page_of_it_is_lost(index: Path, tmp_path: Path) -> None:
    """Pages are wiped one at a time; the rest is intact after a repair, and complete after a run over the documents."""
    before = places(index)
    texts = pages_of_tables(index)["chunks"]
    for page in range(1, (index / CATALOG_FILE).stat().st_size // PAGE + 1):
        copy = Path(shutil.copytree(index, tmp_path / str(page) / ".vsearch"))
        shutil.copytree(index.parent / "d", copy.parent / "d")
        wipe(copy, page)
        repair_index(copy)
        assert is_intact(copy), page
        embedder = WordEmbedder(dimension=24)
        make_index(copy.parent, embedder, Path("d"))
        assert is_intact(copy), page
        assert places(copy) == before
        assert (not embedder.embedded) == (page != texts), page
        assert check_index(copy).files == len(list((copy.parent / "d").iterdir()))


@pytest.mark.parametrize(
    ("table", "lost"),
    [
        ("sources", {"sources": 1}),
        ("files", {"files": 30}),
        ("chunks", {"chunks": 59}),
        *((table, {}) for table in ("settings", "segments", "staged", "sqlite_sequence", "chunks_by_hash")),
    ],
)
def test_lost_rows_are_reported_by_table(index: Path, table: str, lost: dict[str, int]) -> None:
    wipe(index, pages_of_tables(index)[table])
    done = repair_index(index)
    assert done.lost == lost
    assert bool(done.recalled) == (table == "settings")


def test_files_whose_names_are_lost_can_be_found_until_they_are_read_again(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("damage.QUERIES", QUERIES[:3])  # the last one filters by the file's metadata, which is lost
    texts = [hit[3] for hits in answers(index) for hit in hits]
    wipe(index, pages_of_tables(index)["files"])
    repair_index(index)
    found = [hit for hits in answers(index) for hit in hits]
    assert {hit[3] for hit in found} == {*texts}
    assert all(hit[0].startswith(".vsearch/lost/") for hit in found)


def test_lost_settings_and_segments_are_restored_from_the_segment_files(index: Path) -> None:
    before = places(index)
    pages = pages_of_tables(index)
    wipe(index, 1, pages["settings"], pages["segments"])
    done = repair_index(index)
    assert (done.lost, done.pending) == ({}, 0)
    assert {"fingerprint", "generation", "lineage"} <= {*done.recalled}
    assert is_intact(index)
    assert places(index) == before
    assert make_index(index.parent, WordEmbedder(dimension=24)).embedded == 0


def test_a_salvaged_catalog_keeps_every_setting(index: Path) -> None:
    def settings() -> dict[str, str]:
        with closing(Catalog.open_to_read(index)) as catalog:
            return {**catalog.settings()}

    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.put_setting("ann", "ivf")
    before = settings()
    wipe(index, pages_of_tables(index)["sources"])
    repair_index(index)
    after = settings()
    assert before.keys() - after.keys() <= {"seal"}
    assert after["ann"] == "ivf"


def add_foreign_segment(index: Path, **changed: str) -> str:
    """Write a segment of an index with other settings, whose vectors belong to no text here; return its name."""
    with closing(Catalog.open_to_read(index)) as catalog:
        settings = {**catalog.settings(), "generation": "99", **changed}
        ids = np.array(catalog.connection.execute("SELECT id, file_id FROM chunks").fetchall())
    vectors = np.full((len(ids), 24), 6689, np.int16)
    name, _ = write_segment(index, {"vectors": vectors, "chunk_ids": ids[:, 0], "file_ids": ids[:, 1]}, settings)
    return name


@pytest.mark.parametrize("lost", ["segments", "settings"])
@pytest.mark.parametrize("key", ["lineage", "fingerprint"])
def test_a_segment_of_another_index_is_not_restored(index: Path, lost: str, key: str) -> None:
    before = places(index)
    name = add_foreign_segment(index, **{key: "other"})
    wipe(index, pages_of_tables(index)[lost])
    done = repair_index(index)
    assert (done.pending, done.lost) == (0, {})
    assert is_intact(index)
    assert places(index) == before
    assert not (index / SEGMENTS_DIR / name).exists()
    assert any(path.endswith(name) for path in done.set_aside) == (lost == "segments")


def test_without_a_lineage_no_segment_is_restored(index: Path) -> None:
    add_foreign_segment(index, lineage="other")
    pages = pages_of_tables(index)
    wipe(index, pages["segments"], pages["settings"])
    assert repair_index(index).pending == 59
    assert is_intact(index)
    make_index(index.parent, WordEmbedder(dimension=24))
    assert is_intact(index)


def test_segments_left_by_a_killed_merge_are_dropped(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = places(index)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Catalog, "drop_segments", interrupt)
        compaction.compact_index(index)
    assert len(list((index / SEGMENTS_DIR).iterdir())) == 3
    wipe(index, pages_of_tables(index)["segments"])
    assert repair_index(index).pending == 0
    assert is_intact(index)
    assert places(index) == before
    assert repair_index(index) == RepairSummary(index)


def test_an_empty_list_of_segments_is_rejected_if_vectors_are_missing(index: Path) -> None:
    before = places(index)
    pages = pages_of_tables(index)
    copy_page(index, pages["passed_over"], pages["segments"])
    wipe(index, pages["settings"])
    assert repair_index(index).pending == 0
    assert is_intact(index)
    assert places(index) == before


def test_an_older_catalog_takes_its_vectors_from_the_merged_segment(index: Path, tmp_path: Path) -> None:
    shutil.copy(index / CATALOG_FILE, tmp_path / "backup")
    before = places(index)
    compaction.compact_index(index)
    for path in index.glob(f"{CATALOG_FILE}*"):
        path.unlink()
    shutil.copy(tmp_path / "backup", index / CATALOG_FILE)
    (segment,) = (index / SEGMENTS_DIR).iterdir()
    with suppress(VsearchError):  # nothing is deleted before the missing segments are noticed
        make_index(index.parent, WordEmbedder(dimension=24))
    assert segment.exists()
    assert repair_index(index).pending == 0
    assert is_intact(index)
    assert places(index) == before


@pytest.mark.parametrize("again", [False, True])
def test_an_imported_index_finds_its_segments_again(index: Path, tmp_path: Path, *, again: bool) -> None:
    before = places(index)
    export(index, tmp_path / "archive", tmp_path / "scratch")
    other = tmp_path / "other" / ".vsearch"
    with (tmp_path / "archive").open("rb") as file:
        import_index(other, "archive", file.read)
    if again:  # an older copy of the index's own catalog: some ids have been reused since
        with (tmp_path / "archive").open("rb") as file:
            import_index(other, "archive", file.read, replace=True)
    wipe(other, pages_of_tables(other)["segments"])
    assert repair_index(other).pending == (59 if again else 0)
    assert is_intact(other)
    assert again or places(other) == before


def test_an_index_of_an_earlier_version_gets_a_lineage_with_its_next_commit(index: Path) -> None:
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.connection.execute("DELETE FROM settings WHERE key = 'lineage'")
    (index.parent / "d" / "new.txt").write_text("telescope")
    make_index(index.parent, WordEmbedder(dimension=24))
    compaction.compact_index(index)
    wipe(index, pages_of_tables(index)["segments"])
    assert repair_index(index).pending == 0


def test_losses_are_reported_before_segments_are_repaired(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wipe(index, pages_of_tables(index)["sources"])
    reports: list[dict[str, int]] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(repair, "_SegmentRepair", interrupt)
        repair_index(index, report_losses=lambda done: reports.append(dict(done.lost)))
    assert reports == [{"sources": 1}]


def test_a_lost_tuned_fusion_is_reported(index: Path) -> None:
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.put_setting("fusion", "{}")
    wipe(index, pages_of_tables(index)["settings"])
    assert repair_index(index).lost == {"settings": 1}


def test_segments_without_an_origin_are_set_aside(index: Path) -> None:
    for about in index.rglob("about.npy"):
        about.unlink()
    wipe(index, pages_of_tables(index)["segments"])
    vectors = {path.read_bytes() for path in index.rglob("vectors.npy")}
    assert repair_index(index).pending == 59
    assert {path.read_bytes() for path in (index / DAMAGED_DIR).rglob("vectors.npy")} == vectors
    assert is_intact(index)


def test_restored_files_are_not_indexed_twice(index: Path) -> None:
    pages = pages_of_tables(index)
    wipe(index, 1, pages["sources"], pages["files"])
    assert repair_index(index).lost == {"sources": 1, "files": 30}
    embedder = WordEmbedder(dimension=24)
    make_index(index.parent, embedder, Path("d"))
    assert not embedder.embedded
    assert check_index(index).files == 30
    assert is_intact(index)


def test_files_whose_names_are_lost_stay_until_all_sources_are_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(WORDS[ord(name) - ord("a")])
    make_index(tmp_path, WordEmbedder(dimension=24), Path("a"), Path("b"))
    index = tmp_path / ".vsearch"
    wipe(index, pages_of_tables(index)["files"])
    repair_index(index)
    embedder = WordEmbedder(dimension=24)
    assert make_index(tmp_path, embedder, Path("a")).files == 3
    assert make_index(tmp_path, embedder).files == 2
    assert not embedder.embedded
    assert is_intact(index)


@pytest.mark.parametrize("tables", [("settings", "sources"), ("sources", "settings")])
def test_a_page_copied_over_another_is_detected(index: Path, tables: tuple[str, str]) -> None:
    """Both tables have the same columns, and a row's checksum does not cover its table's name."""
    pages = pages_of_tables(index)
    copy_page(index, *(pages[table] for table in tables))
    done = repair_index(index)
    assert done.recalled if tables[1] == "settings" else done.lost["sources"]
    assert is_intact(index)
    make_index(index.parent, WordEmbedder(dimension=24), Path("d"))
    assert is_intact(index)


def test_a_full_page_replaced_by_an_empty_one_is_a_loss(index: Path) -> None:
    pages = pages_of_tables(index)
    copy_page(index, pages["passed_over"], pages["sources"])
    assert repair_index(index).lost == {"sources": 1}


@pytest.mark.parametrize("key", ["base_url", "language", "generation"])
def test_a_lost_setting_is_restored_from_the_last_commit(index: Path, key: str) -> None:
    with closing(Catalog.open_to_write(index)) as catalog:
        before = catalog.settings()
        catalog.connection.execute("UPDATE settings SET crc = 1 WHERE key = ?", (key,))
    done = repair_index(index)
    assert (done.recalled, done.lost) == ([key], {})
    with closing(Catalog.open_to_read(index)) as catalog:
        assert catalog.settings()[key] == before[key]


@pytest.mark.parametrize("name", [CATALOG_FILE, *(f"{CATALOG_FILE}-{kind}" for kind in ("wal", "shm", "journal"))])
def test_a_pipe_or_a_link_in_the_catalogs_place_is_refused(index: Path, tmp_path: Path, name: str) -> None:
    (index / name).unlink(missing_ok=True)
    os.mkfifo(index / name)
    with pytest.raises(IndexCorruptError, match="is a link, or not a regular file"):
        repair_index(index)
    (index / name).unlink()
    (index / name).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(bytes(PAGE))
    with pytest.raises(IndexCorruptError, match="is a link, or not a regular file"):
        repair_index(index)


@pytest.mark.parametrize("kept", [0, 1, 511, PAGE, 3 * PAGE - 1, 4 * PAGE])
def test_a_catalog_truncated_before_its_texts_is_repaired_and_the_vectors_are_kept(index: Path, kept: int) -> None:
    os.truncate(index / CATALOG_FILE, kept)
    before = {path: path.read_bytes() for path in (index / SEGMENTS_DIR).rglob("*") if path.is_file()}
    assert before
    (aside,) = {Path(path).parent.parent for path in repair_index(index).set_aside if SEGMENTS_DIR in path}
    assert {path: (aside / path.relative_to(index)).read_bytes() for path in before} == before
    assert not check_index(index, full=True).faults


def test_a_catalog_reduced_to_its_sources_can_be_refreshed(index: Path) -> None:
    before = places(index)
    os.truncate(index / CATALOG_FILE, 6 * PAGE)
    assert repair_index(index).lost == {"files": 1, "chunks": 1}
    assert is_intact(index)
    make_index(index.parent, WordEmbedder(dimension=24))
    assert is_intact(index)
    assert places(index) == before


@pytest.mark.parametrize(("kept", "reread"), [(8 * PAGE, 30), (8 * PAGE + 100, 30), (9 * PAGE - 100, 1)])
def test_a_truncated_catalog_keeps_its_readable_rows(index: Path, kept: int, reread: int) -> None:
    before = places(index)
    os.truncate(index / CATALOG_FILE, kept)  # within the page with the texts, of which SQLite writes the first one last
    done = repair_index(index)
    assert len(done.reread) == reread
    assert is_intact(index)
    make_index(index.parent, WordEmbedder(dimension=24))
    assert is_intact(index)
    assert places(index) == before


def test_an_unreadable_catalog_is_set_aside(index: Path) -> None:
    data = (index / CATALOG_FILE).read_bytes()
    (index / CATALOG_FILE).write_bytes(bytes(len(data)))
    assert repair_index(index).recalled
    (kept,) = (index / DAMAGED_DIR).rglob(CATALOG_FILE)
    assert kept.read_bytes() == bytes(len(data))


def test_a_killed_repair_can_be_run_again(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = places(index)
    (larger(index) / "postings_rows.npy").unlink()
    for name in ("write_parts", "advance_generation", "sweep"):
        with monkeypatch.context() as patch:
            patch.setattr(repair, name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                repair_index(index)
    assert places(index) == before
    repair_index(index)
    assert is_intact(index)
    assert places(index) == before
    assert list((index / DAMAGED_DIR).rglob("vectors.npy")), "what was damaged is not kept"


@pytest.mark.parametrize("step", range(3))
def test_a_damaged_catalogs_last_commit_is_in_its_log_and_survives(
    intact_index: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Path(shutil.copytree(intact_index.parent / "unfolded", tmp_path / ".vsearch"))
    flip(index / CATALOG_FILE, 0)
    left = step

    def die(_: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vsearch_core.store.recovery.catalog.sync_folder", die)
        with pytest.raises(KeyboardInterrupt):
            repair_index(index)
    repair_index(index)
    assert is_intact(index)
    assert answers(index) == answers(intact_index)


def test_a_writer_restores_write_ahead_logging(index: Path) -> None:
    with closing(sqlite3.connect(index / CATALOG_FILE)) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    assert not is_intact(index)
    Catalog.open_to_write(index).close()
    assert is_intact(index)


def test_a_repair_stopped_while_building_a_graph_changes_nothing(index: Path) -> None:
    before = places(index)
    (larger(index) / "postings_rows.npy").unlink()
    with pytest.raises(StoppedError):
        repair_index(index, observer=Observer(should_stop=lambda: True), limits=IndexLimits(graph_rows=1))
    repair_index(index)
    assert is_intact(index)
    assert places(index) == before


def test_a_repair_stopped_before_embedding_opens_no_model(index: Path) -> None:
    flip(larger(index) / "vectors.npy", -1)

    def fail(_spec: EmbedderSpec) -> WordEmbedder:
        raise AssertionError("no model is needed")

    done = repair_index(index, fail, Observer(should_stop=lambda: True))
    assert done.embedded == 0
    assert done.pending > 0
    assert is_intact(index)


def test_without_an_index_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        repair_index(tmp_path)
