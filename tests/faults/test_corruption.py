"""Flipped bits, truncations, and swapped, empty, missing or extra files: no crash, and no wrong result."""

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from damage import LOG, Answers, DamageOutcome, answers, build, build_with_ann, files_by_kind, outcomes, spread, table

from vsearch_core.errors import VsearchError
from vsearch_core.index.check import check_index
from vsearch_core.index.parts import CODED, GRAPH, IVF, PQ, Part
from vsearch_core.index.repair import repair_index
from vsearch_core.store.segment import SEGMENTS_DIR
from vsearch_core.store.tables import CATALOG_FILE

PART = 50  # damages of one task


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("corruption") / "project")


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    """Start processes to examine damages in: one that is killed by a signal fails the test."""
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        yield executor


def examined(
    pool: Executor, index: Path, file: Path, flips: int, cuts: int, known: Sequence[Answers]
) -> list[DamageOutcome]:
    size = (index / file).stat().st_size
    damages = [*spread(flips, size, "flip"), *spread(cuts, size, "cut")] if size else []
    parts = [damages[start : start + PART] for start in range(0, len(damages), PART)]
    tasks = [pool.submit(outcomes, index, file, part, known) for part in parts]
    return [outcome for task in tasks for outcome in task.result()]


def check_outcomes(kind: str, found: Sequence[DamageOutcome]) -> None:
    """Check that no result is silently wrong, and that the full check finds all damage except in unused space."""
    for outcome in found:
        assert outcome.query != "wrong", (kind, outcome)
        assert outcome.full or kind in {"catalog", "lock", "log"}, (kind, outcome)
        assert outcome.full or not outcome.changed or kind == "log", (kind, outcome)
        assert outcome.query != "older" or kind == "log", (kind, outcome)
        assert not outcome.quick, (kind, outcome)


def test_some_damages_of_each_file(index: Path, pool: Executor) -> None:
    known = [answers(index)]
    for kind, file in files_by_kind(index).items():
        check_outcomes(kind, examined(pool, index, file, 16, 4, known))


@pytest.mark.faults
def test_a_thousand_flips_of_each_file(index: Path, pool: Executor, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        (kind, examined(pool, index, file, 1000, 200, [answers(index)])) for kind, file in files_by_kind(index).items()
    ]
    with capsys.disabled():
        print("\n" + table(rows))
    for kind, found in rows:
        check_outcomes(kind, found)


def build_part(choice: str, root: Path, files: int) -> tuple[Path, dict[str, Path]]:
    """Return an index whose vectors have a graph, lists or PQ codes, and the files of these by the names of arrays."""
    part: Part = {"graph": GRAPH, "ivf": IVF, "codes": CODED}.get(choice, PQ)
    index = build_with_ann(root, choice, files)
    found = {kind: file for kind, file in files_by_kind(index).items() if part.owns(kind)}
    assert len(found) == {GRAPH: 10, IVF: 10, PQ: 8, CODED: 4}[part]
    return index, found


@pytest.fixture(scope="module", params=["graph", "ivf", "pq", "pq8", "codes"])
def ann_index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """Return an index that is searched by a graph, lists or PQ codes, and the files of these."""
    return build_part(
        request.param, tmp_path_factory.mktemp("linked") / "project", 12 if request.param == "codes" else 42
    )


@pytest.fixture(scope="module", params=["graph", "ivf", "pq", "pq8", "codes"])
def small_ann_index(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Path]]:
    """Return the same with 600 rows: each damage is refused before a search, so that an examination takes less."""
    return build_part(request.param, tmp_path_factory.mktemp("small") / "project", 12)


def check_refused_searches(kind: str, found: Sequence[DamageOutcome]) -> None:
    """Check that searches are refused: a process verifies a whole graph, or all lists, before a kernel reads them."""
    for outcome in found:
        assert (outcome.query, outcome.full) == ("refused", True), (kind, outcome)


def test_some_damages_of_each_file_of_a_graph_or_lists(ann_index: tuple[Path, dict[str, Path]], pool: Executor) -> None:
    index, files = ann_index
    known = [pool.submit(answers, index).result()]
    for kind, file in files.items():
        check_refused_searches(kind, examined(pool, index, file, 3, 1, known))


