"""Indexes on a server: updates, removals, generations, two writers, copies, damage, and lost servers."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contracts.searcher import write_documents
from postgres_server import PostgresServer
from support import WordEmbedder

from vsearch_core import (
    IndexLockedError,
    IndexNotFoundError,
    InputError,
    Observer,
    ServerIndex,
    StorageError,
    copy_index,
    open_index,
    open_server_index,
)
from vsearch_core.index.server_writing import open_server_writer
from vsearch_core.library import server_index
from vsearch_core.store.milvus.writing import MilvusWriter
from vsearch_core.store.postgres.address import PostgresAddress
from vsearch_core.store.postgres.connection import connect
from vsearch_core.store.postgres.writing import PostgresWriter
from vsearch_core.store.server.address import parse_server_address

pytestmark = pytest.mark.engines
OPTIONS: dict[str, Any] = {"chunk_words": 40, "overlap_words": 8}


class Notes:
    """A folder with documents, and the address of an index of them that doesn't exist yet."""

    def __init__(self, root: Path, address: str) -> None:
        self.root = root
        self.address = address
        self.embedder = WordEmbedder()
        write_documents(root)

    def open(self, observer: Observer | None = None) -> ServerIndex:
        return open_server_index(
            self.address, root=self.root, open_embedder=lambda _: self.embedder, observer=observer, **OPTIONS
        )

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    def execute(self, statement: str) -> None:
        address = parse_server_address(self.address)
        if not isinstance(address, PostgresAddress):
            pytest.skip("this server has no SQL")
        with connect(address, writing=True) as connection:
            connection.execute(statement.replace("{s}", address.schema))


@pytest.fixture
def notes(tmp_path: Path, any_address: Callable[[], str]) -> Notes:
    return Notes(tmp_path, any_address())


@pytest.fixture
def index(notes: Notes) -> Iterator[ServerIndex]:
    with notes.open() as opened:
        opened.update([notes.root])
        yield opened


def paths(index: ServerIndex, query: str) -> list[str]:
    return [hit.path for hit in index.search(query, mode="keyword").hits]


def test_an_index_that_does_not_exist_is_named(notes: Notes) -> None:
    with notes.open() as index, pytest.raises(IndexNotFoundError) as caught:
        index.search("bread", mode="keyword")
    assert caught.value.subject == parse_server_address(notes.address).name


def test_changed_moved_and_deleted_files_are_brought_up_to_date(notes: Notes, index: ServerIndex) -> None:
    notes.write("notes/bread.txt", "Sourdough rises slowly.")
    (notes.root / "docs/pump.md").rename(notes.root / "docs/engine.md")
    (notes.root / "notes/heron.txt").unlink()
    notes.embedder.embedded.clear()
    done = index.update()
    assert (done.changed, done.moved, done.removed, done.unchanged) == (1, 1, 1, 6)
    assert notes.embedder.embedded == ["Sourdough rises slowly."]  # the moved text has a vector on the server
    assert paths(index, "sourdough") == ["notes/bread.txt"]
    assert paths(index, "heron") == []
    assert paths(index, "grease") == ["docs/engine.md"]
    assert not index.check(full=True).faults


def test_an_unchanged_folder_makes_no_generation(index: ServerIndex) -> None:
    time.sleep(2.1)  # until then, the times of a file don't prove that it is unchanged
    index.update()
    before = index.generation
    assert index.update().unchanged == 9
    assert index.generation == before


def test_the_folder_for_staging_keeps_no_texts(notes: Notes, index: ServerIndex) -> None:
    assert len(index.search("bread").hits) > 0
    with open_index(index.path) as staging:
        assert staging.status().files == 9
        assert not list((index.path / "segments").iterdir())


def test_a_lost_folder_for_staging_is_made_again(notes: Notes, index: ServerIndex) -> None:
    shutil.rmtree(index.path)
    notes.write("notes/new.txt", "A kingfisher dived.")
    done = index.update([notes.root])
    assert (done.added, done.unchanged) == (1, 9)
    assert paths(index, "kingfisher") == ["notes/new.txt"]


def test_another_folder_can_not_update_the_index(notes: Notes, index: ServerIndex) -> None:
    other = notes.root / "docs"
    elsewhere = open_server_index(notes.address, root=other, open_embedder=lambda _: notes.embedder)
    with elsewhere, pytest.raises(InputError) as caught:
        elsewhere.update([other])
    assert (caught.value.code, caught.value.details["root"]) == ("server-other-root", str(notes.root))
    assert index.status().files == 9


