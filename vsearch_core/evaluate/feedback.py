"""Store users' verdicts on hits in the index folder's `feedback.jsonl`, one JSON object a line.

Verdicts are only appended. A line that a crash has cut short is ignored, and the next verdict begins a new line.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from vsearch_core.evaluate.dataset import Dataset
from vsearch_core.own_files import open_file
from vsearch_core.store.files import sync_folder
from vsearch_core.store.io_errors import file_errors

FEEDBACK_FILE = "feedback.jsonl"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A user's verdict: does the file answer the query (`good`)?

    `path` is the file's path as the index stores it. `line` counts from 1. `at` is the time, in ISO format.
    """

    query: str
    path: str
    line: int | None
    good: bool
    at: str


def record_verdict(index: Path, verdict: Verdict) -> None:
    """Append a verdict to the index's file, and wait until it is on disk. Raises StorageError."""
    path = index / FEEDBACK_FILE
    with file_errors(path):
        fresh = not path.exists()
        with open_file(path, "ab+", buffering=0) as file:
            line = json.dumps(asdict(verdict)).encode() + b"\n"
            left = memoryview(line if _ends_a_line(file) else b"\n" + line)
            while left:  # one write, appended whole, unless the system takes less
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        if fresh:
            sync_folder(index)


def read_verdicts(index: Path) -> tuple[list[Verdict], int]:
    """Return all verdicts stored in an index, oldest first, and the number of damaged lines. Raises StorageError."""
    path = index / FEEDBACK_FILE
    with file_errors(path):
        lines = []
        if path.exists():
            with open_file(path, "rb") as file:
                lines = file.read().split(b"\n")
    verdicts = [_verdict(line) for line in lines if line.strip()]
    intact = [verdict for verdict in verdicts if verdict is not None]
    return intact, len(verdicts) - len(intact)


def dataset_from_verdicts(verdicts: Sequence[Verdict]) -> Dataset:
    """Convert verdicts to judged queries. Of two verdicts on the same query and file, the later one counts.

    Queries without a relevant file are left out, because measures are not defined for them.
    """
    grades: dict[str, dict[str, int]] = {}
    for verdict in verdicts:
        grades.setdefault(verdict.query, {})[verdict.path] = int(verdict.good)
    judgements = {query: paths for query, paths in grades.items() if any(paths.values())}
    return Dataset(None, {query: query for query in judgements}, judgements)


def _ends_a_line(file: IO[bytes]) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _verdict(line: bytes) -> Verdict | None:
    try:
        verdict = Verdict(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    kinds = ((verdict.query, str), (verdict.path, str), (verdict.good, bool), (verdict.at, str))
    return verdict if all(isinstance(value, kind) for value, kind in kinds) and verdict.query.strip() else None
