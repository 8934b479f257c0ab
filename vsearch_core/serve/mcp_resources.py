"""The documents of an index as MCP resources: listed in pages, and read as stored text."""

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import mcp_types as types
from mcp.shared.exceptions import MCPError

from vsearch_core.printable import one_line, printable

if TYPE_CHECKING:
    from vsearch_core.serve.app import ServedIndex

PAGE = 200  # resources
MOST_TOKENS = 100_000  # of the text of a resource
MIME_TYPE = "text/plain"
SCHEME = "vsearch:///"  # and the path as the index stores it
TEMPLATE = types.ResourceTemplate(
    name="document",
    title="An indexed document",
    uri_template=f"{SCHEME}{{+path}}",
    description="The stored text of an indexed document, by its path as a hit of `search` names it.",
    mime_type=MIME_TYPE,
)


def uri_of(path: str) -> str:
    """Return the URI of the document that the index stores under `path`."""
    return SCHEME + quote(path)


def path_of(uri: str) -> str:
    """Return the path of a document, given its URI. Raises MCPError."""
    if not uri.startswith(SCHEME):
        raise MCPError(types.INVALID_PARAMS, f"the URI of a document begins with {SCHEME}")
    return unquote(uri.removeprefix(SCHEME))


def list_documents(open_index: "Callable[[], ServedIndex]", cursor: str | None) -> types.ListResourcesResult:
    """Return a page of the documents, sorted by path, and the cursor of the next page if there is one.

    A cursor is the number of documents before its page. Raises MCPError for one that is none.
    """
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 12):
        raise MCPError(types.INVALID_PARAMS, "the cursor is not one of this server")
    start = int(cursor or 0)
    paths = (each.path for each in open_index().files() if each.state in {"indexed", "partly"})
    found = list(islice(paths, start, start + PAGE + 1))
    resources = [types.Resource(uri=uri_of(path), name=one_line(path), mime_type=MIME_TYPE) for path in found[:PAGE]]
    return types.ListResourcesResult(resources=resources, next_cursor=str(start + PAGE) if len(found) > PAGE else None)


def read_document(open_index: "Callable[[], ServedIndex]", uri: str) -> types.ReadResourceResult:
    """Return the stored text of a document; a very long one is cut off, and says so at its end."""
    found = open_index().read(path_of(uri), max_tokens=MOST_TOKENS)
    text = printable(found.text)
    if found.truncated:
        text += f"\n\n[cut off here, after line {found.end_line} of {found.last_line}]"
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=MIME_TYPE, text=text)])
