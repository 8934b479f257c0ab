"""Dates in metadata are read as people write them."""

import pytest

from vsearch_core.dates import iso_date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01", "2026-03-01"),
        ("2026-03", "2026-03"),
        ("2026", "2026"),
        ("2026-03-01 09:30", "2026-03-01T09:30"),
        ("2026-03-01T09:30:00+02:00", "2026-03-01T09:30:00+02:00"),
        ("2026/3/1", "2026-03-01"),
        ("20260301", "2026-03-01"),
        ("1.3.2026", "2026-03-01"),
        ("1 March 2026", "2026-03-01"),
        ("March 1st, 2026", "2026-03-01"),
        ("Sunday, 1 Mar. 2026", "2026-03-01"),
        ("Sept 2026", "2026-09"),
        ("13/3/2026", "2026-03-13"),
        ("3/13/2026", "2026-03-13"),
        ("4/4/2026", "2026-04-04"),
        ("Sun, 1 Mar 2026 10:00:00 +0100", "2026-03-01"),
        ("2026-13-01", None),
        ("31.2.2026", None),
        ("soon", None),
        ("", None),
        ("12", None),
        ("1.2.3", None),
        ("2026-03-01" * 20, None),
    ],
)
def test_a_date_becomes_iso_text(text: str, expected: str | None) -> None:
    assert iso_date(text) == expected


@pytest.mark.parametrize("text", ["3/4/2026", "12-11-2025"])
def test_a_date_that_can_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="swapped"):
        iso_date(text)
