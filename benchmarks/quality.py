"""Measure the quality of answers, by collection: ranking, confidence, answers in the text shown, size and time.

All engines get the same documents, title and text. For our modes they are files that are cut, embedded and indexed like
any folder. Dense retrieval is sentence-transformers with our default model: one vector a document, truncated.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.lexical_peers import PEERS, Ranked, Search
from benchmarks.machine import describe
from benchmarks.quality_answers import WORDS, share_in_packed_hits
from benchmarks.quality_collections import Collection, open_collection
from benchmarks.quality_confidence import best_confidences, calibration_of_best, hidden_answers, separation
from vsearch_core import config
from vsearch_core.embed.model_files import find_encoder, parse_model
from vsearch_core.embed.open import open_embedder
from vsearch_core.evaluate.answers import measure_answers
from vsearch_core.evaluate.calibration import measure_confidence
from vsearch_core.evaluate.run import Values, compare, measure_run, mode_scores, run_queries
from vsearch_core.index.settings import IndexOptions
from vsearch_core.search.fusion import Fusion
from vsearch_core.text.extract.registry import extract

DENSE = "sentence-transformers"
ENGINES = (*PEERS, DENSE)
Rows = list[list[str]]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+", help="folders in BEIR layout")
    parser.add_argument("--keep", type=Path, help="folder that keeps indexes and vectors: the next run embeds nothing")
    parser.add_argument("--without", action="append", default=[], help="an engine to leave out")
    parser.add_argument("--queries", type=int, default=300, help="the most queries of a collection, drawn at random")
    parser.add_argument("--embedder", help="as for `vsearch index`; indexes of another one need another --keep")
    parser.add_argument("--model", help="as for `vsearch index`")
    options = parser.parse_args()
    requested = IndexOptions(embedder=options.embedder, model=options.model)
    print(describe())
    engines = [engine for engine in ENGINES if find_spec(engine.replace("-", "_")) and engine not in options.without]
    print(f"not installed, or left out: {', '.join(sorted({*ENGINES} - {*engines})) or 'none'}")
    with ExitStack() as stack:
        keep = options.keep or Path(stack.enter_context(TemporaryDirectory()))
        embedder = open_embedder(requested.spec)
        opened = (
            open_collection(folder, keep / folder.name, embedder, options.queries, requested) for folder in options.sets
        )
        collections = [stack.enter_context(each) for each in opened]
        for rows in (
            _ranking(collections, engines),
            _confidence(collections),
            _answers(collections),
            _costs(collections),
        ):
            print("\n" + "\n".join(_markdown(rows)), flush=True)


def _ranking(collections: Sequence[Collection], engines: Sequence[str]) -> Rows:
    """Return nDCG@10 of our modes, with 95 % intervals, of hybrid against the better route, and of other engines."""
    head = ["nDCG@10", *config.MODES, "hybrid - better route", *engines]
    return [head, *(_ranking_row(collection, engines) for collection in collections)]


def _ranking_row(collection: Collection, engines: Sequence[str]) -> list[str]:
    dataset = collection.dataset
    values, cells = {}, [collection.name]
    for mode in config.MODES:
        values[mode], seconds = _measured(collection, mode)
        scores = mode_scores(mode, values[mode], seconds)
        low, high = scores.intervals["ndcg_10"]
        cells.append(f"{scores.ndcg_10:.4f} ({low:.3f}-{high:.3f})")
    better = max(("vector", "keyword"), key=lambda mode: values[mode][:, 0].mean())
    gain = compare("hybrid", values["hybrid"], better, values[better])
    cells.append(f"{gain.ndcg_10:+.4f} ({better}, p {gain.p:.3f})")
    texts = _texts(collection)
    for engine in engines:
        documents = list(texts.values())
        search = PEERS[engine](documents, collection.language) if engine in PEERS else _dense(collection, documents)
        found = {key: _with_names(search(text, config.K), list(texts)) for key, text in dataset.queries.items()}
        cells.append(f"{measure_run(found, dataset.judgements)[:, 0].mean():.4f}")
    return cells


def _measured(collection: Collection, mode: str) -> tuple[Values, float]:
    """Return the measures of the collection's queries in a mode, and the seconds that the searches took."""
    dataset, name = collection.dataset, collection.document_id
    run, seconds = run_queries(collection.searcher, collection.embed, dataset, mode, Fusion(), name, config.K)
    return measure_run(run, dataset.judgements), seconds


