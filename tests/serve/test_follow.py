"""`vsearch serve --follow`: a node answers from the current snapshot of a store, and swaps to new ones under load."""

import re
import time
from pathlib import Path
from threading import Event, Thread

import pytest
from process import DEADLINE, Vsearch, write_files
from serve_client import RunningServer, running_server

pytest.importorskip("uvicorn")
pytest.importorskip("obstore")

FILES = 5


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    return project


def push(vsearch: Vsearch, project: Path, url: str, version: int) -> None:
    """Give every document the version's number, and push the index."""
    write_files(project, {f"docs/{n}.txt": f"The pump {n} in its version v{version}x." for n in range(FILES)})
    for command in (("index", "-q", "docs"), ("push", url)):
        result = vsearch(*command, cwd=project)
        assert result.status == 0, result


def versions(server: RunningServer) -> set[str]:
    """Return the versions of all documents in one answer."""
    answer = server.post("/v1/search", query="pump", mode="keyword", k=2 * FILES)
    assert answer.status == 200, answer
    found = [re.findall(r"v\dx", hit["text"])[0] for hit in answer.json["hits"]]
    assert len(found) == FILES
    return set(found)


def wait_for_version(server: RunningServer, version: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while versions(server) != {version}:
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.1)


def wait_for_text(log: Path, text: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def test_a_node_swaps_to_new_snapshots_under_load(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    push(vsearch, project, url, 1)
    node = tmp_path / "node"
    node.mkdir()
    with running_server(vsearch, node, tmp_path / "log", "-q", "--follow", url, "--index", str(node / "ix")) as server:
        assert versions(server) == {"v1x"}
        stop = Event()
        answered: list[str] = []
        failures: list[Exception] = []

        def ask() -> None:
            while not stop.is_set():
                try:
                    (version,) = versions(server)  # all of one generation
                    answered.append(version)
                except Exception as error:
                    failures.append(error)

        threads = [Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for version in (2, 3):
                push(vsearch, project, url, version)
                wait_for_version(server, f"v{version}x")
            rolled_back = vsearch("snapshots", url, "--roll-back", "1", cwd=project)
            assert rolled_back.status == 0, rolled_back
            wait_for_version(server, "v1x")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert failures == []
        assert {"v1x", "v2x", "v3x"} <= {*answered}
        log = tmp_path / "log"
        (tmp_path / "store" / "CURRENT").write_bytes(b"damaged")
        wait_for_text(log, "its object CURRENT is damaged")
        assert versions(server) == {"v1x"}
    assert not list((node / "ix").glob("config*"))


def test_a_node_without_its_store_answers_from_its_copy(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    push(vsearch, project, store.as_uri(), 1)
    copy = tmp_path / "copy"
    assert vsearch("pull", store.as_uri(), "--index", copy, cwd=tmp_path).status == 0
    store.rename(tmp_path / "away")
    arguments = ("-q", "--follow", store.as_uri(), "--index", str(copy))
    with running_server(vsearch, tmp_path, tmp_path / "log", *arguments) as server:
        assert versions(server) == {"v1x"}
        assert "there is no such folder" in server.log.read_text()


def test_what_cannot_be_followed_is_refused(vsearch: Vsearch, project: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    missing = vsearch("serve", "--port", "0", "--follow", store.as_uri(), cwd=project)
    assert missing.status == 2
    assert "there is no such folder" in missing.error
    push(vsearch, project, store.as_uri(), 1)
    write_files(project, {"docs/0.txt": "Not pushed."})
    assert vsearch("index", "-q", cwd=project).status == 0
    own = vsearch("serve", "--port", "0", "--follow", store.as_uri(), "--index", ".vsearch", cwd=project)
    assert own.status == 2
    assert "has changes that are in no snapshot" in own.error
    both = vsearch("serve", "--follow", store.as_uri(), "--everywhere", cwd=project)
    assert both.status == 2
    assert "--everywhere" in both.error
