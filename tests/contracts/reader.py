"""The contract of readers of files. A new one inherits `ReaderContract` and supplies `open`."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from process import write_files
from samples import SAMPLES

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract.options import DEFAULTS
from vsearch_core.text.files import FileRead, FileToRead, Outcome, Reader
from vsearch_core.text.reading import read

CHUNKING = ChunkOptions(60, 6)


def go_on() -> bool:
    return False


def stop() -> bool:
    return True


def take_all(reader: Reader, limit: int = 7) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while some := reader.take(limit):
        assert len(some) <= limit
        outcomes += some
    return outcomes


def to_read(paths: Sequence[Path]) -> list[FileToRead]:
    return [FileToRead(str(path), path.stat().st_size) for path in paths]


class ReaderContract:
    def open(self, files: Sequence[FileToRead], should_stop: Callable[[], bool]) -> Reader:
        """Open the reader under test; it must split by `CHUNKING`, with the default options of extraction."""
        raise NotImplementedError

    def outcomes(self, files: Sequence[FileToRead], limit: int = 7) -> list[Outcome]:
        with closing(self.open(files, go_on)) as reader:
            return take_all(reader, limit)

    @pytest.fixture
    def samples(self, tmp_path: Path) -> list[Path]:
        names = [name for name in SAMPLES if not name.endswith(".msg")]
        write_files(tmp_path, {name: SAMPLES[name] for name in names})
        return [tmp_path / name for name in names]

    def test_no_files_give_no_outcomes(self) -> None:
        assert self.outcomes([]) == []

    @pytest.mark.parametrize("limit", [1, 7, 1000])
    def test_each_file_has_one_outcome_in_order(self, tmp_path: Path, limit: int) -> None:
        texts = [f"The text of file {number}." for number in range(40)]
        write_files(tmp_path, {f"{number}.txt": text for number, text in enumerate(texts)})
        files = to_read([tmp_path / f"{number}.txt" for number in range(40)])
        results = [outcome.result for outcome in self.outcomes(files, limit)]
        assert [result.chunks[0].text for result in results if isinstance(result, FileRead) and result.chunks] == texts

    def test_every_format_is_read_as_by_read(self, samples: list[Path]) -> None:
        files = to_read(samples)
        results = [outcome.result for outcome in self.outcomes(files)]
        assert results == [read(file, CHUNKING, DEFAULTS) for file in files]

    def test_a_file_that_can_not_be_read_fails_alone(self, tmp_path: Path) -> None:
        write_files(tmp_path, {"a.txt": "text", "b.txt": bytes(100), "c.docx": b"no package", "e.txt": "text"})
        files = [FileToRead(str(tmp_path / name), 100) for name in ("a.txt", "b.txt", "c.docx", "d.txt", "e.txt")]
        first, binary, damaged, missing, last = (outcome.result for outcome in self.outcomes(files))
        assert isinstance(binary, BinaryFileError)
        assert (binary.subject, binary.code) == ("b.txt", "binary-file")
        assert type(damaged) is ExtractionError
        assert (damaged.subject, damaged.code) == ("c.docx", "damaged-file")
        assert isinstance(missing, FileNotFoundError)
        assert missing.strerror == "No such file or directory"
        assert isinstance(first, FileRead) and isinstance(last, FileRead)
        assert first.chunks == last.chunks

    def test_known_bytes_are_not_extracted(self, tmp_path: Path) -> None:
        write_files(tmp_path, {"a.txt": "Known."})
        path = str(tmp_path / "a.txt")
        (first,) = self.outcomes([FileToRead(path, 6)])
        assert isinstance(first.result, FileRead) and first.result.chunks
        (second,) = self.outcomes([FileToRead(path, 6, (b"another", first.result.digest))])
        assert second.result == FileRead(first.result.digest)

    def test_outcomes_say_when_reading_may_have_begun(self, samples: list[Path]) -> None:
        start = time.time_ns()
        outcomes = self.outcomes(to_read(samples))
        assert all(start <= outcome.begun_ns <= time.time_ns() for outcome in outcomes)

    def test_a_stopped_reader_waits_for_no_file(self, samples: list[Path]) -> None:
        with closing(self.open(to_read(samples), stop)) as reader:
            assert len(reader.take(3)) <= 3

    def test_a_reader_can_be_closed_early_and_twice(self, samples: list[Path]) -> None:
        reader = self.open(to_read(samples), go_on)
        assert len(reader.take(1)) == 1
        reader.close()
        reader.close()
