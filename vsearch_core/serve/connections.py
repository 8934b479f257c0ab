"""Bound the open connections of the server, and the time that each may wait for its client.

Without bounds, a client that opens many connections and sends nothing, or sends a byte at times, would keep all others
from being answered ("slowloris").
"""

import asyncio
import socket
import time

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 100
HEAD_SECONDS = 10.0  # in which the head of a request must have arrived, after the connection or the last answer
TAKE_SECONDS = 30.0  # in which a client must have taken what has been written to it


class BoundedConnection(H11Protocol):
    """A connection that is closed if its client is too slow.

    If there are more than MAX_CONNECTIONS, the oldest one that waits for its client is closed.
    """

    _opened = 0.0
    _deadline: asyncio.TimerHandle | None = None

    @property
    def has_request(self) -> bool:
        """Return True if a request is being answered, or its body is being read."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def waits_for_client(self) -> bool:
        """Return True if nothing can be done before the client sends something, or takes what was sent to it."""
        return not self.has_request or self.cycle.more_body or self.flow.write_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request. Close the oldest waiting connection, this one if need be, if there are many."""
        super().connection_made(transport)
        # An answer is two writes. Without this, the second would wait 40 ms for the client's delayed acknowledgement;
        # asyncio sets it only for sockets that were made with the protocol's number.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._opened = time.monotonic()
        self._set_deadline(HEAD_SECONDS)
        if len(self.connections) > MAX_CONNECTIONS:
            others = (each for each in self.connections if isinstance(each, BoundedConnection))
            oldest = min((each for each in others if each.waits_for_client), key=lambda each: each._opened)
            self.connections.discard(oldest)
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._set_deadline(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent. Stop waiting for a request if one is there."""
        super().data_received(data)
        if self.has_request and not self.flow.write_paused:
            self._set_deadline(None)  # the app bounds the time for a body

    def on_response_complete(self) -> None:
        """Wait until the answer is taken, or for the next request."""
        super().on_response_complete()
        if not self.has_request:
            self._set_deadline(TAKE_SECONDS if self.transport.get_write_buffer_size() else HEAD_SECONDS)

    def pause_writing(self) -> None:
        """Wait until the client has taken what was written."""
        super().pause_writing()
        self._set_deadline(TAKE_SECONDS)

    def resume_writing(self) -> None:
        """Continue, now that the client has taken nearly all."""
        super().resume_writing()
        self._set_deadline(None if self.has_request else HEAD_SECONDS)

    def _set_deadline(self, seconds: float | None) -> None:
        """Close the connection after some seconds, instead of an earlier deadline; None: don't."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
