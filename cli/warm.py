"""The command `vsearch warm`, and the way in which a warm helper runs other commands."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsearch_core.errors import InputError, VsearchError

from . import locate
from .defaults import choose
from .environment import KEY_VARIABLES
from .helper_embedder import EMBED, embedding_json
from .interrupts import INTERRUPT, raise_interrupt
from .opening import KEPT, WARM_PROVIDERS, Kept, open_index, provider_of
from .output import emit, say
from .servers import address_of
from .start import PROGRAM

if TYPE_CHECKING:
    from vsearch_core.library.readers import KeptReaders
    from vsearch_core.serve.warm_client import WarmAnswer
    from vsearch_core.serve.warm_server import WarmRequest

_IDLE_MOST = 7 * 86_400  # seconds
_COMMANDS = ("query", "similar")


def warm(
    idle: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, max=_IDLE_MOST, help="End after this time without a query.")
    ] = 600,
    stop: Annotated[bool, typer.Option("--stop", help="End the helper of this index that runs.")] = False,
    index_dir: Annotated[Path | None, locate.INDEX_OPTION] = None,
) -> int:
    """Keep the model and the index in memory, so that `query` and `similar` answer several times as fast.

    They find this helper by themselves, and print the same as without it. It ends by itself when the index or vsearch
    is replaced; Ctrl-C or --stop ends it at once. With `vsearch config --user warm true`, a query starts it in the
    background. Exit status: 0 ended, 1 --stop found no helper, 2 error.
    """
    from vsearch_core.serve import warm_client
    from vsearch_core.serve.warm_server import WarmServer

    folder = locate.index_to_read(index_dir)
    if not hasattr(os, "environb") or not hasattr(os, "geteuid"):
        raise InputError("warm", "needs Unix sockets, which this system doesn't have")
    if stop:
        has_stopped = warm_client.stop(os.fsencode(folder), os.environb)
        emit("stopped" if has_stopped else "no helper runs")
        return 0 if has_stopped else 1
    signal.signal(signal.SIGTERM, raise_interrupt)
    commands = _Commands(folder)
    server = WarmServer(
        folder, dict(os.environb), commands.run, code=_code_folders(), idle=commands.refresh, idle_seconds=idle
    )
    with server.listening() as listener:
        commands.load()
        say(f"vsearch: warm helper of {folder}; end with Ctrl-C")
        with suppress(KeyboardInterrupt):
            server.serve(listener)
    return 0


def running_helper(index: Path) -> int | None:
    """Return the process id of the helper of an index folder, or None if none runs."""
    from vsearch_core.serve.warm_client import helper_pid

    return helper_pid(os.fsencode(index), os.environb) if hasattr(os, "environb") else None


def start_if_wanted(index: Path) -> None:
    """Start a helper of the index in the background, if the user's settings want one and none runs.

    Where the settings or the index can't be read, no helper starts. The answer is printed already, so that is no error.
    """
    try:
        if not _is_wanted(index):
            return
    except (VsearchError, OSError):
        return
    import subprocess

    keys = {name for names in KEY_VARIABLES.values() for name in names}
    with suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "warm", "--index", str(index)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={name: value for name, value in os.environ.items() if name not in keys},
            start_new_session=True,
        )


def _is_wanted(index: Path) -> bool:
    if KEPT.get() is not None or address_of(index) is not None or not hasattr(os, "geteuid"):
        return False
    return choose(index, warm=None)["warm"] and running_helper(index) is None and provider_of(index) in WARM_PROVIDERS


def _code_folders() -> tuple[Path, Path]:
    import vsearch_core

    return Path(vsearch_core.__file__).parent, Path(__file__).parent


class _Commands:
    """Runs `query` and `similar` in this process, with the model and the index that it keeps in memory."""

    def __init__(self, index: Path) -> None:
        """Keep the files of the index folder open. Nothing is loaded yet."""
        from vsearch_core.embed.open import LoadedModels

        # Modules are imported when a command first needs them: from no folder that a client happens to work in.
        sys.path[:] = [folder for folder in sys.path if Path(folder).is_absolute()]
        self._index = index
        self._real = index.resolve()
        self._readers: dict[Path, KeptReaders] = {}  # by the index folder as clients name it
        self._kept = Kept(self._readers_of, LoadedModels())
        self._apps: dict[str, Any] = {}

    def load(self) -> None:
        """Load the model and open the index, as a query does. Raises what a query raises."""
        copy_context().run(self._search, "ready")

    def _search(self, text: str) -> None:
        KEPT.set(self._kept)
        with open_index(self._index) as index:
            index.search(text, snippets=True)

    def refresh(self) -> None:
        """Close the files of an older generation than the newest."""
        from vsearch_core.errors import VsearchError

        for readers in self._readers.values():
            with suppress(VsearchError):  # the next request says so
                readers.refresh()

    def run(self, request: "WarmRequest") -> "WarmAnswer | None":
        """Return the answer to a command line, or None if it fails or needs a process of its own."""
        from vsearch_core.serve.warm_client import PAGED, WarmAnswer

        if request.words[0] == EMBED and len(request.words) == 2:
            return self._embedded(request)
        if request.words[0] not in _COMMANDS:
            return None
        with _as_client(request) as output:
            status = copy_context().run(self._status, request.words, lambda data: output.append((PAGED, data)))
        if INTERRUPT.raised:  # and lost, in the middle of the command
            raise KeyboardInterrupt
        return WarmAnswer(status, output) if status in {0, 1} else None

    def _embedded(self, request: "WarmRequest") -> "WarmAnswer | None":
        """Return the embedding of a text for a process that has no model of its own (`helper_embedder`)."""
        from vsearch_core.errors import VsearchError
        from vsearch_core.serve.warm_client import STDOUT, WarmAnswer

        def embed() -> bytes:
            KEPT.set(self._kept)
            with open_index(self._index) as index:
                return embedding_json(index, request.words[1])

        try:
            with _as_client(request):
                return WarmAnswer(0, [(STDOUT, copy_context().run(embed))])
        except VsearchError:
            return None

    def _status(self, words: tuple[str, ...], show: Callable[[bytes], None]) -> int:
        from .main import GlobalOptions, run_app
        from .pager import SHOW_ELSEWHERE

        KEPT.set(self._kept)
        SHOW_ELSEWHERE.set(show)
        for readers in self._readers.values():
            readers.start_afresh()
        return run_app(lambda: self._app(words[0]), words, GlobalOptions())

    def _app(self, name: str) -> Any:
        """Return the app with one command: to build it takes longer than to search."""
        from .main import GlobalOptions, make_app

        if name not in self._apps:
            self._apps[name] = typer.main.get_command(make_app([name], GlobalOptions()))
        return self._apps[name]

    def _readers_of(self, folder: Path) -> "KeptReaders | None":
        from vsearch_core.library.readers import KeptReaders

        if folder not in self._readers and folder.resolve() == self._real:
            while len(self._readers) >= 4:  # other names of the same folder, through links
                self._readers.pop(next(iter(self._readers))).release()
            self._readers[folder] = KeptReaders(folder, lambda: None)
        return self._readers.get(folder)


class _Stdin(io.TextIOBase):
    """Stands for the stdin of a client, which the helper can't read."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """Return False for a stdin that is no terminal; else refuse, because whoever looks wants to ask the user."""
        if self._is_terminal:
            raise InputError("stdin", "can't be read by a warm helper")
        return False


