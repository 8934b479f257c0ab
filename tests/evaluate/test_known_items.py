"""Queries generated from an index's own chunks."""

from pathlib import Path

from process import write_files
from support import WordEmbedder, make_index

from vsearch_core.evaluate.dataset import TARGET, load_query_file, save_query_file
from vsearch_core.evaluate.known_items import known_item_queries
from vsearch_core.evaluate.run import embed_dataset, measure_run, run_queries
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.local import LocalSearcher

SUBJECTS = ("pump", "valve", "loaf", "drill", "lamp", "brake", "seed", "river")
VERBS = ("needs grease", "was repaired twice", "stands behind the door", "came from the mill", "makes a strange noise")


def documents() -> dict[str, str]:
    return {
        f"{subject}.txt": "\n\n".join(
            f"The {subject} number {number} {verb} whenever {'abcdefgh'[number] * 4}ing starts in the workshop."
            for number, verb in enumerate(VERBS)
        )
        for subject in SUBJECTS
    } | {"中文.txt": "磨刀石要先在水里浸泡十分钟再开始使用。", "short.txt": "Too short."}


def indexed(root: Path, words: int = 500) -> Path:
    write_files(root / "docs", documents())
    make_index(root, WordEmbedder(), Path("docs"), options=IndexOptions(chunk_words=words, overlap_words=0))
    return root / ".vsearch"


def test_the_same_texts_give_the_same_queries(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        with open_snapshot(indexed(tmp_path / name)) as snapshot:
            found.append(known_item_queries(snapshot, 6))
            assert len(found[-1].queries) == 6
            assert known_item_queries(snapshot, 100).queries.keys() == {f"known-{number}" for number in range(1, 10)}
    assert found[0] == found[1]


def test_a_query_has_words_of_its_chunk_and_differs_from_it(tmp_path: Path) -> None:
    with open_snapshot(indexed(tmp_path)) as snapshot:
        dataset = known_item_queries(snapshot, 100)
    texts = [" ".join(text.split()) for text in documents().values()]
    for key, query in dataset.queries.items():
        (text,) = (text for text in texts if dataset.passages[key] in text)
        assert query != dataset.passages[key]
        for word in query.split():
            assert word in text.lower() or word in text
        assert dataset.judgements[key] == {TARGET: 1}


def test_saved_queries_can_be_run_on_an_index_with_other_chunks(tmp_path: Path) -> None:
    with open_snapshot(indexed(tmp_path / "coarse")) as snapshot:
        dataset = known_item_queries(snapshot, 100)
    save_query_file(tmp_path / "known.jsonl", dataset)
    assert load_query_file(tmp_path / "known.jsonl") == dataset
    embedder = WordEmbedder()
    with open_snapshot(indexed(tmp_path / "fine", words=60)) as snapshot:
        searcher = LocalSearcher(snapshot)
        run, _ = run_queries(searcher, embed_dataset(dataset, embedder), dataset, "hybrid", Fusion(), str)
    assert all(any(document == TARGET for document, _ in ranking) for ranking in run.values())
    assert measure_run(run, dataset.judgements)[:, 1].mean() > 0.8
