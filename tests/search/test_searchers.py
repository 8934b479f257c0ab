"""The local index and a brute-force engine keep the contract of searchers, and give the same answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from contracts.searcher import EMBEDDER, OPTIONS, SearcherContract, answered, write_documents
from search.brute_force import BruteForceSearcher
from support import make_index

from vsearch_core.errors import ArgumentError
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.engine import CAPABILITIES, CLAUSES, VECTORS, Ids, Searcher
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Hit
from vsearch_core.search.rocchio import Example
from vsearch_core.store.catalog import StoredChunk


class TestLocalSearcher(SearcherContract):
    @classmethod
    @contextmanager
    def open_searcher(cls, index: Path) -> Iterator[Searcher]:
        with open_snapshot(index) as snapshot:
            yield LocalSearcher(snapshot)


class TestBruteForceSearcher(SearcherContract):
    @classmethod
    @contextmanager
    def open_searcher(cls, index: Path) -> Iterator[Searcher]:
        with open_snapshot(index) as snapshot:
            searcher = BruteForceSearcher(snapshot)
        yield searcher


class LimitedSearcher(BruteForceSearcher):
    """An engine without clauses and stored vectors."""

    capabilities = CAPABILITIES - {CLAUSES, VECTORS}


class TestLimitedSearcher(SearcherContract):
    @classmethod
    @contextmanager
    def open_searcher(cls, index: Path) -> Iterator[Searcher]:
        with open_snapshot(index) as snapshot:
            searcher = LimitedSearcher(snapshot)
        yield searcher


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Searcher, Searcher]]:
    root = tmp_path_factory.mktemp("engines")
    write_documents(root)
    make_index(root, EMBEDDER, Path("docs"), options=OPTIONS)
    make_index(root, EMBEDDER, Path(), options=OPTIONS)  # a second segment
    with open_snapshot(root / ".vsearch") as snapshot:
        yield LocalSearcher(snapshot), BruteForceSearcher(snapshot)


def assert_same_hits(one: tuple[Hit, ...], other: tuple[Hit, ...]) -> None:
    """Compare hits by text; those whose scores are equal but for rounding may be in any order."""
    for mine, theirs in zip(*(sorted(hits, key=lambda hit: hit.text) for hits in (one, other)), strict=True):
        assert mine.text == theirs.text
        assert mine.score == pytest.approx(theirs.score, abs=2e-4)
        assert (mine.before, mine.after, len(mine.alike)) == (theirs.before, theirs.after, len(theirs.alike))


QUERIES = ["prime the pump", "bread oven", "river mill 1905", '"relief valve" -grease', "expon* backoff", "索引", "zzz"]
CHANGES: list[dict[str, object]] = [
    {},
    {"k": 30, "group_by_file": True},
    {"k": 30, "collapse": True},
    {"filters": Filters(path=("notes",))},
    {"filters": Filters(where="size > 80"), "context": 1},
    {"k": 30, "max_tokens": 300},
    {"fusion": "rrf", "k": 30},
    {"alpha": 0.3, "min_score": 0.4},
    {"plain": True, "k": 4, "diversity": 0.3},
]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
@pytest.mark.parametrize("text", QUERIES)
def test_engines_give_the_same_answers(engines: tuple[Searcher, Searcher], text: str, mode: str) -> None:
    for changes in CHANGES:
        request = SearchRequest(text, mode=mode, **changes)  # type: ignore[arg-type]
        mine, theirs = (answered(engine, request) for engine in engines)
        assert (mine.matched, mine.searched, mine.terms) == (theirs.matched, theirs.searched, theirs.terms)
        assert_same_hits(mine.hits, theirs.hits)
        if not request.diversity:
            scores = [hit.score for hit in mine.hits]
            assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_engines_understand_examples_alike(engines: tuple[Searcher, Searcher], mode: str) -> None:
    found = []
    for engine in engines:
        ids = engine.chunk_ids("notes/bread.txt")
        text = engine.hydrate(ids)[0].chunk.text
        example = Example(EMBEDDER.embed_queries([text])[0], (text,), ids)
        found.append(answered(engine, SearchRequest("river", 30, mode, more_like=(example,))).hits)
    assert_same_hits(*found)
    assert found[0]


class CountingSearcher(BruteForceSearcher):
    """Counts the chunks of each call of `hydrate`."""

    def hydrate(self, ids: Ids) -> list[StoredChunk]:
        self.calls = [*getattr(self, "calls", []), len(ids)]
        return super().hydrate(ids)


def test_near_duplicates_are_read_in_one_call(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.txt").write_text("The licence is copied into every folder, word by word, by a script.")
    make_index(tmp_path, EMBEDDER, Path())
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        searcher = CountingSearcher(snapshot)
    (hit,) = answered(searcher, SearchRequest("licence", collapse=True)).hits
    assert (len(hit.alike), hit.alike_count) == (20, 39)
    assert searcher.calls == [40, 21]  # to compare them, and to show some


def test_the_context_of_all_hits_is_read_in_one_call(tmp_path: Path) -> None:
    write_documents(tmp_path)
    make_index(tmp_path, EMBEDDER, Path(), options=OPTIONS)
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        searcher = CountingSearcher(snapshot)
    hits = answered(searcher, SearchRequest("river mill", 4, context=1)).hits
    assert len(hits) == 4 and any(hit.before or hit.after for hit in hits)
    assert len(searcher.calls) == 2 and searcher.calls[0] == 4 < searcher.calls[1]


def test_an_example_that_is_still_a_name_is_refused(engines: tuple[Searcher, Searcher]) -> None:
    with pytest.raises(ArgumentError, match="`resolve_examples` must replace it first") as caught:
        answered(engines[0], SearchRequest("pump", more_like=("notes/bread.txt",)))
    assert caught.value.subject == "more_like"


def test_ids_of_an_earlier_generation_stay_valid(tmp_path: Path) -> None:
    write_documents(tmp_path)
    make_index(tmp_path, EMBEDDER, Path(), options=OPTIONS)
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        ids = LocalSearcher(snapshot).chunk_ids("long.txt")
    (tmp_path / "docs" / "pump.md").write_text("Another pump.")
    make_index(tmp_path, EMBEDDER)
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        assert {stored.path for stored in searcher.hydrate(ids)} == {"long.txt"}
        assert np.isfinite(searcher.vectors(ids)).all()
