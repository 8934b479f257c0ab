"""A server and a warm helper give whole answers of one generation, while the index changes and helpers are killed.

VSEARCH_SOAK_SECONDS sets the time, which is short by default.
"""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from process import Vsearch, wait_for
from serve_client import RunningServer, running_server

pytest.importorskip("uvicorn")

SECONDS = float(os.environ.get("VSEARCH_SOAK_SECONDS", "20"))
FILES = 12
CLIENTS = 3
ROUND = re.compile(r"of round (\d+) ")
MOST_GROWTH = 1.25  # of the server's memory after the first rounds


def write_round(root: Path, number: int) -> None:
    """Write the same new number into all files, which one commit takes."""
    for each in range(FILES):
        (root / f"{each}.md").write_text(f"The heron of round {number} stands at weir {each}.\n")


def fault_of(answer: Any, earlier: int) -> tuple[str, int]:
    """Return what is wrong with an answer, or "", and the number of its round. It must not be an `earlier` one."""
    rounds = {int(number) for hit in answer["hits"] for number in ROUND.findall(hit["text"])}
    if len(answer["hits"]) != FILES:
        return f"{len(answer['hits'])} hits", earlier
    if len(rounds) != 1:
        return f"mixed rounds {rounds}", earlier
    return ("" if max(rounds) >= earlier else f"round {rounds} after {earlier}"), max(rounds)


def ask_until(ended: Event, ask: Callable[[], Any], faults: "Counter[str]", name: str) -> None:
    """Ask again and again, and count the answers and what is wrong with them."""
    number = 0
    while not ended.is_set():
        fault, number = fault_of(ask(), number)
        faults[f"{name}: {fault or 'right'}"] += 1


def resident(process: int) -> int:
    """Return the resident kilobytes of a process."""
    (line,) = [each for each in Path(f"/proc/{process}/status").read_text().splitlines() if each.startswith("VmRSS")]
    return int(line.split()[1])


def change_beneath(vsearch: Vsearch, root: Path, server: RunningServer) -> Sequence[int]:
    """Index, compact and kill helpers until the time is over. Return the server's memory after each round."""
    sizes = []
    deadline = time.monotonic() + SECONDS
    number = 1
    while time.monotonic() < deadline or number < 6:
        helper = vsearch.start("warm", cwd=root)
        number += 1
        write_round(root, number)
        assert vsearch("index", "--quiet", cwd=root).status == 0
        if number % 3 == 0:
            assert vsearch("compact", "--quiet", cwd=root).status == 0
        helper.kill()
        with suppress(OSError):
            wait_for(helper)
        sizes.append(resident(server.process.pid))
    return sizes


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_answers_are_whole_and_of_one_generation(vsearch: Vsearch, tmp_path: Path) -> None:
    root = tmp_path / "soak"
    root.mkdir()
    write_round(root, 1)
    assert vsearch("index", ".", "--quiet", cwd=root).status == 0
    ended, counts = Event(), Counter[str]()
    with running_server(vsearch, root, tmp_path / "serve.log") as server:

        def by_http() -> Any:
            return server.post("/v1/search", query="heron", k=50, collapse=False).json

        def by_command() -> Any:
            return json.loads(vsearch("query", "heron", "--json", "-k", "50", "--no-collapse", cwd=root).out)

        asking = [(by_http, "HTTP")] * CLIENTS + [(by_command, "command")]
        clients = [Thread(target=ask_until, args=(ended, ask, counts, name)) for ask, name in asking]
        for client in clients:
            client.start()
        try:
            sizes = change_beneath(vsearch, root, server)
        finally:
            ended.set()
            for client in clients:
                client.join()
    assert set(counts) == {"HTTP: right", "command: right"}, counts
    assert max(sizes[4:]) <= MOST_GROWTH * max(sizes[:4]), sizes
