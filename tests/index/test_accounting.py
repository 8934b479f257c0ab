"""The stored state of each file, and the files that later runs read again."""

import os
from pathlib import Path
from typing import Any

import pytest
from pdfs import encrypted, make_pdf, recognising, with_pictures
from support import WordEmbedder, make_index

from vsearch_core.index.progress import Observer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.snapshot import open_snapshot
from vsearch_core.index.status import read_states, read_status
from vsearch_core.index.writer import UpdateSummary, update_index
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.states import STATES
from vsearch_core.text.discover import DiscoverOptions, contents
from vsearch_core.text.extract.options import ExtractOptions

DOCS = Path("docs")
MIXED = with_pictures(make_pdf("typed", ""), [2])
PICTURES = "only pictures on page 2 (OCR reads them)"
SCANNED = "has no text, only pictures"
LOCKED = "is encrypted"
FAILED, SKIPPED = "failed", "skipped"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with files that can't be read; modification times are trusted at once."""
    monkeypatch.setattr("vsearch_core.index.sources.SETTLED_NS", -(10**18))
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "apple.txt").write_text("An apple.")
    (docs / "empty.txt").write_text("")
    (docs / "large.txt").write_text("x" * 200_000)
    (docs / "binary.bin").write_bytes(bytes(1000))
    (docs / "link.txt").symlink_to("nowhere")
    (docs / "mixed.pdf").write_bytes(MIXED)
    (docs / "scan.pdf").write_bytes(with_pictures(make_pdf(""), [1]))
    (docs / "locked.pdf").write_bytes(encrypted(make_pdf("secret"), "open sesame"))
    return tmp_path


def index(root: Path, embedder: WordEmbedder, *paths: Path) -> UpdateSummary:
    return make_index(root, embedder, *paths, discover=DiscoverOptions(max_file_size=100_000))


def refresh(root: Path, embedder: WordEmbedder, **options: Any) -> UpdateSummary:
    """Update the index with these options."""
    return update_index(root / ".vsearch", [], IndexOptions(), lambda _: embedder, **options)


def states(root: Path) -> dict[str, tuple[str, str]]:
    """Return state and reason by path."""
    with open_snapshot(root / ".vsearch") as snapshot:
        found = list(read_states(snapshot))
        counted = read_status(snapshot).files_by_state
    assert [file.path for file in found] == sorted({file.path for file in found})
    assert counted == {state: sum(file.state == state for file in found) for state in STATES}
    return {file.path: (file.state, file.reason) for file in found}


EXPECTED = {
    "docs/apple.txt": ("indexed", ""),
    "docs/binary.bin": (SKIPPED, "is binary, not text"),
    "docs/empty.txt": ("indexed", "holds no text"),
    "docs/large.txt": (SKIPPED, "200,000 bytes, more than 100,000"),
    "docs/link.txt": (SKIPPED, "dangling symbolic link"),
    "docs/locked.pdf": (FAILED, LOCKED),
    "docs/mixed.pdf": ("partly", PICTURES),
    "docs/scan.pdf": (FAILED, SCANNED),
}


def test_the_observer_s_advice_is_stored_with_the_reason(root: Path, embedder: WordEmbedder) -> None:
    observer = Observer(advice=lambda error: f"see {error.code}")
    make_index(root, embedder, DOCS, observer=observer)
    stored = states(root)
    assert stored["docs/locked.pdf"] == (FAILED, "is encrypted; see encrypted-file")
    assert stored["docs/scan.pdf"] == (FAILED, "has no text, only pictures; see pictures-only")
    assert stored["docs/binary.bin"] == (SKIPPED, "is binary, not text")


def test_each_file_has_one_state(root: Path, embedder: WordEmbedder) -> None:
    for run in (index(root, embedder, DOCS), refresh(root, embedder)):
        assert states(root) == EXPECTED
        assert (run.files, run.partly, run.textless, run.skipped, run.failed) == (3, 1, 1, 3, 2)


