"""Evaluate the filters of a search in SQLite: conditions on the path, type, time and metadata of files."""

import json
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import FilterError
from vsearch_core.json_text import parse_json
from vsearch_core.store.comparisons import add_functions, rewritten

# The time limit doesn't hold within one call of an SQL function, so what a call can be given is limited: `instr` is
# quadratic, and takes minutes for 10 MB, seconds for 1 MB.
VALUE_LIMIT = 1_000_000  # bytes of one value that an expression makes
PATTERN_LIMIT = 1_000  # bytes of a LIKE or GLOB pattern in an expression
COLUMNS = ("path", "name", "ext", "dir", "size", "mtime", "language", "title", "meta")

# A text, or a function of JSON that gets one key; a text is matched so that nothing in it is taken for a call.
_JSON_CALL = re.compile(
    r"""'(?:[^']|'')*'
    |(?P<call>\bjson_(?:each|extract|array_length)\s*\(\s*)(?P<key>"(?:[^"]|"")+"|[^\W\d]\w*)(?=\s*[,)])
    |(?P<arrowed>"(?:[^"]|"")+"|\b[^\W\d]\w*)(?=\s*->)""",
    re.IGNORECASE | re.VERBOSE,
)
_NAMES = ("path", "name", "dir", "title")  # columns of text that users compose differently

# The actions that an expression may take; SQLite refuses all others (writing, attaching, pragmas …) before it runs.
_ALLOWED_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
_TABLES = {"files", "file_columns", "json_each"}
_AFTER_WHERE = 'near "THEN"'  # SQLite's error names the word after the expression if that is incomplete
_FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer"}


@dataclass(frozen=True, slots=True)
class FileConditions:
    """The conditions that files must meet.

    `where` is an SQLite expression over COLUMNS and the keys of the files' metadata. It may run for `seconds`.
    `select_path` returns True for the paths to keep. `since` and `until` are inclusive modification times in UTC. None
    and () mean no condition. `keys` are metadata keys that `where` may name even if no file has them. Files with one
    of the extensions `others` don't meet them.
    """

    where: str | None
    select_path: Callable[[str], bool] | None
    extensions: Sequence[str]
    since: datetime | None
    until: datetime | None
    seconds: float
    keys: Sequence[str] = ()
    others: Sequence[str] = ()


def matching_files(connection: sqlite3.Connection, required: FileConditions) -> NDArray[np.int64]:
    """Return the ids of the live files that meet all conditions, (n,), ascending.

    Raises FilterError if `where` can't be evaluated in its time, does more than read, or compares dates that aren't
    clear.
    """
    where = None if required.where is None else normalize("NFC", required.where)
    keys = sorted({*metadata_keys(connection, where or ""), *required.keys})
    written, unclear = where or "", list[FilterError]()
    if where is not None:
        where = _with_lists(rewritten(where, keys))
        add_functions(connection, unclear.append)
    conditions, values = _conditions(where, required)
    columns = f"({_file_columns(connection, written, keys)}) AS file_columns"
    if where is not None:
        # The text must be an expression by itself: `1) OR (1`, which is one between parentheses, would undo the others.
        alone = f"EXPLAIN SELECT CASE WHEN\n{where}\nTHEN 1 END FROM {columns}"
        _run_guarded(connection, alone, [], written, required.seconds)
    query = f"SELECT id, stored_path FROM {columns}"
    if conditions:
        query += " WHERE " + " AND ".join(conditions)
    if where is None:
        rows = connection.execute(query, values).fetchall()
    else:
        rows = _run_guarded(connection, query, values, written, required.seconds)
    if unclear:
        raise unclear[0]
    select = required.select_path
    ids = [number for number, path in rows if select is None or select(path)]
    return np.sort(np.array(ids, np.int64))


def _conditions(where: str | None, required: FileConditions) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    if where is not None:
        if not where.strip():
            raise FilterError("where", "the expression is empty", "empty-expression")
        conditions.append(f"(\n{where}\n)")  # on lines of its own, so that a comment ends with it
    for operator, extensions in (("IN", required.extensions), ("NOT IN", required.others)):
        if extensions:
            conditions.append(f"lower(ext) {operator} ({', '.join('?' * len(extensions))})")
            values += extensions
    for sign, moment in ((">=", required.since), ("<=", required.until)):
        if moment is not None:
            conditions.append(f"mtime {sign} ?")
            values.append(moment.strftime("%Y-%m-%dT%H:%M:%S"))
    return conditions, values


