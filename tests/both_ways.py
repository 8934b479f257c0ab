"""A pytest plugin that asks the warm helper each `query` and `similar` of a suite, too, and compares the answers.

`-p both_ways` loads it, with this folder in PYTHONPATH. After the suite, it prints how many answers were compared, in a
line that `COUNTED` finds.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from process import CommandResult, Vsearch, wait_for
from vsearch_cli.start import _index_folder

# Without the module that runs commands, only a helper can answer.
ONLY_WARM = "import sys; sys.modules['vsearch_cli.main'] = None; from vsearch_cli.start import main; main()"
NO_HELPER = b"vsearch_cli.main"  # in the complaint of a command that no helper has answered
# What depends on time: how long the steps took, and that a slow start of the vector engine is announced.
TIMES = re.compile(rb'"took_ms": \{[^}]*\}|took [^\n]* ms|vsearch: preparing the vector engine [^\n]*\n')
COUNTED = re.compile(r"answers of helpers: (\d+) the same, (\d+) left to the command")
MOST_HELPERS = 3  # at the same time: each takes 100 MB


def without_times(result: CommandResult) -> CommandResult:
    """Return the result without how long its steps took."""
    return replace(result, stdout=TIMES.sub(b"", result.stdout), stderr=TIMES.sub(b"", result.stderr))


class Helpers:
    """Warm helpers of the indexes that a suite asks, started when they are first needed."""

    def __init__(self, runtime: Path) -> None:
        """Put the sockets below the folder `runtime`, whose path must be short."""
        self.same = self.left = 0
        self._runtime = runtime
        self._running: dict[tuple[Any, ...], subprocess.Popen[bytes]] = {}

    def compare(
        self, vsearch: Vsearch, arguments: tuple[str, ...], cwd: Path, environment: dict[str, str], cold: CommandResult
    ) -> None:
        """Ask a helper the same as a command, and compare the answers, unless the helper leaves it to the command."""
        environment = {**vsearch.environment, **environment, "XDG_RUNTIME_DIR": str(self._runtime)}
        found = _index_folder(list(arguments), str(cwd))
        index = None if found is None else Path(found)
        if index is None or not (index / "catalog.sqlite").is_file():
            return
        self._start(vsearch, index, environment)
        done = subprocess.run(
            [*vsearch.prefix, sys.executable, "-c", ONLY_WARM, *arguments],
            cwd=cwd,
            env=environment,
            input=b"",
            capture_output=True,
            timeout=60,
            check=False,
        )
        if NO_HELPER in done.stderr:
            self.left += 1
            return
        warm = CommandResult(done.returncode, done.stdout, done.stderr)
        assert without_times(warm) == without_times(cold), (arguments, cwd)
        self.same += 1

    def _start(self, vsearch: Vsearch, index: Path, environment: dict[str, str]) -> None:
        """Start a helper of the index with these variables, unless it runs. It may fail, as for a damaged index."""
        key = (index, vsearch.prefix, tuple(sorted(environment.items())))
        running = self._running.pop(key, None)
        if running is not None and running.poll() is not None:
            wait_for(running)  # closes its pipes
            running = None
        if running is None:
            for former in [each for each in self._running if each[0] == index]:  # an index has one helper
                self._end(former)
            while len(self._running) >= MOST_HELPERS:
                self._end(next(iter(self._running)))
            # `vsearch.start` runs the command in a test's own environment; the helper must have that of the client.
            running = replace(vsearch, environment=environment).start("warm", "--index", index, cwd=index.parent)
            assert running.stderr is not None
            running.stderr.readline()  # it listens, or has failed
        self._running[key] = running

    def _end(self, key: tuple[Any, ...]) -> None:
        process = self._running.pop(key)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            wait_for(process)

    def end(self) -> None:
        """End all helpers."""
        for key in list(self._running):
            self._end(key)


HELPERS = pytest.StashKey[Helpers]()


@pytest.fixture(scope="session", autouse=True)
def compared(pytestconfig: pytest.Config) -> Iterator[None]:
    """Compare each `query` and `similar` of the session that has no stdin."""
    run = Vsearch.__call__

    def both(
        self: Vsearch, *arguments: str | Path, cwd: Path | str, stdin: bytes | str = b"", **environment: str
    ) -> CommandResult:
        words = tuple(map(str, arguments))
        result = run(self, *arguments, cwd=cwd, stdin=stdin, **environment)
        if words[:1] in {("query",), ("similar",)} and not stdin and type(self) is Vsearch:
            helpers.compare(self, words, Path(cwd).resolve(), environment, result)
        return result

    with tempfile.TemporaryDirectory(prefix="vs-") as runtime, pytest.MonkeyPatch.context() as patch:
        pytestconfig.stash[HELPERS] = helpers = Helpers(Path(runtime))
        patch.setattr(Vsearch, "__call__", both)
        try:
            yield
        finally:
            helpers.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many answers were compared."""
    helpers = config.stash[HELPERS]
    terminalreporter.write_line(f"answers of helpers: {helpers.same} the same, {helpers.left} left to the command")
