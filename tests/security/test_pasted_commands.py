"""Names that come from a document or an index do nothing when a user pastes a command from a message into a shell."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from process import Vsearch, write_files

from cli import advice
from vsearch_core.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="for shells of POSIX")

EVIL = [
    "; touch ran",
    "$(touch ran)",
    "`touch ran`",
    "' ; touch ran ; '",
    '" ; touch ran ; "',
    "\n touch ran\n",
    " & touch ran",
]
OURS = {"extra", "package"}  # details whose values come from tables of ours
COMMANDS = [
    command
    for template in advice.ADVICE.values()
    for command in re.findall("`([^`]*{[^`]*)`", template)
    if not OURS & set(re.findall(r"{(\w+)}", command))
]


def run_pasted(command: str, folder: Path) -> None:
    """Run a command as a shell does; `vsearch` itself does nothing."""
    (folder / "bin").mkdir()
    (folder / "bin" / "vsearch").write_text("#!/bin/sh\nexit 0\n")
    (folder / "bin" / "vsearch").chmod(0o755)
    environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_there_are_commands_with_values_from_outside() -> None:
    assert "vsearch index {path}" in COMMANDS


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("command", COMMANDS)
def test_values_in_advised_commands_are_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, evil: str
) -> None:
    monkeypatch.setattr(advice, "ADVICE", {"a-code": f"run `{command}`"})
    value = f"/tmp/x{evil}"
    details = dict.fromkeys(set(re.findall(r"{(\w+)}", command)) - {"argument"}, value)
    shown = advice.advice_for(InputError("a", "b", "a-code", argument="model", **details))
    pasted = shown.removeprefix("run `").removesuffix("`")
    assert shlex.split(pasted).count(value) == len(details)
    run_pasted(pasted, tmp_path)
    assert not (tmp_path / "ran").exists()


def test_the_command_to_read_on_is_quoted(vsearch: Vsearch, tmp_path: Path) -> None:
    name = "'; touch ran; ' $(touch ran).txt"
    folder = write_files(tmp_path / "docs", {name: "heron\n" * 400})
    assert vsearch("index", ".", cwd=folder).status == 0
    done = vsearch("read", name, "--max-tokens", "50", cwd=folder)
    command = re.search("read on with `(.*)`$", done.err.strip())
    assert done.status == 0 and command is not None
    assert shlex.split(command[1])[:2] == ["vsearch", "read"]
    assert shlex.split(command[1])[2].startswith(f"{name}:")
    run_pasted(command[1], tmp_path)
    assert not (tmp_path / "ran").exists()