def _with_lists(where: str) -> str:
    """Return the expression with calls such as `json_each(key)` rewritten: a plain value counts as a list of one.

    The same key often has a list in one file and a plain text in another, for which SQLite has no JSON.
    """

    def as_list(found: re.Match[str]) -> str:
        key = found["key"] or found["arrowed"]
        if key is None or key.lower() == "meta":
            return found[0]
        is_json = f"json_valid({key}) AND json_type(iif(json_valid({key}), {key}, '0')) IN ('array', 'object')"
        as_json = f"CASE WHEN {key} IS NULL THEN NULL WHEN {is_json} THEN {key} ELSE json_array({key}) END"
        return f"{found['call']}{as_json}" if found["call"] else f"({as_json})"

    return _JSON_CALL.sub(as_list, where)


def metadata_keys(connection: sqlite3.Connection, where: str) -> list[str]:
    """Return the metadata keys that `where` may name, as files spell them."""
    if not where:
        return []
    query = "SELECT DISTINCT key FROM files, json_each(meta) WHERE live ORDER BY key"
    found = (key for (key,) in connection.execute(query) if key.lower() in where.lower())
    return [key for key in found if key.lower() not in (*COLUMNS, "id") and '"' not in key]


def _file_columns(connection: sqlite3.Connection, where: str, keys: Sequence[str]) -> str:
    """Return a query for the live files with COLUMNS and a column for each of the metadata keys."""
    # Names may be in any composition of Unicode. Rows are verified, indexes are not.
    path, name, folder, title = (f"nfc({column})" for column in _NAMES) if not where.isascii() else _NAMES
    meta = "meta" if where.isascii() else "nfc_json(meta)"
    if not where.isascii():
        connection.create_function("nfc", 1, _composed, deterministic=True)
        connection.create_function("nfc_json", 1, _composed_json, deterministic=True)
    spellings: dict[str, list[str]] = {}  # SQLite's column names are case-insensitive, JSON's keys are not
    for key in keys:
        spellings.setdefault(key.lower(), []).append(f"{meta} ->> {_quote(key, chr(39))}")
    columns = "".join(
        f", coalesce({', '.join(values)}, NULL) AS {_quote(name, chr(34))}" for name, values in spellings.items()
    )
    return (
        f"SELECT id, path AS stored_path, {path} AS path, {name} AS name, ext, {folder} AS dir, size,"
        f" {title} AS title, language, {meta} AS meta,"
        " strftime('%Y-%m-%dT%H:%M:%S', mtime_ns / 1000000000, 'unixepoch') AS mtime"
        f"{columns} FROM files NOT INDEXED WHERE live"
    )


def _composed(text: str | bytes | float | None) -> str | bytes | float | None:
    return normalize("NFC", text) if isinstance(text, str) else text


def _composed_json(text: str) -> str:
    """Return JSON in NFC without escapes, in which SQLite would not find a key that has any."""
    try:
        return normalize("NFC", json.dumps(parse_json(text), ensure_ascii=False))
    except ValueError:
        return text


def _quote(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2).replace("\0", "") + mark


def _run_guarded(
    connection: sqlite3.Connection, query: str, values: list[object], where: str, seconds: float
) -> list[tuple[int, str]]:
    deadline = time.monotonic() + seconds
    limits = {sqlite3.SQLITE_LIMIT_LENGTH: VALUE_LIMIT, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: PATTERN_LIMIT}
    former = {limit: connection.setlimit(limit, most) for limit, most in limits.items()}
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
    try:
        return connection.execute(query, values).fetchall()
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        fault = "it is incomplete" if _AFTER_WHERE in str(error) and "then" not in where.lower() else error
        reason = f"{where!r} is not a condition that can be evaluated ({fault})"
        raise FilterError("where", reason, "invalid-expression", columns=", ".join(COLUMNS)) from None
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)
        for limit, most in former.items():
            connection.setlimit(limit, most)


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    if action == sqlite3.SQLITE_READ and first not in _TABLES:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED_ACTIONS else sqlite3.SQLITE_DENY
