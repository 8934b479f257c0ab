"""Search again after the changed files of the hits have been read again."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vsearch_core.errors import VsearchError
from vsearch_core.search.results import NotReread, Results

if TYPE_CHECKING:
    from vsearch_core.embed.base import Embedder
    from vsearch_core.index.settings import IndexSettings

Reread = Callable[[str | None, Sequence[str], float], Mapping[str, str]]  # index, its paths, deadline -> reasons


def search_fresh(search: Callable[[], Results], reread: Reread, seconds: float) -> Results:
    """Search until no hit's file has changed since it was indexed, or can be read again within some seconds.

    Args:
        search: Searches the newest generation.
        reread: Brings files of an index (None: the only one) up to date, until a time of `time.monotonic`. Returns the
            reasons for those that it couldn't, by path.
        seconds: The time for reading, embedding and searching again. The first search doesn't count.
    """
    from vsearch_core.index.rereading import NO_TIME

    results = search()
    deadline = time.monotonic() + seconds
    tried: set[tuple[str | None, str]] = set()
    left: list[NotReread] = []
    while stale := [file for file in _stale_files(results) if file not in tried]:
        if time.monotonic() >= deadline:
            left += [NotReread(path, NO_TIME, index) for index, path in stale]
            break
        for index in dict.fromkeys(index for index, _ in stale):
            paths = [path for each, path in stale if each == index]
            left += [NotReread(path, reason, index) for path, reason in reread(index, paths, deadline).items()]
        tried.update(stale)
        results = search()
    return replace(results, not_reread=tuple(left))


def _stale_files(results: Results) -> list[tuple[str | None, str]]:
    """Return the index and the path of each hit's file that has changed or is gone, each once."""
    return list(dict.fromkeys((hit.index, hit.path) for hit in results.hits if hit.stale))


def reread_until(
    deadline: float, index: Path, paths: Sequence[str], open_for: "Callable[[IndexSettings], Embedder]"
) -> Mapping[str, str]:
    """Bring files of an index up to date, until a time of `time.monotonic`. Return reasons for those that aren't."""
    from vsearch_core.index.progress import Observer
    from vsearch_core.index.rereading import reread_files

    observer = Observer(should_stop=lambda: time.monotonic() >= deadline)
    try:
        return reread_files(index, paths, open_for, observer, max(0.0, deadline - time.monotonic()))
    except VsearchError as error:
        return dict.fromkeys(paths, error.reason)
