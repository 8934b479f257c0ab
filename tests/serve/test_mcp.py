"""The MCP server of a real `vsearch mcp`, asked by the client of the package `mcp` in both eras of the protocol."""

import base64
import io
import json
import os
import signal
import subprocess
from collections.abc import Awaitable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from process import DEADLINE, Vsearch, controls_terminal, write_files

pytest.importorskip("mcp")
pytest.importorskip("PIL")

from image_models import coloured
from jsonschema import Draft202012Validator
from mcp.shared.exceptions import MCPError
from mcp_client import ERAS, RawServer, ToolResult, called, over_http, over_stdio, raw_server
from PIL import Image
from serve_client import RunningServer, running_server

FILES: Mapping[str, str | bytes] = {
    "notes/pump.md": "# Pump\n\nDrain the pump before the first frost, or the casing cracks.\n\n"
    "## Spring\n\nGrease the crank.\n",
    "notes/bread.md": "# Bread\n\nThe dough rests overnight in a cool room.\n",
    "fees.txt": "A late fee is charged after thirty days.\n",
    "hostile.txt": "Zebra \x1b]0;owned\x07 stripes \u202e reversed.\n",
}
LONG = "\n\n".join(f"Paragraph {number} tells of lighthouses and their keepers." for number in range(3000))


@pytest.fixture(scope="module")
def root(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("agents"), {**FILES, "long.txt": LONG})
    (folder / "wall.png").write_bytes(coloured("red", size=(2000, 500)))
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "search": ("search", {"query": "when to drain the pump", "k": 2}),
    "in full": ("search", {"query": "grease the crank", "k": 1, "context": 1}),
    "filtered": ("search", {"query": "late fee", "ext": ["md"]}),
    "off topic": ("search", {"query": "quantum chromodynamics of quarks", "k": 1}),
    "no hit": ("search", {"query": "+platypus"}),
    "hostile": ("search", {"query": "zebra stripes", "k": 1}),
    "read": ("read", {"path": "notes/pump.md", "start_line": 3, "end_line": 3}),
    "read long": ("read", {"path": "long.txt"}),
    "image": ("read", {"path": "wall.png", "image": True}),
    "image, not asked for": ("read", {"path": "wall.png"}),
    "no image": ("read", {"path": "fees.txt", "image": True}),
    "image of nothing": ("read", {"path": "nope.png", "image": True}),
    "similar": ("similar", {"place": "notes/pump.md", "k": 1}),
    "status": ("status", {}),
    "unknown file": ("read", {"path": "nope.md"}),
    "file outside": ("read", {"path": "/etc/passwd"}),
    "similar outside": ("similar", {"place": "/etc/passwd"}),
    "wrong filter": ("search", {"query": "fee", "where": "ext ="}),
    "no query": ("search", {}),
    "empty query": ("search", {"query": "  "}),
    "k": ("search", {"query": "fee", "k": 101}),
    "type": ("search", {"query": ["fee"]}),
    "long query": ("search", {"query": "x" * 10_001}),
    "unknown field": ("search", {"query": "fee", "limit": 3}),
    "half a range": ("read", {"path": "fees.txt", "end_line": 3}),
}


async def use(client: Any) -> dict[str, Any]:
    """Return the answers to all calls, and what else the client has learned of the server."""
    with pytest.raises(MCPError, match="there is no such tool; there are search, read, similar, status") as unknown:
        await client.call_tool("delete", {})
    answers = {name: await called(client, tool, **arguments) for name, (tool, arguments) in CALLS.items()}
    tools = (await client.list_tools()).tools
    return {
        **answers,
        "unknown": unknown.value,
        "tools": tools,
        "version": client.protocol_version,
        "resources": (await client.list_resources()).resources,
        "templates": (await client.list_resource_templates()).resource_templates,
        "document": (await client.read_resource("vsearch:///notes/pump.md")).contents,
        "wrong uris": [await refused(client.read_resource(uri)) for uri in WRONG_URIS],
        "wrong cursors": [await refused(client.list_resources(cursor=cursor)) for cursor in ("x", "-1", "²")],
    }


