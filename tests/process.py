"""The installed `vsearch`, run as users run it: a process with a working folder, an empty HOME and a model cache."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from vsearch_core import kernel_cache

COMMAND = Path(sys.executable).with_name("vsearch")
DEADLINE = 60.0  # seconds: only a hang takes so long

# What would steer a terminal or hide text on it: C0 but tab and newline, DEL, C1, bidi marks, line separators.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True)
class Ran:
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
        """The one JSON object on stdout."""
        assert self.out.count("\n") == 1, self
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.split("\n")[:-1]]

    @property
    def error(self) -> str:
        """The message of a command that failed by the contract: status 2, no result, one line on stderr."""
        assert self.status == 2, self
        assert self.stdout == b"", self
        assert self.err.startswith("vsearch: "), self
        assert self.err.endswith("\n"), self
        assert self.err.count("\n") == 1, self
        return self.err.removeprefix("vsearch: ").removesuffix("\n")


@dataclass(frozen=True)
class Vsearch:
    """`vsearch(...)` runs the command and refuses what no run may do: hang, show a traceback, steer the terminal."""

    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()

    def __call__(self, *arguments: str | Path, cwd: Path | str, stdin: bytes | str = b"", **environment: str) -> Ran:
        done = subprocess.run(
            self.command(*arguments),
            cwd=cwd,
            env={**self.environment, **environment},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        return checked(Ran(done.returncode, done.stdout, done.stderr))

    def start(self, *arguments: str | Path, cwd: Path, **options: Any) -> "subprocess.Popen[bytes]":
        """The command under way."""
        settings: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        settings |= {"stdin": subprocess.DEVNULL, "env": dict(self.environment), **options}
        process: subprocess.Popen[bytes] = subprocess.Popen(self.command(*arguments), cwd=cwd, **settings)
        return process

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self.prefix, str(COMMAND), *map(str, arguments)]

    def without_privileges(self) -> "Vsearch":
        """The same command for whom permissions hold, even where root runs the tests. Skips where that can't be had."""
        if os.geteuid() != 0:
            return self
        prefix = (sys.executable, "-c", _DROP_PRIVILEGES)
        probe = subprocess.run([*prefix, "true"], env=dict(self.environment), capture_output=True, check=False)
        if probe.returncode:
            pytest.skip(f"root can't give up its privileges here: {probe.stderr.decode()}")
        return replace(self, prefix=(*self.prefix, *prefix))


# PR_CAPBSET_DROP of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: the next program is root whom permissions bind.
_DROP_PRIVILEGES = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for capability in (1, 2):
    if libc.prctl(24, capability, 0, 0, 0):
        sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
"""


def checked(ran: Ran) -> Ran:
    """The run, when it kept to what holds for every run."""
    assert ran.status in {0, 1, 2, 130}, ran
    assert b"Traceback" not in ran.stdout + ran.stderr, ran
    assert "internal error" not in ran.err, ran
    assert not _STEERING.search(ran.err), ran
    return ran


def finished(process: "subprocess.Popen[bytes]", seconds: float = DEADLINE) -> Ran:
    """Wait for a started command."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Ran(process.returncode, out, err)


def steers(text: str) -> bool:
    """Return True if the text could control a terminal or hide text on it."""
    return _STEERING.search(text) is not None


def answers(results: Iterable[Any]) -> list[list[tuple[str, int, float]]]:
    """The hits of `query -` as (path, chunk, score): what must be the same however the index came about."""
    return [[(hit["path"], hit["chunk"], round(hit["score"], 3)) for hit in each["hits"]] for each in results]


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Wait for the condition; fails after so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.002)


def is_running(pid: int) -> bool:
    """Return True if the process exists and has not ended; a zombie has ended."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in {"", "Z"}


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make the files, and the folders above them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


@cache
def prepared(base: Path) -> Vsearch:
    """A `vsearch` with its own HOME, Hugging Face kept offline, and a model cache that one `index` has filled."""
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
    ran = vsearch("index", write_files(project, {"first.txt": "The first document."}), cwd=project)
    assert ran.status == 0, ran
    return vsearch


@dataclass(frozen=True)
class Volume:
    """A file system of its own, which only commands run through `vsearch` see at its place.

    The mount lives in a name space that dies with this process, so nothing is ever left behind.
    """

    vsearch: Vsearch
    path: Path  # where the commands find it
    outside: Path  # the same, as the tests can reach it


@contextmanager
def mounted(vsearch: Vsearch, at: Path, script: str) -> Iterator[Volume]:
    """Mount what the script mounts at `at`, seen by nobody else. Skips where that is not allowed."""
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
            pytest.skip("there is no unshare(1) here to mount a file system with")
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
