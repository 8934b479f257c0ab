"""The web page: one form, its hits and a passage beside them, on the server and for the page's script."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vsearch_core.errors import ExtractionError, InputError, VsearchError
from vsearch_core.serve import page_view
from vsearch_core.serve.fields import Field, parse_body
from vsearch_core.serve.page_form import SearchForm, parse_address, parse_form
from vsearch_core.serve.page_html import PICTURE_PATH, page
from vsearch_core.serve.page_view import PageAnswer, PageIndex
from vsearch_core.serve.problems import RETRY_SECONDS, Problem
from vsearch_core.serve.request_queue import RequestQueue
from vsearch_core.serve.security import FOREIGN_SITE
from vsearch_core.text.thumbnails import MEDIA_TYPE

Handler = Callable[[Request], Awaitable[Response]]
Body = Callable[[Request], Awaitable[object]]

# No inline scripts or styles, nothing from elsewhere, and no text can become markup by a mistake in the script. "blob:"
# is for thumbnails that the script has fetched with the token.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_FILES = {"/page.css": "text/css", "/page.js": "text/javascript", "/icon.svg": "image/svg+xml"}
_SIDES = {"small": 240, "large": 1200}  # pixels of the longer side of a thumbnail
_THUMBNAIL = {
    "place": Field("string", "The picture.", longest=5000, required=True),
    "size": Field("string", "How large it is shown.", choices=tuple(_SIDES)),
}
_HELD = "This link comes from another site. Press Enter to search for it."
_QUOTES = {
    "place": Field("string", "The passage.", longest=5000, required=True),
    "lines": Field("string", "The number of lines around it.", choices=("8", "80", "800")),
    "sentence": Field("string", "A text to highlight."),
    "window": Field("string", "Another text to highlight."),
}


class Page:
    """The page's handlers, over one index. With `needs_token`, they show nothing of the index without the token."""

    def __init__(
        self, index: PageIndex, work: RequestQueue, pictures: RequestQueue, json_body: Body, *, needs_token: bool
    ) -> None:
        """Answer from the index; `json_body` reads the body of a request. Thumbnails are made in the queue `pictures`.

        A page asks for ten thumbnails at once, which must not delay a search.
        """
        self._index = index
        self._work = work
        self._pictures = pictures
        self._json_body = json_body
        self._needs_token = needs_token

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return the handlers by method and path."""
        static = {("GET", path): partial(self._file, path.strip("/"), kind) for path, kind in _FILES.items()}
        own = {("GET", "/"): self._show, ("POST", "/page/hits"): self._hits, ("POST", "/page/passage"): self._passage}
        return {**own, ("GET", PICTURE_PATH): self._thumbnail, **static}

    async def _show(self, request: Request) -> Response:
        """Return the page with its answer, or without one if the token is needed or a foreign page made the request."""
        form, status, answer = SearchForm(), 200, PageAnswer()
        is_foreign = request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}
        is_held = False
        try:
            form = parse_address(request.query_params)
            is_held = is_foreign and bool(form.q or form.open)
            if is_held:
                answer = PageAnswer(notice=_HELD)
            elif not self._needs_token:
                answer = await self._work.run(partial(page_view.answer, self._index, form))
        except (VsearchError, Problem) as error:
            status, answer = page_view.explain_error(error)
        text = page(form, answer, needs_token=self._needs_token, is_held=is_held)
        headers = {"Content-Security-Policy": POLICY, "Cross-Origin-Opener-Policy": "same-origin"}
        return Response(text.encode(), status, headers | _retry(status), "text/html")

    async def _hits(self, request: Request) -> Response:
        """Answer the form's fields as JSON with what the page shows for them."""
        body = await self._json_body(request)

        def job() -> dict[str, Any]:
            form = parse_form(body)
            found = asdict(page_view.answer(self._index, form))
            return {**found, "active": form.filters}

        return await self._answer(job)

    async def _passage(self, request: Request) -> Response:
        """Answer the name of a passage, and texts to highlight in it, as JSON with what the page shows."""
        body = await self._json_body(request)

        def job() -> dict[str, Any]:
            asked = parse_body(body, _QUOTES)
            form = SearchForm(open=asked["place"], lines=asked.get("lines", ""))
            quotes = asked.get("sentence", ""), asked.get("window", "")
            return asdict(page_view.read_passage(self._index, form.open, form.context, *quotes))

        return await self._answer(job)

    async def _thumbnail(self, request: Request) -> Response:
        """Return a picture of the index, made smaller. Its ETag is the hash of its bytes."""
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise FOREIGN_SITE  # even a link: only the page shows pictures
        values = parse_body(dict(request.query_params), _THUMBNAIL)
        longest = _SIDES[values.get("size", "small")]
        path = str(self._index.root / values["place"])
        try:
            found = await self._pictures.run(partial(self._index.thumbnail, path, longest=longest))
        except (InputError, ExtractionError) as error:
            raise Problem(404, error.code, str(error)) from None
        tag = f'"{blake2b(found.data, digest_size=16).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(found.data, 200, headers, MEDIA_TYPE)

    async def _answer(self, job: Callable[[], dict[str, Any]]) -> Response:
        try:
            return JSONResponse(await self._work.run(job))
        except (VsearchError, Problem) as error:
            status, answer = page_view.explain_error(error)
            return JSONResponse(asdict(answer), status, _retry(status))

    async def _file(self, name: str, kind: str, request: Request) -> Response:
        return Response(files(__package__).joinpath("page_files", name).read_bytes(), media_type=kind)


def _retry(status: int) -> dict[str, str]:
    return {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}
