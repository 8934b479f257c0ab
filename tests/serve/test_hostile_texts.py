"""Hostile documents, names and requests are answered as JSON, with nothing in it that a page or terminal obeys."""

import json
import os
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from process import Vsearch
from serve_client import Answer, RunningServer, running_server

pytest.importorskip("uvicorn")

from vsearch_core.serve.fields import READ, SEARCH, SIMILAR, Field

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)></pre></title>"
BIDI = "\u202egnp.exe\u202c \u2066hidden\u2069 \u200f\u061c\ufeff\u2028\u2029"
ESCAPES = "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07 \x1b[2J \x9b31m \x90 \x7f \x08\x08 \x00"
DOCUMENTS = {
    "script.txt": f"heron {SCRIPT} {{{{7*7}}}} ${{7*7}} ' onload=' \"",
    "bidi.txt": f"heron {BIDI}",
    "escapes.txt": f"heron {ESCAPES}",
    "page.html": f"<title>{SCRIPT}</title><h1>heron {SCRIPT}</h1><p>heron &lt;script&gt;alert(3)&lt;/script&gt;",
    "note.md": f"# heron {SCRIPT}\n\n[heron](javascript:alert(1)) ![x](http://evil.example/x.png)\n",
    "huge.txt": "heron " + "w" * 300_000,
    "wide.txt": "heron " * 2000,
    "crlf.txt": "heron\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n",
    f"{SCRIPT.replace('/', '')}.txt": "heron in a name with markup",
    "line\nbreak \u202etxt.txt": "heron in a name with a line break",
}
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture(scope="module")
def server(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("hostile") / "docs"
    folder.mkdir()
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    if os.name == "posix":
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.txt")).write_text("heron in a name that is no UTF-8")
    assert vsearch("index", ".", cwd=folder).status == 0
    with running_server(vsearch, folder, folder.parent / "serve.log") as running:
        yield running


def check_harmless(answer: Answer) -> list[Any]:
    """Return the JSON values of an answer, which must be JSON that no browser takes for a page."""
    assert answer.headers["content-type"] in {"application/json", "application/x-ndjson", "application/problem+json"}
    assert answer.headers["x-content-type-options"] == "nosniff" and "set-cookie" not in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    text = answer.body.decode()
    assert UNSAFE.search(text) is None
    return [json.loads(line) for line in text.splitlines()]


def test_hostile_documents_are_answered_as_data(server: RunningServer) -> None:
    for mode in ("keyword", "vector"):
        for options in ({}, {"snippets": True, "context": 2}, {"max_tokens": 500}, {"min_score": 0, "diversity": 1}):
            (value,) = check_harmless(server.post("/v1/search", query="heron", mode=mode, k=100, **options))
            assert value["hits"]
    (value,) = check_harmless(server.post("/v1/search", query="heron", k=100, mode="keyword", collapse=False))
    texts = {hit["path"]: hit["text"] for hit in value["hits"]}
    assert SCRIPT in texts["script.txt"] and "\u202egnp.exe" in texts["bidi.txt"]
    for hit in value["hits"]:
        (read,) = check_harmless(server.post("/v1/read", path=hit["path"], max_tokens=100_000))
        assert "heron" in read["text"]
        check_harmless(server.post("/v1/similar", place=hit["path"], snippets=True))
    check_harmless(server.get("/v1/status"))


@pytest.mark.parametrize(
    "text", [SCRIPT, BIDI, ESCAPES, "a\r\nSet-Cookie: a=b", "\U0010ffff\ufffe\ud7ff", "%0d%0a\\u202e"]
)
def test_hostile_requests_are_answered_as_data(server: RunningServer, text: str) -> None:
    answers = [
        server.post("/v1/search", query=text),
        server.post("/v1/search", queries=[text, text]),
        server.post("/v1/search", query="heron", where=text),
        server.post("/v1/search", query="heron", since=text),
        server.post("/v1/search", query="heron", path=[text], ext=[text]),
        server.post("/v1/search", query="heron", more_like=[text]),
        server.post("/v1/search", **{text: 1}),
        server.post("/v1/similar", place=text),
        server.post("/v1/read", path=text),
    ]
    for answer in answers:
        check_harmless(answer)
        assert answer.status in {200, 400, 404}
    log = server.log.read_text(encoding="utf-8", errors="replace")
    assert UNSAFE.search(log) is None and "script" not in log


def test_a_path_with_markup_is_not_repeated(server: RunningServer) -> None:
    for path in ("/<script>", "/%3Cscript%3E", "/v1/search%0d%0aSet-Cookie:a=b", "//evil.example/", "/v1/../healthz"):
        answer = server.request("GET", path)
        check_harmless(answer)
        assert answer.status in {404, 405} and b"script" not in answer.body and "location" not in answer.headers


WORDS = ["heron", "", " ", '"heron', "-heron", "he*", "ext = 'md'", "2026-01-31", "30d", "*.txt", "md", SCRIPT, BIDI]


def good_value(field: Field, chance: random.Random) -> object:
    """Return a value that the field's description allows."""
    text = chance.choice(field.choices or WORDS)[: field.longest]
    most = 50 if field.most is None else field.most
    return {
        "string": text,
        "boolean": chance.random() < 0.5,
        "integer": chance.randint(int(field.least or 0), int(most)),
        "number": chance.choice([field.least or 0, most, 0.5, 0]),
        "array": chance.choices(WORDS, k=chance.randint(0, 3)),
    }[field.type]


def bad_value(field: Field, chance: random.Random) -> object:
    """Return a value that the field's description excludes."""
    values: dict[str, list[object]] = {
        "string": [1, [], {}, True, "x" * (field.longest + 1)],
        "boolean": [0, "true", []],
        "integer": [1.5, "1", True, 10**30, -(10**30)],
        "number": ["1", True, []],
        "array": ["a", [1], [None], [["a"]], ["x"] * (field.longest + 1), {"0": "a"}],
    }
    return chance.choice(values[field.type])


@pytest.mark.parametrize(("route", "fields"), [("/v1/search", SEARCH), ("/v1/similar", SIMILAR), ("/v1/read", READ)])
def test_random_requests_are_judged_by_the_description_of_their_fields(
    server: RunningServer, route: str, fields: Mapping[str, Field]
) -> None:
    chance = random.Random(14)
    for _ in range(60):
        names = [name for name, field in fields.items() if field.required or chance.random() < 0.2]
        if "queries" in names:
            names = [name for name in names if name not in {"query", "snippets"}]
        body = {name: good_value(fields[name], chance) for name in names}
        answer = server.post(route, **body)
        for value in check_harmless(answer):
            assert value.get("code") != "invalid-body", (body, value)
        assert answer.status in {200, 400, 404}, (body, answer)
        wrong = chance.choice(list(fields))
        answer = server.post(route, **{**body, wrong: bad_value(fields[wrong], chance)})
        assert (answer.status, answer.code) == (400, "invalid-body"), (wrong, answer)
