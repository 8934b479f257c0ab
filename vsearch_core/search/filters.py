"""Filters: which files may answer. Evaluated before the search, by SQLite, over one row a file."""

import re
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import FilterError

VALUE_LIMIT = 10_000_000  # bytes an expression may build up in one value
COLUMNS = ("path", "name", "ext", "dir", "size", "mtime", "language", "title", "meta")

# What an expression may do; all else (writing, attaching, pragmas …) is refused by SQLite before it runs.
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
_TABLES = {"files", "file_columns", "json_each"}
_FORBIDDEN_FUNCTIONS = {"load_extension", "fts3_tokenizer"}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Filters:
    """What a hit's file must satisfy; None and () allow all. `ext` without dots; `since` and `until` inclusive."""

    where: str | None = None
    path: str | None = None
    ext: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        return self != Filters()


def parse_date(text: str, *, end_of_day: bool = False) -> datetime:
    """A date (2026-01-31), a time (2026-01-31T12:00) in local time, or an age (30d, 2w, 6h), as UTC.

    A date without a time means its first moment, or its last with `end_of_day`. Raises FilterError.
    """
    age = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if age:
        hours = int(age[1]) * {"h": 1, "d": 24, "w": 168}[age[2]]
        return datetime.now(UTC) - timedelta(hours=hours)
    try:
        moment = datetime.fromisoformat(text.strip())
        if end_of_day and _is_date(text.strip()):
            moment += timedelta(days=1) - timedelta(microseconds=1)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise FilterError(
            f"date {text!r}", "is neither a date nor an age", "write it like 2026-01-31, 2026-01-31T12:00 or 30d"
        ) from None


def allowed_files(connection: sqlite3.Connection, filters: Filters, seconds: float) -> NDArray[np.int64]:
    """The ids of the live files that pass, ascending. Raises FilterError for what is not a read-only expression."""
    conditions, values = _conditions(filters)
    columns = f"({_file_columns(connection, filters.where or '')}) AS file_columns"
    if filters.where is not None:
        # What stands only between parentheses, as `1) OR (1` does, is no expression: it could undo the other filters.
        alone = f"EXPLAIN SELECT CASE WHEN\n{filters.where}\nTHEN 1 END FROM {columns}"
        _run_guarded(connection, alone, [], filters.where, seconds)
    query = f"SELECT id FROM {columns}"
    if conditions:
        query += " WHERE " + " AND ".join(conditions)
    if filters.where is None:
        rows = connection.execute(query, values).fetchall()
    else:
        rows = _run_guarded(connection, query, values, filters.where, seconds)
    return np.sort(np.array([row[0] for row in rows], np.int64))


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _conditions(filters: Filters) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    if filters.where is not None:
        if not filters.where.strip():
            raise FilterError("--where", "the expression is empty", "write one like \"ext = 'md'\"")
        conditions.append(f"(\n{filters.where}\n)")  # on lines of its own, so that a comment ends with it
    if filters.path is not None:
        pattern = filters.path.removeprefix("./").rstrip("/")
        if not pattern.isprintable() and any("\ud800" <= char <= "\udfff" for char in pattern):
            raise FilterError("--path", "it is not valid UTF-8", "no such file is in an index")
        conditions.append("(path GLOB ? OR path GLOB ? || '/*')")
        values += [pattern, pattern]
    if filters.ext:
        conditions.append(f"lower(ext) IN ({', '.join('?' * len(filters.ext))})")
        values += [extension.strip().lstrip(".").lower() for extension in filters.ext]
    for sign, moment in ((">=", filters.since), ("<=", filters.until)):
        if moment is not None:
            conditions.append(f"mtime {sign} ?")
            values.append(moment.strftime("%Y-%m-%dT%H:%M:%S"))
    return conditions, values


def _file_columns(connection: sqlite3.Connection, where: str) -> str:
    """A query over the live files with the documented columns and one for each metadata key that `where` may name."""
    spellings: dict[str, list[str]] = {}  # SQLite's column names know no case; JSON's keys do
    if where:
        for (key,) in connection.execute("SELECT DISTINCT key FROM files, json_each(meta) WHERE live ORDER BY key"):
            if key.lower() in where.lower() and key.lower() not in (*COLUMNS, "id") and '"' not in key:
                spellings.setdefault(key.lower(), []).append(f"meta ->> {_quote(key, chr(39))}")
    columns = "".join(
        f", coalesce({', '.join(values)}, NULL) AS {_quote(name, chr(34))}" for name, values in spellings.items()
    )
    return (
        "SELECT id, path, name, ext, dir, size, title, language, meta,"
        " strftime('%Y-%m-%dT%H:%M:%S', mtime_ns / 1000000000, 'unixepoch') AS mtime"
        f"{columns} FROM files NOT INDEXED WHERE live"  # rows are verified, indexes are not
    )


def _quote(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2).replace("\0", "") + mark


def _run_guarded(
    connection: sqlite3.Connection, query: str, values: list[object], where: str, seconds: float
) -> list[tuple[int]]:
    deadline = time.monotonic() + seconds
    former = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_LIMIT)
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
    try:
        return connection.execute(query, values).fetchall()
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        columns = ", ".join(COLUMNS)
        raise FilterError(
            f"--where {where!r}",
            f"not a condition that can be read ({error})",
            f"use an SQLite expression over {columns} or a metadata key",
        ) from None
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, former)


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    if action == sqlite3.SQLITE_READ and first not in _TABLES:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
