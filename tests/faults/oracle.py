"""Invariants that must hold after any fault, checked independently of the product where possible."""

from collections.abc import Mapping
from functools import cache

import numpy as np
from faults.runner import Runner
from faults.scenarios import Project, contents
from faults.server import BATCH, DIMENSIONS, ServedRun, live_files
from numpy.typing import NDArray
from support import WordEmbedder, metadata_of_files

from vsearch_core.ann.flat import to_fixed
from vsearch_core.index.check import check_index
from vsearch_core.index.pictures import unseen_pictures
from vsearch_core.index.snapshot import Snapshot, open_snapshot
from vsearch_core.model import KeywordFields
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import EmbeddedQuery, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.texts import unpack_text

QUERIES = ("pump valve", "bread oven loaf", "wheel")
EVERYTHING = 10_000  # hits: more than there are chunks
REFRESH = ("index", "--json")


def check_after(runner: Runner, project: Project, outcome: ServedRun) -> None:
    """Check that the index is intact, that no acknowledged commit is lost, and that a re-run completes.

    Most faults leave the same files as another one: these are checked once.
    """
    left = project.digest()
    committed, embedded = project.checked.get(left, (-1, -1))
    if committed >= outcome.committed and embedded >= outcome.embedded:
        return
    check_generation(project, outcome.committed)
    check_rerun(runner, project, outcome.embedded)
    project.checked[left] = outcome.committed, outcome.embedded


def check_generation(project: Project, acknowledged: int = 0) -> None:
    """Check that the index opens at an allowed generation and is intact; it may be missing if there was none before.

    In a repair scenario it may be damaged as long as no repair was acknowledged: the re-run then checks the losses.
    """
    if project.repaired is not None:
        if check_index(project.index, full=True).faults:
            assert not acknowledged, "a repair was acknowledged, and the index is damaged"
            return
        if contents(project.index / "catalog.sqlite") == project.repaired:
            check_repaired(project)
            return
    catalog = project.index / "catalog.sqlite"
    if not catalog.exists():
        assert not project.base.exists(), "the index is gone"
        assert not acknowledged, "an acknowledged commit is gone"
        return
    with open_snapshot(project.index) as snapshot:
        generation = snapshot.generation
        assert generation >= acknowledged, f"generation {acknowledged} was acknowledged, {generation} is there"
        state = generation, dict(snapshot.catalog.connection.execute("SELECT path, hash FROM files WHERE live"))
        allowed = project.states if project.base.exists() else [(0, {}), *project.states]
        assert state in allowed, f"generation {generation} does not occur in an undisturbed run"
        check_intact(snapshot)
        check_results(snapshot, project.texts(state[1]))
        check_pictures(snapshot, project)


def check_rerun(runner: Runner, project: Project, embedded: int) -> None:
    """Check that the same command completes, and embeds at most one batch twice."""
    was_done = project.once and live_files(project.index / "catalog.sqlite")[1] == project.states[-1][1]
    again = project.run(runner, *(REFRESH if was_done else ()))
    assert project.is_done(again), again
    assert embedded + again.embedded <= project.undisturbed.embedded + BATCH
    check_end(project)


def check_end(project: Project) -> None:
    """Check that the index is in the final state of an undisturbed run, and that nothing else is left."""
    if project.repaired is not None:
        check_repaired(project)
        return
    final = project.states[-1][1]
    assert live_files(project.index / "catalog.sqlite")[1] == final, "the final state differs from an undisturbed run's"
    with open_snapshot(project.index) as snapshot:
        check_intact(snapshot)
        check_results(snapshot, project.texts(final))
        check_pictures(snapshot, project)
        unseen = snapshot.image_model and unseen_pictures(snapshot.catalog, snapshot.image_model)
        assert not unseen, "some pictures have no vectors of the model"
        named = {segment.name for segment in snapshot.catalog.segments()}
        assert snapshot.catalog.counts()[1:] == (0, 0), "something is still staged"
        without_vectors = snapshot.segments[snapshot.vector_segments :]
        assert not any(segment.alive.any() for segment in without_vectors), "some chunks have no vectors"
        assert snapshot.settings.coming is None, "the vectors are interim ones"
    assert not list(project.index.glob("re-embed*")), "a re-embedding is left"
    folder = project.index / "segments"
    assert {path.name for path in folder.iterdir()} == named, "an orphan is left"


