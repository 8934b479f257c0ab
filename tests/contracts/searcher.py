"""The promises of every Searcher. A new engine inherits `SearcherContract` and supplies `open_searcher`."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import FilterError, InputError
from vsearch_core.index.settings import IndexOptions
from vsearch_core.model import TEXT
from vsearch_core.search.engine import (
    CAPABILITIES,
    CLAUSES,
    CONTEXT,
    FEEDBACK,
    FILTERS,
    VECTORS,
    Candidates,
    Searcher,
    Vectors,
    required_capabilities,
)
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, VECTOR
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Results
from vsearch_core.search.rocchio import Example

DOCUMENTS = {
    "docs/pump.md": "---\nstatus: done\n---\n# The pump\n\nPrime the pump before the first run, then grease its seals.",
    "docs/valves.md": "# Valves\n\nThe relief valve opens when the pump runs dry. Test every valve in spring.",
    "docs/copy.md": "# Valves\n\nThe relief valve opens when the pump runs dry. Test every valve in spring.",
    "notes/bread.txt": "Rye bread needs time, a hot oven, and patience with the dough.",
    "notes/oven.txt": "The oven needs an hour to heat. Bread goes in when the stone is hot.",
    "notes/heron.txt": "A heron stood at the weir in the first light; the river was low.",
    "code/retry.py": "def retry_request(attempts):\n    # exponential backoff with jitter\n    return attempts",
    "notes/知识.txt": "数据库索引让查询更快。",
    "long.txt": "\n\n".join(
        f"In {year} the river stood {'high' if year % 2 else 'low'} at the old mill, and the miller wrote it down."
        for year in range(1900, 1912)
    ),
}
OLD = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())  # when the files in notes/ were modified
EMBEDDER = WordEmbedder()
OPTIONS = IndexOptions(chunk_words=40, overlap_words=8)
EVERYTHING = 1000


def write_documents(root: Path) -> None:
    for path, text in DOCUMENTS.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
        if path.startswith("notes/"):
            os.utime(root / path, (OLD, OLD))


def vector_of(text: str) -> dict[str, Vectors]:
    return {TEXT: EMBEDDER.embed_queries([text])[0]}


def vectors_for(request: SearchRequest) -> dict[str, Vectors]:
    return {} if request.mode == "keyword" else vector_of(request.parsed.semantic_text)


def candidates_of(searcher: Searcher, request: SearchRequest, depth: int = EVERYTHING) -> Candidates:
    searcher.prepare(request)
    return searcher.search(request, vectors_for(request), depth)


def modes_of(searcher: Searcher) -> list[str]:
    """Return the modes that the engine has the routes for."""
    requests = (SearchRequest("pump", mode=mode) for mode in ("hybrid", "vector", "keyword"))
    return [request.mode for request in requests if required_capabilities(request) <= searcher.capabilities]


def paths_of(searcher: Searcher, found: Candidates) -> set[str]:
    return {stored.path for stored in searcher.hydrate(found.ids)}


def scored(searcher: Searcher, found: Candidates, route: str) -> list[tuple[str, int, float]]:
    """Return (path, chunk, score) by score, highest first."""
    chunks = searcher.hydrate(found.ids)
    rows = [
        (stored.path, stored.ordinal, float(score)) for stored, score in zip(chunks, found.scores[route], strict=True)
    ]
    return sorted(rows, key=lambda row: (-row[2], row[:2]))


def answered(searcher: Searcher, request: SearchRequest) -> Results:
    return search(searcher, request, query_embedding(EMBEDDER))


class SearcherContract:
    """Tests of one engine over DOCUMENTS, cut by OPTIONS and embedded by EMBEDDER."""

    @classmethod
    def open_searcher(cls, index: Path) -> AbstractContextManager[Searcher]:
        """Open the engine over the documents that a local index holds."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def searcher(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
        root = tmp_path_factory.mktemp("searcher")
        write_documents(root)
        make_index(root, EMBEDDER, Path(), options=OPTIONS)
        with cls.open_searcher(root / ".vsearch") as searcher:
            yield searcher

    @pytest.fixture
    def empty(self, tmp_path: Path) -> Iterator[Searcher]:
        (tmp_path / "empty.txt").write_text("")
        make_index(tmp_path, EMBEDDER, Path())
        with self.open_searcher(tmp_path / ".vsearch") as searcher:
            yield searcher

    @pytest.fixture(autouse=True)
    def skip_what_the_engine_lacks(self, request: pytest.FixtureRequest, searcher: Searcher) -> None:
        marker = request.node.get_closest_marker("needs")
        missing = set() if marker is None else {*marker.args} - searcher.capabilities
        if missing:
            pytest.skip(f"the engine lacks {', '.join(sorted(missing))}")

    # Capabilities

    def test_capabilities_have_known_names(self, searcher: Searcher) -> None:
        assert searcher.capabilities
        assert searcher.capabilities <= CAPABILITIES

    def test_a_missing_capability_is_refused_by_name(self, searcher: Searcher) -> None:
        example = Example(vector_of("pump")[TEXT], ("pump",), np.empty(0, np.int64))
        requests = {
            VECTOR: SearchRequest("pump", mode="vector"),
            KEYWORD: SearchRequest("pump", mode="keyword"),
            FILTERS: SearchRequest("pump", filters=Filters(ext=("md",))),
            CLAUSES: SearchRequest('"pump"'),
            FEEDBACK: SearchRequest("pump", more_like=(example,)),
            VECTORS: SearchRequest("pump", collapse=True),
            CONTEXT: SearchRequest("pump", context=1),
        }
        assert requests.keys() == CAPABILITIES
        for capability in CAPABILITIES - searcher.capabilities:
            with pytest.raises(InputError) as caught:
                answered(searcher, requests[capability])
            assert caught.value.code == "unsupported"
            assert caught.value.details["capability"] == capability

    def test_an_unknown_vector_space_is_refused(self, searcher: Searcher) -> None:
        request = SearchRequest("pump", mode="vector")
        with pytest.raises(InputError) as caught:
            searcher.search(request, {"smells": vector_of("pump")[TEXT]}, 10)
        assert caught.value.code == "unsupported"

    def test_the_generation_is_one_number(self, searcher: Searcher) -> None:
        assert searcher.generation == searcher.generation > 0
        for mode in modes_of(searcher):
            assert answered(searcher, SearchRequest("pump", mode=mode)).generation == searcher.generation

    # Routes

    @pytest.mark.needs(VECTOR)
    def test_the_vector_route_scores_by_cosine(self, searcher: Searcher) -> None:
        found = candidates_of(searcher, SearchRequest("prime the pump", mode="vector"))
        assert found.scores.keys() == {VECTOR}
        assert len(found.ids) == found.searched == found.matched
        texts = [stored.chunk.text for stored in searcher.hydrate(found.ids)]
        expected = EMBEDDER.embed_queries(texts) @ vector_of("prime the pump")[TEXT]
        np.testing.assert_allclose(found.scores[VECTOR], expected, atol=1e-3)

    @pytest.mark.needs(KEYWORD)
    def test_the_keyword_route_finds_the_chunks_with_a_term(self, searcher: Searcher) -> None:
        found = candidates_of(searcher, SearchRequest("valves", mode="keyword"))
        assert found.scores.keys() == {KEYWORD}
        assert paths_of(searcher, found) == {"docs/valves.md", "docs/copy.md"}
        assert (found.scores[KEYWORD] > 0).all()

    @pytest.mark.needs(KEYWORD)
    def test_rare_and_repeated_terms_score_more(self, searcher: Searcher) -> None:
        found = candidates_of(searcher, SearchRequest("heron river", mode="keyword"))
        assert scored(searcher, found, KEYWORD)[0][0] == "notes/heron.txt"
        found = candidates_of(searcher, SearchRequest("valve pump", mode="keyword"))
        scores = {path: score for path, _, score in scored(searcher, found, KEYWORD)}
        assert scores["docs/valves.md"] > scores["docs/pump.md"] > 0

    @pytest.mark.needs(KEYWORD)
    def test_headings_and_names_are_searched(self, searcher: Searcher) -> None:
        assert paths_of(searcher, candidates_of(searcher, SearchRequest("retry", mode="keyword"))) == {"code/retry.py"}

    @pytest.mark.needs(KEYWORD)
    def test_scripts_without_spaces_are_searched(self, searcher: Searcher) -> None:
        assert paths_of(searcher, candidates_of(searcher, SearchRequest("索引", mode="keyword"))) == {"notes/知识.txt"}

    @pytest.mark.needs(VECTOR, KEYWORD)
    def test_candidates_are_scored_by_all_routes(self, searcher: Searcher) -> None:
        both = candidates_of(searcher, SearchRequest("bread oven"))
        assert both.scores.keys() == {VECTOR, KEYWORD}
        for route in (VECTOR, KEYWORD):
            alone = candidates_of(searcher, SearchRequest("bread oven", mode=route))
            known = dict(zip(alone.ids.tolist(), alone.scores[route].tolist(), strict=True))
            expected = [known.get(number, 0) for number in both.ids.tolist()]
            np.testing.assert_allclose(both.scores[route], expected, rtol=1e-6)

    @pytest.mark.needs(VECTOR, KEYWORD)
    def test_each_route_proposes_its_best_up_to_the_depth(self, searcher: Searcher) -> None:
        deep = candidates_of(searcher, SearchRequest("river pump bread"))
        shallow = candidates_of(searcher, SearchRequest("river pump bread"), 2)
        assert len(shallow.ids) <= 4
        for route in (VECTOR, KEYWORD):
            best = np.sort(deep.scores[route])[::-1][:2]
            assert set(np.round(best, 4)) <= set(np.round(shallow.scores[route], 4))
        assert shallow.matched == deep.matched

    @pytest.mark.needs(KEYWORD)
    def test_stop_words_alone_find_nothing(self, searcher: Searcher) -> None:
        found = candidates_of(searcher, SearchRequest("the of and", mode="keyword"))
        assert (len(found.ids), found.terms) == (0, ())
        assert found.matched == found.searched > 0

    @pytest.mark.needs(KEYWORD)
    def test_terms_are_given_for_display(self, searcher: Searcher) -> None:
        assert candidates_of(searcher, SearchRequest("the Pumps", mode="keyword")).terms == ("pump",)

    @pytest.mark.needs(VECTOR)
    def test_an_exact_search_is_exact(self, searcher: Searcher) -> None:
        assert candidates_of(searcher, SearchRequest("pump", mode="vector", exact=True)).ef_search is None

    # Ids

    def test_chunks_come_in_the_order_of_their_ids(self, searcher: Searcher) -> None:
        ids = searcher.select(Filters()).ids
        chunks = searcher.hydrate(ids)
        assert len({(stored.path, stored.ordinal) for stored in chunks}) == len(ids)
        assert searcher.hydrate(ids[::-1]) == chunks[::-1]
        assert searcher.hydrate(ids[[3, 0, 3]]) == [chunks[3], chunks[0], chunks[3]]
        assert searcher.hydrate(ids[:0]) == []

    @pytest.mark.needs(VECTORS)
    def test_vectors_come_in_the_order_of_their_ids(self, searcher: Searcher) -> None:
        ids = searcher.select(Filters()).ids
        vectors = searcher.vectors(ids)
        texts = [stored.chunk.text for stored in searcher.hydrate(ids)]
        np.testing.assert_allclose(vectors, EMBEDDER.embed_queries(texts), atol=1e-3)
        assert vectors.dtype == np.float32
        np.testing.assert_array_equal(searcher.vectors(ids[[3, 0, 3]]), vectors[[3, 0, 3]])

    def test_searches_leave_ids_valid(self, searcher: Searcher) -> None:
        request = SearchRequest("river", mode="keyword")
        ids = candidates_of(searcher, request).ids
        chunks = searcher.hydrate(ids)
        candidates_of(searcher, SearchRequest("bread", mode="keyword"))
        assert searcher.hydrate(ids) == chunks
        assert candidates_of(searcher, request).ids.tolist() == ids.tolist()

    @pytest.mark.needs(CONTEXT)
    def test_a_file_s_chunks_are_listed_in_order(self, searcher: Searcher) -> None:
        chunks = searcher.hydrate(searcher.chunk_ids("long.txt"))
        assert [stored.ordinal for stored in chunks] == list(range(len(chunks)))
        assert {stored.path for stored in chunks} == {"long.txt"} and len(chunks) > 3
        assert searcher.hydrate(searcher.chunk_ids("long.txt", 1, 2)) == chunks[1:3]
        assert searcher.hydrate(searcher.chunk_ids("long.txt", 2)) == chunks[2:]
        assert len(searcher.chunk_ids("nowhere.txt")) == 0

    def test_file_keys_tell_the_chunks_of_one_file(self, searcher: Searcher) -> None:
        for mode in modes_of(searcher):
            found = candidates_of(searcher, SearchRequest("river valve", mode=mode))
            paths = [stored.path for stored in searcher.hydrate(found.ids)]
            assert len(set(zip(found.file_keys.tolist(), paths, strict=True))) == len(set(paths)) > 1

    def test_equal_chunks_tie_in_every_route(self, searcher: Searcher) -> None:
        found = candidates_of(searcher, SearchRequest("relief valve spring"))
        paths = [stored.path for stored in searcher.hydrate(found.ids)]
        one, other = paths.index("docs/valves.md"), paths.index("docs/copy.md")
        for route, scores in found.scores.items():
            assert abs(float(scores[one] - scores[other])) < (1e-6 if route == VECTOR else 0.2)

    # Filters

    @pytest.mark.needs(FILTERS)
    @pytest.mark.parametrize(
        ("filters", "prefixes"),
        [
            (Filters(path=("docs",)), ("docs/",)),
            (Filters(path=("notes/*.txt",)), ("notes/",)),
            (Filters(ext=("md", "py")), ("docs/", "code/")),
            (Filters(until=datetime(2021, 1, 1, tzinfo=UTC)), ("notes/",)),
            (Filters(since=datetime(2021, 1, 1, tzinfo=UTC)), ("docs/", "code/", "long.txt")),
            (Filters(where="dir = 'code' OR name = 'long.txt'"), ("code/", "long.txt")),
            (Filters(where="ext = 'txt'", path=("notes",)), ("notes/",)),
            (Filters(where="meta ->> 'status' = 'done'"), ("docs/pump.md",)),
        ],
    )
    def test_filters(self, searcher: Searcher, filters: Filters, prefixes: tuple[str, ...]) -> None:
        expected = {path for path in DOCUMENTS if path.startswith(prefixes)}
        selected = searcher.select(filters)
        assert {stored.path for stored in searcher.hydrate(selected.ids)} == expected
        assert selected.matched == len(selected.ids) < selected.searched
        found = candidates_of(searcher, SearchRequest("pump", mode="vector", filters=filters))
        assert paths_of(searcher, found) == expected
        assert (found.matched, found.searched) == (selected.matched, selected.searched)

    @pytest.mark.needs(FILTERS)
    def test_a_filter_that_nothing_passes(self, searcher: Searcher) -> None:
        request = SearchRequest("pump", filters=Filters(ext=("nothing",)))
        assert not searcher.prepare(request)
        found = searcher.search(request, {}, 10)
        assert (len(found.ids), found.matched) == (0, 0)
        assert found.searched > 0

    @pytest.mark.needs(FILTERS)
    def test_a_bad_expression_is_refused(self, searcher: Searcher) -> None:
        request = SearchRequest("pump", filters=Filters(where="no such column ="))
        for call in (searcher.prepare, lambda request: searcher.select(request.filters)):
            with pytest.raises(FilterError):
                call(request)

    # Clauses

    @pytest.mark.needs(CLAUSES)
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('"relief valve"', {"docs/valves.md", "docs/copy.md"}),
            ('"valve relief"', set()),
            ('"THE PUMP"', {"docs/pump.md", "docs/valves.md", "docs/copy.md"}),
            ("oven +bread", {"notes/bread.txt", "notes/oven.txt"}),
            ("oven +bread -dough", {"notes/oven.txt"}),
            ("heron -oven -bread", {*DOCUMENTS} - {"notes/oven.txt", "notes/bread.txt"}),
            ("valve +pumping -test", {"docs/pump.md"}),
            ("+expon* retry", {"code/retry.py"}),
            ("river -mill*", {*DOCUMENTS} - {"long.txt"}),
            ('"索引"', {"notes/知识.txt"}),
            ('"exponential backoff" retry', {"code/retry.py"}),
        ],
    )
    def test_clauses(self, searcher: Searcher, text: str, expected: set[str]) -> None:
        for mode in ("vector", "hybrid"):
            found = candidates_of(searcher, SearchRequest(text, mode=mode))
            assert paths_of(searcher, found) == expected
            assert len(found.ids) == found.matched

    @pytest.mark.needs(KEYWORD, CLAUSES)
    def test_a_prefix_finds_the_words_that_begin_so(self, searcher: Searcher) -> None:
        found = candidates_of(searcher, SearchRequest("expon*", mode="keyword"))
        assert paths_of(searcher, found) == {"code/retry.py"}
        assert found.terms == ("expon*",)

    @pytest.mark.needs(KEYWORD)
    def test_a_plain_request_has_no_clauses(self, searcher: Searcher) -> None:
        found = candidates_of(searcher, SearchRequest('"valve relief" -pump', mode="keyword", plain=True))
        assert found.matched == found.searched
        assert "docs/pump.md" in paths_of(searcher, found)

    @pytest.mark.needs(CLAUSES, FILTERS)
    def test_clauses_and_filters_count_together(self, searcher: Searcher) -> None:
        request = SearchRequest("oven +bread", filters=Filters(path=("notes/oven.txt",)))
        assert paths_of(searcher, candidates_of(searcher, request)) == {"notes/oven.txt"}
        found = candidates_of(searcher, replace(request, text="oven -bread"))
        assert (len(found.ids), found.matched) == (0, 0)

    # Feedback

    @pytest.fixture
    def example(self, searcher: Searcher) -> Example:
        """The chunk about bread."""
        ids = searcher.chunk_ids("notes/bread.txt")
        return Example(vector_of(DOCUMENTS["notes/bread.txt"])[TEXT], (DOCUMENTS["notes/bread.txt"],), ids)

    @pytest.mark.needs(FEEDBACK, CONTEXT)
    @pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
    def test_examples_are_no_candidates_but_are_counted(self, searcher: Searcher, example: Example, mode: str) -> None:
        for more, less in (((example,), ()), ((), (example,))):
            request = SearchRequest("bread oven", mode=mode, more_like=more, less_like=less)
            found = candidates_of(searcher, request)
            assert "notes/bread.txt" not in paths_of(searcher, found)
            assert found.matched == found.searched

    @pytest.mark.needs(KEYWORD, FEEDBACK, CONTEXT)
    def test_an_example_brings_its_terms(self, searcher: Searcher, example: Example) -> None:
        request = SearchRequest("heron", mode="keyword", more_like=(example,))
        found = candidates_of(searcher, request)
        assert {"notes/heron.txt", "notes/oven.txt"} <= paths_of(searcher, found)
        assert found.terms == ("heron",)
        unlike = candidates_of(searcher, SearchRequest("heron oven", mode="keyword", less_like=(example,)))
        plain = candidates_of(searcher, SearchRequest("heron oven", mode="keyword"))
        before, after = ({p: s for p, _, s in scored(searcher, f, KEYWORD)} for f in (plain, unlike))
        assert after["notes/oven.txt"] < before["notes/oven.txt"]
        assert after["notes/heron.txt"] == pytest.approx(before["notes/heron.txt"], rel=1e-5)

    @pytest.mark.needs(VECTOR, FEEDBACK, CONTEXT)
    def test_examples_alone_need_no_text(self, searcher: Searcher, example: Example) -> None:
        request = SearchRequest("", mode="vector", more_like=(example,), examples_only=True)
        assert answered(searcher, request).hits[0].path == "notes/oven.txt"

    # Excerpts

    def test_excerpts_hold_the_query_s_terms(self, searcher: Searcher) -> None:
        request = SearchRequest("relief valve")
        texts = [DOCUMENTS["docs/valves.md"], DOCUMENTS["notes/heron.txt"], ""]
        with_terms, without, nothing = searcher.excerpts(request, texts, 60)
        assert "relief valve" in with_terms.text
        assert "relief" in {with_terms.text[start:end] for start, end in with_terms.marks}
        assert texts[0][with_terms.start :].startswith(with_terms.text)
        assert 0 < len(without.text) <= 60 and not without.marks
        assert nothing.text == ""

    # An empty index

    def test_an_empty_index_has_no_candidates(self, empty: Searcher) -> None:
        for mode in modes_of(empty):
            request = SearchRequest("pump", mode=mode)
            assert not empty.prepare(request)
            found = empty.search(request, {}, 10)
            assert (len(found.ids), found.searched, found.matched) == (0, 0, 0)
            assert answered(empty, request).hits == ()
        assert len(empty.select(Filters()).ids) == 0
        assert len(empty.chunk_ids("empty.txt")) == 0

    # Through the pipeline

    @pytest.mark.needs(*CAPABILITIES)
    def test_the_pipeline_answers_every_kind_of_request(self, searcher: Searcher) -> None:
        hits = answered(searcher, SearchRequest("relief valve", collapse=True)).hits
        assert len(hits[0].alike) == 1
        grouped = answered(searcher, SearchRequest("river mill", group_by_file=True)).hits
        assert len({hit.path for hit in grouped}) == len(grouped)
        around = answered(searcher, SearchRequest('"In 1905"', mode="keyword", context=1)).hits
        assert around[0].before and around[0].after
        packed = answered(searcher, SearchRequest("river", max_tokens=60))
        assert packed.tokens is not None and 0 < packed.tokens <= 60
        diverse = answered(searcher, SearchRequest("valve", k=2, diversity=0.9)).hits
        assert {hit.path for hit in diverse} != {"docs/valves.md", "docs/copy.md"}

    @pytest.mark.needs(*CAPABILITIES)
    @pytest.mark.parametrize("text", ["river mill", "relief valve", "bread", "zzz"])
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"mode": "keyword"},
            {"mode": "vector"},
            {"fusion": "rrf"},
            {"collapse": True},
            {"group_by_file": True},
            {"diversity": 0.4, "collapse": True},
            {"context": 1},
            {"min_score": 0.3},
            {"max_tokens": 120},
            {"max_tokens": 400, "context": 1},
        ],
    )
    def test_an_offset_gives_the_last_hits_of_a_longer_list(
        self, searcher: Searcher, text: str, changes: dict[str, Any]
    ) -> None:
        all_of_them = len(answered(searcher, SearchRequest(text, 100, **{**changes, "max_tokens": None})).hits)
        for offset in (0, 1, 3, 7, 50):
            for k in (1, 2, 5):
                longer = answered(searcher, SearchRequest(text, offset + k, **changes))
                found = answered(searcher, SearchRequest(text, k, offset=offset, **changes))
                assert found.hits == longer.hits[offset:]
                assert found.more == longer.more == (all_of_them > offset + k)
                assert found.skipped == min(offset, len(longer.hits))
                assert found.answered == longer.answered
