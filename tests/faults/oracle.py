"""What must hold after any disturbance, found out by other means than the product's own."""

from collections.abc import Mapping
from functools import cache

import numpy as np
from faults.runner import Runner
from faults.scenarios import Project, contents
from faults.server import BATCH, DIMENSIONS, Outcome, live_files
from numpy.typing import NDArray
from support import WordEmbedder

from vsearch_core.ann.flat import to_fixed
from vsearch_core.index.check import check_index
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.model import KeywordFields
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import unpack_text

QUESTIONS = ("pump valve", "bread oven loaf", "wheel")
EVERYTHING = 10_000  # hits: more than there are chunks
REFRESH = ("index", "--json")


def check_after(runner: Runner, project: Project, outcome: Outcome) -> None:
    """The index is whole, at a generation that may be, none that was acknowledged is lost, and a re-run goes on."""
    check_generation(project, outcome.committed)
    check_rerun(runner, project, outcome.embedded)


def check_generation(project: Project, acknowledged: int = 0) -> None:
    """The index opens at an allowed generation and is sound; there may be none where there was none before.

    One that is to be repaired may be damaged as long as no repair was acknowledged: the re-run tells what it has lost.
    """
    if project.mended is not None:
        if check_index(project.index, full=True).faults:
            assert not acknowledged, "a repair was acknowledged, and the index is damaged"
            return
        if contents(project.index / "catalog.sqlite") == project.mended:
            check_mended(project)
            return
    catalog = project.index / "catalog.sqlite"
    if not catalog.exists():
        assert not project.base.exists(), "the index is gone"
        assert not acknowledged, "what was acknowledged is gone"
        return
    with open_snapshot(project.index) as snapshot:
        generation = snapshot.generation
        assert generation >= acknowledged, f"generation {acknowledged} was acknowledged, {generation} is there"
        state = generation, dict(snapshot.catalog.connection.execute("SELECT path, hash FROM files WHERE live"))
        allowed = project.states if project.base.exists() else [(0, {}), *project.states]
        assert state in allowed, f"generation {generation} is none of an undisturbed run"
        check_sound(snapshot)
        check_answers(snapshot, project.texts(state[1]))


def check_rerun(runner: Runner, project: Project, embedded: int) -> None:
    """The same command completes, and embeds at most one batch twice."""
    was_done = project.once and live_files(project.index / "catalog.sqlite")[1] == project.states[-1][1]
    again = project.run(runner, *(REFRESH if was_done else ()))
    assert project.is_done(again), again
    assert embedded + again.embedded <= project.undisturbed.embedded + BATCH
    check_end(project)


def check_end(project: Project) -> None:
    """The index is where an undisturbed run ends, and nothing else is left."""
    if project.mended is not None:
        check_mended(project)
        return
    final = project.states[-1][1]
    assert live_files(project.index / "catalog.sqlite")[1] == final, "the end is not that of an undisturbed run"
    with open_snapshot(project.index) as snapshot:
        check_sound(snapshot)
        check_answers(snapshot, project.texts(final))
        named = {segment.name for segment in snapshot.catalog.segments()}
        assert snapshot.catalog.counts()[1:] == (0, 0), "something is staged still"
    assert not list(project.index.glob("re-embed*")), "a re-embedding is left"
    folder = project.index / "segments"
    assert {path.name for path in folder.iterdir()} == named, "an orphan is left"


def check_mended(project: Project) -> None:
    """The catalog holds what an undisturbed repair saves, the rest agrees with it, and the damaged files are kept."""
    assert contents(project.index / "catalog.sqlite") == project.mended, "not all is saved that can be"
    kept = {path.read_bytes() for path in project.index.rglob("*.npy")}
    assert all(path.read_bytes() in kept for path in project.base.rglob("*.npy")), "a damaged file is not kept"
    with open_snapshot(project.index) as snapshot:
        check_sound(snapshot)
        query = "SELECT path, ordinal, text FROM chunks JOIN files ON files.id = file_id WHERE live"
        rows = snapshot.catalog.connection.execute(query)
        check_answers(snapshot, {(path, number): unpack_text(text) for path, number, text in rows})


def check_sound(snapshot: Snapshot) -> None:
    """SQLite finds the catalog whole, and every live chunk has one live row, and the product's full check agrees."""
    assert not check_index(snapshot.catalog.index, full=True).faults
    catalog = snapshot.catalog.connection
    assert catalog.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    short = "SELECT path FROM files WHERE chunks != (SELECT count(*) FROM chunks WHERE file_id = files.id)"
    assert catalog.execute(short).fetchall() == []
    lost = "SELECT id FROM chunks WHERE file_id NOT IN (SELECT id FROM files)"
    assert catalog.execute(lost).fetchall() == []
    chunks = catalog.execute("SELECT chunks.id, file_id FROM chunks JOIN files ON files.id = file_id WHERE live")
    rows: list[tuple[int, int]] = []
    for segment in snapshot.segments:
        of = segment.chunk_ids[segment.alive], segment.file_ids[segment.alive]
        rows += zip(*(ids.tolist() for ids in of), strict=True)
    assert sorted(rows) == sorted(chunks), "rows and chunks differ"


def check_answers(snapshot: Snapshot, texts: Mapping[tuple[str, int], str]) -> None:
    """By vector each of the chunks with its cosine; by keyword just the chunks that hold a term."""
    searcher = LocalSearcher(snapshot)
    model = snapshot.settings.model
    analysis = snapshot.settings.analysis
    for question in QUESTIONS:
        asked = embedder_of(model).embed_queries([question])[0]
        found = search(
            searcher, SearchRequest(question, EVERYTHING, "vector"), lambda _, vector=asked: EmbeddedQuery(vector)
        )
        scores = {(hit.path, hit.chunk): hit.score for hit in found.hits}
        expected = {place: float(vector_of(text, model) @ asked) for place, text in texts.items()}
        assert scores.keys() == expected.keys()
        assert all(abs(scores[place] - expected[place]) < 1e-3 for place in expected)
        fields = {place: KeywordFields(text, place[0], None, None, None) for place, text in texts.items()}
        found = search(searcher, SearchRequest(question, EVERYTHING, "keyword"))
        held = {place for place, of in fields.items() if {*found.terms} & set(analysis.chunk_terms(of, "en"))}
        assert {(hit.path, hit.chunk) for hit in found.hits} == held


@cache
def embedder_of(model: str) -> WordEmbedder:
    """The stand-in for that model."""
    return WordEmbedder(model, DIMENSIONS.get(model, 48))


@cache
def vector_of(text: str, model: str) -> NDArray[np.float32]:
    """The stand-in model's vector, as precise as a segment keeps it."""
    return to_fixed(embedder_of(model).embed_queries([text])).astype(np.float32)[0] / 32767
