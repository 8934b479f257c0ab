"""Quotes, +, - and * leave exactly the chunks that a regular expression over every text finds."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import WordEmbedder, make_index

from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.model import TEXT
from vsearch_core.search.limits import SearchLimits
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, query_embedding, search
from vsearch_core.search.request import SearchRequest, clean_query

EMBEDDER = WordEmbedder()
WORDS = [
    "the",
    "pump",
    "Pumps",
    "GPUs",
    "gpu",
    "don't",
    "isn",
    "Müller's",
    "l'eau",
    "foo.bar",
    "foo",
    "x86",
    "2026.4.10",
]
WORDS += [
    "2026",
    "4",
    "machine-learning",
    "learning",
    "数据库",
    "据",
    "データ",
    "data-base",
    "C++",
    "C",
    "U.S.A.",
    "а",
    "насосы",
]
WORDS += ["e\u0301tude", "étude", "docu\u00adment", "document", "ﬁne", "to", "be", "not", "iron"]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Return every word beside every other, a pair to a text, with different characters between them."""
    joints = [" ", "\n", ", ", "-", "/", "."]
    pairs = [(one, other) for one in WORDS for other in WORDS]
    return [joints[number % 6].join(pair) for number, pair in enumerate(pairs)]


@pytest.fixture(scope="module")
def searcher(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSearcher]:
    root = tmp_path_factory.mktemp("conditions")
    (root / "texts").mkdir()
    for number, text in enumerate(texts):
        (root / "texts" / f"{number:04d}.txt").write_text(text, encoding="utf-8")
    make_index(root, EMBEDDER, Path("texts"))
    with open_snapshot(root / ".vsearch") as snapshot:
        yield LocalSearcher(snapshot)


def matching(searcher: LocalSearcher, text: str) -> set[int]:
    """Return the numbers of the texts that match a query's clauses."""
    request = SearchRequest(text, mode="vector")
    candidates = searcher.search(request, {TEXT: EMBEDDER.embed_queries([text])[0]}, 5000)
    assert candidates.matched == len(candidates.ids)
    return {int(Path(each.path).stem) for each in searcher.hydrate(candidates.ids)}


def having(texts: list[str], pattern: str) -> set[int]:
    return {number for number, text in enumerate(texts) if re.search(pattern, text)}


@pytest.mark.parametrize(
    ("query", "pattern"),
    [
        ('"pump the"', r"(?i)\bpump\sthe\b"),
        ('"PUMP"', r"(?i)\bpump\b"),
        ('"gpus"', r"(?i)\bgpus\b"),
        ('"to be"', r"\bto\sbe\b"),
        ('"the"', r"\bthe\b"),
        ('"don"', r"$^"),
        ('"isn pump"', r"(?i)\bisn\spump\b"),
        ('"müller"', r"Müller"),
        ('"müller\'s foo"', r"Müller's\sfoo\b"),
        ('"eau"', r"eau"),
        ('"foo.bar"', r"\bfoo\.bar\b"),
        ('"bar/foo"', r"\bbar/foo\b"),
        ('"2026"', r"\b2026\b"),
        ('"2026.4"', r"\b2026\.4\b"),
        ('"machine-learning"', r"machine-learning"),
        ('"learning"', r"learning"),
        ('"数据"', r"数据"),
        ('"据"', r"据"),
        ('"データ, 数据库"', r"データ, 数据库"),
        ('"C++"', r"C\+\+"),
        ('"насосы"', r"насосы"),
        ('"étude"', "étude|e\u0301tude"),
        ('"fine document"', "(ﬁne)\\s(docu\u00adment|document)"),
        ('"U.S.A."', r"U\.S\.A\."),
        ('"x86"', r"\bx86\b"),
        ('"iron pump" "pump"', r"(?i)iron\spump\b"),
    ],
)
def test_a_phrase_is_matched_as_text(searcher: LocalSearcher, texts: list[str], query: str, pattern: str) -> None:
    assert matching(searcher, query) == having(texts, pattern)