WRONG_URIS = ("vsearch:///nope.md", "vsearch:////etc/passwd", "vsearch:///../outside.md", "file:///etc/passwd")


async def refused(request: Awaitable[Any]) -> Any:
    with pytest.raises(MCPError) as caught:
        await request
    return caught.value.error


@pytest.fixture(scope="module")
def port(vsearch: Vsearch, root: Path) -> Iterator[int]:
    with running_server(vsearch, root, root.parent / "serve.log", "--token") as running:
        yield running.port


@pytest.fixture(scope="module")
def token(vsearch: Vsearch, port: int) -> str:
    (path,) = Path(vsearch.environment["HOME"]).rglob("serve-token")
    return path.read_text(encoding="ascii").strip()


@pytest.fixture(scope="module", params=[(way, mode) for way in ("stdio", "http") for mode in ERAS], ids="-".join)
def answers(request: pytest.FixtureRequest, vsearch: Vsearch, root: Path) -> dict[str, Any]:
    way, mode = request.param
    if way == "stdio":
        found = over_stdio(vsearch, root, use, mode=mode)
    else:
        authorization = {"Authorization": f"Bearer {request.getfixturevalue('token')}"}
        found = over_http(request.getfixturevalue("port"), use, mode=mode, headers=authorization)
    assert found["version"] == ERAS[mode]
    return found


def test_the_tools_only_read_and_say_so(answers: dict[str, Any]) -> None:
    assert [tool.name for tool in answers["tools"]] == ["search", "read", "similar", "status"]
    for tool in answers["tools"]:
        assert tool.annotations.read_only_hint is True and tool.annotations.open_world_hint is False
        assert tool.title and tool.description
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.input_schema["additionalProperties"] is False


def test_a_search_gives_sentences_as_text_and_places_as_locators(answers: dict[str, Any]) -> None:
    found: ToolResult = answers["search"]
    assert "[1] notes/pump.md:1-7 | Pump | " in found.text
    assert "Drain the pump before the first frost, or the casing cracks." in found.text
    assert "More hits follow at offset 2." in found.text
    first = found.locators["hits"][0]
    assert (first["path"], first["start_line"], first["end_line"]) == ("notes/pump.md", 1, 7)
    assert 0 < first["confidence"] <= 1 and first["stale"] is None
    assert found.locators["more"] is True and len(found.locators["hits"]) == 2


def test_no_text_of_a_document_is_sent_twice(answers: dict[str, Any]) -> None:
    for name in ("search", "in full", "read", "similar"):
        sent = json.dumps(answers[name].locators)
        sentences = [line for line in answers[name].text.split("\n") if line.endswith(".")]
        assert sentences
        assert [line for line in sentences if line in sent or answers[name].text.count(line) > 1] == []


def test_a_picture_is_sent_only_if_it_is_asked_for(answers: dict[str, Any]) -> None:
    ((kind, data),) = answers["image"].images
    assert kind == "image/jpeg"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert (image.format, image.size) == ("JPEG", (1024, 256))
    assert answers["image"].text.endswith("[the picture follows, 1024 x 256 pixels]")
    assert "2000 × 500 pixels" in answers["image"].text  # its text comes first
    assert [name for name, answer in answers.items() if isinstance(answer, ToolResult) and answer.images] == ["image"]
    assert answers["no image"].text.endswith("[no picture: is neither a picture nor a figure]")
    assert "nope.png: is not in the index" in answers["image of nothing"].error


def test_with_context_hits_are_shown_in_full(answers: dict[str, Any]) -> None:
    assert "Drain the pump" in answers["in full"].text and "Grease the crank." in answers["in full"].text


