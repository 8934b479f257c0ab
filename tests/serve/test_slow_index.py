"""A running server whose index is slow: a full queue, the time limit, and an end with answers under way."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from serve_client import RunningServer

pytest.importorskip("uvicorn")

SERVER = """
import socket, sys, time
from vsearch_core.errors import InputError
from vsearch_core.serve.app import Api
from vsearch_core.serve.request_queue import RequestQueue
from vsearch_core.serve.security import Access
from vsearch_core.serve.server import serve

class SlowIndex:
    generation = 1
    def refresh(self):
        return False
    def search(self, query, **options):
        time.sleep(float(query))
        raise InputError("query", "was slow", "slow")
    def statuses(self):
        raise RuntimeError("the key is sk-secret")

def log(line):
    print(line, file=sys.stderr, flush=True)

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
index = SlowIndex()
work = RequestQueue(index, threads=2, waiting=4, seconds=1.5)
print(port, flush=True)
serve(Api(index, work, work, "0", log).app(Access(frozenset({f"127.0.0.1:{port}"}))), listener)
work.close()
"""


@contextmanager
def slow_server(folder: Path) -> Iterator[RunningServer]:
    """Start a server. Its queries are the seconds to answer them; 2 run at once, 4 wait, the limit is 1.5 seconds."""
    log = folder / "log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=stderr, cwd=folder) as process,
    ):
        try:
            assert process.stdout is not None
            yield RunningServer(process, int(process.stdout.readline()), log)
        finally:
            process.kill()


def test_a_full_queue_is_a_503_and_a_slow_answer_a_504(tmp_path: Path) -> None:
    with slow_server(tmp_path) as server, ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: server.post("/v1/search", query="0.3"), range(16)))
        by_status = {status: [each for each in answers if each.status == status] for status in (400, 503)}
        assert len(by_status[400]) >= 6 and len(by_status[503]) >= 1
        assert len(by_status[400]) + len(by_status[503]) == 16
        assert {each.code for each in by_status[400]} == {"slow"}
        assert {(each.code, each.headers["retry-after"]) for each in by_status[503]} == {("busy", "1")}
        assert server.get("/healthz").status == 200
        started = time.monotonic()
        slow = server.post("/v1/search", query="4")
        assert (slow.status, slow.code) == (504, "timeout")
        assert time.monotonic() - started < 3.5
        assert server.post("/v1/search", query="0").code == "slow"  # the other thread


def test_an_internal_error_says_nothing_but_its_kind(tmp_path: Path) -> None:
    with slow_server(tmp_path) as server:
        answer = server.get("/v1/status")
        assert (answer.status, answer.code) == (500, "internal-error")
        assert b"secret" not in answer.body
        log = server.log.read_text()
        assert "internal error: RuntimeError" in log and "secret" not in log and "Traceback" not in log


def test_answers_under_way_are_given_before_the_end(tmp_path: Path) -> None:
    with slow_server(tmp_path) as server, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(server.post, "/v1/search", query="1")
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        assert answer.result().code == "slow"
        assert server.process.wait(15) == 0
