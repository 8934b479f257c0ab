"""Thumbnails on the web page and over HTTP: what is answered, with which headers, and what is refused."""

import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from process import Vsearch
from serve_client import Answer, RunningServer, running_server

pytest.importorskip("uvicorn")
pytest.importorskip("PIL")

from image_models import coloured
from pictures import drawn, exif
from PIL import Image


@pytest.fixture(scope="module")
def root(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown")
    docs = folder / "docs"
    docs.mkdir()
    (folder / "outside.png").write_bytes(coloured("blue"))
    tags = exif({0x010E: "A heron on the weir"}, position={1: "N", 2: (52.0, 31.0, 12.0)})
    (docs / "heron & <b>.jpg").write_bytes(drawn("JPEG", size=(800, 400), exif=tags))
    (docs / "mill.png").write_bytes(coloured("red", size=(1600, 1200)))
    (docs / "changed.png").write_bytes(coloured("green"))
    (docs / "page.html").write_text("<p>Text</p><img src='mill.png' alt='A turbine in the mill'>", encoding="utf-8")
    assert vsearch("index", ".", cwd=docs).status == 0
    (docs / "changed.png").write_bytes(coloured("blue"))
    (docs / "new.png").write_bytes(coloured("blue"))
    return docs


@pytest.fixture(scope="module")
def server(vsearch: Vsearch, root: Path) -> Iterator[RunningServer]:
    with running_server(vsearch, root, root.parent / "serve.log") as running:
        yield running


def thumbnail(server: RunningServer, place: str, headers: dict[str, str] | None = None, **values: str) -> Answer:
    return server.get("/page/picture?" + urlencode({"place": place, **values}), **(headers or {}))


def size(answer: Answer) -> tuple[int, int]:
    assert answer.status == 200, answer
    with Image.open(io.BytesIO(answer.body)) as image:
        assert image.format == "JPEG"
        assert not image.getexif()
        return int(image.width), int(image.height)


def test_a_picture_is_answered_small_or_large_with_headers_that_keep_it_a_picture(server: RunningServer) -> None:
    answer = thumbnail(server, "heron & <b>.jpg")
    assert size(answer) == (240, 120)
    headers = answer.headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "private, no-cache"
    assert size(thumbnail(server, "mill.png", size="large")) == (1200, 900)
    assert size(thumbnail(server, "page.html  figure 1")) == (240, 180)


def test_a_browser_that_has_a_picture_gets_it_only_if_it_has_changed(server: RunningServer) -> None:
    first = thumbnail(server, "mill.png")
    again = thumbnail(server, "mill.png", {"if_none_match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert thumbnail(server, "mill.png", {"if_none_match": '"x"'}).status == 200
    assert thumbnail(server, "heron & <b>.jpg").headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    ("place", "code"),
    [
        *((name, "not-indexed") for name in ("new.png", "../outside.png", "/etc/passwd", "a\0.png", "%2e%2e/a.png")),
        ("page.html", "not-a-picture"),
        ("page.html  figure 2", "no-text"),
        ("changed.png", "file-changed"),
    ],
)
def test_only_what_is_indexed_and_unchanged_is_answered(server: RunningServer, place: str, code: str) -> None:
    answer = thumbnail(server, place)
    assert (answer.status, answer.code) == (404, code)
    assert answer.headers["cache-control"] == "no-store"


def test_wrong_requests_are_refused(server: RunningServer) -> None:
    for address in ("", "?place=a&place=b&x=1", "?size=small", "?place=mill.png&size=9000", "?place=" + "x" * 5001):
        answer = server.get("/page/picture" + address)
        assert (answer.status, answer.code) == (400, "invalid-body")
    assert server.post("/page/picture").status == 405
    for mode in ("navigate", "no-cors"):
        other = thumbnail(server, "mill.png", {"sec_fetch_site": "cross-site", "sec_fetch_mode": mode})
        assert (other.status, other.code) == (403, "foreign-site")


def test_hits_and_passages_name_their_picture(server: RunningServer) -> None:
    shown = server.post("/page/hits", q="heron on the weir").json
    assert shown["hits"][0]["picture"] == "heron & <b>.jpg"
    assert shown["passage"]["picture"] == "heron & <b>.jpg"
    page = server.get("/?" + urlencode({"q": "heron on the weir"})).body.decode()
    address = "/page/picture?place=heron+%26+%3Cb%3E.jpg&amp;size={}"
    for size_ in ("small", "large"):
        assert f'<img class="picture {size_}" src="{address.format(size_)}" alt="" loading="lazy">' in page
    figure = server.post("/page/hits", q="turbine in the mill").json["hits"][0]
    assert (figure["link"]["name"], figure["picture"]) == ("page.html", "page.html  figure 1")
    opened = server.post("/page/passage", place=figure["link"]["place"]).json
    assert opened["picture"] == "page.html  figure 1"
    changed = [
        hit for hit in server.post("/page/hits", q="changed").json["hits"] if hit["link"]["name"] == "changed.png"
    ]
    assert changed[0]["note"] and changed[0]["picture"] == ""  # it would be refused
    assert "A heron" not in server.log.read_text() and "place=" not in server.log.read_text()
