"""`check` names a fault for every truncation, flip and forged value of a catalog, and never dies of one."""

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from process import write_files
from support import WordEmbedder, make_index

from vsearch_core.embed.base import Batch
from vsearch_core.errors import StorageError
from vsearch_core.index.check import check_index
from vsearch_core.store.connections import connect
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.store.texts import unpack_text

FLIPS, CUTS = 250, 120


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index of a few files with several chunks each, its log folded in."""
    rng = random.Random(5)
    root = tmp_path_factory.mktemp("made")
    for number in range(12):
        parts = [" ".join(f"w{rng.randrange(400)}" for _ in range(70)) for _ in range(rng.randrange(2, 9))]
        write_files(root, {f"{number}.md": "\n\n".join(parts)})
    make_index(root, WordEmbedder(), Path())
    return root / ".vsearch"


@pytest.fixture
def index(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / ".vsearch"))


def fresh(made: Path, index: Path) -> Path:
    """Restore the catalog; return its path."""
    for path in index.glob(f"{CATALOG_FILE}*"):
        path.unlink()
    return Path(shutil.copyfile(made / CATALOG_FILE, index / CATALOG_FILE))


def test_an_intact_index_has_no_fault(index: Path) -> None:
    assert check_index(index, full=True).faults == ()


def test_each_truncation_is_a_fault(made: Path, index: Path) -> None:
    size = (made / CATALOG_FILE).stat().st_size
    sizes = {size - back for back in (1, 100, 1000, 4000, 4095, 4096, 4097, 7000, 10_000, 13_000, 16_000)}
    for kept in sorted(sizes | set(random.Random(1).sample(range(size), CUTS))):
        os.truncate(fresh(made, index), kept)
        assert check_index(index, full=True).faults, f"cut to {kept} of {size}"


def test_each_flipped_bit_is_a_fault_or_in_unused_space(made: Path, index: Path) -> None:
    rng, missed = random.Random(2), 0
    for _ in range(FLIPS):
        path = fresh(made, index)
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        missed += not check_index(index, full=True).faults
    assert missed < FLIPS  # none raised; pages have unused bytes


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("value", ["NULL", "7", "1.5", "'text'", "x''", "x'00'"])
@pytest.mark.parametrize(
    "place",
    [
        *(
            "chunks.text",
            "chunks.file_id",
            "chunks.hash",
            "chunks.start_char",
            "files.path",
            "files.chunks",
            "files.meta",
        ),
        *("files.live", "segments.manifest", "segments.rows", "segments.name", "segments.dead", "settings.value"),
        *("sources.options", "sources.path"),
    ],
)
def test_each_value_of_another_kind_is_a_fault(index: Path, place: str, value: str, full: bool) -> None:
    table, _, column = place.partition(".")
    with closing(connect(index, "rw")) as connection:
        schema = connection.execute("SELECT sql, name FROM sqlite_master").fetchall()
        connection.execute("PRAGMA writable_schema = ON")  # as a flip of a serial type: the schema's rules don't hold
        connection.execute("UPDATE sqlite_master SET sql = replace(replace(sql, 'STRICT', ''), 'NOT NULL', '')")
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute(f"UPDATE {table} SET {column} = {value} WHERE rowid = (SELECT min(rowid) FROM {table})")
        connection.execute("PRAGMA writable_schema = ON")
        connection.executemany("UPDATE sqlite_master SET sql = ? WHERE name = ?", schema)
    report = check_index(index, full=full)
    is_unchanged = (place, value) == ("segments.dead", "NULL")
    assert report.faults or not full or is_unchanged


@pytest.mark.parametrize("blob", [None, 5, 1.5, "text"])
def test_a_text_of_another_kind_can_not_be_unpacked(blob: float | str | None) -> None:
    with pytest.raises(Exception, match="not as bytes"):
        unpack_text(blob)


def test_a_run_whose_index_is_deleted_fails_and_leaves_nothing(tmp_path: Path) -> None:
    class Deleting(WordEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
            shutil.rmtree(tmp_path / ".vsearch")
            yield from super().embed_documents(texts)

    write_files(tmp_path, {"a.txt": "heron"})
    with pytest.raises(StorageError, match="the index was deleted during this run"):
        make_index(tmp_path, Deleting(), Path())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt"]
    assert make_index(tmp_path, WordEmbedder(), Path()).files == 1