@pytest.mark.faults
def test_a_thousand_flips_of_each_file_of_a_graph_or_lists(
    small_ann_index: tuple[Path, dict[str, Path]], pool: Executor, capsys: pytest.CaptureFixture[str]
) -> None:
    index, files = small_ann_index
    known = [pool.submit(answers, index).result()]
    rows = [(kind, examined(pool, index, file, 1000, 200, known)) for kind, file in files.items()]
    with capsys.disabled():
        print("\n" + table(rows))
    for kind, found in rows:
        check_refused_searches(kind, found)


@pytest.fixture(scope="module")
def generations(index: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Answers]:
    """Return the hits of the index with its write-ahead log, and without."""
    before = Path(shutil.copytree(index.parent / "unfolded", tmp_path_factory.mktemp("log") / "before"))
    (before / LOG).unlink()
    return [answers(index), answers(before)]


def test_some_damages_of_the_write_ahead_log(index: Path, pool: Executor, generations: list[Answers]) -> None:
    """A damaged log ends at the damage; commits after it are lost."""
    found = examined(pool, index.parent / "unfolded", Path(LOG), 3, 1, generations)
    check_outcomes("log", found)
    assert {outcome.query for outcome in found} <= {"same", "older"}
    whole = Path(shutil.copytree(index.parent / "unfolded", index.parent / "folded"))
    assert answers(whole) == generations[0] != generations[1]


@pytest.mark.faults
def test_a_thousand_flips_of_the_write_ahead_log(
    index: Path, pool: Executor, generations: list[Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    found = examined(pool, index.parent / "unfolded", Path(LOG), 1000, 200, generations)
    with capsys.disabled():
        print("\n" + table([("log", found)]))
    check_outcomes("log", found)


@pytest.fixture
def copy(index: Path, tmp_path: Path) -> Path:
    """Return a copy of the index to damage."""
    return Path(shutil.copytree(index, tmp_path / "copy" / ".vsearch"))


def larger(index: Path) -> Path:
    return max((index / SEGMENTS_DIR).iterdir(), key=lambda folder: (folder / "vectors.npy").stat().st_size)


def check_found(index: Path) -> None:
    """Check that queries are refused and both checks find the damage."""
    with pytest.raises(VsearchError):
        answers(index)
    assert check_index(index, full=True).faults
    assert check_index(index).faults


def test_files_of_a_segment_are_swapped(copy: Path) -> None:
    folder = larger(copy)
    for one, other in (
        ("chunk_ids", "file_ids"),
        ("postings_rows", "postings_counts"),
        ("vectors", "postings_lengths"),
    ):
        (folder / f"{one}.npy").rename(folder / "x")
        (folder / f"{other}.npy").rename(folder / f"{one}.npy")
        (folder / "x").rename(folder / f"{other}.npy")
    check_found(copy)


def test_segments_are_swapped(copy: Path) -> None:
    one, other = (copy / SEGMENTS_DIR).iterdir()
    one.rename(copy / "x")
    other.rename(one)
    (copy / "x").rename(other)
    check_found(copy)


@pytest.mark.parametrize("kind", ["vectors", "chunk_ids", "postings_terms"])
@pytest.mark.parametrize("replacement", ["empty", "missing", "folder", "link"])
def test_a_file_is_empty_missing_a_folder_or_a_link(copy: Path, kind: str, replacement: str) -> None:
    path = larger(copy) / f"{kind}.npy"
    data = path.read_bytes()
    path.unlink()
    if replacement == "empty":
        path.touch()
    elif replacement == "folder":
        path.mkdir()
    elif replacement == "link":
        (copy.parent / "outside.npy").write_bytes(data)
        path.symlink_to(copy.parent / "outside.npy")
    check_found(copy)


def test_extra_files_are_found_and_repaired(copy: Path, index: Path) -> None:
    (larger(copy) / "extra.npy").write_bytes(b"x")
    (copy / "extra").mkdir()
    assert answers(copy) == answers(index)
    (fault,) = check_index(copy, full=True).faults
    assert fault.thing.endswith("extra.npy")
    repair_index(copy)
    assert not check_index(copy, full=True).faults


def test_the_catalog_is_empty_or_missing(copy: Path) -> None:
    (copy / CATALOG_FILE).write_bytes(b"")
    check_found(copy)
    (copy / CATALOG_FILE).unlink()
    for look in (answers, check_index):
        with pytest.raises(VsearchError):
            look(copy)
