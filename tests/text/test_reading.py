"""Both readers fulfil their contract; and the choice between them."""

import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from contracts.reader import CHUNKING, ReaderContract, go_on, stop, take_all, to_read

from vsearch_core.text.extract.options import DEFAULTS
from vsearch_core.text.files import FileRead, FileToRead, Outcome, Reader
from vsearch_core.text.limits import WorkerLimits
from vsearch_core.text.reading import InProcessReader, open_reader, read
from vsearch_core.text.workers import WorkerPool

CORPUS = Path(__file__).parent.parent.parent / "sample_corpus"


class TestInProcessReader(ReaderContract):
    def open(self, files: Sequence[FileToRead], should_stop: Callable[[], bool]) -> Reader:
        return InProcessReader(files, CHUNKING, DEFAULTS, should_stop)


class TestWorkerPool(ReaderContract):
    def open(self, files: Sequence[FileToRead], should_stop: Callable[[], bool]) -> Reader:
        return WorkerPool(files, (CHUNKING, DEFAULTS), should_stop, WorkerLimits(), workers=2)


def test_both_readers_read_the_corpus_alike() -> None:
    files = to_read([path for path in sorted(CORPUS.rglob("*")) if path.is_file()])
    in_process = take_all(InProcessReader(files, CHUNKING, DEFAULTS, go_on))
    with closing(open_reader(files, CHUNKING, DEFAULTS, go_on)) as reader:
        assert isinstance(reader, WorkerPool)
        in_workers = take_all(reader)
    assert list(map(comparable, in_workers)) == list(map(comparable, in_process))
    assert len(in_process) == len(files) > 20


def test_a_message_is_read_without_attachments(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    head = "Content-Type: multipart/mixed; boundary=B\n\n--B\n\nthe message\n--B\n"
    path.write_text(f"{head}Content-Disposition: attachment; filename=a.txt\n\nattached\n--B--\n", encoding="utf-8")
    file = FileToRead(str(path), path.stat().st_size)
    whole, alone = (read(each, CHUNKING) for each in (file, replace(file, with_attachments=False)))
    assert whole.chunks is not None and alone.chunks is not None
    assert ["attached" in chunk.text for chunk in whole.chunks] == [False, True]
    assert [chunk.text for chunk in alone.chunks] == [whole.chunks[0].text]
    assert (whole.left_out, len(alone.left_out)) == ((), 1)


def test_an_archive_whose_file_broke_a_limit_is_read_with_its_plain_text_only(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {"a.txt": "plain", "b.html": "<p>page", "c/d.md": "marked", "e.txt": "last"}.items():
            archive.writestr(name, text)
    file = FileToRead(str(path), path.stat().st_size)
    whole, steady = (read(each, CHUNKING) for each in (file, replace(file, with_attachments=False)))
    texts = [" ".join(chunk.text for chunk in each.chunks or ()).split() for each in (whole, steady)]
    assert [[word for word in words if word.isalpha()] for words in texts] == [
        ["plain", "page", "marked", "last"],
        ["plain", "marked", "last"],
    ]
    assert (whole.left_out, len(steady.left_out)) == ((), 1)


def comparable(outcome: Outcome) -> object:
    return outcome.result if isinstance(outcome.result, FileRead) else str(outcome.result)


@pytest.mark.parametrize(
    ("names", "size", "kind"),
    [
        (["a.txt", "b.md", "c.py", "noname"], 1000, InProcessReader),
        (["a.txt", "b.pdf"], 1000, WorkerPool),
        (["a.txt.gz"], 1000, WorkerPool),
        (["a.txt"], 3_000_000, WorkerPool),
        ([f"{number}.txt" for number in range(300)], 10, WorkerPool),
    ],
)
def test_a_few_plain_files_are_read_without_workers(names: list[str], size: int, kind: type) -> None:
    files = [FileToRead(f"/nowhere/{name}", size) for name in names]
    with closing(open_reader(files, CHUNKING, DEFAULTS, stop)) as reader:
        assert type(reader) is kind