def _texts(collection: Collection) -> dict[str, str]:
    """Return the texts that the other engines get, by document id."""
    documents = collection.dataset.documents
    if documents is not None:
        return {key: f"{document.title}\n\n{document.text}" for key, document in documents.items()}
    live = collection.snapshot.catalog.files(live=True)
    names = [collection.document_id(path) for path in live]
    return {name: extract(name, (collection.folder / name).read_bytes()).text for name in names}


def _dense(collection: Collection, texts: Sequence[str]) -> Search:
    """Build plain dense retrieval; the documents' vectors are kept beside the index."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_encoder(parse_model(None)).folder), device="cpu")
    kept = collection.work / "dense.npy"
    if not kept.exists():
        np.save(kept, model.encode(list(texts), normalize_embeddings=True))
    vectors = np.load(kept, allow_pickle=False)

    def search(query: str, k: int) -> Ranked:
        scores = vectors @ model.encode(query, normalize_embeddings=True)
        return [(row, float(scores[row])) for row in np.argsort(-scores, kind="stable")[:k].tolist()]

    return search


def _with_names(ranked: Ranked, documents: Sequence[str]) -> list[tuple[str, float]]:
    return [(documents[row], score) for row, score in ranked]


def _confidence(collections: Sequence[Collection]) -> Rows:
    """Return how well confidence tells relevant hits, foreign queries and hidden answers."""
    head = ["confidence", "hits: AUC", "hits: calibration error", "best hits, own and foreign: calibration error"]
    head += ["off-topic AUC: least (of queries)", "mean", "pairs at 0.98", "hidden-answer AUC"]
    return [head, *(_confidence_row(collection, collections) for collection in collections)]


def _confidence_row(collection: Collection, collections: Sequence[Collection]) -> list[str]:
    hits = measure_confidence(collection.searcher, collection.embed, collection.dataset, collection.document_id)
    if hits is None:
        return [collection.name, *["unknown"] * 7]
    own = best_confidences(collection, collection)
    others = [each for each in collections if each != collection and each.language == collection.language]
    foreign = {other.name: best_confidences(collection, other) for other in others}
    off_topic = {name: separation(own, values) for name, values in foreign.items()}
    cells = [_number(hits.auc), _number(hits.calibration_error)]
    cells.append(_number(calibration_of_best(collection, list(foreign.values())).calibration_error))
    if off_topic:
        worst = min(off_topic, key=lambda name: off_topic[name])
        areas = np.array(list(off_topic.values()))
        cells += [
            f"{off_topic[worst]:.3f} ({worst})",
            _number(areas.mean()),
            f"{(areas >= 0.98).sum()} of {len(areas)}",
        ]
    else:
        cells += ["-"] * 3
    return [collection.name, *cells, _number(separation(own, hidden_answers(collection)))]


def _answers(collections: Sequence[Collection]) -> Rows:
    """Return the shares of the answers that packed hits and shown sentences hold, where answers are marked."""
    rows = [["answers", *(f"characters in {words} words" for words in WORDS), "in the sentence shown"]]
    for collection in collections:
        scores = measure_answers(
            collection.searcher, collection.embed, collection.dataset, "hybrid", Fusion(), collection.document_id
        )
        if scores is not None:
            shares = share_in_packed_hits(collection)
            shown = f"{_number(scores.shown_first)} of {scores.found_first} right best hits"
            rows.append([collection.name, *(f"{share:.3f}" for share in shares), shown])
    return rows if len(rows) > 1 else [*rows, ["no collection has spans.jsonl", *["-"] * (len(WORDS) + 1)]]


def _costs(collections: Sequence[Collection]) -> Rows:
    head = ["cost", "documents", "chunks", "index, kB", "kB a chunk", "seconds to index", "CPU ms a hybrid query"]
    return [head, *(_cost_row(collection) for collection in collections)]


def _cost_row(collection: Collection) -> list[str]:
    live = collection.snapshot.catalog.files(live=True)
    chunks = sum(record.chunks for record in live.values())
    size = sum(path.stat().st_size for path in (collection.work / config.INDEX_DIR).rglob("*") if path.is_file())
    started = time.process_time()
    _measured(collection, "hybrid")
    seconds = time.process_time() - started
    cells = [len(live), chunks, size // 1000, f"{size / 1000 / max(chunks, 1):.2f}"]
    cells += [collection.indexing_seconds or "kept", f"{1000 * seconds / len(collection.dataset.queries):.1f}"]
    return [collection.name, *map(str, cells)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _markdown(rows: Rows) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if number == 0:
            yield "|" + "---|" * len(row)


if __name__ == "__main__":
    main()
