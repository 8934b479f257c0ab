"""The socket of a warm helper: who is answered, what makes a client give up, and when the helper ends."""

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from process import write_files

from vsearch_core.serve import warm_client, warm_server
from vsearch_core.serve.warm_client import PROTOCOL, RUN, STDOUT, WarmAnswer, ask, pack, socket_path, unpack
from vsearch_core.serve.warm_server import WarmRequest, WarmServer

ANSWER = WarmAnswer(0, [(STDOUT, b"a hit\n")])


@dataclass(frozen=True)
class Place:
    """An index folder, the folder of the code, and the environment of the client and the helper."""

    index: Path
    code: Path
    environment: Mapping[bytes, bytes]

    @property
    def socket(self) -> Path:
        folder = warm_client.runtime_folder(self.environment)
        return Path(os.fsdecode(socket_path(folder, os.fsencode(self.index))))

    def ask(self, *words: str, seconds: float = 5.0, **environment: str) -> WarmAnswer | None:
        variables = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
        return ask(
            os.fsencode(self.index),
            [os.fsencode(word) for word in words],
            cwd=os.fsencode(self.code),
            environment={**self.environment, **variables},
            seconds=seconds,
        )


@pytest.fixture
def place(tmp_path: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(warm_server, "LOOK_SECONDS", 0.02)
    write_files(tmp_path, {"index/catalog.sqlite": "rows", "code/deep/module.py": "x = 1\n"})
    return Place(tmp_path / "index", tmp_path / "code", {b"XDG_RUNTIME_DIR": os.fsencode(short_folder), b"LANG": b"C"})


@contextmanager
def helper(
    place: Place, run: Callable[[WarmRequest], WarmAnswer | None] = lambda _: ANSWER, idle_seconds: float = 60.0
) -> Iterator[threading.Thread]:
    """Run a helper in a thread; end it after the block if it runs still."""
    server = WarmServer(
        place.index, place.environment, run, code=[place.code], idle=lambda: None, idle_seconds=idle_seconds
    )
    with server.listening() as listener:
        thread = threading.Thread(target=server.serve, args=(listener,))
        thread.start()
        try:
            yield thread
        finally:
            warm_client.stop(os.fsencode(place.index), place.environment)
            thread.join(10)
            assert not thread.is_alive()


def test_a_command_line_is_run_with_what_belongs_to_it(place: Place) -> None:
    requests: list[WarmRequest] = []

    def run(request: WarmRequest) -> WarmAnswer:
        requests.append(request)
        return ANSWER

    with helper(place, run):
        answer = place.ask("query", "", "\udcff", VSEARCH_K="3", OPENAI_API_KEY="secret", TERM="dumb", OTHER="x")
    assert answer is not None
    assert (answer.status, answer.output) == (0, ANSWER.output)
    (request,) = requests
    assert request.words == ("query", "", "\udcff")
    assert request.cwd == str(place.code)
    assert request.environment == {"VSEARCH_K": "3", "TERM": "dumb"}
    assert request.terminals == (False, False, False)


def test_no_answer_means_that_the_command_must_run(place: Place) -> None:
    with helper(place, lambda _: None):
        assert place.ask("query", "x") is None
    assert place.ask("query", "x") is None  # and no helper any more
    assert not place.socket.exists()


def test_another_environment_python_or_index_gets_no_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with helper(place):
        assert place.ask("query", "x", LANG="de_DE") is None
        assert place.ask("query", "x", HF_HOME="/elsewhere") is None
        monkeypatch.setattr("sys.version", "3.99")
        assert place.ask("query", "x") is None
        monkeypatch.undo()
        assert place.ask("query", "x", OPENBLAS_NUM_THREADS="1") is not None  # as vsearch sets it


def test_the_permissions_of_the_socket(place: Place) -> None:
    with helper(place):
        assert place.socket.lstat().st_mode & 0o777 == 0o600
        assert place.socket.parent.lstat().st_mode & 0o777 == 0o700


def test_it_ends_when_the_code_changes(place: Place) -> None:
    with helper(place) as thread:
        assert place.ask("query", "x") is not None
        write_files(place.code, {"deep/module.py": "x = 22\n"})
        assert place.ask("query", "x") is None
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("change", ["index", "catalog", "socket", "another socket"])
def test_it_ends_when_its_index_or_its_socket_is_gone(place: Place, change: str) -> None:
    with helper(place) as thread:
        if change == "index":
            place.index.rename(place.index.with_name("moved"))
        elif change == "catalog":
            write_files(place.index, {"new": "rows"})
            (place.index / "new").rename(place.index / "catalog.sqlite")
        else:
            place.socket.unlink()
        if change == "another socket":
            other = socket.socket(socket.AF_UNIX)
            other.bind(str(place.socket))
        thread.join(10)
        assert not thread.is_alive()
    if change == "another socket":
        assert place.socket.exists()  # it is not this helper's to delete
        other.close()


def test_it_ends_after_a_time_without_requests(place: Place) -> None:
    with helper(place, idle_seconds=0.05) as thread:
        thread.join(10)
        assert not thread.is_alive()


def test_bad_requests_are_dropped(place: Place) -> None:
    with helper(place):
        for message in (b"", b"\xff\xff\xff\xff", b"\x00\x00\x00\x09short", pack([pack([PROTOCOL, RUN, b"x"])])):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(place.socket))
                connection.sendall(message)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                    assert connection.recv(100) == b""
        assert place.ask("query", "x") is not None


def test_another_user_is_not_answered(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with helper(place):
        monkeypatch.setattr(warm_server, "peer_user", lambda _: (1, os.geteuid() + 1))
        assert place.ask("query", "x") is None
        monkeypatch.setattr(warm_server, "peer_user", warm_client.peer_user)
        monkeypatch.setattr(warm_client, "peer_user", lambda _: (1, os.geteuid() + 1))
        assert place.ask("query", "x") is None
        monkeypatch.undo()
        assert place.ask("query", "x") is not None


@pytest.mark.parametrize("reply", ["", "cut off", "no number", "odd", "too long", "silence"])
def test_a_client_gives_up_on_a_bad_answer(place: Place, reply: str) -> None:
    place.socket.parent.mkdir(0o700)
    whole = pack([pack([b"0", STDOUT, b"a hit\n"])])
    messages = {
        "cut off": whole[:-3],
        "no number": pack([pack([b"zero", STDOUT, b"x"])]),
        "odd": pack([pack([b"0", STDOUT])]),
        "too long": b"\xff" * 8,
    }
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.socket))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100_000)
                if reply == "silence":
                    connection.recv(100_000)  # until the client hangs up
                connection.sendall(messages.get(reply, b"")) if reply != "silence" else None

        thread = threading.Thread(target=serve)
        thread.start()
        assert place.ask("query", "x", seconds=0.3) is None
        thread.join(10)
        assert not thread.is_alive()


def test_messages_are_split_as_they_were_joined() -> None:
    parts = [b"", b"a", b"\0" * 300, b"last"]
    assert unpack(pack(parts)) == parts
    for end in range(1, len(pack(parts))):
        with suppress(ValueError):
            assert unpack(pack(parts)[:end]) == parts[: len(unpack(pack(parts)[:end]))]
