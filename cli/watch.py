"""Print what `vsearch index --watch` does while it keeps an index up to date."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING

from .output import complain, plural, say
from .progress import Bar

if TYPE_CHECKING:
    from vsearch_core import UpdateFailed, UpdateSummary, WatchStarted


class News:
    """A function that writes a line, unless the previous update of the index has already written the same line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Set the function that writes a line."""
        self._write = write
        self._before: set[str] = set()
        self._now: set[str] = set()

    def __call__(self, line: str) -> None:
        """Write a line, unless the previous update has written it."""
        if line not in self._before:
            self._write(line)
        self._now.add(line)

    def next_run(self) -> None:
        """Begin the next update: the lines of the update that ends now won't be repeated in it."""
        self._before, self._now = self._now, set()


def refuse_together(option: str, others: dict[str, bool]) -> None:
    """Raise InputError if one of the others is given (True): none can be combined with the option."""
    from vsearch_core.errors import InputError

    for other, given in others.items():
        if given:
            raise InputError(option, f"can't be combined with {other}; leave one of them out")


def follow(
    first: "UpdateSummary",
    events: "Generator[WatchStarted | UpdateFailed | UpdateSummary, None, None]",
    report: Callable[["UpdateSummary"], int],
    bar: Bar,
    news: News,
    *,
    quiet: bool,
) -> int:
    """Print the first update, then each event of watching: errors, and the updates that changed anything.

    `report` prints an update and returns its exit status. When the events end, return the last update's exit status.
    """
    from vsearch_core import UpdateFailed, WatchStarted

    bar.close()
    status, watching = report(first), None
    news.next_run()
    with closing(events):
        for event in events:
            bar.close()
            if isinstance(event, WatchStarted):
                _report_watching(event, watching, quiet=quiet)
                watching = event
            elif isinstance(event, UpdateFailed):
                complain(f"{event.error.subject}: {event.error.reason}; trying again in {event.pause:.0f} s")
                status = 2
            else:
                news.next_run()
                status = report(event) if _has_changes(event) else 2 * bool(event.failed)
    return status


def _has_changes(run: "UpdateSummary") -> bool:
    return run.interrupted or any((run.added, run.changed, run.removed, run.moved, run.embedded))


def _report_watching(now: "WatchStarted", before: "WatchStarted | None", *, quiet: bool) -> None:
    if now.obstacle and (before is None or before.obstacle is None):
        complain(
            f"can't watch {plural(now.folders, 'folder')}: {now.obstacle}; looking for changes at intervals instead"
            " (on Linux, raise fs.inotify.max_user_watches)"
        )
    elif before is None and not quiet:
        say(f"watching {plural(now.folders, 'folder')}; press Ctrl-C to end")
