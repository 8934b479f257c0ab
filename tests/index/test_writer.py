"""The effects of a run on the index, with a model of a few lines."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import (
    ArgumentError,
    ExtractionError,
    IndexLockedError,
    IndexMismatchError,
    InputError,
    ModelError,
)
from vsearch_core.index import writer
from vsearch_core.index.check import check_index
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.progress import Observer, Progress
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.sources import Source
from vsearch_core.model import Document, EmbedderSpec
from vsearch_core.search.local import LocalSearcher
from vsearch_core.search.pipeline import query_embedding, search
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.lock import writer_lock
from vsearch_core.store.segment import SEGMENTS_DIR
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.discover import DiscoverOptions
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.files import FileToRead
from vsearch_core.text.reading import InProcessReader

DOCS = Path("docs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, word in enumerate(["apple", "banana", "cherry"]):
        write(tmp_path, f"docs/{word}.txt", f"A text about the {word}, number {number}.")
    return tmp_path


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def hit_paths(root: Path, embedder: WordEmbedder, text: str, mode: str = "keyword") -> list[str]:
    """Return the paths of the hits."""
    with open_snapshot(root / ".vsearch") as snapshot:
        searcher = LocalSearcher(snapshot)
        results = search(searcher, SearchRequest(text, mode=mode), query_embedding(embedder))
        return [hit.path for hit in results.hits]


def generation(root: Path) -> int:
    with open_snapshot(root / ".vsearch") as snapshot:
        return snapshot.generation


def test_a_first_run_indexes_all_files(root: Path, embedder: WordEmbedder) -> None:
    summary = make_index(root, embedder, DOCS)
    assert (summary.files, summary.chunks, summary.added, summary.embedded, summary.pending) == (3, 3, 3, 3, 0)
    for mode in ("keyword", "vector", "hybrid"):
        assert hit_paths(root, embedder, "banana", mode)[0] == "docs/banana.txt"


def test_an_unchanged_folder_is_not_embedded_again(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS)
    before = generation(root)
    embedder.embedded.clear()

    def fail(_spec: EmbedderSpec) -> WordEmbedder:
        raise AssertionError("no model is needed")

    summary = writer.update_index(root / ".vsearch", [], IndexOptions(), fail)
    assert (summary.unchanged, summary.embedded) == (3, 0)
    assert generation(root) == before


def test_only_changed_files_are_embedded(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS)
    embedder.embedded.clear()
    write(root, "docs/banana.txt", "Now it is about the durian.")
    write(root, "docs/elder.txt", "About the elderberry.")
    (root / "docs/apple.txt").unlink()
    summary = make_index(root, embedder)
    assert (summary.added, summary.changed, summary.removed, summary.unchanged) == (1, 1, 1, 1)
    assert sorted(embedder.embedded) == ["About the elderberry.", "Now it is about the durian."]
    assert hit_paths(root, embedder, '"the banana"') == []
    assert hit_paths(root, embedder, '"the apple"') == []
    assert hit_paths(root, embedder, "durian") == ["docs/banana.txt"]
    assert sorted(hit_paths(root, embedder, "about", "vector")) == [
        f"docs/{name}.txt" for name in ("banana", "cherry", "elder")
    ]


def test_a_touched_file_is_not_embedded_again(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS)
    embedder.embedded.clear()
    os.utime(root / "docs/apple.txt", ns=(1, 1))
    assert make_index(root, embedder).unchanged == 3
    assert embedder.embedded == []
    assert not make_index(root, embedder).changed  # the new time is stored


def test_named_paths_are_added_and_the_rest_stays(root: Path, embedder: WordEmbedder) -> None:
    write(root, "notes/fig.txt", "About the fig.")
    make_index(root, embedder, DOCS)
    (root / "docs/apple.txt").unlink()
    summary = make_index(root, embedder, Path("notes"))
    assert (summary.files, summary.added, summary.removed) == (4, 1, 0)
    assert make_index(root, embedder).removed == 1


def test_a_nested_source_keeps_files_that_only_its_options_include(root: Path, embedder: WordEmbedder) -> None:
    write(root, ".ignore", "*.log\n")
    write(root, "docs/logs/grape.log", "About the grape.")
    make_index(root, embedder, DOCS)
    make_index(root, embedder, Path("docs/logs"), discover=DiscoverOptions(use_ignore_files=False))
    assert hit_paths(root, embedder, "grape") == ["docs/logs/grape.log"]
    make_index(root, embedder, DOCS)
    assert hit_paths(root, embedder, "grape") == ["docs/logs/grape.log"]
    (root / "docs/logs/grape.log").unlink()
    make_index(root, embedder)
    assert hit_paths(root, embedder, "grape") == []


def test_a_missing_source_is_reported_and_its_files_stay(root: Path, embedder: WordEmbedder) -> None:
    write(root, "notes/fig.txt", "About the fig.")
    make_index(root, embedder, DOCS)
    make_index(root, embedder, Path("notes"))
    (root / "docs").rename(root / "elsewhere")
    (root / "notes/fig.txt").unlink()
    missing: list[str] = []
    summary = make_index(root, embedder, observer=Observer(source_missing=missing.append))
    assert missing == ["docs"]
    assert (summary.failed, summary.removed) == (1, 1)
    assert hit_paths(root, embedder, "banana") == ["docs/banana.txt"]


@pytest.mark.parametrize("refreshed", [(), (DOCS,)], ids=["all", "its folder"])
def test_a_file_that_was_named_and_then_deleted_leaves_the_index(
    root: Path, embedder: WordEmbedder, refreshed: tuple[Path, ...]
) -> None:
    make_index(root, embedder, Path("docs/apple.txt"))
    make_index(root, embedder, DOCS)
    (root / "docs/apple.txt").unlink()
    summary = make_index(root, embedder, *refreshed)
    assert (summary.removed, summary.failed) == (1, 0)
    assert hit_paths(root, embedder, "apple") == []
    assert make_index(root, embedder).failed == 0


@pytest.mark.parametrize("moved", [False, True], ids=["deleted", "moved"])
def test_a_deleted_source_is_removed_with_its_file_after_an_interrupted_run(
    root: Path, embedder: WordEmbedder, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = IndexLimits(chunks_per_commit=1, chunks_per_block=1)
    fig = write(root, "fig.txt", "About the fig.")
    make_index(root, embedder, Path("fig.txt"), DOCS, limits=limits)
    fig.rename(root / "docs/a fig.txt") if moved else fig.unlink()
    write(root, "docs/elder.txt", "About the elderberry.")
    write(root, "docs/guava.txt", "About the guava.")
    embedder.embedded.clear()
    stop = Observer(should_stop=lambda: bool(embedder.embedded))
    assert make_index(root, embedder, observer=stop, limits=limits).interrupted
    summary = make_index(root, embedder, limits=limits)
    assert (summary.interrupted, summary.failed) == (False, 0)
    assert hit_paths(root, embedder, "fig") == (["docs/a fig.txt"] if moved else [])
    with open_snapshot(root / ".vsearch") as snapshot:
        assert list(snapshot.catalog.sources()) == ["docs"]


def test_a_deleted_source_without_text_is_removed(root: Path, embedder: WordEmbedder) -> None:
    broken = root / "docs/broken.pdf"
    broken.write_bytes(b"%PDF-1.7 garbage")
    make_index(root, embedder, Path("docs/broken.pdf"), DOCS)
    broken.unlink()
    assert make_index(root, embedder).failed == 0
    with open_snapshot(root / ".vsearch") as snapshot:
        assert list(snapshot.catalog.sources()) == ["docs"]


def test_a_nested_source_keeps_its_exclusions(root: Path, embedder: WordEmbedder) -> None:
    write(root, "docs/sub/grape.txt", "About the grape.")
    make_index(root, embedder, DOCS)
    make_index(root, embedder, Path("docs/sub"), discover=DiscoverOptions(exclude=("grape.txt",)))
    assert hit_paths(root, embedder, "grape") == []
    make_index(root, embedder)
    make_index(root, embedder, DOCS)
    assert hit_paths(root, embedder, "grape") == []


def test_a_run_over_another_source_keeps_staged_texts(root: Path, embedder: WordEmbedder) -> None:
    write(root, "notes/fig.txt", "About the fig.")
    make_index(root, embedder, Path("notes"))
    embedder.batch = 1
    embedder.embedded.clear()
    make_index(root, embedder, DOCS, observer=Observer(should_stop=lambda: len(embedder.embedded) >= 1))
    make_index(root, embedder, Path("notes"))
    assert len(embedder.embedded) == len(set(embedder.embedded)) == 3
    assert hit_paths(root, embedder, "cherry") == ["docs/cherry.txt"]


def test_a_text_file_that_becomes_binary_leaves_the_index(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS)
    (root / "docs/apple.txt").write_bytes(b"\0\1\2\3" * 100)
    summary = make_index(root, embedder)
    assert (summary.removed, summary.skipped) == (1, 1)
    assert hit_paths(root, embedder, "apple") == []


def test_without_its_model_no_index_is_created(tmp_path: Path) -> None:
    def refuse(_spec: EmbedderSpec) -> WordEmbedder:
        raise ModelError("model", "is nowhere", "bring it")

    write(tmp_path, "docs/a.txt", "text")
    with pytest.raises(ModelError):
        writer.update_index(
            tmp_path / ".vsearch", [Source(tmp_path / "docs", DiscoverOptions())], IndexOptions(), refuse
        )
    assert not (tmp_path / ".vsearch").exists()


def test_an_unsupported_dimension_is_refused_and_no_index_is_created(tmp_path: Path, embedder: WordEmbedder) -> None:
    write(tmp_path, "docs/a.txt", "text")
    with pytest.raises(ArgumentError, match=r"dimension: .* makes vectors of .*, not 7"):
        make_index(tmp_path, embedder, DOCS, options=IndexOptions(dimension=7))
    assert not (tmp_path / ".vsearch").exists()


def test_an_index_stores_the_address_of_its_embedder(tmp_path: Path, embedder: WordEmbedder) -> None:
    write(tmp_path, "docs/a.txt", "text")
    make_index(tmp_path, embedder, DOCS, options=IndexOptions(base_url="http://127.0.0.1:9"))
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        assert snapshot.settings.spec.base_url == "http://127.0.0.1:9"


def test_a_failed_update_with_another_address_leaves_an_index_that_can_be_opened(
    tmp_path: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise InputError("docs", "stands for any error before the first commit")

    write(tmp_path, "docs/a.txt", "text")
    make_index(tmp_path, embedder, DOCS, options=IndexOptions(base_url="http://127.0.0.1:9"))
    monkeypatch.setattr(writer, "record_named_sources", fail)
    with pytest.raises(InputError, match="stands for"):
        make_index(tmp_path, embedder, options=IndexOptions(base_url="http://127.0.0.1:8"))
    with open_snapshot(tmp_path / ".vsearch") as snapshot:
        assert snapshot.settings.spec.base_url == "http://127.0.0.1:8"


def test_files_outside_the_root_are_stored_absolute(root: Path, embedder: WordEmbedder) -> None:
    project = root / "project"
    project.mkdir()
    make_index(project, embedder, root / "docs")
    assert hit_paths(project, embedder, "apple") == [str(root / "docs/apple.txt")]


def test_empty_files_and_folders_are_indexed(root: Path, embedder: WordEmbedder) -> None:
    (root / "void").mkdir()
    assert make_index(root, embedder, Path("void")).files == 0
    write(root, "void/empty.txt", "")
    assert make_index(root, embedder).added == 1
    assert make_index(root, embedder).unchanged == 1


def test_failed_and_binary_files_are_reported_and_the_run_continues(root: Path, embedder: WordEmbedder) -> None:
    (root / "docs/broken.pdf").write_bytes(b"%PDF-1.7 garbage")
    (root / "docs/program.bin").write_bytes(b"\0\1\2\3" * 100)
    failed: dict[str, str] = {}
    skipped: dict[str, str] = {}
    observer = Observer(file_failed=failed.__setitem__, file_skipped=skipped.__setitem__)
    summary = make_index(root, embedder, DOCS, observer=observer)
    assert (summary.files, summary.failed, summary.skipped) == (3, 1, 1)
    assert list(failed) == ["docs/broken.pdf"]
    assert list(skipped) == ["docs/program.bin"]


def test_a_file_deleted_before_it_is_read_is_not_a_failure(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS)
    for name in ("apple", "banana", "fig"):
        write(root, f"docs/{name}.txt", "Read too late.")
    late = [root / "docs/banana.txt", root / "docs/fig.txt"]

    def delete() -> bool:
        for path in late:
            path.unlink(missing_ok=True)
        return False

    summary = make_index(root, embedder, observer=Observer(should_stop=delete))
    assert (summary.files, summary.failed, summary.changed, summary.added) == (3, 0, 1, 0)
    assert hit_paths(root, embedder, "late") == ["docs/apple.txt"]
    assert hit_paths(root, embedder, "banana") == ["docs/banana.txt"]
    assert make_index(root, embedder).removed == 1


def test_a_file_that_can_no_longer_be_read_keeps_its_last_good_version(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_index(root, embedder, DOCS)

    def fail_to_extract(name: str, data: bytes, *_: object) -> Document:
        raise ExtractionError(name, "it is damaged", "mend it")

    monkeypatch.setattr("vsearch_core.text.reading.extract", fail_to_extract)
    write(root, "docs/apple.txt", "damaged")
    write(root, "docs/fig.txt", "damaged too")
    reports: list[tuple[str, str]] = []
    observer = Observer(
        file_failed=lambda path, _: reports.append(("failed", path)),
        file_kept=lambda path, _: reports.append(("kept", path)),
    )
    summary = make_index(root, embedder, observer=observer)
    assert reports == [("kept", "docs/apple.txt"), ("failed", "docs/fig.txt")]
    assert (summary.failed, summary.removed, summary.files) == (2, 0, 3)
    assert hit_paths(root, embedder, "apple") == ["docs/apple.txt"]


FAULTS = (ExtractionError("a file", "it is damaged", "mend it"), PermissionError(13, "Permission denied"))


@pytest.mark.parametrize("fault", FAULTS, ids=["damaged", "unreadable"])
@pytest.mark.parametrize("live", [False, True], ids=["only staged", "live too"])
def test_the_only_text_of_an_unreadable_file_is_kept_even_if_staged(
    root: Path, embedder: WordEmbedder, fault: Exception, live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**18))
    embedder.batch = 1
    if live:
        make_index(root, embedder, DOCS)
        write(root, "docs/apple.txt", "Rather about the apricot.")
        write(root, "docs/cherry.txt", "Rather about the damson.")
        embedder.embedded.clear()
    make_index(root, embedder, DOCS, observer=Observer(should_stop=lambda: len(embedder.embedded) >= 1))

    def extract(name: str, data: bytes, *_: object) -> Document:
        assert name == "cherry.txt"
        raise fault

    monkeypatch.setattr("vsearch_core.text.reading.extract", extract)
    write(root, "docs/cherry.txt", "What nobody can read.")
    reports: list[str] = []
    for runs in (1, 2):
        assert make_index(root, embedder, observer=Observer(file_kept=lambda path, _: reports.append(path))).failed == 1
        assert reports == ["docs/cherry.txt"] * runs
        assert hit_paths(root, embedder, "cherry") == ["docs/cherry.txt"]
        assert hit_paths(root, embedder, "damson") == []


@pytest.mark.parametrize("batches", range(6))
def test_an_interrupted_run_is_resumed_by_the_next(root: Path, embedder: WordEmbedder, batches: int) -> None:
    embedder.batch = 1
    observer = Observer(should_stop=lambda: len(embedder.embedded) >= batches)
    summary = make_index(root, embedder, DOCS, observer=observer)
    kept = min(batches, 3)
    assert summary.interrupted == (batches <= 3)
    assert summary.embedded == kept
    if batches:
        assert summary.files == kept
        assert summary.pending == 3 - kept
    assert len(hit_paths(root, embedder, "text", "vector")) == kept
    make_index(root, embedder)
    assert sorted(embedder.embedded) == sorted(set(embedder.embedded)), "a chunk was embedded twice"
    assert len(hit_paths(root, embedder, "text", "vector")) == 3


def test_a_run_killed_between_batches_loses_none(root: Path, embedder: WordEmbedder) -> None:
    """A killed run leaves staged chunks and vectors, and no commit."""
    embedder.batch = 1

    class Killed(BaseException):
        pass

    def die(_progress: object) -> None:
        if len(embedder.embedded) == 2:
            raise Killed

    with pytest.raises(Killed):
        make_index(root, embedder, DOCS, observer=Observer(progress=die))
    assert hit_paths(root, embedder, "text", "vector") == []
    make_index(root, embedder)
    assert len(embedder.embedded) == 3
    assert len(hit_paths(root, embedder, "text", "vector")) == 3


def test_a_file_that_changes_between_two_runs_is_staged_again(root: Path, embedder: WordEmbedder) -> None:
    embedder.batch = 1
    make_index(root, embedder, DOCS, observer=Observer(should_stop=lambda: len(embedder.embedded) >= 1))
    write(root, "docs/cherry.txt", "Rather about the damson.")
    make_index(root, embedder)
    assert hit_paths(root, embedder, '"the cherry"') == []
    assert hit_paths(root, embedder, "damson") == ["docs/cherry.txt"]


def test_outdated_staged_texts_are_never_committed(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder.batch = 1
    make_index(root, embedder, DOCS, observer=Observer(should_stop=lambda: len(embedder.embedded) >= 1))
    write(root, "docs/aaa.txt", "About the aubergine.")  # it would be read before cherry.txt if that were not staged
    write(root, "docs/cherry.txt", "Rather about the damson.")
    make_index(root, embedder, limits=IndexLimits(chunks_per_commit=1, chunks_per_block=1, files_per_transaction=1))
    assert "A text about the cherry, number 2." not in embedder.embedded
    assert hit_paths(root, embedder, '"the cherry"') == []
    assert hit_paths(root, embedder, "damson") == ["docs/cherry.txt"]
    assert check_index(root / ".vsearch", full=True).faults == ()


def test_reading_and_embedding_alternate_with_a_static_model(root: Path, embedder: WordEmbedder) -> None:
    embedder.fingerprint = replace(embedder.fingerprint, provider="static")
    seen: list[Progress] = []
    limits = IndexLimits(chunks_per_block=2, files_per_transaction=1)
    make_index(root, embedder, DOCS, observer=Observer(progress=seen.append), limits=limits)
    reports = [(progress.stage, progress.done, progress.total) for progress in seen]
    assert [each for each in dict.fromkeys(reports) if each[1]] == [
        ("reading", 1, 3),
        ("reading", 2, 3),
        ("embedding", 2, 2),
        ("reading", 3, 3),
        ("embedding", 2, 3),
        ("embedding", 3, 3),
    ]


@pytest.mark.parametrize("stopped", [1, 2])
def test_a_run_stopped_while_reading_counts_pending_files(
    root: Path, embedder: WordEmbedder, stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Progress] = []
    observer = Observer(progress=seen.append, should_stop=lambda: len(seen) >= stopped)
    summary = make_index(root, embedder, DOCS, observer=observer, limits=IndexLimits(files_per_transaction=1))
    assert (summary.unread, summary.pending, summary.interrupted) == (3 - stopped, stopped, True)
    assert make_index(root, embedder).unread == 0
    assert len(hit_paths(root, embedder, "text", "vector")) == 3


def test_a_run_stops_even_if_files_are_ready(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_ready_reader(
        files: Sequence[FileToRead], chunking: ChunkOptions, options: ExtractOptions, *_: object, **_more: object
    ) -> InProcessReader:
        return InProcessReader(files, chunking, options, lambda: False)

    monkeypatch.setattr("vsearch_core.index.staging.open_reader", open_ready_reader)
    seen: list[Progress] = []
    observer = Observer(progress=seen.append, should_stop=lambda: bool(seen))
    limits = IndexLimits(files_per_transaction=1)
    assert make_index(root, embedder, DOCS, observer=observer, limits=limits).unread == 2


def test_leftovers_of_a_crash_are_deleted(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS)
    orphan = root / ".vsearch" / SEGMENTS_DIR / ("0" * 32)
    orphan.mkdir()
    make_index(root, embedder)
    assert not orphan.exists()


def test_a_long_run_commits_repeatedly(root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keywords of all files are committed first, and then each vector."""
    make_index(root, embedder, DOCS, limits=IndexLimits(chunks_per_commit=1, chunks_per_block=1))
    assert generation(root) == 4


