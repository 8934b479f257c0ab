"""The installed `vsearch`, run as users run it: a process with a working folder, an empty HOME and a model cache."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from vsearch_core import kernel_cache

COMMAND = Path(sys.executable).with_name("vsearch")
DEADLINE = 60.0  # seconds: only a hang takes so long

# Characters that control a terminal or hide text on it: C0 but tab and newline, DEL, C1, bidi marks, line separators.
_CONTROL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)


def missing_packages(*modules: str) -> str | None:
    """Return which of the modules are not installed, or None."""
    missing = [name for name in modules if find_spec(name) is None]
    return f"{', '.join(missing)} not installed" if missing else None


@dataclass(frozen=True)
class CommandResult:
    """A finished command: its exit status and its output."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def err(self) -> str:
        return self.stderr.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """Return the one JSON object on stdout."""
        assert self.out.count("\n") == 1, self
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.split("\n")[:-1]]

    @property
    def error(self) -> str:
        """Return the message of a command that failed as it should: status 2, no result, one line on stderr."""
        assert self.status == 2, self
        assert self.stdout == b"", self
        assert self.err.startswith("vsearch: "), self
        assert self.err.endswith("\n"), self
        assert self.err.count("\n") == 1, self
        return self.err.removeprefix("vsearch: ").removesuffix("\n")


@dataclass(frozen=True)
class Vsearch:
    """`vsearch(...)` runs the command, and fails if it hangs, shows a traceback or controls the terminal."""

    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()

    def __call__(
        self, *arguments: str | Path, cwd: Path | str, stdin: bytes | str = b"", **environment: str
    ) -> CommandResult:
        done = subprocess.run(
            self.command(*arguments),
            cwd=cwd,
            env={**self.environment, **environment},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        return assert_well_behaved(CommandResult(done.returncode, done.stdout, done.stderr))

    def start(self, *arguments: str | Path, cwd: Path, **options: Any) -> "subprocess.Popen[bytes]":
        """Start the command; return its process."""
        settings: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        settings |= {"stdin": subprocess.DEVNULL, "env": dict(self.environment), **options}
        process: subprocess.Popen[bytes] = subprocess.Popen(self.command(*arguments), cwd=cwd, **settings)
        return process

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self.prefix, str(COMMAND), *map(str, arguments)]

    def without_privileges(self) -> "Vsearch":
        """Return the command without root's privileges, so that permissions apply to it; skip if that is impossible."""
        if os.geteuid() != 0:
            return self
        prefix = (sys.executable, "-c", _DROP_PRIVILEGES)
        probe = subprocess.run([*prefix, "true"], env=dict(self.environment), capture_output=True, check=False)
        if probe.returncode:
            pytest.skip(f"root can't give up its privileges here: {probe.stderr.decode()}")
        return replace(self, prefix=(*self.prefix, *prefix))


# PR_CAPBSET_DROP of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: the next program runs as root, but permissions apply.
_DROP_PRIVILEGES = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for capability in (1, 2):
    if libc.prctl(24, capability, 0, 0, 0):
        sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
"""


def assert_well_behaved(result: CommandResult) -> CommandResult:
    """Check what must hold for every run; return its result."""
    assert result.status in {0, 1, 2, 130}, result
    assert b"Traceback" not in result.stdout + result.stderr, result
    assert "internal error" not in result.err, result
    assert not _CONTROL_CHARACTERS.search(result.err), result
    return result


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def wait_for(process: "subprocess.Popen[bytes]", seconds: float = DEADLINE) -> CommandResult:
    """Wait until a started command ends; return its result."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return CommandResult(process.returncode, out, err)


def controls_terminal(text: str) -> bool:
    """Return True if the text could control a terminal or hide text on it."""
    return _CONTROL_CHARACTERS.search(text) is not None


def hit_keys(results: Iterable[Any]) -> list[list[tuple[str, int, float]]]:
    """Return the hits of `query -` as (path, chunk, score), which don't depend on how the index was made."""
    return [[(hit["path"], hit["chunk"], round(hit["score"], 3)) for hit in each["hits"]] for each in results]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Wait until the condition is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        time.sleep(0.002)


def is_running(pid: int) -> bool:
    """Return True if the process exists and has not ended; a zombie has ended."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in {"", "Z"}


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write the files, and make the folders above them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


@cache
def prepare_vsearch(base: Path) -> Vsearch:
    """Return a `vsearch` with its own HOME, offline, and with a model cache that one `index` has filled."""
    home, model_cache, project = base / "home", base / "model-cache", base / "first project"
    for folder in (home, project):
        folder.mkdir(parents=True)
    vsearch = Vsearch(
        {
            "NUMBA_CACHE_DIR": str(kernel_cache.folder()),  # the developer's: compiling takes half a minute
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "VSEARCH_CACHE_DIR": str(model_cache),
            "HF_HUB_OFFLINE": "1",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "TERM": "xterm-256color",
        }
    )
    result = vsearch("index", write_files(project, {"first.txt": "The first document."}), cwd=project)
    assert result.status == 0, result
    return vsearch


@dataclass(frozen=True)
class Volume:
    """A file system that only commands run through `vsearch` see at `path`.

    The mount is in a name space that ends with this process, so that nothing is left behind.
    """

    vsearch: Vsearch
    path: Path  # for the commands
    outside: Path  # the same folder, for the tests


@contextmanager
def mount(vsearch: Vsearch, at: Path, script: str) -> Iterator[Volume]:
    """Run the script, which mounts a file system at `at`, in a mount name space. Skips if that is not allowed."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    with tempfile.TemporaryFile() as complaint:
        try:
            holder = subprocess.Popen(
                [
                    "unshare",
                    "--mount",
                    *as_root,
                    "sh",
                    "-ec",
                    f'{script}\ncd "$1"\necho ready\nexec cat',
                    "sh",
                    str(at),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaint,
            )
        except FileNotFoundError:
            pytest.skip("unshare(1) is missing, which mounts file systems")
        with holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            try:
                if holder.stdout.readline() != b"ready\n":
                    complaint.seek(0)
                    pytest.skip(f"no file system can be mounted here: {complaint.read().decode().strip()}")
                enter = ["nsenter", f"--target={holder.pid}", "--mount"]
                enter += ["--user", "--preserve-credentials"] if as_root else []
                inside = replace(vsearch, prefix=(*enter, "--wd", *vsearch.prefix))  # --wd: where the holder is
                yield Volume(inside, at, Path(f"/proc/{holder.pid}/root{at}"))
            finally:
                holder.stdin.close()
                holder.wait(DEADLINE)
