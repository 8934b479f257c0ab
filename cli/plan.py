"""Print the plan of `vsearch index --plan`: the work, the time, and the text that would be sent."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from .output import emit, one_line, plural, size_text, to_json

if TYPE_CHECKING:
    from vsearch_core.index.forecast import Forecast

TOKENS_BY = "one for four bytes of UTF-8"


def show(plan: "Forecast", *, as_json: bool) -> int:
    """Print a plan. Return the exit status: 2 if a file can't be read, else 0."""
    if as_json:
        values = {**asdict(plan), "index": str(plan.index), "tokens_by": TOKENS_BY, "seconds_by": _seconds_by(plan)}
        emit(to_json({"schema": "vsearch.plan/1", **values}))
    else:
        emit("\n".join(f"{name:<9} {one_line(value)}" for name, value in _lines(plan)))
    return 2 if plan.failed else 0


def _lines(plan: "Forecast") -> list[tuple[str, str]]:
    counts = {
        "new": plan.new,
        "changed": plan.changed,
        "gone": plan.gone,
        "unchanged": plan.unchanged,
        "skipped (-v says why)": plan.skipped,
        "can't be read": plan.failed,
    }
    files = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    known = plan.chunks - plan.embed
    to_whom = f"{size_text(plan.bytes)} of text to {plan.recipient} ({plan.provider})"
    return [
        ("index", str(plan.index)),
        *([("outside", ", ".join(plan.outside))] if plan.outside else []),
        ("files", files or "nothing found"),
        ("chunks", f"{plan.chunks:,} new, {plan.embed:,} to embed" + (f", {known:,} reused" if known else "")),
        *([("first", "quick vectors by a static model, about a thousand chunks a second")] if plan.interim else []),
        ("tokens", f"{plan.tokens:,} or so ({TOKENS_BY})"),
        ("requests", f"{plan.requests:,}"),
        ("time", f"{_duration(plan.seconds)} or so ({_seconds_by(plan)})" if plan.embed else "almost none"),
        ("sent", "nothing" if plan.recipient is None or not plan.embed else to_whom),
    ]


def _seconds_by(plan: "Forecast") -> str:
    return (
        "measured on a few chunks" if plan.recipient is None else "one second for each request, within --rpm and --tpm"
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return plural(minutes, "minute") if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
