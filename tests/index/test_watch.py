"""When a run is due, by a clock that the tests turn; what concerns a watched index; and how failures are borne."""

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
    """The second at which a run is due, when the ticks up to `end` say `changes(second)`."""
    now = 0.0

    def ticks() -> Iterator[bool]:
        nonlocal now
        while now < end:
            now += TICK
            yield changes(now)

    return now if is_due(ticks(), wait, SCHEDULE, lambda: now) else None


def once(second: float) -> Callable[[float], bool]:
    return lambda now: now == second


def test_a_run_is_due_when_it_has_been_quiet_for_a_moment() -> None:
    assert due_at(once(3.0), NextRun(at_latest=600)) == 3.0 + SCHEDULE.settle


def test_changes_that_go_on_are_waited_for_but_not_for_ever() -> None:
    assert due_at(lambda now: 3.0 <= now <= 4.0, NextRun(at_latest=600)) == 4.0 + SCHEDULE.settle
    assert due_at(lambda now: now >= 3.0, NextRun(at_latest=600)) == 3.0 + SCHEDULE.max_delay


def test_after_a_long_run_there_is_a_rest_in_which_changes_are_remembered() -> None:
    assert due_at(once(3.0), NextRun(not_before=40, at_latest=600)) == 40
    assert due_at(lambda now: True, NextRun(not_before=40, at_latest=600)) == 40
    assert due_at(once(39.75), NextRun(not_before=40, at_latest=600)) == 39.75 + SCHEDULE.settle


def test_without_a_change_a_run_is_due_after_a_while() -> None:
    assert due_at(lambda now: False, NextRun(at_latest=600)) == 600


def test_what_is_pending_is_due_without_another_change() -> None:
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


def watched(tree: Path, *sources: str, index: str = ".vsearch", **options: tuple[str, ...]) -> WatchedTree:
    return WatchedTree(tree / index, [Source(tree / path, DiscoverOptions(**options)) for path in sources])  # type: ignore[arg-type]


def test_the_folders_are_those_that_a_run_walks(tree: Path) -> None:
    folders = {os.path.relpath(folder, tree) for folder in watched(tree, "docs", "alone/f.md").folders}
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
def test_what_no_run_would_look_at_concerns_nobody(tree: Path, path: str, concerns: bool) -> None:
    assert watched(tree, "docs", "alone/f.md").concerns(str(tree / path)) is concerns


def test_patterns_leave_out_what_is_a_file(tree: Path) -> None:
    (tree / "docs" / "x.txt").write_text("x")
    taken = watched(tree, "docs", include=("*.md",), exclude=("keep/",))
    assert [taken.concerns(str(tree / "docs" / name)) for name in ("a.md", "x.txt", "sub", "keep")] == [
        *(True, False, True, False)
    ]
    assert taken.concerns(str(tree / "docs" / "gone"))  # it may have been a folder


def test_the_index_itself_concerns_nobody(tree: Path) -> None:
    (tree / "docs" / "index" / "segments").mkdir(parents=True)
    taken = watched(tree, "docs", index="docs/index")
    assert taken.folders == watched(tree, "docs").folders - {
        str(tree / "docs/index"),
        str(tree / "docs/index/segments"),
    }
    assert str(tree / "docs") in taken.folders
    assert not taken.concerns(str(tree / "docs" / "index"))


def test_the_innermost_source_decides(tree: Path) -> None:
    sources = [Source(tree / "docs", DiscoverOptions()), Source(tree / "docs" / "keep", None)]
    taken = WatchedTree(tree / ".vsearch", sources)
    assert taken.concerns(str(tree / "docs" / "sub" / "b.md"))
    assert not taken.concerns(str(tree / "docs" / "keep" / "e.md"))


def test_a_source_that_is_not_there_is_told_by_its_identity(tree: Path) -> None:
    taken = watched(tree, "docs", "nowhere")
    before = taken.identities()
    (tree / "nowhere").mkdir()
    assert before != taken.identities()


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(ArgumentError, match="watchfiles isn't installed") as caught:
        require_watchfiles()
    assert (caught.value.code, caught.value.details) == ("package-missing", {"extra": "watch"})


@pytest.fixture
def made(tree: Path) -> UpdateSummary:
    return make_index(tree, WordEmbedder(), Path("docs"))


def test_the_sources_of_an_index_are_known(tree: Path, made: UpdateSummary) -> None:
    assert known_sources(made.index) == (Source(tree / "docs", DiscoverOptions()),)


def test_a_run_that_fails_is_tried_again(tree: Path, made: UpdateSummary) -> None:
    outcomes = iter((ModelError("m", "is away"), ModelError("m", "is away"), made))

    def update() -> UpdateSummary:
        outcome = next(outcomes)
        if isinstance(outcome, ModelError):
            raise outcome
        return outcome

    events = watch_index(made.index, update, lambda: False, replace(AT_ONCE, retry_after=0.01))
    assert next(events) == WatchStarted(3, None)
    failures = [next(events), next(events)]
    assert [each.pause for each in failures if isinstance(each, UpdateFailed)] == [0.01, 0.02]
    assert next(events) is made
    events.close()


def test_it_ends_with_a_run_that_was_interrupted(made: UpdateSummary) -> None:
    interrupted = replace(made, interrupted=True)
    assert list(watch_index(made.index, lambda: interrupted, lambda: False))[1:] == [interrupted]


def test_it_ends_when_it_is_told_to(made: UpdateSummary) -> None:
    calls: list[int] = []

    def update() -> UpdateSummary:
        calls.append(1)
        return made

    assert list(watch_index(made.index, update, lambda: bool(calls)))[1:] == [made]


def test_where_no_events_are_to_be_had_it_looks_now_and_then(
    made: UpdateSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    import watchfiles

    def watch(*_: object, **__: object) -> Iterator[object]:
        raise OSError("OS file watch limit reached. about [a, b]")
        yield

    monkeypatch.setattr(watchfiles, "watch", watch)
    events = watch_index(made.index, lambda: made, lambda: False, replace(AT_ONCE, poll_every=0.0, rescan_factor=0.0))
    blind = WatchStarted(3, "OS file watch limit reached")
    assert [next(events) for _ in range(4)] == [blind, made, blind, made]
    events.close()


def test_a_name_that_can_t_be_told_is_as_a_change(made: UpdateSummary, monkeypatch: pytest.MonkeyPatch) -> None:
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
    events = watch_index(made.index, lambda: made, lambda: False, AT_ONCE)
    assert [next(events) for _ in range(4)] == [WatchStarted(3, None), made, WatchStarted(3, None), made]
    events.close()
