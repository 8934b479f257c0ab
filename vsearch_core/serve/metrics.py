"""Counters of a server, in the text format that Prometheus reads."""

from collections import Counter
from threading import Lock

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts the requests by route and status, and how long they took. Any thread may use it."""

    def __init__(self) -> None:
        """Begin with zero requests."""
        self._lock = Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within: Counter[tuple[str, float]] = Counter()
        self._seconds: dict[str, float] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        with self._lock:
            self._requests[route, status] += 1
            self._seconds[route] = self._seconds.get(route, 0.0) + seconds
            for bucket in BUCKETS:
                self._within[route, bucket] += seconds <= bucket

    def text(self, *, in_progress: int, generation: int) -> str:
        """Return all counters, with the number of requests in progress and the index's generation."""
        with self._lock:
            requests, within, seconds = dict(self._requests), dict(self._within), dict(self._seconds)
        totals: Counter[str] = Counter()
        for (route, _), number in requests.items():
            totals[route] += number
        lines = ["# HELP vsearch_requests_total Requests by route and status.", "# TYPE vsearch_requests_total counter"]
        lines += [
            f'vsearch_requests_total{{route="{route}",status="{status}"}} {number}'
            for (route, status), number in sorted(requests.items())
        ]
        name = "vsearch_request_seconds"
        lines += [f"# HELP {name} How long requests took.", f"# TYPE {name} histogram"]
        for route in sorted(totals):
            lines += [f'{name}_bucket{{route="{route}",le="{each:g}"}} {within[route, each]}' for each in BUCKETS]
            lines.append(f'{name}_bucket{{route="{route}",le="+Inf"}} {totals[route]}')
            lines.append(f'{name}_sum{{route="{route}"}} {seconds[route]:.6f}')
            lines.append(f'{name}_count{{route="{route}"}} {totals[route]}')
        gauges = (
            ("in_progress", "Searches that run or wait.", in_progress),
            ("generation", "Of the index.", generation),
        )
        for gauge, about, value in gauges:
            lines += [f"# HELP vsearch_{gauge} {about}", f"# TYPE vsearch_{gauge} gauge", f"vsearch_{gauge} {value}"]
        return "\n".join(lines) + "\n"
