"""A server process with everything imported: it forks a child for each run of the command, which takes milliseconds.

It reads pickled Requests from stdin and writes a pickled ServedRun for each to stdout, until stdin ends. The children
run the real `main()` through the shim, with a stub embedder.
"""

import gc
import importlib
import os
import pickle
import signal
import sqlite3
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

from faults import shim as python_calls
from faults import sqlite_calls
from faults.shim import NO_FAULT, Event, FaultPlan, Shim

BATCH = 4  # texts that the stub embedder embeds at a time
DIMENSIONS = {"other": 32}  # of the stub's models; 48 for others
# Limits so small that a few documents pass through every step of a long run.
LIMITS = {
    "chunks_per_commit": 12,
    "chunks_per_block": 8,
    "files_per_transaction": 10,
    "chunks_per_re_embedding_block": 8,
}
LIMITED = {
    "vsearch_core.index.writer": "update_index",
    "vsearch_core.index.re_embedding": "re_embed_index",
    "vsearch_core.index.repair": "repair_index",
}
IMPORTED_LATE = ("Stemmer", "filelock", "numpy.ma", "platformdirs.unix")  # inside functions, by most runs
CRASHED = 70  # the exit status of a child whose `main()` raised an exception

State = Mapping[str, bytes]  # the live files of a generation: path and hash


@dataclass(frozen=True)
class Request:
    """A command to run in `cwd`; calls under `watched` are intercepted. It is killed after `kill_after` seconds.

    With `call`, the child calls that function instead, without faults. A `repeatable` run gets the same random numbers
    and times each time, so that equal faults leave equal files.
    """

    argv: Sequence[str]
    cwd: Path
    watched: Sequence[Path]
    plan: FaultPlan = NO_FAULT
    recording: bool = False
    stdin: bytes = b""
    kill_after: float | None = None  # seconds
    call: Callable[[], None] | None = None
    repeatable: bool = False


@dataclass(frozen=True)
class ServedRun:
    """The result of a run. `status` is negative for a signal; `events` and `states` are there if it was recorded."""

    status: int
    stdout: str
    stderr: str
    embedded: int
    committed: int  # the last acknowledged generation; 0 if none
    calls: Sequence[str] = ()
    events: Sequence[Event] = field(default=(), repr=False)
    states: Mapping[int, State] = field(default_factory=dict, repr=False)


def read_message(stream: IO[bytes]) -> Any:
    """Return the next message; None at the end, or if a kill has cut it off."""
    head = stream.read(8)
    size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    data = stream.read(size)
    return pickle.loads(data) if size and len(data) == size else None


def write_message(stream: IO[bytes], message: Any) -> None:
    """Send a message, preceded by its length."""
    data = pickle.dumps(message)
    stream.write(struct.pack("<Q", len(data)) + data)
    stream.flush()


def live_files(catalog: Path) -> tuple[int, State]:
    """Read the generation and its live files from the catalog, with a new connection."""
    with closing(sqlite3.connect(f"file:{quote(str(catalog))}?mode=ro", uri=True)) as connection:
        connection.execute("BEGIN")
        row = connection.execute("SELECT value FROM settings WHERE key = 'generation'").fetchone()
        return int(row[0]) if row else 0, dict(connection.execute("SELECT path, hash FROM files WHERE live"))


