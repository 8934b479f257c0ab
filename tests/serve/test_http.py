"""The HTTP API of a real `vsearch serve` on loopback."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from process import Vsearch, write_files
from serve_client import RunningServer, running_server

pytest.importorskip("uvicorn")

FILES = {
    "notes/pump.md": "# Pump\n\nDrain the pump before the first frost, or the casing cracks.\n\n"
    "## Spring\n\nGrease the crank.\n",
    "notes/bread.md": "# Bread\n\nThe dough rests overnight in a cool room.\n",
    "copy/bread.md": "# Bread\n\nThe dough rests overnight in a cool room.\n",
    "fees.txt": "A late fee is charged after thirty days.\n",
}


@pytest.fixture(scope="module")
def root(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("served"), FILES)
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


@pytest.fixture(scope="module")
def server(vsearch: Vsearch, root: Path) -> Iterator[RunningServer]:
    with running_server(vsearch, root, root.parent / "serve.log") as running:
        yield running


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    return {**results, "took_ms": None}


def test_search_answers_as_the_command_line(vsearch: Vsearch, root: Path, server: RunningServer) -> None:
    for options, arguments in (
        ({}, []),
        ({"mode": "keyword", "k": 1}, ["--mode", "keyword", "-k", "1"]),
        ({"path": ["notes/*"], "context": 1}, ["--path", "notes/*", "--context", "1"]),
        ({"where": "ext = 'md'", "collapse": False}, ["--where", "ext = 'md'", "--no-collapse"]),
    ):
        answer = server.post("/v1/search", query="when to drain the pump", **options)
        assert answer.status == 200 and answer.headers["content-type"] == "application/json"
        printed = json.loads(vsearch("query", "--json", *arguments, "when to drain the pump", cwd=root).out)
        assert without_times(answer.json) == without_times(printed)
    assert answer.json["hits"][0]["path"] == "notes/pump.md"


def test_snippets_come_with_marks(server: RunningServer) -> None:
    (hit,) = server.post("/v1/search", query="frost casing", k=1, snippets=True).json["hits"]
    start, end = hit["snippet"]["marks"][0]
    assert hit["snippet"]["text"][start:end] in {"frost", "casing"}
    assert hit["snippet"]["heading"] == "Pump"
    assert hit["snippet"]["header"] == ""


def test_snippets_have_the_heading_above_them(server: RunningServer) -> None:
    (hit,) = server.post("/v1/search", query="grease crank", k=1, snippets=True).json["hits"]
    assert (hit["heading"], hit["snippet"]["heading"]) == ("Pump", "Pump > Spring")


def test_many_queries_are_answered_line_by_line(server: RunningServer) -> None:
    answer = server.post("/v1/search", queries=["pump", " ", "late fee"], k=1)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    first, second, third = map(json.loads, answer.body.splitlines())
    assert [first["query"], third["query"]] == ["pump", "late fee"]
    assert third["hits"][0]["path"] == "fees.txt"
    assert second["hits"] == [] and second["error"] == "query: it is empty"


def test_similar_and_read(server: RunningServer) -> None:
    answer = server.post("/v1/similar", place="notes/bread.md", k=1)
    assert answer.json["hits"][0]["path"] == "copy/bread.md"
    found = server.post("/v1/read", path="notes/pump.md", start_line=3)
    assert found.json["text"].startswith("Drain the pump") and found.json["schema"] == "vsearch.text/1"
    assert server.post("/v1/read", path="notes/pump.md", end_line=3).json["text"].startswith("# Pump\n\nDrain")
    assert server.post("/v1/read", path="notes/gone.md").code == "not-indexed"
    assert server.post("/v1/read", path="notes/gone.md").status == 404


def test_status_health_metrics_and_openapi(server: RunningServer) -> None:
    status = server.get("/v1/status").json
    assert (status["files"], status["schema"]) == (4, "vsearch.server/1")
    assert server.get("/healthz").body == b"ok\n"
    server.post("/v1/search", query="pump")
    text = server.get("/metrics").body.decode()
    assert 'vsearch_requests_total{route="/v1/search",status="200"}' in text
    assert 'vsearch_request_seconds_bucket{route="/v1/search",le="+Inf"}' in text
    document = server.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    assert {"/v1/search", "/v1/similar", "/v1/read", "/v1/status"} <= document["paths"].keys()


@pytest.mark.parametrize(
    ("path", "fields", "pointer"),
    [
        ("/v1/search", {"query": 5}, "/query"),
        ("/v1/search", {"query": "a", "k": True}, "/k"),
        ("/v1/search", {"query": "a", "k": 0}, "/k"),
        ("/v1/search", {"query": "a", "k": 101}, "/k"),
        ("/v1/search", {"query": "a", "mode": "psychic"}, "/mode"),
        ("/v1/search", {"query": "a", "path": "*.md"}, "/path"),
        ("/v1/search", {"query": "a", "ext": ["md", 3]}, "/ext/1"),
        ("/v1/search", {"query": "a" * 10_001}, "/query"),
        ("/v1/search", {"query": "a", "rerank": "model"}, "/rerank"),
        ("/v1/search", {"query": "a", "queries": ["b"]}, "/queries"),
        ("/v1/search", {"query": "\ud800"}, "/query"),
        ("/v1/similar", {}, "/place"),
        ("/v1/read", {"path": "fees.txt", "end_line": 0}, "/end_line"),
    ],
)
def test_a_wrong_field_is_named(server: RunningServer, path: str, fields: dict[str, Any], pointer: str) -> None:
    answer = server.post(path, **fields)
    assert (answer.status, answer.code, answer.json["pointer"]) == (400, "invalid-body", pointer)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"query": NaN}', b"[]", b'"a"'])
def test_a_body_that_is_no_object_is_refused(server: RunningServer, body: bytes) -> None:
    answer = server.request("POST", "/v1/search", body)
    assert (answer.status, answer.code) in {(400, "invalid-json"), (400, "invalid-body")}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"query": ""}, "empty-query"),
        ({"query": "a", "where": "no such column ="}, "invalid-expression"),
        ({"query": "a", "since": "soon"}, "invalid-date"),
        ({"query": "a", "more_like": ["nowhere.txt"]}, "no-such-example"),
    ],
)
def test_a_request_that_the_library_refuses_is_a_problem(
    server: RunningServer, fields: dict[str, Any], code: str
) -> None:
    answer = server.post("/v1/search", **fields)
    assert (answer.status, answer.code) == (400, code)


def test_unknown_routes_and_methods(server: RunningServer) -> None:
    assert server.get("/v2/search").code == "no-such-route"
    answer = server.get("/v1/search")
    assert (answer.status, answer.code) == (405, "no-such-method")


def test_threads_get_the_answers_to_their_own_queries(server: RunningServer) -> None:
    queries = ["pump frost", "dough rests", "late fee"] * 8
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda query: server.post("/v1/search", query=query, k=1), queries))
    assert [answer.json["query"] for answer in answers] == queries
    paths = [answer.json["hits"][0]["path"] for answer in answers]
    assert paths == paths[:3] * 8


def test_a_new_generation_is_seen_within_a_second(vsearch: Vsearch, root: Path, server: RunningServer) -> None:
    before = server.post("/v1/search", query="zeppelin", mode="keyword").json
    (root / "zeppelin.txt").write_text("A zeppelin over the weir.")
    assert vsearch("index", cwd=root).status == 0
    time.sleep(1)
    after = server.post("/v1/search", query="zeppelin", mode="keyword").json
    assert after["generation"] > before["generation"] and after["hits"][0]["path"] == "zeppelin.txt"


def test_the_log_has_no_texts_of_queries(server: RunningServer) -> None:
    server.post("/v1/search", query="xylophone secret")
    server.get("/nowhere/xylophone?xylophone")
    log = server.log.read_text()
    assert "POST /v1/search 200" in log and "xylophone" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_after_its_answers(vsearch: Vsearch, root: Path, tmp_path: Path, number: int) -> None:
    with running_server(vsearch, root, tmp_path / "log", "--quiet") as server:
        assert server.post("/v1/search", query="pump").status == 200
        server.process.send_signal(number)
        assert server.process.wait(15) == 0
    assert "POST" not in server.log.read_text()


def test_a_port_in_use_is_an_error(vsearch: Vsearch, root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = vsearch("serve", "--port", str(port), cwd=root)
    assert (result.status, result.out) == (2, "")
    assert f"127.0.0.1:{port}: can't be listened on (address already in use)" in result.err


def test_an_index_that_is_gone_is_a_problem_of_the_server(vsearch: Vsearch, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", {"a.txt": "The pump."})
    assert vsearch("index", ".", cwd=folder).status == 0
    with running_server(vsearch, folder, tmp_path / "log") as server:
        assert server.post("/v1/search", query="pump").status == 200
        (folder / ".vsearch").rename(folder / "moved")
        time.sleep(1)
        answer = server.post("/v1/search", query="pump")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        (folder / "moved").rename(folder / ".vsearch")
        time.sleep(1)
        assert server.post("/v1/search", query="pump").status == 200
