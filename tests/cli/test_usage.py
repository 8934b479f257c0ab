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
        (("query", "one", "two"), "see `vsearch query --help`"),
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
