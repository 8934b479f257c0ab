"""Clients that open many connections, or send or take very slowly, don't keep the others from being answered."""

import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from process import Vsearch, write_files
from serve_client import RunningServer, running_server

pytest.importorskip("uvicorn")

from vsearch_core.serve.connections import HEAD_SECONDS, MAX_CONNECTIONS
from vsearch_core.serve.security import BODY_SECONDS


@pytest.fixture(scope="module")
def server(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = write_files(tmp_path_factory.mktemp("slow"), {"docs/pump.txt": "Drain the pump before the frost."})
    assert vsearch("index", ".", cwd=folder / "docs").status == 0
    with running_server(vsearch, folder / "docs", folder / "serve.log") as running:
        yield running


def connect(server: RunningServer, sent: str = "") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(sent.format(host=f"Host: 127.0.0.1:{server.port}").encode())
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Return True if the server has closed the connection. What the server has sent is dropped."""
    try:
        while select.select([connection], [], [], 0)[0]:
            if not connection.recv(65536):
                return True
    except OSError:
        return True
    return False


JSON_HEAD = "POST /v1/search HTTP/1.1\r\n{host}\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "GET /healthz HTTP/1.1\r\n{host}\r\nX-A: b",
        JSON_HEAD + "Content-Length: 20\r\n\r\n" + "[",
        "GET /healthz HTTP/1.1\r\n{host}\r\nContent-Length: 20\r\n\r\n[",
        "GET /healthz HTTP/1.1\r\n{host}\r\n\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "half a body that nobody reads", "nothing after an answer"],
)
def test_two_hundred_waiting_connections_do_not_stop_another_client(server: RunningServer, sent: str) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connect(server, sent)) for _ in range(200)]
        started = time.monotonic()
        assert server.post("/v1/search", query="pump").json["hits"][0]["path"] == "pump.txt"
        assert time.monotonic() - started < HEAD_SECONDS / 2
        assert sum(map(is_closed, held)) >= 200 - MAX_CONNECTIONS


def test_slow_clients_are_disconnected(server: RunningServer) -> None:
    # Each is (what is sent at first, what is sent again and again).
    slow = [
        ("", ""),
        ("GET /healthz HTTP/1.1\r\n{host}\r\n", ""),
        ("GET /healthz HTTP/1.1\r\n{host}\r\n", "X-A: b\r\n"),
        ("", "\r\n"),
        (JSON_HEAD + "Content-Length: 100000\r\n\r\n", " "),
        (JSON_HEAD + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
        (JSON_HEAD + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", ""),
        ("GET /healthz HTTP/1.1\r\n{host}\r\nContent-Length: 100000\r\n\r\n", " "),
        ("POST /v1/search HTTP/1.1\r\nHost: evil\r\nContent-Length: 100000\r\n\r\n", " "),
        ("GET /healthz HTTP/1.1\r\n{host}\r\n\r\n", ""),
        ("GET /healthz HTTP/1.1\r\n{host}\r\n\r\n", "X"),
    ]
    with ExitStack() as stack:
        waiting = {stack.enter_context(connect(server, first)): (first, more) for first, more in slow}
        started = time.monotonic()
        while waiting and time.monotonic() - started < HEAD_SECONDS + BODY_SECONDS + 5:
            time.sleep(0.2)
            for connection in [each for each in waiting if is_closed(each)]:
                del waiting[connection]
            for connection, (_, more) in waiting.items():
                with suppress(OSError):
                    connection.sendall(more.encode())
        assert list(waiting.values()) == []


def test_an_answer_does_not_wait_for_an_acknowledgement(server: RunningServer) -> None:
    """Nagle's algorithm and delayed acknowledgements together would make each answer take 40 ms or more."""
    times = []
    with connect(server) as connection:
        for _ in range(30):
            started = time.perf_counter()
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += connection.recv(65536)
            times.append(time.perf_counter() - started)
    assert min(times[5:]) < 0.03


SERVER = """
import socket, sys
from vsearch_core.serve import connections
from vsearch_core.serve.server import serve

connections.TAKE_SECONDS = 0.5

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"a" * 100_000, "more_body": True})
    await send({"type": "http.response.body", "body": b"a" * 50_000_000})

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
serve(app, listener)
"""


@pytest.mark.parametrize("path", ["/stream", "/large"])
def test_a_client_that_takes_nothing_is_disconnected(tmp_path: Path, path: str) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                time.sleep(2)
                taken = 0
                with pytest.raises(OSError, match="reset"):
                    while block := connection.recv(1 << 20):
                        taken += len(block)
                        assert taken < 50_000_000
                    raise OSError("reset, or closed early")
        finally:
            process.kill()
