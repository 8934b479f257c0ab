"""One prepared `vsearch`, and one indexed library for all tests that only read."""

import os
import pty
import select
import subprocess
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pdfs import make_pdf
from process import DEADLINE, Vsearch, write_files

OLD = 1_577_880_000  # 2020-01-01T12:00 UTC
EVIL_NAME = "evil \x1b[31m\u202e name.txt"

FILES: Mapping[str, str | bytes] = {
    "notes/pump.md": """---
title: The pump of the mill
tags: [maintenance, water]
priority: 3
---
# Pump

The pump of the mill needs grease every spring.

## Starting it

Open the inlet valve first. Then turn the crank until water comes, and the pump
keeps running by itself.

## Winter

Drain the pump before the first frost, or the casing cracks.
""",
    "notes/retries.md": "# Service\n\nRequests that fail are retried three times with exponential backoff.\n",
    "notes/deep/er/bread.txt": "Rye bread\n\nA sticky crumb near the base: the loaf came out of the oven early.\n",
    "code/client.py": '"""A client of the lending service."""\n\n\ndef getUserName(identifier: int) -> str:\n'
    '    """Look the borrower up by number."""\n    return DIRECTORY[identifier]\n',
    "page.html": "<html><head><title>Tool library</title></head><body><nav>Home</nav><main><h1>Borrowing</h1>"
    "<h2>Drills</h2><p>A hammer drill may be kept for seven days.</p></main></body></html>\n",
    "changes.txt": "Version 2026.4.10 repairs the reservation calendar.\n",
    "中文.md": "# 磨刀\n\n磨刀石要先在水里浸泡十分钟。\n",
    EVIL_NAME: "A parrot \x1b[31mred\x1b[0m \u202etxet nedda\u202c sits in the \x07 belfry.\n",
}


@pytest.fixture(scope="session")
def library(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an indexed project of mixed documents, which tests must not change."""
    project = write_files(tmp_path_factory.mktemp("library"), FILES)
    (project / "annual report.pdf").write_bytes(make_pdf("Accounts and auditors", "The heron nests by the weir"))
    os.utime(project / "notes" / "retries.md", (OLD, OLD))
    result = vsearch("index", ".", cwd=project)
    assert result.status == 0, result
    return project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return an empty folder to index in."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def indexed(vsearch: Vsearch, project: Path) -> Path:
    """Return a small indexed project that the test may change."""
    write_files(project, {"pump.txt": "The pump needs grease.\n", "bread.txt": "Rye bread needs time.\n"})
    result = vsearch("index", ".", cwd=project)
    assert result.status == 0, result
    return project


@pytest.fixture
def on_a_terminal(vsearch: Vsearch) -> "Callable[..., tuple[int, str, str]]":
    """Return a function that runs a command on two terminals, and returns (status, stdout, stderr)."""

    def run(*arguments: str | Path, cwd: Path, command: Vsearch = vsearch, **environment: str) -> tuple[int, str, str]:
        masters, slaves = zip(*(pty.openpty() for _ in range(2)), strict=True)
        for slave in slaves:
            termios.tcsetwinsize(slave, (24, 100))
        process = subprocess.Popen(
            command.command(*arguments),
            cwd=cwd,
            env={**command.environment, "PAGER": "", **environment},
            stdin=subprocess.DEVNULL,
            stdout=slaves[0],
            stderr=slaves[1],
        )
        for slave in slaves:
            os.close(slave)
        output = _read_all(masters)
        return process.wait(DEADLINE), output[0].replace("\r\n", "\n"), output[1]

    return run


def _read_all(masters: tuple[int, ...]) -> list[str]:
    output = dict.fromkeys(masters, b"")
    waiting = list(masters)
    while waiting:
        ready, _, _ = select.select(waiting, [], [], DEADLINE)
        assert ready, f"no output for {DEADLINE:.0f} s after {output}"
        for master in ready:
            try:
                data = os.read(master, 65536)
            except OSError:  # EIO: the last writer has closed its side
                data = b""
            output[master] += data
            if not data:
                waiting.remove(master)
                os.close(master)
    return [output[master].decode() for master in masters]
