"""`remove_paths`: what leaves, and what stays away."""

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


def held(root: Path) -> list[str]:
    """The live files, as their chunks tell, below docs."""
    with open_snapshot(root / ".vsearch") as snapshot:
        chunks = [chunk for view in snapshot.segments for chunk in view.chunk_ids[view.alive].tolist()]
        assert sorted(each.path for each in snapshot.catalog.stored_chunks(chunks)) == sorted(
            snapshot.catalog.files(live=True)
        )
        return sorted(path.removeprefix("docs/") for path in snapshot.catalog.files(live=True))


def remove(root: Path, *names: str) -> tuple[str, ...]:
    return remove_paths(root / ".vsearch", [root / name for name in names]).left_out


def test_a_removed_file_stays_away_until_it_is_named(root: Path, embedder: WordEmbedder) -> None:
    assert remove(root, "docs/sub/b.txt") == ("docs/sub/b.txt",)
    expected = ["a.txt", "sub/c.txt", "sub/deep/d.txt", "subtle.txt"]
    assert held(root) == expected
    for paths in ((), (Path("docs"),), (Path("docs/sub"),)):
        make_index(root, embedder, *paths)
        assert held(root) == expected
    make_index(root, embedder, Path("docs/sub/b.txt"))
    assert held(root) == sorted([*expected, "sub/b.txt"])
    make_index(root, embedder)
    assert held(root) == sorted([*expected, "sub/b.txt"])


def test_a_removed_folder_takes_all_below_it_and_nothing_beside(root: Path, embedder: WordEmbedder) -> None:
    done = remove_paths(root / ".vsearch", [root / "docs/sub"])
    assert (done.removed, done.files, done.chunks) == (3, 2, 2)
    (root / "docs/sub/new.txt").write_text("New.", encoding="utf-8")
    make_index(root, embedder)
    assert held(root) == ["a.txt", "subtle.txt"]
    make_index(root, embedder, Path("docs/sub/deep"))
    make_index(root, embedder)
    assert held(root) == ["a.txt", "sub/deep/d.txt", "subtle.txt"]
    assert remove(root, "docs/sub/deep") == ()  # the folder above keeps it away
    make_index(root, embedder)
    assert held(root) == ["a.txt", "subtle.txt"]


def test_a_removed_source_is_forgotten(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, Path("docs/sub"))
    assert remove(root, "docs") == ()
    assert held(root) == []
    with pytest.raises(InputError, match="nothing of it"):
        remove(root, "docs")
    make_index(root, embedder, Path("docs"))
    assert len(held(root)) == 5


def test_a_source_within_a_source_stays_away_too(root: Path, embedder: WordEmbedder) -> None:
    make_index(root, embedder, Path("docs/sub"))
    assert remove(root, "docs/sub") == ("docs/sub",)
    make_index(root, embedder)
    assert held(root) == ["a.txt", "subtle.txt"]


@pytest.mark.parametrize("name", ["docs/sub", "docs/a.txt"])
@pytest.mark.parametrize("paths", [(), (Path("docs"),)], ids=["all", "its folder"])
def test_what_was_removed_stays_away_when_it_comes_back(
    root: Path, embedder: WordEmbedder, name: str, paths: tuple[Path, ...]
) -> None:
    remove(root, name)
    expected = held(root)
    (root / name).rename(root / "elsewhere")
    assert make_index(root, embedder, *paths).failed == 0
    (root / "elsewhere").rename(root / name)
    make_index(root, embedder, *paths)
    assert held(root) == expected
    make_index(root, embedder, Path(name))
    assert len(held(root)) == 5


def test_files_that_are_gone_can_be_removed(root: Path, embedder: WordEmbedder) -> None:
    (root / "docs").rename(root / "elsewhere")
    remove(root, "docs/a.txt")
    assert "a.txt" not in held(root)
    remove(root, "docs")
    assert held(root) == []
    assert make_index(root, embedder).failed == 0


@pytest.mark.parametrize("unknown", ["docs/nowhere", "doc", "docs/a.txt/x", "docs/su"])
def test_an_unknown_path_is_refused_before_anything_is_removed(root: Path, unknown: str) -> None:
    with pytest.raises(InputError, match="nothing of it"):
        remove(root, "docs/a.txt", unknown)
    assert len(held(root)) == 5


def test_stopped_after_the_removal_it_is_done_and_says_what_is_not(root: Path, embedder: WordEmbedder) -> None:
    done = remove_paths(root / ".vsearch", [root / "docs/sub"], Observer(should_stop=lambda: True))
    assert (done.removed, done.uncompacted) == (3, True)
    assert held(root) == ["a.txt", "subtle.txt"]
    assert not make_index(root, embedder).uncompacted
    assert held(root) == ["a.txt", "subtle.txt"]
    assert not remove_paths(root / ".vsearch", [root / "docs/a.txt"]).uncompacted


def test_what_was_passed_over_there_is_forgotten(root: Path, embedder: WordEmbedder) -> None:
    for name in ("docs/sub/broken.pdf", "docs/broken.pdf"):
        (root / name).write_bytes(b"%PDF-1.7 garbage")
    assert make_index(root, embedder).failed == 2
    remove(root, "docs/sub")
    with open_snapshot(root / ".vsearch") as snapshot:
        assert skipped_paths(snapshot.catalog) == ["docs/broken.pdf"]


def test_what_a_stopped_run_has_staged_is_forgotten_too(root: Path, embedder: WordEmbedder) -> None:
    (root / "docs/sub/e.txt").write_text("About apricots.", encoding="utf-8")
    embedder.embedded.clear()
    make_index(root, embedder, observer=Observer(should_stop=lambda: True, progress=lambda _: None))
    remove(root, "docs/sub")
    assert make_index(root, embedder).pending == 0
    assert embedder.embedded == []
