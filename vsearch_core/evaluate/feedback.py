"""Store users' verdicts on hits in the index folder's `feedback.jsonl`, one JSON object a line.

Verdicts are only appended. A line that a crash has cut short is ignored, and the next verdict begins a new line. Each
line has a checksum, except those that were written before there was one. The file `feedback.size` has the number of
bytes that were appended: without it, the loss of whole lines would not be noticed.
"""

import errno
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from zlib import crc32

from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.json_text import parse_json
from vsearch_core.own_files import open_file, replace_file
from vsearch_core.store.files import durable_file, make_folder, sync_folder
from vsearch_core.store.io_errors import file_errors
from vsearch_core.store.tables import DAMAGED_DIR

FEEDBACK_FILE = "feedback.jsonl"
SIZE_FILE = "feedback.size"
MAX_BYTES = 64_000_000  # of the file: about 300,000 verdicts
_SIZE_DIGITS = 16
_CRC = "crc"  # the key of a line's checksum, the CRC-32 of the line's JSON without it


@dataclass(frozen=True, slots=True)
class Verdict:
    """A user's verdict: does the file answer the query (`good`)?

    `path` is the file's path as the index stores it. `line` counts from 1. `at` is the time, in ISO format. `line` is a
    line of the file `member` if `path` is an archive, or a row of `sheet`. What the user did not name is None.
    """

    query: str
    path: str
    line: int | None
    good: bool
    at: str
    page: int | None = None
    sheet: str | None = None
    member: str | None = None


def record_verdict(index: Path, verdict: Verdict) -> None:
    """Append a verdict to the index's file, and wait until it is on disk. Raises StorageError."""
    path = index / FEEDBACK_FILE
    with file_errors(path):
        fresh = not path.exists()
        former = 0 if fresh else _written_bytes(index) or 0
        with open_file(path, "ab+", buffering=0) as file:
            former = max(former, file.seek(0, os.SEEK_END))
            line = _to_line(verdict) + b"\n"
            data = line if _ends_a_line(file) else b"\n" + line
            left = memoryview(data)
            while left:  # one write, appended whole, unless the system takes less
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        _store_written_bytes(index, former + len(data))
        if fresh:
            sync_folder(index)


def read_verdicts(index: Path) -> tuple[list[Verdict], int]:
    """Return all verdicts stored in an index, oldest first, and the number of damaged lines. Raises StorageError."""
    verdicts = [_verdict(line) for _, line in _lines(index)]
    intact = [verdict for verdict in verdicts if verdict is not None]
    return intact, len(verdicts) - len(intact)


def damaged_lines(index: Path) -> list[int]:
    """Return the numbers of the damaged lines, from 1. Raises StorageError."""
    return [number for number, line in _lines(index) if _verdict(line) is None]


def lost_bytes(index: Path) -> int | None:
    """Return the number of bytes that the file has lost, or None if `feedback.size` is damaged. Raises StorageError.

    A file that is missing has lost nothing: its verdicts were deleted. If several processes append at once, or an
    earlier version of vsearch appends, the same number of lost bytes may go unnoticed.
    """
    path = index / FEEDBACK_FILE
    with file_errors(path):
        if not os.path.lexists(path):
            return 0
        written = _written_bytes(index)
        return None if written is None else max(0, written - path.lstat().st_size)


def accept_losses(index: Path) -> None:
    """Store the file's present size in `feedback.size`, if it differs. Raises StorageError."""
    path = index / FEEDBACK_FILE
    with file_errors(path):
        if os.path.lexists(path) and _written_bytes(index) not in (0, path.lstat().st_size):
            _store_written_bytes(index, path.lstat().st_size)


def _written_bytes(index: Path) -> int | None:
    """Return the number in `feedback.size`, 0 if there is none, or None if the file is damaged. Raises OSError."""
    try:
        with open_file(index / SIZE_FILE, "rb") as file:
            data = file.read(len(_size_line(0)) + 1)
    except FileNotFoundError:
        return 0
    if not data:  # a crash came before the first write
        return 0
    digits = data[:_SIZE_DIGITS]
    return int(digits) if digits.isdigit() and data == _size_line(int(digits)) else None


def _store_written_bytes(index: Path, count: int) -> None:
    """Overwrite `feedback.size` by one short write, so that it is never torn. Raises OSError."""
    path = index / SIZE_FILE
    with suppress(FileExistsError):
        open_file(path, "xb").close()
    with open_file(path, "r+b", buffering=0) as file:
        file.write(_size_line(count))
        file.truncate(len(_size_line(count)))
        os.fsync(file.fileno())


def _size_line(count: int) -> bytes:
    digits = b"%0*d" % (_SIZE_DIGITS, count)
    return b"%s %08x\n" % (digits, crc32(digits))


def set_damaged_lines_aside(index: Path) -> Path | None:
    """Move the damaged lines to a file of their own in the folder of damaged files.

    Returns that file, or None if no line is damaged. Raises StorageError.
    """
    lines = _lines(index)
    damaged = [line for _, line in lines if _verdict(line) is None]
    if not damaged:
        return None
    folder = index / DAMAGED_DIR
    aside = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{FEEDBACK_FILE}"
    with file_errors(index / FEEDBACK_FILE):
        make_folder(folder, index)
        with durable_file(aside, index) as file:
            file.write(_joined(damaged))
        sync_folder(folder)
        replace_file(index / FEEDBACK_FILE, _joined([line for _, line in lines if _verdict(line) is not None]))
    return aside


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _lines(index: Path) -> list[tuple[int, bytes]]:
    """Return the file's lines that are not blank, with their numbers from 1; none if there is no file."""
    path = index / FEEDBACK_FILE
    with file_errors(path):
        if not os.path.lexists(path):
            return []
        with open_file(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OSError(errno.EFBIG, f"has more than {MAX_BYTES:,} bytes", str(path))
    return [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]


def dataset_from_verdicts(verdicts: Sequence[Verdict]) -> Dataset:
    """Convert verdicts to judged queries. Of two verdicts on the same query and file, the later one counts.

    Queries without a relevant file are left out, because measures are not defined for them.
    """
    grades: dict[str, dict[str, int]] = {}
    for verdict in verdicts:
        grades.setdefault(verdict.query, {})[verdict.path] = int(verdict.good)
    judgements = {query: paths for query, paths in grades.items() if any(paths.values())}
    return Dataset(None, {query: query for query in judgements}, judgements)


def _to_line(verdict: Verdict) -> bytes:
    values = asdict(verdict)
    for key in ("page", "sheet", "member"):  # absent from lines of earlier versions
        if values[key] is None:
            del values[key]
    return json.dumps({**values, _CRC: crc32(json.dumps(values).encode())}).encode()


def _ends_a_line(file: IO[bytes]) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _verdict(line: bytes) -> Verdict | None:
    try:
        values = parse_json(line)
        crc = values.pop(_CRC, None)
        verdict = Verdict(**values)
    except (AttributeError, ValueError, TypeError):
        return None
    if crc is not None and line != _to_line(verdict):
        return None
    kinds = ((verdict.query, str), (verdict.path, str), (verdict.good, bool), (verdict.at, str))
    parts = ((verdict.page, int | None), (verdict.sheet, str | None), (verdict.member, str | None))
    return (
        verdict if all(isinstance(value, kind) for value, kind in (*kinds, *parts)) and verdict.query.strip() else None
    )
