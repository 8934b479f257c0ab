"""The catalog: staging, publishing and deleting files, vectors, segments and texts."""

import sqlite3
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from vsearch_core.errors import IndexCorruptError, IndexNotFoundError
from vsearch_core.model import Chunk, Section
from vsearch_core.store.catalog import Catalog, NewFile
from vsearch_core.store.segment import write_segment
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.store.texts import SECTIONS_LIMIT, pack_text, unpack_text


def chunk(text: str) -> Chunk:
    return Chunk(text, 0, len(text), 1, 1, None, None)


def new_file(path: str, **other: object) -> NewFile:
    values = {
        "size": 1,
        "mtime_ns": 2,
        "ctime_ns": 3,
        "hash": b"h",
        "title": None,
        "language": None,
        "meta": {},
    } | other
    return NewFile(path, **values)  # type: ignore[arg-type]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.create(tmp_path, {"generation": "0"})
    yield catalog
    catalog.close()


def test_a_staged_file_is_complete_once_every_chunk_has_a_vector(catalog: Catalog) -> None:
    catalog.stage_file(new_file("a"), [chunk("one"), chunk("two")])
    catalog.stage_file(new_file("empty"), [])
    (first, text), (second, _) = catalog.unembedded(0, 10)
    assert text == "one"
    (empty,) = catalog.complete_files()
    catalog.stage_vectors([first], np.ones((1, 4), np.int16))
    assert catalog.complete_files() == [empty]
    assert catalog.unembedded(0, 10) == [(second, "two")]
    catalog.stage_vectors([second], np.ones((1, 4), np.int16))
    assert len(catalog.complete_files()) == 2
    assert catalog.count_unembedded() == 0
    rows = list(catalog.staged_rows(catalog.complete_files()))
    assert [chunk_id for chunk_id, _, _ in rows] == [first, second]
    assert np.frombuffer(rows[0][2], np.int16).tolist() == [1] * 4


def test_damaged_rows_give_no_vectors(catalog: Catalog) -> None:
    catalog.stage_file(new_file("a"), [chunk("one"), chunk("one")])
    (first, _), (second, _) = catalog.unembedded(0, 10)
    vector = np.ones(4, np.int16).tobytes()
    catalog.stage_vectors([first], [vector])
    assert catalog.find_embedded_copy(second) == (first, vector)
    with (
        closing(sqlite3.connect(catalog.index / CATALOG_FILE)) as other,
        other,
    ):  # no checksum triggers
        other.execute("UPDATE staged SET vector = x'00'")
    assert catalog.find_embedded_copy(second) is None
    catalog.stage_vectors([first], [vector])
    assert catalog.find_embedded_copy(second) == (first, vector)
    with closing(sqlite3.connect(catalog.index / CATALOG_FILE)) as other, other:
        other.execute("UPDATE chunks SET ordinal = 5 WHERE id = ?", (first,))
    assert catalog.find_embedded_copy(second) is None


def test_a_published_file_is_no_longer_staged(catalog: Catalog) -> None:
    catalog.stage_file(new_file("a"), [chunk("one")])
    ((number, _),) = catalog.unembedded(0, 10)
    catalog.stage_vectors([number], np.ones((1, 4), np.int16))
    catalog.publish_files(catalog.complete_files())
    assert list(catalog.files(live=True)) == ["a"]
    assert catalog.files(live=False) == {}
    assert catalog.counts() == (1, 0, 0)
    assert catalog.stored_chunks([number])[0].chunk == chunk("one")


