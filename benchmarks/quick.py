"""Measure `vsearch index --quick` beside a run without it, in turn, on documents of a collection in BEIR's layout.

Each run is a process of its own. Printed are its CPU seconds, and when all chunks had quick vectors and those of the
model. The static model is distilled beforehand, for which the time is printed, too.

`--quality` instead indexes the whole collection, and prints nDCG@10 by keywords, with the quick vectors, and with the
model's.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import cpu_seconds, describe
from vsearch_core import Index, Observer, config, open_index
from vsearch_core.embed.model_files import DISTILLED
from vsearch_core.embed.models import open_model
from vsearch_core.evaluate.corpus import prepare_corpus
from vsearch_core.evaluate.dataset import Dataset, load_dataset

READY = "queries use quick vectors"  # of the line that `vsearch index --quick` prints


def distil() -> None:
    """Print the CPU seconds in which a static model is distilled from the default model."""
    with TemporaryDirectory() as cache:
        folder = Path(cache)
        open_model(None, cache_dir=folder)
        taken = cpu_seconds(lambda: open_model(DISTILLED + config.MODEL, None, "static", folder))
    print(f"distilled from {config.MODEL} in {taken:.1f} s of CPU, once per machine")


def run(documents: Path, index: Path, *options: str) -> tuple[float, float, float | None]:
    """Index the documents. Return CPU seconds, seconds, and the seconds until all had quick vectors, if they did."""
    command = [str(Path(sys.executable).with_name("vsearch")), "index", str(documents), "--index", str(index), *options]
    before, started, ready = _children_seconds(), time.perf_counter(), None
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if READY in line:
                ready = time.perf_counter() - started
    assert process.returncode == 0, command
    return _children_seconds() - before, time.perf_counter() - started, ready


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(source: Path, count: int, rounds: int) -> None:
    """Print the times of runs with and without `--quick`, in turn, on the first `count` documents of a collection."""
    with TemporaryDirectory() as work:
        folder = Path(work)
        corpus = prepare_corpus(source, load_dataset(source), folder / "corpus")
        documents = folder / "documents"
        documents.mkdir()
        for path in islice(sorted(corpus.folder.rglob("*.txt")), count):
            (documents / path.name).write_bytes(path.read_bytes())
        plain, quick = [], []
        for number in range(rounds):
            plain.append(run(documents, folder / f"plain{number}"))
            quick.append(run(documents, folder / f"quick{number}", "--quick"))
    print(f"{count:,} documents, {rounds} runs each, medians:")
    print(f"  plain    {_medians([each[:2] for each in plain])}")
    print(f"  --quick  {_medians([each[:2] for each in quick])}")
    print(f"  quick vectors of all after {statistics.median(each[2] or 0 for each in quick):.1f} s")
    print(f"  CPU, --quick / plain: {statistics.median(q[0] / p[0] for q, p in zip(quick, plain, strict=True)):.3f}")


def _medians(runs: Sequence[tuple[float, float]]) -> str:
    cpu, wall = (statistics.median(values) for values in zip(*runs, strict=True))
    return f"{cpu:.1f} s of CPU, {wall:.1f} s in all"


def measure_quality(source: Path) -> None:
    """Print nDCG@10 by keywords, with quick vectors, and with the model's, on a whole collection."""
    dataset = load_dataset(source)
    with TemporaryDirectory() as work:
        corpus = prepare_corpus(source, dataset, Path(work) / "corpus")
        ready: list[str] = []

        def stop() -> bool:
            return len(ready) == 1

        observer = Observer(should_stop=stop, interim_ready=lambda model, *_: ready.append(model))
        with open_index(corpus.work / config.INDEX_DIR, create=True, observer=observer) as index:
            index.update([corpus.folder], exclude=corpus.exclude, quick=True)
            _print_scores(source, index, dataset, corpus.document_id, ("keyword", "vector", "hybrid"))
            ready.append("")
            index.update()
            _print_scores(source, index, dataset, corpus.document_id, ("vector", "hybrid"))


def _print_scores(source: Path, index: Index, dataset: Dataset, document_id: object, modes: Sequence[str]) -> None:
    report = index.evaluate(dataset, modes=modes, document_id=document_id)  # type: ignore[arg-type]
    scores = ", ".join(f"{each.mode} {each.ndcg_10:.4f}" for each in report.modes)
    print(f"{source.name}, {index.fingerprint.model}: {scores}", flush=True)


def main() -> None:
    """Print the measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="collections in BEIR's layout")
    parser.add_argument("--documents", type=int, default=1000, help="the number of documents to index in turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quality", action="store_true", help="measure nDCG@10 instead of times")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(describe())
    for folder in options.folders:
        if options.quality:
            measure_quality(folder)
        else:
            distil()
            compare(folder, options.documents, options.rounds)


if __name__ == "__main__":
    main()
