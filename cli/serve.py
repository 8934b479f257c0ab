"""The command `vsearch serve`."""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsearch_core.config import INDEX_DIR
from vsearch_core.errors import ArgumentError, InputError, SnapshotError, StorageError

from . import consent, locate
from .advice import describe
from .environment import cache_dir
from .interrupts import INTERRUPT
from .opening import interruptible, open_indexes, refuse_idle_address
from .option_rules import refuse_idle_options
from .output import complain, say
from .warm import start_if_wanted

if TYPE_CHECKING:
    from vsearch_core.library.snapshots import SnapshotFollower
    from vsearch_core.serve.security import App

FOLLOW_HELP = (
    "Answer from the current snapshot of this store, and follow it. --index is the folder of the copy."
    "  [default: a folder in the cache]"
)
TOKEN_FILE = "serve-token"
TOKEN_BYTES = 32  # of randomness in a new token
MAX_TOKEN_FILE = 1000  # bytes


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen on; off this machine, a token is required.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, max=65535, help="The port; 0 chooses a free one.")
    ] = 8765,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:PORT]", help="Also answer requests to this host name, as a proxy passes it on."),
    ] = None,
    token: Annotated[bool, typer.Option("--token", help="Require the bearer token on this machine, too.")] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the web page in your browser.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print no line for each request.")] = False,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help=consent.BASE_URL_HELP)] = None,
    yes: Annotated[bool, typer.Option("--yes", help=consent.YES_HELP)] = False,
    index_dir: Annotated[list[Path] | None, locate.INDEXES_OR_SERVER] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help=locate.EVERYWHERE_HELP)] = False,
    follow: Annotated[str | None, typer.Option(metavar="URL", help=FOLLOW_HELP)] = None,
) -> int:
    """Answer searches on a web page and over HTTP, as docs/http.md describes, until Ctrl-C.

    The model stays loaded, and new commits of the index are seen within a second. Nothing is changed, and nothing
    is read but the index, and the files of pictures and figures that the page shows. With --follow, the index is a
    copy of a store's current snapshot, and a new one is seen within seconds. Exit status: 0 ended by Ctrl-C or
    SIGTERM, 2 error.
    """
    from vsearch_core import __version__, search_request

    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise ArgumentError(
            "serve", "the packages starlette and uvicorn aren't installed", "package-missing", extra="serve"
        )
    refuse_idle_options("serve", source="index" if follow is None else "store")
    follower = None
    if follow is None:
        folders = locate.indexes_to_read(index_dir or (), everywhere=everywhere, servers=True)
    else:
        follow = locate.store_url(follow)
        folders = [_followed_index(follow, index_dir or ())]
        follower = _follower(follow, folders[0])
    refuse_idle_address("serve", folders[0], base_url)
    is_local = _is_loopback(host)
    if not is_local and _is_any_address(host) and not allow_host:
        raise InputError(f"--host {host}", "accepts any address; name the host that clients use with --allow-host")
    secret, token_file = _token() if token or not is_local else (None, None)
    with (
        interruptible() as observer,
        open_indexes(folders, yes=yes, base_url=base_url, report=say, observer=observer, read_examples=False) as index,
        _listening(host, port) as listener,
        closing(follower) if follower is not None else nullcontext(),
    ):
        start_if_wanted(folders[0])
        index.prepare(search_request("ready"))  # asks for consent, and loads the model, before the first request
        if follower is not None:
            follower.start()
        bound = int(listener.getsockname()[1])
        app, end = _app(
            index, __version__, _hosts(host, bound, allow_host or ()), secret, log=_no_log if quiet else say
        )
        shown = f"[{host}]" if ":" in host else host
        say(f"vsearch: answering at http://{shown}:{bound}; open it in a browser; end with Ctrl-C")
        page = f"http://{allow_host[0]}/" if allow_host and _is_any_address(host) else f"http://{shown}:{bound}/"
        if token_file is not None:
            say(f"vsearch: the bearer token is in {token_file}")
            if sys.stderr.isatty():  # elsewhere, a log would keep it
                say(f"vsearch: the page with its token: {page}#token={secret}")
        if open_page:
            _open_in_browser(page)
        _run(app, listener)
        end()
    return 0


