"""Export and import: one generation despite concurrent writers, replaced as a whole; and forged archives."""

import io
import json
import sqlite3
import tarfile
import zlib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from shutil import disk_usage

import pytest
from filelock import FileLock
from support import WordEmbedder, make_index

from vsearch_core.errors import (
    ArchiveError,
    IndexCorruptError,
    IndexLockedError,
    IndexMismatchError,
    IndexNotFoundError,
    IndexVersionError,
    InputError,
    StorageError,
    VsearchError,
)
from vsearch_core.index import commit, transfer
from vsearch_core.index.check import check_index
from vsearch_core.index.commit import sweep
from vsearch_core.index.compaction import merge_segments
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.parts import GRAPH, IVF, PQ, Part
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.transfer import TransferSummary, export_index, import_index
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.store import generation, tables
from vsearch_core.store.archive import ArchiveReader, Contents, Member, pack
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.files import Data, checksum
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.texts import TEXT_LIMIT


@pytest.fixture
def root(tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose index has two segments, one with a deleted row."""
    root = tmp_path / "project"
    (root / "docs").mkdir(parents=True)
    for number in range(12):
        (root / "docs" / f"{number}.txt").write_text(f"The pump number {number}.")
    make_index(root, embedder, Path("docs"))
    (root / "docs" / "0.txt").write_text("The pump that was number zero before.")
    make_index(root, embedder, limits=IndexLimits(dead_share=0.1))
    return root


def export(root: Path, scratch: Path) -> tuple[TransferSummary, bytes]:
    scratch.mkdir()
    pieces: list[Data] = []
    summary = export_index(root / ".vsearch", scratch, pieces.append)
    return summary, b"".join(pieces)


@pytest.fixture
def archive(root: Path, tmp_path: Path) -> bytes:
    return export(root, tmp_path / "first scratch")[1]


def import_archive(root: Path, archive: bytes, *, replace: bool = False) -> TransferSummary:
    return import_index(root / ".vsearch", "it", io.BytesIO(archive).read, replace=replace)


def answers(root: Path, embedder: WordEmbedder) -> list[tuple[str, str, float]]:
    with open_snapshot(root / ".vsearch") as snapshot:
        results = search(LocalSearcher(snapshot), SearchRequest("pump 2", k=99), query_embedding(embedder))
        return [(hit.path, hit.text, hit.score) for hit in results.hits]


def test_an_imported_index_gives_the_same_hits(
    root: Path, archive: bytes, embedder: WordEmbedder, tmp_path: Path
) -> None:
    summary = import_archive(tmp_path / "new", archive)
    assert (summary.generation, summary.files, summary.chunks, summary.segments) == (2, 12, 12, 2)
    assert answers(tmp_path / "new", embedder) == answers(root, embedder)
    assert not (tmp_path / "new" / "docs").exists()


def test_the_same_generation_gives_the_same_archive(root: Path, archive: bytes, tmp_path: Path) -> None:
    summary, again = export(root, tmp_path / "scratch")
    assert again == archive
    assert summary.bytes < len(archive)


def test_an_export_is_of_one_generation_despite_concurrent_writes(
    root: Path, embedder: WordEmbedder, tmp_path: Path
) -> None:
    before = answers(root, embedder)
    (tmp_path / "scratch").mkdir()
    pieces: list[Data] = []

    def write(piece: Data) -> None:
        pieces.append(piece)
        if len(pieces) == 1:
            (root / "docs" / "1.txt").write_text("Rewritten meanwhile.")
            make_index(root, embedder)
            with closing(Catalog.open_to_write(root / ".vsearch")) as catalog:
                merge_segments(catalog, catalog.segments())
                sweep(catalog)

    summary = export_index(root / ".vsearch", tmp_path / "scratch", write)
    archive = b"".join(pieces)
    assert answers(root, embedder) != before
    assert import_archive(tmp_path / "new", archive).generation == summary.generation == 2
    assert answers(tmp_path / "new", embedder) == before


def test_a_running_export_does_not_block_checkpoints(root: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    checkpoints: list[int] = []

    def write(_: Data) -> None:
        with closing(Catalog.open_to_write(root / ".vsearch")) as catalog:
            with catalog.transaction():
                catalog.put_setting("last_commit", "now")
            catalog.connection.execute("PRAGMA busy_timeout = 0")
            checkpoints.append(catalog.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

    export_index(root / ".vsearch", tmp_path / "scratch", write)
    assert set(checkpoints) == {0}


def test_staged_texts_and_sources_are_not_exported(root: Path, embedder: WordEmbedder, tmp_path: Path) -> None:
    (root / "docs" / "new.txt").write_text("A document that is staged only.")
    seen: list[str] = []
    make_index(root, embedder, observer=Observer(progress=lambda _: seen.append(""), should_stop=lambda: bool(seen)))
    _, archive = export(root, tmp_path / "scratch")
    assert b"staged only" not in archive
    import_archive(tmp_path / "new", archive)
    with closing(Catalog.open_to_read(tmp_path / "new" / ".vsearch")) as catalog:
        assert catalog.counts() == (12, 0, 0)
        assert catalog.sources() == {}


def test_a_replaced_index_keeps_its_sources_and_readers(root: Path, archive: bytes, embedder: WordEmbedder) -> None:
    """After importing an older export, the generation still grows, and the next run finds what has changed since."""
    old = answers(root, embedder)
    (root / "docs" / "1.txt").write_text("Rewritten since the export.")
    make_index(root, embedder)
    new = answers(root, embedder)
    with open_snapshot(root / ".vsearch") as reader:
        summary = import_archive(root, archive, replace=True)
        assert summary.generation > reader.generation
        found = search(LocalSearcher(reader), SearchRequest("rewritten", mode="keyword")).hits
        assert [hit.path for hit in found] == ["docs/1.txt"]
    assert answers(root, embedder) == old
    assert make_index(root, embedder).changed == 1
    assert answers(root, embedder) == new


def test_an_import_succeeds_if_freeing_space_fails(
    root: Path, archive: bytes, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = answers(root, embedder)
    (root / "docs" / "1.txt").write_text("Rewritten since the export.")
    make_index(root, embedder)

    def fail(_: Catalog) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Catalog, "release_space", fail)
    assert import_archive(root, archive, replace=True).files == 12
    assert answers(root, embedder) == old


def test_an_index_with_files_is_replaced_only_on_request(root: Path, archive: bytes, embedder: WordEmbedder) -> None:
    before = answers(root, embedder)
    with pytest.raises(InputError, match="an index here already") as caught:
        import_archive(root, archive)
    assert caught.value.code == "index-exists"
    assert answers(root, embedder) == before


def test_an_import_needs_the_writer_lock(root: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "writer_lock", partial(writer_lock, wait=0))
    with FileLock(root / ".vsearch" / "writer.lock"), pytest.raises(IndexLockedError):
        import_archive(root, archive, replace=True)


def test_a_run_without_the_documents_keeps_the_imported_files(
    archive: bytes, embedder: WordEmbedder, tmp_path: Path
) -> None:
    import_archive(tmp_path / "new", archive)
    assert make_index(tmp_path / "new", embedder).removed == 0
    (tmp_path / "new" / "other").mkdir()
    (tmp_path / "new" / "other" / "a.txt").write_text("Something else.")
    assert make_index(tmp_path / "new", embedder, Path("other")).removed == 0
    with open_snapshot(tmp_path / "new" / ".vsearch") as snapshot:
        found = snapshot.catalog.files(live=True).keys()
    assert found == {*(f"docs/{number}.txt" for number in range(12)), "other/a.txt"}


def test_an_empty_index_can_be_exported_and_imported(root: Path, embedder: WordEmbedder, tmp_path: Path) -> None:
    for path in (root / "docs").iterdir():
        path.unlink()
    make_index(root, embedder)
    summary, archive = export(root, tmp_path / "scratch")
    assert (summary.files, summary.chunks) == (0, 0)
    assert import_archive(tmp_path / "new", archive).files == 0
    assert answers(tmp_path / "new", embedder) == []


def test_an_export_without_an_index_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        export(tmp_path, tmp_path / "scratch")


def test_a_damaged_index_is_not_exported(root: Path, tmp_path: Path) -> None:
    path = next((root / ".vsearch").glob("segments/*/vectors.npy"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()
    path.write_bytes(data)
    with pytest.raises(VsearchError, match="vectors"):
        export(root, tmp_path / "scratch")


def test_an_archive_larger_than_the_disk_is_refused_before_writing(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(commit, "disk_usage", lambda _: free)
    with pytest.raises(StorageError, match="not enough free space for the archive"):
        import_archive(tmp_path / "new", archive)
    assert {path.name for path in (tmp_path / "new" / ".vsearch").iterdir()} == {".gitignore", "writer.lock"}


def test_every_table_is_either_replaced_or_kept() -> None:
    assert tables.TABLES.keys() == {*generation._ROWS, *generation._EMPTIED, "sources"}


def is_intact(root: Path) -> bool:
    return not check_index(root / ".vsearch", full=True, recall=recall_faults).faults


def test_an_imported_index_is_intact(root: Path, archive: bytes, embedder: WordEmbedder, tmp_path: Path) -> None:
    """Imported as a new index, over another one, or unpacked by hand; all can be updated."""
    import_archive(tmp_path / "new", archive)
    (tmp_path / "other" / "docs").mkdir(parents=True)
    (tmp_path / "other" / "docs" / "0.txt").write_text("An index of another folder.")
    make_index(tmp_path / "other", embedder, Path("docs"))
    import_archive(tmp_path / "other", archive, replace=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "by hand" / ".vsearch", filter="data")
    for name in ("new", "other", "by hand"):
        assert is_intact(tmp_path / name)
        (tmp_path / name / "more.txt").write_text("One more document.")
        make_index(tmp_path / name, embedder, Path("more.txt"))
        assert is_intact(tmp_path / name)


@pytest.mark.parametrize("part", [GRAPH, IVF, PQ], ids=lambda part: part.name)
def test_graphs_and_lists_are_exported_and_imported(
    root: Path, embedder: WordEmbedder, tmp_path: Path, part: Part
) -> None:
    for number in range(100):
        (root / "docs" / f"more {number}.txt").write_text(f"The pump number {number}, which is another one.")
    make_index(root, embedder, options=IndexOptions(ann=part.name), limits=IndexLimits(graph_rows=100))
    with open_snapshot(root / ".vsearch") as snapshot:
        files = {key for segment in snapshot.segments for key in segment.manifest}
    assert part.is_in(files)
    import_archive(tmp_path / "new", export(root, tmp_path / "scratch")[1])
    with open_snapshot(tmp_path / "new" / ".vsearch") as snapshot:
        assert {key for segment in snapshot.segments for key in segment.manifest} == files
        assert snapshot.settings.ann == part.name
    assert is_intact(tmp_path / "new")


def test_damaged_rows_are_not_exported(root: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(root / ".vsearch" / "catalog.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE chunks SET start_char = start_char + 1")
    with pytest.raises(IndexCorruptError, match="rows of its table chunks are damaged"):
        export(root, tmp_path / "scratch")


# Forged archives: well-formed as archives, with correct checksums

Change = Callable[[sqlite3.Connection], None]


def forge(archive: bytes, tmp_path: Path, change: Change, *, sealed: bool) -> bytes:
    """Return the archive with a changed catalog; `sealed`: with correct checksums in the catalog, too."""
    reader = ArchiveReader("it", io.BytesIO(archive).read)
    contents = reader.contents()
    files = {member.name: b"".join(reader.member(member)) for member in contents.members}
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(files["catalog.sqlite"])
    if sealed:
        with closing(Catalog.open_to_write(tmp_path)) as catalog, catalog.transaction():
            change(catalog.connection)
    else:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            change(connection)
    files["catalog.sqlite"] = path.read_bytes()
    return pack_archive(contents.generation, files)


def pack_archive(generation: int, files: dict[str, bytes]) -> bytes:
    members = [Member(name, len(data), checksum([data])) for name, data in files.items()]
    return b"".join(pack(Contents(generation, tuple(members)), {name: [data] for name, data in files.items()}))


def sql(script: str) -> Change:
    def change(connection: sqlite3.Connection) -> None:
        connection.execute(script)

    return change


def manifest(**changes: object) -> Change:
    """Change the manifest of the first segment's vectors."""

    def change(connection: sqlite3.Connection) -> None:
        (text,) = connection.execute("SELECT manifest FROM segments").fetchone()
        values = json.loads(text)
        values["vectors"] |= changes
        connection.execute(
            "UPDATE segments SET manifest = ? WHERE id = (SELECT min(id) FROM segments)", [json.dumps(values)]
        )

    return change


def schema_by_hand(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'chunks'")


FOREIGN = {
    "a trigger": sql("CREATE TRIGGER t AFTER INSERT ON files BEGIN DELETE FROM files; END"),
    "a view": sql("CREATE VIEW v AS SELECT load_extension('x')"),
    "another table": sql("CREATE TABLE more (x)"),
    "an expression index": sql("CREATE INDEX more ON files (abs(size))"),
    "a column": sql("ALTER TABLE files ADD COLUMN more TEXT"),
    "a table gone": sql("DROP TABLE staged"),
    "another schema's words": schema_by_hand,
    "another application": sql("PRAGMA application_id = 7"),
    "a damaged text": sql("UPDATE chunks SET text = zeroblob(9) WHERE id = 3"),
    "a damaged path": sql("UPDATE files SET path = 'docs/x.txt' WHERE id = 3"),
    "a damaged setting": sql("UPDATE settings SET value = '3' WHERE key = 'generation'"),
    "a chunk gone": sql("DELETE FROM chunks WHERE id = 3"),
    "a file gone": sql("DELETE FROM files WHERE id = 3"),
}
FORGERIES = {
    "a text that is none": sql("UPDATE chunks SET text = zeroblob(9) WHERE id = 3"),
    "a chunk of another file": sql("UPDATE chunks SET file_id = 4 WHERE id = 3"),
    "a chunk less": sql("DELETE FROM chunks WHERE id = 3"),
    "a file less": sql("DELETE FROM files WHERE id = 3"),
    "a file that lives twice": sql("UPDATE files SET live = 2 WHERE id = 3"),
    "a dead row that lives": sql("UPDATE segments SET dead = NULL"),
    "another generation": sql("UPDATE settings SET value = '3' WHERE key = 'generation'"),
    "a generation that is none": sql("UPDATE settings SET value = 'x' WHERE key = 'generation'"),
    "no settings": sql("DELETE FROM settings"),
    "settings that are none": sql("UPDATE settings SET value = '[]' WHERE key = 'fingerprint'"),
    "settings nested too deep": sql(
        "UPDATE settings SET value = printf('%.*c', 100000, '[') WHERE key = 'fingerprint'"
    ),
    "a segment less": sql("DELETE FROM segments WHERE id = (SELECT min(id) FROM segments)"),
    "another segment": sql("UPDATE segments SET name = '../../../../tmp/x'"),
    "a manifest that is none": sql("UPDATE segments SET manifest = '[]'"),
    "a manifest of another kind": sql("UPDATE segments SET manifest = '{\"vectors\": 7}'"),
    "other dtypes": manifest(dtype="<f8"),
    "objects": manifest(dtype="|O"),
    "no dtype": manifest(dtype="nonsense"),
    "other shapes": manifest(shape=[1 << 40, 384]),
    "negative shapes": manifest(shape=[-1, -48]),
    "another size": manifest(bytes=1 << 40),
    "another checksum": manifest(blake2b="0" * 32),
}


CHANGES = [
    *(pytest.param(change, False, id=name) for name, change in FOREIGN.items()),
    *(pytest.param(change, True, id=f"{name}, sealed") for name, change in FORGERIES.items()),
]


@pytest.mark.parametrize(("change", "sealed"), CHANGES)
def test_a_forged_catalog_is_refused_and_no_index_is_created(
    root: Path, archive: bytes, embedder: WordEmbedder, tmp_path: Path, change: Change, sealed: bool
) -> None:
    before = answers(root, embedder)
    segments = {path.name for path in (root / ".vsearch" / "segments").iterdir()}
    with pytest.raises(ArchiveError) as caught:
        import_archive(root, forge(archive, tmp_path, change, sealed=sealed), replace=True)
    assert caught.value.subject == "it", caught.value
    assert str(root) not in caught.value.reason
    assert answers(root, embedder) == before
    assert {path.name for path in (root / ".vsearch" / "segments").iterdir()} == segments


def test_a_decompression_bomb_in_a_text_is_refused(archive: bytes, tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(TEXT_LIMIT + 1)).hex()
    with pytest.raises(ArchiveError, match="can't be unpacked"):
        import_archive(
            tmp_path / "new", forge(archive, tmp_path, sql(f"UPDATE chunks SET text = x'{bomb}'"), sealed=True)
        )


def test_a_first_import_that_fails_leaves_no_index(archive: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError):
        import_archive(tmp_path / "new", forge(archive, tmp_path, FOREIGN["a trigger"], sealed=False))
    assert not list((tmp_path / "new" / ".vsearch" / "segments").iterdir())
    assert not (tmp_path / "new" / ".vsearch" / "catalog.sqlite").exists()


def test_an_archive_of_another_version_is_refused(archive: bytes, tmp_path: Path) -> None:
    newer = forge(archive, tmp_path, sql("PRAGMA user_version = 99"), sealed=False)
    with pytest.raises(IndexVersionError, match="format 99") as version:
        import_archive(tmp_path / "new", newer)
    assert version.value.code == "index-version"
    assert version.value.subject == "it"
    other = forge(archive, tmp_path, sql("UPDATE settings SET value = '99' WHERE key = 'chunker'"), sealed=True)
    with pytest.raises(IndexMismatchError, match="chunker 99") as mismatch:
        import_archive(tmp_path / "new", other)
    assert mismatch.value.subject == "it"


@pytest.mark.parametrize("data", [b"", b"not a database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_malformed_catalog_is_refused(archive: bytes, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveError) as caught:
        import_archive(tmp_path / "new", pack_archive(2, {"catalog.sqlite": data}))
    assert caught.value.subject == "it"


def test_damage_to_any_page_of_the_catalog_is_refused_or_harmless(
    archive: bytes, embedder: WordEmbedder, tmp_path: Path
) -> None:
    """Damage under correct checksums is refused, or has no effect on any hit."""
    reader = ArchiveReader("it", io.BytesIO(archive).read)
    contents = reader.contents()
    files = {member.name: b"".join(reader.member(member)) for member in contents.members}
    whole = files["catalog.sqlite"]
    refused = 0
    for number, start in enumerate(range(100, len(whole), 9973)):
        data = bytearray(whole)
        data[start : start + 8] = b"\xff" * 8
        project = tmp_path / str(number)
        try:
            import_archive(project, pack_archive(2, {**files, "catalog.sqlite": bytes(data)}))
        except VsearchError:
            refused += 1
            assert not (project / ".vsearch" / "catalog.sqlite").exists()
        else:
            answers(project, embedder)
    assert refused > 0
