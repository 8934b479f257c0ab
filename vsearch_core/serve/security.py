"""Refuse requests that a foreign page, another host name or another user of the machine has made.

A server on loopback can be reached by every page that the user's browser shows: by simple requests, and by DNS
rebinding. So each request must name one of our hosts, may only come from our own pages, and changes of state and
searches must be JSON. docs/security.md has the reasons.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from vsearch_core.serve.problems import Problem, send_problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 256_000  # bytes
BODY_SECONDS = 10.0  # in which a body must have arrived

PUBLIC_PATHS = frozenset({"/healthz", "/", "/page.css", "/page.js", "/icon.svg"})  # which show nothing of the index

UNKNOWN_HOST = Problem(421, "unknown-host", "this server doesn't answer for that host name")
FOREIGN_ORIGIN = Problem(403, "foreign-origin", "requests from other origins are refused")
FOREIGN_SITE = Problem(403, "foreign-site", "requests from other sites are refused")
UNAUTHORIZED = Problem(401, "unauthorized", "the header Authorization must have the bearer token")
NOT_JSON = Problem(415, "not-json", "the content type must be application/json")
TOO_LARGE = Problem(413, "body-too-large", f"a body may have {MAX_BODY:,} bytes")

_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


@dataclass(frozen=True, slots=True)
class Access:
    """The requests that are let through.

    `hosts` are the values of the header Host, in lower case, such as "localhost:8765". If `token` is not None, a
    request must send it in the header Authorization, but for `PUBLIC_PATHS`. A POST must be JSON, but for the paths in
    `without_post`, where the app refuses every POST.
    """

    hosts: frozenset[str]
    token: str | None = field(default=None, repr=False)
    without_post: frozenset[str] = frozenset()

    def problem_of(self, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> Problem | None:
        """Return the reason to refuse a request, or None."""

        def values(name: bytes) -> list[str]:
            return [value.decode("latin-1").strip() for key, value in headers if key.lower() == name]

        host = values(b"host")
        is_navigation = method == "GET" and values(b"sec-fetch-mode") == ["navigate"]
        sites = [] if is_navigation else values(b"sec-fetch-site")
        needs_token = self.token is not None and path not in PUBLIC_PATHS
        checks = (
            (len(host) == 1 and host[0].lower() in self.hosts, UNKNOWN_HOST),
            (all(origin.lower() == f"http://{''.join(host).lower()}" for origin in values(b"origin")), FOREIGN_ORIGIN),
            (all(site.lower() in {"same-origin", "none"} for site in sites), FOREIGN_SITE),
            (not needs_token or self._is_authorized(values(b"authorization")), UNAUTHORIZED),
            (method != "POST" or path in self.without_post or _is_json(values(b"content-type")), NOT_JSON),
            (all(each.isdecimal() and int(each) <= MAX_BODY for each in values(b"content-length")), TOO_LARGE),
        )
        return next((problem for passes, problem in checks if not passes), None)

    def _is_authorized(self, given: list[str]) -> bool:
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        matches = hmac.compare_digest(token.strip().encode(), (self.token or "").encode())
        return scheme.lower() == "bearer" and matches


def _is_json(types: list[str]) -> bool:
    return len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json"


def protected(app: App, access: Access) -> App:
    """Return an ASGI app that passes on only what `access` lets through, and adds headers to each response."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message.get("headers", ())}
                added = [pair for pair in _HEADERS if pair[0] not in own]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        problem = access.problem_of(scope["method"], scope["path"], scope["headers"])
        if problem is not None:
            await send_problem(problem, send_with_headers)
        else:
            await app(scope, receive, send_with_headers)

    return guard
