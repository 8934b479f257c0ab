"""Write docs/cli.md from the commands' own help: `make docs`. A test compares the page with the help."""

import os
import subprocess
import sys
from pathlib import Path

from vsearch_cli.main import COMMANDS

TARGET = Path(__file__).with_name("cli.md")
HEAD = """# The command line

Written by `make docs` from the commands' own help; edit the help, not this file.

stdout carries results only; progress, warnings and errors go to stderr. Exit status: 0 done or hits found, 1 no hit,
2 error, 130 interrupted. What `--json` prints is described in [format.md](format.md#json).
"""


def help_of(*words: str) -> str:
    """Return the help of a command as a wide terminal shows it: at most 80 columns, which is click's limit."""
    vsearch = Path(sys.executable).with_name("vsearch")
    environment = {**os.environ, "COLUMNS": "80", "LINES": "50"}
    done = subprocess.run([vsearch, *words, "--help"], check=True, capture_output=True, text=True, env=environment)
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


def reference() -> str:
    """Return the text of docs/cli.md."""
    parts = [HEAD, "## vsearch", f"```text\n{help_of()}\n```"]
    for command in COMMANDS:
        parts += [f"## vsearch {command}", f"```text\n{help_of(command)}\n```"]
    return "\n".join(f"{part}\n" for part in parts)


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
