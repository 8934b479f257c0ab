"""Measure repeated `vsearch index` processes: nothing changed, one file edited, a folder renamed.

The files are made up, short, one chunk each; the model is the default one. `--compact` instead measures the time and
memory of merging large segments.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import PeakMemory, describe, seconds, spread

WORDS = [a + b for a in ("bar", "del", "gim", "kor", "lun", "mel") for b in ("a", "en", "is", "ot", "um")]
WORDS_A_ROW = 120
VOCABULARY = 60_000
SETTLING_SECONDS = 2.5  # a file younger than that is read again, since its times may not show an edit


def write_files(folder: Path, count: int) -> None:
    """Write files of a sentence, a hundred in a folder."""
    chance = random.Random(1)
    for number in range(count):
        path = folder / f"{number // 100:03d}" / f"{number:05d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number}: {' '.join(chance.choices(WORDS, k=12))}.\n", encoding="utf-8")


def run(root: Path, *arguments: str) -> tuple[float, dict[str, int]]:
    """Run `vsearch index --json`; return the seconds of the whole process and its summary."""
    vsearch = str(Path(sys.executable).with_name("vsearch"))
    started = time.perf_counter()
    done = subprocess.run([vsearch, "index", "--json", *arguments], cwd=root, check=True, capture_output=True)
    return time.perf_counter() - started, json.loads(done.stdout)


def repeat(name: str, root: Path, rounds: int, change: Callable[[int], object], **expected: int) -> None:
    """Make a change and run, `rounds` times; print the times. Exit if a summary differs from `expected`."""
    times = []
    for number in range(rounds):
        change(number)
        elapsed, summary = run(root)
        if any(summary[key] != value for key, value in expected.items()):
            raise SystemExit(f"{name}: {summary} is not {expected}")
        times.append(elapsed)
    print(f"  {name:<28} {spread(times)} s", flush=True)


def measure_updates(files: int, rounds: int) -> None:
    """Print the table of whole processes."""
    with TemporaryDirectory() as name:
        root, docs = Path(name), Path(name) / "docs"
        write_files(docs, files)
        time.sleep(SETTLING_SECONDS)
        elapsed, summary = run(root, "docs")
        print(
            f"{files:,} files of one short chunk: first run {elapsed:.1f} s ({summary['embedded']:,} embedded)",
            flush=True,
        )
        first = docs / "000" / "00000.txt"

        def edit(number: int) -> None:
            first.write_text(f"Edition {number}.\n", encoding="utf-8")

        def move(number: int) -> None:
            (docs / f"{number}").mkdir()
            paths = sorted(docs.glob("001/*") if number == 0 else docs.glob(f"{number - 1}/*"))
            for path in paths:
                path.rename(docs / f"{number}" / path.name)

        repeat("nothing changed", root, rounds, lambda _: None, embedded=0, unchanged=files)
        repeat("one file edited", root, rounds, edit, embedded=1, changed=1)
        repeat("a folder of 100 renamed", root, rounds, move, embedded=0, moved=100)


def make_segments(index: Path, segments: int, rows: int, dimension: int) -> None:
    """Commit segments of random vectors and terms to a new index."""
    import numpy as np

    from vsearch_core.lexical.postings import build
    from vsearch_core.lexical.row_terms import RowTerms
    from vsearch_core.store.catalog import Catalog
    from vsearch_core.store.segment import write_segment

    chance = np.random.default_rng(2)
    with closing(Catalog.create(index, {})) as catalog:
        for number in range(segments):
            terms = chance.zipf(1.3, (rows, WORDS_A_ROW)) % VOCABULARY
            ids = np.arange(number * rows, (number + 1) * rows)
            vectors = chance.integers(-32767, 32767, (rows, dimension), np.int16)
            postings = build(RowTerms.of(f"w{term}" for term in row) for row in terms.tolist())
            arrays = {"vectors": vectors, "chunk_ids": ids, "file_ids": ids, **postings.arrays()}
            written = write_segment(index, arrays, {})
            with catalog.transaction():
                catalog.add_segment(written[0], rows, written[1])


def measure_compaction(segments: int, rows: int, dimension: int) -> None:
    """Print the time and peak memory of merging segments of `rows` rows each."""
    from vsearch_core.index.compaction import merge_segments
    from vsearch_core.store.catalog import Catalog

    with TemporaryDirectory() as name:
        index = Path(name)
        maker = get_context("spawn").Process(target=make_segments, args=(index, segments, rows, dimension))
        maker.start()  # in another process: its memory must not count
        maker.join()
        with closing(Catalog.open_to_write(index)) as catalog:
            records = catalog.segments()
            parts = Counter[str]()
            for record in records:
                for key, entry in record.manifest.items():
                    parts["vectors" if key == "vectors" else "the rest"] += entry.bytes
            with PeakMemory() as peak:
                elapsed = seconds(lambda: merge_segments(catalog, records))
    sizes = ", ".join(f"{part} {size / 1e6:.0f} MB" for part, size in parts.items())
    print(f"{segments} segments of {rows:,} rows ({sizes}) merged in {elapsed:.1f} s")
    print(f"  with {peak.added / 1e6:.0f} MB of memory, mapped files not counted")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compact", action="store_true", help="measure merging instead")
    options = parser.parse_args()
    print(describe())
    if options.compact:
        measure_compaction(8, 30_000, 384)
    else:
        measure_updates(options.files, options.rounds)


if __name__ == "__main__":
    main()