def _followed_index(url: str, given: Sequence[Path]) -> Path:
    """Return the folder of the copy of a store's snapshot: the given one, or one in the cache folder."""
    from hashlib import sha256

    from vsearch_core.config import default_cache_dir
    from vsearch_core.own_files import make_own_folders

    if len(given) > 1:
        raise InputError("--index", "is given twice; with --follow, name one folder for the copy")
    if given:
        return locate.index_to_write(given[0])
    folder = (cache_dir() or default_cache_dir()) / "followed" / sha256(url.encode()).hexdigest()[:32]
    try:
        make_own_folders(folder, 0o700)
    except OSError as error:
        raise StorageError(str(error.filename or folder), (error.strerror or str(error)).lower()) from None
    return folder / INDEX_DIR


def _follower(url: str, folder: Path) -> "SnapshotFollower":
    """Bring the copy of a store's snapshot up to date, and return its follower. It is not started yet.

    A store that can't be used now is only a warning if there is a copy of an earlier time.
    """
    from vsearch_core.library.snapshots import SnapshotFollower
    from vsearch_core.store.tables import CATALOG_FILE

    follower = SnapshotFollower(url, folder, complain)
    try:
        follower.pull()
    except SnapshotError as error:
        if not (folder / CATALOG_FILE).exists():
            raise
        complain(f"{describe(error)}; the copy in {folder} is answered from")
    return follower


def _app(
    index: Any, version: str, hosts: frozenset[str], secret: str | None, log: Callable[[str], None]
) -> "tuple[App, Callable[[], None]]":
    """Return the app, and a function that ends its threads. Agents are answered if the package mcp is installed."""
    from vsearch_core.serve.app import Api
    from vsearch_core.serve.request_queue import RequestQueue
    from vsearch_core.serve.security import Access

    work = RequestQueue(index, threads=max(2, os.cpu_count() or 1))
    pictures = RequestQueue(index, threads=1)  # one worker process decodes them
    mcp = None
    if find_spec("mcp") is not None:
        from vsearch_core.serve.mcp_http import McpOverHttp
        from vsearch_core.serve.mcp_server import IndexOnDemand, mcp_server
        from vsearch_core.serve.tools import TOOLS

        mcp = McpOverHttp(mcp_server(IndexOnDemand(lambda: index), work, TOOLS, version, describe, log))

    def end() -> None:
        work.close()
        pictures.close()

    return Api(index, work, pictures, version, log).app(Access(hosts, secret), mcp), end


def _run(app: "App", listener: socket.socket) -> None:
    from vsearch_core.serve.server import serve

    INTERRUPT.stops_in_order = INTERRUPT.noticed = True  # the server ends by itself after a signal
    serve(app, listener)


def _open_in_browser(page: str) -> None:
    """Open the page in the user's browser, in a thread: a browser in the terminal runs until the user ends it.

    The address has no token: other users of the machine can see it among the processes.
    """
    import webbrowser
    from threading import Thread

    def run() -> None:
        if not webbrowser.open(page):
            say(f"vsearch: no browser was found; open {page} yourself")

    Thread(target=run, daemon=True).start()


def _no_log(_: str) -> None:
    pass


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises InputError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise InputError(
            f"{host}:{port}", f"can't be listened on ({reason.lower()}); choose another --host or --port"
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any_address(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return host == ""


def _hosts(host: str, port: int, allowed: "tuple[()] | list[str]") -> frozenset[str]:
    """Return the values of the header Host that requests to this server may have, in lower case."""
    names = ["127.0.0.1", "localhost", "[::1]"] if _is_loopback(host) else []
    if not _is_any_address(host):
        names.append(f"[{host}]" if ":" in host else host)
    with_port = [f"{name}:{port}" for name in names] + (names if port == 80 else [])
    return frozenset(name.lower() for name in (*with_port, *allowed))


def _token() -> tuple[str, Path]:
    """Return the token in the user's state folder, and its file; make both if they are missing.

    Raises InputError if other users can read the file.
    """
    from secrets import token_urlsafe

    from vsearch_core.config import default_state_dir
    from vsearch_core.own_files import make_own_folders, open_file

    path = default_state_dir() / TOKEN_FILE
    try:
        make_own_folders(path.parent, 0o700)
        try:
            with open_file(path, "xb", permissions=0o600) as file:
                file.write(token_urlsafe(TOKEN_BYTES).encode() + b"\n")
        except FileExistsError:
            pass
        with open_file(path, "rb") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read(MAX_TOKEN_FILE)
    except OSError as error:
        raise StorageError(str(path), (error.strerror or str(error)).lower()) from None
    if os.name == "posix" and mode & 0o077:
        raise InputError(str(path), "can be read by other users; delete it, and a new token is made")
    token = text.decode("ascii", "replace").strip()
    if len(token) < TOKEN_BYTES:
        raise InputError(str(path), "has no token; delete it, and a new one is made")
    return token, path
