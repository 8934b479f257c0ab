"""Filters of a search: conditions on the files that hits may come from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from vsearch_core.errors import FilterError
from vsearch_core.text.globs import is_malformed, is_utf8, without_braces

MAX_GLOB = 1_000  # bytes


@dataclass(frozen=True, slots=True)
class Filters:
    """The conditions that a hit's file must meet. None and () mean no condition.

    `where` is an SQLite expression over the file's columns and metadata. `path` are globs as in a .gitignore, relative
    to the index's root (see `text.globs.PathGlobs`). `ext` are extensions without dots. `since` and `until` are the
    earliest and the latest time of modification.
    """

    where: str | None = None
    path: tuple[str, ...] = ()
    ext: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        """Return True if there is a condition."""
        return self != Filters()


def parse_globs(globs: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return one glob or several as globs without braces. Raises FilterError for one that can't match any path."""
    found: list[str] = []
    for glob in [globs] if isinstance(globs, str) else globs or ():
        if not is_utf8(glob):
            raise FilterError("path", "it is not valid UTF-8", "path-not-utf-8")
        if len(glob.encode()) > MAX_GLOB:
            raise FilterError("path", f"the glob is longer than {MAX_GLOB:,} bytes", "path-too-long")
        if not glob.strip("!/ ") or is_malformed(glob):
            raise FilterError("path", f"{glob!r} is not a glob", "invalid-pattern")
        try:
            found += without_braces(glob)
        except ValueError as error:
            raise FilterError("path", f"{glob!r}: {error}", "invalid-pattern") from None
    return tuple(found)


def parse_extensions(lists: str | Sequence[str]) -> tuple[str, ...]:
    """Return the extensions in one list or several, such as "md,.py" or "*.md", without dots, in lower case.

    Raises FilterError if a list names no extension.
    """
    found: list[str] = []
    for each in [lists] if isinstance(lists, str) else lists:
        names = [name.strip().removeprefix("*").lstrip(".").lower() for name in each.split(",")]
        if not any(names):
            raise FilterError("ext", f"{each!r} names no extension", "no-extension")
        found += [name for name in names if name]
    return tuple(dict.fromkeys(found))


def parse_date(text: str, *, argument: str = "date", end_of_day: bool = False) -> datetime:
    """Parse a date (2026-01-31), a local time (2026-01-31T12:00) or an age (30d, 2w, 6h); return the time in UTC.

    A date alone means the start of that day, or its end with `end_of_day`. Raises FilterError, which names `argument`.
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
        raise FilterError(argument, f"{text!r} is neither a date nor an age", "invalid-date") from None


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
