"""No option is ignored in silence: the table of rules covers every option, and each rule is obeyed by the command."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import pytest
from process import Vsearch, write_files
from vsearch_cli.main import COMMANDS, GlobalOptions, make_app
from vsearch_cli.option_rules import OPTIONS, PHRASES

# Command lines that put a command into each state that a rule names: (command, fact, value) -> arguments.
SITUATIONS: Mapping[tuple[str, str, str], tuple[str, ...]] = {
    ("query", "mode", "keyword"): ("pump", "--mode", "keyword"),
    ("query", "mode", "vector"): ("pump", "--mode", "vector"),
    ("query", "mode", "examples"): ("--more-like", "notes/pump.md"),
    ("query", "fusion", "rrf"): ("pump", "--fusion", "rrf"),
    ("query", "format", "text"): ("pump",),
    ("query", "format", "json"): ("pump", "--json"),
    ("query", "format", "jsonl"): ("pump", "--jsonl"),
    ("query", "format", "lines"): ("-",),
    ("query", "format", "paths"): ("pump", "--paths"),
    ("query", "reranker", "none"): ("pump",),
    ("query", "embedder", "local"): ("pump",),
    ("similar", "embedder", "local"): ("notes/pump.md",),
    ("serve", "embedder", "local"): (),
    ("eval", "embedder", "local"): ("judged.jsonl",),
    ("tune", "embedder", "local"): ("judged.jsonl",),
    ("similar", "format", "text"): ("notes/pump.md",),
    ("similar", "format", "json"): ("notes/pump.md", "--json"),
    ("similar", "format", "jsonl"): ("notes/pump.md", "--jsonl"),
    ("similar", "format", "paths"): ("notes/pump.md", "--paths"),
    ("index", "embedder", "local"): (".",),
    ("index", "embedder", "static"): (".", "--embedder", "static", "--index", "new"),
    ("index", "embedder", "sentence-transformers"): (".", "--embedder", "sentence-transformers", "--index", "new"),
    ("index", "embedder", "gemini"): (".", "--embedder", "gemini", "--index", "new"),
    ("index", "embedder", "openai"): (".", "--embedder", "openai", "--index", "new"),
    ("index", "work", "re-embed"): ("--re-embed",),
    ("index", "input", "stdin"): ("-",),
    ("index", "input", "paths"): (".",),
    ("similar", "input", "paths"): ("notes/pump.md",),
    ("export", "target", "stdout"): ("-",),
    ("eval", "queries", "folder"): ("judged",),
    ("eval", "queries", "file"): ("judged.jsonl",),
    ("eval", "queries", "generated"): ("--known-items", "2"),
    ("eval", "mode", "keyword"): ("judged.jsonl", "--mode", "keyword"),
    ("eval", "mode", "vector"): ("judged.jsonl", "--mode", "vector"),
    ("eval", "fusion", "rrf"): ("judged.jsonl", "--fusion", "rrf"),
    ("tune", "tuning", "reset"): ("--reset",),
    ("config", "scope", "user"): ("--user", "k"),
    ("serve", "source", "store"): ("--follow", "file:store"),
    ("snapshots", "change", "none"): ("file:store",),
    ("snapshots", "change", "untag"): ("file:store", "--untag", "a"),
    ("snapshots", "change", "roll_back"): ("file:store", "--roll-back", "1"),
    ("snapshots", "change", "prune"): ("file:store", "--prune", "1"),
}

# A value for each option that has rules and takes one.
VALUES: Mapping[str, str] = {
    "fusion": "convex",
    "alpha": "0.5",
    "rerank_depth": "5",
    "rerank_budget": "500ms",
    "ef": "200",
    "nprobe": "20",
    "ann": "ivf",
    "image_model": "none",
    "context": "1",
    "device": "cpu",
    "base_url": "http://localhost:1",
    "rpm": "5",
    "tpm": "5",
    "include": "*.md",
    "exclude": "*.txt",
    "max_file_size": "5MB",
    "name": "a.md",
    "password": "x",
    "save": "q.jsonl",
    "split": "dev",
    "keep": "kept",
    "index_dir": ".vsearch",
    "snapshot": "1",
}


def _parameters(command: str) -> dict[str, tuple[str, bool]]:
    """Return each option of a command: its longest spelling, and True if it takes no value."""
    from typer.main import get_command

    app = get_command(make_app(COMMANDS, GlobalOptions()))
    options = [each for each in app.commands[command].params if each.param_type_name == "option"]  # type: ignore[attr-defined]
    return {each.name: (max(each.opts, key=len), each.is_flag) for each in options if each.name != "help"}


def test_every_option_of_every_command_has_rules() -> None:
    """Whoever adds an option says in `cli/option_rules.py` when it counts."""
    assert {name: set(_parameters(name)) for name in COMMANDS} == {name: set(each) for name, each in OPTIONS.items()}


def _states(command: str, fact: str) -> list[str]:
    return [value for owner, name, value in SITUATIONS if (owner, name) == (command, fact)]


def test_every_state_that_a_message_describes_is_tried() -> None:
    assert {(fact, value) for _, fact, value in SITUATIONS} <= set(PHRASES)
    named = {
        (command, condition.fact)
        for command, rules in OPTIONS.items()
        for condition in chain.from_iterable(rules.values())
    }
    assert named == {(command, fact) for command, fact, _ in SITUATIONS}


def _refusals() -> Iterator[tuple[str, str, str, str]]:
    for command, rules in OPTIONS.items():
        for option, conditions in rules.items():
            for condition in conditions:
                for value in _states(command, condition.fact):
                    if value not in condition.values:
                        yield command, option, condition.fact, value


@pytest.mark.parametrize(("command", "option", "fact", "value"), list(_refusals()))
def test_an_option_without_effect_is_refused_by_name(
    vsearch: Vsearch, library: Path, tmp_path: Path, command: str, option: str, fact: str, value: str
) -> None:
    write_files(
        tmp_path,
        {
            "judged.jsonl": '{"text": "pump", "paths": ["notes/pump.md"]}\n',
            "judged/queries.jsonl": '{"_id": "q", "text": "pump"}\n',
            "judged/corpus.jsonl": '{"_id": "d", "title": "", "text": "a pump"}\n',
            "judged/qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\td\t1\n",
        },
    )
    spelling, is_flag = _parameters(command)[option]
    arguments = [*SITUATIONS[command, fact, value], spelling, *([] if is_flag else [VALUES[option]])]
    where = (
        [] if "--index" in arguments or command in {"config", "snapshots"} else ["--index", str(library / ".vsearch")]
    )
    arguments = [each if each != "notes/pump.md" else str(library / each) for each in arguments]
    error = vsearch(command, *arguments, *where, cwd=tmp_path, VSEARCH_INDEX="").error
    assert error == f"{spelling}: has no effect {PHRASES[fact, value]}; leave it out"


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("-k", "3", "-k", "1"), "-k"),
        (("--mode", "keyword", "--mode", "vector"), "--mode"),
        (("--since", "2019", "--since", "2020-01-01"), "--since"),
    ],
)
def test_an_option_given_twice_is_said_and_the_last_value_counts(
    vsearch: Vsearch, library: Path, arguments: tuple[str, ...], option: str
) -> None:
    result = vsearch("query", "pump", "--json", *arguments, cwd=library)
    assert result.status == 0
    assert result.err == f"vsearch: {option}: given more than once; the last value counts\n"


def test_extensions_given_twice_are_alternatives(vsearch: Vsearch, library: Path) -> None:
    result = vsearch("query", "pump", "--paths", "-k", "99", "--ext", "md", "--ext", "*.HTML", cwd=library)
    assert {Path(line).suffix for line in result.lines} == {".md", ".html"}


@pytest.mark.parametrize("extensions", ["", ",", " , ", "."])
def test_a_list_without_extensions_is_refused(vsearch: Vsearch, library: Path, extensions: str) -> None:
    error = vsearch("query", "pump", "--ext", extensions, cwd=library).error
    assert error == f"--ext: {extensions!r} names no extension; write one or more, such as md,py"


@pytest.mark.parametrize("command", ["eval", "tune"])
def test_missing_queries_are_called_missing(vsearch: Vsearch, library: Path, command: str) -> None:
    error = vsearch(command, "nothere.jsonl", cwd=library).error
    assert error == "nothere.jsonl: there is no such file or folder; check the path"
