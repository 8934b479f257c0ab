"""When a run is due, by a simulated clock; which paths trigger it; and how failures are handled."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import WordEmbedder, make_index

from vsearch_core.errors import ArgumentError, ModelError
from vsearch_core.index.sources import Source
from vsearch_core.index.watch import (
    TICK,
    NextRun,
    UpdateFailed,
    WatchedTree,
    WatchSchedule,
    WatchStarted,
    is_due,
    known_sources,
    require_watchfiles,
    watch_index,
)
from vsearch_core.index.writer import UpdateSummary
from vsearch_core.text.discover import DiscoverOptions

SCHEDULE = WatchSchedule()
AT_ONCE = WatchSchedule(settle=0.0, cooldown_factor=0.0, retry_after=0.0)


def due_at(changes: Callable[[float], bool], wait: NextRun, end: float = 2000.0) -> float | None:
    """Return the second at which a run is due, if the ticks up to `end` report `changes(second)`."""
    now = 0.0

    def ticks() -> Iterator[bool]:
        nonlocal now
        while now < end:
            now += TICK
            yield changes(now)

    return now if is_due(ticks(), wait, SCHEDULE, lambda: now) else None


def change_at(second: float) -> Callable[[float], bool]:
    return lambda now: now == second


def test_a_run_is_due_when_it_has_been_quiet_for_a_moment() -> None:
    assert due_at(change_at(3.0), NextRun(at_latest=600)) == 3.0 + SCHEDULE.settle


def test_continuous_changes_delay_a_run_up_to_a_maximum() -> None:
    assert due_at(lambda now: 3.0 <= now <= 4.0, NextRun(at_latest=600)) == 4.0 + SCHEDULE.settle
    assert due_at(lambda now: now >= 3.0, NextRun(at_latest=600)) == 3.0 + SCHEDULE.max_delay


def test_after_a_long_run_changes_wait_for_the_cooldown() -> None:
    assert due_at(change_at(3.0), NextRun(not_before=40, at_latest=600)) == 40
    assert due_at(lambda now: True, NextRun(not_before=40, at_latest=600)) == 40
    assert due_at(change_at(39.75), NextRun(not_before=40, at_latest=600)) == 39.75 + SCHEDULE.settle


def test_without_a_change_a_run_is_due_after_a_while() -> None:
    assert due_at(lambda now: False, NextRun(at_latest=600)) == 600


def test_pending_changes_are_due_without_another_change() -> None:
    assert due_at(lambda now: False, NextRun(pending=True, at_latest=600)) == SCHEDULE.settle
    assert due_at(lambda now: False, NextRun(not_before=16, pending=True)) == 16


def test_nothing_is_due_once_the_ticks_end() -> None:
    assert due_at(lambda now: True, NextRun(not_before=40, at_latest=600), end=30) is None


@given(st.sets(st.integers(1, 400)), st.integers(0, 60), st.booleans())
def test_no_change_waits_longer_than_the_maximum_delay_or_the_cooldown(
    changed: set[int], rest: int, pending: bool
) -> None:
    first = 0.0 if pending else min(changed, default=2400) * TICK
    due = due_at(lambda now: now / TICK in changed, NextRun(rest, 600, pending))
    assert due is not None
    assert rest <= due <= max(min(first + SCHEDULE.max_delay, 600), rest, 2 * TICK) + SCHEDULE.settle


def test_pauses_after_errors_grow_up_to_a_minute() -> None:
    assert [SCHEDULE.pause(failures) for failures in (1, 2, 3, 5, 6, 9999)] == [2, 4, 8, 32, 60, 60]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("docs/a.md", "docs/sub/b.md", "docs/build/c.md", "docs/.hidden/d.md", "docs/keep/e.md", "alone/f.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("The pump.")
    (tmp_path / "docs" / ".gitignore").write_text("build/\n*.log\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "docs" / "link").symlink_to(tmp_path / "outside")
    return tmp_path


def watched_tree(tree: Path, *sources: str, index: str = ".vsearch", **options: tuple[str, ...]) -> WatchedTree:
    return WatchedTree(tree / index, [Source(tree / path, DiscoverOptions(**options)) for path in sources])  # type: ignore[arg-type]


def test_the_watched_folders_are_those_that_a_run_enters(tree: Path) -> None:
    folders = {os.path.relpath(folder, tree) for folder in watched_tree(tree, "docs", "alone/f.md").folders}
    assert folders == {"docs", "docs/sub", "docs/keep", "alone"}


@pytest.mark.parametrize(
    ("path", "concerns"),
    [
        ("docs/a.md", True),
        ("docs/new.md", True),
        ("docs/sub/gone", True),
        ("docs/.gitignore", True),
        ("docs/link", True),
        ("docs/debug.log", False),
        ("docs/build", False),
        ("docs/build/c.md", False),
        ("docs/.a.md.swp", False),
        ("docs/.#a.md", False),
        ("docs/4913", False),
        ("docs/a.md~", False),
        ("docs/#a.md#", False),
        ("docs/~$a.docx", False),
        ("docs/a.md.tmp", False),
        ("docs/.git", False),
        ("alone/f.md", True),
        ("alone/g.md", False),
        ("elsewhere/h.md", False),
    ],
)
def test_only_paths_that_a_run_would_read_trigger_a_run(tree: Path, path: str, concerns: bool) -> None:
    assert watched_tree(tree, "docs", "alone/f.md").concerns(str(tree / path)) is concerns


def test_patterns_exclude_files_but_not_deleted_paths(tree: Path) -> None:
    (tree / "docs" / "x.txt").write_text("x")
    watched = watched_tree(tree, "docs", include=("*.md",), exclude=("keep/",))
    assert [watched.concerns(str(tree / "docs" / name)) for name in ("a.md", "x.txt", "sub", "keep")] == [
        *(True, False, True, False)
    ]
    assert watched.concerns(str(tree / "docs" / "gone"))  # a deleted path may have been a folder


def test_changes_in_the_index_folder_are_ignored(tree: Path) -> None:
    (tree / "docs" / "index" / "segments").mkdir(parents=True)
    watched = watched_tree(tree, "docs", index="docs/index")
    assert watched.folders == watched_tree(tree, "docs").folders - {
        str(tree / "docs/index"),
        str(tree / "docs/index/segments"),
    }
    assert str(tree / "docs") in watched.folders
    assert not watched.concerns(str(tree / "docs" / "index"))


def test_the_innermost_source_decides(tree: Path) -> None:
    sources = [Source(tree / "docs", DiscoverOptions()), Source(tree / "docs" / "keep", None)]
    watched = WatchedTree(tree / ".vsearch", sources)
    assert watched.concerns(str(tree / "docs" / "sub" / "b.md"))
    assert not watched.concerns(str(tree / "docs" / "keep" / "e.md"))


def test_a_missing_source_is_noticed_by_its_identity(tree: Path) -> None:
    watched = watched_tree(tree, "docs", "nowhere")
    before = watched.identities()
    (tree / "nowhere").mkdir()
    assert before != watched.identities()


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(ArgumentError, match="watchfiles isn't installed") as caught:
        require_watchfiles()
    assert (caught.value.code, caught.value.details) == ("package-missing", {"extra": "watch"})


@pytest.fixture
def first_run(tree: Path) -> UpdateSummary:
    return make_index(tree, WordEmbedder(), Path("docs"))


def test_the_sources_of_an_index_are_known(tree: Path, first_run: UpdateSummary) -> None:
    assert known_sources(Path(first_run.index)) == (Source(tree / "docs", DiscoverOptions()),)


def test_a_failed_run_is_retried(tree: Path, first_run: UpdateSummary) -> None:
    outcomes = iter((ModelError("m", "is away"), ModelError("m", "is away"), first_run))

    def update() -> UpdateSummary:
        outcome = next(outcomes)
        if isinstance(outcome, ModelError):
            raise outcome
        return outcome

    events = watch_index(Path(first_run.index), update, lambda: False, replace(AT_ONCE, retry_after=0.01))
    assert next(events) == WatchStarted(3, None)
    failures = [next(events), next(events)]
    assert [each.pause for each in failures if isinstance(each, UpdateFailed)] == [0.01, 0.02]
    assert next(events) is first_run
    events.close()


def test_an_interrupted_run_ends_the_watch(first_run: UpdateSummary) -> None:
    interrupted = replace(first_run, interrupted=True)
    assert list(watch_index(Path(first_run.index), lambda: interrupted, lambda: False))[1:] == [interrupted]


def test_the_stop_event_ends_the_watch(first_run: UpdateSummary) -> None:
    calls: list[int] = []

    def update() -> UpdateSummary:
        calls.append(1)
        return first_run

    assert list(watch_index(Path(first_run.index), update, lambda: bool(calls)))[1:] == [first_run]


def test_without_file_system_events_it_polls(first_run: UpdateSummary, monkeypatch: pytest.MonkeyPatch) -> None:
    import watchfiles

    def watch(*_: object, **__: object) -> Iterator[object]:
        raise OSError("OS file watch limit reached. about [a, b]")
        yield

    monkeypatch.setattr(watchfiles, "watch", watch)
    events = watch_index(
        Path(first_run.index), lambda: first_run, lambda: False, replace(AT_ONCE, poll_every=0.0, rescan_factor=0.0)
    )
    blind = WatchStarted(3, "OS file watch limit reached")
    assert [next(events) for _ in range(4)] == [blind, first_run, blind, first_run]
    events.close()


def test_a_name_that_cannot_be_decoded_counts_as_a_change(
    first_run: UpdateSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    import watchfiles

    opened: list[object] = []

    def watch(*_: object, **__: object) -> Iterator[set[object]]:
        opened.append(SimpleNamespace())
        yield set()
        if len(opened) == 1:
            raise RuntimeError("Unable to decode path")
        while True:
            yield set()

    monkeypatch.setattr(watchfiles, "watch", watch)
    events = watch_index(Path(first_run.index), lambda: first_run, lambda: False, AT_ONCE)
    assert [next(events) for _ in range(4)] == [WatchStarted(3, None), first_run, WatchStarted(3, None), first_run]
    events.close()
