"""Searches with `fresh` bring the changed files of hits up to date first, as far as the time and the rules allow."""

import gzip
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from process import write_files
from support import WordEmbedder

import vsearch_core as vsearch
from vsearch_core.allowed import forget
from vsearch_core.config import INDEX_DIR
from vsearch_core.embed.base import Batch
from vsearch_core.library import freshness

PAST = 1_577_880_000


def change(path: Path, text: str) -> None:
    """Change a file, and its time by more than a second."""
    path.write_text(text)
    os.utime(path, (PAST, PAST))


def paths(results: vsearch.Results) -> list[str]:
    return [hit.path for hit in results.hits]


def search(index: "vsearch.Index | vsearch.JoinedIndexes", query: str, **options: Any) -> vsearch.Results:
    return index.search(query, **{"mode": "keyword", "fresh": 60.0, **options})


def test_a_hits_file_is_read_again_and_ranked_by_its_new_text(index: vsearch.Index, notes: Path) -> None:
    change(notes / "fees.md", "# Fees\n\nThere is none for the pump.\n")
    assert paths(index.search("late fee", mode="keyword")) == ["fees.md"]
    found = search(index, "pump fee valve")
    assert [(hit.path, hit.stale) for hit in found.hits] == [("pump.md", None), ("fees.md", None)]
    assert "none for the pump" in found.hits[1].text
    assert not found.not_reread
    assert not paths(index.search("late", mode="keyword")), "the next search finds it, too"


def test_hits_that_come_up_later_are_read_again_too(index: vsearch.Index, notes: Path) -> None:
    write_files(notes, {"a.md": "boat", "b.md": "boat", "c.md": "A boat with a sail and many other things."})
    index.update()
    for name in ("a.md", "b.md"):
        change(notes / name, "Gone to sea.\n")
    assert paths(search(index, "boat", k=1)) == ["c.md"]
    assert set(paths(index.search("sea", mode="keyword"))) == {"a.md", "b.md"}


def test_a_hit_whose_file_is_gone_gives_way_to_the_next_one(index: vsearch.Index, notes: Path) -> None:
    (notes / "pump.md").unlink()
    assert paths(search(index, "pump bread", k=1)) == ["bread.txt"]
    assert index.status().files == 2


def test_files_of_a_folder_that_is_not_there_stay(index: vsearch.Index, notes: Path, tmp_path: Path) -> None:
    other = write_files(tmp_path / "usb", {"boat.md": "A boat with a sail."})
    index.update([other])
    shutil.rmtree(other)
    found = search(index, "boat")
    assert [hit.stale for hit in found.hits] == ["gone"]
    assert found.not_reread == (vsearch.NotReread(str(other / "boat.md"), f"the folder {other} is not there"),)


def test_a_file_that_only_seems_changed_stays_as_it_is(
    index: vsearch.Index, notes: Path, embedder: WordEmbedder
) -> None:
    before, texts = index.generation, len(embedder.embedded)
    os.utime(notes / "pump.md", (PAST, PAST))
    found = search(index, "pump")
    assert [(hit.path, hit.stale) for hit in found.hits] == [("pump.md", None)]
    assert (index.generation, len(embedder.embedded)) == (before, texts)


