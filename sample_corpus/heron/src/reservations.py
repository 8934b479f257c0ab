"""Reservations: who has which bench or tool, and when.

The three rules that this module guards:

1. A slot is agreed in *wall time* at a site. UTC is derived from it and never stored as the truth
   (see the post-mortem of 29 March 2026).
2. The database refuses overlaps; we translate its refusal into ``E4090`` and do not check beforehand,
   because between a check and an insert somebody else may have been faster.
3. Asking twice with the same idempotency key gives the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

SLOT_MINUTES = 90
INDUCTION_MONTHS = 36


class HeronError(Exception):
    """An error with a four-digit code that clients may rely on."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.hint = code, hint


@dataclass(frozen=True, slots=True)
class Slot:
    """Ninety minutes at one bench, in the wall time of its site."""

    bench_id: str
    starts_local: datetime
    zone: str

    @property
    def starts_utc(self) -> datetime:
        """The instant of the start. Refuses hours that do not exist on the wall."""
        there = self.starts_local.replace(tzinfo=ZoneInfo(self.zone))
        back = there.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo(self.zone))
        if back.replace(tzinfo=None) != self.starts_local:
            raise HeronError("E4002", f"{self.starts_local:%H:%M} is skipped on that day")
        return there.astimezone(ZoneInfo("UTC"))


def next_week(slot: Slot) -> Slot:
    """The same slot seven *calendar* days later.

    Adds to the naive wall time on purpose. Adding ``timedelta(days=7)`` to the UTC start is what gave
    eleven benches to twenty-two people.
    """
    return Slot(slot.bench_id, slot.starts_local + timedelta(days=7), slot.zone)


def reserve_slot(db, member, slot: Slot, key: str):
    """Reserve ``slot`` for ``member``, or raise a :class:`HeronError`.

    Order matters: people should hear about the induction before they hear that somebody else was
    faster, as the former is something they can change.
    """
    if earlier := db.find_by_key(member.id, key):
        return earlier
    if member.suspended_since is not None:
        raise HeronError("E4032", "suspended while something is overdue")
    if not has_induction(member, db.bench_class(slot.bench_id), slot.starts_local.date()):
        raise HeronError("E4031", "no valid induction for this class", "book one at the desk")
    try:
        return db.insert_reservation(member.id, slot, key)
    except db.ExclusionViolation:
        raise HeronError("E4090", "overlaps another reservation") from None


def has_induction(member, tool_class: str, on: date) -> bool:
    """Class A needs none. B and C lapse ``INDUCTION_MONTHS`` after the day they were given."""
    if tool_class == "A":
        return True
    given = member.inductions.get(tool_class)
    return given is not None and months_between(given, on) < INDUCTION_MONTHS


def months_between(a: date, b: date) -> int:
    """Whole months from ``a`` to ``b``; the 31st of January to the 28th of February is none."""
    return (b.year - a.year) * 12 + b.month - a.month - (b.day < a.day)


def late_fee(due: date, returned: date, rules) -> int:
    """Pence owed for one tool. Free days are free even for people who then need more of them.

    >>> late_fee(date(2026, 5, 1), date(2026, 5, 6), POLICY_2026)   # five days, two of them free
    360
    """
    days = (returned - due).days - rules.overdue_after_days
    return max(0, min(days * rules.late_fee_pence_per_day, rules.late_fee_cap_pence))
