"""`remove_paths`: files leave the index, and stay out."""

from pathlib import Path

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import InputError
from vsearch_core.index.progress import Observer
from vsearch_core.index.removal import remove_paths
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.store.skipped import skipped_paths


@pytest.fixture
def root(tmp_path: Path, embedder: WordEmbedder) -> Path:
    for name in ("a.txt", "sub/b.txt", "sub/c.txt", "sub/deep/d.txt", "subtle.txt"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"About {name}.", encoding="utf-8")
    make_index(tmp_path, embedder, Path("docs"))
    return tmp_path


def live_files(root: Path) -> list[str]:
    """Return the files in docs that have live chunks."""
    with open_snapshot(root / ".vsearch") as snapshot:
        chunks = [chunk for view in snapshot.segments for chunk in view.chunk_ids[view.alive].tolist()]
        assert sorted(each.path for each in snapshot.catalog.stored_chunks(chunks)) == sorted(
            snapshot.catalog.files(live=True)
        )
        return sorted(path.removeprefix("docs/") for path in snapshot.catalog.files(live=True))


def remove(root: Path, *names: str) -> tuple[str, ...]:
    return remove_paths(root / ".vsearch", [root / name for name in names]).left_out


def test_a_removed_file_stays_out_until_it_is_named(root: Path, embedder: WordEmbedder) -> None:
    assert remove(root, "docs/sub/b.txt") == ("docs/sub/b.txt",)
    expected = ["a.txt", "sub/c.txt", "sub/deep/d.txt", "subtle.txt"]
    assert live_files(root) == expected
    for paths in ((), (Path("docs"),), (Path("docs/sub"),)):
        make_index(root, embedder, *paths)
        assert live_files(root) == expected
    make_index(root, embedder, Path("docs/sub/b.txt"))
    assert live_files(root) == sorted([*expected, "sub/b.txt"])
    make_index(root, embedder)
    assert live_files(root) == sorted([*expected, "sub/b.txt"])


def test_removing_a_folder_removes_exactly_the_files_inside(root: Path, embedder: WordEmbedder) -> None:
    done = remove_paths(root / ".vsearch", [root / "docs/sub"])
    assert (done.removed, done.files, done.chunks) == (3, 2, 2)
    (root / "docs/sub/new.txt").write_text("New.", encoding="utf-8")
    make_index(root, embedder)
    assert live_files(root) == ["a.txt", "subtle.txt"]
    make_index(root, embedder, Path("docs/sub/deep"))
    make_index(root, embedder)
    assert live_files(root) == ["a.txt", "sub/deep/d.txt", "subtle.txt"]
    assert remove(root, "docs/sub/deep") == ()  # the folder above it is removed already
    make_index(root, embedder)
    assert live_files(root) == ["a.txt", "subtle.txt"]


def test_a_removed_source_is_no_longer_a_source(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, Path("docs/sub"))
    assert remove(root, "docs") == ()
    assert live_files(root) == []
    with pytest.raises(InputError, match="is not in the index"):
        remove(root, "docs")
    make_index(root, embedder, Path("docs"))
    assert len(live_files(root)) == 5


def test_a_removed_nested_source_stays_out(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, Path("docs/sub"))
    assert remove(root, "docs/sub") == ("docs/sub",)
    make_index(root, embedder)
    assert live_files(root) == ["a.txt", "subtle.txt"]


@pytest.mark.parametrize("name", ["docs/sub", "docs/a.txt"])
@pytest.mark.parametrize("paths", [(), (Path("docs"),)], ids=["all", "its folder"])
def test_a_removed_file_that_is_recreated_stays_out(
    root: Path, embedder: WordEmbedder, name: str, paths: tuple[Path, ...]
) -> None:
    remove(root, name)
    expected = live_files(root)
    (root / name).rename(root / "elsewhere")
    assert make_index(root, embedder, *paths).failed == 0
    (root / "elsewhere").rename(root / name)
    make_index(root, embedder, *paths)
    assert live_files(root) == expected
    make_index(root, embedder, Path(name))
    assert len(live_files(root)) == 5


def test_deleted_files_can_be_removed(root: Path, embedder: WordEmbedder) -> None:
    (root / "docs").rename(root / "elsewhere")
    remove(root, "docs/a.txt")
    assert "a.txt" not in live_files(root)
    remove(root, "docs")
    assert live_files(root) == []
    assert make_index(root, embedder).failed == 0


@pytest.mark.parametrize("unknown", ["docs/nowhere", "doc", "docs/a.txt/x", "docs/su"])
def test_an_unknown_path_is_refused_before_anything_is_removed(root: Path, unknown: str) -> None:
    with pytest.raises(InputError, match="is not in the index"):
        remove(root, "docs/a.txt", unknown)
    assert len(live_files(root)) == 5


def test_a_removal_stopped_after_its_commit_reports_the_unfinished_compaction(
    root: Path, embedder: WordEmbedder
) -> None:
    done = remove_paths(root / ".vsearch", [root / "docs/sub"], Observer(should_stop=lambda: True))
    assert (done.removed, done.uncompacted) == (3, True)
    assert live_files(root) == ["a.txt", "subtle.txt"]
    assert not make_index(root, embedder).uncompacted
    assert live_files(root) == ["a.txt", "subtle.txt"]
    assert not remove_paths(root / ".vsearch", [root / "docs/a.txt"]).uncompacted


def test_records_of_skipped_files_are_removed(root: Path, embedder: WordEmbedder) -> None:
    for name in ("docs/sub/broken.pdf", "docs/broken.pdf"):
        (root / name).write_bytes(b"%PDF-1.7 garbage")
    assert make_index(root, embedder).failed == 2
    remove(root, "docs/sub")
    with open_snapshot(root / ".vsearch") as snapshot:
        assert skipped_paths(snapshot.catalog) == ["docs/broken.pdf"]


def test_staged_texts_are_removed(root: Path, embedder: WordEmbedder) -> None:
    (root / "docs/sub/e.txt").write_text("About apricots.", encoding="utf-8")
    embedder.embedded.clear()
    make_index(root, embedder, observer=Observer(should_stop=lambda: True, progress=lambda _: None))
    remove(root, "docs/sub")
    assert make_index(root, embedder).pending == 0
    assert embedder.embedded == []
