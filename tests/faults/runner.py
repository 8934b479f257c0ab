"""Start the server that forks a child for each run, and send it requests."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from faults.server import Request, ServedRun, read_message, write_message


class Runner:
    """Call it to run the command in a new child of the server."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def __call__(self, *argv: str | Path, cwd: Path, watched: Sequence[Path] = (), **more: Any) -> ServedRun:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        write_message(self._process.stdin, Request([str(word) for word in argv], cwd, watched, **more))
        outcome: ServedRun | None = read_message(self._process.stdout)
        assert outcome is not None, "the server has died"
        return outcome

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in a child of the server; fail if it raises."""
        outcome = self(cwd=Path("/"), call=partial(function, *arguments))
        assert outcome.status == 0, outcome.stderr


@contextmanager
def running(home: Path, prefix: Sequence[str] = ()) -> Iterator[Runner]:
    """Run a server with its own HOME inside the block, started by the `prefix` command."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "VSEARCH_CACHE_DIR": str(home / "cache"),
        "VSEARCH_MODEL": "words",  # the stub's model is not the default: name it, so that no run has to ask
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
