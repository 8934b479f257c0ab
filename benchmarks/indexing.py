"""Compare the whole of `vsearch index` with sentence-transformers' torch default, which only embeds the same chunks.

All run in this process, warm, in turn: `vsearch index` with each local embedder, and the peer. Ours extracts, cuts,
embeds, analyzes, writes and commits. The peer embeds chunks that are in memory (its default: fp32, batches of 32). The
static model has random vectors, on which its speed does not depend.

The peer reads the first 256 tokens of a chunk and drops the rest. The fair comparisons are therefore chunks of at most
256 tokens, and chunks of the default size with the peer given all of their text in pieces. The third gives the peer the
chunks of the default size, of which it reads less than half.

`--engines` instead compares the two ways to run the local model, by CPU time: kernels and ONNX Runtime. It also prints
which share of the CPU's 8-bit products each uses.

`--beir DIR` also compares the vectors' nDCG@10 on a collection.

`--files N` only measures how soon some of N files of 1 to 20 kB are found by keywords, how many a second are, how long
a run without changes takes, and the memory of all processes together. With `--discover-only`, it measures how long N
tiny files take to be found and compared with an empty index, and the memory that their list takes.
"""

import argparse
import json
import os
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

import vsearch_core
from benchmarks.machine import PeakMemory, PeakOfProcesses, cpu_seconds, describe, seconds, spread
from benchmarks.plot import bars
from benchmarks.startup import RandomEmbedder
from vsearch_core import Observer, Progress, config
from vsearch_core.embed.base import Embedder, embed_all
from vsearch_core.embed.local import LocalEmbedder
from vsearch_core.embed.model_files import package_folder
from vsearch_core.embed.models import open_model
from vsearch_core.embed.open import open_embedder
from vsearch_core.evaluate.dataset import Dataset, load_dataset
from vsearch_core.evaluate.metrics import ndcg
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sources import KnownFiles, Source, SourceSelection, make_plan
from vsearch_core.index.writer import UpdateSummary, update_index
from vsearch_core.model import Document, EmbedderSpec, Span
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.tables import CATALOG_FILE
from vsearch_core.text.chunk import ChunkOptions, count_words, split
from vsearch_core.text.discover import DiscoverOptions, SourceFile, discover
from vsearch_core.text.extract.registry import extract

SAMPLE = Path(__file__).parent.parent / "sample_corpus"
PIECE_WORDS = 150  # at most 180 by the chunker's limit: 256 tokens of English
MAX_CHUNKS = 400
PEER = "sentence-transformers"