def check_repaired(project: Project) -> None:
    """Check that as much is recovered as by an undisturbed repair, and that damaged files are kept."""
    assert contents(project.index / "catalog.sqlite") == project.repaired, "not everything was recovered"
    kept = {path.read_bytes() for path in project.index.rglob("*.npy")}
    assert all(path.read_bytes() in kept for path in project.base.rglob("*.npy")), "a damaged file is not kept"
    with open_snapshot(project.index) as snapshot:
        check_intact(snapshot)
        query = "SELECT path, ordinal, text FROM chunks JOIN files ON files.id = file_id WHERE live"
        rows = snapshot.catalog.connection.execute(query)
        check_results(snapshot, {(path, number): unpack_text(text) for path, number, text in rows})


def check_intact(snapshot: Snapshot) -> None:
    """Check that SQLite finds no damage, that every live chunk has one live row, and that the full check agrees."""
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


def check_results(snapshot: Snapshot, texts: Mapping[tuple[str, int], str]) -> None:
    """Check what searches find of the given chunks.

    Vector search must find all that have vectors, with their cosines, and keyword search those with a query term.
    """
    searcher = LocalSearcher(snapshot)
    ids = [segment.chunk_ids[segment.alive].tolist() for segment in snapshot.segments[: snapshot.vector_segments]]
    stored = snapshot.catalog.stored_chunks([chunk_id for some in ids for chunk_id in some])
    embedded_places = {(chunk.path, chunk.ordinal) for chunk in stored}
    model = snapshot.settings.model
    analysis = snapshot.settings.analysis
    for query in QUERIES:
        vector = embedder_of(model).embed_queries([query])[0]
        embedded = EmbeddedQuery(vector)
        found = search(
            searcher,
            SearchRequest(query, EVERYTHING, "vector"),
            lambda _, embedded=embedded: embedded,  # type: ignore[misc]
        )
        scores = {(hit.path, hit.chunk): hit.score for hit in found.hits}
        expected = {
            place: float(vector_of(text, model) @ vector) for place, text in texts.items() if place in embedded_places
        }
        assert scores.keys() == expected.keys() == embedded_places
        assert all(abs(scores[place] - expected[place]) < 1e-3 for place in expected)
        fields = {place: KeywordFields(text, place[0], None, None, None) for place, text in texts.items()}
        found = search(searcher, SearchRequest(query, EVERYTHING, "keyword"))
        matching = {place for place, of in fields.items() if {*found.terms} & set(analysis.chunk_terms(of, "en"))}
        assert {(hit.path, hit.chunk) for hit in found.hits} == matching


def check_pictures(snapshot: Snapshot, project: Project) -> None:
    """Check that files have the vectors of pictures of an undisturbed run, and that a search finds all of the model."""
    for digest, meta in metadata_of_files(project.index / "catalog.sqlite"):
        assert meta in project.metadata[digest], "the metadata of a file occur in no undisturbed run"
    model = snapshot.image_model
    if model is None:
        return
    from image_models import ColourModel

    count = len(snapshot.pictures(model)[0].vectors)
    vector = ColourModel(model.name).embed_texts(["red"])[0]
    found = search(LocalSearcher(snapshot), SearchRequest("red", EVERYTHING, "vector"), None, lambda _: vector)
    assert sum(hit.scores["picture"] is not None for hit in found.hits) == count


@cache
def embedder_of(model: str) -> WordEmbedder:
    """Return the stub embedder of that model."""
    return WordEmbedder(model, DIMENSIONS.get(model, 48))


@cache
def vector_of(text: str, model: str) -> NDArray[np.float32]:
    """Return the stub's vector of the text, with the precision of a segment."""
    vectors = to_fixed(embedder_of(model).embed_queries([text])).astype(np.float32)
    vector: NDArray[np.float32] = vectors[0] / np.float32(32767)
    return vector
