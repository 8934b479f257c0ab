"""The command `vsearch mcp`."""

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vsearch_core.config import INDEX_DIR
from vsearch_core.errors import ArgumentError, InputError

from . import locate
from .advice import describe
from .helper_embedder import by_helper
from .interrupts import INTERRUPTED
from .opening import open_index
from .output import complain, emit, say
from .servers import refuse_server

if TYPE_CHECKING:
    from vsearch_core import UpdateSummary

INDEXING_SECONDS = 3600.0  # that the tool index may take


def mcp(
    install: Annotated[
        Literal["claude", "claude-desktop", "codex", "cursor", "gemini", "vscode", "windsurf"] | None,
        typer.Option(metavar="AGENT", help="Put the server into the configuration of an agent, and end."),
    ] = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="With --install: only print what would be added to which file.")
    ] = False,
    allow_index: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="Also offer a tool that indexes files below this folder."),
    ] = None,
    index_dir: Annotated[list[Path] | None, locate.INDEXES_OPTION] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help=locate.EVERYWHERE_HELP)] = False,
) -> int:
    """Answer an agent over stdin and stdout by the Model Context Protocol (MCP), as docs/mcp.md describes.

    Agents start this command themselves: --install claude, claude-desktop, codex, cursor, gemini, vscode or windsurf
    tells one to. The tools search, read, similar and status only read the index. Exit status: 0 the agent has closed
    stdin, 2 error.
    """
    roots = [_root(name) for name in allow_index or ()]
    if install is not None:
        return _install(install, index_dir or (), roots, everywhere=everywhere, only_print=only_print)
    for each in index_dir or ():
        refuse_server(each, "`vsearch mcp`")
    if only_print:
        raise InputError("--print", "has no effect without --install; leave it out")
    if find_spec("mcp") is None:
        raise ArgumentError("mcp", "the package mcp isn't installed", "package-missing", extra="serve")
    _serve(index_dir or (), roots, everywhere=everywhere)
    return 0


def _root(name: str) -> Path:
    path = locate.named(name)
    if not path.is_dir():
        raise InputError("--allow-index", f"{name} is not a folder")
    return path


def _serve(index_dirs: Sequence[Path], roots: Sequence[Path], *, everywhere: bool) -> None:
    from vsearch_core import __version__
    from vsearch_core.serve.index_tool import index_tool
    from vsearch_core.serve.mcp_server import IndexOnDemand, mcp_server
    from vsearch_core.serve.mcp_stdio import serve_stdio
    from vsearch_core.serve.request_queue import RequestQueue
    from vsearch_core.serve.tools import TOOLS

    ending = Event()
    index = IndexOnDemand(lambda: _open(index_dirs, everywhere=everywhere))
    work = RequestQueue(index, threads=2)
    slow_work = RequestQueue(index, threads=1, waiting=0, seconds=INDEXING_SECONDS)
    tools = [*TOOLS, index_tool(lambda paths: _update(_first(index_dirs), paths, ending), roots)] if roots else TOOLS
    signal.signal(signal.SIGINT, _end)  # a thread waits for stdin, and an exception would wait for that thread
    serve_stdio(mcp_server(index, work, tools, __version__, describe, complain, slow_work=slow_work))
    ending.set()
    work.close()
    slow_work.close()


def _first(index_dirs: Sequence[Path]) -> Path | None:
    return index_dirs[0] if index_dirs else None


def _open(index_dirs: Sequence[Path], *, everywhere: bool) -> Any:  # an Index, of which the server needs some methods
    """Return the index, or several as one. The helper of the first one embeds the queries, if it runs."""
    folder, *others = locate.indexes_to_read(index_dirs, everywhere=everywhere)
    index = open_index(folder, report=say, read_examples=False, wrap_opener=partial(by_helper, folder))
    return index.join(others) if others else index


def _update(index_dir: Path | None, paths: Sequence[Path], ending: Event) -> "UpdateSummary":
    """Index files and folders into the first index, with the configured options, until the agent ends."""
    from vsearch_core import Observer

    from .defaults import choose, parse_size

    folder = locate.index_to_write(index_dir)
    walk = choose(folder, include=None, exclude=None, max_file_size=None)
    walk["max_file_size"] = parse_size(walk["max_file_size"])
    observer = Observer(should_stop=ending.is_set)
    with open_index(folder, create=True, report=say, observer=observer) as index:
        return index.update(paths, walk_defaults=walk)


def _end(_number: int, _frame: object) -> None:
    complain("interrupted")
    os._exit(INTERRUPTED)


def _install(
    name: str, index_dirs: Sequence[Path], roots: Sequence[Path], *, everywhere: bool, only_print: bool
) -> int:
    """Put the server into an agent's file, or print what would be put there."""
    from .agents import AGENTS, entry_for, install, snippet

    folder = locate.index_to_write(_first(index_dirs))
    project = folder.parent if folder.name == INDEX_DIR else locate.working_folder()
    command, *arguments = _own_command()
    arguments.append("mcp")
    for index in (folder, *map(locate.index_to_write, index_dirs[1:])):
        arguments += ["--index", str(index)]
    if everywhere:
        arguments.append("--everywhere")
    for root in roots:
        arguments += ["--allow-index", str(root)]
    agent = AGENTS[name]
    entry = entry_for(agent, command, arguments)
    if only_print:
        say(f"vsearch: add this to {agent.path(project)}")
        emit(snippet(agent, entry).rstrip())
        return 0
    path, changed = install(agent, project, entry)
    say(f"vsearch: {path} {'has the server now' if changed else 'had the server already'}; restart {name}")
    return 0


def _own_command() -> list[str]:
    """Return the absolute command that runs this program, since an agent may have another PATH."""
    script = Path(sys.argv[0]).absolute()
    return [str(script)] if script.name.startswith("vsearch") else [sys.executable, "-m", __package__ or ""]
