"""Serve the MCP server over HTTP, without sessions: each request is answered on its own, in JSON."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager

from vsearch_core.serve.security import MAX_BODY, App

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server


class McpOverHttp:
    """An ASGI app for one route, and a context in which it must run. Who may ask is checked before (`security`)."""

    def __init__(self, server: "Server[Any]") -> None:
        """Answer by the server."""
        self._manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=MAX_BODY
        )
        self.app: App = StreamableHTTPASGIApp(self._manager)

    def lifespan(self) -> Callable[[Any], AbstractAsyncContextManager[None]]:
        """Return the context, as a function of the outer app."""

        @asynccontextmanager
        async def running(_app: Any) -> AsyncIterator[None]:
            async with self._manager.run():
                yield

        return running
