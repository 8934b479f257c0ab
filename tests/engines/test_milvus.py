"""Indexes on Milvus Lite: writers that are stopped at any request, locks, damage, graphs, and the commands."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from process import Vsearch
from support import WordEmbedder

from vsearch_core import IndexLockedError, InputError, ServerIndex, StorageError, open_server_index
from vsearch_core.store.milvus import connection as requests
from vsearch_core.store.milvus.address import parse_milvus_address
from vsearch_core.store.milvus.connection import MilvusConnection
from vsearch_core.store.milvus.tables import CHUNKS, LISTS, TERMS
from vsearch_core.store.milvus.writing import MilvusWriter

pytestmark = pytest.mark.engines
FILES = 8


class Stopped(BaseException):
    """A kill, as far as a process can feel one."""


@pytest.fixture(scope="module")
def new_index(milvus_lite: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[str, Path]]:
    """Return a function that returns the address of a new index, and a folder of documents."""
    numbers, root = count(), tmp_path_factory.mktemp("milvus")

    def new() -> tuple[str, Path]:
        number = next(numbers)
        folder = root / str(number)
        folder.mkdir()
        for each in range(FILES):
            (folder / f"{each}.txt").write_text(f"the first text of file{each} about heron and mill {'x ' * each}")
        return f"milvus://{root}/lite.db?collection=c{number}", folder

    return new


def open_notes(address: str, root: Path) -> ServerIndex:
    return open_server_index(address, root=root, open_embedder=lambda _: WordEmbedder())


def change_files(root: Path) -> None:
    (root / "0.txt").write_text("the second and longer text of file0 about kingfishers")
    (root / "1.txt").unlink()
    (root / "new.txt").write_text("a new file about weirs")


def state(index: ServerIndex) -> tuple[int, frozenset[tuple[str, float]]]:
    """Return the generation, and the paths and scores of all hits."""
    index.refresh()
    hits = index.search("file text weirs kingfishers", k=50, mode="hybrid").hits
    return index.generation, frozenset((hit.path, hit.score) for hit in hits)


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], int]:
    """Make the request that writes of that number raise Stopped, all later ones too; return what counts them."""
    seen = count(1)
    made = [0]

    def stopping(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            made[0] = next(seen)
            if made[0] >= number:
                raise Stopped
            return function(*arguments, **options)

        return run

    for name in ("upsert", "delete"):
        monkeypatch.setattr(MilvusConnection, name, stopping(getattr(MilvusConnection, name)))
    return lambda: made[0]


@pytest.mark.parametrize("work", ["update", "compact"])
def test_a_writer_that_is_stopped_anywhere_leaves_one_generation(
    new_index: Callable[[], tuple[str, Path]], monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    for number in count(1):
        address, root = new_index()
        with open_notes(address, root) as index:
            index.update([root])
            change_files(root)
            if work == "compact":
                index.update()
            before = state(index)
            with monkeypatch.context() as patch:
                made = stop_at(patch, number)
                with suppress(Stopped):
                    index.update() if work == "update" else index.compact()
            after = state(index)
            assert after == before or after[0] == before[0] + 1
            index.update()
            index.compact()
            assert not index.check(full=True).faults
            paths = {hit.path for hit in index.search("file text weirs kingfishers", k=50).hits}
            assert paths == {path.name for path in root.glob("*.txt")}
        if made() < number:
            break
    assert number > 5


def test_a_stopped_writer_s_rows_are_invisible_and_then_deleted(
    new_index: Callable[[], tuple[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, root = new_index()
    with open_notes(address, root) as index:
        index.update([root])
        expected = state(index)
        change_files(root)
        with monkeypatch.context() as patch:
            stop_at(patch, 8)
            with pytest.raises(Stopped):
                index.update()
        with closing(MilvusConnection(parse_milvus_address(address))) as connection:

            def left(table: str) -> int:
                return len(connection.query(table, f"gen_from > {expected[0]}", ("id",), None))

            assert left(CHUNKS) + left(TERMS) + left(LISTS) > 0
            assert state(index) == expected
            with closing(MilvusWriter.open(parse_milvus_address(address))) as writer:
                writer.settings()
            assert left(CHUNKS) + left(TERMS) + left(LISTS) == 0
        assert state(index) == expected


def test_the_lock_of_a_process_that_is_gone_is_taken_over(
    new_index: Callable[[], tuple[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = new_index()
    place = parse_milvus_address(address)
    first = MilvusWriter.open(place)
    with pytest.raises(IndexLockedError):
        MilvusWriter.open(place)
    monkeypatch.setattr(requests, "_is_running", lambda _: False)
    second = MilvusWriter.open(place)
    first.close()  # releases nothing: the lock is the second writer's
    monkeypatch.undo()
    with pytest.raises(IndexLockedError):
        MilvusWriter.open(place)
    second.close()
    MilvusWriter.open(place).close()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (CHUNKS, lambda row: {**row, "data": [row["data"][0].replace("heron", "raven", 1)[:-1] + "7]"]}),
        (CHUNKS, lambda row: {**row, "data": ["["]}),
        (CHUNKS, lambda row: {**row, "gen_to": 1}),
        (CHUNKS, lambda row: {**row, "vector": [2 * value for value in row["vector"]]}),
        (CHUNKS, lambda row: {**row, "length": row["length"] + 1}),
        (CHUNKS, lambda row: {**row, "terms": {**row["terms"], 1: 0.9}}),
        (LISTS, lambda row: {**row, "data": ["[1]"]}),
        (LISTS, lambda row: {**row, "gen_to": 1}),
        (TERMS, lambda row: {**row, "count": row["count"] + 1}),
        (TERMS, lambda row: {**row, "gen_to": 1}),
    ],
)
def test_damage_is_found(
    new_index: Callable[[], tuple[str, Path]], table: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    address, root = new_index()
    with open_notes(address, root) as index:
        index.update([root])
    with closing(MilvusConnection(parse_milvus_address(address))) as connection:
        condition = "kind == 1" if table == LISTS else "id == 3"
        connection.load(table)
        row = connection.query(table, condition, ("*",), None)[0]
        connection.upsert(table, [change(row)])
    with open_notes(address, root) as index:
        try:
            assert index.check(full=True).faults
        except Exception as error:
            assert "damaged" in str(error)


def test_a_graph_finds_the_same_and_exact_searches_compare_all(new_index: Callable[[], tuple[str, Path]]) -> None:
    address, root = new_index()
    with open_notes(address, root) as index:
        index.update([root])
        expected = index.search("heron mill", k=20, mode="vector").hits
        with closing(MilvusWriter.open(parse_milvus_address(address))) as writer:
            assert writer.build_graph(48)
            assert not writer.build_graph(48)
    with open_notes(address, root) as index:
        assert index.status().graph_segments == 1
        for exact in (False, True):
            assert index.search("heron mill", k=20, mode="vector", exact=exact).hits == expected


def test_a_server_without_sparse_vectors_has_vector_queries_only(
    new_index: Callable[[], tuple[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, root = new_index()
    monkeypatch.setattr(MilvusConnection, "has_sparse_vectors", False)
    with open_notes(address, root) as index:
        index.update([root])
        assert len(index.search("heron", k=20, mode="vector").hits) == FILES
        for text, mode in (("heron", "hybrid"), ("heron", "keyword"), ("+heron", "vector")):
            with pytest.raises(InputError) as caught:
                index.search(text, mode=mode)
            assert caught.value.code == "unsupported"
        change_files(root)
        index.update()
        index.compact()
        assert not index.check(full=True).faults


def test_a_file_behind_a_link_is_not_opened(milvus_lite: None, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "other.db")
    with pytest.raises(StorageError, match="symbolic link"):
        MilvusConnection(parse_milvus_address(f"milvus://{tmp_path}/link.db"))
    with pytest.raises(StorageError, match="folder doesn't exist"):
        MilvusConnection(parse_milvus_address(f"milvus://{tmp_path}/none/index.db"))
    assert not (tmp_path / "other.db").exists()


@pytest.fixture
def project(milvus_lite: None, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/loans.md").write_text("# Loans\n\nThe late fee for a drill is two crowns a day.\n")
    (tmp_path / "notes/bread.txt").write_text("Rye bread has a sticky crumb.\n")
    yield tmp_path
    shutil.rmtree(tmp_path / "notes")


def test_the_commands_on_a_file(vsearch: Vsearch, project: Path) -> None:
    address = f"milvus://{project}/notes.db"

    def run(*words: str, status: int = 0) -> str:
        result = vsearch(*words, "--index", address, cwd=project)
        assert result.status == status, result
        return result.out if status == 0 else result.err

    assert run("index", "notes").startswith(f"{address}: 2 files, 2 chunks (2 added")
    found = json.loads(run("query", "late fee", "--json"))
    assert found["hits"][0]["path"] == "notes/loans.md"
    assert "1 file removed" in run("remove", "notes/bread.txt")
    assert "1 deleted row dropped" in run("compact")
    assert "works on local indexes only" in run("index", "--plan", status=2)
    copied = vsearch("copy", "--from", address, "--to", "back", cwd=project)
    assert "1 file, 1 chunk (1 file copied, 0 removed)" in copied.out
