"""The OpenAPI document of the HTTP API, made from the tables that check requests."""

from collections.abc import Mapping
from typing import Any

from vsearch_core.serve.fields import READ, SEARCH, SIMILAR, Field
from vsearch_core.serve.problems import CONTENT_TYPE

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "pointer": {"type": "string"},
    },
}
_ERRORS = {
    "400": "A field is missing, unknown or wrong.",
    "401": "The bearer token is missing or wrong.",
    "403": "The request comes from another site.",
    "404": "There is nothing of that name.",
    "408": "The body took too long to arrive.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "421": "The header Host names another server.",
    "500": "The server failed.",
    "503": "The server is busy, or can't read its index; the header Retry-After says when to try again.",
    "504": "The answer took too long.",
}


def openapi(version: str) -> dict[str, Any]:
    """Return the document; `version` is that of the package."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "vsearch", "version": version, "summary": "Search your documents by meaning and by keyword."},
        "paths": {
            "/v1/search": {"post": _post("search", "Search the index.", SEARCH, "vsearch.results/1", lines=True)},
            "/v1/similar": {
                "post": _post("similar", "Find what is like an indexed file.", SIMILAR, "vsearch.results/1")
            },
            "/v1/read": {"post": _post("read", "Read stored text.", READ, "vsearch.text/1")},
            "/v1/status": {"get": _get("status", "The contents of the index.", "application/json")},
            "/healthz": {"get": _get("health", "Answer if the server runs.", "text/plain")},
            "/metrics": {"get": _get("metrics", "Counters for Prometheus.", "text/plain")},
            "/openapi.json": {"get": _get("openapi", "This document.", "application/json")},
        },
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _post(name: str, about: str, fields: Mapping[str, Field], schema: str, *, lines: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: field.schema() for name, field in fields.items()},
    }
    if lines:
        many = {"properties": {"queries": {"type": "array"}}, "required": ["queries"]}
        alone = {"properties": {name: {"type": "null"} for name in ("query", "snippets")}}
        body |= {"if": many, "then": alone}
    required = [name for name, field in fields.items() if field.required]
    if required:
        body["required"] = required
    answer = {"type": "object", "required": ["schema"], "properties": {"schema": {"const": schema}}}
    content: dict[str, Any] = {"application/json": {"schema": answer}}
    if lines:
        content["application/x-ndjson"] = {"schema": {"type": "string", "description": "One answer a line."}}
    return {
        "operationId": name,
        "summary": about,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "The answer.", "content": content}, **_problems()},
    }


def _get(name: str, about: str, content_type: str) -> dict[str, Any]:
    schema = {"type": "object"} if content_type == "application/json" else {"type": "string"}
    answer = {"description": "The answer.", "content": {content_type: {"schema": schema}}}
    return {"operationId": name, "summary": about, "responses": {"200": answer, **_problems()}}


def _problems() -> dict[str, Any]:
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": about, "content": content} for status, about in _ERRORS.items()}
