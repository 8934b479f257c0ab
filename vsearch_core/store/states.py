"""The state of each file that a run has met: indexed, partly, pending, skipped or failed, and why."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from vsearch_core.model import LEFT_OUT
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import checksum_ok

State = Literal["indexed", "partly", "pending", "skipped", "failed"]
STATES: tuple[State, ...] = get_args(State)

# SQL: a JSON array, or NULL, as for damaged metadata
_KEY = f"'$.{LEFT_OUT}'"
_LEFT_OUT = f"iif(json_valid(meta), iif(json_type(meta, {_KEY}) = 'array', json_extract(meta, {_KEY}), NULL), NULL)"


@dataclass(frozen=True, slots=True)
class FileState:
    """A file's path as stored, its state, and the reason for it, or "".

    A `partly` indexed file lacks what the reason names, a `pending` one is not embedded yet, a `skipped` one holds
    nothing to read, a `failed` one could not be read.
    """

    path: str
    state: State
    reason: str


def file_states(catalog: Catalog) -> Iterator[FileState]:
    """Yield the state of each file that runs look at, by path, while reading the catalog.

    The latest version of a file decides; a file that failed is `failed` even if the index has an earlier version.
    """
    rows = catalog.connection.execute(
        "SELECT path, CASE WHEN binary THEN 'skipped' ELSE 'failed' END, reason, 0 AS rank FROM passed_over"
        f" WHERE {checksum_ok(catalog.connection, 'passed_over')}"
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
    """Return what was left out of each live file that is partly indexed, by path."""
    query = f"SELECT path, {_LEFT_OUT} AS left_out FROM files WHERE live AND left_out IS NOT NULL"
    return {path: _reasons(left_out) for path, left_out in catalog.connection.execute(query)}


def count_incomplete(catalog: Catalog) -> tuple[int, int]:
    """Return the number of live files that are partly indexed, and of those that hold no text."""
    query = f"SELECT count({_LEFT_OUT}), count(*) FILTER (WHERE chunks = 0) FROM files WHERE live"
    partly, textless = catalog.connection.execute(query).fetchone()
    return partly, textless


def _reasons(left_out: str) -> tuple[str, ...]:
    return tuple(map(str, json.loads(left_out)))
