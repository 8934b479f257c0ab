"""Find the state of each file that an update has met: indexed, partly, keywords, pending, skipped or failed."""

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from vsearch_core.json_text import parse_json
from vsearch_core.model import LEFT_OUT, READER
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.checksums import checksum_ok

State = Literal["indexed", "partly", "keywords", "pending", "skipped", "failed"]
NO_VECTORS = "found by keywords alone until it is embedded"  # the reason of a file in the state "keywords"
NO_TEXT = "holds no text"  # the reason of a file without chunks
# Those that a status always counts; "keywords" is rare, and counted if there are some
STATES: tuple[State, ...] = tuple(state for state in get_args(State) if state != "keywords")

# SQL: the JSON array of the parts that were left out; NULL if there is none, or the metadata is damaged
_KEY = f"'$.{LEFT_OUT}'"
_LEFT_OUT = f"iif(json_valid(meta), iif(json_type(meta, {_KEY}) = 'array', json_extract(meta, {_KEY}), NULL), NULL)"


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of a file, and the reason for it or "".

    An "indexed" file is complete in the index. A "partly" indexed file lacks the parts that the reason names. A file in
    the state "keywords" has no vectors yet, so only keyword search finds it. A "pending" file was read, but is not
    found yet. A "skipped" file contains nothing to index. A "failed" file could not be read.
    """

    path: str
    state: State
    reason: str


def file_states(catalog: Catalog, without_vectors: Container[int] = ()) -> Iterator[FileState]:
    """Yield the state of each file that an update has met, sorted by path.

    `without_vectors` are the ids of the live files whose segments have no vectors.
    The last attempt to read a file decides: a file that could not be read is "failed" even if the index still has an
    earlier version of it.
    """
    rows = catalog.connection.execute(
        "SELECT path, CASE WHEN binary THEN 'skipped' ELSE 'failed' END, reason, 0 AS rank, 0 AS id FROM passed_over"
        f" WHERE {checksum_ok(catalog.connection, 'passed_over')}"
        f" UNION ALL SELECT path, CASE WHEN NOT live THEN 'pending' WHEN {_LEFT_OUT} IS NULL THEN 'indexed'"
        f" ELSE 'partly' END, CASE WHEN live THEN coalesce({_LEFT_OUT}, iif(chunks, '', '{NO_TEXT}')) ELSE '' END,"
        " 1 + live, id FROM files ORDER BY path, rank"
    )
    for path, versions in groupby(rows, key=lambda row: row[0]):
        (_, state, reason, _, file_id), *others = versions
        if state == "indexed" and file_id in without_vectors:
            state, reason = "keywords", NO_VECTORS
        elif state == "partly":
            reason = "; ".join(_reasons(reason))
        elif state == "failed" and others:
            reason = f"{reason}; kept as it was"
        yield FileState(path, state, reason)


def incomplete_files(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return the partly indexed live files, by path, with a phrase for each part that is missing."""
    query = f"SELECT path, {_LEFT_OUT} AS left_out FROM files WHERE live AND left_out IS NOT NULL"
    return {path: _reasons(left_out) for path, left_out in catalog.connection.execute(query)}


def other_reader_versions(catalog: Catalog, current: Mapping[str, int | None]) -> dict[str, int]:
    """Return the versions of the extractors that read some live files, by path: all but the current versions.

    `current` has the current version for each extension to look for, or None if it depends on the rest of the name.
    """
    query = (
        f"SELECT path, iif(json_valid(meta), coalesce(json_extract(meta, '$.{READER}'), 1), 1) AS read_by FROM files"
        " WHERE live AND ext IN (SELECT value FROM json_each(?)) AND read_by IS NOT ?"
    )
    found: dict[str, int] = {}
    for wanted in set(current.values()):
        extensions = [extension for extension, version in current.items() if version == wanted]
        for path, version in catalog.connection.execute(query, (json.dumps(extensions), wanted)):
            found[path] = version if isinstance(version, int) else 1
    return found


def files_without_key(catalog: Catalog, extensions: Sequence[str], key: str) -> list[str]:
    """Return the paths of live files with one of these extensions whose metadata lacks a key."""
    query = (
        "SELECT path FROM files WHERE live AND ext IN (SELECT value FROM json_each(?))"
        " AND NOT iif(json_valid(meta), json_type(meta, ?) IS NOT NULL, 0)"
    )
    return [path for (path,) in catalog.connection.execute(query, (json.dumps(extensions), f"$.{key}"))]


def count_incomplete(catalog: Catalog) -> tuple[int, int]:
    """Return the number of live files that are partly indexed, and of live files without text."""
    query = f"SELECT count({_LEFT_OUT}), count(*) FILTER (WHERE chunks = 0) FROM files WHERE live"
    partly, textless = catalog.connection.execute(query).fetchone()
    return partly, textless


def _reasons(left_out: str) -> tuple[str, ...]:
    try:
        return tuple(map(str, parse_json(left_out)))
    except ValueError:  # SQLite parses deeper nesting, which only a forged index has
        return ("for reasons that can't be read",)
