"""Killed clients, killed servers, several writers, readers under commits, and a lost primary."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer
from support import WordEmbedder

from vsearch_core import IndexLockedError, IndexNotFoundError, Observer, ServerIndex, StorageError, open_server_index
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.server_writing import ServerIndexWriter, open_server_writer
from vsearch_core.index.settings import IndexOptions
from vsearch_core.index.sources import Source
from vsearch_core.index.writer import update_index
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.postgres.address import parse_postgres_address
from vsearch_core.store.postgres.reading import PostgresCatalog
from vsearch_core.store.postgres.writing import PostgresWriter
from vsearch_core.store.server.address import parse_server_address
from vsearch_core.text.discover import DiscoverOptions

pytestmark = pytest.mark.engines
FORK = multiprocessing.get_context("fork")  # quick: a child has everything imported
LIMITS = IndexLimits(files_per_transaction=4, chunks_per_block=4, chunks_per_commit=6)
FILES = 16

State = frozenset[tuple[str, bytes]]  # paths and hashes of the files of a generation


def write_files(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        (root / f"{number:02}.txt").write_text(f"the first text of file{number} about heron and mill {'x ' * number}")


def change_files(root: Path) -> None:
    """Change, remove and add a quarter of the files each."""
    for number in range(0, FILES, 4):
        (root / f"{number:02}.txt").write_text(f"the second and longer text of file{number} about kingfishers")
        (root / f"{number + 1:02}.txt").unlink()
        (root / f"new {number:02}.txt").write_text(f"a new file{number} about weirs")


class AcknowledgingEngine:
    """An engine that sends the number of commits so far to the test after each one."""

    def __init__(self, writer: ServerIndexWriter, sender: Connection) -> None:
        self.writer = writer
        self.sender = sender
        self.commits = 0

    def push(self, catalog: Catalog) -> bool:
        has_changed = self.writer.push(catalog)
        self.commits += has_changed
        self.sender.send(self.commits)
        return has_changed

    def known_vectors(self, catalog: Catalog, chunk_ids: Iterable[int]) -> dict[int, bytes]:
        return self.writer.known_vectors(catalog, chunk_ids)


def update_in_child(address: str, root: Path, sender: Connection, kill_at: int | None) -> None:
    """Update the index in small commits; kill the process before its statement number `kill_at`."""
    statements = count(1)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            if next(statements) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return run

    PostgresWriter._run = counted(PostgresWriter._run)  # type: ignore[method-assign]
    PostgresWriter._copy = counted(PostgresWriter._copy)  # type: ignore[method-assign]
    place = parse_server_address(address)
    folder = root / place.folder_name
    status = 0
    try:
        with open_server_writer(place, folder) as writer:
            writer.pull()
            update_index(
                folder,
                [Source(root, DiscoverOptions())],
                IndexOptions(),
                lambda _: WordEmbedder(),
                Observer(),
                engine=AcknowledgingEngine(writer, sender),
                limits=LIMITS,
            )
        sender.send(("statements", next(statements) - 1))
    except StorageError:
        status = 3
    os._exit(status)


class UpdatingProcess:
    """A process that updates an index, and the number of commits that it has seen acknowledged."""

    def __init__(self, address: str, root: Path, kill_at: int | None = None) -> None:
        self.receiver, sender = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=update_in_child, args=(address, root, sender, kill_at))
        self.process.start()
        sender.close()
        self.commits = 0
        self.statements = 0

    def wait(self) -> int:
        """Wait for the end, and return the exit status."""
        with suppress(EOFError):
            while True:
                match self.receiver.recv():
                    case int() as commits:
                        self.commits = commits
                    case (_, statements):
                        self.statements = statements
        self.process.join(30)
        assert self.process.exitcode is not None
        return self.process.exitcode


def read_state(address: str) -> tuple[int, State]:
    """Return the newest generation and its files. Without an index, these are 0 and none."""
    place = parse_postgres_address(address)
    try:
        with closing(PostgresCatalog.open(place, Path("unused"))) as catalog:
            rows = catalog.rows("SELECT path, hash FROM {s}.files")
            return catalog.state[1], frozenset((path, bytes(digest)) for path, digest in rows)
    except IndexNotFoundError:
        return 0, frozenset()


def open_notes(address: str, root: Path) -> ServerIndex:
    return open_server_index(address, root=root, open_embedder=lambda _: WordEmbedder())


def finish(address: str, root: Path) -> None:
    """Run the update to its end, once the server has noticed that the other client is gone."""
    with open_notes(address, root) as index:
        deadline = time.monotonic() + 10
        while True:
            try:
                index.update([root])
                break
            except IndexLockedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert index.check(full=True).faults == ()
        expected = sorted(path.name for path in root.glob("*.txt"))
        assert sorted(hit.path for hit in index.search("file", k=100, mode="vector").hits) == expected
        assert [hit.path for hit in index.search("file3 heron", k=1).hits] == ["03.txt"]


class DisturbedUpdate:
    """An update that tests disturb: of a new index, or of changed files. `states` has the files of each generation."""

    def __init__(self, root: Path, new_address: Callable[[], str], *, is_new: bool) -> None:
        self.root = root
        self.new_address = new_address
        self.is_new = is_new
        self.numbers = count()
        self.states: dict[int, State] = {}
        self.before = 0  # the generation from which the update begins
        address, folder, child = self.start()
        started = time.monotonic()
        while child.process.is_alive():
            generation, files = read_state(address)
            self.states[generation] = files
        assert child.wait() == 0
        self.seconds = time.monotonic() - started
        generation, files = read_state(address)
        self.states[generation] = files
        self.statements = child.statements
        finish(address, folder)

    def start(self, kill_at: int | None = None) -> tuple[str, Path, UpdatingProcess]:
        """Return a new index's address, its folder, and a child that updates it."""
        address, folder = self.new_address(), self.root / str(next(self.numbers))
        write_files(folder)
        if not self.is_new:
            assert UpdatingProcess(address, folder).wait() == 0
            self.before, _ = read_state(address)
            change_files(folder)
        return address, folder, UpdatingProcess(address, folder, kill_at)

    def check(self, address: str, folder: Path, child: UpdatingProcess) -> None:
        """Check what is on the server after a kill, and that the next run ends the work."""
        generation, files = read_state(address)
        acknowledged = self.before + child.commits
        assert acknowledged <= generation <= acknowledged + 1, "an acknowledged commit is lost"
        if generation in self.states:
            assert files == self.states[generation], "a generation is mixed"
        finish(address, folder)


