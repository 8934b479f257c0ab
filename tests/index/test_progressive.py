"""A large update commits keywords first, then vectors in steps; it can be stopped and continued at any time."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import WordEmbedder, hide_vectors, make_index

from vsearch_core.embed.base import Batch
from vsearch_core.errors import InputError, ModelError
from vsearch_core.index.check import check_index
from vsearch_core.index.compaction import compact_index
from vsearch_core.index.copying import LocalCopySource
from vsearch_core.index.forecast import forecast
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.parts import VECTORS
from vsearch_core.index.progress import Observer
from vsearch_core.index.re_embedding import re_embed_index
from vsearch_core.index.removal import remove_paths
from vsearch_core.index.repair import repair_index
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.status import read_states, read_status
from vsearch_core.index.transfer import export_index, import_index
from vsearch_core.index.unembedded import embedding_order, unembedded_chunks
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.recall import recall_faults
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import Catalog, SegmentRecord
from vsearch_core.store.segment import manifest_to_json, open_segment, write_segment

DOCS = Path("docs")
NAMES = [f"docs/{letter}.txt" for letter in "abcdefgh"]
OPTIONS = IndexOptions(chunk_words=20, overlap_words=0)
LIMITS = IndexLimits(chunks_per_block=2, chunks_per_commit=4, files_per_transaction=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project of eight files with two chunks each, and no index."""
    (tmp_path / "docs").mkdir()
    for number, name in enumerate(NAMES):
        write(tmp_path, name, chunks=2)
        os.utime(tmp_path / name, ns=(0, time.time_ns() - number * 10**9))
    return tmp_path


def write(root: Path, name: str, word: str = "", chunks: int = 2) -> None:
    word = word or f"word{Path(name).stem}"
    paragraphs = (f"The pump {word} number{each} " + f"filler{each} " * 12 + "end." for each in range(chunks))
    (root / name).write_text("\n\n".join(paragraphs), encoding="utf-8")


def run(root: Path, embedder: WordEmbedder, *, stop_after: int | None = None) -> None:
    """Update the index; stop once the embedder has embedded that many texts."""
    embedder.batch = 1
    stop = (lambda: False) if stop_after is None else (lambda: len(embedder.embedded) >= stop_after)
    make_index(root, embedder, DOCS, options=OPTIONS, limits=LIMITS, observer=Observer(should_stop=stop))


def found(root: Path, mode: str = "hybrid", text: str = "pump") -> set[str]:
    """Return the paths of all hits, and check the index."""
    with open_snapshot(root / ".vsearch") as snapshot:
        request = SearchRequest(text, 50, mode)
        hits = search(LocalSearcher(snapshot), request, query_embedding(WordEmbedder())).hits
    assert check_index(root / ".vsearch", full=True, recall=recall_faults).faults == ()
    return {hit.path for hit in hits}


def coverage(root: Path) -> float:
    with open_snapshot(root / ".vsearch") as snapshot:
        return search(LocalSearcher(snapshot), SearchRequest("pump", mode="keyword")).coverage


def vectors(root: Path) -> dict[tuple[str, int], bytes]:
    """Return the vector of each chunk that has one."""
    with open_snapshot(root / ".vsearch") as snapshot:
        places = {}
        for segment in snapshot.segments[: snapshot.vector_segments]:
            chunks = snapshot.catalog.stored_chunks(segment.chunk_ids[segment.alive].tolist())
            for chunk, vector in zip(chunks, segment.vectors[segment.alive], strict=True):
                places[chunk.path, chunk.ordinal] = vector.tobytes()
        return places


def segments_without_vectors(root: Path) -> int:
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        return sum(not VECTORS.is_in(record.manifest) for record in catalog.segments())