def test_filters_count(answers: dict[str, Any]) -> None:
    assert {hit["path"] for hit in answers["filtered"].locators["hits"]} == {"notes/pump.md", "notes/bread.md"}


def test_an_answer_that_is_none_is_called_none(answers: dict[str, Any]) -> None:
    assert answers["off topic"].text.startswith("Nothing here seems to answer this: every hit is less than 20% likely")
    assert answers["off topic"].locators["answered"] is False
    assert answers["no hit"].locators["hits"] == []
    assert answers["no hit"].text.startswith("No text passes")


def test_characters_that_control_a_terminal_are_replaced(answers: dict[str, Any]) -> None:
    assert "Zebra" in answers["hostile"].text and not controls_terminal(answers["hostile"].text)


def test_read_gives_the_stored_lines(answers: dict[str, Any]) -> None:
    place, text = answers["read"].text.split("\n", 1)
    assert place == "notes/pump.md | lines 3-3 of 7 | Pump"
    assert text == "Drain the pump before the first frost, or the casing cracks."
    assert answers["read"].locators["truncated"] is False


def test_a_long_document_is_cut_off_and_says_where_it_goes_on(answers: dict[str, Any]) -> None:
    found: ToolResult = answers["read long"]
    assert found.locators["truncated"] is True
    assert found.text.endswith(f"[cut off here; read on at start_line {found.locators['end_line'] + 1}]")
    assert 20_000 < len(found.text) < 60_000


def test_similar_gives_the_most_similar_text(vsearch: Vsearch, root: Path, answers: dict[str, Any]) -> None:
    printed = vsearch("similar", "notes/pump.md", "-k", "1", "--json", cwd=root).json
    assert [hit["path"] for hit in answers["similar"].locators["hits"]] == [hit["path"] for hit in printed["hits"]]


def test_status_tells_what_is_indexed(root: Path, answers: dict[str, Any]) -> None:
    found: ToolResult = answers["status"]
    assert found.text.startswith("6 files in ")
    assert found.locators["index"] == str(root / ".vsearch") and found.locators["files"] == 6


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("unknown file", "nope.md: is not in the index"),
        ("file outside", "/etc/passwd: is not in the index"),
        ("similar outside", "/etc/passwd: neither in the index nor a file"),
        ("no query", "query: is missing"),
        ("empty query", "query: it is empty"),
        ("k", "k: must be at most 100"),
        ("type", "query: must be of type string"),
        ("long query", "query: has more than 10,000 characters"),
        ("unknown field", "limit: is not a field; there are query, mode"),
        ("half a range", "end_line: needs start_line"),
        ("wrong filter", "where: 'ext =' is not a condition"),
    ],
)
def test_an_error_is_a_sentence_for_the_agent(answers: dict[str, Any], call: str, sentence: str) -> None:
    assert answers[call].error.startswith(sentence)


def test_an_unknown_tool_is_an_error_of_the_protocol(answers: dict[str, Any]) -> None:
    assert answers["unknown"].error.code == -32602


def test_documents_are_resources(answers: dict[str, Any]) -> None:
    uris = [resource.uri for resource in answers["resources"]]
    assert uris == sorted(uris) and "vsearch:///notes/pump.md" in uris and len(uris) == 6
    assert [template.uri_template for template in answers["templates"]] == ["vsearch:///{+path}"]
    (content,) = answers["document"]
    assert content.text == FILES["notes/pump.md"].strip()


def test_what_is_no_document_is_refused_in_a_sentence(answers: dict[str, Any]) -> None:
    assert [error.code for error in answers["wrong uris"] + answers["wrong cursors"]] == [-32602] * 7
    messages = [error.message for error in answers["wrong uris"]]
    assert messages[0] == "nope.md: is not in the index"
    assert not any("root:" in message or "\n" in message for message in messages)


