"""Completion in shells: commands, options and the values of options."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from process import Vsearch

SHELLS = ("bash", "zsh", "fish")
SHELL_BY_NAME = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # a test has no shell around it


def completing(vsearch: Vsearch, shell: str, line: str) -> Vsearch:
    """Return the command as the script of a shell calls it, to complete the last word of a line."""
    variables: Mapping[str, str] = {"_VSEARCH_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    if shell == "bash":
        variables = {**variables, "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    if shell == "fish":
        variables = {**variables, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return replace(vsearch, environment={**vsearch.environment, **variables})


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vsearch sta", {"status"}),
        ("vsearch query --fus", {"--fusion"}),
        ("vsearch query --mode ", {"hybrid", "vector", "keyword"}),
        ("vsearch read --color al", {"always"}),
    ],
)
def test_words_are_completed(vsearch: Vsearch, project: Path, shell: str, line: str, expected: set[str]) -> None:
    out = completing(vsearch, shell, line)(cwd=project).out
    assert all(word in out for word in expected)
    assert "--explain" not in out
    assert "similar" not in out


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_installed_for_a_shell(vsearch: Vsearch, project: Path, shell: str) -> None:
    home = project / "home"
    home.mkdir()
    own = replace(vsearch, environment={**vsearch.environment, **SHELL_BY_NAME, "HOME": str(home)})
    assert "_VSEARCH_COMPLETE" in own("--show-completion", shell, cwd=project).out
    result = own("--install-completion", shell, cwd=project)
    assert result.status == 0, result
    written = [path for path in home.rglob("*") if path.is_file()]
    assert any("_VSEARCH_COMPLETE" in path.read_text() for path in written)
