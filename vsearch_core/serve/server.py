"""Run the API on a socket until a signal ends it."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from vsearch_core.serve.connections import MAX_CONNECTIONS, BoundedConnection
from vsearch_core.serve.security import App

GOODBYE_SECONDS = 10  # in which answers under way can end after a signal
HEADER_BYTES = 16_384


class _Server(uvicorn.Server):
    """Ends at the first SIGINT or SIGTERM, after the answers under way, and returns to the caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle both signals in the block. Unlike uvicorn, don't raise them again after it."""
        former = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


def serve(app: App, listener: socket.socket) -> None:
    """Answer requests on the listening socket until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        http=BoundedConnection,
        backlog=MAX_CONNECTIONS,  # also the most connections that are accepted at once
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        h11_max_incomplete_event_size=HEADER_BYTES,
    )
    _Server(config).run(sockets=[listener])