def test_what_the_time_does_not_suffice_for_is_named(
    index: vsearch.Index, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(notes / "pump.md", "A pump of another kind.")
    assert [each.reason for each in search(index, "pump", fresh=1e-9).not_reread] == ["the time was over"]

    def slowly(*arguments: Any) -> Any:  # the time ends while a file is read
        time.sleep(0.3)
        return reread(*arguments)

    reread = freshness.reread_until
    monkeypatch.setattr(freshness, "reread_until", slowly)
    found = search(index, "pump", fresh=0.2)
    assert [(each.path, each.reason) for each in found.not_reread] == [("pump.md", "the time was over")]
    assert [hit.stale for hit in found.hits] == ["changed"]
    monkeypatch.undo()
    assert not search(index, "pump").not_reread


def test_a_file_that_was_read_but_not_embedded_is_embedded_by_the_next_search(
    index: vsearch.Index, notes: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(texts: Sequence[str]) -> Iterator[Batch]:
        raise vsearch.ModelError("words", "can't be reached")

    change(notes / "pump.md", "A pump of another kind.")
    monkeypatch.setattr(embedder, "embed_documents", fail)
    assert [each.reason for each in search(index, "pump").not_reread] == ["can't be reached"]
    monkeypatch.undo()
    found = search(index, "pump")
    assert [(hit.path, hit.stale) for hit in found.hits] == [("pump.md", None)]
    assert "another kind" in found.hits[0].text


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_hit_is_no_more_if_its_file_is_no_file_of_the_folder(
    index: vsearch.Index, notes: Path, tmp_path: Path, kind: str
) -> None:
    change(tmp_path / "keys.txt", "A secret key to the bread.")
    file = notes / "bread.txt"
    file.unlink()
    if kind == "link":
        file.symlink_to(tmp_path / "keys.txt")
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        write_files(file, {"inner.txt": "A secret key to the bread."})
    assert paths(search(index, "bread pump key")) == ["pump.md"]
    assert not index.update().removed


def test_a_file_that_cant_be_read_keeps_its_text(index: vsearch.Index, notes: Path) -> None:
    packed = notes / "boat.txt.gz"
    packed.write_bytes(gzip.compress(b"A boat with a sail."))
    index.update()
    packed.write_bytes(packed.read_bytes()[:-9])
    os.utime(packed, (PAST, PAST))
    found = search(index, "boat")
    assert [each.path for each in found.not_reread] == ["boat.txt.gz"]
    assert [(hit.path, hit.stale) for hit in found.hits] == [("boat.txt.gz", "changed")]


def test_while_another_writes_or_nothing_can_be_written_hits_are_as_indexed(index: vsearch.Index, notes: Path) -> None:
    from vsearch_core.store.lock import writer_lock

    change(notes / "pump.md", "A pump of another kind.")
    with writer_lock(notes / INDEX_DIR):
        found = search(index, "pump", fresh=0.2)
    assert "another vsearch is writing" in found.not_reread[0].reason
    assert paths(found) == ["pump.md"]


def test_a_foreign_index_reads_no_file_outside_its_folder(index: vsearch.Index, notes: Path, tmp_path: Path) -> None:
    diary = write_files(tmp_path / "home", {"diary.txt": "I like boats."}) / "diary.txt"
    index.update([diary])
    forget(notes / INDEX_DIR)
    change(diary, "I like boats and secrets.")
    found = search(index, "boats")
    assert "secrets" not in found.hits[0].text
    assert "was never named on this machine" in found.not_reread[0].reason


def test_chunks_of_an_update_that_was_stopped_wait_for_the_next_update(
    index: vsearch.Index, notes: Path, embedder: WordEmbedder
) -> None:
    write_files(notes, {"new.md": "A new boat."})
    stopped = vsearch.Observer(progress=lambda each: steps.append(each.stage), should_stop=lambda: bool(steps))
    steps: list[str] = []
    with vsearch.open_index(notes, open_embedder=lambda _spec: embedder, observer=stopped) as other:
        assert other.update().pending == 1
    change(notes / "pump.md", "A pump of another kind.")
    assert "another kind" in search(index, "pump").hits[0].text
    assert not paths(search(index, "boat"))
    index.update()
    assert paths(search(index, "boat")) == ["new.md"]


def test_several_indexes_are_brought_up_to_date(tmp_path: Path, embedder: WordEmbedder) -> None:
    folders = [write_files(tmp_path / name, {"a.txt": f"A pump in the {name}."}) for name in ("plant", "home")]
    for folder in folders:
        with vsearch.open_index(folder, create=True, open_embedder=lambda _spec: embedder) as index:
            index.update([folder])
    change(folders[1] / "a.txt", "The pump was sold.")
    (folders[0] / "a.txt").unlink()
    with vsearch.open_index(folders[0], open_embedder=lambda _spec: embedder) as first, first.join(folders[1:]) as both:
        found = search(both, "pump")
    assert [(hit.index, hit.text, hit.stale) for hit in found.hits] == [
        (str(folders[1] / INDEX_DIR), "The pump was sold.", None)
    ]


def test_results_of_one_generation_cant_be_fresh(index: vsearch.Index) -> None:
    with pytest.raises(vsearch.ArgumentError, match="same generation"):
        list(index.search_many(["pump"], fresh=1.0))
    with pytest.raises(vsearch.ArgumentError, match="seconds above 0"):
        index.search("pump", fresh=0.0)
