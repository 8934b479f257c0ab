"""The commands on an index on a server, as a user runs them."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from process import CommandResult, Vsearch
from serve_client import running_server

pytestmark = pytest.mark.engines
FILES = {
    "pump.md": "# Pump\n\nGrease the pump of the mill every spring.\n",
    "loans.md": "---\ntitle: Loans\n---\n# Loans\n\nThe late fee for a drill is two crowns a day.\n",
    "bread.txt": "Rye bread has a sticky crumb if the loaf comes out of the oven early.\n",
}
QUERIES = [{"text": "late fee", "paths": ["notes/loans.md"]}, {"text": "sticky crumb", "paths": ["notes/bread.txt"]}]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    for name, text in FILES.items():
        (tmp_path / "notes" / name).write_text(text)
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in QUERIES))
    return tmp_path


def test_an_index_is_made_searched_changed_and_copied(
    vsearch: Vsearch, project: Path, new_address: Callable[[], str]
) -> None:
    address, shown = new_address(), ""

    def run(*words: str, status: int = 0) -> CommandResult:
        result = vsearch(*words, "--index", address, cwd=project)
        assert result.status == status, result
        return result

    assert "make one with `vsearch index PATH`" in run("query", "late fee", status=2).err
    made = run("index", "notes").out
    shown = made.partition(": ")[0]
    assert made.startswith(f"{shown}: 3 files, 3 chunks (3 added")
    assert run("query", "what does a late drill cost", "-k", "1").out.startswith("notes/loans.md:")
    assert run("query", "late fee", "--paths").out.splitlines()[0] == "notes/loans.md"
    assert run("query", "zzqq", "--mode", "keyword", status=1).out == ""
    assert run("similar", "notes/pump.md").out.startswith("notes/")
    assert "Rye bread" in run("read", "notes/bread.txt").out
    assert f"index     {shown}" in run("status").out
    assert json.loads(run("status", "--json").out)["index"] == shown
    assert "nDCG@10" in run("eval", "queries.jsonl").out

    (project / "notes/bread.txt").write_text("Wheat bread, with kingfishers on the crust.\n")
    assert "1 changed, 2 unchanged" in run("index").out
    assert run("query", "kingfishers", "-k", "1").out.startswith("notes/bread.txt:")
    assert "1 file removed" in run("remove", "notes/pump.md").out
    assert "1 segment" not in run("compact").out
    assert f"{shown}: intact (2 files, 2 chunks" in run("check", "--full").out
    assert "intact (quick check)" in run("doctor").out

    back = vsearch("copy", "--from", address, "--to", "back", cwd=project)
    assert back.out.endswith(f"2 files, 2 chunks (2 files copied, 0 removed){back.out.rpartition(')')[2]}")
    local = json.loads(vsearch("query", "late fee", "--json", "--index", "back", cwd=project).out)
    there = json.loads(run("query", "late fee", "--json").out)
    assert [(hit["path"], hit["score"], hit["text"]) for hit in local["hits"]] == [
        (hit["path"], hit["score"], hit["text"]) for hit in there["hits"]
    ]
    again = vsearch("copy", "--from", address, "--to", "back", cwd=project)
    assert "(0 files copied, 0 removed)" in again.out


def test_a_query_from_another_folder_finds_the_index(
    vsearch: Vsearch, project: Path, new_address: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    address, elsewhere = new_address(), tmp_path_factory.mktemp("elsewhere")
    assert vsearch("index", "notes", "--index", address, cwd=project).status == 0
    found = vsearch("query", "late fee", "-k", "1", "--index", address, cwd=elsewhere)
    assert "two crowns" in found.out
    refused = vsearch("index", ".", "--index", address, cwd=elsewhere)
    assert (refused.status, f"run the command in {project}" in refused.err) == (2, True), refused
    assert not list(elsewhere.iterdir())


def test_serve_answers_and_sees_new_commits(vsearch: Vsearch, project: Path, new_address: Callable[[], str]) -> None:
    address = new_address()
    assert vsearch("index", "notes", "--index", address, cwd=project).status == 0
    with running_server(vsearch, project, project / "log", "--index", address) as running:
        assert running.post("/v1/search", query="late fee", k=1).json["hits"][0]["path"] == "notes/loans.md"
        (project / "notes/new.txt").write_text("A kingfisher dived into the mill race.\n")
        assert vsearch("index", "--index", address, cwd=project).status == 0
        deadline = time.monotonic() + 10
        while running.post("/v1/search", query="kingfisher", k=1).json["hits"][0]["path"] != "notes/new.txt":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert running.get("/v1/status").json["files"] == 4
