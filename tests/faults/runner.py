"""Starts the server that forks a child for each run, and asks it for runs."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from faults.server import Outcome, Request, read_message, write_message


class Runner:
    """`runner(...)` runs the command in a fresh child of the server."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def __call__(self, *argv: str | Path, cwd: Path, watched: Sequence[Path] = (), **more: Any) -> Outcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        write_message(self._process.stdin, Request([str(word) for word in argv], cwd, watched, **more))
        outcome = read_message(self._process.stdout)
        assert outcome is not None, "the server has died"
        return outcome

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function where the commands run; what it raises is raised here."""
        outcome = self(cwd=Path("/"), call=partial(function, *arguments))
        assert outcome.status == 0, outcome.stderr


@contextmanager
def running(home: Path, prefix: Sequence[str] = ()) -> Iterator[Runner]:
    """A server with its own HOME, started through the `prefix` command."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "VSEARCH_CACHE_DIR": str(home / "cache"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "OPENBLAS_NUM_THREADS": "1",  # a process with threads must not fork
    }
    command = [*prefix, sys.executable, "-c", "from faults.server import main; main()"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Runner(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