def test_states_of_deleted_and_repaired_files_are_updated(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    for name in ("binary.bin", "large.txt", "link.txt", "locked.pdf", "mixed.pdf", "empty.txt"):
        (root / "docs" / name).unlink()
    (root / "docs/large.txt").write_text("small now")
    (root / "docs/scan.pdf").write_bytes(make_pdf("text now"))
    summary = refresh(root, embedder)
    assert states(root) == dict.fromkeys(("docs/apple.txt", "docs/large.txt", "docs/scan.pdf"), ("indexed", ""))
    assert (summary.partly, summary.textless, summary.skipped, summary.failed) == (0, 0, 0, 0)


def test_a_run_on_another_folder_keeps_the_states(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    (root / "other").mkdir()
    index(root, embedder, Path("other"))
    assert states(root) == EXPECTED


def test_a_name_that_is_not_utf8_is_skipped(root: Path, embedder: WordEmbedder) -> None:
    try:
        Path(os.fsdecode(os.fsencode(root / "docs") + b"/caf\xe9.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    for _ in range(2):
        index(root, embedder, DOCS)
        assert states(root)["docs/caf\\xe9.txt"] == (SKIPPED, "its name is not valid UTF-8")


def test_a_file_that_cannot_be_opened_is_tried_again(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        if path.name == "apple.txt":
            raise PermissionError(13, "Permission denied")
        return contents(path)

    with monkeypatch.context() as closed:
        closed.setattr("vsearch_core.text.reading.is_steady", lambda _name: True)  # read everything in this process
        closed.setattr("vsearch_core.text.reading.contents", refuse)
        index(root, embedder, DOCS)
        assert states(root)["docs/apple.txt"] == (FAILED, "permission denied")
    refresh(root, embedder)  # neither size nor times have changed
    assert states(root) == EXPECTED


def test_a_file_that_becomes_unreadable_keeps_its_former_version(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    (root / "docs/mixed.pdf").write_bytes(b"no PDF")
    refresh(root, embedder)
    state, reason = states(root)["docs/mixed.pdf"]
    assert (state, reason.startswith("is not a readable PDF"), reason.endswith("; kept as it was")) == (
        FAILED,
        True,
        True,
    )
    (root / "docs/mixed.pdf").write_bytes(MIXED)
    assert refresh(root, embedder).changed == 0
    assert states(root) == EXPECTED


def test_files_not_yet_embedded_are_pending(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    (root / "docs/apple.txt").write_text("Another apple.")
    (root / "docs/new.txt").write_text("A pear.")
    read: list[int] = []
    stop = Observer(progress=lambda progress: read.append(progress.done), should_stop=lambda: bool(read))
    assert refresh(root, embedder, observer=stop).interrupted
    assert states(root) == {**EXPECTED, "docs/apple.txt": ("pending", ""), "docs/new.txt": ("pending", "")}


def test_a_password_reads_only_encrypted_files_again(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(root, embedder, DOCS)
    opened: list[str] = []

    def record_read(path: Path) -> bytes:
        opened.append(path.name)
        return contents(path)

    monkeypatch.setattr("vsearch_core.text.reading.is_steady", lambda _name: True)  # read everything in this process
    monkeypatch.setattr("vsearch_core.text.reading.contents", record_read)
    assert refresh(root, embedder).failed == 2
    assert opened == []
    assert refresh(root, embedder, reading=ExtractOptions("wrong")).failed == 2
    assert states(root)["docs/locked.pdf"][1].startswith("is encrypted, and the password does not open it")
    assert refresh(root, embedder, reading=ExtractOptions("open sesame")).added == 1
    assert opened == ["locked.pdf"] * 2
    assert states(root) == {**EXPECTED, "docs/locked.pdf": ("indexed", "")}
    with open_snapshot(root / ".vsearch") as snapshot:
        assert not any("sesame" in line for line in snapshot.catalog.connection.iterdump())


def test_ocr_reads_scanned_files_again(
    root: Path, embedder: WordEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(root, embedder, DOCS)
    monkeypatch.setenv("PATH", recognising(tmp_path / "programs", make_pdf("typed", "seen")))
    summary = refresh(root, embedder, reading=ExtractOptions(ocr=True))
    assert (summary.added, summary.changed, summary.failed, summary.partly) == (1, 1, 1, 0)
    assert states(root) == {**EXPECTED, **dict.fromkeys(("docs/mixed.pdf", "docs/scan.pdf"), ("indexed", ""))}
    monkeypatch.setenv("PATH", "/nowhere")
    assert refresh(root, embedder, reading=ExtractOptions(ocr=True)).unchanged == 4


def test_retry_reads_partly_indexed_files_again(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    reasons: dict[str, str] = {}
    summary = refresh(root, embedder, retry=True, observer=Observer(file_incomplete=reasons.__setitem__))
    assert (summary.changed, summary.unchanged) == (0, 3)
    assert reasons == {"docs/mixed.pdf": PICTURES}
    assert states(root) == EXPECTED


def test_front_matter_cannot_mark_a_file_as_partly_read(root: Path, embedder: WordEmbedder) -> None:
    (root / "docs/a.md").write_text("---\nvsearch_left_out: all of it\n---\nA pear.\n")
    index(root, embedder, DOCS)
    assert states(root)["docs/a.md"] == ("indexed", "")


def test_a_file_with_damaged_metadata_is_read_again(root: Path, embedder: WordEmbedder) -> None:
    """Its metadata no longer says that the newest extractor has read it."""
    index(root, embedder, DOCS)
    catalog = Catalog.open_to_write(root / ".vsearch")
    catalog.connection.execute("UPDATE files SET meta = '{' WHERE path = 'docs/mixed.pdf'")
    catalog.close()
    assert refresh(root, embedder).partly == 1
