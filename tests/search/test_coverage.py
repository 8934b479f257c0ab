"""Chunks that have no vector yet compete fairly with those that have one."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from support import WordEmbedder, hide_vectors, make_index

from vsearch_core.embed.base import Batch
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.choice import collapsed
from vsearch_core.search.duplicates import find_duplicates
from vsearch_core.search.filters import Filters
from vsearch_core.search.fusion import KEYWORD, VECTOR, Fusion, comparable_cosines, fuse
from vsearch_core.search.limits import SearchLimits
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Results
from vsearch_core.search.results_json import results_json
from vsearch_core.search.shingles import shingles

Scores = NDArray[np.float32]
DEPTH = 100
COUNT = 12

cosine_arrays = arrays(np.float32, COUNT, elements=st.floats(-0.5, 1, width=32))
keyword_arrays = arrays(np.float32, COUNT, elements=st.floats(0.0078125, 30, width=32), unique=True)
masks = arrays(np.bool_, COUNT)
fusions = st.sampled_from([Fusion(), Fusion(alpha=0.5), Fusion("rrf")])


def ranks(scores: Scores) -> list[int]:
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    return order


@settings(deadline=None)
@given(cosine_arrays, keyword_arrays, masks)
def test_an_estimate_lies_between_the_known_cosines_and_grows_with_bm25(
    cosines: Scores, keyword: Scores, hidden: NDArray[np.bool_]
) -> None:
    assume(hidden.any() and not hidden.all())
    found = comparable_cosines(np.where(hidden, np.nan, cosines).astype(np.float32), keyword, DEPTH)
    known = cosines[~hidden]
    assert known.min() <= found[~hidden].min() <= found[~hidden].max() <= known.max()
    estimates = found[hidden][np.argsort(keyword[hidden], kind="stable")]
    assert estimates.min() >= known.min()
    assert estimates.max() <= known.max()
    assert (np.diff(estimates) >= 0).all()


@settings(deadline=None)
@given(cosine_arrays, keyword_arrays, masks)
def test_known_cosines_of_equal_keywords_keep_their_order(
    cosines: Scores, keyword: Scores, hidden: NDArray[np.bool_]
) -> None:
    """Cosines alone order the chunks that no keyword finds."""
    assume(hidden.any() and not hidden.all())
    keyword = np.where(hidden, keyword, 0).astype(np.float32)
    found = comparable_cosines(np.where(hidden, np.nan, cosines).astype(np.float32), keyword, DEPTH)[~hidden]
    in_order = found[np.argsort(cosines[~hidden], kind="stable")]
    assert (np.diff(in_order) >= 0).all()


def test_the_fewer_cosines_are_known_the_less_they_count() -> None:
    keyword = np.linspace(1, 20, 40).astype(np.float32)
    cosines = np.full(40, 0.2, np.float32)
    cosines[0] = 0.9  # found by meaning, and hardly by keywords
    places = []
    for known in (1, 4, 20, 40):
        fused = fuse({VECTOR: np.where(np.arange(40) < known, cosines, np.nan), KEYWORD: keyword}, Fusion(), DEPTH)
        places.append(ranks(fused).index(0))
    assert places == sorted(places, reverse=True)
    assert (places[0], places[-1]) == (39, 0)


@settings(deadline=None)
@given(keyword_arrays, st.integers(0, COUNT - 1), fusions)
def test_with_one_known_cosine_the_order_is_that_of_keywords(keyword: Scores, known: int, fusion: Fusion) -> None:
    """Nothing tells this chunk's cosine from the others', so that having it must be no advantage."""
    cosines = np.full(COUNT, np.nan, np.float32)
    cosines[known] = 0.4
    fused = fuse({VECTOR: cosines, KEYWORD: keyword}, fusion, DEPTH)
    assert (np.diff(fused[np.argsort(keyword)]) >= 0).all()


@settings(deadline=None)
@given(cosine_arrays, keyword_arrays, masks, fusions)
def test_chunks_without_vectors_are_in_the_order_of_keywords(
    cosines: Scores, keyword: Scores, hidden: NDArray[np.bool_], fusion: Fusion
) -> None:
    partly = np.where(hidden, np.nan, cosines).astype(np.float32)
    fused = fuse({VECTOR: partly, KEYWORD: keyword}, fusion, DEPTH)[hidden]
    assert (np.diff(fused[np.argsort(keyword[hidden], kind="stable")]) >= 0).all()


@settings(deadline=None)
@given(cosine_arrays, keyword_arrays, fusions)
def test_nothing_changes_if_all_chunks_have_vectors(cosines: Scores, keyword: Scores, fusion: Fusion) -> None:
    assert np.array_equal(comparable_cosines(cosines, keyword, DEPTH), cosines)


def test_losing_a_vector_neither_raises_nor_lowers_a_chunk_on_average() -> None:
    """A chunk's rank with and without its vector, where cosines follow keywords with noise."""
    rng = np.random.default_rng(7)
    changes = []
    for _ in range(400):
        keyword = rng.uniform(1, 20, 40).astype(np.float32)
        cosines = (0.1 + 0.02 * keyword + rng.normal(0, 0.1, 40)).astype(np.float32)
        whole = fuse({VECTOR: cosines, KEYWORD: keyword}, Fusion(), DEPTH)
        hidden = rng.random(40) < 0.5
        partly = fuse({VECTOR: np.where(hidden, np.nan, cosines).astype(np.float32), KEYWORD: keyword}, Fusion(), DEPTH)
        changes += [ranks(partly).index(each) - ranks(whole).index(each) for each in np.flatnonzero(hidden).tolist()]
    assert abs(np.mean(changes)) < 0.5  # of 40 ranks