def test_removed_paths_stay_out(notes: Notes, index: ServerIndex) -> None:
    done = index.remove([notes.root / "notes"])
    assert (done.removed, done.files, done.left_out) == (4, 5, ("notes",))
    assert index.update().unchanged == 5
    assert index.status().removed == ("notes",)
    assert paths(index, "bread") == []


def test_compaction_drops_removed_chunks_and_changes_no_hit(notes: Notes, index: ServerIndex) -> None:
    index.remove([notes.root / "long.txt"])
    notes.write("notes/new.txt", "A kingfisher dived.")
    index.update([notes.root / "notes"])
    status = index.status()
    assert status.dead_rows > 0 and status.segments == 2
    before = [hit.path for hit in index.search("valve bread", k=30).hits]
    done = index.compact()
    assert (done.dropped, done.segments) == (status.dead_rows, 2)
    assert [hit.path for hit in index.search("valve bread", k=30).hits] == before
    after = index.status()
    assert (after.dead_rows, after.segments) == (0, 1)
    assert not index.check(full=True).faults


def test_a_reader_keeps_its_generation_while_the_next_is_written(notes: Notes, index: ServerIndex) -> None:
    with notes.open() as reader:
        assert paths(reader, "kingfisher") == []
        notes.write("notes/new.txt", "A kingfisher dived.")
        index.update()
        index.compact()
        assert paths(reader, "kingfisher") == []
        assert reader.refresh()
        assert paths(reader, "kingfisher") == ["notes/new.txt"]
        assert not reader.refresh()


def test_a_refresh_ends_old_transactions(notes: Notes, index: ServerIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    place = parse_server_address(notes.address)
    if not isinstance(place, PostgresAddress):
        pytest.skip("this server has no transactions")

    def open_transactions() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE %s"
        with connect(place, writing=False) as connection:
            ((number,),) = connection.execute(query, (f"%{place.schema}%",)).fetchall()
            return int(number)

    with notes.open() as reader:
        assert paths(reader, "bread")
        assert not reader.refresh()
        assert open_transactions() == 1
    monkeypatch.setattr(server_index, "LONGEST_OPEN", 0)
    with notes.open() as reader:
        assert paths(reader, "bread")
        assert not reader.refresh()
        deadline = time.monotonic() + 30
        while open_transactions():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert paths(reader, "bread")


def test_there_is_one_writer(notes: Notes, index: ServerIndex) -> None:
    with (
        open_server_writer(parse_server_address(notes.address), index.path),
        pytest.raises(IndexLockedError),
        notes.open() as second,
    ):
        second.update()
    assert index.update().unchanged == 9


def test_a_writer_that_lost_its_lock_does_not_overwrite_another_s_commit(notes: Notes, index: ServerIndex) -> None:
    address = parse_server_address(notes.address)
    with open_server_writer(address, index.path) as first:
        first.server.settings()
        if isinstance(first.server, PostgresWriter):
            first.server.connection.execute("SELECT pg_advisory_unlock_all()")
        elif isinstance(first.server, MilvusWriter):
            first.server.release_lock()
        index.remove([notes.root / "notes"])
        with pytest.raises(StorageError) as caught, first.server.commit():
            pass
    assert caught.value.code == "server-index-changed"


def test_a_stopped_update_keeps_its_vectors_and_shows_nothing(notes: Notes) -> None:
    stopped = Observer(should_stop=lambda: len(notes.embedder.embedded) > 0)
    with notes.open(stopped) as index:
        assert index.update([notes.root]).interrupted
    embedded = len(notes.embedder.embedded)
    with notes.open() as index:
        index.update()
        assert index.status().files == 9
        assert len(notes.embedder.embedded) == len(set(notes.embedder.embedded)) > embedded > 0


def test_a_commit_that_fails_is_made_by_the_next_run(notes: Notes, index: ServerIndex) -> None:
    notes.execute("ALTER TABLE {s}.postings ADD CONSTRAINT failing CHECK (segment < 2)")
    notes.write("notes/new.txt", "A kingfisher dived.")
    with pytest.raises(Exception, match="failing"):
        index.update()
    assert index.status().files == 9
    notes.execute("ALTER TABLE {s}.postings DROP CONSTRAINT failing")
    notes.embedder.embedded.clear()
    index.update()
    assert (paths(index, "kingfisher"), notes.embedder.embedded) == (["notes/new.txt"], [])
    assert not index.check(full=True).faults


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE {s}.chunks SET text = text || '\\x00'",
        "UPDATE {s}.chunks SET start_line = start_line + 1",
        "UPDATE {s}.files SET title = 'another' WHERE path = 'docs/pump.md'",
        "UPDATE {s}.vectors SET vector = vector + vector",
        "DELETE FROM {s}.vectors",
        "DELETE FROM {s}.chunks WHERE ordinal = 0",
        "DELETE FROM {s}.files WHERE path = 'long.txt'",
        "DELETE FROM {s}.postings WHERE term = 'bread'",
        "UPDATE {s}.postings SET data = substr(data, 2) WHERE term = 'bread'",
        "UPDATE {s}.settings SET value = 'many' WHERE key = 'rows'",
    ],
)
def test_damage_is_found(notes: Notes, index: ServerIndex, damage: str) -> None:
    notes.execute(damage)
    with notes.open() as opened:
        try:
            assert opened.check(full=True).faults
        except Exception as error:
            assert "damaged" in str(error)


