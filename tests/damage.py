"""An index, ways to damage it, and the results of `query` and `check` on it; also run in worker processes."""

import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from support import WordEmbedder, make_index

from vsearch_core import config
from vsearch_core.errors import VsearchError
from vsearch_core.index.check import check_index
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.search.filters import Filters
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.segment import SEGMENTS_DIR
from vsearch_core.store.tables import CATALOG_FILE, TABLES

LOG = f"{CATALOG_FILE}-wal"
WORDS = (
    *("pump", "valve", "engine", "retry", "error", "network", "index", "search"),
    *("river", "seed", "library", "loaf", "bread", "oven", "tool", "drill"),
)
QUERIES = (
    SearchRequest("pump valve engine", 5, "keyword", ef_search=config.EF),
    SearchRequest("retry error network", 5, "vector", ef_search=config.EF),
    SearchRequest("bread oven loaf", 5, "hybrid", ef_search=config.EF),
    SearchRequest(
        "river library", 5, "hybrid", filters=Filters(where="n > 3 AND path GLOB 'd/*'"), ef_search=config.EF
    ),
)

Answers = tuple[tuple[tuple[str, int, float, str], ...], ...]
Damage = tuple[str, int]  # ("flip", bit number) or ("cut", bytes kept)


@dataclass(frozen=True)
class DamageOutcome:
    """The results on a damaged copy.

    `query` is "refused", "same", "older" or "wrong". `full` tells if the full check found a fault, and `quick` if only
    the quick one did. `changed` tells if the catalog's rows differ.
    """

    damage: Damage
    query: str
    quick: bool
    full: bool
    changed: bool


def build(root: Path) -> Path:
    """Build an index with two segments, tombstones, a staged file, and its last commit in the write-ahead log."""
    embedder = WordEmbedder(dimension=24)
    options = IndexOptions(chunk_words=20, overlap_words=0)
    (root / "d").mkdir(parents=True)
    for number in range(30):  # enough that the deleted rows of one file don't trigger a merge
        rng = random.Random(number)
        parts = (f"Part {number}-{part}: {' '.join(rng.choices(WORDS, k=16))}." for part in range(2))
        body = "\n\n".join(parts)
        (root / "d" / f"{number}.md").write_text(f"---\nn: {number}\n---\n{body}\n")
    make_index(root, embedder, Path("d"), options=options)
    (root / "d" / "11.md").write_text("---\nn: 11\n---\nThe river carries seed past the library.\n")
    index = root / ".vsearch"
    with closing(Catalog.open_to_write(index)):  # an open connection keeps the log from being folded in
        make_index(root, embedder)
        shutil.copytree(index, root / "unfolded", ignore=shutil.ignore_patterns("*-shm"))
    return index


def build_with_ann(root: Path, ann: str, files: int = 42) -> Path:
    """Build an index of a segment with a graph ("graph"), lists ("ivf", "pq", "pq8") and tombstones, and one without.

    With "codes", the first segment has codes instead of vectors.

    With 42 files of 50 chunks, the first segment is large enough that searches use its graph or lists.
    """
    embedder = WordEmbedder(dimension=24)
    kind = IndexOptions(vectors="none") if ann == "codes" else IndexOptions(ann=ann)
    options = replace(kind, chunk_words=20, overlap_words=0)
    (root / "d").mkdir(parents=True)
    for number in range(files):
        rng = random.Random(number)
        parts = (f"Part {number}-{part}: {' '.join(rng.choices(WORDS, k=16))}." for part in range(50))
        (root / "d" / f"{number}.md").write_text(f"---\nn: {number}\n---\n" + "\n\n".join(parts) + "\n")
    limits = IndexLimits(graph_rows=25 * files, coded_rows=25 * files)
    make_index(root, embedder, Path("d"), options=options, limits=limits)
    (root / "d" / "11.md").write_text("---\nn: 11\n---\nThe river carries seed past the library.\n")
    make_index(root, embedder, limits=limits)
    return root / ".vsearch"


def answers(index: Path) -> Answers:
    """Return the hits of all QUERIES, found by the graph or inverted lists if there are any. Raises VsearchError."""
    embedder = WordEmbedder(dimension=24)
    with open_snapshot(index) as snapshot:
        searcher = LocalSearcher(snapshot)
        results = [search(searcher, query, query_embedding(embedder)) for query in QUERIES]
        return tuple(tuple((hit.path, hit.chunk, hit.score, hit.text) for hit in result.hits) for result in results)


