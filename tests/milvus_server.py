"""Milvus for tests: Milvus Lite, and a server of version 2.3.5 from the package milvus."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from process import free_ports, missing_packages

_START = """
import sys
from milvus import MilvusServer, MilvusServerConfig
server = MilvusServer(MilvusServerConfig(), wait_for_started=True)
server.set_base_dir(sys.argv[1])
server.listen_port = int(sys.argv[2])
server.start()
print(server.server_proc.pid, server.listen_port, flush=True)
sys.stdin.read()
"""


def missing_for_milvus_lite() -> str | None:
    """Return what a test with Milvus Lite lacks here, or None."""
    return missing_packages("pymilvus", "milvus_lite")


def missing_for_milvus_server() -> str | None:
    """Return what a test with a Milvus server lacks here, or None."""
    return missing_packages("pymilvus", "milvus")


class MilvusServerProcess:
    """A Milvus server whose files are in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(1)[0]
        self._starter: subprocess.Popen[str] | None = None
        self._process = 0

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Start a new server for the block, and end it afterwards."""
        folder = Path(tempfile.mkdtemp(prefix="vs-milvus-"))
        server = cls(folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()
            shutil.rmtree(folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server, and wait until it answers. After a kill, this takes a minute, and the port is another."""
        command = [sys.executable, "-W", "ignore", "-c", _START, str(self.folder), str(self.port)]
        self._starter = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._starter.stdout is not None
        words = self._starter.stdout.readline().split()
        assert len(words) == 2, "the server did not start"
        self._process, self.port = map(int, words)

    def kill(self) -> None:
        """End the server by SIGKILL."""
        if self._process:
            with suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
        if self._starter is not None:
            self._starter.kill()
            self._starter.communicate()
        self._process, self._starter = 0, None

    def address(self, collection: str) -> str:
        """Return the address of an index."""
        return f"milvus://127.0.0.1:{self.port}/{collection}"
