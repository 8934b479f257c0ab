"""The engine for indexes on a server keeps the contract of searchers, and answers as the local index does."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contracts.searcher import EMBEDDER, OPTIONS, answered, write_documents
from contracts.server_searcher import ServerSearcherContract, searcher_on_server
from support import make_index

from vsearch_core.index.joined import open_joined
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.engine import Searcher
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.rocchio import Example

pytestmark = pytest.mark.engines


class TestServerSearcher(ServerSearcherContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def started(cls, any_address: Callable[[], str]) -> None:
        cls.next_address = staticmethod(any_address)


@pytest.fixture(scope="module")
def engines(any_address: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Searcher, ...]]:
    """Return engines over the same documents: local, joined of one index, and on a server."""
    root = tmp_path_factory.mktemp("engines")
    write_documents(root)
    make_index(root, EMBEDDER, Path("docs"), options=OPTIONS)
    make_index(root, EMBEDDER, Path(), options=OPTIONS)  # a second segment
    index = root / ".vsearch"
    with (
        open_snapshot(index) as snapshot,
        open_joined([index]) as joined,
        searcher_on_server(index, any_address()) as on_server,
    ):
        yield LocalSearcher(snapshot), LocalSearcher(joined), on_server


QUERIES = ["prime the pump", "bread oven", "river mill 1905", '"relief valve" -grease', "expon* backoff", "索引", "zzz"]
QUERIES += ["+river +mill", "pumpe valvs", "-bread", "bak*"]
CHANGES: list[dict[str, object]] = [
    {"exact": True},
    {"k": 30, "group_by_file": True},
    {"k": 30, "collapse": True},
    {"filters": Filters(path=("notes",))},
    {"filters": Filters(where="size > 80 AND ext <> 'py'"), "context": 1},
    {"filters": Filters(where="status = 'done'")},
    {"k": 30, "max_tokens": 300},
    {"fusion": "rrf", "k": 30},
    {"plain": True, "k": 4, "diversity": 0.3},
]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
@pytest.mark.parametrize("text", QUERIES)
def test_engines_give_equal_hits_and_scores(engines: tuple[Searcher, ...], text: str, mode: str) -> None:
    for changes in CHANGES:
        request = SearchRequest(text, mode=mode, **changes)  # type: ignore[arg-type]
        local, *others = (answered(engine, request) for engine in engines)
        for found in others:
            assert (found.matched, found.searched, found.terms) == (local.matched, local.searched, local.terms)
            assert [(hit.path, hit.text, hit.score) for hit in found.hits] == [
                (hit.path, hit.text, hit.score) for hit in local.hits
            ]
            assert [(hit.before, hit.after, len(hit.alike)) for hit in found.hits] == [
                (hit.before, hit.after, len(hit.alike)) for hit in local.hits
            ]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_engines_understand_examples_alike(engines: tuple[Searcher, ...], mode: str) -> None:
    found = []
    for engine in engines:
        ids = engine.chunk_ids("notes/bread.txt")
        text = engine.hydrate(ids)[0].chunk.text
        example = Example(EMBEDDER.embed_queries([text])[0], (text,), ids)
        hits = answered(engine, SearchRequest("river", 30, mode, more_like=(example,))).hits
        found.append([(hit.path, hit.score) for hit in hits])
    assert found[0]
    assert found[1:] == [found[0]] * 2