def files_by_kind(index: Path) -> Mapping[str, Path]:
    """Return one file of each kind, relative to the index; arrays are those of the larger segment."""
    segments = sorted((index / SEGMENTS_DIR).iterdir(), key=lambda folder: (folder / "chunk_ids.npy").stat().st_size)
    arrays = {path.stem: path.relative_to(index) for path in sorted(segments[-1].iterdir())}
    return {"catalog": Path(CATALOG_FILE), "lock": Path("writer.lock"), **arrays}


def damaged_copy(index: Path, into: Path, file: Path, damage: Damage) -> None:
    """Copy the index with one damaged file; the others are hard links, which nothing here writes to."""
    shutil.copytree(index, into, copy_function=os.link, ignore=shutil.ignore_patterns("catalog.sqlite*"))
    for name in (CATALOG_FILE, LOG):
        if (index / name).exists():
            shutil.copyfile(index / name, into / name)
    data = bytearray((index / file).read_bytes())
    kind, place = damage
    if kind == "flip":
        data[place // 8] ^= 1 << place % 8
    else:
        del data[place:]
    (into / file).unlink()
    (into / file).write_bytes(data)


def contents(index: Path) -> list[object]:
    """Return all rows of all tables."""
    with closing(sqlite3.connect(index / CATALOG_FILE)) as connection:
        return [connection.execute(f"SELECT rowid, * FROM {table} ORDER BY 1").fetchall() for table in TABLES]


def outcomes(index: Path, file: Path, damages: Sequence[Damage], known: Sequence[Answers]) -> list[DamageOutcome]:
    """Return the outcome of each damage. `known` are the right hits of each generation, newest first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(index, folder / "intact")  # reading a catalog folds its log in
        rows = contents(folder / "intact")
        return [_outcome(index, folder / "copy", file, damage, known, rows) for damage in damages]


def _outcome(
    index: Path, copy: Path, file: Path, damage: Damage, known: Sequence[Answers], rows: list[object]
) -> DamageOutcome:
    damaged_copy(index, copy, file, damage)
    try:
        found = answers(copy)
        query = "same" if found == known[0] else "older" if found in known else "wrong"
    except VsearchError:
        query = "refused"
    full = _finds(copy, full=True)
    quick = not full and _finds(copy, full=False)
    changed = file.name in {CATALOG_FILE, LOG} and _has_changed(copy, rows)
    shutil.rmtree(copy)
    return DamageOutcome(damage, query, quick, full, changed)


def _has_changed(index: Path, rows: list[object]) -> bool:
    """Return True if the catalog has other rows than these, or rows that can't be read."""
    try:
        return contents(index) != rows
    except (sqlite3.Error, UnicodeDecodeError, OverflowError):
        return True


def _finds(index: Path, *, full: bool) -> bool:
    try:
        return bool(check_index(index, full=full, recall=recall_faults).faults)
    except VsearchError:
        return True


def spread(count: int, size: int, kind: str) -> list[Damage]:
    """Return `count` damages, spread evenly over a file of `size` bytes, with varying bits."""
    if kind == "cut":
        return [("cut", size * number // count) for number in range(count)]
    return [("flip", (size * number // count) * 8 + number * 5 % 8) for number in range(count)]


def table(rows: Iterable[tuple[str, Sequence[DamageOutcome]]]) -> str:
    """Return the figures as a text table."""
    lines = [f"{'file':<24} {'damages':>8} {'refused':>8} {'found':>8} {'harmless':>9} {'older':>6} {'wrong':>6}"]
    for name, found in rows:
        sums = [
            sum(outcome.query == "refused" for outcome in found),
            sum(outcome.full for outcome in found),
            sum(not outcome.full and outcome.query == "same" for outcome in found),
            sum(outcome.query == "older" for outcome in found),
            sum(outcome.query == "wrong" for outcome in found),
        ]
        lines.append(f"{name:<24} {len(found):>8} {sums[0]:>8} {sums[1]:>8} {sums[2]:>9} {sums[3]:>6} {sums[4]:>6}")
    return "\n".join(lines)
