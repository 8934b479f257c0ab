"""Write docs/terminal.svg: a picture of real output of `vsearch` on sample_corpus.

Run `python -m docs.picture` after the output's format has changed. The picture is text, follows the reader's light or
dark mode, and shows whatever the installed `vsearch` printed.
"""

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
TARGET = Path(__file__).with_name("terminal.svg")
COMMANDS = (
    "vsearch index sample_corpus",
    'vsearch query "can I put out a burning scooter battery with an extinguisher" -k 2',
    "vsearch query '+deposit card' --where \"ext = 'md'\" --since 2020-01-01 --paths",
)
COLUMNS = 112
CHARACTER_WIDTH = 8.43  # of a 14-pixel monospaced font, pixels
LINE_HEIGHT = 20
MARGIN = 18

STYLE = """
.page { fill: #f6f8fa; stroke: #d0d7de }
text {
  font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
  fill: #1f2328; white-space: pre
}
.bold, .mark { font-weight: bold }
.mark { fill: #cf222e }
.dim, .prompt { fill: #656d76 }
.path { fill: #8250df }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; stroke: #30363d }
  text { fill: #e6edf3 }
  .dim, .prompt { fill: #8d96a0 }
  .path { fill: #d2a8ff }
  .mark { fill: #ff7b72 }
}
"""
CLASSES = {"1;31": "mark", "2": "dim", "35": "path"}  # of the escape sequences that cli/render.py writes
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")

Piece = tuple[str, str]  # class, text
Line = list[Piece]


def run(command: str, folder: Path) -> str:
    """Return what a command prints to a terminal of COLUMNS columns: stdout with its colours, then stderr without."""
    words = shlex.split(command)
    words[0] = str(Path(sys.executable).with_name("vsearch"))
    terminal, stdout = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(words, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, env=environment) as process:
        os.close(stdout)
        printed = b""
        while block := _read(terminal):
            printed += block
        assert process.stderr is not None
        printed += process.stderr.read()
    os.close(terminal)
    if process.returncode:
        raise SystemExit(f"{command}: exit status {process.returncode}\n{printed.decode()}")
    return printed.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the other end is closed
        return b""


def pieces(text: str) -> Line:
    """Split a line at its colour changes."""
    line, style, position = [], "", 0
    for found in ESCAPE.finditer(text):
        line.append((style, text[position : found.start()]))
        style, position = CLASSES.get(found[1], ""), found.end()
    line.append((style, text[position:]))
    return [piece for piece in line if piece[1]]


def wrap(line: Line) -> list[Line]:
    """Break a line where a terminal of COLUMNS columns does."""
    lines: list[Line] = [[]]
    room = COLUMNS
    for style, text in line:
        rest = text
        while len(rest) > room:
            if room:
                lines[-1].append((style, rest[:room]))
            lines.append([])
            rest, room = rest[room:], COLUMNS
        if rest:
            lines[-1].append((style, rest))
            room -= len(rest)
    return lines


def svg(lines: list[Line]) -> str:
    """Return the picture of some lines."""
    width = round(2 * MARGIN + COLUMNS * CHARACTER_WIDTH)
    height = round(2 * MARGIN + len(lines) * LINE_HEIGHT)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
    ]
    for number, line in enumerate(lines):
        spans = "".join(
            f'<tspan class="{style}">{escape(text)}</tspan>' if style else escape(text) for style, text in line
        )
        y = MARGIN + LINE_HEIGHT * number + 15
        body.append(f'<text x="{MARGIN}" y="{y}" xml:space="preserve">{spans}</text>')
    return "\n".join([*body, "</svg>"]) + "\n"


def main() -> None:
    """Run the commands on a copy of sample_corpus and write the picture."""
    lines: list[Line] = []
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        shutil.copytree(ROOT / "sample_corpus", folder / "sample_corpus")
        for command in COMMANDS:
            lines += wrap([("prompt", "$ "), ("bold", command)])
            for text in run(command, folder).replace(str(folder), "~").splitlines():
                lines += wrap(pieces(text))
            if lines[-1]:
                lines.append([])
    TARGET.write_text(svg(lines[:-1]), encoding="utf-8")


if __name__ == "__main__":
    main()
