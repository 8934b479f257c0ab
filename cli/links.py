"""Links to files in the output, for terminals that have them (OSC 8).

The sequence is described at https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda. There is no way to ask
a terminal if it has links; the variables that it sets tell which terminal it is.
"""

import os
import sys
from pathlib import Path

_PROGRAMS = {"iTerm.app", "WezTerm", "vscode", "ghostty", "rio", "Tabby"}  # values of TERM_PROGRAM
_TERMS = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour", "rio")  # beginnings of TERM
_MULTIPLEXERS = ("screen", "tmux")  # they keep the variables of a terminal, but may drop its links
_FIRST_VTE = 5001  # 0.50.1; 0.50.0 crashed on links
_FIRST_KONSOLE = 201200  # 20.12


def wants_links(*, colour: bool) -> bool:
    """Return True if places are links: in coloured output, on a terminal that has links.

    FORCE_HYPERLINK=1 says that the terminal has links, and FORCE_HYPERLINK=0 that it has none.
    """
    return colour and sys.stdout.isatty() and _terminal_has_links()


def _terminal_has_links() -> bool:
    forced, term = os.environ.get("FORCE_HYPERLINK"), os.environ.get("TERM", "")
    if forced:
        return forced != "0"
    if term.startswith(_MULTIPLEXERS):
        return False
    return (
        term.startswith(_TERMS)
        or os.environ.get("TERM_PROGRAM") in _PROGRAMS
        or "WT_SESSION" in os.environ  # Windows Terminal
        or _version("VTE_VERSION") >= _FIRST_VTE
        or _version("KONSOLE_VERSION") >= _FIRST_KONSOLE
    )


def _version(variable: str) -> int:
    value = os.environ.get(variable, "")
    return int(value) if value.isascii() and value.isdigit() else 0


def linked(text: str, file: Path, line: int | None = None) -> str:
    """Return the text as a link to a file, and to a line of it: file://HOST/PATH#LINE."""
    from urllib.parse import quote

    host = os.uname().nodename if hasattr(os, "uname") else ""
    path = quote(os.fsencode(os.path.abspath(file)))  # noqa: PTH100 - Path.resolve follows links
    return f"\x1b]8;;file://{quote(host)}{path}{'' if line is None else f'#{line}'}\x1b\\{text}\x1b]8;;\x1b\\"
