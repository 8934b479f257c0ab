"""The command `vsearch mcp`."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from vsearch_core.errors import ArgumentError

from . import locate
from .advice import describe
from .interrupts import INTERRUPTED
from .opening import open_index
from .output import complain, say


def mcp(
    index_dir: Annotated[Path | None, typer.Option("--index", metavar="DIR", help=locate.INDEX_HELP)] = None,
) -> int:
    """Answer an agent over stdin and stdout by the Model Context Protocol (MCP), as docs/mcp.md describes.

    Agents start this command themselves. The tools search, read, similar and status only read the index. Exit status:
    0 the agent has closed stdin, 2 error.
    """
    if find_spec("mcp") is None:
        raise ArgumentError("mcp", "the package mcp isn't installed", "package-missing", extra="serve")
    from vsearch_core import __version__
    from vsearch_core.serve.mcp_server import IndexOnDemand, mcp_server
    from vsearch_core.serve.mcp_stdio import serve_stdio
    from vsearch_core.serve.request_queue import RequestQueue
    from vsearch_core.serve.tools import TOOLS

    index = IndexOnDemand(lambda: _open(index_dir))
    work = RequestQueue(index, threads=2)
    signal.signal(signal.SIGINT, _end)  # a thread waits for stdin, and an exception would wait for that thread
    serve_stdio(mcp_server(index, work, TOOLS, __version__, describe, complain))
    work.close()
    return 0


def _open(index_dir: Path | None) -> Any:  # an Index, of which the server needs some methods
    folder = locate.index_to_read(index_dir)
    return open_index(folder, report=say, read_examples=False)


def _end(_number: int, _frame: object) -> None:
    complain("interrupted")
    os._exit(INTERRUPTED)
