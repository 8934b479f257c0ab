"""Filters of a search: conditions on the files that hits may come from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from vsearch_core.errors import FilterError


@dataclass(frozen=True, slots=True)
class Filters:
    """The conditions that a hit's file must meet. None and () mean no condition.

    `where` is an SQLite expression over the file's columns and metadata. `path` is a glob or a folder, relative to the
    index's root. `ext` are extensions without dots. `since` and `until` are the earliest and the latest time of
    modification.
    """

    where: str | None = None
    path: str | None = None
    ext: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        """Return True if there is a condition."""
        return self != Filters()


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