def test_who_may_ask_over_http_is_checked_as_for_other_routes(port: int, token: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()
    server = RunningServer(subprocess.Popen(["true"]), port, Path(os.devnull))
    server.process.wait()
    good: dict[str, Any] = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    assert server.request("POST", "/mcp", body, **good).status == 200
    for status, headers in (
        (401, {"authorization": None}),
        (401, {"authorization": "Bearer x"}),
        (421, {"host": "evil.example"}),
        (403, {"origin": "http://evil.example"}),
        (403, {"origin": "null"}),
        (403, {"sec_fetch_site": "cross-site"}),
        (415, {"content_type": "text/plain"}),
    ):
        assert server.request("POST", "/mcp", body, **{**good, **headers}).status == status, headers
    assert server.request("POST", "/mcp", b" " * 256_001, **good).status == 413
    for method in ("GET", "DELETE"):
        assert server.request(method, "/mcp", **good).status == 405


@pytest.mark.parametrize("name", ["claude-code", "codex-mcp-client"])
def test_over_http_such_a_client_is_known_by_its_user_agent(port: int, token: str, name: str) -> None:
    async def search(client: Any) -> ToolResult:
        return await called(client, "search", query="late fee", k=1)

    headers = {"Authorization": f"Bearer {token}", "User-Agent": f"{name}/2.1"}
    assert over_http(port, search, mode="legacy", headers=headers).locators is None


@pytest.mark.parametrize("name", ["claude-code", "codex-mcp-client"])
def test_a_client_that_drops_text_beside_locators_gets_the_text_alone(vsearch: Vsearch, root: Path, name: str) -> None:
    async def search(client: Any) -> ToolResult:
        return await called(client, "search", query="late fee", k=1)

    found = over_stdio(vsearch, root, search, name=name)
    assert found.locators is None
    assert "fees.txt:1-1" in found.text and "A late fee is charged after thirty days." in found.text


def test_the_server_starts_without_an_index_and_finds_one_that_is_made_later(vsearch: Vsearch, tmp_path: Path) -> None:
    with raw_server(vsearch, tmp_path) as server:
        server.initialize()
        missing = server.call("search", query="pump")
        assert missing["isError"] and missing["content"][0]["text"].endswith("make one with `vsearch index PATH`")
        write_files(tmp_path, FILES)
        assert vsearch("index", "notes", cwd=tmp_path).status == 0
        assert "pump.md" in server.call("search", query="pump")["content"][0]["text"]
        assert vsearch("index", "fees.txt", cwd=tmp_path).status == 0
        deadline = 100
        while "fees.txt" not in server.call("search", query="late fee")["content"][0]["text"] and deadline:
            deadline -= 1
        assert deadline, "a commit must be seen within a second"


def memory_mb(process: "subprocess.Popen[bytes]") -> float:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    values = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_server_is_ready_soon_and_small(vsearch: Vsearch, root: Path) -> None:
    with raw_server(vsearch, root) as server:
        assert server.initialize()["serverInfo"]["name"] == "vsearch"
        answer = server.call("search", query="fee", path=["x" * 9000] * 40)
        assert answer["isError"] and answer["content"][0]["text"] == "arguments: have more than 256,000 bytes"
        assert memory_mb(server.process) < 100
        assert cpu_seconds(server.process) < 1.5


@pytest.mark.parametrize("message", [b"not json\n", b"[]\n", b'{"jsonrpc": "2.0", "id": 1}\n', b"\xff\xfe\n", b"\n"])
def test_a_message_that_is_none_does_not_end_the_server(vsearch: Vsearch, root: Path, message: bytes) -> None:
    with raw_server(vsearch, root) as server:
        server.process.stdin.write(message)  # type: ignore[union-attr]
        assert server.initialize()["serverInfo"]["name"] == "vsearch"


def test_the_server_ends_with_its_client(vsearch: Vsearch, root: Path) -> None:
    process = vsearch.start("mcp", cwd=root, stdin=subprocess.PIPE)
    server = RawServer(process)
    server.initialize()
    process.stdout.close()  # type: ignore[union-attr]
    for _ in range(20):
        try:
            server.send({"jsonrpc": "2.0", "id": 5, "method": "tools/list", "params": {}})
        except BrokenPipeError:
            break
    process.stdin.close()  # type: ignore[union-attr]
    assert process.wait(DEADLINE) == 0
    assert b"Traceback" not in process.stderr.read()  # type: ignore[union-attr]
    process.stderr.close()  # type: ignore[union-attr]


def test_ctrl_c_ends_the_server_at_once(vsearch: Vsearch, root: Path) -> None:
    process = vsearch.start("mcp", cwd=root, stdin=subprocess.PIPE)
    RawServer(process).initialize()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, err) == (130, b"vsearch: interrupted\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_files(
        tmp_path, {"allowed/a.txt": "The pump.", "secret/b.txt": "The zeppelin.", "allowed/sub/c.txt": "Bread."}
    )
    (tmp_path / "allowed/way-out").symlink_to(tmp_path / "secret")
    (tmp_path / "way-in").symlink_to(tmp_path / "allowed")
    return tmp_path


