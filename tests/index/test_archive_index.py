"""An index that keeps no vectors: segments have codes, and queries embed their best candidates again."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support import WordEmbedder, make_index

import vsearch_core
from vsearch_core.errors import IndexMismatchError, InputError
from vsearch_core.index.check import check_index
from vsearch_core.index.compaction import compact_index
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.parts import CODED, VECTORS, WINDOWS
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.re_embedding import re_embed_index
from vsearch_core.index.repair import repair_index
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.status import Status, read_status
from vsearch_core.search.recall import recall_faults

ARCHIVE = IndexOptions(vectors="none", chunk_words=20, overlap_words=0)
LIMITS = IndexLimits(coded_rows=40, chunks_per_block=16, chunks_per_commit=32)
WORDS = ("pump", "valve", "engine", "retry", "error", "network", "river", "seed", "library", "loaf", "bread", "oven")


def write(root: Path, first: int, last: int) -> None:
    for number in range(first, last):
        words = " ".join(np.random.default_rng(number).choice(WORDS, 12))
        (root / "docs" / f"{number}.txt").write_text(f"Note {number}: {words}.")


def status(root: Path) -> Status:
    with open_snapshot(root / ".vsearch") as snapshot:
        return read_status(snapshot)


def is_intact(root: Path) -> bool:
    return not check_index(root / ".vsearch", full=True, recall=recall_faults).faults


def codes(root: Path) -> dict[int, bytes]:
    """Return the codes of all live chunks in segments that have any, by chunk id."""
    with open_snapshot(root / ".vsearch") as snapshot:
        return {
            int(segment.chunk_ids[row]): segment.coded.rows[row].tobytes()
            for segment in snapshot.segments
            if segment.coded is not None
            for row in np.flatnonzero(segment.alive).tolist()
        }


def parts(root: Path) -> set[str]:
    """Return the names of the parts, of VECTORS, WINDOWS and CODED, that some segment has."""
    with open_snapshot(root / ".vsearch") as snapshot:
        return {
            part.name for part in (VECTORS, WINDOWS, CODED) for each in snapshot.segments if part.is_in(each.manifest)
        }


def found(root: Path, mode: str = "hybrid", path: Sequence[str] = ()) -> vsearch_core.Results:
    embedder = WordEmbedder(dimension=24)
    with vsearch_core.open_index(root, open_embedder=lambda _: embedder) as index:
        return index.search("river bread oven", mode=mode, path=path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with 60 documents of one chunk each, whose index keeps no vectors."""
    root = tmp_path_factory.mktemp("archive") / "project"
    (root / "docs").mkdir(parents=True)
    write(root, 0, 60)
    make_index(root, WordEmbedder(dimension=24), Path("docs"), options=ARCHIVE, limits=LIMITS)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project"))


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder(dimension=24)


def test_vectors_are_replaced_by_codes_once_there_are_enough(tmp_path: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "docs").mkdir()
    write(tmp_path, 0, 30)
    make_index(tmp_path, embedder, Path("docs"), options=ARCHIVE, limits=LIMITS)
    assert (status(tmp_path).vectors, status(tmp_path).coded_rows, parts(tmp_path)) == ("none", 0, {"vectors"})
    write(tmp_path, 30, 60)
    assert make_index(tmp_path, embedder, limits=LIMITS).embedded == 30
    assert (status(tmp_path).coded_rows, status(tmp_path).pending_chunks, parts(tmp_path)) == (60, 0, {"codes"})
    assert status(tmp_path).size["vectors"] == 0 < status(tmp_path).size["codes"]
    assert is_intact(tmp_path)
    assert make_index(tmp_path, embedder, limits=LIMITS).embedded == 0


def test_an_index_with_vectors_becomes_an_archive(tmp_path: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "docs").mkdir()
    write(tmp_path, 0, 60)
    options = IndexOptions(chunk_words=20, overlap_words=0, ann="graph")
    limits = IndexLimits(coded_rows=40, graph_rows=40)
    make_index(tmp_path, embedder, Path("docs"), options=options, limits=limits)
    exact = found(tmp_path, mode="vector")
    assert (exact.exact, exact.re_embedded) == (True, None)
    assert make_index(tmp_path, embedder, options=IndexOptions(vectors="none"), limits=limits).embedded == 0
    assert parts(tmp_path) == {"codes"}
    results = found(tmp_path, mode="vector")
    assert (results.exact, results.re_embedded, results.list_kinds) == (False, 20, ("codes",))
    assert [(hit.path, hit.score) for hit in results.hits] == [(hit.path, hit.score) for hit in exact.hits]
    with pytest.raises(IndexMismatchError, match="it has kept no vectors so far"):
        make_index(tmp_path, embedder, options=IndexOptions(vectors="keep"), limits=limits)


def test_small_segments_keep_vectors_and_are_searched_beside_codes(root: Path, embedder: WordEmbedder) -> None:
    before = codes(root)
    (root / "docs" / "new.txt").write_text("River bread oven.")
    assert make_index(root, embedder, limits=LIMITS).embedded == 1
    assert (parts(root), codes(root)) == ({"vectors", "codes"}, before)
    for mode in ("hybrid", "vector"):
        assert found(root, mode=mode).hits[0].path == "docs/new.txt"
    assert is_intact(root)


def test_merged_segments_copy_codes(root: Path, embedder: WordEmbedder) -> None:
    before = codes(root)
    write(root, 60, 110)
    (root / "docs" / "3.txt").unlink()
    make_index(root, embedder, limits=LIMITS)
    compact_index(root / ".vsearch", limits=LIMITS)
    after = codes(root)
    assert (status(root).segments, len(after), parts(root)) == (1, 109, {"codes"})
    kept = before.keys() & after.keys()
    assert len(kept) == 59
    assert {number: after[number] for number in kept} == {number: before[number] for number in kept}
    assert is_intact(root)


