"""Proximity: of two chunks with the same terms, the one that has them together comes first."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from search import brute_force
from support import WordEmbedder, make_index

from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.proximity import MOST_ROOTS, WINDOWS, Root, add_proximity, root_shares, term_roots
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Results

ROOTS = term_roots({"pump": 3.0, "greasi": 2.0, "frost": 1.0})
EMBEDDER = WordEmbedder()


def test_a_root_is_a_stem_without_its_last_letter() -> None:
    weights = {"2026": 5.0, "queri": 2.0, "query": 3.0, "pla*": 1.0, "~řež~": 0.5, "~~pump": 0.4, "ip": 1.5, "~": 1.0}
    assert term_roots(weights) == (
        Root("2026", 5.0),
        Root("quer", 3.0),
        Root("ip", 1.5),
        Root("pla", 1.0),
        Root("řež", 0.5),
        Root("pum", 0.4),
    )


def test_of_a_long_query_the_terms_that_weigh_most_count() -> None:
    weights = {f"{number:05}": float(number // 2) for number in range(4 * MOST_ROOTS)}
    expected = sorted(weights, key=lambda term: (-weights[term], term))[:MOST_ROOTS]
    assert [root.letters for root in term_roots(weights)] == expected
    assert term_roots(dict(reversed(weights.items()))) == term_roots(weights)


def test_a_text_that_has_a_compound_of_the_query_has_its_parts() -> None:
    roots = term_roots({"getusernam": 4.0, "user": 2.0, "name": 3.0, "e4090": 6.0, "4090": 5.0})
    assert {root.letters: root.parts for root in roots} == {
        "e4090": (1,), "4090": (), "getuserna": (3, 4), "nam": (), "use": ()
    }  # fmt: skip
    for text, share in [("the code is E4090", 11), ("def getUserName():", 9), ("name of the user", 5), ("x4090", 0)]:
        assert root_shares(text, roots) == pytest.approx((share / 20, share / 20))


@pytest.mark.parametrize("apart", [0, 10, 29, 30, 60, 69, 70, 120, 149, 150, 300])
def test_roots_that_begin_within_a_window_stand_together(apart: int) -> None:
    text = f"The pump's {'.' * apart} greasing"
    together = sum(text.index("greas") - text.index("pump") < length for length in WINDOWS)
    assert root_shares(text, ROOTS) == pytest.approx(((3 + 2 * together / 3) / 6, 5 / 6))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0),
        ("a stone", 0),
        ("pump " * 40, 3 / 6),  # each root counts once
        ("PUMPS", 3 / 6),
        ("repump hydropump 2pump", 0),  # not at the beginning of a word
        ("pre-pumped, (pump)", 3 / 6),
        ("水pump", 3 / 6),  # no blank is needed next to a script without spaces
        ("x" * 60_000 + " pump", 0),
    ],
)
def test_the_share_of_a_text_with_one_root(text: str, share: float) -> None:
    assert root_shares(text, ROOTS) == pytest.approx((share, share))


def test_any_character_of_a_script_without_spaces_begins_a_root() -> None:
    assert root_shares("搜索引擎", term_roots({"索引": 1.0, "引擎": 1.0})) == (1.0, 1.0)


@pytest.mark.parametrize("seed", range(30))
def test_shares_are_those_of_a_plain_search(seed: int) -> None:
    chance = random.Random(seed)
    words = ["pump", "Pumpe", "greased", "frost", "frosty", "of", "the", "stone,", "(grease)", "水pump", "x" * 30]
    text = " ".join(chance.choices(words, k=chance.randrange(60)))
    terms = ["pump", "pumpen", "greas", "frost", "水", "th*", "umpe"][: 1 + seed % 7]
    weights = {term: chance.uniform(0.1, 9) for term in terms}
    assert root_shares(text, term_roots(weights)) == pytest.approx(brute_force.root_shares(text, weights))


def test_scores_keep_their_range_and_the_order_of_the_other_chunks() -> None:
    fused = np.array([0.5, 0.95, 0.9, 0.9, 0.4], np.float32)
    first = np.array([1, 2, 3])
    shares = np.array([[0.2, 0.9], [0.9, 0.9], [0.1, 0.9]], np.float32)
    added = add_proximity(fused, first, shares, alpha=0.75)
    assert added.argsort()[::-1].tolist() == [2, 1, 3, 0, 4]
    assert 0 < added.min() < added.max() <= 1
    assert added[0] / added[4] == pytest.approx(0.5 / 0.4)
    for alpha in (0.0, 1.0):
        assert add_proximity(fused, first, shares, alpha).tolist() == fused.tolist()
    assert add_proximity(fused, first, np.zeros((3, 2), np.float32), 0.75).tolist() == fused.tolist()


@contextmanager
def searcher_of(root: Path, files: dict[str, str]) -> Iterator[LocalSearcher]:
    for name, text in files.items():
        (root / name).write_text(text)
    make_index(root, EMBEDDER, *map(Path, files))
    with open_snapshot(root / ".vsearch") as snapshot:
        yield LocalSearcher(snapshot)


def found(searcher: LocalSearcher, request: SearchRequest) -> Results:
    return search(searcher, request, query_embedding(EMBEDDER))


def scattered_and_together() -> dict[str, str]:
    words = [f"filler{number}" for number in range(80)]
    scattered = " ".join(["frost", *words[:40], "grease", *words[40:], "pump"])
    together = " ".join([*words[:40], "pump grease frost", *words[40:]])
    others = {f"{number}.txt": " ".join(np.roll(words, number)) for number in range(1, 6)}
    return {"a scattered.txt": scattered, "b together.txt": together, **others}


def test_the_chunk_that_has_the_terms_together_comes_first(tmp_path: Path) -> None:
    request = SearchRequest("pump grease frost")
    with searcher_of(tmp_path, scattered_and_together()) as searcher:
        hits = found(searcher, request).hits
        assert hits[0].path == "b together.txt"
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] <= 1
        without: list[dict[str, object]] = [
            {"mode": "keyword"},
            {"mode": "vector"},
            {"fusion": "rrf"},
            {"alpha": 0.0},
            {"alpha": 1.0},
        ]
        for options in without:  # scores are equal: the first path
            other = found(searcher, replace(request, **options)).hits  # type: ignore[arg-type]
            assert other[0].path == "a scattered.txt", options


def test_a_query_of_exclusions_and_one_without_a_vector_keep_their_scores(tmp_path: Path) -> None:
    with searcher_of(tmp_path, scattered_and_together()) as searcher:
        keyword = found(searcher, SearchRequest("pump grease frost", mode="keyword")).hits
        assert [hit.score for hit in search(searcher, SearchRequest("pump grease frost")).hits] == [
            hit.score for hit in keyword
        ]
        assert {hit.score for hit in search(searcher, SearchRequest("-pump -grease")).hits} == {1.0}


def test_results_do_not_depend_on_k_or_the_page(tmp_path: Path) -> None:
    chance = random.Random(4)
    words = ["pump", "grease", "frost", "valve"]
    files = {}
    for number in range(60):
        text = [f"w{chance.randrange(300)}" for _ in range(80)]
        for word in chance.sample(words, chance.randrange(5)):
            text[chance.randrange(80)] = word
        files[f"{number:02}.txt"] = " ".join(text)
    for number in range(3):
        files[f"copy {number}.txt"] = files["05.txt"]
    request = SearchRequest("pump grease frost valve", 60)
    changes: list[dict[str, object]] = [{}, {"collapse": True}, {"group_by_file": True}, {"alpha": 0.4}]
    with searcher_of(tmp_path, files) as searcher:
        for change in changes:
            whole = replace(request, **change)  # type: ignore[arg-type]
            expected = [(hit.rank, hit.path, hit.score) for hit in found(searcher, whole).hits]
            assert len({score for _, _, score in expected}) > 40
            pages = [found(searcher, replace(whole, k=7, offset=offset)).hits for offset in range(0, 60, 7)]
            assert [(hit.rank, hit.path, hit.score) for page in pages for hit in page][:60] == expected
            again = found(searcher, replace(whole, k=1)).hits[0]
            assert (again.rank, again.path, again.score) == expected[0]
