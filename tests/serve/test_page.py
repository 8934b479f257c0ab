"""The web page as the server writes it, by HTTP and without a browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from process import Vsearch, wait_until, write_files
from serve_client import Answer, RunningServer, running_server

pytest.importorskip("uvicorn")

RLO, PDI = "\u202e", "\u2069"
SCRIPT = "<script>alert(1)</script>"
HOSTILE = {
    "script.md": f"# {SCRIPT}\n\nThe turbine </b></p></li><script>document.title='owned'</script> hums "
    '<img src="http://evil.example/x" onerror="alert(1)"> &lt;b&gt; "quoted" \'single\'.\n',
    f"a {RLO}txt.exe{PDI} turbine.md": f"The turbine is {RLO}desrever{PDI} here.\n",
    '"><img src=x onerror=alert(1)> turbine.md': "The turbine has a file name with markup.\n",
    "escapes.txt": "The turbine rings \x1b[31m\x07 and \x9b31m bells.\n",
    "huge.txt": "turbine " + "x" * 300_000 + "\n",
    "javascript:alert(1).md": "The turbine is in a file named like a URL.\n",
}
FILES = {
    "notes/pump.md": "# Pump\n\nDrain the pump before the first frost, or the casing cracks.\n\n"
    "## Spring\n\nGrease the crank.\n",
    "notes/bread.md": "# Bread\n\nThe dough rests overnight in a cool room.\n",
    "copy/bread.md": "# Bread\n\nThe dough rests overnight in a cool room.\n",
    "fees-2025.md": "# Fees\n\nA late fee is charged after thirty days, says the policy of fees.\n",
    "fees-2026.md": "# Fees\n\nA late fee is charged after twenty days, says the policy of fees.\n",
    "late.py": "def late_fee(days):\n    return days * 3  # a late fee\n",
    "table.csv": "name;fee\n" + "".join(f"row {number};{number}\n" for number in range(40)),
    **{f"many/{number}.txt": f"Gadget number {number} is of the colour {number * 7}.\n" for number in range(14)},
}


class _Reader(HTMLParser):
    """Collects the elements and the visible text of a page, as a browser parses it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]


def read(answer: Answer) -> _Reader:
    assert answer.headers["content-type"].startswith("text/html")
    return _Reader(answer.body.decode())


@pytest.fixture(scope="module")
def root(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("page"), {**FILES, **{f"bad/{key}": HOSTILE[key] for key in HOSTILE}})
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


@pytest.fixture(scope="module")
def server(vsearch: Vsearch, root: Path) -> Iterator[RunningServer]:
    with running_server(vsearch, root, root.parent / "page.log") as running:
        yield running


def page(server: RunningServer, **values: str) -> _Reader:
    return read(server.get("/?" + urlencode(values)))


def test_the_first_page_asks_for_a_query(server: RunningServer) -> None:
    found = read(server.get("/"))
    assert found.all("form", action="/", method="get", role="search")
    assert found.all("input", name="q")[0]["value"] == ""
    assert re.search(r"27 documents, \d+ passages", found.text)


def test_every_input_has_a_label(server: RunningServer) -> None:
    body = server.get("/").body.decode()
    labels = re.findall(r"<label[^>]*>(.*?)</label>", body)
    inside = sum(len(re.findall(r"<(?:input|select)\b", label)) for label in labels)
    named = [found["for"] for found in _Reader(body).all("label") if "for" in found]
    assert named == ["q"] and inside == 5
    assert len(re.findall(r"<(?:input|select)\b", body)) == inside + len(named)


def test_a_query_is_answered_with_the_passage_beside_it(server: RunningServer) -> None:
    found = page(server, q="frost casing")
    first = found.all("a", class_="place")[0]
    assert dict(parse_qsl(first["href"].partition("?")[2])) == {"q": "frost casing", "open": "notes/pump.md:1-7"}
    assert first["aria-current"] == "true"
    for text in ("line 3", "Pump", "likely to be relevant", "passages searched in", "Grease the crank."):
        assert text in found.text
    body = server.get("/?q=frost+casing").body.decode()
    assert "<b>frost</b>" in body and "<b>casing</b>" in body
    sentence = "Drain the pump before the first frost, or the casing cracks."
    assert f'<mark class="sentence">{sentence}</mark>' in body


