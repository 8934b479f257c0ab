"""Help, version, and wrong usage."""

from pathlib import Path

import pytest
from process import Vsearch

COMMANDS = ("index", "query", "status", "eval", "models")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_command(vsearch: Vsearch, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = vsearch(*arguments, cwd=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Usage: vsearch ")
    assert all(f"\n  {command} " in result.out for command in COMMANDS)
    assert "Exit status: 0 done or hits found, 1 no hit, 2 error, 130 interrupted." in result.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(vsearch: Vsearch, tmp_path: Path, command: str) -> None:
    result = vsearch(command, "--help", cwd=tmp_path)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"Usage: vsearch {command} ")


def test_version(vsearch: Vsearch, tmp_path: Path) -> None:
    from importlib.metadata import version

    result = vsearch("--version", cwd=tmp_path)
    assert (result.status, result.out, result.err) == (0, f"vsearch {version('vsearch')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("nope",), "No such command 'nope'; see `vsearch --help`"),
        (("--nope",), "No such option: --nope; see `vsearch --help`"),
        (("query", "--nope", "pump"), "see `vsearch query --help`"),
        (("query",), "query: it is empty; write a query"),
        (("query", "-k", "many", "pump"), "Invalid value for '-k'"),
        (("query", "-k", "0", "pump"), "Invalid value for '-k'"),
        (("query", "-k"), "-k"),
        (("query", "--mode", "magic", "pump"), "Invalid value for '--mode': 'magic' is not one of"),
        (("query", "--fusion", "magic", "pump"), "Invalid value for '--fusion'"),
        (("query", "--alpha", "2", "pump"), "Invalid value for '--alpha'"),
        (("query", "--min-score", "high", "pump"), "Invalid value for '--min-score'"),
        (("query", "--group-by", "page", "pump"), "Invalid value for '--group-by'"),
        (("query", "--ef", "0", "pump"), "Invalid value for '--ef'"),
        (("query", "--ef", "70000", "pump"), "Invalid value for '--ef'"),
        (("query", "--ef", "200", "--exact", "pump"), "--exact, --ef: one compares every vector"),
        (("index", "--embedder", "magic", "."), "Invalid value for '--embedder'"),
        (("index", "--chunk-words", "many", "."), "Invalid value for '--chunk-words'"),
        (("status", "more"), "see `vsearch status --help`"),
        (("eval",), "eval: there are no queries"),
        (("models", "more"), "see `vsearch models --help`"),
    ],
)
def test_wrong_usage_is_a_one_line_error_with_status_2(
    vsearch: Vsearch, library: Path, arguments: tuple[str, ...], error: str
) -> None:
    assert error in vsearch(*arguments, cwd=library).error


@pytest.mark.parametrize("score", ["nan", "inf"])
def test_nan_as_a_score_gives_valid_json_or_an_error(vsearch: Vsearch, library: Path, score: str) -> None:
    result = vsearch("query", "--json", "--min-score", score, "pump", cwd=library)
    assert result.status in {1, 2}
    assert result.status == 2 or result.json["hits"] == []


def test_an_invalid_option_never_controls_the_terminal(vsearch: Vsearch, tmp_path: Path) -> None:
    assert "No such command" in vsearch("\x1b[31m\u202e", cwd=tmp_path).error


