"""Write docs/cli.md and docs/vsearch.1 from the commands' help, and the table of docs/formats.md: `make docs`.

Tests compare the pages with the help and the registry.
"""

import os
import subprocess
import sys
from pathlib import Path

from vsearch_cli.main import COMMANDS

from vsearch_core import __version__
from vsearch_core.text.extract.descriptions import DESCRIPTIONS
from vsearch_core.text.extract.registry import FORMATS, PLAIN, STORED_MESSAGE, Format

TARGET = Path(__file__).with_name("cli.md")
MANUAL = Path(__file__).with_name("vsearch.1")
FORMATS_PAGE = Path(__file__).with_name("formats.md")
TABLE_BEGINS, TABLE_ENDS = "<!-- formats: written by `make docs` -->\n", "<!-- end of formats -->\n"
MOST_SUFFIXES = 10  # that the table shows of a format
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


def manual() -> str:
    """Return docs/vsearch.1, the manual page: the same help as docs/cli.md, for `man`."""
    parts = [
        f'.TH VSEARCH 1 "" "vsearch {__version__}"',
        ".SH NAME\nvsearch \\- search your documents by meaning and by keyword, offline",
        _as_roff("SYNOPSIS AND COMMANDS", help_of()),
        *(_as_roff(f"vsearch {command}", help_of(command)) for command in COMMANDS),
    ]
    return "\n".join(parts) + "\n"


def _as_roff(heading: str, text: str) -> str:
    """Return a section of a manual page whose lines stay as they are."""
    lines = (line.replace("\\", "\\e").replace("-", "\\-") for line in text.splitlines())
    shown = (f"\\&{line}" if line[:1] in {".", "'"} else line for line in lines)
    return "\n".join([f".SH {heading}", ".nf", *shown, ".fi"])


def table_of_formats() -> str:
    """Return the table of docs/formats.md: a row for each format of the registry."""
    columns = "format | suffixes | headings | place of a hit | what is read | what is left out | an extra adds"
    lines = [f"| {columns} |", f"|{'---|' * 7}"]
    for row in (*FORMATS, STORED_MESSAGE, PLAIN):
        said = DESCRIPTIONS[row.name]
        cells = (row.name, suffixes(row), said.headings, place(row), said.read, said.left_out, said.with_extra)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def suffixes(row: Format) -> str:
    """Return the suffixes of a format, or the first of many."""
    shown = " ".join(f"`{suffix}`" for suffix in row.suffixes[:MOST_SUFFIXES])
    return f"{shown} and {len(row.suffixes) - MOST_SUFFIXES} more" if len(row.suffixes) > MOST_SUFFIXES else shown


def place(row: Format) -> str:
    """Return how the place of a hit is shown."""
    return "`Sheet!2:9`" if row.unit == "sheet" else row.unit


def formats_page() -> str:
    """Return the text of docs/formats.md with the table of today's registry."""
    before, begins, rest = FORMATS_PAGE.read_text(encoding="utf-8").partition(TABLE_BEGINS)
    _, ends, after = rest.partition(TABLE_ENDS)
    return f"{before}{begins}{table_of_formats()}{ends}{after}"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
    MANUAL.write_text(manual(), encoding="utf-8")
    FORMATS_PAGE.write_text(formats_page(), encoding="utf-8")
