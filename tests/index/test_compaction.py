from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import WordEmbedder, make_index

from vsearch_core.index.compaction import DEAD_SHARE, FAN_OUT, choose, compact, merge_segments
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import Query, answer
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.segment import ArrayEntry


def record(number: int, rows: int, dead: int = 0) -> SegmentRecord:
    linked = {"graph_order": ArrayEntry("<u4", (rows,), 0, "")}
    return SegmentRecord(number, str(number), rows, linked, np.arange(rows) < dead if dead else None)


def test_few_segments_are_left_alone() -> None:
    assert choose([record(i, 100) for i in range(FAN_OUT - 1)]) == []


def test_as_many_of_one_size_as_the_fan_out_are_merged() -> None:
    small = [record(i, 100) for i in range(FAN_OUT)]
    assert choose([record(99, 50_000), *small]) == small


def test_a_worn_segment_is_rewritten() -> None:
    worn = record(1, 100, dead=int(100 * DEAD_SHARE) + 1)
    assert choose([record(0, 100), worn]) == [worn]
    assert choose([record(1, 100, dead=int(100 * DEAD_SHARE))]) == []


@given(st.lists(st.integers(1, 3000), max_size=60))
def test_merging_ends_with_few_segments(sizes: list[int]) -> None:
    segments = [record(number, rows) for number, rows in enumerate(sizes)]
    for _ in range(len(sizes)):
        chosen = choose(segments)
        if not chosen:
            break
        merged = record(len(sizes), sum(segment.live_rows for segment in chosen))
        segments = [segment for segment in segments if segment not in chosen] + [merged]
    assert choose(segments) == []
    assert len(segments) <= 5 * FAN_OUT


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
        found = []
        for text in ("thing1 text", "everything", "about nothing", "thing2", "thing4"):
            results = answer(searcher, lambda query: embedder.embed_queries([query])[0], Query(text, mode="vector"))
            found += [(text, hit.path, round(hit.score, 5)) for hit in results.hits]
        return sorted(found)


def test_a_merge_changes_no_answer(root: Path, embedder: WordEmbedder) -> None:
    before = answers(root, embedder)
    catalog = Catalog.open_to_write(root / ".vsearch")
    records = catalog.segments()
    assert len(records) > 1
    merge_segments(catalog, records)
    (merged,) = catalog.segments()
    assert merged.rows == merged.live_rows == 5
    catalog.close()
    assert answers(root, embedder) == before


def test_a_segment_without_live_rows_goes(root: Path, embedder: WordEmbedder) -> None:
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
        query = Query("everything", mode="keyword")
        assert len(answer(searcher, lambda _: embedder.embed_queries(["x"])[0], query).hits) == 4
    assert answers(root, embedder) == []