def test_a_deleted_file_leaves_no_rows(catalog: Catalog) -> None:
    catalog.stage_file(new_file("a"), [chunk("one")])
    ((number, _),) = catalog.unembedded(0, 10)
    catalog.stage_vectors([number], np.ones((1, 4), np.int16))
    catalog.delete_files(catalog.complete_files())
    for table in ("files", "chunks", "staged"):
        assert catalog.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_the_space_of_staged_vectors_is_released(catalog: Catalog) -> None:
    catalog.stage_file(new_file("a"), [chunk(f"text {number}") for number in range(500)])
    numbers = [number for number, _ in catalog.unembedded(0, 1000)]
    catalog.stage_vectors(numbers, np.ones((500, 4096), np.int16))
    complete = catalog.complete_files()
    catalog.publish_files(complete)
    catalog.drop_staged_vectors(complete)
    assert catalog.connection.execute("PRAGMA freelist_count").fetchone()[0] > 100
    catalog.release_space()
    assert catalog.connection.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_a_failed_transaction_is_rolled_back(catalog: Catalog) -> None:
    with pytest.raises(RuntimeError), catalog.transaction():
        catalog.stage_file(new_file("a"), [chunk("one")])
        raise RuntimeError
    assert catalog.files(live=False) == {}


def test_a_reader_sees_one_generation(catalog: Catalog) -> None:
    reader = Catalog.open_to_read(catalog.index)
    with catalog.transaction():
        catalog.put_setting("generation", "1")
    assert reader.generation == 0
    reader.close()
    later = Catalog.open_to_read(catalog.index)
    assert later.generation == 1
    later.close()


def test_path_columns(catalog: Catalog) -> None:
    catalog.stage_file(new_file("docs/deep/Report.Final.MD"), [])
    catalog.stage_file(new_file("LICENSE"), [])
    found = catalog.connection.execute("SELECT name, ext, dir FROM files ORDER BY id").fetchall()
    assert found == [("Report.Final.MD", "md", "docs/deep"), ("LICENSE", "", "")]


def test_settings_change_only_in_a_transaction_because_a_seal_covers_them(catalog: Catalog) -> None:
    with pytest.raises(AssertionError):
        catalog.put_setting("generation", "5")


def test_tombstones_are_stored(catalog: Catalog, tmp_path: Path) -> None:
    name, manifest = write_segment(tmp_path, {"chunk_ids": np.arange(11), "file_ids": np.arange(11)}, {})
    with catalog.transaction():
        catalog.add_segment(name, 11, manifest)
    (record,) = catalog.segments()
    assert record.tombstones is None
    assert record.live_rows == 11
    tombstones = np.arange(11) % 3 == 0
    with catalog.transaction():
        catalog.set_tombstones(record.id, tombstones)
    (record,) = catalog.segments()
    assert record.tombstones is not None
    np.testing.assert_array_equal(record.tombstones, tombstones)
    assert record.live_rows == 7


@pytest.mark.parametrize("text", ["", "plain", "naïve 文字 🦉", "lone \ud83d surrogate", "\0control\x1b"])
def test_any_text_can_be_stored(catalog: Catalog, text: str) -> None:
    assert unpack_text(pack_text(text)) == text
    catalog.stage_file(new_file("a", title=text, meta={"key": text}), [Chunk(text, 0, len(text), 1, 1, None, text)])
    ((number, back),) = catalog.unembedded(0, 1)
    assert back == text
    assert catalog.stored_chunks([number])[0].chunk.text == text


SECTIONS = (Section(0, ()), Section(4, ("Pump", "Wïnter 文 🦉")), Section(9, ("Pump",)))


def test_a_chunk_keeps_its_sections(catalog: Catalog) -> None:
    stored = replace(chunk("one Winter two"), heading="Pump", sections=SECTIONS)
    catalog.stage_file(new_file("a"), [stored])
    ((number, text),) = catalog.unembedded(0, 1)
    assert text == stored.text
    assert catalog.stored_chunks([number])[0].chunk == stored


def test_a_chunk_of_an_earlier_version_has_no_sections_and_earlier_versions_read_a_text_with_some() -> None:
    assert unpack_text(zlib.compress(b"a text")) == "a text"
    former = zlib.decompressobj()
    assert former.decompress(pack_text("a text", SECTIONS)) == b"a text" and former.eof