class _Collector(io.RawIOBase):
    """Collects what is written to a stream of the client, in one list for both streams."""

    def __init__(self, kind: bytes, output: list[tuple[bytes, bytes]], *, is_terminal: bool) -> None:
        self._kind = kind
        self._output = output
        self._is_terminal = is_terminal

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, data: Any) -> int:
        self._output.append((self._kind, bytes(data)))
        return len(data)


@contextmanager
def _as_client(request: "WarmRequest") -> Iterator[list[tuple[bytes, bytes]]]:
    """Run the block with the client's working folder, variables and streams; yield what the block writes."""
    from vsearch_core.serve.warm_client import STDERR, STDOUT, is_request_variable

    streams = sys.stdin, sys.stdout, sys.stderr
    output: list[tuple[bytes, bytes]] = []

    def stream(former: Any, kind: bytes, *, is_terminal: bool) -> io.TextIOWrapper:
        raw = io.BufferedWriter(_Collector(kind, output, is_terminal=is_terminal))
        return io.TextIOWrapper(raw, former.encoding, former.errors)

    for name in [name for name in os.environ if is_request_variable(os.fsencode(name))]:
        del os.environ[name]
    os.environ.update(request.environment)
    try:
        os.chdir(request.cwd)
        sys.stdin = _Stdin(is_terminal=request.terminals[0])
        sys.stdout = stream(streams[1], STDOUT, is_terminal=request.terminals[1])
        sys.stderr = stream(streams[2], STDERR, is_terminal=request.terminals[2])
        yield output
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        os.chdir("/")
