"""Vectors of known texts are reused, and unchanged files are recognised."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import ExtractionError, IndexCorruptError
from vsearch_core.index import writer
from vsearch_core.index.forecast import forecast
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.sources import SETTLED_NS, Source, settled_ctime
from vsearch_core.model import Document, EmbedderSpec
from vsearch_core.store import checksums
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import row_crc
from vsearch_core.store.skipped import load_skipped
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.text.discover import DiscoverOptions, SourceFile
from vsearch_core.text.extract import registry
from vsearch_core.text.extract.options import ExtractOptions

DOCS = Path("docs")
SMALL = IndexOptions(chunk_words=20, overlap_words=0)


@pytest.fixture
def root(tmp_path: Path, embedder: WordEmbedder) -> Path:
    """Return a project with three indexed files; the embedder's list of texts is empty."""
    (tmp_path / "docs").mkdir()
    for word in ("apple", "banana", "cherry"):
        (tmp_path / f"docs/{word}.txt").write_text(paragraphs(word, 4), encoding="utf-8")
    make_index(tmp_path, embedder, DOCS, options=SMALL)
    embedder.embedded.clear()
    return tmp_path


def paragraphs(word: str, count: int) -> str:
    """Return `count` paragraphs, each of which becomes a chunk."""
    return "\n\n".join(f"{word} number{number} " + f"filler{number} " * 15 + "end." for number in range(count))


def plan(root: Path, embedder: WordEmbedder, path: Path, options: IndexOptions) -> None:
    """Forecast an update of a new index."""
    forecast(root / ".vsearch", [Source(root / path, DiscoverOptions())], options, lambda _: embedder)


def vectors(root: Path) -> dict[tuple[str, int], bytes]:
    """Return the stored vector of each live chunk, by path and number in the file; b"" if it has none yet."""
    with open_snapshot(root / ".vsearch") as snapshot:
        found = {}
        for segment in snapshot.segments:
            passages = snapshot.catalog.stored_chunks(segment.chunk_ids[segment.alive].tolist())
            stored = segment.vectors[segment.alive] if segment.has_vectors else [np.empty(0, np.int16)] * len(passages)
            for passage, vector in zip(passages, stored, strict=True):
                found[passage.path, passage.ordinal] = vector.tobytes()
        return found


def fail(_spec: EmbedderSpec) -> WordEmbedder:
    raise AssertionError("no model is needed")


def test_a_moved_file_needs_no_model_and_keeps_its_vectors(root: Path) -> None:
    before = vectors(root)
    (root / "docs/apple.txt").rename(root / "docs/windfall.txt")
    summary = writer.update_index(root / ".vsearch", [], IndexOptions(), fail)
    assert (summary.moved, summary.added, summary.removed, summary.embedded, summary.reused) == (1, 0, 0, 0, 4)
    after = vectors(root)
    assert {path for path, _ in after} == {"docs/banana.txt", "docs/cherry.txt", "docs/windfall.txt"}
    assert [after["docs/windfall.txt", n] for n in range(4)] == [before["docs/apple.txt", n] for n in range(4)]


def test_a_copied_file_is_added_without_a_model(root: Path) -> None:
    shutil.copy(root / "docs/apple.txt", root / "docs/twin.txt")
    summary = writer.update_index(root / ".vsearch", [], IndexOptions(), fail)
    assert (summary.moved, summary.added, summary.embedded, summary.reused) == (0, 1, 0, 4)


def test_a_damaged_vector_is_not_copied(root: Path, embedder: WordEmbedder) -> None:
    (path,) = (root / ".vsearch/segments").glob("*/vectors.npy")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    shutil.copy(root / "docs/cherry.txt", root / "docs/twin.txt")
    with pytest.raises(IndexCorruptError, match="vectors of segment"):
        make_index(root, embedder)


def test_only_the_new_part_of_an_edited_file_is_embedded(root: Path, embedder: WordEmbedder) -> None:
    with (root / "docs/apple.txt").open("a", encoding="utf-8") as file:
        file.write("\n\nA new paragraph about pears" + " and more pears" * 6 + ".")
    summary = make_index(root, embedder)
    assert (summary.changed, summary.embedded, summary.reused) == (1, 1, 4)
    assert embedder.embedded[0].startswith("A new paragraph")


def test_equal_texts_of_one_run_are_embedded_once(root: Path, embedder: WordEmbedder) -> None:
    for name in ("one", "two", "three"):
        (root / f"docs/{name}.txt").write_text(paragraphs("damson", 2), encoding="utf-8")
    summary = make_index(root, embedder)
    assert (summary.added, summary.embedded, summary.reused) == (3, 2, 4)
    found = vectors(root)
    assert found["docs/one.txt", 0] == found["docs/three.txt", 0] != found["docs/one.txt", 1]


