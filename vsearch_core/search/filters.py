"""Filters of a search: conditions on the files that hits may come from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from vsearch_core.errors import FilterError
from vsearch_core.text.globs import PathGlobs, is_malformed, is_utf8, without_braces

if TYPE_CHECKING:
    from vsearch_core.store.filters import FileConditions

MAX_GLOB = 1_000  # bytes
_NO_EXTENSION = "/"  # which no file has


@dataclass(frozen=True, slots=True)
class Filters:
    """The conditions that a hit's file must meet. None and () mean no condition.

    `where` is an SQLite expression over the file's columns and metadata. `path` are globs as in a .gitignore, relative
    to the index's root (see `text.globs.PathGlobs`). `ext` are extensions without dots. `since` and `until` are the
    earliest and the latest time of modification. `images` is True for picture files only, and False for all others;
    engines with an image model add the figures in documents to the pictures.
    """

    where: str | None = None
    path: tuple[str, ...] = ()
    ext: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    images: bool | None = None

    def __bool__(self) -> bool:
        """Return True if there is a condition."""
        return self != Filters()

    def conditions(self, seconds: float) -> "FileConditions":
        """Return them as the store evaluates them; `where` may run for `seconds`."""
        from vsearch_core.store.filters import FileConditions  # the command line parses filters without SQLite
        from vsearch_core.text.extract.registry import picture_extensions

        select_path = PathGlobs(self.path).select if self.path else None
        pictures = picture_extensions() if self.images is not None else ()
        extensions = self.ext
        if self.images:
            extensions = tuple(ext for ext in self.ext or pictures if ext in pictures) or (_NO_EXTENSION,)
        others = pictures if self.images is False else ()
        return FileConditions(self.where, select_path, extensions, self.since, self.until, seconds, others=others)


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
    """Parse a date, a local time or an age; return the time in UTC. Raises FilterError, which names `argument`.

    Dates are 2026-01-31, 2026-W05, 2026-01, 2026, today and yesterday; a time is 2026-01-31T12:00; ages are 6h, 30d,
    3w, 2mo and 1y. A date means the start of that day, week, month or year, or with `end_of_day` its end.
    """
    text = text.strip().lower()
    try:
        age = re.fullmatch(r"(\d{1,5})\s*(h|d|w|mo|y)", text)
        if age:
            return _ago(int(age[1]), age[2])
        period = _period(text)
        if period is None:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        first, following = period
        start = datetime.combine(following if end_of_day else first, datetime.min.time()).astimezone(UTC)
        return start - timedelta(microseconds=1) if end_of_day else start
    except (ValueError, OverflowError):
        raise FilterError(argument, f"{text!r} is neither a date nor an age", "invalid-date") from None


def _ago(count: int, unit: str) -> datetime:
    """Return the time that is some hours (h), days (d), weeks (w), months (mo) or years (y) ago."""
    now = datetime.now(UTC)
    if unit in {"mo", "y"}:
        month = now.year * 12 + now.month - 1 - count * (12 if unit == "y" else 1)
        last_day = (_month_start(month + 1) - timedelta(days=1)).day
        return now.replace(year=month // 12, month=month % 12 + 1, day=min(now.day, last_day))
    return now - timedelta(hours=count * {"h": 1, "d": 24, "w": 168}[unit])


def _period(text: str) -> tuple[date, date] | None:
    """Return the first day of a day, week, month or year, and the first day after it; None for another text."""
    days = {"today": 0, "yesterday": 1}
    if text in days:
        first = date.today() - timedelta(days=days[text])
        return first, first + timedelta(days=1)
    if re.fullmatch(r"\d{4}", text):
        return date(int(text), 1, 1), date(int(text) + 1, 1, 1)
    if re.fullmatch(r"\d{4}-\d{2}", text):
        month = int(text[:4]) * 12 + date(int(text[:4]), int(text[5:]), 1).month - 1
        return _month_start(month), _month_start(month + 1)
    try:
        first = date.fromisoformat(text.upper())
    except ValueError:
        return None
    return first, first + timedelta(days=7 if re.fullmatch(r"\d{4}-?w\d{2}", text) else 1)


def _month_start(month: int) -> date:
    """Return the first day of a month, which is counted from January of the year 0."""
    return date(month // 12, month % 12 + 1, 1)