def test_the_form_keeps_what_was_typed(server: RunningServer) -> None:
    values = {"q": 'a "b" & <c>', "path": "notes/*", "ext": "md", "since": "2020-01-01", "until": "2999-12-31"}
    found = page(server, **values, confidence="0.5")
    for name, value in values.items():
        assert found.all("input", name=name)[0]["value"] == value
    assert [each["value"] for each in found.all("option") if "selected" in each] == ["0.5"]
    assert "open" in found.all("details", class_="filters")[0]


def test_filters_narrow_the_hits(server: RunningServer) -> None:
    def files(**values: str) -> set[str]:
        links = page(server, q="late fee dough pump", **values).all("a", class_="place")
        return {dict(parse_qsl(link["href"].partition("?")[2]))["open"].partition(":")[0] for link in links}

    assert files(path="notes/*, !notes/bread.md") == {"notes/pump.md"}
    assert files(path="*.{py,csv}") == {"late.py", "table.csv"}
    assert files(ext="py, csv") == {"late.py", "table.csv"}
    assert files(until="2001-01-01") == set()
    assert len(files(since="2001-01-01")) > 3
    assert files(confidence="0.8") < files()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"q": "pump", "ext": "xyz"}, "No document passes the filters"),
        ({"q": "+pump +nowhere"}, "has all that the query requires"),
        ({"q": "quantum chromodynamics lagrangian", "confidence": "0.8"}, "as likely to be relevant"),
        ({"q": "pump", "offset": "500"}, "There are no further hits"),
    ],
)
def test_the_reason_for_no_hit_is_told(server: RunningServer, values: dict[str, str], told: str) -> None:
    found = page(server, **values)
    assert told in found.text and "No hit" in found.text
    assert found.all("a", class_="place") == []


def test_an_unanswerable_query_is_told_so(server: RunningServer) -> None:
    told = "Nothing here seems to answer this"
    assert told in page(server, q="who won the chess olympiad in Baku").text
    assert told not in page(server, q="when is a late fee charged").text


@pytest.mark.parametrize(
    ("values", "field", "told"),
    [
        ({"since": "soon"}, "since", "Changed from: 'soon' is neither a date nor an age. Write 2026-01-31"),
        ({"until": "never"}, "until", "Changed until"),
        ({"path": "a["}, "path", "Path: 'a[' is not a glob"),
        ({"ext": ","}, "ext", "Type"),
        ({"confidence": "7"}, "confidence", "Likely"),
    ],
)
def test_a_wrong_filter_is_explained(server: RunningServer, values: dict[str, str], field: str, told: str) -> None:
    answer = server.get("/?" + urlencode({"q": "pump", **values}))
    found = read(answer)
    assert answer.status == 400 and told in found.text
    if field != "confidence":
        assert found.all("input", name=field)[0]["aria-invalid"] == "true"
        assert found.all("input", name="q")[0]["value"] == "pump"


@pytest.mark.parametrize(
    "query", ["q=" + "a" * 12_000, "q=%FF%FE", "q=%00", "q=%ED%A0%80", "offset=-1&q=a", "q=a&q=b", "&&=;"]
)
def test_any_address_gets_a_page(server: RunningServer, query: str) -> None:
    answer = server.get("/?" + query)
    assert answer.status in {200, 400} and "<form" in answer.body.decode()


def test_more_hits_are_a_link_away(server: RunningServer) -> None:
    first = page(server, q="gadget colour")
    (more,) = first.all("a", id="more")
    second = read(server.get(more["href"]))
    opened = [
        {link["href"].partition("open=")[2] for link in each.all("a", class_="place")} for each in (first, second)
    ]
    assert len(opened[0]) == 10 and opened[1] and not opened[0] & opened[1]
    assert "Hits 11 to" in second.text and "Back to the best hits" in second.text