def test_vectors_are_reused_after_an_interrupted_run(root: Path, embedder: WordEmbedder) -> None:
    """A file is moved and another added; the run stops before it reaches the moved one."""
    (root / "docs/apple.txt").rename(root / "docs/zzz.txt")
    (root / "docs/aaa.txt").write_text(paragraphs("damson", 3), encoding="utf-8")
    make_index(root, embedder, observer=Observer(should_stop=lambda: True))
    assert ("docs/apple.txt", 0) in vectors(root)
    summary = make_index(root, embedder)
    assert (summary.moved, summary.added, summary.embedded, summary.reused) == (1, 1, 3, 4)


def test_a_reused_vector_equals_a_newly_embedded_one(root: Path, embedder: WordEmbedder, tmp_path: Path) -> None:
    (root / "docs/apple.txt").rename(root / "docs/b.txt")
    (root / "docs/cherry.txt").write_text(paragraphs("cherry", 6), encoding="utf-8")
    make_index(root, embedder)
    shutil.copytree(root / "docs", tmp_path / "fresh/docs")
    make_index(tmp_path / "fresh", embedder, DOCS, options=SMALL)
    assert vectors(root) == vectors(tmp_path / "fresh")


def test_a_move_is_one_commit(root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """No generation has both paths, and none lacks both, whatever is committed before and after."""
    (root / "docs/banana.txt").rename(root / "docs/m.txt")
    for name in ("a", "z"):
        (root / f"docs/{name}.txt").write_text(paragraphs(f"fig{name}", 4), encoding="utf-8")
    seen: list[set[str]] = []
    observer = Observer(progress=lambda _: seen.append({path for path, _ in vectors(root)}))
    make_index(root, embedder, observer=observer, limits=IndexLimits(chunks_per_commit=1, chunks_per_block=4))
    assert {"docs/m.txt"} < seen[-1]
    assert all(("docs/banana.txt" in paths) != ("docs/m.txt" in paths) for paths in seen)
    assert len({frozenset(paths) for paths in seen}) > 1


def test_an_edit_that_keeps_size_and_time_is_seen(root: Path, embedder: WordEmbedder) -> None:
    path = root / "docs/apple.txt"
    before = path.stat()
    path.write_text(paragraphs("grape", 4), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert make_index(root, embedder).changed == 1


def test_modification_times_are_trusted_only_once_they_have_settled(tmp_path: Path) -> None:
    now = 1_000 * SETTLED_NS
    old, fresh = SourceFile(str(tmp_path), 1, 7, 8), SourceFile(str(tmp_path), 1, 7, now - SETTLED_NS // 2)
    assert settled_ctime(old, now) == 8
    assert settled_ctime(fresh, now) == 0
    assert settled_ctime(fresh, now + SETTLED_NS) == fresh.ctime_ns


def test_a_change_within_one_tick_of_the_file_systems_clock_is_seen(
    tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that stores times in steps of two seconds, an edit right after a run does not change them."""
    step = time.time_ns()
    monkeypatch.setattr(
        "vsearch_core.text.discover.SourceFile", lambda path, size, *_: SourceFile(path, size, step, step)
    )
    path = tmp_path / "text.txt"
    path.write_text("About apples.", encoding="utf-8")
    make_index(tmp_path, embedder, Path("text.txt"))
    path.write_text("About grapes.", encoding="utf-8")
    assert make_index(tmp_path, embedder).changed == 1


@pytest.fixture
def mixed_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a damaged, a binary and a good file, read in this process so that tests can patch the extractor."""
    monkeypatch.setattr("vsearch_core.text.reading.is_steady", lambda _name: True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/broken.pdf").write_bytes(b"%PDF-1.7 garbage")
    (tmp_path / "docs/program.bin").write_bytes(b"\0\1\2\3" * 100)
    (tmp_path / "docs/good.txt").write_text("Good.", encoding="utf-8")
    return tmp_path


def test_unreadable_files_are_opened_again_only_if_they_change(
    mixed_root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**18))
    opened: list[str] = []

    def extract(name: str, data: bytes, *_: object) -> Document:
        opened.append(name)
        raise ExtractionError(name, "it is damaged", "mend it")

    first = make_index(mixed_root, embedder, DOCS)
    monkeypatch.setattr("vsearch_core.text.reading.extract", extract)
    reports: list[tuple[str, str]] = []
    observer = Observer(file_failed=lambda *each: reports.append(each), file_skipped=lambda *each: reports.append(each))
    second = make_index(mixed_root, embedder, observer=observer)
    assert opened == []
    assert sorted(path for path, _ in reports) == ["docs/broken.pdf", "docs/program.bin"]
    assert (first.failed, first.skipped) == (second.failed, second.skipped) == (1, 1)
    (mixed_root / "docs/broken.pdf").write_bytes(b"%PDF-1.7 other garbage")
    assert make_index(mixed_root, embedder).failed == 1
    assert opened == ["broken.pdf"]


def test_retry_and_new_readers_open_unreadable_files_again(
    mixed_root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**18))
    make_index(mixed_root, embedder, DOCS)
    monkeypatch.setattr("vsearch_core.text.reading.extract", lambda *_: Document("", ()))
    summary = writer.update_index(mixed_root / ".vsearch", [], IndexOptions(), fail, retry=True)
    assert (summary.added, summary.failed, summary.skipped) == (2, 0, 0)


def test_a_damaged_record_of_a_skipped_file_is_ignored(mixed_root: Path, embedder: WordEmbedder) -> None:
    make_index(mixed_root, embedder, DOCS)
    index = mixed_root / ".vsearch"
    with closing(sqlite3.connect(index / CATALOG_FILE)) as connection, connection:  # without a writer's triggers
        connection.execute("UPDATE passed_over SET reason = 'it is bad' WHERE NOT binary")
    with closing(Catalog.open_to_write(index)) as catalog:
        assert list(load_skipped(catalog)) == ["docs/program.bin"]


def test_new_readers_read_what_the_old_ones_could_not(
    mixed_root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**18))
    make_index(mixed_root, embedder, DOCS)
    monkeypatch.setattr("vsearch_core.text.reading.extract", lambda *_: Document("", ()))
    assert make_index(mixed_root, embedder).added == 0
    monkeypatch.setattr("vsearch_core.index.staging.EXTRACTOR_VERSION", "next")
    assert make_index(mixed_root, embedder).added == 2


def test_a_new_version_of_an_extractor_reads_its_files_again(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**18))
    (root / "docs/old.md").write_text(paragraphs("plum", 4))
    (root / "docs/same.rst").write_text(paragraphs("quince", 4))
    make_index(root, embedder, DOCS)
    embedder.embedded.clear()
    revised = [replace(row, version=row.version + (row.name == "Markdown")) for row in registry.FORMATS]
    monkeypatch.setattr(registry, "FORMATS", tuple(revised))
    monkeypatch.setattr(registry, "_BY_SUFFIX", {suffix: row for row in revised for suffix in row.suffixes})
    read: list[str] = []

    def extract(name: str, data: bytes, options: ExtractOptions) -> Document:
        read.append(name)
        document = registry.extract(name, data, options)
        return replace(document, title="found by the new version")

    monkeypatch.setattr("vsearch_core.text.reading.extract", extract)
    assert make_index(root, embedder).changed == 1
    assert (read, embedder.embedded) == (["old.md"], [])
    with open_snapshot(root / ".vsearch") as snapshot:
        titles = snapshot.catalog.connection.execute("SELECT path, title FROM files WHERE title IS NOT NULL").fetchall()
    assert titles == [("docs/old.md", "found by the new version")]
    assert make_index(root, embedder).unchanged == 5
    assert read == ["old.md"]


def test_a_file_that_a_new_version_can_not_read_is_kept_and_not_read_each_time(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**18))
    (root / "docs/old.md").write_text(paragraphs("plum", 4))
    make_index(root, embedder, DOCS)
    revised = [replace(row, version=row.version + (row.name == "Markdown")) for row in registry.FORMATS]
    monkeypatch.setattr(registry, "FORMATS", tuple(revised))
    monkeypatch.setattr(registry, "_BY_SUFFIX", {suffix: row for row in revised for suffix in row.suffixes})
    read: list[str] = []

    def fails(name: str, *_: object) -> Document:
        read.append(name)
        raise ExtractionError(name, "is beyond the new version")

    monkeypatch.setattr("vsearch_core.text.reading.extract", fails)
    for _ in range(2):
        summary = make_index(root, embedder)
        assert (summary.failed, summary.files) == (1, 4)
    assert read == ["old.md"]


def test_deleted_rows_are_not_reused(root: Path, embedder: WordEmbedder) -> None:
    """A repaired index may have deleted rows of a chunk id that belongs to another text now."""
    with closing(Catalog.open_to_write(root / ".vsearch")) as catalog, catalog.transaction():
        (segment,) = catalog.segments()
        tombstones = np.zeros(segment.rows, np.bool_)
        tombstones[0] = True
        catalog.set_tombstones(segment.id, tombstones)
    shutil.copy(root / "docs/apple.txt", root / "docs/copy.txt")
    summary = make_index(root, embedder)
    assert (summary.embedded, summary.reused) == (1, 3)


@pytest.mark.parametrize("run", [make_index, plan])
def test_checksums_of_many_equal_texts_are_computed_in_linear_time(
    tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch, run: Callable[..., object]
) -> None:
    computed = 0

    def count(*values: object) -> int:
        nonlocal computed
        computed += 1
        return row_crc(*values)

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.txt").write_text("\n\n".join(["heron " * 20] * 300), encoding="utf-8")
    monkeypatch.setattr(checksums, "row_crc", count)
    run(tmp_path, embedder, DOCS, options=SMALL)
    assert computed < 20 * 300