def test_keywords_answer_before_anything_is_embedded(root: Path) -> None:
    answers: list[set[str]] = []

    class Asking(WordEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
            answers.append(found(root))
            yield from super().embed_documents(texts)

    run(root, Asking())
    assert answers
    assert all(answer == set(NAMES) for answer in answers)
    assert coverage(root) == 1
    assert segments_without_vectors(root) == 0


def test_a_small_update_is_one_commit_of_one_segment(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=OPTIONS)
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        assert (catalog.generation, len(catalog.segments())) == (1, 1)


def at_once(root: Path) -> Path:
    """Return a copy of the project whose index is made by one small update."""
    copy = root / "at_once"
    shutil.copytree(root / "docs", copy / "docs")
    make_index(copy, WordEmbedder(), DOCS, options=OPTIONS)
    return copy


@pytest.mark.parametrize("stop_after", [1, 4, 5, 9, 15])
def test_a_stopped_run_leaves_keywords_of_all_and_vectors_of_some(root: Path, stop_after: int) -> None:
    embedder = WordEmbedder()
    run(root, embedder, stop_after=stop_after)
    assert found(root) == set(NAMES)
    complete = vectors(root)
    assert len(complete) <= len(embedder.embedded) == stop_after
    assert coverage(root) == len(complete) / 16
    assert found(root, "vector") == {path for path, _ in complete}
    run(root, embedder)
    assert len(embedder.embedded) == len(set(embedder.embedded)) == 16
    assert coverage(root) == 1
    assert vectors(root) == vectors(at_once(root))


def test_recent_and_short_files_are_embedded_first(root: Path, embedder: WordEmbedder) -> None:
    now, day = time.time_ns(), 86_400 * 10**9
    write(root, NAMES[0], chunks=6)
    for name, age in zip(NAMES, (0.1, 0.2, 3, 0.3, 40, 3, 0.1, 1000), strict=True):
        os.utime(root / name, ns=(0, now - int(age * day)))
    write(root, NAMES[3], chunks=1)
    make_index(root, embedder, DOCS, options=OPTIONS)
    hide_vectors(root / ".vsearch", lambda path: True)
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        order = embedding_order(catalog, *unembedded_chunks(catalog)).tolist()
        stored = catalog.stored_chunks(order)
    files = list(dict.fromkeys(Path(chunk.path).stem for chunk in stored))
    assert files == ["d", "b", "g", "a", "c", "f", "e", "h"]
    assert [chunk.ordinal for chunk in stored if chunk.path == NAMES[0]] == list(range(6))


def change(root: Path) -> set[str]:
    write(root, NAMES[0], "changed", chunks=3)
    (root / NAMES[1]).unlink()
    (root / NAMES[2]).rename(root / "docs/moved.txt")
    shutil.copy(root / NAMES[3], root / "docs/copy.txt")
    return {*NAMES, "docs/moved.txt", "docs/copy.txt"} - {NAMES[1], NAMES[2]}


@pytest.mark.parametrize("stop_after", [1, 6, 11])
def test_files_that_change_meanwhile_are_followed(root: Path, stop_after: int) -> None:
    embedder = WordEmbedder()
    run(root, embedder, stop_after=stop_after)
    expected = change(root)
    run(root, embedder, stop_after=len(embedder.embedded) + 1)
    assert found(root) == expected
    run(root, embedder)
    assert found(root) == expected
    assert found(root, "keyword", "changed") == {NAMES[0]}
    assert coverage(root) == 1
    assert len(embedder.embedded) == len(set(embedder.embedded))


def test_equal_texts_of_several_blocks_are_embedded_once(root: Path, embedder: WordEmbedder) -> None:
    for name in NAMES:
        write(root, name, "same")
    run(root, embedder)
    assert len(embedder.embedded) == 2
    assert coverage(root) == 1


def test_a_provider_that_fails_leaves_the_keywords(root: Path, embedder: WordEmbedder) -> None:
    class Failing(WordEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
            raise ModelError("words", "can't be reached")

    with pytest.raises(ModelError):
        run(root, Failing())
    assert found(root) == set(NAMES)
    assert coverage(root) == 0


def test_status_and_states_tell_what_has_no_vectors(root: Path, embedder: WordEmbedder) -> None:
    run(root, embedder, stop_after=5)
    with open_snapshot(root / ".vsearch") as snapshot:
        status = read_status(snapshot)
        states = {file.path: file.state for file in read_states(snapshot)}
    with_vectors = {path for path, _ in vectors(root)}
    assert states == {name: "indexed" if name in with_vectors else "keywords" for name in NAMES}
    assert status.files_by_state["keywords"] == status.keyword_files == status.pending_files == 8 - len(with_vectors)
    assert status.keyword_chunks == 16 - 2 * len(with_vectors)
    assert status.pending_chunks == 16 - 5


def test_a_forecast_counts_chunks_without_vectors(root: Path, embedder: WordEmbedder) -> None:
    run(root, embedder, stop_after=5)
    planned = forecast(root / ".vsearch", [], IndexOptions(), lambda _: WordEmbedder())
    assert (planned.new, planned.unchanged, planned.embed) == (0, 8, 11)


def test_removed_files_are_gone(root: Path, embedder: WordEmbedder) -> None:
    run(root, embedder, stop_after=5)
    gone = {NAMES[0], NAMES[7]}
    remove_paths(root / ".vsearch", [root / name for name in gone])
    assert found(root) == set(NAMES) - gone
    run(root, embedder)
    assert found(root) == set(NAMES) - gone
    assert coverage(root) == 1


def test_an_archive_keeps_what_has_no_vectors(root: Path, embedder: WordEmbedder, tmp_path: Path) -> None:
    run(root, embedder, stop_after=5)
    (tmp_path / "scratch").mkdir()
    with (tmp_path / "archive").open("wb") as file:
        export_index(root / ".vsearch", tmp_path / "scratch", lambda data: file.write(data) and None)
    with (tmp_path / "archive").open("rb") as file:
        import_index(tmp_path / "other/.vsearch", "archive", file.read)
    assert found(tmp_path / "other") == set(NAMES)
    assert coverage(tmp_path / "other") == coverage(root) < 1


def test_what_has_no_vectors_is_not_copied(root: Path, embedder: WordEmbedder) -> None:
    run(root, embedder, stop_after=5)
    with open_snapshot(root / ".vsearch") as snapshot, pytest.raises(InputError) as refused:
        list(LocalCopySource(snapshot).copied_files())
    assert refused.value.code == "not-embedded"
    run(root, embedder)
    with open_snapshot(root / ".vsearch") as snapshot:
        assert len(list(LocalCopySource(snapshot).copied_files())) == len(NAMES)


def test_compaction_keeps_segments_with_and_without_vectors_apart(root: Path, embedder: WordEmbedder) -> None:
    run(root, embedder, stop_after=9)
    before = vectors(root)
    compact_index(root / ".vsearch")
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        assert [VECTORS.is_in(record.manifest) for record in catalog.segments()] in ([True, False], [False, True])
    assert vectors(root) == before
    assert found(root) == set(NAMES)
    run(root, embedder)
    assert coverage(root) == 1


def test_another_model_embeds_chunks_without_vectors_too(root: Path, embedder: WordEmbedder) -> None:
    run(root, embedder, stop_after=5)
    other = WordEmbedder("other")
    re_embed_index(root / ".vsearch", IndexOptions(model="other"), lambda _: other)
    assert coverage(root) == 1
    assert len(vectors(root)) == 16


def test_an_index_without_some_vectors_is_intact(root: Path, embedder: WordEmbedder) -> None:
    run(root, embedder, stop_after=5)
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        generation = catalog.generation
    assert repair_index(root / ".vsearch").pending == 11
    with closing(Catalog.open_to_read(root / ".vsearch")) as catalog:
        assert catalog.generation == generation


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 8
    path.write_bytes(data)


@pytest.mark.parametrize("array", ["vectors", "postings_rows", "chunk_ids", "file_ids"])
@pytest.mark.parametrize("having", [True, False])
@pytest.mark.parametrize("embed", [True, False])
def test_damaged_segments_are_repaired(root: Path, array: str, *, having: bool, embed: bool) -> None:
    embedder = WordEmbedder()
    run(root, embedder, stop_after=9)
    before, index = vectors(root), root / ".vsearch"
    with closing(Catalog.open_to_read(index)) as catalog:
        names = [each.name for each in catalog.segments() if VECTORS.is_in(each.manifest) == having]
    damaged = [index / "segments" / name / f"{array}.npy" for name in names]
    for path in damaged:
        if path.exists():
            flip(path)
    repair_index(index, (lambda _: embedder) if embed else None)
    assert found(root) == set(NAMES)
    after = vectors(root)
    assert {place: after[place] for place in before if place in after}.items() <= before.items()
    if embed:
        assert coverage(root) == 1
    elif not having or array == "postings_rows":
        assert after == before
    run(root, embedder)
    assert found(root) == set(NAMES)
    assert coverage(root) == 1


def damages(catalog: Catalog) -> Iterator[tuple[str, int, NDArray[np.bool_]]]:
    """Yield wrong tombstones: a kind of damage, a segment's id and the tombstones."""
    for record in catalog.segments():
        is_bare, deleted = not VECTORS.is_in(record.manifest), ~record.alive
        for row in np.flatnonzero(record.alive)[:1].tolist():
            yield f"a row is lost, {is_bare=}", record.id, deleted | (np.arange(record.rows) == row)
        for row in np.flatnonzero(deleted)[:2].tolist():
            yield f"a deleted row is back, {is_bare=}", record.id, deleted & (np.arange(record.rows) != row)


def test_check_finds_wrong_tombstones_of_segments_with_and_without_vectors(root: Path) -> None:
    """Rows of live chunks may be deleted where others have replaced them, but each chunk must have one live row."""
    embedder = WordEmbedder()
    run(root, embedder)
    (root / NAMES[1]).unlink()
    write(root, NAMES[0], "changed", chunks=6)
    run(root, embedder, stop_after=len(embedder.embedded) + 4)
    for name in NAMES[2:6]:
        write(root, name, f"again{Path(name).stem}")
    run(root, embedder, stop_after=len(embedder.embedded) + 5)
    index, tried = root / ".vsearch", set()
    with closing(Catalog.open_to_write(index)) as catalog:
        former = {record.id: ~record.alive for record in catalog.segments()}
        for kind, segment, tombstones in list(damages(catalog)):
            with catalog.transaction():
                catalog.set_tombstones(segment, tombstones)
            reasons = " ".join(fault.reason for fault in check_index(index, full=True).faults)
            wanted = ("lack 1 live chunks",) if "lost" in kind else ("have two rows for some", "and have 1 that")
            assert any(words in reasons for words in wanted), (kind, reasons)
            assert "its files have" in reasons, "the quick check finds it, too"
            with catalog.transaction():
                catalog.set_tombstones(segment, former[segment])
            tried.add(kind)
    assert len(tried) == 4
    assert check_index(index, full=True).faults == ()


def rewrite(index: Path, segment: SegmentRecord, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace a segment's arrays by others with right checksums."""
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        name, manifest = write_segment(index, arrays, {})
        catalog.connection.execute(
            "UPDATE segments SET name = ?, manifest = ? WHERE id = ?",
            (name, json.dumps(manifest_to_json(manifest)), segment.id),
        )


def first_segment(index: Path, *, having: bool) -> tuple[SegmentRecord, dict[str, NDArray[Any]]]:
    with closing(Catalog.open_to_read(index)) as catalog:
        record = next(each for each in catalog.segments() if VECTORS.is_in(each.manifest) == having)
        arrays = open_segment(index, record.name, record.manifest)
        return record, {name: np.array(array) for name, array in arrays.items() if name != "about"}


@pytest.mark.parametrize("change", [lambda array: array[:-1], lambda array: np.concatenate([array, array[:1]])])
@pytest.mark.parametrize("name", ["vectors", "chunk_ids", "file_ids"])
def test_check_finds_arrays_of_another_number_of_rows(
    root: Path, name: str, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    run(root, WordEmbedder(), stop_after=9)
    record, arrays = first_segment(root / ".vsearch", having=True)
    rewrite(root / ".vsearch", record, {**arrays, name: change(arrays[name])})
    assert check_index(root / ".vsearch", full=True).faults


def test_check_finds_vectors_that_the_catalog_does_not_list(root: Path) -> None:
    """A segment that has lost its list's entry for the vectors isn't one that has not been embedded yet."""
    run(root, WordEmbedder(), stop_after=9)
    index = root / ".vsearch"
    record, _ = first_segment(index, having=True)
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        manifest = manifest_to_json({name: entry for name, entry in record.manifest.items() if name != "vectors"})
        values = json.dumps(manifest), record.id
        catalog.connection.execute("UPDATE segments SET manifest = ? WHERE id = ?", values)
    for full in (False, True):
        assert [Path(fault.thing).name for fault in check_index(index, full=full).faults] == ["vectors.npy"]


def test_check_finds_a_graph_of_vectors_that_are_gone(root: Path) -> None:
    limits = replace(LIMITS, graph_rows=2)
    make_index(root, WordEmbedder(), DOCS, options=replace(OPTIONS, ann="graph"), limits=limits)
    record, arrays = first_segment(root / ".vsearch", having=True)
    assert "graph_order" in arrays
    rewrite(root / ".vsearch", record, {name: array for name, array in arrays.items() if name != "vectors"})
    (fault,) = {fault.reason for fault in check_index(root / ".vsearch", full=True).faults}
    assert "'vectors'" in fault


def test_a_file_that_loses_a_vector_keeps_its_keywords(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS, options=OPTIONS)
    (path,) = (root / ".vsearch").rglob("vectors.npy")
    flip(path)
    done = repair_index(root / ".vsearch")
    assert done.staged
    assert found(root) == set(NAMES)
    embedder.embedded.clear()
    make_index(root, embedder)
    assert len(embedder.embedded) == done.pending > 0
    assert coverage(root) == 1


def test_random_runs_end_like_an_undisturbed_one(root: Path) -> None:
    """Stop runs anywhere, change files between them, and compare with an index that is made at once."""
    rng = np.random.default_rng(3)
    embedder = WordEmbedder()
    for step in range(12):
        name = NAMES[int(rng.integers(len(NAMES)))]
        if rng.random() < 0.3:
            (root / name).unlink(missing_ok=True)
        else:
            write(root, name, f"round{step}", chunks=int(rng.integers(1, 5)))
        run(root, embedder, stop_after=len(embedder.embedded) + int(rng.integers(1, 6)))
    run(root, embedder)
    expected = at_once(root)
    assert vectors(root) == vectors(expected)
    assert found(root) == found(expected)
    assert segments_without_vectors(root) == 0
