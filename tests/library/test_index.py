"""`Index`: what it does to an index, and what it lets callers see."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support import WordEmbedder

import vsearch_core as vsearch


def names(index: vsearch.Index) -> list[str]:
    return [file.path for file in index.files()]


def test_opening_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(vsearch.IndexNotFoundError) as raised:
        vsearch.open_index(tmp_path / "nothing")
    assert raised.value.code == "index-not-found"


def test_opening_makes_nothing(tmp_path: Path) -> None:
    with vsearch.open_index(tmp_path / "later", create=True):
        assert list(tmp_path.iterdir()) == []


def test_a_folder_of_documents_has_its_index_inside(index: vsearch.Index, notes: Path) -> None:
    assert index.path == notes / ".vsearch"
    assert index.root == notes
    assert vsearch.open_index(notes / ".vsearch").path == vsearch.open_index(str(notes)).path == index.path


def test_update_reports_what_it_did(index: vsearch.Index, notes: Path) -> None:
    (notes / "more.md").write_text("More to read.")
    done = index.update()
    assert (done.files, done.added, done.unchanged) == (4, 1, 3)
    assert names(index) == ["bread.txt", "fees.md", "more.md", "pump.md"]


def test_update_takes_what_the_options_say(index: vsearch.Index, notes: Path) -> None:
    index.update([notes], include=["*.md"], exclude=["pump*"])
    assert names(index) == ["fees.md"]


def test_the_plan_is_what_update_would_do(index: vsearch.Index, notes: Path, embedder: WordEmbedder) -> None:
    (notes / "more.md").write_text("More to read.")
    before = index.generation
    plan = index.plan()
    assert (plan.new, plan.embed, plan.recipient) == (1, 1, None)
    assert index.generation == before and len(names(index)) == 3


def test_removed_files_are_gone_at_once(index: vsearch.Index, notes: Path) -> None:
    done = index.remove([notes / "pump.md"])
    assert (done.removed, done.left_out) == (1, ("pump.md",))
    assert names(index) == ["bread.txt", "fees.md"]


def test_status_check_and_compact(index: vsearch.Index, notes: Path) -> None:
    index.remove([notes / "pump.md"])
    assert index.compact().rows == 2
    assert index.status().files == 2
    assert index.check(full=True).faults == ()


def test_a_damaged_index_is_reported_and_repaired(index: vsearch.Index, notes: Path) -> None:
    (vectors,) = (index.path / "segments").glob("*/vectors.npy")
    vectors.write_bytes(vectors.read_bytes()[:-7])
    assert index.check().faults
    assert vsearch.repair_index(index.path).pending == 3
    index.update()
    assert index.check(full=True).faults == ()


def test_an_exported_index_can_be_imported(index: vsearch.Index, tmp_path: Path) -> None:
    done = index.export(tmp_path / "notes.archive")
    imported = vsearch.import_index(tmp_path / "notes.archive", tmp_path / "copy")
    assert (done.files, imported.files) == (3, 3)
    assert names(vsearch.open_index(tmp_path / "copy")) == names(index)


def test_an_archive_can_be_written_to_and_read_from_functions(index: vsearch.Index, tmp_path: Path) -> None:
    pieces: list[bytes] = []
    index.export(lambda piece: pieces.append(bytes(piece)))
    (tmp_path / "archive").write_bytes(b"".join(pieces))
    with (tmp_path / "archive").open("rb") as stream:
        assert vsearch.import_index(stream.read, tmp_path / "copy").files == 3


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (".", "not-a-file"),
        ("nowhere/archive", "no-such-folder"),
        ("notes/.vsearch/archive", "inside-the-index"),
        ("notes/fees.md", "file-exists"),
        ("/dev/null", "not-a-regular-file"),
    ],
)
def test_a_bad_target_is_refused(index: vsearch.Index, tmp_path: Path, target: str, code: str) -> None:
    with pytest.raises(vsearch.InputError) as raised:
        index.export(tmp_path / target)
    assert raised.value.code == code


def test_re_embedding_changes_the_model(index: vsearch.Index, notes: Path) -> None:
    other = WordEmbedder("other")
    with vsearch.open_index(notes, model="other", open_embedder=lambda _spec: other) as changed:
        assert changed.plan_re_embed().embed == 3
        assert changed.re_embed().model == "other"
        assert changed.status().fingerprint.model == "other"


def test_another_objects_commit_is_seen_after_refresh(index: vsearch.Index, notes: Path) -> None:
    before = index.generation
    assert not index.refresh()
    with vsearch.open_index(notes, open_embedder=lambda _spec: WordEmbedder()) as other:
        other.remove([notes / "pump.md"])
    assert index.generation == before
    assert index.refresh()
    assert index.generation > before
    assert names(index) == ["bread.txt", "fees.md"]
    assert not index.refresh()


def test_an_index_that_was_deleted_and_made_anew_is_seen_after_refresh(index: vsearch.Index, notes: Path) -> None:
    before = index.generation
    shutil.rmtree(index.path)
    (notes / "pump.md").unlink()
    with vsearch.open_index(notes, create=True, open_embedder=lambda _spec: WordEmbedder()) as other:
        other.update([notes])
        assert other.generation == before
    assert index.refresh()
    assert names(index) == ["bread.txt", "fees.md"]


def test_closing_twice_is_harmless_and_later_calls_are_refused(index: vsearch.Index) -> None:
    index.close()
    index.close()
    calls: list[Any] = [index.status, index.refresh, lambda: index.generation, lambda: names(index)]
    for call in calls:
        with pytest.raises(vsearch.InputError, match="this Index is closed") as raised:
            call()
        assert raised.value.code == "index-closed"


def test_a_query_goes_to_the_address_that_is_named(notes: Path, index: vsearch.Index) -> None:
    addresses: list[str | None] = []

    def opener(spec: vsearch.EmbedderSpec) -> WordEmbedder:
        addresses.append(spec.base_url)
        return WordEmbedder()

    for base_url in (None, "http://127.0.0.1:9/v1"):
        with vsearch.open_index(notes, base_url=base_url, open_embedder=opener, consent=lambda *_: True) as opened:
            assert opened.search("fee").hits
    assert addresses == [None, "http://127.0.0.1:9/v1"]
