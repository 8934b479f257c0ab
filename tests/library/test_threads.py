"""One `Index`, used by many threads at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from process import write_files
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.library.readers import MAX_IDLE_READERS
from vsearch_core.search.local import LocalSearcher

FILES = 6
SECONDS = 4.0


def write_round(folder: Path, number: int) -> None:
    """Give every file the same round's text: an answer that mixes two rounds mixes two generations."""
    write_files(folder, {f"file{each}.md": f"Round r{number} of file {each}.\n" for each in range(FILES)})


def rounds_of(results: vsearch.Results) -> set[str]:
    return {word for hit in results.hits for word in hit.text.split() if word[0] == "r" and word[1:].isdigit()}


def test_searches_during_updates_see_one_generation_each(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    write_round(folder, 0)
    stop = Event()
    with vsearch.open_index(folder, create=True, open_embedder=lambda _spec: WordEmbedder()) as index:
        index.update([folder])
        generations: dict[str, int] = {}

        def query(mode: str) -> int:
            count, newest = 0, 0
            while not stop.is_set():
                results = index.search("round of file", k=FILES, mode=mode)
                (seen,) = rounds_of(results)
                assert len(results.hits) == FILES
                assert generations.setdefault(seen, results.generation) == results.generation
                assert results.generation >= newest
                newest = results.generation
                count += 1
            return count

        with ThreadPoolExecutor(8) as threads:
            counts = [threads.submit(query, mode) for mode in ("hybrid", "vector", "keyword", "hybrid") * 2]
            deadline, number = time.monotonic() + SECONDS, 0
            try:
                while time.monotonic() < deadline:
                    number += 1
                    write_round(folder, number)
                    index.update()
                    assert rounds_of(index.search("round", k=FILES)) == {f"r{number}"}
            finally:
                stop.set()
            assert all(each.result() > 0 for each in counts)
        assert number > 1
        assert len(index._readers._idle) <= MAX_IDLE_READERS


def test_close_lets_a_search_under_way_end(index: vsearch.Index) -> None:
    answers = index.search_many(["pump", "fee", "bread"])
    assert next(answers).hits
    index.close()
    assert len(list(answers)) == 2
    with pytest.raises(vsearch.InputError, match="closed"):
        index.search("pump")


def test_idle_readers_are_bounded(index: vsearch.Index) -> None:
    several = [index.search_many(["pump", "fee"]) for _ in range(20)]
    for each in several:
        next(each)
    for each in several:
        each.close()  # type: ignore[attr-defined]
    assert len(index._readers._idle) == MAX_IDLE_READERS


def test_readers_share_the_cost_of_starting_the_engines(tmp_path: Path) -> None:
    write_round(tmp_path, 0)
    with vsearch.open_index(tmp_path, create=True, open_embedder=lambda _spec: WordEmbedder()) as index:
        index.update([tmp_path])
        with index._readers.lend() as one, index._readers.lend() as other:
            assert one is not other
            assert isinstance(one.searcher, LocalSearcher) and isinstance(other.searcher, LocalSearcher)
            assert one.searcher._budgets is other.searcher._budgets
