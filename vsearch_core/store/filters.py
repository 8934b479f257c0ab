"""Evaluate the filters of a search in SQLite: conditions on the path, type, time and metadata of files."""

import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import FilterError

# The time limit doesn't hold within one call of an SQL function, so what a call can be given is limited: `instr` is
# quadratic, and takes minutes for 10 MB, seconds for 1 MB.
VALUE_LIMIT = 1_000_000  # bytes of one value that an expression makes
PATTERN_LIMIT = 1_000  # bytes of a LIKE or GLOB pattern in an expression
COLUMNS = ("path", "name", "ext", "dir", "size", "mtime", "language", "title", "meta")

# A text, or a call of json_each for one key; a text is matched so that nothing in it is taken for a call.
_JSON_EACH = re.compile(r"""'(?:[^']|'')*'|\bjson_each\s*\(\s*(?P<key>"(?:[^"]|"")+"|[^\W\d]\w*)\s*\)""", re.IGNORECASE)
_NAMES = ("path", "name", "dir", "title", "meta")  # columns of text that users compose differently

# The actions that an expression may take; SQLite refuses all others (writing, attaching, pragmas …) before it runs.
_ALLOWED_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
_TABLES = {"files", "file_columns", "json_each"}
_FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer"}


def matching_files(
    connection: sqlite3.Connection,
    *,
    where: str | None,
    select_path: Callable[[str], bool] | None,
    extensions: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    seconds: float,
) -> NDArray[np.int64]:
    """Return the ids of the live files that pass all conditions, (n,), ascending.

    `where` is an SQLite expression over COLUMNS and the keys of the files' metadata. It may run for `seconds`.
    `select_path` returns True for the paths to keep. `since` and `until` are inclusive modification times in UTC. None
    and () mean no condition. Raises FilterError if `where` can't be evaluated in that time, or does more than read.
    """
    where = None if where is None else normalize("NFC", where)
    conditions, values = _conditions(where, extensions, since, until)
    columns = f"({_file_columns(connection, where or '')}) AS file_columns"
    if where is not None:
        # The text must be an expression by itself: `1) OR (1`, which is one between parentheses, would undo the others.
        alone = f"EXPLAIN SELECT CASE WHEN\n{_with_lists(where)}\nTHEN 1 END FROM {columns}"
        _run_guarded(connection, alone, [], where, seconds)
    query = f"SELECT id, stored_path FROM {columns}"
    if conditions:
        query += " WHERE " + " AND ".join(conditions)
    if where is None:
        rows = connection.execute(query, values).fetchall()
    else:
        rows = _run_guarded(connection, query, values, where, seconds)
    ids = [number for number, path in rows if select_path is None or select_path(path)]
    return np.sort(np.array(ids, np.int64))


def _conditions(
    where: str | None, extensions: Sequence[str], since: datetime | None, until: datetime | None
) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    if where is not None:
        if not where.strip():
            raise FilterError("where", "the expression is empty", "empty-expression")
        conditions.append(f"(\n{_with_lists(where)}\n)")  # on lines of its own, so that a comment ends with it
    if extensions:
        conditions.append(f"lower(ext) IN ({', '.join('?' * len(extensions))})")
        values += extensions
    for sign, moment in ((">=", since), ("<=", until)):
        if moment is not None:
            conditions.append(f"mtime {sign} ?")
            values.append(moment.strftime("%Y-%m-%dT%H:%M:%S"))
    return conditions, values


def _with_lists(where: str) -> str:
    """Return the expression with `json_each(key)` rewritten, so that a plain value counts as a list of one.

    The same key often has a list in one file and a plain text in another, for which SQLite has no JSON.
    """

    def rewritten(found: re.Match[str]) -> str:
        key = found["key"]
        if key is None or key.lower() == "meta":
            return found[0]
        is_json = f"json_valid({key}) AND json_type(iif(json_valid({key}), {key}, '0')) IN ('array', 'object')"
        return f"json_each(CASE WHEN {key} IS NULL THEN NULL WHEN {is_json} THEN {key} ELSE json_array({key}) END)"

    return _JSON_EACH.sub(rewritten, where)


def _file_columns(connection: sqlite3.Connection, where: str) -> str:
    """Return a query for the live files with COLUMNS and a column for each metadata key that `where` may name."""
    # Names may be in any composition of Unicode. Rows are verified, indexes are not.
    path, name, folder, title, meta = (f"nfc({column})" for column in _NAMES) if not where.isascii() else _NAMES
    if not where.isascii():
        connection.create_function("nfc", 1, _composed, deterministic=True)
    spellings: dict[str, list[str]] = {}  # SQLite's column names are case-insensitive, JSON's keys are not
    if where:
        for (key,) in connection.execute("SELECT DISTINCT key FROM files, json_each(meta) WHERE live ORDER BY key"):
            if key.lower() in where.lower() and key.lower() not in (*COLUMNS, "id") and '"' not in key:
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
        reason = f"{where!r} is not a condition that can be evaluated ({error})"
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
