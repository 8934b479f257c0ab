"""The help of each command has an example that runs, and words for values."""

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from process import Vsearch, write_files
from vsearch_cli.examples import EXAMPLES
from vsearch_cli.main import COMMANDS

FILES = {
    "notes/pump.md": "# Pump\n\n" + "The pump of the mill needs grease every spring.\n" * 12,
    "notes/copy.md": "# Pump\n\n" + "The pump of the mill needs grease every spring.\n" * 12,
    "notes/fees.md": "The late fee is due after fourteen days.\n",
    "notes/old/pump.md": "The old pump was made of oak.\n",
    "answer.md": "'The late fee is due after fourteen days' (notes/fees.md:1).\n",
    "judged.jsonl": "".join(
        json.dumps({"text": f"{word} {number}", "paths": [path]}) + "\n"
        for number in range(20)
        for word, path in (("late fee", "notes/fees.md"), ("mill pump", "notes/pump.md"))
    ),
}


def test_every_command_has_an_example() -> None:
    assert list(EXAMPLES) == list(COMMANDS)
    assert all(shlex.split(example)[:2] == ["vsearch", name] for name, example in EXAMPLES.items())


def test_the_examples_run_one_after_the_other(vsearch: Vsearch, project: Path) -> None:
    write_files(project, FILES)
    left_out = {"serve", "mcp", "warm"}  # they are endless; other tests start them
    if find_spec("obstore") is None:
        left_out |= {"push", "pull", "snapshots"}
    for example in (each for name, each in EXAMPLES.items() if name not in left_out):
        result = vsearch(*shlex.split(example)[1:], cwd=project)
        assert result.status == 0, (example, result)
        assert result.out.strip() or "index" in example, example


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_the_example_and_names_values_in_words(vsearch: Vsearch, project: Path, command: str) -> None:
    shown = vsearch(command, "--help", cwd=project).out
    assert EXAMPLES[command] in " ".join(shown.split())
    assert not re.search(r"<(?:int|float|text|path|str)\b", shown)
    assert vsearch("help", command, cwd=project).out == shown


def test_help_without_a_command_and_of_an_unknown_one(vsearch: Vsearch, project: Path) -> None:
    assert vsearch("help", cwd=project).out == vsearch("--help", cwd=project).out
    assert "No such command" in vsearch("help", "nope", cwd=project).error


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_has_a_short_option(vsearch: Vsearch, project: Path, option: str) -> None:
    assert vsearch(option, cwd=project).out.startswith("vsearch ")


@pytest.mark.parametrize("short", [("-k", "2"), ("--limit", "2"), ("-C", "1"), ("--context", "1")])
def test_common_spellings_of_options_count(vsearch: Vsearch, library: Path, short: tuple[str, ...]) -> None:
    long = {"--limit": "-k", "-C": "--context"}
    same = (long.get(short[0], short[0]), short[1])
    hits = [vsearch("query", "pump", "--json", *words, cwd=library).json["hits"] for words in (short, same)]
    assert hits[0] == hits[1]
    assert len(hits[0]) <= 2 or short[0] in {"-C", "--context"}


@pytest.mark.parametrize("command", [("query", "pump"), ("similar", "notes/pump.md"), ("read", "notes/pump.md")])
def test_colour_can_be_chosen(vsearch: Vsearch, library: Path, command: tuple[str, ...]) -> None:
    assert "\x1b[" in vsearch(*command, "--color", "always", cwd=library).out
    assert "\x1b[" not in vsearch(*command, "--color", "never", cwd=library).out
    assert "\x1b[" not in vsearch(*command, cwd=library).out
    assert "--color" in vsearch(*command, "--color", "sometimes", cwd=library).error