def test_near_duplicates_are_folded_and_newer_versions_named(server: RunningServer) -> None:
    found = page(server, q="dough rests overnight")
    assert "1 near-duplicate" in found.text
    assert sum("bread.md" in link["href"] for link in found.all("a", class_="place")) == 1
    found = page(server, q="late fee after thirty days")
    assert "A newer version: fees-2026.md" in found.text


def test_a_changed_file_is_named(vsearch: Vsearch, server: RunningServer, root: Path) -> None:
    before = (root / "late.py").read_text()
    (root / "late.py").write_text(before + "# changed\n")
    try:
        assert "The file has changed since it was indexed." in page(server, q="def late_fee(days)").text
    finally:
        (root / "late.py").write_text(before)


def test_a_passage_has_a_link_of_its_own(server: RunningServer) -> None:
    found = page(server, open="notes/pump.md:3-3")
    assert "Drain the pump" in found.text and "line 3" in found.text
    assert found.all("a", class_="place") == []
    wider = read(server.get(found.all("a", id="wider")[0]["href"]))
    assert "Grease the crank." in wider.text
    gone = server.get("/?open=nowhere.md")
    assert gone.status == 404 and "This passage is not in the index" in read(gone).text
    both = page(server, q="pump", open="nowhere.md:1-2")
    assert "no longer in the index" in both.text and both.all("a", class_="place")


def test_places_start_from_the_root_wherever_the_server_runs(vsearch: Vsearch, tmp_path: Path) -> None:
    write_files(tmp_path, {"x/a.md": "The outer walrus.\n", "sub/x/a.md": "The inner heron.\n"})
    assert vsearch("index", ".", cwd=tmp_path).status == 0
    with running_server(vsearch, tmp_path / "sub", tmp_path.parent / "log") as server:
        found = page(server, open="x/a.md:1-1")
    assert "outer walrus" in found.text and "inner heron" not in found.text


def test_code_is_shown_as_code(server: RunningServer) -> None:
    body = server.get("/?q=def+late_fee%28days%29&ext=py").body.decode()
    assert 'class="text code"' in body and 'class="stored code"' in body


@pytest.mark.parametrize("place", ["/etc/passwd", "../page.log", "notes/../../page.log", "late.py\0", "~/.bashrc"])
def test_no_file_outside_the_index_is_shown(server: RunningServer, place: str) -> None:
    for answer in (server.get("/?" + urlencode({"open": place})), server.post("/page/passage", place=place)):
        assert answer.status in {400, 404}
        assert b"root:" not in answer.body and b"answering" not in answer.body


# Hostile documents


KNOWN = {
    *("html", "head", "meta", "title", "link", "script", "body", "a", "header", "form", "h1", "h2", "div", "p", "b"),
    *("label", "input", "button", "details", "summary", "span", "select", "option", "main", "section", "ol", "ul"),
    *("li", "bdi", "meter", "mark", "code", "kbd", "footer"),
}


def test_texts_of_documents_never_become_markup(server: RunningServer) -> None:
    for values in (
        {"q": "turbine"},
        {"q": SCRIPT},
        {"q": "turbine", "open": "bad/script.md:1-3"},
        {"ext": SCRIPT, "q": "a"},
    ):
        body = server.get("/?" + urlencode(values)).body.decode()
        found = _Reader(body)
        assert {tag for tag, _ in found.elements} <= KNOWN
        assert found.all("script") == [{"src": "/page.js", "defer": ""}]
        for _, attributes in found.elements:
            assert not any(name.startswith("on") or name == "style" for name in attributes)
            for address in (attributes.get("href", "/"), attributes.get("src", "/")):
                assert re.match("/(?!/)|#hits$", address)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", body)


def test_names_have_no_letters_that_reorder_others(server: RunningServer) -> None:
    body = server.get("/?" + urlencode({"q": "turbine", "path": "bad/a*"})).body.decode()
    shown = re.findall(r"<bdi>.*?</bdi>", body)
    assert shown and not any(RLO in each or PDI in each for each in shown)
    assert RLO in body  # in the text, which is a block of its own


