"""Run many commands in processes of their own that cost milliseconds: forks of one that has imported everything.

Run as a script, it is the server: a job a line on stdin, an outcome a line on stdout, both JSON.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsearch_core import kernel_cache

SECONDS = 20  # of CPU that a command may take, its children included
PATIENCE = 200  # seconds after which a command that waits is ended, however busy the machine is
# Audit events of calls that follow a link, and of those that reach the link itself.
FOLLOWING = frozenset(("open", "sqlite3.connect", "os.listdir", "os.scandir", "os.truncate", "os.chmod"))
OF_LINKS = frozenset(("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink"))
ADDRESS_SPACE = 6 << 30  # bytes, most of them never used: a command that asks for more fails


@dataclass(frozen=True)
class CommandOutcome:
    """The result of a command.

    `status` is negative for the signal that ended it. `seconds` is CPU time. `touched` are the paths outside the
    project that it opened.
    """

    status: int
    out: str
    err: str
    seconds: float
    megabytes: float
    touched: tuple[str, ...]

    def faults(self) -> list[str]:
        """Return what no command may do."""
        text = self.out + self.err
        return [
            *([f"status {self.status}"] if self.status not in {0, 1, 2} else []),
            *(["a traceback"] if "Traceback" in text or "internal error" in text else []),
            *([f"{self.seconds:.1f} s"] if self.seconds >= SECONDS else []),
            *([f"{self.megabytes:.0f} MB"] if self.megabytes >= 1000 else []),
            *([f"opened {', '.join(self.touched)}"] if self.touched else []),
            *(["status 2 without a line"] if self.status == 2 and not text.strip() else []),
        ]


class ForkServer:
    """Runs commands, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Send commands to the server in this process."""
        self._process = process

    def run(self, arguments: list[str], cwd: Path, outside: Path) -> CommandOutcome:
        """Run `vsearch` with the arguments; paths below `outside` that it opens are reported."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"arguments": arguments, "cwd": str(cwd), "outside": str(outside)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        values = json.loads(self._process.stdout.readline())
        return CommandOutcome(**{**values, "touched": tuple(values["touched"])})


@contextmanager
def serving(home: Path) -> Iterator[ForkServer]:
    """Yield a server whose commands have the home folder."""
    home.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    environment |= {"VSEARCH_MODEL": "words"}  # chosen by the user, so that no index is refused for its model
    environment |= {"OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TMPDIR": str(home)}
    environment["NUMBA_CACHE_DIR"] = str(kernel_cache.folder())  # the developer's: compiling takes half a minute
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        yield ForkServer(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    import importlib

    import numpy  # noqa: F401 - imported once, for all forks
    from support import WordEmbedder
    from vsearch_cli import main

    import vsearch_core.embed.open

    for name in ("index.writer", "index.repair", "index.check", "search.local", "search.clauses", "evaluate.feedback"):
        importlib.import_module(f"vsearch_core.{name}")
    main.make_app(list(main.COMMANDS), main.GlobalOptions())

    def open_embedder(spec: Any, **_options: Any) -> WordEmbedder:
        return WordEmbedder()

    vsearch_core.embed.open.open_embedder = open_embedder
    for line in sys.stdin:
        print(json.dumps(_outcome(json.loads(line))), flush=True)


def _outcome(job: dict[str, Any]) -> dict[str, Any]:
    folder = Path(os.environ["TMPDIR"])
    out, err, touched = (folder / f"{os.getpid()}.{name}" for name in ("out", "err", "touched"))
    for path in (out, err, touched):
        path.write_bytes(b"")
    child = os.fork()
    if child == 0:
        _run(job, out, err, touched)
    _, status, usage = os.wait4(child, 0)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "out": out.read_text(errors="replace")[:20_000],
        "err": err.read_text(errors="replace")[:20_000],
        "seconds": usage.ru_utime + usage.ru_stime,
        "megabytes": usage.ru_maxrss / 1000,
        "touched": sorted(set(touched.read_text(errors="replace").splitlines())),
    }


def _reached(path: str, event: str) -> str:
    """Return the path that the call reaches: a call that deletes or renames a link doesn't reach the link's target."""
    if event in FOLLOWING:
        return os.path.realpath(path)
    return os.path.realpath(Path(path).parent) + os.sep + Path(path).name


def _is_allowed() -> bool:
    """Return True if the file is opened where links are refused, or where ignore rules are read."""
    frame: Any = sys._getframe()
    while frame := frame.f_back:
        if frame.f_code.co_filename.endswith("own_files.py") or frame.f_code.co_name == "_read_rules":
            return True
    return False


def _run(job: dict[str, Any], out: Path, err: Path, touched: Path) -> None:
    """Run the command in this process, and end it."""
    from vsearch_cli import main

    os.setpgid(0, 0)
    os.chdir(job["cwd"])
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    report = os.open(touched, os.O_WRONLY | os.O_APPEND)
    outside = job["outside"]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in FOLLOWING and event not in OF_LINKS:
            return
        for path in arguments[: 1 if event in FOLLOWING else 2]:
            if isinstance(path, str | bytes | os.PathLike) and "\0" not in str(path):
                real = _reached(os.fsdecode(path).removeprefix("file:").partition("?")[0], event)
                if (real == outside or real.startswith(outside + os.sep)) and not _is_allowed():
                    os.write(report, f"{event} {real}\n".encode(errors="replace"))

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    sys.argv = ["vsearch", *job["arguments"]]
    sys.addaudithook(watch)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    status = 70
    try:
        status = main._run()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
