from datetime import UTC, date, datetime, timedelta

import pytest

from vsearch_core.errors import FilterError
from vsearch_core.search.filters import parse_date


def test_dates() -> None:
    assert parse_date("2026-01-31T12:00+00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parse_date("2026-01-31T12:00").astimezone() == datetime(2026, 1, 31, 12).astimezone()
    assert parse_date("2026-01-31", end_of_day=True) > parse_date("2026-01-31T23:59:59")
    assert abs(datetime.now(UTC) - parse_date("2w") - timedelta(days=14)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "first", "following"),
    [
        ("2026-01-31", date(2026, 1, 31), date(2026, 2, 1)),
        ("2026-02", date(2026, 2, 1), date(2026, 3, 1)),
        ("2026-12", date(2026, 12, 1), date(2027, 1, 1)),
        ("2026", date(2026, 1, 1), date(2027, 1, 1)),
        ("2026-W01", date(2025, 12, 29), date(2026, 1, 5)),
        ("20260131", date(2026, 1, 31), date(2026, 2, 1)),
    ],
)
def test_a_date_stands_for_its_whole_period(text: str, first: date, following: date) -> None:
    assert parse_date(text).astimezone().replace(tzinfo=None) == datetime(first.year, first.month, first.day)
    end = parse_date(text, end_of_day=True) + timedelta(microseconds=1)
    assert end.astimezone().replace(tzinfo=None) == datetime(following.year, following.month, following.day)


def test_words_and_ages_are_dates() -> None:
    now = datetime.now(UTC)
    today, yesterday = parse_date("today"), parse_date(" Yesterday ")
    assert timedelta() <= now - today < timedelta(hours=25)
    assert timedelta(hours=23) <= today - yesterday <= timedelta(hours=25)
    assert parse_date("yesterday", end_of_day=True) + timedelta(microseconds=1) == today
    assert abs(now - parse_date("3w") - timedelta(days=21)) < timedelta(minutes=1)
    assert timedelta(days=364) < now - parse_date("1y") < timedelta(days=367)
    assert timedelta(days=27) < now - parse_date("1mo") < timedelta(days=32)
    assert timedelta(days=14 * 28) < now - parse_date("14mo") < timedelta(days=14 * 31)


@pytest.mark.parametrize(
    "text",
    [
        "2026-00",
        "0000",
        "9999",
        "99999y",
        "3x",
        "tomorrow-ish",
        "",
        "yesterday-ish",
        "2026-13-01",
        "9999999999d",
        "99999w99",
    ],
)
def test_text_that_is_not_a_date_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="neither a date nor an age") as caught:
        parse_date(text, argument="since")
    assert (caught.value.subject, caught.value.code) == ("since", "invalid-date")
