"""`Index.join`: several indexes are searched as one, from several threads and over their commits."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from process import write_files
from support import WordEmbedder

import vsearch_core as vsearch


@pytest.fixture
def folders(tmp_path: Path, embedder: WordEmbedder) -> list[Path]:
    write_files(
        tmp_path,
        {"plant/pump.txt": "Grease the pump.", "home/bread.txt": "Bread and time.", "home/pump.txt": "A pump."},
    )
    for name in ("plant", "home"):
        with vsearch.open_index(tmp_path / name, create=True, open_embedder=lambda _spec: embedder) as index:
            index.update([tmp_path / name])
    return [tmp_path / "plant", tmp_path / "home"]


@pytest.fixture
def joined(folders: list[Path], embedder: WordEmbedder) -> Iterator[vsearch.JoinedIndexes]:
    with vsearch.open_index(folders[0], open_embedder=lambda _spec: embedder) as first, first.join(folders[1:]) as both:
        yield both


def test_hits_have_the_paths_of_their_indexes(joined: vsearch.JoinedIndexes, folders: list[Path]) -> None:
    results = joined.search("pump", mode="keyword")
    assert sorted((hit.index, hit.path) for hit in results.hits) == [
        (str(folders[1] / ".vsearch"), "pump.txt"),
        (str(folders[0] / ".vsearch"), "pump.txt"),
    ]
    assert (results.searched, results.keyword_only) == (3, ())
    assert joined.root == folders[0].parent
    assert [hit.path for hit in joined.similar(str(folders[1] / "pump.txt"), k=1).hits] == ["pump.txt"]
    assert [len(each.hits) for each in joined.search_many(["pump", "bread"], mode="keyword")] == [2, 1]


def test_a_commit_to_any_index_is_seen_after_refresh(
    joined: vsearch.JoinedIndexes, folders: list[Path], embedder: WordEmbedder
) -> None:
    before = joined.generation
    assert not joined.refresh()
    (folders[1] / "more.txt").write_text("Another pump.")
    with vsearch.open_index(folders[1], open_embedder=lambda _spec: embedder) as index:
        index.update()
    assert len(joined.search("pump", mode="keyword").hits) == 2
    assert joined.refresh()
    assert (joined.generation, len(joined.search("pump", mode="keyword").hits)) == (before + 1, 3)


def test_threads_share_joined_indexes(joined: vsearch.JoinedIndexes) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: [hit.path for hit in joined.search("pump bread").hits], range(40)))
    assert all(each == found[0] for each in found) and len(found[0]) == 3


def test_a_newer_version_in_another_index_is_named(tmp_path: Path, embedder: WordEmbedder) -> None:
    text = "The policy on pumps says to test each of them twice a year, by hand, and to write it down."
    write_files(tmp_path, {"2025/policy.txt": text, "2026/policy.txt": text})
    for name in ("2025", "2026"):
        with vsearch.open_index(tmp_path / name, create=True, open_embedder=lambda _spec: embedder) as index:
            index.update([tmp_path / name])
    with vsearch.open_index(tmp_path / "2025", open_embedder=lambda _spec: embedder) as first:
        assert [hit.newer for hit in first.search("policy").hits] == [None]
        with first.join([tmp_path / "2026"]) as both:
            assert {hit.index: hit.newer for hit in both.search("policy").hits} == {
                str(tmp_path / "2025" / ".vsearch"): str(tmp_path / "2026" / "policy.txt"),
                str(tmp_path / "2026" / ".vsearch"): None,
            }


def test_a_missing_index_is_refused(folders: list[Path], joined: vsearch.JoinedIndexes) -> None:
    joined.close()
    with pytest.raises(vsearch.InputError, match="closed"):
        joined.search("pump")
    with vsearch.open_index(folders[0]) as first, pytest.raises(vsearch.IndexNotFoundError):
        first.join(["nowhere"])


def test_texts_files_and_counts_are_those_of_all_indexes(
    joined: vsearch.JoinedIndexes, folders: list[Path], embedder: WordEmbedder
) -> None:
    states = list(joined.files())
    assert joined.status().files == sum(each.files for each in joined.statuses()) == len(states)
    for state in states:
        found = joined.read(state.path)
        assert found.index is not None
        assert Path(found.index).parent / found.path == joined.root / state.path
    assert {Path(str(joined.read(state.path).index)).parent for state in states} == set(folders)
    assert joined.duplicates().searched == joined.status().chunks
    for each in joined.verify(f"See {states[-1].path}:1.").claims:
        assert each.status == "supported" and each.found is not None and each.found.index is not None
