"""What became of each file that a run met: indexed, partly, pending, skipped or failed, and why."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from vsearch_core.model import LEFT_OUT
from vsearch_core.store import schema
from vsearch_core.store.catalog import Catalog

State = Literal["indexed", "partly", "pending", "skipped", "failed"]
STATES: tuple[State, ...] = get_args(State)

# SQL: a JSON array, or NULL; also where the metadata are damaged
_KEY = f"'$.{LEFT_OUT}'"
_LEFT_OUT = f"iif(json_valid(meta), iif(json_type(meta, {_KEY}) = 'array', json_extract(meta, {_KEY}), NULL), NULL)"


@dataclass(frozen=True, slots=True)
class FileState:
    """A file's path as stored, what became of it, and why; "" where there is nothing to explain.

    `partly` lacks what the reason names, `pending` is read and not embedded yet, `skipped` holds nothing to read,
    `failed` could not be read.
    """

    path: str
    state: State
    reason: str


def file_states(catalog: Catalog) -> Iterator[FileState]:
    """The files by path, each once, as they are read from the catalog. Of what a run does not look at, nothing is told.

    What was read last decides; a file that failed while the index has a former version is `failed`.
    """
    rows = catalog.connection.execute(
        "SELECT path, CASE WHEN binary THEN 'skipped' ELSE 'failed' END, reason, 0 AS rank FROM passed_over"
        f" WHERE {schema.checksum_ok(catalog.connection, 'passed_over')}"
        f" UNION ALL SELECT path, CASE WHEN NOT live THEN 'pending' WHEN {_LEFT_OUT} IS NULL THEN 'indexed'"
        f" ELSE 'partly' END, CASE WHEN live THEN coalesce({_LEFT_OUT}, iif(chunks, '', 'holds no text')) ELSE '' END,"
        " 1 + live FROM files ORDER BY path, rank"
    )
    for path, versions in groupby(rows, key=lambda row: row[0]):
        (_, state, reason, _), *others = versions
        if state == "partly":
            reason = "; ".join(_reasons(reason))
        elif state == "failed" and others:
            reason = f"{reason}; kept as it was"
        yield FileState(path, state, reason)


def incomplete_files(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """What was left out of the live files that are indexed in part, by path."""
    query = f"SELECT path, {_LEFT_OUT} AS left_out FROM files WHERE live AND left_out IS NOT NULL"
    return {path: _reasons(left_out) for path, left_out in catalog.connection.execute(query)}


def count_incomplete(catalog: Catalog) -> tuple[int, int]:
    """How many live files are indexed in part only, and how many hold no text."""
    query = f"SELECT count({_LEFT_OUT}), count(*) FILTER (WHERE chunks = 0) FROM files WHERE live"
    partly, textless = catalog.connection.execute(query).fetchone()
    return partly, textless


def _reasons(left_out: str) -> tuple[str, ...]:
    return tuple(map(str, json.loads(left_out)))
