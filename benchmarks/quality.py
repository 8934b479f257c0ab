"""Compare nDCG@10 of our three modes with other keyword engines and with plain dense retrieval.

All get the same documents, title and text. For our modes they are files that are cut, embedded and indexed like any
folder. Dense retrieval is sentence-transformers with our default model: one vector a document, truncated. Engines that
can't be imported are left out.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.lexical_peers import PEERS, Ranked, Search, language_of
from benchmarks.machine import describe
from vsearch_core import config
from vsearch_core.embed.model_files import find_encoder, parse_model
from vsearch_core.embed.open import open_embedder
from vsearch_core.evaluate.corpus import indexed_corpus
from vsearch_core.evaluate.dataset import Dataset, load_dataset
from vsearch_core.evaluate.run import DEPTH, embed_dataset, measure_run, run_queries
from vsearch_core.evaluate.significance import p_value
from vsearch_core.evaluate.trec import Run
from vsearch_core.index.settings import IndexOptions
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.local import LocalSearcher
from vsearch_core.text.extract.registry import extract

DENSE = "sentence-transformers"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+", help="folders in BEIR layout")
    parser.add_argument("--keep", type=Path, help="folder that keeps the indexes: the next run embeds nothing")
    parser.add_argument("--without", action="append", default=[], help="an engine to leave out")
    options = parser.parse_args()
    print(describe())
    found: dict[str, dict[str, np.ndarray]] = {}
    for folder in options.sets:
        dataset = load_dataset(folder)
        runs = _runs(folder, dataset, options.keep, options.without)
        found[folder.name] = {name: measure_run(run, dataset.judgements)[:, 0] for name, run in runs.items()}
        means = ", ".join(f"{name} {values.mean():.4f}" for name, values in found[folder.name].items())
        print(f"{folder.name}: {means}", flush=True)
    print("\n".join(_table(found)))


def _runs(folder: Path, dataset: Dataset, keep: Path | None, without: Sequence[str]) -> dict[str, Run]:
    """Return each engine's run."""
    runs: dict[str, Run] = {}
    with ExitStack() as stack:
        work = keep / folder.name if keep else Path(stack.enter_context(TemporaryDirectory()))
        embedder = open_embedder(IndexOptions().spec)
        snapshot, name = stack.enter_context(indexed_corpus(folder, dataset, work, IndexOptions(), lambda _: embedder))
        searcher, embed = LocalSearcher(snapshot), embed_dataset(dataset, embedder)
        for mode in config.MODES:
            runs[mode], _ = run_queries(searcher, embed, dataset, mode, Fusion(), name)
        texts = _texts(folder, dataset, [name(path) for path in snapshot.catalog.files(live=True)])
    peers: Mapping[str, Callable[[Sequence[str], str], Search]] = {**PEERS, DENSE: _dense}
    for peer, build in peers.items():
        if peer not in without and find_spec(peer.replace("-", "_")):
            search = build(list(texts.values()), language_of(list(texts.values())))
            runs[peer] = {key: _with_names(search(text, DEPTH), list(texts)) for key, text in dataset.queries.items()}
    return runs


def _texts(folder: Path, dataset: Dataset, documents: Sequence[str]) -> dict[str, str]:
    """Return the texts that the peers get, by document id."""
    if dataset.documents is None:
        return {document: extract(document, (folder / document).read_bytes()).text for document in documents}
    return {key: f"{document.title}\n\n{document.text}" for key, document in dataset.documents.items()}


def _dense(texts: Sequence[str], _language: str) -> Search:
    """Build plain dense retrieval."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_encoder(parse_model(None)).folder), device="cpu")
    vectors = model.encode(list(texts), normalize_embeddings=True)

    def search(query: str, k: int) -> Ranked:
        scores = vectors @ model.encode(query, normalize_embeddings=True)
        return [(row, float(scores[row])) for row in np.argsort(-scores, kind="stable")[:k].tolist()]

    return search


def _with_names(ranked: Ranked, documents: Sequence[str]) -> list[tuple[str, float]]:
    return [(documents[row], score) for row, score in ranked]


def _table(found: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    """Format a Markdown table: engines by collections, and hybrid against the best of the others."""
    engines = list(dict.fromkeys(engine for values in found.values() for engine in values))
    lines = [f"| nDCG@10 | {' | '.join(found)} | mean |", f"|---|{'---|' * (len(found) + 1)}"]
    for engine in engines:
        means = [values[engine].mean() if engine in values else np.nan for values in found.values()]
        lines.append(f"| {engine} | {' | '.join(f'{mean:.4f}' for mean in (*means, np.mean(means)))} |")
    differences = []
    for values in found.values():
        best = max((engine for engine in values if engine != "hybrid"), key=lambda engine: values[engine].mean())
        gain = values["hybrid"] - values[best]
        differences.append(f"{gain.mean():+.4f} (p {p_value(gain):.3f})")
    lines.append(f"| hybrid − best other | {' | '.join(differences)} | |")
    return lines


if __name__ == "__main__":
    main()
