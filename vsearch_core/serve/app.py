"""The routes of the HTTP API, as an ASGI app."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from vsearch_core.errors import VsearchError
from vsearch_core.json_text import parse_json, safe_json
from vsearch_core.search.results import Results
from vsearch_core.search.results_json import error_json, results_json
from vsearch_core.serve import metrics as prometheus
from vsearch_core.serve.fields import READ, SEARCH, SIMILAR, BodyError, parse_body
from vsearch_core.serve.metrics import Metrics
from vsearch_core.serve.openapi import openapi
from vsearch_core.serve.page import Page
from vsearch_core.serve.page_view import PageIndex
from vsearch_core.serve.problems import CONTENT_TYPE, Problem, problem_of
from vsearch_core.serve.request_queue import Refreshed, RequestQueue
from vsearch_core.serve.security import (
    BODY_SECONDS,
    MAX_BODY,
    TOO_LARGE,
    Access,
    App,
    Message,
    Receive,
    Scope,
    Send,
    protected,
)

if TYPE_CHECKING:
    from vsearch_core.serve.mcp_http import McpOverHttp

Log = Callable[[str], None]

_COUNTS = ("generation", "files", "chunks", "pending_files")  # of a status, which are added up for several indexes


class ServedIndex(Refreshed, PageIndex, Protocol):
    """An index, as the API uses it: some methods of `vsearch_core.Index`."""

    @property
    def generation(self) -> int:
        """Return the number of the generation that searches see."""

    def similar(self, place: str, *, snippets: bool = False, **options: Any) -> Results:
        """Return the chunks that are most similar to an indexed file."""

    def files(self) -> Iterable[Any]:
        """Yield the path and the state of each file, sorted by path."""

    def statuses(self) -> Sequence[Any]:
        """Return that of each index, if several are searched as one; else that of the one."""


class Api:
    """The handlers of all routes, over one index."""

    def __init__(self, index: ServedIndex, work: RequestQueue, pictures: RequestQueue, version: str, log: Log) -> None:
        """Answer from the index. `log` is called with a line for each request, which has no texts of queries.

        Thumbnails are made in the queue `pictures`, everything else in `work`.
        """
        self._index = index
        self._work = work
        self._pictures = pictures
        self._version = version
        self._log = log
        self._metrics = Metrics()

    def app(self, access: Access, mcp: "McpOverHttp | None" = None) -> App:
        """Return the ASGI app, which lets through what `access` allows; `mcp` answers at the route /mcp."""
        routes = [
            Route("/v1/search", self._handler(self._search), methods=["POST"]),
            Route("/v1/similar", self._handler(self._similar), methods=["POST"]),
            Route("/v1/read", self._handler(self._read), methods=["POST"]),
            Route("/v1/status", self._handler(self._status), methods=["GET"]),
            Route("/healthz", self._handler(self._health), methods=["GET"]),
            Route("/metrics", self._handler(self._counters), methods=["GET"]),
            Route("/openapi.json", self._handler(self._openapi), methods=["GET"]),
        ]
        page = Page(self._index, self._work, self._pictures, _json_body, needs_token=access.token is not None)
        routes += [Route(path, self._handler(each), methods=[way]) for (way, path), each in page.handlers().items()]
        if mcp is not None:
            routes.append(Route("/mcp", _Recorded(mcp.app, self._record), methods=["POST"]))
        lifespan = None if mcp is None else mcp.lifespan()
        app = Starlette(routes=routes, exception_handlers={HTTPException: _unknown_route}, lifespan=lifespan)
        without_post = {route.path for route in routes} - {
            route.path for route in routes if "POST" in (route.methods or ())
        }
        return protected(app, replace(access, without_post=frozenset(without_post)))

    def _record(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request of a route, and log it; the path has nothing that a client made up."""
        self._metrics.count(path, status, seconds)
        self._log(f"{method} {path} {status} {seconds * 1000:.1f} ms")

    def _handler(self, handle: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Return a handler that turns errors into problems, counts the request, and logs it."""

        async def handler(request: Request) -> Response:
            started = time.perf_counter()
            try:
                response: Response = await handle(request)
            except Problem as problem:
                response = _as_response(problem)
            except VsearchError as error:
                response = _as_response(problem_of(error))
            except ClientDisconnect:
                response = Response(status_code=HTTPStatus.BAD_REQUEST)
            except Exception as error:
                self._log(f"internal error: {type(error).__name__}")
                response = _as_response(
                    Problem(500, "internal-error", "the server failed; its log has the kind of error")
                )
            self._record(request.method, request.url.path, response.status_code, time.perf_counter() - started)
            return response

        return handler

    async def _search(self, request: Request) -> Response:
        options = parse_body(await _json_body(request), SEARCH)
        queries = options.pop("queries", None)
        if queries is None:
            text = options.pop("query", "")
            results = await self._work.run(partial(self._index.search, text, **_search_options(options)))
            return _json_response(_answer(results))
        if "query" in options or "snippets" in options:
            raise BodyError("/queries", "can't be combined with query or snippets")
        return StreamingResponse(self._answers(queries, _search_options(options)), media_type="application/x-ndjson")

    async def _answers(self, queries: list[str], options: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """Yield a line of JSON for each query, in order, also for one that fails."""
        for query in queries:
            try:
                results = await self._work.run(partial(self._index.search, query, **options))
                value = results_json(results)
            except (VsearchError, Problem) as error:
                problem = error if isinstance(error, Problem) else problem_of(error)
                value = error_json(query, problem.detail)
            yield safe_json(value).encode() + b"\n"

    async def _similar(self, request: Request) -> Response:
        options = parse_body(await _json_body(request), SIMILAR)
        place = options.pop("place")
        results = await self._work.run(partial(self._index.similar, place, **_search_options(options)))
        return _json_response(_answer(results))

    async def _read(self, request: Request) -> Response:
        options = parse_body(await _json_body(request), READ)
        found = await self._work.run(partial(self._index.read, options.pop("path"), **options))
        return _json_response({"schema": "vsearch.text/1", **asdict(found)})

    async def _status(self, request: Request) -> Response:
        found = await self._work.run(self._index.statuses)
        values = [_status_json(each) for each in found]
        total = {name: sum(each[name] for each in values) for name in _COUNTS}
        latest = max(each["last_commit"] or "" for each in values) or None
        value = {**values[0], **total, "last_commit": latest, "indexes": values}
        del value["index"]
        return _json_response({"schema": "vsearch.server/1", "version": self._version, **value})

    async def _health(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _counters(self, request: Request) -> Response:
        generation = await self._work.run(lambda: self._index.generation)
        text = self._metrics.text(in_progress=self._work.in_progress, generation=generation)
        return Response(text, media_type=prometheus.CONTENT_TYPE)

    async def _openapi(self, request: Request) -> Response:
        return _json_response(openapi(self._version))


class _Recorded:
    """An ASGI app whose requests are recorded by a function of method, path, status and seconds."""

    def __init__(self, app: App, record: Callable[[str, str, int, float], None]) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 500

        async def noting_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, receive, noting_status)
        self._record(scope["method"], scope["path"], status, time.perf_counter() - started)


def _status_json(status: Any) -> dict[str, Any]:
    """Return the parts of an index's status that clients need."""
    names = ("generation", "last_commit", "files", "chunks", "pending_files", "language")
    model = {"provider": status.fingerprint.provider, "model": status.fingerprint.model}
    return {"index": str(status.index), **{name: getattr(status, name) for name in names}, "embedder": model}


def _search_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"collapse": True, **options}


