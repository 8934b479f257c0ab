from datetime import UTC, datetime, timedelta

import pytest

from vsearch_core.errors import FilterError
from vsearch_core.search.filters import parse_date


def test_dates() -> None:
    assert parse_date("2026-01-31T12:00+00:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parse_date("2026-01-31T12:00").astimezone() == datetime(2026, 1, 31, 12).astimezone()
    assert parse_date("2026-01-31", end_of_day=True) > parse_date("2026-01-31T23:59:59")
    assert abs(datetime.now(UTC) - parse_date("2w") - timedelta(days=14)) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "yesterday-ish", "2026-13-01", "9999999999d", "99999w99"])
def test_text_that_is_not_a_date_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="neither a date nor an age") as caught:
        parse_date(text, argument="since")
    assert (caught.value.subject, caught.value.code) == ("since", "invalid-date")