def test_a_huge_text_is_cut(server: RunningServer) -> None:
    answer = server.get("/?" + urlencode({"q": "turbine", "path": "bad/huge.txt", "open": "bad/huge.txt"}))
    assert len(answer.body) < 200_000 and "very long" in read(answer).text


def test_the_page_may_load_nothing_from_elsewhere(server: RunningServer) -> None:
    answer = server.get("/?q=pump")
    policy = answer.headers["content-security-policy"]
    for rule in (
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ):
        assert rule in policy
    assert "unsafe" not in policy
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"
    for path, kind in (("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/icon.svg", "image/svg+xml")):
        file = server.get(path)
        assert file.headers["content-type"].startswith(kind) and file.headers["x-content-type-options"] == "nosniff"
        own = file.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert not re.search(
            rb"https?://|@import|url\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval", own
        )
    assert server.get("/page_files/page.js").status == server.get("/page.js/../app.py").status == 404


def test_a_link_from_another_site_searches_only_when_told_to(server: RunningServer) -> None:
    answer = server.get("/?q=pump", sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    found = read(answer)
    assert found.all("input", name="q")[0]["value"] == "pump"
    assert "comes from another site" in found.text and found.all("a", class_="place") == []
    assert server.get("/?q=pump", sec_fetch_site="cross-site", sec_fetch_mode="no-cors").status == 403
    assert server.get("/?q=pump", host="evil.example").status == 421


# What the page's script asks for


def test_the_script_gets_what_the_server_shows(server: RunningServer) -> None:
    answer = server.post("/page/hits", q="frost casing", ext="md")
    shown = page(server, q="frost casing", ext="md")
    assert answer.status == 200 and answer.json["active"] == "md"
    links = [dict(parse_qsl(link["href"].partition("?")[2]))["open"] for link in shown.all("a", class_="place")]
    assert [hit["link"]["place"] for hit in answer.json["hits"]] == links
    text = "".join(text for text, _ in answer.json["passage"]["pieces"])
    assert text in shown.text
    hit = answer.json["hits"][0]
    quotes = {"sentence": hit["sentence"], "window": hit["window"]}
    assert server.post("/page/passage", place=links[0], **quotes).json == answer.json["passage"]


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [({"q": "pump", "since": "soon"}, 400, "since"), ({"q": 5}, 400, "q"), ({"nonsense": "a"}, 400, "")],
)
def test_the_script_gets_errors_in_plain_words(
    server: RunningServer, fields: dict[str, object], status: int, field: str
) -> None:
    answer = server.post("/page/hits", **fields)
    assert (answer.status, answer.json["field"]) == (status, field) and answer.json["notice"]
    assert server.request("POST", "/page/hits", b"{").code == "invalid-json"
    assert server.request("POST", "/page/hits", b"{}", content_type="text/plain").status == 415


def test_with_a_token_the_page_shows_nothing_by_itself(vsearch: Vsearch, root: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o755)
    with_browser = replace(vsearch, environment={**vsearch.environment, "BROWSER": f"{browser} %s"})
    with running_server(with_browser, root, tmp_path / "log", "--token", "--open") as server:
        wait_until((tmp_path / "opened").exists, "the browser")
        wait_until(lambda: (tmp_path / "opened").read_text() == f"http://127.0.0.1:{server.port}/\n", "the address")
        answer = server.get("/?q=pump&open=notes/pump.md")
        found = read(answer)
        assert answer.status == 200 and found.all("a", class_="place") == [] and "Drain" not in found.text
        assert "token" in found.text and found.all("form", id="ask-token")
        assert server.post("/page/hits", q="pump").status == server.post("/page/passage", place="late.py").status == 401
        log = server.log.read_text()
        token = Path(log.split("the bearer token is in ")[1].splitlines()[0]).read_text().strip()
        assert token not in log
        given = server.request("POST", "/page/hits", b'{"q": "pump"}', authorization=f"Bearer {token}")
        assert given.status == 200 and given.json["hits"]
