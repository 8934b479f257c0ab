import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import WordEmbedder, make_index

from vsearch_core.index.compaction import (
    choose_segments,
    compact,
    compact_index,
    merge_segments,
)
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.segment import ArrayEntry

LIMITS = IndexLimits()


def record(number: int, rows: int, deleted: int = 0) -> SegmentRecord:
    manifest = {name: ArrayEntry("<u4", (rows,), 0, "", "") for name in ("vectors", "graph_order")}
    return SegmentRecord(number, str(number), rows, manifest, np.arange(rows) < deleted if deleted else None)


def test_few_segments_are_not_merged() -> None:
    assert choose_segments([record(i, 100) for i in range(LIMITS.segments_per_tier - 1)]) == []


def test_a_full_tier_of_segments_is_merged() -> None:
    small = [record(i, 100) for i in range(LIMITS.segments_per_tier)]
    assert choose_segments([record(99, 50_000), *small]) == small


def test_a_segment_with_many_deleted_rows_is_rewritten() -> None:
    fragmented = record(1, 100, deleted=int(100 * LIMITS.dead_share) + 1)
    assert choose_segments([record(0, 100), fragmented]) == [fragmented]
    assert choose_segments([record(1, 100, deleted=int(100 * LIMITS.dead_share))]) == []


def test_a_rewrite_includes_smaller_segments_up_to_its_own_size() -> None:
    fragmented, larger = record(1, 100, deleted=10), record(2, 500)
    small = [record(number, 40) for number in (3, 4, 5)]
    assert choose_segments([fragmented, larger, *small]) == [fragmented, *small[:2]]


class SimulatedIndex:
    """Apply the policy; return the segments that it leaves, and the rows that it has written."""

    def __init__(self) -> None:
        self.segments: list[SegmentRecord] = []
        self.written = 0

    def compact(self) -> None:
        for _ in range(len(self.segments) + 1):
            chosen = choose_segments(self.segments)
            if not chosen:
                return
            rows = sum(segment.live_rows for segment in chosen)
            numbers = {segment.id for segment in chosen}
            self.segments = [segment for segment in self.segments if segment.id not in numbers]
            self.segments += [record(max(numbers) + 1000, rows)] if rows else []
            self.written += rows
        raise AssertionError("merging does not end")


def tier(rows: int) -> int:
    """Return the number of the tier of a segment with that many rows; the smallest is 0."""
    return next(number for number in range(99) if rows < LIMITS.smallest_tier_rows * LIMITS.tier_growth**number)


@given(st.lists(st.integers(1, 5000) | st.integers(1, 20), max_size=150))
def test_segments_stay_few_and_rows_are_rarely_rewritten(commits: list[int]) -> None:
    simulation = SimulatedIndex()
    for number, rows in enumerate(commits, 1):
        simulation.segments.append(record(number, rows))
        simulation.compact()
        sizes = Counter(tier(segment.rows) for segment in simulation.segments)
        assert all(count < LIMITS.segments_per_tier for count in sizes.values())
    total = sum(commits)
    assert sum(segment.rows for segment in simulation.segments) == total
    assert simulation.written <= 2 * (
        total * tier(total) + len(commits) * LIMITS.smallest_tier_rows / (LIMITS.segments_per_tier - 1)
    )


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 99), st.floats(0, 1)), max_size=60))
def test_deleted_rows_stay_few_at_a_bounded_cost(commits: list[tuple[int, int, float]]) -> None:
    simulation = SimulatedIndex()
    for number, (rows, victim, share) in enumerate(commits, 1):
        simulation.segments.append(record(number, rows))
        simulation.compact()
        if simulation.segments:
            place = victim % len(simulation.segments)
            segment = simulation.segments[place]
            simulation.segments[place] = record(segment.id, segment.rows, int(share * segment.rows))
        fragmented = [
            each for each in simulation.segments if each.rows - each.live_rows > LIMITS.dead_share * each.rows
        ]
        chosen = choose_segments(simulation.segments)
        if fragmented:
            deleted = sum(segment.rows - segment.live_rows for segment in chosen)
            assert sum(segment.live_rows for segment in chosen) <= 2 * deleted * (1 / LIMITS.dead_share - 1) + 1e-6
        simulation.compact()
        assert all(each.rows - each.live_rows <= LIMITS.dead_share * each.rows + 1e-6 for each in simulation.segments)


@pytest.fixture
def root(tmp_path: Path, embedder: WordEmbedder) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(6):
        (docs / f"{number}.txt").write_text(f"Text {number} about thing{number} and everything.", encoding="utf-8")
        make_index(tmp_path, embedder, Path("docs"))
    (docs / "2.txt").unlink()
    (docs / "4.txt").write_text("Rewritten about nothing.", encoding="utf-8")
    make_index(tmp_path, embedder)
    return tmp_path


