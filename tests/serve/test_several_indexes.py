"""`vsearch serve` and the commands that read, over several indexes as over one."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process import Vsearch, write_files
from serve_client import RunningServer, running_server

pytest.importorskip("uvicorn")

PLANT = {"today.txt": "The relief valve of the pump leaks, and the yard is wet.", "old/plan.txt": "Grease the crank."}
HOME = {"today.txt": "The oven is hot, and the bread rests overnight.", "new.txt": "A heron stands by the weir."}


@pytest.fixture(scope="module")
def root(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    for name, files in (("plant", PLANT), ("home", HOME)):
        assert vsearch("index", ".", cwd=write_files(folder / name, files)).status == 0
    return folder


BOTH = ("--index", "plant", "--index", "home")


@pytest.fixture(scope="module")
def server(vsearch: Vsearch, root: Path) -> Iterator[RunningServer]:
    with running_server(vsearch, root, root / "serve.log", *BOTH) as running:
        yield running


def index_of(root: Path, name: str) -> str:
    return str(root / name / ".vsearch")


def hits(server: RunningServer, **options: Any) -> list[tuple[str, str]]:
    return [(hit["path"], hit["index"]) for hit in server.post("/v1/search", mode="keyword", **options).json["hits"]]


def test_the_server_answers_as_the_command_line(vsearch: Vsearch, root: Path, server: RunningServer) -> None:
    answer = server.post("/v1/search", query="bread or pump today").json
    printed = json.loads(vsearch("query", *BOTH, "--json", "bread or pump today", cwd=root).out)
    assert {**answer, "took_ms": None} == {**printed, "took_ms": None}
    assert hits(server, query="relief valve") == [("today.txt", index_of(root, "plant"))]
    assert hits(server, query="oven") == [("today.txt", index_of(root, "home"))]


def test_the_server_reads_from_each_index_and_nowhere_else(root: Path, server: RunningServer) -> None:
    for name, index, start in (
        ("today.txt", "plant", "The relief"),  # as the first index stores it
        ("home/today.txt", "home", "The oven"),
        (str(root / "home" / "today.txt"), "home", "The oven"),
        ("new.txt", "home", "A heron"),
    ):
        found = server.post("/v1/read", path=name).json
        assert (found["path"], found["index"]) == (Path(name).name, index_of(root, index))
        assert found["text"].startswith(start)
    (root / "secret.txt").write_text("The secret is a zeppelin.")
    for name in ("secret.txt", str(root / "secret.txt"), "../secret.txt", "home/../../secret.txt"):
        assert server.post("/v1/read", path=name).code == "not-indexed"
        assert server.post("/v1/similar", place=name).code == "no-such-example"


def test_the_status_counts_all_indexes(root: Path, server: RunningServer) -> None:
    status = server.get("/v1/status").json
    assert (status["files"], [each["files"] for each in status["indexes"]]) == (4, [2, 2])
    assert [each["index"] for each in status["indexes"]] == [index_of(root, "plant"), index_of(root, "home")]


@pytest.mark.parametrize("name", ["plant", "home"])
def test_a_new_generation_of_each_index_is_seen_within_a_second(
    vsearch: Vsearch, root: Path, server: RunningServer, name: str
) -> None:
    before = server.get("/v1/status").json["generation"]
    (root / name / f"zeppelin-{name}.txt").write_text(f"A zeppelin over the {name}.")
    assert vsearch("index", "--quiet", cwd=root / name).status == 0
    time.sleep(1)
    assert (f"zeppelin-{name}.txt", index_of(root, name)) in hits(server, query="zeppelin")
    assert server.get("/v1/status").json["generation"] > before


def test_everywhere_serves_the_indexes_of_the_settings(vsearch: Vsearch, root: Path, tmp_path: Path) -> None:
    home = root / "home"
    assert vsearch("config", "indexes", str(root / "plant"), cwd=home).status == 0
    with running_server(vsearch, home, tmp_path / "log", "--everywhere") as server:
        assert hits(server, query="relief valve") == [("today.txt", index_of(root, "plant"))]
    assert vsearch("config", "--unset", "indexes", cwd=home).status == 0


def test_read_verify_and_duplicates_take_several_indexes(vsearch: Vsearch, root: Path) -> None:
    read = vsearch("read", *BOTH, "--json", "home/today.txt", cwd=root).json
    assert (read["path"], read["index"]) == ("today.txt", index_of(root, "home"))
    shown = vsearch("read", *BOTH, "home/today.txt", cwd=root)
    assert shown.lines[0].startswith("home/today.txt:1") and "oven" in shown.out
    assert vsearch("read", *BOTH, "nowhere.txt", cwd=root).status == 2
    text = 'They say "the bread rests overnight" (home/today.txt:1) and "the relief valve of the pump leaks".'
    verified = vsearch("verify", *BOTH, "--json", "-", cwd=root, stdin=text)
    found = [claim["found"] for claim in verified.json["claims"] if claim["kind"] == "quote"]
    assert verified.status == 0
    assert [each["index"] for each in found] == [index_of(root, "home"), index_of(root, "plant")]
    assert {each["path"] for each in found} == {"today.txt"}
    assert "home/today.txt:1" in vsearch("verify", *BOTH, "-", cwd=root, stdin=text).out
    assert vsearch("duplicates", *BOTH, cwd=root).status == 1


def test_an_agent_asks_several_indexes(vsearch: Vsearch, root: Path) -> None:
    pytest.importorskip("mcp")
    from mcp_client import raw_server

    pump, oven = root / "plant" / "today.txt", root / "home" / "today.txt"
    with raw_server(vsearch, root, *BOTH) as server:
        server.initialize()
        found = server.call("search", query="hot oven or relief valve", mode="keyword")
        (text,), hits = (each["text"] for each in found["content"]), found["structuredContent"]["hits"]
        places = {(hit["path"], hit["index"]) for hit in hits}
        assert {("today.txt", index_of(root, "plant")), ("today.txt", index_of(root, "home"))} <= places
        assert f"{pump}:1-1" in text and f"{oven}:1-1" in text
        read = server.call("read", path=str(oven))
        assert read["content"][0]["text"].startswith(f"{oven} | lines 1-1 of 1\nThe oven is hot")
        assert read["structuredContent"]["index"] == index_of(root, "home")
        status = server.call("status")
        assert [each["index"] for each in status["structuredContent"]["indexes"]] == [
            index_of(root, "plant"),
            index_of(root, "home"),
        ]
        assert f"{index_of(root, 'home')}: " in status["content"][0]["text"]
    with raw_server(vsearch, root / "home", "--everywhere") as server:  # no other index is set: the one alone
        server.initialize()
        (first, *_) = server.call("search", query="oven", mode="keyword")["structuredContent"]["hits"]
        assert first["path"] == "today.txt" and "index" not in first


def test_an_agent_is_told_of_all_indexes(vsearch: Vsearch, root: Path) -> None:
    shown = vsearch("mcp", "--install", "claude", "--print", *BOTH, "--everywhere", cwd=root)
    (entry,) = json.loads(shown.out)["mcpServers"].values()
    indexes = ["--index", index_of(root, "plant"), "--index", index_of(root, "home")]
    assert entry["args"][entry["args"].index("mcp") :] == ["mcp", *indexes, "--everywhere"]