@pytest.mark.parametrize("size", [1, 8191, 8192, 8193, 100_000])
def test_a_smaller_window_compresses_a_short_text_as_well(size: int) -> None:
    random = Random(size)
    text = "".join(random.choices(["pump ", "winter ", "valve ", "north "], k=size // 5 + 1))[:size]
    packed = pack_text(text)
    assert packed[2:] == zlib.compress(text.encode(), 6)[2:]  # all but the header, which tells the size of the window
    assert zlib.decompress(packed).decode() == text == unpack_text(packed)


def test_sections_with_lone_surrogates_are_stored_and_too_long_ones_left_out(catalog: Catalog) -> None:
    odd = replace(chunk("one two"), sections=(Section(0, ("a \ud83d",)), Section(4, ())))
    long = replace(
        chunk("one two"), sections=tuple(Section(at, ("title" * 60,)) for at in range(SECTIONS_LIMIT // 300))
    )
    catalog.stage_file(new_file("a"), [odd, long])
    stored = catalog.stored_chunks([number for number, _ in catalog.unembedded(0, 2)])
    assert [each.chunk.sections for each in stored] == [(Section(0, ("a ?",)), Section(4, ())), ()]


@pytest.mark.parametrize(
    "listed", ["5", "[5]", "[[]]", '[["a"]]', "[[1, 2]]", "[[true]]", "{}", "[", "[" * 9000, "\xff"]
)
def test_sections_that_are_not_as_written_are_damage(catalog: Catalog, listed: str) -> None:
    catalog.stage_file(new_file("a"), [chunk("text")])
    ((number, _),) = catalog.unembedded(0, 1)
    packer = zlib.compressobj(zdict=b"text")
    blob = pack_text("text") + packer.compress(listed.encode("latin-1")) + packer.flush()
    catalog.connection.execute("UPDATE chunks SET text = ?", (blob,))
    with pytest.raises(IndexCorruptError, match="can't be unpacked"):
        catalog.stored_chunks([number])


@pytest.mark.parametrize(
    "more", [b"x", pack_text("text", SECTIONS)[len(pack_text("text")) : -1], zlib.compress(bytes(10**6))]
)
def test_bytes_after_a_text_that_are_no_sections_are_damage(more: bytes) -> None:
    with pytest.raises(zlib.error):
        unpack_text(pack_text("text") + more)


def test_an_equal_text_with_other_sections_has_the_same_vector(catalog: Catalog) -> None:
    shifted = tuple(replace(each, start_char=each.start_char + 7) for each in SECTIONS)
    catalog.stage_file(new_file("a"), [replace(chunk("one two"), sections=each) for each in (SECTIONS, shifted, ())])
    (first, _), *others = catalog.unembedded(0, 3)
    catalog.stage_vectors([first], [b"vector"])
    assert [catalog.find_embedded_copy(other) for other, _ in others] == [(first, b"vector")] * 2


def test_errors_name_the_label(tmp_path: Path) -> None:
    Catalog.create(tmp_path, {"generation": "0"}).close()
    with closing(Catalog.open_to_write(tmp_path, label=Path("the archive"))) as catalog:
        with closing(sqlite3.connect(tmp_path / CATALOG_FILE)) as other, other:
            other.execute("INSERT INTO sources (path, options, crc) VALUES ('a', '{}', 0)")
        with pytest.raises(IndexCorruptError) as caught:
            catalog.sources()
    assert caught.value.subject == "the archive"


def test_a_reader_may_move_between_threads_if_it_was_opened_so(catalog: Catalog) -> None:
    with ThreadPoolExecutor(1) as pool:
        bound, free = (Catalog.open_to_read(catalog.index, check_same_thread=check) for check in (True, False))
        with closing(bound), closing(free):
            assert pool.submit(free.counts).result() == (0, 0, 0)
            with pytest.raises(sqlite3.ProgrammingError):
                pool.submit(bound.counts).result()


def test_a_folder_without_a_catalog_is_not_an_index(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError):
        Catalog.open_to_read(tmp_path)


def test_another_sqlite_database_is_refused(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / CATALOG_FILE).execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(IndexCorruptError, match="not a vsearch catalog"):
        Catalog.open_to_read(tmp_path)


def test_the_leftover_of_an_interrupted_creation_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f"{CATALOG_FILE}.new").write_bytes(b"half")
    Catalog.create(tmp_path, {"generation": "0"}).close()
    assert not (tmp_path / f"{CATALOG_FILE}.new").exists()
