"""What must hold after any disturbance, found out by other means than the product's own."""

import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
from faults.runner import Runner
from faults.scenarios import Project
from faults.server import BATCH, Outcome, live_files
from numpy.typing import NDArray
from support import WordEmbedder

from vsearch_core.ann.flat import to_fixed
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import Query, answer

QUESTIONS = ("pump valve", "bread oven loaf", "wheel")
EVERYTHING = 10_000  # hits: more than there are chunks

_embedder = WordEmbedder()


def check_after(runner: Runner, project: Project, outcome: Outcome) -> None:
    """The index is whole, at a generation that may be, none that was acknowledged is lost, and a re-run goes on."""
    check_generation(project, outcome.committed)
    check_rerun(runner, project, outcome.embedded)


def check_generation(project: Project, acknowledged: int = 0) -> None:
    """The index opens at an allowed generation and is sound; there may be none where there was none before."""
    catalog = project.index / "catalog.sqlite"
    if not catalog.exists():
        assert not project.base.exists(), "the index is gone"
        assert not acknowledged, "what was acknowledged is gone"
        return
    with open_snapshot(project.index) as snapshot:
        generation = snapshot.generation
        assert generation >= acknowledged, f"generation {acknowledged} was acknowledged, {generation} is there"
        state = live_files(catalog)
        if generation or not project.base.exists():
            assert state in [(0, {}), *project.states], f"generation {generation} is none of an undisturbed run"
        check_sound(project.index)
        check_answers(snapshot)


def check_rerun(runner: Runner, project: Project, embedded: int | None) -> None:
    """The same command completes, ends where an undisturbed run does, and embeds at most one batch twice."""
    again = project.run(runner)
    assert again.status == 0, again
    final = project.states[-1][1]
    assert live_files(project.index / "catalog.sqlite")[1] == final
    if embedded is not None:
        assert embedded + again.embedded <= project.undisturbed.embedded + BATCH
    with open_snapshot(project.index) as snapshot:
        check_answers(snapshot)
    check_sound(project.index)
    with closing(connected(project.index)) as connection:
        named = {name for (name,) in connection.execute("SELECT name FROM segments")}
        assert connection.execute("SELECT count(*) FROM staged").fetchone() == (0,)
    folder = project.index / "segments"
    assert {path.name for path in folder.iterdir()} == named, "an orphan is left"


def connected(index: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    return sqlite3.connect(f"file:{index / 'catalog.sqlite'}?mode=ro", uri=True)


def check_sound(index: Path) -> None:
    """The catalog is whole, each file is the one that its checksum says, and every live chunk has one live row."""
    import json

    with closing(connected(index)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        chunks = {
            (chunk, file): blob
            for chunk, file, blob in connection.execute(
                "SELECT chunks.id, files.id, text FROM chunks JOIN files ON files.id = file_id WHERE live"
            )
        }
        assert connection.execute(
            "SELECT count(*) FROM files WHERE chunks != (SELECT count(*) FROM chunks WHERE file_id = files.id)"
        ).fetchone() == (0,)
        rows: list[tuple[int, int]] = []
        for name, count, manifest, dead in connection.execute("SELECT name, rows, manifest, dead FROM segments"):
            arrays = {}
            for key, entry in json.loads(manifest).items():
                path = index / "segments" / name / f"{key}.npy"
                assert hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() == entry["blake2b"], path
                arrays[key] = np.load(path)
            alive = np.ones(count, bool)
            if dead is not None:
                alive = np.unpackbits(np.frombuffer(dead, np.uint8), count=count) == 0
            rows += zip(arrays["chunk_ids"][alive].tolist(), arrays["file_ids"][alive].tolist(), strict=True)
    assert sorted(rows) == sorted(chunks), "rows and chunks differ"


def check_answers(snapshot: Snapshot) -> None:
    """By vector each live chunk with its cosine; by keyword just the chunks that hold a term."""
    searcher = LocalSearcher(snapshot)
    texts = live_texts(snapshot)
    analyzer = snapshot.settings.analyzer
    for question in QUESTIONS:
        asked = _embedder.embed_queries([question])[0]
        found = answer(searcher, lambda _, vector=asked: vector, Query(question, EVERYTHING, "vector"))
        scores = {(hit.path, hit.chunk): hit.score for hit in found.hits}
        expected = {place: float(vector_of(text) @ asked) for place, text in texts.items()}
        assert scores.keys() == expected.keys()
        assert all(abs(scores[place] - expected[place]) < 1e-3 for place in expected)
        terms = set(analyzer.terms(question))
        held = {place for place, text in texts.items() if terms & set(analyzer.terms(text))}
        found = answer(searcher, None, Query(question, EVERYTHING, "keyword"))
        assert {(hit.path, hit.chunk) for hit in found.hits} == held


def live_texts(snapshot: Snapshot) -> Mapping[tuple[str, int], str]:
    """The live chunks as the catalog has them."""
    import zlib

    rows = snapshot.catalog.connection.execute(
        "SELECT path, ordinal, text FROM chunks JOIN files ON files.id = file_id WHERE live"
    )
    return {(path, ordinal): zlib.decompress(blob).decode() for path, ordinal, blob in rows}


@cache
def vector_of(text: str) -> NDArray[np.float32]:
    """The stand-in model's vector, as precise as a segment keeps it."""
    return to_fixed(_embedder.embed_queries([text])).astype(np.float32)[0] / 32767
