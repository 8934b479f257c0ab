"""Read and write runs (ranked documents of each query) in TREC's format (https://trec.nist.gov).

Each line is `query Q0 document rank score tag`. In ids, which may be paths, spaces, percent signs and byte order marks
are percent-encoded.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from vsearch_core.errors import InputError
from vsearch_core.evaluate.dataset import numbered_lines
from vsearch_core.store.io_errors import file_errors

Ranking = Sequence[tuple[str, float]]  # (document id, score), best first, no id twice
Run = Mapping[str, Ranking]  # by query id

_TO_QUOTE = re.compile(r"[\s%\ufeff]")  # U+FEFF could be read as the file's byte order mark


def write_run(path: Path, run: Run, tag: str) -> None:
    """Write a run to a file, with `tag` as its name in each line. Raises StorageError.

    Equal scores are changed by the last bit of a float32 to keep their order, because readers sort by score alone.
    """
    lines = []
    for query, ranking in run.items():
        ceiling = np.float32(np.inf)
        for rank, (document, score) in enumerate(ranking, 1):
            ceiling = min(np.float32(score), np.nextafter(ceiling, np.float32(-np.inf)))
            lines.append(f"{_quoted(query)} Q0 {_quoted(document)} {rank} {ceiling} {tag}\n")
    with file_errors(path):
        path.write_text("".join(lines), encoding="utf-8")


def read_run(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Read a run: for each query, a list of (document id, score), in trec_eval's order.

    That order is by score, then by document id, both descending; ranks and tags are ignored. Raises InputError, which
    names file and line, for a malformed line.
    """
    scores: dict[str, dict[str, float]] = {}
    for place, line in numbered_lines(path, "run-unreadable"):
        query, document, score = _parsed(place, line)
        if document in scores.setdefault(query, {}):
            raise InputError(place, f"repeats document {document!r} for query {query!r}", "duplicate-document")
        scores[query][document] = score
    if not scores:
        raise InputError(str(path), "is an empty run file", "empty-run")
    return {
        query: sorted(ranking.items(), key=lambda item: (item[1], item[0]), reverse=True)
        for query, ranking in scores.items()
    }


def _parsed(place: str, line: str) -> tuple[str, str, float]:
    try:
        query, _, document, _, text, _ = line.split()
        score = float(text)
    except ValueError:
        reason = "is not query, Q0, document, rank, score and tag"
        raise InputError(place, reason, "invalid-run-line") from None
    if not math.isfinite(score):
        raise InputError(place, f"the score is {text}", "score-not-finite")
    return unquote(query), unquote(document), score


def _quoted(identifier: str) -> str:
    return _TO_QUOTE.sub(lambda match: quote(match[0]), identifier)