def _answer(results: Results) -> dict[str, Any]:
    """Return results as the command line prints them in JSON, with the snippets of the hits if they were requested."""
    value = results_json(results)
    for values, hit, snippet in zip(value["hits"], results.hits, results.snippets, strict=False):
        heading = hit.as_chunk().heading_at(snippet.start)
        marks = [list(mark) for mark in snippet.marks]
        values["snippet"] = {
            "text": snippet.text,
            "marks": marks,
            "heading": heading,
            "header": snippet.header,
        }
    return value


async def _json_body(request: Request) -> object:
    """Return the body's value. Raises Problem if it is too large, too slow or no JSON."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for block in request.stream():
                body += block
                if len(body) > MAX_BODY:
                    raise TOO_LARGE
    except TimeoutError:
        raise Problem(408, "body-timeout", f"the body took longer than {BODY_SECONDS:g} seconds") from None
    try:
        return parse_json(bytes(body).decode())
    except ValueError:
        raise Problem(400, "invalid-json", "the body is not JSON in UTF-8") from None


def _json_response(value: object) -> Response:
    return Response(safe_json(value).encode(), media_type="application/json")


def _as_response(problem: Problem) -> Response:
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    return Response(safe_json(problem.json()), problem.status, headers, CONTENT_TYPE)


async def _unknown_route(request: Request, error: Exception) -> Response:
    """Answer a path or a method that no route has."""
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
    code = "no-such-method" if status == HTTPStatus.METHOD_NOT_ALLOWED else "no-such-route"
    response = _as_response(Problem(status, code, "see /openapi.json for the routes and their methods"))
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response