def chunk_texts(folder: Path, words: int) -> list[str]:
    """Return the chunks of the folder's text in Latin letters (other scripts take far more tokens a word)."""
    texts = []
    for item in discover([folder], DiscoverOptions()):
        if isinstance(item, SourceFile):
            texts += _cut(extract(item.path.name, item.path.read_bytes()), words, words // 10)
    return [text for text in texts if len(text.encode()) < 1.05 * len(text)][:MAX_CHUNKS]


def pieces(texts: Sequence[str]) -> list[str]:
    """Return the same text in pieces that the peer reads completely."""
    return [
        piece for text in texts for piece in _cut(Document(text, (Span(0, len(text)),)), PIECE_WORDS, PIECE_WORDS // 10)
    ]


def _cut(document: Document, words: int, overlap: int) -> list[str]:
    return [chunk.text for chunk in split(document, ChunkOptions(words, overlap))]


def run_ours(folder: Path, words: int, embedder: Embedder) -> UpdateSummary:
    """Index the folder into a new index, as `vsearch index` does."""
    with TemporaryDirectory() as work:
        options = IndexOptions(chunk_words=words)
        return update_index(Path(work) / ".vsearch", [Source(folder, DiscoverOptions())], options, lambda *_: embedder)


def static_model(folder: Path) -> Path:
    """Write a Model2Vec model of the usual size into the folder: the default model's vocabulary, 256 dimensions."""
    from safetensors.numpy import save_file

    package = package_folder()
    assert package is not None
    shutil.copyfile(package / "tokenizer.json", folder / "tokenizer.json")
    tokens = len(json.loads((package / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])
    vectors = np.random.default_rng(0).standard_normal((tokens, 256)).astype(np.float32)
    save_file({"embeddings": vectors}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "model2vec"}', encoding="utf-8")
    return folder


def compare(
    name: str, texts: Sequence[str], given: Sequence[str], ours_by: Mapping[str, Embedder], peer: Any, rounds: int
) -> dict[str, float]:
    """Print one comparison and return its median rates in chunks a second.

    Every chunk is a file, so both sides have the same chunks. `given` is the text that the peer embeds for them.
    """
    words = max(20, *(count_words(text) for text in texts))
    with TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            Path(folder, f"{number:05d}.txt").write_text(text, encoding="utf-8")
        measured: dict[str, list[float]] = {who: [] for who in (PEER, *ours_by)}
        for _ in range(rounds):
            measured[PEER].append(len(texts) / seconds(lambda: peer.encode(given)))
            for who, embedder in ours_by.items():
                summary = run_ours(Path(folder), words, embedder)
                measured[who].append(summary.chunks / summary.seconds)
    for who, rates in measured.items():
        ratios = [ours / theirs for ours, theirs in zip(rates, measured[PEER], strict=True)]
        shown = f"; {spread(ratios)} times the peer" if who != PEER else ""
        print(f"{len(texts)} {name}, a second: {who} {statistics.median(rates):.1f}{shown}", flush=True)
    return {who: statistics.median(rates) for who, rates in measured.items()}


def compare_alone(texts: Sequence[str], ours_by: Mapping[str, Embedder], rounds: int) -> None:
    """Print the speed of each embedder alone."""
    for who, embedder in ours_by.items():
        rates = [len(texts) / seconds(partial(embed_all, embedder, texts)) for _ in range(rounds)]
        print(f"{len(texts)} chunks of at most 256 tokens, embedded only, a second: {who} {spread(rates)}", flush=True)


def peak_products() -> float:
    """Return the 8-bit products that a core computes a second, in billions, for one block that stays in its cache."""
    from vsearch_core.kernels.encoder import multiply
    from vsearch_core.kernels.encoder_steps import (
        BLOCK,
        HAS_TILES,
        configure_tiles,
        release_tiles,
        tile_shapes,
        tiles_allowed,
    )
    from vsearch_core.kernels.jit import numba

    depth, times = 384, 20_000

    @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
    def repeat(tiles: bool, shapes: int, a: int, b: int, c: int, count: int) -> None:
        if HAS_TILES and tiles:
            configure_tiles(shapes)
        for _ in range(count):
            multiply(tiles, a, depth, BLOCK, b, depth, c, BLOCK)
        if HAS_TILES and tiles:
            release_tiles()

    arrays = tile_shapes(64), *(np.zeros(BLOCK * depth, kind) for kind in (np.uint8, np.int8, np.int32))
    places, tiles = [array.ctypes.data for array in arrays], tiles_allowed()
    repeat(tiles, *places, 1)
    fastest = min(cpu_seconds(lambda: repeat(tiles, *places, times)) for _ in range(5))
    return BLOCK * BLOCK * depth * times / fastest / 1e9


def products(embedder: LocalEmbedder, texts: Sequence[str]) -> float:
    """Return the products that the default model needs for the texts, in billions."""
    layers, hidden, inner = 6, 384, 1536
    lengths = np.array([window.shape[1] for text in texts for window in embedder.windows(text)])
    return float(layers * (lengths * (4 * hidden**2 + 2 * hidden * inner) + 2 * hidden * lengths**2).sum() / 1e9)


def compare_engines(texts: Sequence[str], rounds: int) -> None:
    """Print the speed of the local embedder with kernels and with ONNX Runtime, in turn, and the share of the peak."""
    model = open_model(None)
    runs = {after: LocalEmbedder(model, "int8", compile_after=after) for after in (None, 0)}
    times: dict[int | None, list[float]] = {after: [] for after in runs}
    for embedder in runs.values():
        embed_all(embedder, texts[:8])
    for _ in range(rounds):
        for after, embedder in runs.items():
            times[after].append(cpu_seconds(partial(embed_all, embedder, texts)))
    ratios = [old / new for old, new in zip(times[None], times[0], strict=True)]
    peak, work = peak_products(), products(runs[0], texts)
    rates = {after: work / statistics.median(each) for after, each in times.items()}
    print(
        f"{len(texts)} chunks, a second of CPU: ONNX Runtime {len(texts) / statistics.median(times[None]):.1f}, "
        f"kernels {len(texts) / statistics.median(times[0]):.1f}, {spread(ratios)} times; billions of products: "
        f"{rates[None]:.0f} and {rates[0]:.0f} of {peak:.0f}, {rates[None] / peak:.0%} and {rates[0] / peak:.0%}",
        flush=True,
    )


def quality(dataset: Dataset, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> float:
    """Return the mean nDCG@10 of the documents ranked by dot product."""
    numbers = list(dataset.documents or {})
    scores = []
    for relevant, query in zip(dataset.judgements.values(), queries, strict=True):
        ranking = [numbers[row] for row in np.argsort(-(vectors @ query), kind="stable")[:10]]
        scores.append(ndcg(ranking, relevant, 10))
    return statistics.fmean(scores)


def compare_quality(folder: Path, embedder: Embedder, peer: Any) -> None:
    """Print nDCG@10 of both models on a collection, one vector a document."""
    dataset = load_dataset(folder)
    texts = [f"{document.title} {document.text}".strip() for document in (dataset.documents or {}).values()]
    queries = list(dataset.queries.values())
    ours = quality(dataset, embed_all(embedder, texts), embedder.embed_queries(queries))
    theirs = quality(dataset, *(peer.encode(some, normalize_embeddings=True) for some in (texts, queries)))
    print(f"{folder.name}: nDCG@10 by vectors alone: vsearch {ours:.4f}, sentence-transformers {theirs:.4f}")


def write_files(folder: Path, count: int) -> None:
    """Write texts of 1 to 20 kB, made of sentences of the sample corpus; the logarithms of sizes are spread evenly."""
    random = np.random.default_rng(0)
    sentences = [part for text in chunk_texts(SAMPLE, config.CHUNK_WORDS) for part in text.split(". ") if part]
    for number, size in enumerate(np.exp(random.uniform(np.log(1000), np.log(20_000), count))):
        text = f"Note {number}.\n\n"
        while len(text) < size:
            text += sentences[random.integers(len(sentences))] + ". "
        place = folder / f"{number // 1000:03d}"
        place.mkdir(exist_ok=True)
        (place / f"{number:06d}.txt").write_text(text, encoding="utf-8")


def measure_keywords(count: int) -> None:
    """Print how long it takes until some and until all of `count` files are found by keywords, and a run without news.

    Times are those of the library in this process. Vectors are random, so that those of all files take little time.
    """
    fingerprint = open_embedder(EmbedderSpec("local")).fingerprint
    with TemporaryDirectory() as work:
        folder = Path(work, "docs")
        folder.mkdir()
        write_files(folder, count)
        answers: list[float] = []
        found: list[float] = []
        memory = PeakOfProcesses()
        peak_of_keywords: list[int] = []
        index, started = Path(work, ".vsearch"), time.perf_counter()

        def progress(now: Progress) -> None:
            if not answers and (index / CATALOG_FILE).exists():
                with closing(Catalog.open_to_read(index)) as catalog:
                    answers.extend([time.perf_counter() - started] if catalog.generation else [])
            if now.stage == "embedding" and not found:
                found.append(time.perf_counter() - started)
                peak_of_keywords.append(memory.peak)

        observer = Observer(progress=progress)
        opened = vsearch_core.open_index(
            work, create=True, ann="flat", observer=observer, open_embedder=lambda _: RandomEmbedder(fingerprint)
        )
        with opened, memory:
            opened.update([folder])
            unchanged = seconds(opened.update)
        print(
            f"{count:,} files of 1-20 kB: first answers {min(answers + found):.1f} s; all by keywords {found[0]:.1f} s,"
            f" {count / found[0]:.0f} files a second; a run without changes {unchanged:.1f} s; peak memory (PSS of all"
            f" processes) {peak_of_keywords[0] / 1e6:.0f} MB, with random vectors {memory.peak / 1e6:.0f} MB"
        )


def measure_discovery(count: int) -> None:
    """Print how long it takes to find `count` files, 1,000 a folder, and to plan their reading; and the memory."""
    with TemporaryDirectory() as work:
        folder = Path(work, "docs")
        for number in range(count):
            if number % 1000 == 0:
                place = folder / f"{number // 1000:06d}"
                place.mkdir(parents=True)
            (place / f"{number % 1000:03d}.txt").write_text(f"Note {number}.\n", encoding="ascii")
        selection = SourceSelection((Source(folder, DiscoverOptions()),), (), ())
        with PeakMemory() as memory:
            started = time.perf_counter(), time.process_time()
            plan = make_plan(Path(work, ".vsearch"), selection, KnownFiles({}, {}, {}, (), {}))
            wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
        print(
            f"{len(plan.changed):,} files found and planned in {wall:.1f} s, {cpu:.1f} s of CPU;"
            f" {memory.added / 1e6:.0f} MB of memory"
        )


def main() -> None:
    """Print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=SAMPLE, help="the folder with the text")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plot", type=Path, help="write an SVG there")
    parser.add_argument("--beir", type=Path, help="a collection in BEIR's layout")
    parser.add_argument("--engines", action="store_true", help="compare kernels and ONNX Runtime only")
    parser.add_argument("--files", type=int, help="only measure how fast that many files are found by keywords")
    parser.add_argument("--discover-only", action="store_true", help="with --files: only find them")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    if options.discover_only and not options.files:
        parser.error("--discover-only needs --files")
    if options.files:
        print(describe())
        (measure_discovery if options.discover_only else measure_keywords)(options.files)
        return
    if options.engines:
        print(describe())
        for words in (50, PIECE_WORDS, config.CHUNK_WORDS):
            compare_engines(chunk_texts(options.folder, words), options.rounds)
        return
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(package_folder()), device="cpu")
    print(describe())
    short, full = chunk_texts(options.folder, PIECE_WORDS), chunk_texts(options.folder, config.CHUNK_WORDS)
    peer.encode(short[:32])
    cases = (
        ("chunks of at most 256 tokens", short, short),
        ("chunks of 500 words, the peer given all", full, pieces(full)),
        ("chunks of 500 words, cut by the peer", full, full),
    )
    with TemporaryDirectory() as folder:
        static = static_model(Path(folder))
        ours_by = {
            "vsearch index": open_embedder(EmbedderSpec("local")),
            "--embedder static": open_embedder(EmbedderSpec("static", str(static))),
            "--embedder sentence-transformers": open_embedder(EmbedderSpec(PEER), device="cpu"),
        }
        for embedder in ours_by.values():
            embedder.embed_queries(short[:1])
        compare_alone(short, ours_by, options.rounds)
        rates = {name: compare(name, texts, given, ours_by, peer, options.rounds) for name, texts, given in cases}
    if options.plot:
        bars(options.plot, "Indexing", "chunks a second (median)", rates)
    if options.beir:
        compare_quality(options.beir, ours_by["vsearch index"], peer)


if __name__ == "__main__":
    main()