@pytest.fixture(scope="module", params=["new", "changed"])
def scenario(
    request: pytest.FixtureRequest, new_address: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> DisturbedUpdate:
    return DisturbedUpdate(tmp_path_factory.mktemp("faults"), new_address, is_new=request.param == "new")


def kill_client(scenario: DisturbedUpdate, kill_at: int) -> bool:
    """Kill an update before a statement, and check what is left. Return False if it had fewer statements this time."""
    address, folder, child = scenario.start(kill_at)
    status = child.wait()
    scenario.check(address, folder, child)
    assert status in {0, -signal.SIGKILL}
    return status != 0


def test_a_killed_client_loses_no_commit(scenario: DisturbedUpdate) -> None:
    for kill_at in random.Random(1).sample(range(2, scenario.statements - 5), 5):
        assert kill_client(scenario, kill_at)


@pytest.mark.slow
def test_a_client_killed_at_each_statement_loses_no_commit(scenario: DisturbedUpdate) -> None:
    killed = [kill_client(scenario, kill_at) for kill_at in range(1, scenario.statements + 1)]
    assert sum(killed) > len(killed) - 5


def kill_server(server: PostgresServer, scenario: DisturbedUpdate, delay: float) -> None:
    address, folder, child = scenario.start()
    time.sleep(delay)
    server.kill()
    status = child.wait()
    server.start()
    assert status in {0, 3}
    scenario.check(address, folder, child)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    with PostgresServer.running() as running:
        yield running


@pytest.fixture(scope="module", params=["new", "changed"])
def own_scenario(
    request: pytest.FixtureRequest,
    server: PostgresServer,
    own_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> DisturbedUpdate:
    numbers = count()
    return DisturbedUpdate(
        tmp_path_factory.mktemp("killed"),
        lambda: own_server.address(f"{request.param}_{next(numbers)}"),
        is_new=request.param == "new",
    )


def test_a_killed_server_loses_no_commit(own_server: PostgresServer, own_scenario: DisturbedUpdate) -> None:
    rng = random.Random(2)
    for _ in range(2):
        kill_server(own_server, own_scenario, rng.uniform(0, own_scenario.seconds / 2))


@pytest.mark.slow
def test_a_server_killed_at_any_time_loses_no_commit(own_server: PostgresServer, own_scenario: DisturbedUpdate) -> None:
    rng = random.Random(3)
    for _ in range(50):
        kill_server(own_server, own_scenario, rng.uniform(0, own_scenario.seconds / 2))


def test_writers_take_turns(new_address: Callable[[], str], tmp_path: Path) -> None:
    address = new_address()
    write_files(tmp_path)

    def update(number: int) -> None:
        (tmp_path / f"writer {number}.txt").write_text(f"writer{number} of file")
        with open_notes(address, tmp_path) as index:
            while True:
                try:
                    index.update([tmp_path])
                    break
                except IndexLockedError:
                    time.sleep(0.01)
        os._exit(0)

    children = [FORK.Process(target=update, args=(number,)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    finish(address, tmp_path)


def test_readers_see_whole_generations(new_address: Callable[[], str], tmp_path: Path) -> None:
    address = new_address()
    ended = threading.Event()
    seen: list[set[str]] = []
    failures: list[BaseException] = []

    def write(version: int) -> None:
        for number in range(8):
            (tmp_path / f"{number}.txt").write_text(f"version{version} of file {'x ' * version}")
        with open_notes(address, tmp_path) as index:
            index.update([tmp_path])

    def read() -> None:
        try:
            with open_notes(address, tmp_path) as index:
                while not ended.is_set():
                    index.refresh()
                    hits = index.search("file", k=20, mode="keyword").hits
                    assert len(hits) == 8
                    seen.append({hit.text.split()[0] for hit in hits})
        except BaseException as error:
            failures.append(error)

    write(0)
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in range(1, 6):
        write(version)
    ended.set()
    for reader in readers:
        reader.join(30)
    assert not failures, failures
    assert all(len(versions) == 1 for versions in seen)
    assert len({next(iter(versions)) for versions in seen}) > 1


def test_a_standby_takes_over_from_a_lost_primary(tmp_path: Path) -> None:
    write_files(tmp_path)
    with PostgresServer.running() as primary, primary.standby() as standby:
        address = primary.address("notes", standby)
        with open_notes(address, tmp_path) as index:
            index.update([tmp_path])
            answered: list[float] = []
            ended = threading.Event()

            def read() -> None:
                with open_notes(address, tmp_path) as reader:
                    while not ended.is_set():
                        with suppress(StorageError):
                            assert reader.search("file3 heron", k=1, mode="keyword").hits[0].path == "03.txt"
                            answered.append(time.monotonic())

            thread = threading.Thread(target=read)
            thread.start()
            (tmp_path / "last.txt").write_text("the last acknowledged file1 about otters")
            index.update([tmp_path])
            killed = time.monotonic()
            primary.kill()
            while not answered or answered[-1] < killed:
                assert time.monotonic() < killed + 10
                time.sleep(0.005)
            gap = next(moment for moment in answered if moment > killed) - killed
            assert index.search("otters", k=1, mode="keyword").hits[0].path == "last.txt"
            standby.promote()
            (tmp_path / "after.txt").write_text("a file2 about beavers, after the failover")
            index.update([tmp_path])
            assert index.search("beavers", k=1, mode="keyword").hits[0].path == "after.txt"
            ended.set()
            thread.join(30)
            assert gap < 2
            assert index.check(full=True).faults == ()
