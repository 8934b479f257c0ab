"""Texts of an index unpack to what documents can hold, and an answer takes seconds, whatever an index claims."""

import random
import shutil
import sqlite3
import time
import zlib
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import pytest
from support import WordEmbedder, make_index

import vsearch_core
from vsearch_core.errors import IndexCorruptError, VsearchError
from vsearch_core.index.check import check_index
from vsearch_core.index.limits import most_bytes_of_texts
from vsearch_core.index.repair import repair_index
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.status import read_status
from vsearch_core.lexical.analysis import Analysis
from vsearch_core.model import Document, Span
from vsearch_core.search.snippets import best_snippet
from vsearch_core.store.catalog import BLOCK_CHARS, Catalog
from vsearch_core.store.connections import connect
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.store.texts import TEXT_LIMIT, pack_text, unpack_text
from vsearch_core.text.chunk import MAX_WORDS, MIN_WORDS, ChunkOptions, split
from vsearch_core.text.extract.builder import MAX_HEADER
from vsearch_core.text.word_starts import MAX_GAP, MAX_RUN

FILES = 120


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index of many short files."""
    root, rng = tmp_path_factory.mktemp("made"), random.Random(3)
    for number in range(FILES):
        words = " ".join(rng.choice(["weir", "mill", "river", "stone", "reed"]) for _ in range(30))
        (root / f"{number}.md").write_text(f"heron {number} {words}")
    make_index(root, WordEmbedder(), Path())
    return root / ".vsearch"


@pytest.fixture
def index(made: Path, tmp_path: Path) -> Path:
    """A copy to forge."""
    return Path(shutil.copytree(made, tmp_path / ".vsearch"))


def forge(index: Path, statement: str, *values: object) -> None:
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.connection.execute(statement, values)


def ask(index: Path, query: str = "heron", k: int = 10) -> int:
    with vsearch_core.open_index(index, open_embedder=lambda _: WordEmbedder()) as opened:
        return len(opened.search(query, k=k).hits)


def test_the_longest_chunk_of_a_document_can_be_read(tmp_path: Path) -> None:
    word, gap = "\U0001f40d" * MAX_RUN, "\u3000" * (MAX_GAP - 1)
    text = gap.join([word] * (2 * MAX_WORDS))
    options = ChunkOptions(MAX_WORDS, MAX_WORDS // 3)
    chunks = split(Document(text, (Span(0, len(text), header="\U0001f40d" * MAX_HEADER),)), options)
    sizes = [len(chunk.text.encode()) for chunk in chunks]
    assert TEXT_LIMIT / 2 < max(sizes) <= TEXT_LIMIT
    assert [unpack_text(pack_text(chunk.text)) for chunk in chunks] == [chunk.text for chunk in chunks]
    most_words = options.limit
    assert most_words * 4 * (MAX_RUN + MAX_GAP) + 4 * MAX_HEADER + 1 <= TEXT_LIMIT


@pytest.mark.parametrize("blank", [" ", "\n", "\t", "\u3000", " \n"])
def test_a_long_gap_between_words_is_in_no_chunk(blank: str) -> None:
    text = f"heron{blank * 100_000}weir\nmill"
    chunks = split(Document(text, (Span(0, len(text)),)), ChunkOptions())
    assert [chunk.text for chunk in chunks] == ["heron", "weir\nmill"]
    assert [chunk.text for chunk in chunks] == [text[chunk.start_char : chunk.end_char] for chunk in chunks]
    assert (chunks[-1].end_char, chunks[-1].end_line) == (len(text), text.count("\n") + 1)


@pytest.mark.parametrize(("size", "letter"), [(TEXT_LIMIT + 1, b"heron "), (60_000_000, b"\n"), (60_000_000, b"\xff")])
def test_a_text_longer_than_any_chunk_is_refused(index: Path, size: int, letter: bytes) -> None:
    forge(index, "UPDATE chunks SET text = ? WHERE id % 4 = 0", zlib.compress((letter * size)[:size]))
    started = time.monotonic()
    with pytest.raises(IndexCorruptError, match="too long"):
        ask(index)
    assert time.monotonic() - started < 3
    assert any("unpacked" in fault.reason for fault in check_index(index, full=True).faults)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("k", [10, FILES])
@pytest.mark.parametrize("query", ["heron", '"heron weir"', "+river", "her*", "-absent +stone"])
def test_a_query_over_long_texts_ends_within_seconds(index: Path, query: str, k: int) -> None:
    text = b"heron x. " * (TEXT_LIMIT // 9)
    forge(index, "UPDATE chunks SET text = ?", zlib.compress(text))
    started = time.monotonic()
    with pytest.raises(IndexCorruptError, match="too long"):
        ask(index, query, k)
    assert time.monotonic() - started < 10


def test_some_long_texts_are_an_answer(index: Path) -> None:
    """One document of long words, such as hexadecimal numbers, has such chunks."""
    forge(index, "UPDATE chunks SET text = ? WHERE id <= 20", zlib.compress(b"heron x. " * 50_000))
    started = time.monotonic()
    assert ask(index, k=20) > 0
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "letters",
    [b"x ", "国".encode(), *(pytest.param(each, marks=pytest.mark.slow) for each in (b"heron ", b"aBcDe.fG "))],
)
def test_keywords_are_not_rebuilt_from_texts_longer_than_any_documents(index: Path, letters: bytes) -> None:
    """They would take a second of CPU for every few chunks, and the texts of one file much memory."""
    forge(index, "UPDATE chunks SET text = ?", zlib.compress(letters * (TEXT_LIMIT // len(letters))))
    for array in (index / "segments").rglob("postings_*.npy"):
        array.unlink()
    started = time.process_time()
    with pytest.raises(IndexCorruptError, match="too long"):
        repair_index(index)
    assert time.process_time() - started < 10


def test_long_texts_are_embedded_in_small_blocks(index: Path) -> None:
    forge(index, "UPDATE chunks SET text = ?", zlib.compress(b"x " * (TEXT_LIMIT // 2)))
    forge(index, "UPDATE files SET live = 0")
    with closing(Catalog.open_to_read(index)) as catalog:
        first = catalog.unembedded(0, FILES)
        assert 1 < len(first) <= BLOCK_CHARS / TEXT_LIMIT + 1
        assert catalog.unembedded(first[-1][0], FILES)[0][0] > first[-1][0]


@pytest.mark.parametrize("words", [MIN_WORDS, 200, MAX_WORDS])
@pytest.mark.parametrize("letter", ["a", "é", "\u20ac", "\U0001f40d", "国"])
def test_any_document_can_be_indexed(letter: str, words: int) -> None:
    """Chunks of the longest words have no more bytes than an index may hold."""
    run = letter * MAX_RUN
    text = " ".join([run] * 3 * words) + letter * MAX_RUN * 3 * words
    chunks = split(Document(text, (Span(0, len(text)),)), ChunkOptions(words, 0))
    assert sum(len(chunk.text.encode()) for chunk in chunks) <= most_bytes_of_texts(len(chunks), words)


@pytest.mark.parametrize("text", ["x " * 2_000_000, "heron. " * 700_000, "# heron\n" * 600_000, "heron" * 900_000])
def test_a_snippet_takes_no_time(text: str) -> None:
    started = time.monotonic()
    snippet = best_snippet(text, {"heron": 2.0, "x": 1.0, "absent": 1.0}, Analysis("en"))
    assert time.monotonic() - started < 2
    assert snippet.text


@pytest.mark.parametrize("words", ["-1", "0", "19", "5001", "99999999999999999999", "1e3", "x", ""])
def test_impossible_chunk_sizes_are_refused(index: Path, words: str) -> None:
    forge(index, "UPDATE settings SET value = ? WHERE key = 'chunk_words'", words)
    with pytest.raises(IndexCorruptError, match="its settings are damaged"):
        ask(index)
    assert check_index(index).faults


@pytest.mark.parametrize("value", [None, "x", "{}", "-1", "99999999999999999999"])
@pytest.mark.parametrize("key", ["fingerprint", "model", "chunk_words", "overlap_words", "language", "analyzer", "ann"])
def test_forged_settings_end_in_no_internal_error(index: Path, key: str, value: str | None) -> None:
    if value is None:
        forge(index, "DELETE FROM settings WHERE key = ?", key)
    else:
        forge(index, "UPDATE settings SET value = ? WHERE key = ?", value, key)
    uses: list[Callable[[vsearch_core.Index], object]] = [
        lambda opened: opened.search("heron"),
        lambda opened: opened.status(),
        lambda opened: opened.check(),
        lambda opened: opened.remove([opened.path.parent / "1.md"]),
        lambda opened: opened.compact(),
    ]
    for use in uses:
        with suppress(VsearchError), vsearch_core.open_index(index, open_embedder=lambda _: WordEmbedder()) as opened:
            use(opened)


@pytest.mark.parametrize("dimension", ["0", "-1", "1000000000000", "true", "1.5", '"48"', "null", "[48]"])
def test_impossible_dimensions_are_refused(index: Path, dimension: str) -> None:
    replaced = f"""UPDATE settings SET value = replace(value, '"dimension": 48', '"dimension": {dimension}')"""
    forge(index, replaced)
    with pytest.raises(IndexCorruptError, match="its settings are damaged"):
        ask(index)


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT"
SCHEMAS = {
    "an endless view": [
        "ALTER TABLE chunks RENAME TO former",
        f"CREATE VIEW chunks AS {ENDLESS} x AS id, x AS file_id, x AS text, x AS crc FROM c",
    ],
    "an endless view of settings": [
        "ALTER TABLE settings RENAME TO former",
        f"CREATE VIEW settings AS {ENDLESS} x AS key, x AS value, x AS crc FROM c",
    ],
    "a costly check": ["CREATE TABLE more (a, CHECK (instr(zeroblob(9000000), zeroblob(4500000) || x'01') = 0))"],
    "a costly column": ["CREATE TABLE more (a, b AS (instr(zeroblob(9000000), zeroblob(4500000) || x'01')))"],
    "a virtual table": ["CREATE VIRTUAL TABLE more USING fts5(a)"],
    "a trigger": ["CREATE TRIGGER t AFTER UPDATE ON files BEGIN DELETE FROM chunks; END"],
    "another table": ["CREATE TABLE more (a)"],
}


@pytest.mark.parametrize("version", [0, 1, 2, 99])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_objects_that_compute_are_refused(index: Path, schema: str, version: int) -> None:
    """A newer format may be readable, and then hold other tables, but none that computes anything."""
    with closing(sqlite3.connect(index / CATALOG_FILE)) as connection:
        for statement in SCHEMAS[schema]:
            connection.execute(statement)
        if "former" not in SCHEMAS[schema][0] or "chunks" in SCHEMAS[schema][0]:
            connection.execute("UPDATE settings SET value = '1' WHERE key = 'min_reader'")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
    started = time.monotonic()
    is_readable = schema == "another table" and version > 1
    for action in (ask, read_all):
        with nullcontext() if is_readable else pytest.raises(vsearch_core.VsearchError):
            action(index)
    with suppress(vsearch_core.VsearchError):  # of a newer format
        assert is_readable or check_index(index, full=True).faults
    with suppress(vsearch_core.VsearchError):
        repair_index(index)
    assert time.monotonic() - started < 10


def read_all(index: Path) -> None:
    with open_snapshot(index) as snapshot:
        read_status(snapshot)


def test_a_value_of_hundreds_of_megabytes_is_not_read(index: Path) -> None:
    with closing(connect(index, "rw")) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 30)
        connection.execute("UPDATE files SET meta = CAST(zeroblob(100000000) AS TEXT) WHERE id = 1")
    with pytest.raises(IndexCorruptError):
        ask_where(index)
    assert check_index(index, full=True).faults


def ask_where(index: Path) -> None:
    with vsearch_core.open_index(index, open_embedder=lambda _: WordEmbedder()) as opened:
        opened.search("heron", where="size > 0")