def test_a_second_writer_is_refused(root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    make_index(root, embedder, DOCS)
    monkeypatch.setattr("vsearch_core.index.writer.writer_lock", lambda index: writer_lock(index, wait=0.1))
    with writer_lock(root / ".vsearch"), pytest.raises(IndexLockedError):
        make_index(root, embedder)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (IndexOptions(embedder="gemini"), "embedder"),
        (IndexOptions(chunk_words=100), "chunk_words"),
        (IndexOptions(overlap_words=7), "overlap_words"),
        (IndexOptions(language="de"), "language"),
    ],
)
def test_changed_settings_are_refused_by_name(
    root: Path, embedder: WordEmbedder, options: IndexOptions, named: str
) -> None:
    make_index(root, embedder, DOCS)
    with pytest.raises(IndexMismatchError) as caught:
        make_index(root, embedder, DOCS, options=options)
    assert caught.value.details["argument"] == named


def test_another_model_is_refused_and_the_index_stays(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, DOCS)
    write(root, "docs/fig.txt", "About the fig.")
    for other in (WordEmbedder("other"), WordEmbedder(dimension=8)):
        with pytest.raises(IndexMismatchError, match="its vectors were made by words"):
            make_index(root, other, DOCS)
    assert make_index(root, embedder).added == 1


def test_refreshing_without_an_index_is_an_error(tmp_path: Path, embedder: WordEmbedder) -> None:
    with pytest.raises(InputError, match="nothing to refresh"):
        make_index(tmp_path, embedder)
    assert not (tmp_path / ".vsearch").exists()


def test_for_a_missing_path_no_index_is_created(tmp_path: Path, embedder: WordEmbedder) -> None:
    with pytest.raises(InputError, match="no such file"):
        make_index(tmp_path, embedder, Path("nowhere"))
    assert not (tmp_path / ".vsearch").exists()
