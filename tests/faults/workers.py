"""Processes that write, merge and read one index at once, for test_concurrency.py.

    python workers.py write|merge|read|hold ROOT NAME SECONDS

Each writer NAME has a folder of its own and rewrites all of it, one version after the other, so that each commit moves
one folder from one version to the next. Each file of version v has 1 + v % 3 chunks, so the exact chunks of every
version are known. Every worker prints what it did and saw as one JSON object.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from support import WordEmbedder, make_index

from vsearch_core.errors import IndexLockedError
from vsearch_core.index.commit import sweep
from vsearch_core.index.compaction import merge_segments
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Results
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.lock import writer_lock

FILES = 6
WRITERS = ("first", "second")
WORDS = 20  # of a chunk
ALL = 10_000


def embedder() -> WordEmbedder:
    return WordEmbedder(dimension=16)


def text(writer: str, number: int, version: int) -> str:
    """Return a file's text; each paragraph is one chunk, and names its writer, file, part and version."""
    parts = (f"marker {writer} file{number} part{part} version {version} " for part in range(1 + version % 3))
    return "\n\n".join(part + "word " * (WORDS - 6) for part in parts)


def write_version(root: Path, writer: str, version: int) -> None:
    folder = root / writer
    folder.mkdir(exist_ok=True)
    for number in range(FILES):
        (folder / f"{number}.txt").write_text(text(writer, number, version))


def update(root: Path, *names: str) -> None:
    make_index(root, embedder(), *map(Path, names), options=IndexOptions(chunk_words=WORDS, overlap_words=0))


def versions(results: Results) -> dict[str, int]:
    """Return each writer's version in results with every chunk. Raises AssertionError for a mixture of versions."""
    found: dict[str, dict[int, set[tuple[int, int]]]] = {writer: {} for writer in WRITERS}
    for hit in results.hits:
        _, writer, file, part, _, version, *_ = hit.text.split()
        places = found[writer].setdefault(int(version), set())
        place = int(file.removeprefix("file")), int(part.removeprefix("part"))
        assert place not in places, f"twice in one result: {writer} {place}"
        places.add(place)
    for writer, by_version in found.items():
        assert len(by_version) == 1, f"{writer} at versions {sorted(by_version)} in one result"
        ((only, seen),) = by_version.items()
        whole = {(number, part) for number in range(FILES) for part in range(1 + only % 3)}
        assert seen == whole, f"{writer} at version {only} lacks {whole - seen}"
    assert results.matched == len(results.hits)
    return {writer: next(iter(by_version)) for writer, by_version in found.items()}


def query_versions(snapshot: Snapshot, mode: str) -> tuple[int, dict[str, int]]:
    """Search for all chunks; return the generation and each writer's version."""
    results = search(LocalSearcher(snapshot), SearchRequest("marker", k=ALL, mode=mode), query_embedding(embedder()))
    return results.generation, versions(results)


def until(seconds: float, unfinished: Callable[[], bool] = lambda: False) -> Iterator[int]:
    """Count until the time is over and `unfinished` returns False."""
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end or unfinished():
        yield number
        number += 1


def write(root: Path, name: str, seconds: float) -> dict[str, object]:
    committed = refused = 0
    for number in until(seconds):
        write_version(root, name, number + 1)
        while True:
            try:
                update(root, name)
                break
            except IndexLockedError:
                refused += 1
        committed = number + 1
    return {"committed": committed, "refused": refused}


def merge(root: Path, _name: str, seconds: float) -> dict[str, object]:
    count = {"merged": 0, "refused": 0}
    for _ in until(seconds, lambda: not count["merged"]):  # a slow machine's writers may hold the lock all the time
        try:
            with writer_lock(root / ".vsearch"), closing(Catalog.open_to_write(root / ".vsearch")) as catalog:
                merge_segments(catalog, catalog.segments())
                sweep(catalog)
                count["merged"] += 1
        except IndexLockedError:
            count["refused"] += 1
        time.sleep(0.02)
    return {**count}


def read(root: Path, _name: str, seconds: float) -> dict[str, object]:
    """Open a new snapshot for every search; generations never decrease."""
    seen: dict[int, dict[str, int]] = {}
    answers, last = 0, 0
    for number in until(seconds):
        with open_snapshot(root / ".vsearch") as snapshot:
            generation, found = query_versions(snapshot, ("keyword", "vector", "hybrid")[number % 3])
        assert generation >= last, f"generation {generation} after {last}"
        assert seen.setdefault(generation, found) == found, f"two answers of generation {generation}"
        answers, last = answers + 1, generation
    return {"answers": answers, "seen": seen}


def hold(root: Path, _name: str, seconds: float) -> dict[str, object]:
    """Keep each snapshot for half a second; its results never change."""
    seen: dict[int, dict[str, int]] = {}
    answers = 0
    for _ in until(seconds):
        with open_snapshot(root / ".vsearch") as snapshot:
            first = query_versions(snapshot, "keyword")
            for number in until(0.5):
                assert query_versions(snapshot, ("keyword", "vector", "hybrid")[number % 3]) == first
                answers += 1
        assert seen.setdefault(*first) == first[1]
    return {"answers": answers, "seen": seen}


if __name__ == "__main__":
    role, root, name, seconds = sys.argv[1:]
    work = {"write": write, "merge": merge, "read": read, "hold": hold}[role]
    print(json.dumps(work(Path(root), name, float(seconds))))
