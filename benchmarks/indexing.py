"""Indexing speed: the whole of `vsearch index` beside sentence-transformers' torch default embedding the same chunks.

Both run in this process, warm, in turn. Ours extracts, cuts, embeds, analyzes, writes and commits; the peer only embeds
(its default: fp32, batches of 32), from chunks that are already in memory. The peer reads the first 256 tokens of a
chunk and drops the rest, so the comparison that counts has chunks of at most 256 tokens, where both read the same text;
the second has chunks of the default size, where ours reads all of a chunk and the peer not half of it.

`--beir DIR` compares the vectors' nDCG@10 on a judged set as well.
"""

import argparse
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe, seconds
from vsearch_core.embed.base import Embedder
from vsearch_core.embed.open import open_embedder
from vsearch_core.embed.weights import package_folder
from vsearch_core.evaluate.dataset import Dataset, load
from vsearch_core.evaluate.metrics import ndcg
from vsearch_core.index.settings import Requested
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import Summary, update_index
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.discover import DiscoverOptions, SourceFile, discover
from vsearch_core.text.extract.registry import extract

SAMPLE = Path(__file__).parent.parent / "sample_corpus"
WORDS = {"chunks of at most 256 tokens": 150, "chunks of the default size": 500}
MAX_CHUNKS = 400


def chunk_texts(folder: Path, words: int) -> list[str]:
    """What the folder's English text is cut into; CJK and Cyrillic take far more tokens a word."""
    texts = []
    for item in discover([folder], DiscoverOptions()):
        if isinstance(item, SourceFile):
            document = extract(item.path.name, item.path.read_bytes())
            texts += [chunk.text for chunk in split(document, ChunkOptions(words, words // 10))]
    return [text for text in texts if text.isascii()][:MAX_CHUNKS]


def run_ours(folder: Path, words: int, embedder: Embedder) -> Summary:
    """A first `vsearch index` of the folder."""
    with TemporaryDirectory() as work:
        requested = Requested(chunk_words=words)
        return update_index(
            Path(work) / ".vsearch", [Source(folder, DiscoverOptions())], requested, lambda *_: embedder
        )


def compare(texts: Sequence[str], words: int, embedder: Embedder, peer: Any, rounds: int) -> None:
    """Print one comparison. Every chunk becomes a file, so that both sides have the very same chunks."""
    with TemporaryDirectory() as name:
        for number, text in enumerate(texts):
            Path(name, f"{number:05d}.txt").write_text(text, encoding="utf-8")
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(len(texts) / seconds(lambda: peer.encode(texts)))
            summary = run_ours(Path(name), words, embedder)
            ours.append(summary.chunks / summary.seconds)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    rates = f"vsearch index {statistics.median(ours):.1f}, sentence-transformers {statistics.median(theirs):.1f}"
    print(f"  chunks/s: {rates}; ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")


def quality(dataset: Dataset, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> float:
    """Mean nDCG@10 of the documents ranked by dot product."""
    numbers = list(dataset.documents or {})
    scores = []
    for relevant, query in zip(dataset.judgements.values(), queries, strict=True):
        ranking = [numbers[row] for row in np.argsort(-(vectors @ query), kind="stable")[:10]]
        scores.append(ndcg(ranking, relevant, 10))
    return statistics.fmean(scores)


def compare_quality(folder: Path, embedder: Embedder, peer: Any) -> None:
    """Print both models' nDCG@10 on a judged set, one vector a document."""
    from vsearch_core.embed.base import embed_all

    dataset = load(folder)
    texts = [f"{passage.title} {passage.text}".strip() for passage in (dataset.documents or {}).values()]
    asked = list(dataset.queries.values())
    ours = quality(dataset, embed_all(embedder, texts), embedder.embed_queries(asked))
    theirs = quality(dataset, *(peer.encode(some, normalize_embeddings=True) for some in (texts, asked)))
    print(f"{folder.name}: nDCG@10 by vectors alone: vsearch {ours:.4f}, sentence-transformers {theirs:.4f}")


def main() -> None:
    """Print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=SAMPLE, help="where the text comes from")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beir", type=Path, help="a judged set in BEIR layout")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(package_folder()), device="cpu")
    embedder = open_embedder("local")
    print(describe())
    for name, words in WORDS.items():
        texts = chunk_texts(options.folder, words)
        print(f"{len(texts)} {name}, {statistics.fmean(len(text.split()) for text in texts):.0f} words on average")
        peer.encode(texts[:32])
        embedder.embed_queries(texts[:1])
        compare(texts, words, embedder, peer, options.rounds)
    if options.beir:
        compare_quality(options.beir, embedder, peer)


if __name__ == "__main__":
    main()
