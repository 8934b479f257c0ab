"""An index on a Milvus 2.3.5 server, which has no sparse vectors: vector queries, refusals, and a killed server."""

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from contracts.searcher import EMBEDDER, OPTIONS, answered, write_documents
from contracts.server_searcher import ServerSearcherContract, searcher_on_server
from milvus_server import MilvusServerProcess, missing_for_milvus_server
from process import Vsearch
from support import WordEmbedder, make_index

from vsearch_core import IndexLockedError, ServerIndex, StorageError, open_server_index
from vsearch_core.index.server_writing import open_server_writer
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.server.address import parse_server_address

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def milvus() -> Iterator[MilvusServerProcess]:
    missing = missing_for_milvus_server()
    if missing:
        pytest.skip(f"no Milvus server: {missing}")
    with MilvusServerProcess.running() as running:
        yield running


class TestMilvusServerSearcher(ServerSearcherContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def started(cls, milvus: MilvusServerProcess) -> None:
        numbers = count()
        cls.next_address = staticmethod(lambda: milvus.address(f"contract_{next(numbers)}"))


def test_vector_queries_give_equal_hits_and_scores(milvus: MilvusServerProcess, tmp_path: Path) -> None:
    write_documents(tmp_path)
    make_index(tmp_path, EMBEDDER, Path("docs"), options=OPTIONS)
    make_index(tmp_path, EMBEDDER, Path(), options=OPTIONS)
    index = tmp_path / ".vsearch"
    with open_snapshot(index) as snapshot, searcher_on_server(index, milvus.address("equal")) as on_server:
        local = LocalSearcher(snapshot)
        for text in ("relief valve", "bread oven", "river mill", "zzz"):
            for filters in (Filters(), Filters(path=("notes",)), Filters(where="ext = 'md'")):
                request = SearchRequest(text, 30, "vector", filters=filters)
                there, here = answered(on_server, request), answered(local, request)
                assert [(hit.path, hit.text, hit.score) for hit in there.hits] == [
                    (hit.path, hit.text, hit.score) for hit in here.hits
                ]
                assert (there.matched, there.searched) == (here.matched, here.searched)


def open_notes(address: str, root: Path) -> ServerIndex:
    return open_server_index(address, root=root, open_embedder=lambda _: WordEmbedder())


def test_changes_are_seen_at_once_and_there_is_one_writer(milvus: MilvusServerProcess, tmp_path: Path) -> None:
    address = milvus.address("changes") + "?num_shards=2"
    write_documents(tmp_path)
    place = parse_server_address(address)
    with open_notes(address, tmp_path) as index, open_notes(address, tmp_path) as reader:
        index.update([tmp_path])
        before = len(reader.search("file", k=50, mode="vector").hits)
        for number in range(3):
            (tmp_path / "notes/bread.txt").write_text(f"A kingfisher dived {number}.")
            index.update()
            assert reader.refresh()
            assert reader.search("kingfisher", k=1, mode="vector").hits[0].text == f"A kingfisher dived {number}."
            assert len(reader.search("file", k=50, mode="vector").hits) == before
        with open_server_writer(place, index.path), pytest.raises(IndexLockedError):
            index.update()
        index.compact()
        assert not index.check(full=True).faults


def test_commands_refuse_keywords_by_name(vsearch: Vsearch, milvus: MilvusServerProcess, tmp_path: Path) -> None:
    address = milvus.address("commands")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/loans.md").write_text("# Loans\n\nThe late fee for a drill is two crowns a day.\n")
    assert vsearch("index", "notes", "--index", address, cwd=tmp_path).status == 0
    found = vsearch("query", "late fee", "--mode", "vector", "--index", address, cwd=tmp_path)
    assert found.out.startswith("notes/loans.md:")
    refused = vsearch("query", "late fee", "--index", address, cwd=tmp_path)
    assert (refused.status, "keyword: " in refused.err, "--mode vector" in refused.err) == (2, True, True), refused


def test_a_killed_server_keeps_what_it_acknowledged(milvus: MilvusServerProcess, tmp_path: Path) -> None:
    """The last test, since two such servers don't run side by side."""
    write_documents(tmp_path)
    address = milvus.address("killed")
    with open_notes(address, tmp_path) as index:
        index.update([tmp_path])
        (tmp_path / "notes/new.txt").write_text("A kingfisher dived.")
        index.update()
        milvus.kill()
        with pytest.raises(StorageError) as caught:
            index.search("bread", mode="vector")
        assert caught.value.code == "server-unreachable"
        milvus.start()
    deadline = time.monotonic() + 180
    while True:
        try:
            with open_notes(milvus.address("killed"), tmp_path) as index:
                assert index.search("kingfisher", k=1, mode="vector").hits[0].path == "notes/new.txt"
                assert not index.check(full=True).faults
                assert index.status().files == 10
            break
        except StorageError:
            assert time.monotonic() < deadline
            time.sleep(1)
