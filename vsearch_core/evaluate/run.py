"""Judged questions put to an index by the same pipeline that answers users."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.evaluate.metrics import ndcg, recall, reciprocal_rank
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.pipeline import Query, Searcher, answer, clean_query

DEPTH = 100  # documents a question: what recall@100 needs
CORPUS_DIR = "corpus"


@dataclass(frozen=True, slots=True)
class ModeScores:
    """One mode's means over all judged questions; `seconds` is the time all its answers took, embedding left out."""

    mode: str
    ndcg_10: float
    recall_10: float
    recall_100: float
    mrr_10: float
    seconds: float


def write_corpus(dataset: Dataset, folder: Path) -> Path:
    """Write a BEIR corpus as one text file a document, named after its id, so that it is indexed as any folder is."""
    corpus = folder / CORPUS_DIR
    corpus.mkdir(parents=True, exist_ok=True)
    wanted = {_file_name(number): passage for number, passage in (dataset.documents or {}).items()}
    for former in corpus.iterdir():
        if former.name not in wanted:
            former.unlink()
    for name, passage in wanted.items():
        text = f"{passage.title}\n\n{passage.text}" if passage.title else passage.text
        path = corpus / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return corpus


def _file_name(number: str) -> str:
    return quote(number, safe="").replace(".", "%2E") + ".txt"  # a leading dot would hide the file


def document_id(dataset: Dataset, corpus: Path, path: Path) -> str:
    """The id that the judgements use for an indexed file."""
    relative = path.relative_to(corpus).as_posix()
    return relative if dataset.documents is None else unquote(relative.removesuffix(".txt"))


def evaluate_modes(
    searcher: Searcher,
    embed_queries: Callable[[Sequence[str]], NDArray[np.float32]],
    dataset: Dataset,
    modes: Sequence[str],
    fusion: Fusion,
    name: Callable[[str], str],
) -> list[ModeScores]:
    """Ask all judged questions in each mode. `name` turns a hit's stored path into the judgements' id."""
    asked = {number: dataset.queries[number] for number in dataset.judgements}
    vectors: Mapping[str, NDArray[np.float32]] = {}
    if any(mode != "keyword" for mode in modes):
        texts = sorted({clean_query(text) for text in asked.values()})
        vectors = dict(zip(texts, embed_queries(texts), strict=True))
    return [_evaluate(searcher, vectors.__getitem__, dataset, asked, mode, fusion, name) for mode in modes]


def _evaluate(
    searcher: Searcher,
    embed: Callable[[str], NDArray[np.float32]],
    dataset: Dataset,
    asked: Mapping[str, str],
    mode: str,
    fusion: Fusion,
    name: Callable[[str], str],
) -> ModeScores:
    scores = []
    started = time.perf_counter()
    for number, text in asked.items():
        query = Query(text, k=DEPTH, mode=mode, fusion=fusion, group_by_file=True, plain=True)
        ranking = [name(hit.path) for hit in answer(searcher, embed, query).hits]
        relevant = dataset.judgements[number]
        scores.append(
            (
                ndcg(ranking, relevant, 10),
                recall(ranking, relevant, 10),
                recall(ranking, relevant, 100),
                reciprocal_rank(ranking, relevant, 10),
            )
        )
    seconds = time.perf_counter() - started
    ndcg_10, recall_10, recall_100, mrr_10 = (fmean(column) for column in zip(*scores, strict=True))
    return ModeScores(mode, ndcg_10, recall_10, recall_100, mrr_10, seconds)