@pytest.fixture
def root(tmp_path: Path, embedder: WordEmbedder) -> Path:
    """Return a project of 12 files about pumps."""
    (tmp_path / "docs").mkdir()
    for number in range(12):
        words = " ".join(["pump"] * (number + 1) + [f"filler{number}{each}" for each in range(20)])
        (tmp_path / f"docs/{number:02}.txt").write_text(f"{words}.", encoding="utf-8")
    make_index(tmp_path, embedder, Path("docs"))
    return tmp_path


def answer(root: Path, embedder: WordEmbedder | None, mode: str = "hybrid", text: str = "pump") -> Results:
    with open_snapshot(root / ".vsearch") as snapshot:
        embed = None if embedder is None else query_embedding(embedder)
        return search(LocalSearcher(snapshot), SearchRequest(text, 20, mode, collapse=mode != "keyword"), embed)


def paths(results: Results) -> list[str]:
    return [hit.path for hit in results.hits]


def test_without_any_vector_the_query_is_not_embedded_and_keywords_answer(root: Path, embedder: WordEmbedder) -> None:
    by_keywords = paths(answer(root, None, "keyword"))
    hide_vectors(root / ".vsearch", lambda path: True)

    def fail(text: str) -> EmbeddedQuery:
        raise AssertionError(text)

    with open_snapshot(root / ".vsearch") as snapshot:
        found = search(LocalSearcher(snapshot), SearchRequest("pump", 20), fail)
    assert paths(found) == by_keywords
    assert found.coverage == 0
    assert results_json(found)["coverage"] == 0
    assert paths(answer(root, embedder, "vector")) == []


def test_all_chunks_are_found_at_any_coverage(root: Path, embedder: WordEmbedder) -> None:
    everything = set(paths(answer(root, embedder)))
    hide_vectors(root / ".vsearch", lambda path: path >= "docs/03")
    found = answer(root, embedder)
    assert set(paths(found)) == everything
    assert found.coverage == 3 / 12
    assert found.searched == found.matched == 12
    assert all(hit.scores["vector"] is None for hit in found.hits if hit.path >= "docs/03")
    assert set(paths(answer(root, embedder, "vector"))) == {f"docs/{number:02}.txt" for number in range(3)}


