"""Start a real `vsearch serve`, and send it requests with any headers."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from process import DEADLINE, Vsearch


@dataclass(frozen=True)
class Answer:
    """The status, headers (names in lower case) and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return str(self.json["code"])


@dataclass(frozen=True)
class RunningServer:
    """A server that runs, its port, and the file of its stderr."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def request(self, method: str, path: str, body: bytes = b"", **headers: str | None) -> Answer:
        """Send a request. Names of headers are given with _ for -; None leaves a default header out."""
        sent: dict[str, str | None] = {"Host": f"127.0.0.1:{self.port}"}
        if method == "POST":
            sent["Content-Type"] = "application/json"
        sent |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if body and "Content-Length" not in sent:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def post(self, route: str, /, **fields: Any) -> Answer:
        return self.request("POST", route, json.dumps(fields).encode())

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.request("GET", path, b"", **headers)


@contextmanager
def running_server(vsearch: Vsearch, cwd: Path, log: Path, *arguments: str) -> Iterator[RunningServer]:
    """Start a server on a free port of loopback, and end it after the block; it must then end with status 0."""
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            vsearch.command("serve", "--port", "0", *arguments), cwd=cwd, env=vsearch.environment, stderr=stderr
        )
    try:
        deadline = time.monotonic() + DEADLINE
        while b"answering at" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        port = int(log.read_text().split("answering at http://")[1].split(";")[0].rpartition(":")[2])
        yield RunningServer(process, port, log)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
