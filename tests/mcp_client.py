"""Ask the MCP server of a real `vsearch`, by the client of the package `mcp`."""

import json
import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import anyio
import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from process import DEADLINE, Vsearch

T = TypeVar("T")
ERAS = {"auto": "2026-07-28", "legacy": "2025-11-25"}  # the client's mode, and the protocol that it then agrees on


@dataclass(frozen=True)
class ToolResult:
    """The result of a tool call. `images` have the media type and the data in base64."""

    is_error: bool
    text: str
    locators: Any
    images: tuple[tuple[str, str], ...] = ()

    @property
    def error(self) -> str:
        """The message of a call that failed as it should: one line, and nothing else."""
        assert self.is_error, self
        assert self.locators is None, self
        assert "\n" not in self.text, self
        assert "Traceback" not in self.text, self
        return self.text


async def called(client: Any, tool: str, **arguments: Any) -> ToolResult:
    """Call a tool, and return its result, which must have one text, and perhaps images after it."""
    result = await client.call_tool(tool, arguments)
    content, *images = result.content
    shown = tuple((each.mime_type, each.data) for each in images)
    return ToolResult(result.is_error, content.text, result.structured_content, shown)


def over_stdio(
    vsearch: Vsearch,
    cwd: Path,
    use: Callable[[Any], Awaitable[T]],
    *arguments: str,
    mode: str = "auto",
    name: str | None = None,
) -> T:
    """Start `vsearch mcp`, and return the result of `use`, which gets a connected client.

    `name` is the name that the client gives itself.
    """
    command, *rest = vsearch.command("mcp", *arguments)
    parameters = StdioServerParameters(command=command, args=rest, env=dict(vsearch.environment), cwd=cwd)
    info = None if name is None else types.Implementation(name=name, version="1")

    async def run() -> T:
        with anyio.fail_after(DEADLINE), Path(os.devnull).open("w", encoding="utf-8") as log:
            transport = stdio_client(parameters, errlog=log)
            async with Client(transport, mode=mode, client_info=info) as client:
                return await use(client)

    return anyio.run(run)


def over_http(
    port: int, use: Callable[[Any], Awaitable[T]], *, mode: str = "auto", headers: Mapping[str, str] | None = None
) -> T:
    """Return the result of `use`, which gets a client that is connected to /mcp of a server on this machine."""

    async def run() -> T:
        with anyio.fail_after(DEADLINE):
            async with httpx2.AsyncClient(headers=headers, timeout=DEADLINE) as http:
                transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)
                async with Client(transport, mode=mode) as client:
                    return await use(client)

    return anyio.run(run)


@dataclass
class RawServer:
    """A `vsearch mcp` that gets lines of JSON, and whose every line on stdout must be JSON."""

    process: "subprocess.Popen[bytes]"
    numbers: list[int] = field(default_factory=lambda: [0])

    def ask(self, method: str, **params: Any) -> Any:
        """Send a request, and return the message with its answer."""
        self.numbers[0] += 1
        self.send({"jsonrpc": "2.0", "id": self.numbers[0], "method": method, "params": params})
        answer = json.loads(cast("IO[bytes]", self.process.stdout).readline())
        assert answer["id"] == self.numbers[0]
        return answer

    def send(self, message: Mapping[str, Any]) -> None:
        stdin = cast("IO[bytes]", self.process.stdin)
        stdin.write(json.dumps(message).encode() + b"\n")
        stdin.flush()

    def initialize(self) -> Any:
        client = {"name": "raw", "version": "1"}
        answer = self.ask("initialize", protocolVersion=ERAS["legacy"], capabilities={}, clientInfo=client)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    def call(self, tool: str, **arguments: Any) -> Any:
        return self.ask("tools/call", name=tool, arguments=arguments)["result"]


def raw_server(vsearch: Vsearch, cwd: Path, *arguments: str) -> AbstractContextManager[RawServer]:
    """Start `vsearch mcp`; after the block, close its stdin: it must then end with status 0."""

    @contextmanager
    def running() -> Any:
        with vsearch.start("mcp", *arguments, cwd=cwd, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                yield RawServer(process)
                out, _ = process.communicate(timeout=DEADLINE)
                assert (process.returncode, out) == (0, b"")
            finally:
                process.kill()

    return running()
