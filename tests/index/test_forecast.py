"""The plan of a run equals what the run then does, and changes nothing."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import WordEmbedder, make_index

from vsearch_core.errors import IndexMismatchError, InputError
from vsearch_core.index.forecast import Forecast, at_rate_limits, forecast
from vsearch_core.index.progress import Observer, StoppedError
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sources import Source
from vsearch_core.model import EmbedderSpec
from vsearch_core.text.discover import DiscoverOptions

SMALL = IndexOptions(chunk_words=20, overlap_words=0)
DOCS = Path("docs")


def write(root: Path, name: str, *words: str) -> None:
    path = root / "docs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(f"{word} {'filler ' * 15}end." for word in words))


def plan(root: Path, *paths: Path, options: IndexOptions | None = None) -> Forecast:
    sources = [Source(root / path, DiscoverOptions()) for path in paths]
    return forecast(root / ".vsearch", sources, options or IndexOptions(), lambda _: WordEmbedder())


def everything(root: Path) -> dict[str, bytes]:
    """Return all files and their bytes, except SQLite's shared memory."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))
    return {str(path): path.read_bytes() for path in found}


def test_a_plan_needs_no_index(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "apple", "pear", "apple")
    write(tmp_path, "b.txt", "pear")
    planned = plan(tmp_path, DOCS, options=SMALL)
    assert not (tmp_path / ".vsearch").exists()
    assert (planned.new, planned.chunks, planned.embed) == (2, 4, 2)
    assert (planned.recipient, planned.requests) == (None, 0)
    assert planned.seconds > 0


def test_a_plan_equals_the_run_that_follows(tmp_path: Path, embedder: WordEmbedder) -> None:
    """Random edits: the numbers of each plan are those of the run that follows."""
    chance = random.Random(3)
    words = [f"word{number}" for number in range(12)]
    for name in "abcdef":
        write(tmp_path, f"{name}.txt", *chance.choices(words, k=3))
    make_index(tmp_path, embedder, DOCS, options=SMALL)
    for number in range(8):
        for name in chance.sample("abcdefghij", k=3):
            path = tmp_path / "docs" / f"{name}.txt"
            if path.exists() and chance.random() < 0.3:
                path.unlink()
            else:
                write(tmp_path, path.name, *chance.choices(words, k=3), f"only{number}")
        (tmp_path / "docs/data.bin").write_bytes(b"\0\1" * number)
        if number == 4:  # an interrupted run has staged texts
            make_index(tmp_path, embedder, observer=Observer(should_stop=lambda: True))
        before = everything(tmp_path)
        planned = plan(tmp_path)
        assert everything(tmp_path) == before
        done = make_index(tmp_path, embedder)
        assert (planned.chunks, planned.embed) == (done.embedded + done.reused, done.embedded)
        assert (planned.new, planned.gone) == (done.added + done.moved, done.removed + done.moved)
        assert (planned.changed, planned.unchanged) == (done.changed, done.unchanged)
        assert (planned.skipped, planned.failed) == (done.skipped, done.failed)


def test_a_plan_opens_no_remote_provider(tmp_path: Path) -> None:
    for number in range(101):
        write(tmp_path, f"{number}.txt", f"word{number}")

    def fail(_spec: EmbedderSpec) -> WordEmbedder:
        raise AssertionError("it is opened")

    run_options = IndexOptions(embedder="openai", base_url="https://example.org/v1", chunk_words=20)
    planned = forecast(tmp_path / ".vsearch", [Source(tmp_path / "docs", DiscoverOptions())], run_options, fail)
    assert (planned.recipient, planned.requests, planned.embed) == (
        "example.org",
        4,
        101,
    )  # requests have 32 texts at most
    assert planned.bytes == sum(path.stat().st_size for path in (tmp_path / "docs").iterdir())
    assert planned.tokens == -(-planned.bytes // 4)


def test_a_plan_applies_the_runs_rate_limits() -> None:
    counts: dict[str, Any] = dict.fromkeys(("new", "changed", "gone", "unchanged", "skipped", "failed"), 0)
    plan = Forecast(
        Path(),
        **counts,
        chunks=900,
        embed=900,
        bytes=400_000,
        tokens=100_000,
        provider="gemini",
        model=None,
        recipient="google",
        requests=9,
        seconds=9.0,
    )
    assert at_rate_limits(plan, None, None) == plan
    assert at_rate_limits(plan, 100, None).seconds == 480
    assert at_rate_limits(plan, 1000, 23_000).seconds == pytest.approx(540)
    assert at_rate_limits(replace(plan, provider="openai"), 3, None).seconds == 120
    assert at_rate_limits(replace(plan, recipient=None), 1, 1).seconds == 9
    assert at_rate_limits(replace(plan, embed=0, tokens=0, requests=0, seconds=0), 1, 1).seconds == 0


def test_a_plan_refuses_what_the_run_refuses(tmp_path: Path, embedder: WordEmbedder) -> None:
    with pytest.raises(InputError, match="there is no index here yet"):
        plan(tmp_path)
    write(tmp_path, "a.txt", "apple")
    make_index(tmp_path, embedder, DOCS, options=SMALL)
    with pytest.raises(IndexMismatchError, match="made with chunk words 20, not 30"):
        plan(tmp_path, options=IndexOptions(chunk_words=30))


def test_a_plan_can_be_stopped(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "apple")
    with pytest.raises(StoppedError):
        forecast(
            tmp_path / ".vsearch",
            [Source(tmp_path / "docs", DiscoverOptions())],
            SMALL,
            lambda _: WordEmbedder(),
            Observer(should_stop=lambda: True),
        )