def main() -> None:
    """Serve until stdin ends."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    shim = Shim()
    _import_all()
    python_calls.install(shim)
    sqlite_calls.install(shim)
    gc.freeze()  # a collection in a child would copy all pages that the parent has imported
    while (request := read_message(requests)) is not None:
        write_message(replies, _run(shim, request))
    os._exit(0)  # SQLite may call the shim even while the interpreter shuts down


def _import_all() -> None:
    """Import everything that a run imports, so that no child has to, and set the small limits."""
    import pkgutil

    import numpy as np
    from support import WordEmbedder

    import vsearch_core

    for package in ("vsearch_cli", "vsearch_core"):
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            if "kernels" not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    limits = sys.modules["vsearch_core.index.limits"].IndexLimits(**LIMITS)
    for place, name in LIMITED.items():  # the callers import them when they are called
        setattr(sys.modules[place], name, partial(getattr(sys.modules[place], name), limits=limits))
    # Worker processes would take much longer; pictures are read here, too
    sys.modules["vsearch_core.text.reading"].is_steady = lambda _: True  # type: ignore[attr-defined]
    with suppress(ImportError):
        importlib.import_module("PIL.Image").init()
    sys.modules["vsearch_core.index.runs"]._WRITE_SECONDS = 0.0  # type: ignore[attr-defined]  # not by the clock
    assert vsearch_core
    np.random.default_rng(0).standard_normal(1)
    WordEmbedder().embed_queries(["a word"])


def _run(shim: Shim, request: Request) -> ServedRun:
    """Fork a child for the request, and return its outcome."""
    pipes = {name: os.pipe() for name in ("stdout", "stderr", "report")}
    stdin = os.memfd_create("stdin")
    os.write(stdin, request.stdin)
    os.lseek(stdin, 0, os.SEEK_SET)
    child = os.fork()
    if child == 0:
        ends = {name: pipe[1] for name, pipe in pipes.items()}
        for number, fd in ((0, stdin), (1, ends["stdout"]), (2, ends["stderr"])):
            os.dup2(fd, number)
        _run_child(shim, request, os.fdopen(ends["report"], "wb", buffering=0))
    for _, end in pipes.values():
        os.close(end)
    os.close(stdin)
    if request.kill_after is not None:
        time.sleep(request.kill_after)
        os.kill(child, signal.SIGKILL)
    contents = _read_pipes({name: pipe[0] for name, pipe in pipes.items()})
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return _outcome(status, contents)


def _read_pipes(ends: Mapping[str, int]) -> dict[str, bytes]:
    """Read all pipes to their ends, side by side so that none fills up."""
    import selectors

    contents = dict.fromkeys(ends, b"")
    with selectors.DefaultSelector() as selector:
        for name, end in ends.items():
            selector.register(end, selectors.EVENT_READ, name)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, 1 << 20)
                contents[key.data] += data
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return contents


def _outcome(status: int, contents: Mapping[str, bytes]) -> ServedRun:
    from io import BytesIO

    facts: dict[str, Any] = {"embedded": 0, "committed": 0}
    stream = BytesIO(contents["report"])
    while (message := read_message(stream)) is not None:
        name, value = message
        facts[name] = facts[name] + value if name == "embedded" else value
    stdout, stderr = (contents[name].decode("utf-8", "replace") for name in ("stdout", "stderr"))
    return ServedRun(status, stdout, stderr, **facts)


def _run_child(shim: Shim, request: Request, pipe: Any) -> None:
    """Run the command and exit."""
    status: Any = CRASHED
    states: dict[int, State] = {}

    def report(name: str, value: Any) -> None:
        write_message(pipe, (name, value))

    try:
        if request.call is not None:
            request.call()
            sys.exit(0)
        _install_stub_embedder(shim, report)
        _report_commits(shim, report, states)
        if request.repeatable:
            _make_repeatable(shim)
        os.chdir(request.cwd)
        sys.argv = ["vsearch", *request.argv]
        shim.plan, shim.recording = request.plan, request.recording
        shim.watched = tuple(map(str, request.watched))
        importlib.import_module("vsearch_cli.main").main()
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:  # the process exits below in any case
        traceback.print_exc()
    finally:
        shim.watched = ()
        sys.stdout.flush()
        if request.recording:
            report("states", states)
            report("events", shim.events)
        report("calls", shim.calls)
        os._exit(status)


def _make_repeatable(shim: Shim) -> None:
    """Give this process the same random numbers and times as every other one."""
    import random

    class Standing(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(1_700_000_000, tz)

    shim.repeatable = True
    os.urandom = random.Random(0).randbytes
    users = [module for module in sys.modules.values() if getattr(module, "datetime", None) is datetime]
    for module in users:
        module.datetime = Standing  # type: ignore[attr-defined]


def _install_stub_embedder(shim: Shim, report: Callable[[str, Any], None]) -> None:
    from support import WordEmbedder

    import vsearch_core.embed.open as opening
    from vsearch_core.embed.base import Batch
    from vsearch_core.model import EmbedderSpec

    class Counting(WordEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Iterator[Batch]:
            for batch in super().embed_documents(texts):
                report("embedded", len(batch.indices))
                shim.record("embedded", offset=len(batch.indices))
                yield batch

    def opened(spec: EmbedderSpec, **_: object) -> Counting:
        return Counting(spec.model or "words", DIMENSIONS.get(spec.model or "", 48), BATCH)

    def opened_for_pictures(model: str, *_: object, **__: object) -> Any:
        from image_models import ColourModel

        return ColourModel(model)

    opening.open_embedder = opened
    opening.open_image_embedder = opened_for_pictures


def _report_commits(shim: Shim, report: Callable[[str, Any], None], states: dict[int, State]) -> None:
    """Report each generation once the transaction that commits it has returned."""
    from vsearch_core.store.catalog import Catalog

    transaction = Catalog.transaction
    last = 0

    @contextmanager
    def acknowledged(self: Catalog) -> Iterator[None]:
        nonlocal last
        generation = 0
        with transaction(self):
            yield
            generation = self.generation
        if generation == last:
            return
        last = generation
        report("committed", generation)
        shim.record("committed", offset=generation)
        if shim.recording:
            watched, shim.watched = shim.watched, ()
            states[generation] = live_files(self.index / "catalog.sqlite")[1]
            shim.watched = watched

    Catalog.transaction = acknowledged  # type: ignore[method-assign]
