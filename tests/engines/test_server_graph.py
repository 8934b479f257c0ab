"""The graph of an index on a server: recall, filters, and searches that come back short."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contracts.searcher import EMBEDDER, answered
from postgres_server import PostgresServer
from support import make_index

from vsearch_core import copy_index
from vsearch_core.index.server_snapshot import open_server_snapshot
from vsearch_core.index.server_writing import ServerIndexWriter, open_server_writer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.search import server as engine
from vsearch_core.search.filters import Filters
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.server import ServerSearcher
from vsearch_core.store.postgres.reading import PostgresCatalog
from vsearch_core.store.server.address import parse_server_address
from vsearch_core.store.server.reading import ChunkVectors

pytestmark = pytest.mark.engines
QUERIES = [f"w{number} w{number + 7} w{number * 3}" for number in range(12)]


@pytest.fixture(scope="module")
def searcher(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerSearcher]:
    """Return an engine over 1,500 chunks of 30 files on a server, with a graph."""
    root = tmp_path_factory.mktemp("graph")
    rng = random.Random(4)
    for number in range(30):
        text = "\n\n".join(" ".join(f"w{rng.randrange(60)}" for _ in range(20)) for _ in range(50))
        (root / f"{number:02}.txt").write_text(text)
    make_index(root, EMBEDDER, Path(), options=IndexOptions(chunk_words=20, overlap_words=0))
    address = server.address("graph")
    copy_index(root / ".vsearch", address, root=root)
    place = parse_server_address(address)
    with open_server_writer(place, root / place.folder_name) as writer:
        assert writer.server.build_graph(EMBEDDER.fingerprint.dimension)
        assert not writer.server.build_graph(EMBEDDER.fingerprint.dimension)
        writer.server.clean()
    with open_server_snapshot(place, root / place.folder_name) as snapshot:
        # A table of this size is otherwise compared as a whole.
        assert isinstance(snapshot.catalog, PostgresCatalog)
        snapshot.catalog.connection.execute("SET enable_sort = off")
        yield ServerSearcher(snapshot)


@pytest.fixture(autouse=True)
def few_exact_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "EXACT_ROWS", 100)


def hits(searcher: ServerSearcher, text: str, **options: Any) -> tuple[list[tuple[str, int, float]], bool]:
    """Return the hits, and whether all vectors were compared."""
    results = answered(searcher, SearchRequest(text, mode="vector", collapse=False, **options))
    return [(hit.path, hit.chunk, hit.score) for hit in results.hits], results.exact


def recall(searcher: ServerSearcher, **options: Any) -> float:
    found = 0
    for text in QUERIES:
        exact, is_exact = hits(searcher, text, exact=True, **options)
        approximate, is_approximate = hits(searcher, text, **options)
        assert (is_exact, is_approximate) == (True, False)
        assert len(approximate) == len(exact) == 10
        found += len({*exact} & {*approximate})
    return found / (10 * len(QUERIES))


def test_the_server_searches_its_graph(searcher: ServerSearcher) -> None:
    query = "SELECT id FROM graph.vectors ORDER BY vector::halfvec(48) <#> %s::halfvec(48) LIMIT 10"
    assert isinstance(searcher._catalog, PostgresCatalog)
    plan = searcher._catalog.connection.execute(f"EXPLAIN {query}", (str([0.0] * 48),)).fetchall()
    assert "using vectors_0_" in str(plan)


def test_the_graph_finds_nearly_all(searcher: ServerSearcher) -> None:
    assert recall(searcher) >= 0.98


def test_the_graph_finds_nearly_all_that_pass_a_filter(searcher: ServerSearcher) -> None:
    assert recall(searcher, filters=Filters(where="path < '15'")) >= 0.98


def test_few_allowed_chunks_are_all_compared(searcher: ServerSearcher) -> None:
    assert hits(searcher, QUERIES[0], filters=Filters(path=("07.txt",)))[1]


def test_a_search_that_comes_back_short_is_repeated_exactly(
    searcher: ServerSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pgvector stops after `hnsw.max_scan_tuples`, which are more than a small index has."""
    whole = PostgresCatalog.nearest_by_graph

    def stopped(catalog: PostgresCatalog, *arguments: Any) -> ChunkVectors:
        found = whole(catalog, *arguments)
        return ChunkVectors(found.ids[:9], found.vectors[:9])

    filters = Filters(where="path < '03'")
    assert not hits(searcher, QUERIES[0], filters=filters)[1]
    monkeypatch.setattr(PostgresCatalog, "nearest_by_graph", stopped)
    for text in QUERIES:
        found = hits(searcher, text, filters=filters)
        assert found == hits(searcher, text, filters=filters, exact=True)
        assert found[1]


def test_long_lists_of_hits_are_exact(searcher: ServerSearcher) -> None:
    found, is_exact = hits(searcher, QUERIES[0], k=200)
    assert (len(found), is_exact) == (200, True)


def test_a_copy_builds_the_graph_once(server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("one two three")
    make_index(tmp_path, EMBEDDER, Path())
    built: list[ServerIndexWriter] = []

    def build(writer: ServerIndexWriter) -> None:
        built.append(writer)

    monkeypatch.setattr(ServerIndexWriter, "build_graph", build)
    copy_index(tmp_path / ".vsearch", server.address("built"), root=tmp_path)
    assert len(built) == 1
