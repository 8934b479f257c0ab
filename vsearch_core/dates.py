"""Read dates that people write in the metadata of documents."""

import re
from datetime import date
from email.utils import parsedate_to_datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "(?P<month>(?:" + "|".join(_MONTHS) + ")[a-z]*)"
_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ]\d{2}:\d{2}\S*.*)?)?)?")
_COMPACT = re.compile(r"(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})")
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})(?:[-/.](?P<day>\d{1,2}))?")
_DOTTED = re.compile(r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})")
_SLASHED = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})")
_DAY_FIRST = re.compile(
    rf"(?:\w+,\s*)?(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?{_MONTH}\.?,?\s+(?P<year>\d{{4}})", re.I
)
_MONTH_FIRST = re.compile(
    rf"(?:\w+,\s*)?{_MONTH}\.?\s+(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+)?(?P<year>\d{{4}})", re.I
)


def iso_date(text: str) -> str | None:
    """Return a date as ISO text, such as "2026-03-01", "2026-03" or "2026-03-01T12:00", or None if it is no date.

    Understood are ISO dates, 2026/3/1, 1.3.2026, "1 March 2026", "March 1, 2026", "March 2026", the dates of e-mail,
    and 13/3/2026, whose month is certain. Raises ValueError if day and month can't be told apart, as in 1/3/2026.
    """
    text = text.strip()
    if len(text) > 60:
        return None
    iso = _ISO.fullmatch(text)
    if iso:
        return text.replace(" ", "T", 1) if _exists(iso[1], iso[2] or "1", iso[3] or "1") else None
    slashed = _SLASHED.fullmatch(text)
    if slashed:
        first, second, year = slashed.groups()
        if first != second and max(int(first), int(second)) <= 12:
            raise ValueError(
                f"{text!r} can be read as {year}-{int(first):02}-{int(second):02} and with day and month swapped"
            )
        day, month = (first, second) if int(second) <= 12 else (second, first)
        return _iso(year, month, day)
    for pattern in (_COMPACT, _YEAR_FIRST, _DOTTED, _DAY_FIRST, _MONTH_FIRST):
        match = pattern.fullmatch(text)
        if match:
            month = match["month"]
            number = month if month.isdecimal() else str(_MONTHS.index(month[:3].lower()) + 1)
            return _iso(match["year"], number, match["day"])
    try:
        return parsedate_to_datetime(text).date().isoformat() if "," in text or ":" in text else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _iso(year: str, month: str, day: str | None) -> str | None:
    if not _exists(year, month, day or "1"):
        return None
    return f"{year}-{int(month):02}" + (f"-{int(day):02}" if day else "")


def _exists(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True