def test_documents_are_indexed_only_below_allowed_folders(vsearch: Vsearch, project: Path) -> None:
    with raw_server(vsearch, project, "--allow-index", "way-in") as server:
        server.initialize()
        (tool,) = [tool for tool in server.ask("tools/list")["result"]["tools"] if tool["name"] == "index"]
        assert tool["annotations"]["readOnlyHint"] is False
        for path in ("secret", "secret/b.txt", "allowed/way-out", "allowed/../secret", "/etc", ".", "nope", "", "a\0b"):
            answer = server.call("index", paths=["allowed/a.txt", path])
            assert answer["isError"], path
            assert "\n" not in answer["content"][0]["text"]
        assert not (project / ".vsearch").exists()
        done = server.call("index", paths=["allowed/sub", "way-in/a.txt"])
        assert done["structuredContent"]["added"] == 2 and not done.get("isError")
        assert "a.txt" in server.call("search", query="pump")["content"][0]["text"]
        write_files(project, {"allowed/d.txt": "A late fee."})
        assert server.call("index")["structuredContent"]["added"] == 1
        paths = {hit["path"] for hit in server.call("search", query="fee")["structuredContent"]["hits"]}
        assert paths == {"allowed/a.txt", "allowed/sub/c.txt", "allowed/d.txt"}


def test_without_allowed_folders_there_is_no_tool_that_writes(vsearch: Vsearch, project: Path) -> None:
    with raw_server(vsearch, project) as server:
        server.initialize()
        assert server.ask("tools/call", name="index", arguments={"paths": ["allowed"]})["error"]["code"] == -32602
    assert not (project / ".vsearch").exists()
    assert vsearch("mcp", "--allow-index", "nope", cwd=project).error.startswith("--allow-index: nope is not a folder")


def holds_a_model(process: "subprocess.Popen[bytes]") -> bool:
    return "onnxruntime" in Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8", errors="replace")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_with_a_warm_helper_the_server_holds_no_model(vsearch: Vsearch, root: Path) -> None:
    questions = ["when to drain the pump", "overnight", "café ☕ \U0001f600 \x00", "xqzzk"]
    with raw_server(vsearch, root) as server:
        server.initialize()
        alone = [server.call("search", query=question) for question in questions]
        assert holds_a_model(server.process)
    helper = vsearch.start("warm", cwd=root)
    try:
        assert b"warm helper of" in helper.stderr.readline()  # type: ignore[union-attr]
        with raw_server(vsearch, root) as server:
            server.initialize()
            assert [server.call("search", query=question) for question in questions] == alone
            assert not holds_a_model(server.process)
            helper.kill()
            helper.wait()
            assert [server.call("search", query=question) for question in questions] == alone
            assert holds_a_model(server.process)
    finally:
        helper.kill()
        helper.communicate()
