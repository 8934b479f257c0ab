"""Errors as RFC 9457 problem documents."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from vsearch_core.errors import FilterError, InputError, VsearchError
from vsearch_core.serve.fields import BodyError

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 1


@dataclass(eq=False)  # not frozen: Python stores the traceback in it
class Problem(Exception):  # noqa: N818 - the name in the RFC
    """An HTTP status, a code for programs, and a sentence about what is wrong. `more` are further members."""

    status: int
    code: str
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Return the problem document."""
        title = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        } | {**self.more}

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of the response."""
        headers = [(b"content-type", CONTENT_TYPE.encode())]
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers


def problem_of(error: VsearchError) -> Problem:
    """Return the problem for an error of the library.

    A wrong request is a 400. What the server can't do at the moment, such as to read its index, is a 503.
    """
    if isinstance(error, BodyError):
        return Problem(400, error.code, str(error), {"pointer": error.subject})
    if isinstance(error, InputError | FilterError) and error.code != "index-closed":
        return Problem(404 if error.code == "not-indexed" else 400, error.code, str(error))
    return Problem(503, error.code, str(error))


async def send_problem(problem: Problem, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Send a problem as the response of an ASGI app."""
    body = json.dumps(problem.json()).encode()
    headers = [*problem.headers(), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