@pytest.mark.parametrize(
    ("query", "pattern"),
    [
        ("+pumping", r"(?i)\bpumps?\b"),
        ("+gpu", r"(?i)\bgpus?\b"),
        ("+C++", r"C\+\+"),
        ("+数据库", r"数据库"),
        ("+the", r"\bthe\b"),
        ("+насос", r"насосы"),
        ("+the/gpu", r"the/gpu"),
        ("+learn*", r"learning"),
        ("+learnin*", r"learning"),
        ("+数*", r"数"),
    ],
)
def test_a_required_word_matches_in_any_form(
    searcher: LocalSearcher, texts: list[str], query: str, pattern: str
) -> None:
    found = having(texts, pattern)
    assert found
    assert matching(searcher, query) == found
    assert matching(searcher, f"iron -{query.removeprefix('+')}") == set(range(len(texts))) - found


@settings(max_examples=60, deadline=None)
@given(first=st.sampled_from(WORDS), second=st.sampled_from(WORDS), joint=st.sampled_from(" -/."))
def test_any_phrase_of_two_words(
    searcher: LocalSearcher, texts: list[str], first: str, second: str, joint: str
) -> None:
    from vsearch_core.lexical.phrase import fold_text, phrase_pattern

    pattern = phrase_pattern(clean_query(first + joint + second))
    expected = {number for number, text in enumerate(texts) if pattern.search(fold_text(text))}
    assert matching(searcher, f'"{first}{joint}{second}"') == expected


def test_clauses_hold_for_both_routes(searcher: LocalSearcher, texts: list[str]) -> None:
    def embed(text: str) -> EmbeddedQuery:
        assert text == "iron foo"
        return query_embedding(EMBEDDER)(text)

    for mode in ("hybrid", "vector", "keyword"):
        results = search(searcher, SearchRequest('"iron" foo -pump', k=5000, mode=mode), embed)
        expected = having(texts, r"iron") - having(texts, r"(?i)\bpumps?\b")
        assert results.matched == len(expected) and results.searched == len(texts)
        found = {int(Path(hit.path).stem) for hit in results.hits}
        assert found == expected if mode != "keyword" else found <= expected
        assert found


def test_a_plain_query_has_no_clauses(searcher: LocalSearcher, texts: list[str]) -> None:
    results = search(searcher, SearchRequest('"nowhere to" -be', mode="keyword", plain=True))
    assert results.matched == len(texts)


def test_a_prefix_scores_like_a_word(searcher: LocalSearcher) -> None:
    found = search(searcher, SearchRequest("насос*", mode="keyword", k=5000)).hits
    assert {hit.path for hit in found} == {
        hit.path for hit in search(searcher, SearchRequest("насосы", mode="keyword", k=5000)).hits
    }


def test_titles_headings_and_names_are_searched(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "zebra.md").write_text("---\ntitle: Okapi\n---\n# Giraffe\n\n" + "Some words. " * 200)
    make_index(tmp_path, EMBEDDER, Path("docs"), options=IndexOptions(chunk_words=100, overlap_words=0))
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        for word in ("zebra", "docs", "+zebra", '"zebra.md"', "giraffe", "+giraffes", "okapi", '"okapi"'):
            results = search(searcher, SearchRequest(word, mode="keyword"))
            assert len(results.hits) == results.searched == 4, word


def test_prefix_lists_are_dropped_beyond_the_limit_and_made_again(searcher: LocalSearcher) -> None:
    def found(searcher: LocalSearcher, text: str) -> list[str]:
        return [hit.path for hit in search(searcher, SearchRequest(text, 500, "keyword", collapse=False)).hits]

    queries = ["pum*", "le* fo* docu*", "+mach* learning", "pump -mach*", "pum*", "le* fo* docu*"]
    fresh = [found(LocalSearcher(searcher._snapshot), query) for query in queries]
    assert all(fresh)
    limited = LocalSearcher(searcher._snapshot, limits=SearchLimits(prefixes=2))
    kept = []
    for query, expected in zip(queries, fresh, strict=True):
        assert found(limited, query) == expected
        kept.append([word for word in ("pum", "le", "mach") if limited._keywords.collection.is_defined(f"{word}*")])
    assert kept == [["pum"], ["pum", "le"], ["mach"], ["mach"], ["pum", "mach"], ["pum", "le", "mach"]]
