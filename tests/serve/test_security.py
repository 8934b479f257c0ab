"""Requests that a server refuses, by host name, origin, content type and token, and what an answer can reveal."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from process import Vsearch, write_files
from serve_client import RunningServer, running_server

pytest.importorskip("uvicorn")

SECRET = "The secret of the neighbour is a zeppelin."


@pytest.fixture(scope="module")
def root(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guarded")
    write_files(folder, {"docs/pump.txt": "Drain the pump before the frost.", "outside.txt": SECRET})
    assert vsearch("index", ".", cwd=folder / "docs").status == 0
    return folder


@pytest.fixture(scope="module")
def server(vsearch: Vsearch, root: Path) -> Iterator[RunningServer]:
    with running_server(vsearch, root / "docs", root / "serve.log") as running:
        yield running


ROUTES = [
    *(("POST", "/v1/search"), ("POST", "/v1/read"), ("GET", "/v1/status"), ("GET", "/metrics"), ("GET", "/healthz")),
    ("GET", "/page/picture?place=a.png"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:{}", "[::]:{}", "127.0.0.1.example.org:{}", "", None]
)
def test_a_foreign_host_is_refused(server: RunningServer, method: str, path: str, host: str | None) -> None:
    named = None if host is None else host.format(server.port)
    answer = server.request(method, path, b'{"query": "pump"}' if method == "POST" else b"", host=named)
    assert answer.status in {400, 421}  # h11 itself refuses a request without a host
    assert b"pump" not in answer.body


def test_two_hosts_are_refused(server: RunningServer) -> None:
    good = f"127.0.0.1:{server.port}"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"GET /v1/status HTTP/1.1\r\nHost: {good}\r\nHost: evil.example\r\n\r\n".encode())
        assert connection.recv(100).split()[1] in {b"400", b"421"}


@pytest.mark.parametrize(
    "lines",
    [
        "Origin:\r\n http://evil.example",  # a folded header
        "Content-Length: 5\r\nTransfer-Encoding: chunked",  # two lengths, of which a proxy may take the other
        "Content-Length: -1",
        "Content-Length: \xb2",
        "Content-Length: 1\r\nContent-Length: 2",
    ],
)
def test_ambiguous_headers_are_refused(server: RunningServer, lines: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(30)
        head = f"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n{lines}"
        connection.sendall(head.encode("latin-1") + b"\r\n\r\n0\r\n\r\n")
        assert connection.recv(100).split()[1] in {b"400", b"403"}


def test_our_hosts_are_answered(server: RunningServer) -> None:
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert server.get("/healthz", host=f"{host}:{server.port}").status == 200


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://0.0.0.0:{}", "https://127.0.0.1:{}", "http://localhost:{}", "file://"],
)
def test_a_foreign_origin_is_refused(server: RunningServer, origin: str) -> None:
    for method, path in ROUTES:
        answer = server.request(method, path, b'{"query": "pump"}', origin=origin.format(server.port))
        assert (answer.status, answer.code) == (403, "foreign-origin")
        assert "access-control-allow-origin" not in answer.headers


def test_our_own_origin_is_answered_without_cors(server: RunningServer) -> None:
    answer = server.request("POST", "/v1/search", b'{"query": "pump"}', origin=f"http://127.0.0.1:{server.port}")
    assert answer.status == 200
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert server.request("OPTIONS", "/v1/search").status == 405


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_request_from_another_site_is_refused(server: RunningServer, site: str) -> None:
    answer = server.request("POST", "/v1/search", b'{"query": "pump"}', sec_fetch_site=site, sec_fetch_mode="navigate")
    assert (answer.status, answer.code) == (403, "foreign-site")
    assert server.get("/v1/status", sec_fetch_site=site, sec_fetch_mode="no-cors").status == 403
    assert server.get("/v1/status", sec_fetch_site=site, sec_fetch_mode="navigate").status == 200


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/json"],
)
def test_only_json_is_accepted(server: RunningServer, content_type: str | None) -> None:
    answer = server.request("POST", "/v1/search", b'{"query": "pump"}', content_type=content_type)
    assert (answer.status, answer.code) == (415, "not-json")


def test_every_answer_has_the_headers_of_a_closed_page(server: RunningServer) -> None:
    for answer in (server.get("/healthz"), server.get("/nowhere"), server.get("/healthz", host="evil.example")):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


def test_a_large_body_is_refused(server: RunningServer) -> None:
    body = b'{"query": "' + b"a" * 300_000 + b'"}'
    assert server.request("POST", "/v1/search", body).code == "body-too-large"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:  # without a length
        host = f"127.0.0.1:{server.port}".encode()
        connection.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: " + host + b"\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + b"1f400\r\n" + b"a" * 0x1F400 + b"\r\n"
            b"1f400\r\n" + b"a" * 0x1F400 + b"\r\n1f400\r\n" + b"a" * 0x1F400 + b"\r\n0\r\n\r\n"
        )
        assert b"413" in connection.recv(100)


@pytest.mark.parametrize("name", ["../outside.txt", "{root}/outside.txt", "/etc/passwd", "pump.txt/../../outside.txt"])
def test_no_file_outside_the_index_is_read(server: RunningServer, root: Path, name: str) -> None:
    place = name.format(root=root)
    for answer in (
        server.post("/v1/read", path=place),
        server.post("/v1/similar", place=place),
        server.post("/v1/search", query="pump", more_like=[place]),
        server.post("/v1/search", query="pump", less_like=[place]),
    ):
        assert answer.code in {"not-indexed", "no-such-example"}
        assert b"zeppelin" not in answer.body and b"root:" not in answer.body


def test_a_token_is_required_where_asked_for(vsearch: Vsearch, root: Path, tmp_path: Path) -> None:
    with running_server(vsearch, root / "docs", tmp_path / "log", "--token") as server:
        file = Path(server.log.read_text().split("the bearer token is in ")[1].splitlines()[0])
        token = file.read_text().strip()
        assert len(token) >= 43 and file.stat().st_mode & 0o777 == 0o600
        assert server.get("/healthz").status == 200
        for given in (None, "", "Bearer", f"Bearer {token}x", f"Basic {token}", f"Bearer {token[:-1]}", "Bearer é"):
            answer = server.get("/v1/status", authorization=given)
            assert (answer.status, answer.code) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
            assert server.get("/page/picture?place=a.png", authorization=given).status == 401
        assert server.get("/v1/status", authorization=f"Bearer {token}").status == 200
        assert token not in server.log.read_text()
    file.chmod(0o644)
    try:
        refused = vsearch("serve", "--port", "0", "--token", cwd=root / "docs")
    finally:
        file.unlink()
    assert refused.status == 2 and "can be read by other users" in refused.err


@pytest.mark.skipif(os.name != "posix", reason="listens on every address")
def test_off_this_machine_a_token_and_a_host_name_are_required(vsearch: Vsearch, root: Path, tmp_path: Path) -> None:
    refused = vsearch("serve", "--host", "0.0.0.0", "--port", "0", cwd=root / "docs")
    assert refused.status == 2 and "--allow-host" in refused.err
    arguments = ("--host", "0.0.0.0", "--allow-host", "search.example:80")
    with running_server(vsearch, root / "docs", tmp_path / "log", *arguments) as server:
        assert server.get("/v1/status").status == 421
        assert server.get("/v1/status", host="search.example:80").status == 401
        file = Path(server.log.read_text().split("the bearer token is in ")[1].splitlines()[0])
        token = file.read_text().strip()
        assert server.get("/v1/status", host="search.example:80", authorization=f"Bearer {token}").status == 200
