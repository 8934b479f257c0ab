"""Ignore rules and globs take time in proportion to the names, whatever a clone's ignore files hold."""

import os
import random
import re
import time
from pathlib import Path

import pytest
from process import write_files

from vsearch_core.text.discover import MAX_RULES_BYTES, DiscoverOptions, Unreadable, discover
from vsearch_core.text.ignore import IgnoreRules, without_backtracking

BOMBS = [
    "*a" * 24 + "b",
    "*a*" * 40 + "b",
    "?*" * 40 + "b",
    "**/a" * 24 + "/b",
    "a/**/" * 24 + "b",
    "**/*a*a*a" * 8 + "b",
]
PATHS = ["a" * 200, "/".join("a" * 250), "/".join(["aaaaaaaa"] * 100)]


@pytest.mark.parametrize("pattern", [*BOMBS, *(f"!{bomb}" for bomb in BOMBS), *(f"/{bomb}/" for bomb in BOMBS)])
def test_no_rule_backtracks(pattern: str) -> None:
    rules, started = IgnoreRules(["*.none\n", pattern]), time.monotonic()
    for path in PATHS:
        rules.verdict(path, path.rpartition("/")[2], False)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("pattern", BOMBS)
@pytest.mark.parametrize("place", [".gitignore", ".ignore", ".vsearchignore", "include", "exclude"])
def test_a_folder_with_such_a_rule_is_walked(tmp_path: Path, place: str, pattern: str) -> None:
    write_files(
        tmp_path, {"a" * 200 + ".txt": "x", "a/" * 60 + "a.txt": "x", **({place: pattern} if "." in place else {})}
    )
    options = DiscoverOptions(**{place: (pattern,)}) if "." not in place else DiscoverOptions()  # type: ignore[arg-type]
    started = time.monotonic()
    list(discover([tmp_path], options))
    assert time.monotonic() - started < 5


def test_rules_match_what_they_matched_before() -> None:
    from pathspec import GitIgnoreSpec
    from pathspec.patterns.gitignore.basic import GitIgnoreBasicPattern

    rng, differing = random.Random(7), []
    for _ in range(4000):
        glob = "".join(
            rng.choice(["a", "b", "*", "*", "?", "/", "**/", "/**/", "[ab]", "[!a]", ".", r"\*"])
            for _ in range(rng.randrange(1, 9))
        )
        try:
            regexes = [
                GitIgnoreBasicPattern.pattern_to_regex(glob)[0],
                GitIgnoreBasicPattern.pattern_to_regex("/" + glob)[0],
            ]
            regexes += [p.regex.pattern for p in GitIgnoreSpec.from_lines([glob]).patterns if p.regex is not None]
        except ValueError:
            continue
        for regex in filter(None, regexes):
            fast = re.compile(without_backtracking(regex), re.DOTALL)
            for _ in range(12):
                path = "/".join(
                    "".join(rng.choice("ab.") for _ in range(rng.randrange(1, 5))) for _ in range(rng.randrange(1, 5))
                )
                slow = re.compile(regex.replace("[^a]", "[^/a]"), re.DOTALL)
                if bool(slow.fullmatch(path)) != bool(fast.fullmatch(path)) or bool(slow.match(path)) != bool(
                    fast.match(path)
                ):
                    differing.append((glob, regex, path))
    assert differing == []


@pytest.mark.parametrize("kind", ["sparse", "/proc/self/pagemap", "/dev/zero", "pipe", "just too large"])
def test_an_ignore_file_without_end_is_not_read(tmp_path: Path, kind: str) -> None:
    """Files that it might exclude must not be indexed: the folder can't be read."""
    write_files(tmp_path, {"a.txt": "x"})
    path = tmp_path / ".gitignore"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind.startswith("/"):
        path.symlink_to(kind)
    else:
        path.touch()
        os.truncate(path, 3_000_000_000 if kind == "sparse" else MAX_RULES_BYTES + 1)
    started = time.monotonic()
    found = list(discover([tmp_path], DiscoverOptions()))
    assert time.monotonic() - started < 5
    if kind in {"sparse", "just too large"}:
        assert any(isinstance(each, Unreadable) and "too large" in each.reason for each in found)
        assert not any(each.path.name == "a.txt" for each in found)


def test_an_ignore_file_may_be_large(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.txt": "x", "b.md": "x", ".gitignore": "#" * (MAX_RULES_BYTES - 6) + "\n*.txt"})
    assert [each.path.name for each in discover([tmp_path], DiscoverOptions())] == ["b.md"]


@pytest.mark.parametrize("pattern", ["[" * 5000, "[a" * 2500, "*" * 5000, "[!" * 2500, "**/" * 100_000, "[" * 400])
def test_a_long_pattern_takes_no_time(pattern: str) -> None:
    started = time.monotonic()
    rules = IgnoreRules([pattern] * 20)
    assert not rules.verdict("a.txt", "a.txt", False)
    assert time.monotonic() - started < 3