def test_nothing_is_written_to_home_and_no_usage_is_reported(vsearch: Vsearch, library: Path, tmp_path: Path) -> None:
    """By default, ONNX Runtime would store a device id and a queue of usage reports in HOME."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    result = vsearch("query", "-k", "1", "pump", cwd=library, HOME=str(home), TMPDIR=str(scratch))
    assert result.status == 0
    assert [*home.rglob("*"), *scratch.rglob("*")] == []


def test_commands_work_without_home(vsearch: Vsearch, library: Path) -> None:
    assert vsearch("query", "-k", "1", "pump", cwd=library, HOME="/nonexistent").status == 0


@pytest.mark.parametrize("words", [("grease", "every", "spring"), ("grease every", "spring")])
def test_a_query_needs_no_quotes(vsearch: Vsearch, library: Path, words: tuple[str, ...]) -> None:
    result = vsearch("query", *words, "-k", "1", "--json", cwd=library)
    assert (result.json["query"], result.json["hits"][0]["path"]) == ("grease every spring", "notes/pump.md")


def test_stdin_and_words_are_not_mixed(vsearch: Vsearch, library: Path) -> None:
    assert "reads the queries from stdin" in vsearch("query", "pump", "-", cwd=library).error


def test_a_word_with_a_leading_hyphen_is_explained(vsearch: Vsearch, library: Path) -> None:
    assert "put -- before a query" in vsearch("query", "pump", "-winter", cwd=library).error


@pytest.mark.parametrize("arguments", [("query", "pump", "--where", "zz=1"), ("eval", "nothere")])
def test_debug_keeps_the_exit_status(vsearch: Vsearch, library: Path, arguments: tuple[str, ...]) -> None:
    process = vsearch.start("--debug", *arguments, cwd=library)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert b"Traceback" in err


@pytest.mark.parametrize("command", ["index", "remove"])
def test_an_empty_path_is_refused(vsearch: Vsearch, library: Path, command: str) -> None:
    assert vsearch(command, "", cwd=library).error == "path: it is empty; write . for the working folder"


@pytest.mark.parametrize(
    "arguments", [("status", "--index", "x" * 300), ("import", "page.html/x"), ("index", ".", "--index", "page.html/x")]
)
def test_a_malformed_path_is_not_called_a_fault_of_the_disk(
    vsearch: Vsearch, library: Path, arguments: tuple[str, ...]
) -> None:
    error = vsearch(*arguments, cwd=library).error
    assert "check the path" in error
    assert "disk" not in error


@pytest.mark.parametrize("pattern", ["[", "a[b", "docs/[!", "notes\\"])
@pytest.mark.parametrize("option", ["--include", "--exclude"])
def test_a_malformed_glob_is_refused(vsearch: Vsearch, project: Path, option: str, pattern: str) -> None:
    assert "is not a glob" in vsearch("index", ".", option, pattern, cwd=project).error


@pytest.mark.parametrize("size", ["0", "0MB", "0.4"])
def test_a_size_that_leaves_out_every_file_is_refused(vsearch: Vsearch, project: Path, size: str) -> None:
    assert "leaves out every file" in vsearch("index", ".", "--max-file-size", size, cwd=project).error
    assert "must be a size" in vsearch("config", "max_file_size", size, cwd=project).error


@pytest.mark.parametrize("line", ["2", "999", "0"])
def test_feedback_checks_the_line(vsearch: Vsearch, indexed: Path, line: str) -> None:
    assert f"pump.txt:{line}" in vsearch("feedback", "grease", f"pump.txt:{line}", cwd=indexed).error
    assert vsearch("feedback", "grease", "pump.txt:1", cwd=indexed).status == 0


def test_verbose_names_files_without_text(vsearch: Vsearch, indexed: Path) -> None:
    (indexed / "void.md").touch()
    (indexed / "blank.txt").write_text(" \n\n", encoding="utf-8")
    result = vsearch("index", "-v", cwd=indexed)
    assert result.err.splitlines() == ["without text: blank.txt", "without text: void.md"]


def test_git_leaves_the_index_out(vsearch: Vsearch, indexed: Path) -> None:
    ignore = indexed / ".vsearch" / ".gitignore"
    assert ignore.read_text(encoding="utf-8") == "*\n"
    ignore.write_text("!config.toml\n", encoding="utf-8")  # the user's own rules stay
    assert vsearch("index", cwd=indexed).status == 0
    assert ignore.read_text(encoding="utf-8") == "!config.toml\n"