def test_a_copy_to_a_server_and_back_is_equal(notes: Notes, tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_index(notes.root, create=True, open_embedder=lambda _: notes.embedder, **OPTIONS) as local:
        local.update([notes.root])
        expected = [(hit.path, hit.score, hit.text) for hit in local.search("valve bread", k=30).hits]
    notes.embedder.embedded.clear()
    done = copy_index(notes.root, notes.address, root=notes.root)
    assert (done.files, done.copied) == (9, 9)
    assert copy_index(notes.root, notes.address, root=notes.root).copied == 0
    back = tmp_path_factory.mktemp("back") / "index"
    copy_index(notes.address, back, root=notes.root)
    with notes.open() as on_server, open_index(back, open_embedder=lambda _: notes.embedder) as again:
        for index in (on_server, again):
            assert [(hit.path, hit.score, hit.text) for hit in index.search("valve bread", k=30).hits] == expected
    assert not notes.embedder.embedded


def test_a_copy_is_brought_up_to_date(notes: Notes) -> None:
    with open_index(notes.root, create=True, open_embedder=lambda _: notes.embedder, **OPTIONS) as local:
        local.update([notes.root])
        copy_index(notes.root, notes.address, root=notes.root)
        notes.write("notes/new.txt", "A kingfisher dived.")
        (notes.root / "notes/heron.txt").unlink()
        local.update()
    done = copy_index(notes.root, notes.address, root=notes.root)
    assert (done.copied, done.removed) == (1, 1)
    with notes.open() as index:
        assert (paths(index, "kingfisher"), paths(index, "heron")) == (["notes/new.txt"], [])


def test_a_stopped_copy_is_continued(notes: Notes) -> None:
    with open_index(notes.root, create=True, open_embedder=lambda _: notes.embedder, **OPTIONS) as local:
        local.update([notes.root])
    calls = iter(range(100))
    stopped = copy_index(
        notes.root, notes.address, root=notes.root, observer=Observer(should_stop=lambda: next(calls) > 3)
    )
    assert stopped.interrupted
    assert copy_index(notes.root, notes.address, root=notes.root).files == 9
    with notes.open() as index:
        assert index.status().files == 9
        assert not index.check(full=True).faults


def test_an_index_that_is_no_copy_is_not_overwritten(notes: Notes, index: ServerIndex) -> None:
    with open_index(notes.root, create=True, open_embedder=lambda _: notes.embedder, **OPTIONS) as local:
        local.update([notes.root])
    with pytest.raises(InputError) as caught:
        copy_index(notes.root, notes.address, root=notes.root)
    assert caught.value.code == "copy-target-exists"


def test_searches_go_on_after_a_restart_of_the_server(tmp_path: Path, server: PostgresServer) -> None:
    with PostgresServer.running() as own:
        notes = Notes(tmp_path, own.address("restarted"))
        with notes.open() as index:
            index.update([tmp_path])
            assert paths(index, "bread")
            own.kill()
            with pytest.raises(StorageError) as caught:
                paths(index, "bread")
            assert caught.value.code == "server-unreachable"
            own.start()
            assert paths(index, "bread")