def answers(root: Path, embedder: WordEmbedder) -> list[tuple[str, str, float]]:
    with open_snapshot(root / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        hits_found = []
        for text in ("thing1 text", "everything", "about nothing", "thing2", "thing4"):
            results = search(searcher, SearchRequest(text, mode="vector"), query_embedding(embedder))
            hits_found += [(text, hit.path, hit.score) for hit in results.hits]
        return sorted(hits_found)


def are_same_hits(hits_found: list[tuple[str, str, float]], expected: list[tuple[str, str, float]]) -> bool:
    """Return True if the hits are the same up to rounding: a BLAS may add up a row differently beside other rows."""
    return [hit[:2] for hit in hits_found] == [hit[:2] for hit in expected] and np.allclose(
        [hit[2] for hit in hits_found], [hit[2] for hit in expected], atol=1e-6, rtol=0
    )


def test_a_merge_changes_no_hit(root: Path, embedder: WordEmbedder) -> None:
    before = answers(root, embedder)
    catalog = Catalog.open_to_write(root / ".vsearch")
    records = catalog.segments()
    assert len(records) > 1
    merge_segments(catalog, records)
    (merged,) = catalog.segments()
    assert merged.rows == merged.live_rows == 5
    catalog.close()
    assert are_same_hits(answers(root, embedder), before)


def test_a_segment_without_live_rows_is_dropped(root: Path, embedder: WordEmbedder) -> None:
    for path in (root / "docs").iterdir():
        path.unlink()
    make_index(root, embedder)
    catalog = Catalog.open_to_write(root / ".vsearch")
    assert catalog.segments() == []
    assert compact(catalog) == 0
    catalog.close()
    assert answers(root, embedder) == []


def test_a_reader_keeps_its_generation_through_a_merge(root: Path, embedder: WordEmbedder) -> None:
    with open_snapshot(root / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        for path in (root / "docs").iterdir():
            path.unlink()
        make_index(root, embedder)
        query = SearchRequest("everything", mode="keyword")
        assert len(search(searcher, query, lambda _: query_embedding(embedder)("x")).hits) == 4
    assert answers(root, embedder) == []


@pytest.mark.parametrize("compactions", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_an_open_reader_gives_the_same_hits_through_compactions(
    root: Path, embedder: WordEmbedder, compactions: int
) -> None:
    def ask() -> list[tuple[str, float, str]]:
        hits_found = []
        for text in ("thing1 text", "everything", "edition"):
            query = SearchRequest(text, mode="hybrid")
            results = search(searcher, query, query_embedding(embedder))
            assert results.generation == snapshot.generation
            hits_found += [(hit.path, hit.score, hit.text) for hit in results.hits]
        return hits_found

    with open_snapshot(root / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        before = ask()
        for number in range(compactions):
            (root / "docs" / f"{number % 6}.txt").write_text(f"Edition {number} of everything.", encoding="utf-8")
            make_index(root, embedder)
            compact_index(root / ".vsearch")
            assert ask() == before
    with open_snapshot(root / ".vsearch") as after:
        assert after.generation >= snapshot.generation + compactions


def test_the_compact_command_leaves_one_segment_without_deleted_rows(root: Path, embedder: WordEmbedder) -> None:
    (root / "docs/1.txt").write_text("Rewritten again.", encoding="utf-8")
    make_index(root, embedder)
    before = answers(root, embedder)
    done = compact_index(root / ".vsearch")
    assert (done.rows, done.bytes_after < done.bytes_before) == (5, True)
    catalog = Catalog.open_to_write(root / ".vsearch")
    assert [(segment.rows, segment.tombstones) for segment in catalog.segments()] == [(5, None)]
    generation = catalog.generation
    catalog.close()
    assert are_same_hits(answers(root, embedder), before)
    again = compact_index(root / ".vsearch")
    assert (again.segments, again.dropped) == (0, 0)
    catalog = Catalog.open_to_write(root / ".vsearch")
    assert catalog.generation == generation
    catalog.close()


FEW_PAGES = 6 * 16_384  # bytes of the catalog, a page for each table or index: larger numbers take more space


@pytest.mark.slow
def test_after_many_changes_the_index_equals_a_new_one(tmp_path: Path, embedder: WordEmbedder) -> None:
    """Thirty rounds in which a fifth of the files is edited, deleted or added, then ten of a fiftieth."""
    chance = random.Random(5)
    root, docs = tmp_path / "old", tmp_path / "old/docs"
    docs.mkdir(parents=True)
    words = [f"word{number}" for number in range(400)]
    options = IndexOptions(chunk_words=25, overlap_words=0)

    def write(number: int) -> None:
        paragraphs = (" ".join(chance.choices(words, k=25)) + "." for _ in range(chance.randint(1, 15)))
        (docs / f"{number:03}.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")

    def fresh(name: str) -> Path:
        shutil.copytree(docs, tmp_path / name / "docs")
        make_index(tmp_path / name, embedder, Path("docs"), options=options)
        return tmp_path / name

    def size(root: Path) -> int:
        return sum(path.stat().st_size for path in (root / ".vsearch").rglob("*") if path.is_file())

    def hits_found(root: Path) -> list[list[tuple[str, int, float]]]:
        with open_snapshot(root / ".vsearch") as snapshot:
            searcher = LocalSearcher(snapshot)
            queries = [SearchRequest(" ".join(words[at : at + 4]), mode="vector") for at in range(0, 400, 8)]
            results = [search(searcher, query, query_embedding(embedder)) for query in queries]
            return [sorted((hit.path, hit.chunk, hit.score) for hit in each.hits) for each in results]

    def is_as_large_as(root: Path, new: Path) -> bool:
        return abs(size(root) - size(new)) < 0.05 * size(new) + FEW_PAGES

    for number in range(300):
        write(number)
    make_index(root, embedder, Path("docs"), options=options)
    for turn, files in enumerate([60] * 30 + [6] * 10):
        for number in chance.sample(range(300), files):
            if chance.random() < 0.3:
                (docs / f"{number:03}.txt").unlink(missing_ok=True)
            else:
                write(number)
        make_index(root, embedder)
        assert files == 60 or is_as_large_as(root, fresh(f"new {turn}"))
    old, new = hits_found(root), hits_found(fresh("new"))
    assert [[hit[:2] for hit in hits] for hits in old] == [[hit[:2] for hit in hits] for hits in new]
    scores = [[hit[2] for hits in each for hit in hits] for each in (old, new)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)  # a row's position affects the last bit
    compact_index(root / ".vsearch")
    assert [[hit[:2] for hit in hits] for hits in hits_found(root)] == [[hit[:2] for hit in hits] for hits in new]
    assert is_as_large_as(root, tmp_path / "new")
