"""Measure how fast `vsearch index` reads and cuts small files, and what bounds a whole run.

    python -m benchmarks.reading [--files 10000] [--kind txt|md|html]

Measured in turn: one process; the workers; the workers and staging in a catalog; then whole runs of `vsearch index`
with the static embedder (random vectors of the usual size) and the local one. Of a whole run, the shares of embedding,
of waiting for workers and of the rest (staging, keywords, commits) are printed.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.indexing import static_model
from benchmarks.machine import describe
from vsearch_core.embed.base import Embedder
from vsearch_core.embed.open import open_embedder
from vsearch_core.index.limits import DEFAULT_LIMITS
from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions, new_settings
from vsearch_core.index.sources import Source, WalkOptions
from vsearch_core.index.writer import scan, update_index
from vsearch_core.model import EmbedderSpec
from vsearch_core.store.catalog import Catalog
from vsearch_core.text import reading
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.discover import DiscoverOptions, SourceFile, discover
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.files import FileToRead, Reader
from vsearch_core.text.workers import WorkerPool

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "xo", "zu")


def generate(folder: Path, count: int, kind: str) -> None:
    """Write files of 1 to 2 kB of made-up sentences, a hundred in a folder; the same in every run."""
    chance = random.Random(0)
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(20_000)]
    for number in range(count):
        path = folder / f"{number // 100:03d}" / f"{number:05d}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        length, text = chance.randint(1000, 2000), ""
        while len(text) < length:
            sentence = " ".join(chance.choices(words, k=chance.randint(5, 20))).capitalize() + ". "
            text += sentence if len(text) % 5 else sentence + "\n\n"
        path.write_text(f"<p>{text}</p>" if kind == "html" else text, encoding="utf-8")


def count_read(reader: Reader) -> int:
    """Read all files and return their number."""
    count = 0
    with closing(reader):
        while outcomes := reader.take(DEFAULT_LIMITS.files_per_transaction):
            count += len(outcomes)
    return count


def count_staged(folder: Path, work: Path, embedder: Embedder) -> int:
    """Stage all files in a new catalog and return their number."""
    index, sources = work / ".vsearch", [Source(folder, DiscoverOptions())]
    index.mkdir()
    settings = new_settings(IndexOptions(), embedder.fingerprint)
    with closing(Catalog.create(index, settings.to_catalog())) as catalog:
        changes = scan(
            index,
            catalog,
            settings,
            sources,
            Observer(),
            ExtractOptions(),
            DEFAULT_LIMITS,
            walk=WalkOptions(),
            retry=False,
        )
        with closing(changes.stager):
            changes.stager.stage_all()
        return len(catalog.files(live=False))


class Stopwatch:
    """Sums the seconds spent inside a function and, if it returns an iterator, inside the iterator."""

    seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, with its time added to `seconds`."""

        def call(*arguments: Any) -> Any:
            begun = time.perf_counter()
            result = function(*arguments)
            self.seconds += time.perf_counter() - begun
            return self._steps(result) if isinstance(result, Iterator) else result

        return call

    def _steps(self, values: Iterator[Any]) -> Iterator[Any]:
        step = self.timed(lambda: next(values, None))
        while (value := step()) is not None:
            yield value


def profile(name: str, folder: Path, embedder: Embedder) -> None:
    """Print the shares of time of a first `vsearch index`."""
    embedding, waiting = Stopwatch(), Stopwatch()
    original, take = embedder.embed_documents, WorkerPool.take
    embedder.embed_documents = embedding.timed(original)  # type: ignore[method-assign]
    WorkerPool.take = waiting.timed(take)  # type: ignore[method-assign]
    try:
        with TemporaryDirectory() as work:
            summary = update_index(
                Path(work) / ".vsearch", [Source(folder, DiscoverOptions())], IndexOptions(), lambda _: embedder
            )
    finally:
        embedder.embed_documents, WorkerPool.take = original, take  # type: ignore[method-assign]
    total = summary.seconds
    rest = total - embedding.seconds - waiting.seconds
    shares = f"embedding {embedding.seconds / total:.0%}, waiting for workers {waiting.seconds / total:.0%}"
    print(f"index with {name}: {summary.files:,} files in {total:.1f} s; {shares}, the rest {rest / total:.0%}")


def _files(folder: Path) -> Sequence[FileToRead]:
    found = discover([folder], DiscoverOptions())
    return [FileToRead(str(each.path), each.size) for each in found if isinstance(each, SourceFile)]


def main() -> None:
    """Print the rates and the profiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--kind", choices=("txt", "md", "html"), default="txt")
    parser.add_argument("--local", type=int, default=1000, help="number of files that the local model embeds")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(describe())
    with TemporaryDirectory() as name:
        folder, few = Path(name) / "many", Path(name) / "few"
        generate(folder, options.files, options.kind)
        generate(few, options.local, options.kind)
        static = open_embedder(EmbedderSpec("static", str(static_model(Path(name)))))
        files = _files(folder)
        ways: dict[str, Callable[[], int]] = {
            "one process": lambda: count_read(reading.InProcessReader(files, ChunkOptions(), DEFAULTS, lambda: False)),
            "workers": lambda: count_read(reading.open_reader(files, ChunkOptions(), DEFAULTS, lambda: False)),
            "workers, staged": lambda: _in_new_folder(folder, static),
        }
        for _ in range(options.rounds):
            rates = {}
            for who, act in ways.items():
                begun = time.perf_counter()
                assert act() == len(files)
                rates[who] = len(files) / (time.perf_counter() - begun)
            print("files a second: " + ", ".join(f"{who} {rate:,.0f}" for who, rate in rates.items()), flush=True)
        profile("static", folder, static)
        local = open_embedder(EmbedderSpec("local"))
        local.embed_queries(["warm"])
        profile("local", few, local)


def _in_new_folder(folder: Path, embedder: Embedder) -> int:
    with TemporaryDirectory() as work:
        return count_staged(folder, Path(work), embedder)


if __name__ == "__main__":
    main()
