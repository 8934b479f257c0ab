"""Serve one MCP client over stdin and stdout, until it closes them."""

from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.stdio import stdio_server

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server


def serve_stdio(server: "Server[Any]") -> None:
    """Answer the client's messages until it closes stdin, or stops to read.

    Until then stdin is empty for all other code, and what that prints goes to stderr.
    """
    try:
        anyio.run(_serve, server)
    except* (BrokenPipeError, ConnectionError):
        pass  # the client has ended


async def _serve(server: "Server[Any]") -> None:
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())
