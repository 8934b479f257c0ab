"""The state of each file, and the files that are tried again."""

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
    """A folder of which not all can be read; times vouch for bytes at once."""
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


def again(root: Path, embedder: WordEmbedder, **options: Any) -> UpdateSummary:
    """A refresh with these options."""
    return update_index(root / ".vsearch", [], IndexOptions(), lambda _: embedder, **options)


def states(root: Path) -> dict[str, tuple[str, str]]:
    """State and reason by path."""
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


def test_each_file_once(root: Path, embedder: WordEmbedder) -> None:
    for run in (index(root, embedder, DOCS), again(root, embedder)):
        assert states(root) == EXPECTED
        assert (run.files, run.partly, run.textless, run.skipped, run.failed) == (3, 1, 1, 3, 2)


def test_what_is_no_more_is_told_no_more(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    for name in ("binary.bin", "large.txt", "link.txt", "locked.pdf", "mixed.pdf", "empty.txt"):
        (root / "docs" / name).unlink()
    (root / "docs/large.txt").write_text("small now")
    (root / "docs/scan.pdf").write_bytes(make_pdf("text now"))
    summary = again(root, embedder)
    assert states(root) == dict.fromkeys(("docs/apple.txt", "docs/large.txt", "docs/scan.pdf"), ("indexed", ""))
    assert (summary.partly, summary.textless, summary.skipped, summary.failed) == (0, 0, 0, 0)


def test_a_run_elsewhere_forgets_nothing(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    (root / "other").mkdir()
    index(root, embedder, Path("other"))
    assert states(root) == EXPECTED


def test_a_name_that_is_no_utf_8(root: Path, embedder: WordEmbedder) -> None:
    try:
        Path(os.fsdecode(os.fsencode(root / "docs") + b"/caf\xe9.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    for _ in range(2):
        index(root, embedder, DOCS)
        assert states(root)["docs/caf\\xe9.txt"] == (SKIPPED, "its name is not valid UTF-8")


def test_what_the_system_would_not_open(root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(path: Path) -> bytes:
        if path.name == "apple.txt":
            raise PermissionError(13, "Permission denied")
        return contents(path)

    with monkeypatch.context() as closed:
        closed.setattr("vsearch_core.text.reading.is_steady", lambda _name: True)  # all is read in this process
        closed.setattr("vsearch_core.text.reading.contents", refuses)
        index(root, embedder, DOCS)
        assert states(root)["docs/apple.txt"] == (FAILED, "permission denied")
    again(root, embedder)  # though neither size nor times have changed
    assert states(root) == EXPECTED


def test_a_former_version_is_kept_and_found_again(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    (root / "docs/mixed.pdf").write_bytes(b"no PDF")
    again(root, embedder)
    state, reason = states(root)["docs/mixed.pdf"]
    assert (state, reason.startswith("is no readable PDF"), reason.endswith("; kept as it was")) == (FAILED, True, True)
    (root / "docs/mixed.pdf").write_bytes(MIXED)
    assert again(root, embedder).changed == 0
    assert states(root) == EXPECTED


def test_what_is_not_embedded_yet_is_pending(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    (root / "docs/apple.txt").write_text("Another apple.")
    (root / "docs/new.txt").write_text("A pear.")
    read: list[int] = []
    stop = Observer(progress=lambda progress: read.append(progress.done), should_stop=lambda: bool(read))
    assert again(root, embedder, observer=stop).interrupted
    assert states(root) == {**EXPECTED, "docs/apple.txt": ("pending", ""), "docs/new.txt": ("pending", "")}


def test_a_password_tries_the_encrypted_ones_only(
    root: Path, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(root, embedder, DOCS)
    opened: list[str] = []

    def noted(path: Path) -> bytes:
        opened.append(path.name)
        return contents(path)

    monkeypatch.setattr("vsearch_core.text.reading.is_steady", lambda _name: True)  # all is read in this process
    monkeypatch.setattr("vsearch_core.text.reading.contents", noted)
    assert again(root, embedder).failed == 2
    assert opened == []
    assert again(root, embedder, reading=ExtractOptions("wrong")).failed == 2
    assert states(root)["docs/locked.pdf"][1].startswith("is encrypted, and the password does not open it")
    assert again(root, embedder, reading=ExtractOptions("open sesame")).added == 1
    assert opened == ["locked.pdf"] * 2
    assert states(root) == {**EXPECTED, "docs/locked.pdf": ("indexed", "")}
    with open_snapshot(root / ".vsearch") as snapshot:
        assert not any("sesame" in line for line in snapshot.catalog.connection.iterdump())


def test_ocr_reads_what_is_scanned(
    root: Path, embedder: WordEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(root, embedder, DOCS)
    monkeypatch.setenv("PATH", recognising(tmp_path / "programs", make_pdf("typed", "seen")))
    summary = again(root, embedder, reading=ExtractOptions(ocr=True))
    assert (summary.added, summary.changed, summary.failed, summary.partly) == (1, 1, 1, 0)
    assert states(root) == {**EXPECTED, **dict.fromkeys(("docs/mixed.pdf", "docs/scan.pdf"), ("indexed", ""))}
    monkeypatch.setenv("PATH", "/nowhere")
    assert again(root, embedder, reading=ExtractOptions(ocr=True)).unchanged == 4


def test_retry_reads_again_what_is_indexed_in_part(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    told: dict[str, str] = {}
    summary = again(root, embedder, retry=True, observer=Observer(file_incomplete=told.__setitem__))
    assert (summary.changed, summary.unchanged) == (0, 3)
    assert told == {"docs/mixed.pdf": PICTURES}
    assert states(root) == EXPECTED


def test_a_front_matter_does_not_pass_for_it(root: Path, embedder: WordEmbedder) -> None:
    (root / "docs/a.md").write_text("---\nvsearch_left_out: all of it\n---\nA pear.\n")
    index(root, embedder, DOCS)
    assert states(root)["docs/a.md"] == ("indexed", "")


def test_damaged_metadata_stops_no_run(root: Path, embedder: WordEmbedder) -> None:
    index(root, embedder, DOCS)
    catalog = Catalog.open_to_write(root / ".vsearch")
    catalog.connection.execute("UPDATE files SET meta = '{' WHERE path = 'docs/mixed.pdf'")
    catalog.close()
    assert again(root, embedder).partly == 0