def test_filters_feedback_and_stored_vectors_work_with_codes(root: Path) -> None:
    assert [hit.path for hit in found(root, path=["docs/7.txt"]).hits] == ["docs/7.txt"]
    with vsearch_core.open_index(root, open_embedder=lambda _: WordEmbedder(dimension=24)) as index:
        similar = index.similar("docs/7.txt", k=3)
        assert len(similar.hits) == 3 and "docs/7.txt" not in {hit.path for hit in similar.hits}
        assert similar.re_embedded == 0
        index.duplicates()
        assert index.search("river", diversity=0.5).hits


def test_candidates_are_embedded_once_in_a_process(root: Path) -> None:
    embedder = WordEmbedder(dimension=24)
    with vsearch_core.open_index(root, open_embedder=lambda _: embedder) as index:
        index.search("river bread oven")
        assert 0 < len(embedder.embedded) <= 20
        again = index.search("river bread oven")
        assert again.re_embedded == len(embedder.embedded)
        assert index.search("river bread oven", k=200).re_embedded == 50


@pytest.mark.parametrize("array", ["codes_rows", "codes_books", "codes_rotation", "codes_centre", "postings_rows"])
def test_damage_is_found_and_repaired(root: Path, embedder: WordEmbedder, array: str) -> None:
    before = codes(root)
    (path,) = (root / ".vsearch/segments").glob(f"*/{array}.npy")
    data = bytearray(path.read_bytes())
    data[-1] ^= 4
    path.write_bytes(data)
    assert not is_intact(root)
    repair_index(root / ".vsearch", limits=LIMITS)
    assert is_intact(root)
    if array == "postings_rows":
        assert codes(root) == before
    else:
        assert (status(root).keyword_chunks, status(root).coded_rows) == (60, 0)
        assert found(root).hits
        make_index(root, embedder, limits=LIMITS)
    assert len(codes(root)) == 60
    assert is_intact(root)


def test_a_damaged_codebook_is_taken_from_another_segment(root: Path, embedder: WordEmbedder) -> None:
    write(root, 60, 110)
    make_index(root, embedder, limits=IndexLimits(coded_rows=40, segments_per_tier=100))
    before = codes(root)
    folders = [path.parent for path in (root / ".vsearch/segments").glob("*/codes_books.npy")]
    assert len(folders) == 2
    (folders[0] / "codes_books.npy").unlink()
    assert repair_index(root / ".vsearch", limits=LIMITS).pending == 0
    assert codes(root) == before
    assert is_intact(root)


def test_archives_are_exported_and_imported(root: Path, tmp_path: Path) -> None:
    with vsearch_core.open_index(root) as index:
        index.export(tmp_path / "index.tar")
    vsearch_core.import_index(tmp_path / "index.tar", tmp_path / "new" / ".vsearch")
    assert codes(tmp_path / "new") == codes(root)
    assert is_intact(tmp_path / "new")


def test_re_embedding_gives_codes_of_the_new_model_or_vectors_again(root: Path) -> None:
    other = WordEmbedder("other", 24)
    re_embed_index(root / ".vsearch", IndexOptions(model="other"), lambda _: other, limits=LIMITS)
    assert (parts(root), status(root).vectors, is_intact(root)) == ({"codes"}, "none", True)
    re_embed_index(root / ".vsearch", IndexOptions(vectors="keep"), lambda _: other, limits=LIMITS)
    assert (parts(root), status(root).vectors, is_intact(root)) == ({"vectors"}, "keep", True)
    assert make_index(root, other, limits=LIMITS).embedded == 0


def test_copies_need_vectors(root: Path) -> None:
    from vsearch_core.index.copying import LocalCopySource

    with open_snapshot(root / ".vsearch") as snapshot, pytest.raises(InputError, match="keeps no vectors"):
        list(LocalCopySource(snapshot).copied_files())


def test_a_stopped_run_is_continued(tmp_path: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "docs").mkdir()
    write(tmp_path, 0, 100)
    observer = Observer(should_stop=lambda: len(embedder.embedded) >= 70)
    summary = make_index(tmp_path, embedder, Path("docs"), options=ARCHIVE, limits=LIMITS, observer=observer)
    assert summary.interrupted and summary.pending
    assert found(tmp_path).hits
    make_index(tmp_path, embedder, limits=LIMITS)
    assert (len(codes(tmp_path)), parts(tmp_path), len(embedder.embedded)) == (100, {"codes"}, 100)
    assert is_intact(tmp_path)


@pytest.mark.parametrize("steps", [0, 1])
def test_a_run_stopped_while_coding_keeps_vectors(tmp_path: Path, embedder: WordEmbedder, steps: int) -> None:
    (tmp_path / "docs").mkdir()
    write(tmp_path, 0, 60)
    reports: list[Progress] = []
    observer = Observer(
        progress=lambda progress: reports.append(progress) if progress.stage == "coding" else None,
        should_stop=lambda: len(reports) > steps,
    )
    summary = make_index(tmp_path, embedder, Path("docs"), options=ARCHIVE, limits=LIMITS, observer=observer)
    assert (summary.uncompacted, summary.pending, parts(tmp_path)) == (True, 0, {"vectors"})
    assert is_intact(tmp_path)
    assert make_index(tmp_path, embedder, limits=LIMITS).embedded == 0
    assert parts(tmp_path) == {"codes"}


def test_other_choices_are_refused(tmp_path: Path, embedder: WordEmbedder) -> None:
    (tmp_path / "docs").mkdir()
    with pytest.raises(InputError, match="'all' is not one of keep, none"):
        make_index(tmp_path, embedder, Path("docs"), options=IndexOptions(vectors="all"))