def test_filters_and_near_duplicates_include_chunks_without_vectors(root: Path, embedder: WordEmbedder) -> None:
    text = (root / "docs/05.txt").read_text(encoding="utf-8")
    (root / "docs/copy.txt").write_text(text, encoding="utf-8")
    make_index(root, embedder)
    hide_vectors(root / ".vsearch", lambda path: path in {"docs/05.txt", "docs/copy.txt", "docs/06.txt"})
    found = answer(root, embedder)
    assert len(found.hits) == 12
    (hit,) = (hit for hit in found.hits if hit.alike)
    assert {hit.path, *(each.path for each in hit.alike)} == {"docs/05.txt", "docs/copy.txt"}
    with open_snapshot(root / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        (group,) = find_duplicates(searcher, Filters(), 0.9).groups
        assert len(group) == 2
        filtered = SearchRequest("pump", 20, filters=Filters(path=("docs/0[5-6].txt",)))
        hits = search(searcher, filtered, query_embedding(embedder)).hits
    assert {hit.path for hit in hits} == {"docs/05.txt", "docs/06.txt"}


def keyword_answers(root: Path) -> list[list[tuple[str, int, float, float | None]]]:
    """Return the hits by keywords, with their scores and confidences, scanned and by the compiled engine."""
    found = []
    for start_rows in (10**9, 0):
        limits = SearchLimits(keyword_start_rows=start_rows)
        with open_snapshot(root / ".vsearch") as snapshot:
            searcher = LocalSearcher(snapshot, limits=limits)
            for text in (
                "pump",
                "pump filler30",
                "filer41 pump",
                "unique399 text",
                "text",
                "-absent",
                "pump*",
                '"same text"',
            ):
                request = SearchRequest(text, 5, "keyword", collapse=False)
                hits = search(searcher, request).hits
                found.append([(hit.path, hit.chunk, hit.score, hit.confidence) for hit in hits])
    return found


def test_keyword_answers_do_not_depend_on_what_is_embedded(root: Path, embedder: WordEmbedder) -> None:
    """Not even their scores, nor which of many equal chunks are shown, although embedding moves rows."""
    rng = np.random.default_rng(5)
    for number in range(400):
        (root / f"docs/same{number:03}.txt").write_text(f"same text unique{number}", encoding="utf-8")
    write_limits = IndexLimits(chunks_per_block=40, chunks_per_commit=80)
    make_index(root, embedder, limits=write_limits)
    embedded = keyword_answers(root)
    assert all(embedded)
    hide_vectors(root / ".vsearch", lambda path: True)
    assert keyword_answers(root) == embedded
    stamps = rng.permutation(412)
    for stamp, path in zip(stamps.tolist(), sorted((root / "docs").iterdir()), strict=True):
        os.utime(path, (0, time.time() - 86_400 * 4.0 ** (stamp % 6)))
    seen: list[float] = []

    class Asking(WordEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
            seen.append(answer(root, None, "keyword").coverage)
            assert keyword_answers(root) == embedded
            yield from super().embed_documents(texts)

    make_index(root, Asking(), limits=write_limits)
    assert len(set(seen)) > 3
    assert keyword_answers(root) == embedded


def test_without_vectors_texts_alone_tell_copies() -> None:
    texts = ["one two three four five six", "other words that stand here alone now", "One two three four five six!"]
    found = collapsed(np.zeros((3, 4), np.float32), lambda places: [shingles(texts[place]) for place in places])
    assert found.shown.tolist() == [0, 1]
    assert found.alike == ((2,), ())


def test_equal_scores_are_ordered_by_path_whatever_was_embedded_first(tmp_path: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "docs").mkdir()
    for number in range(6):
        (tmp_path / f"docs/{number}.txt").write_text(f"pump {'word ' * (6 - number)}", encoding="utf-8")
    make_index(tmp_path, embedder, Path("docs"), limits=IndexLimits(chunks_per_block=1, chunks_per_commit=2))
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        excluding = SearchRequest("-absent", 20, collapse=False)
        hits = search(LocalSearcher(snapshot), excluding).hits
    assert [hit.path for hit in hits] == [f"docs/{number}.txt" for number in range(6)]
