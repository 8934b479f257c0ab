"""The web page in a real Chromium, driven by playwright; skipped where either is missing."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from image_models import coloured
from process import DEADLINE, Vsearch, write_files
from serve_client import RunningServer, running_server

pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt install chromium)")

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 375, "height": 700}
MARKUP = "<img src='http://evil.example/a.png' onerror='owned()'><script>owned()</script><svg onload=owned()>"
FILES = {
    "notes/pump.md": "# Pump\n\n"
    + "".join(f"Rule {number}: keep the tools dry and the floor clean.\n\n" for number in range(60))
    + "Drain the pump before the first frost, or the casing cracks.\n",
    "notes/bread.md": "# Bread\n\nThe dough rests overnight in a cool room.\n",
    "copy/bread.md": "# Bread\n\nThe dough rests overnight in a cool room.\n",
    "late.py": "def late_fee(days):\n    return days * 3  # a late fee\n",
    **{f"many/{number}.txt": f"Gadget number {number} is of the colour {number * 7}.\n" for number in range(14)},
    "bad/markup.md": f"# {MARKUP}\n\nThe turbine hums. {MARKUP} {{{{constructor.constructor('owned()')()}}}}\n",
    "bad/\u202egnp.exe turbine.md": "The turbine \u202eis reversed\u202c and \x1b[31m red.\n",
    "bad/<img src=x onerror=owned()>.md": "A turbine in a file named like markup.\n",
    "bad/javascript:owned().md": "A turbine in a file named like a URL.\n",
    "bad/huge.txt": "turbine " + "x" * 400_000 + "\n",
    "bad/wide.txt": "turbine " + "\u0301" * 300 + "W" * 3000 + "\n",
}


@pytest.fixture(scope="module")
def root(vsearch: Vsearch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_files(tmp_path_factory.mktemp("browsed"), FILES)
    (folder / "zeppelin.png").write_bytes(coloured("red", "blue", size=(400, 300)))
    assert vsearch("index", ".", cwd=folder).status == 0
    return folder


@pytest.fixture(scope="module")
def server(vsearch: Vsearch, root: Path) -> Iterator[RunningServer]:
    with running_server(vsearch, root, root.parent / "browsed.log") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield launched
        launched.close()


class _Tab:
    """A page in a context of its own. It records its requests, its errors and what it writes to the console."""

    def __init__(self, browser: Any, server: RunningServer, **options: Any) -> None:
        self.base = f"http://127.0.0.1:{server.port}"
        self.requests: list[str] = []
        self.faults: list[str] = []
        self._context = browser.new_context(**{"viewport": WIDE, **options})
        self.page = self._context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.on("console", lambda message: self.faults.append(message.text))

    def open(self, path: str = "/") -> None:
        self.page.goto(self.base + path)

    def type(self, text: str) -> None:
        self.page.locator("#q").press_sequentially(text, delay=5)

    def wait_for(self, condition: str) -> None:
        """Wait until a condition in JavaScript is true; the page's policy forbids playwright's own way, `eval`."""
        deadline = time.monotonic() + DEADLINE
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"timed out waiting for {condition}; {self.faults}"
            self.page.wait_for_timeout(20)

    def wait_for_passage(self, text: str) -> None:
        self.wait_for(f"document.getElementById('passage').textContent.includes({json.dumps(text)})")

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.id || document.activeElement.textContent"))

    def posts(self) -> list[str]:
        return [url for url in self.requests if "/page/" in url]

    def __enter__(self) -> "_Tab":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()


def test_answers_come_while_typing(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server) as tab:
        tab.open()
        assert tab.focused() == "q"
        tab.type("frost casing")
        tab.wait_for_passage("Drain the pump")
        assert tab.page.locator(".hit .place").first.inner_text() == "notes/pump.md"
        assert tab.page.locator("mark.sentence").inner_text().startswith("Drain the pump")
        assert tab.page.locator("mark.sentence").evaluate("mark => mark.getBoundingClientRect().top < innerHeight")
        assert tab.page.locator("#summary").get_attribute("role") == "status"
        assert re.fullmatch(r"(The )?\d+ (best )?hits?", tab.page.locator("#summary").inner_text())
        tab.wait_for("location.search === '?q=frost+casing'")
        assert len(tab.posts()) < 6  # not one for each of 12 letters
        tab.page.locator("#q").fill("")
        tab.wait_for("document.body.classList.contains('start') || !document.querySelector('.hit')")
        assert tab.faults == []


def test_a_stale_answer_never_replaces_a_newer_one(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server) as tab:
        late: list[Any] = []

        def hold(route: Any) -> None:
            late.append(route) if "dough" in (route.request.post_data or "") else route.continue_()

        tab.page.route("**/page/hits", hold)
        tab.open()
        tab.page.locator("#q").fill("dough")
        tab.page.wait_for_timeout(300)
        assert len(late) == 1
        tab.page.locator("#q").fill("late fee")
        tab.wait_for_passage("late_fee")
        assert "ABORTED" in str(late[0].request.failure)
        assert tab.page.locator(".hit .place").first.inner_text() == "late.py"


def test_the_keyboard_suffices(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server) as tab:
        tab.open("/?q=gadget+colour")
        press = tab.page.keyboard.press
        places = tab.page.locator(".hit .place").all_inner_texts()
        press("ArrowDown")
        assert tab.focused() == places[0]
        press("j")
        assert tab.focused() == places[1]
        tab.wait_for(f"document.querySelector('#passage h2').textContent === {json.dumps(places[1])}")
        press("ArrowDown")
        press("k")
        assert tab.focused() == places[1]
        press("Enter")
        tab.wait_for("document.activeElement.closest('#passage')")
        assert "open=many" in tab.page.url
        press("Escape")
        assert tab.focused() == places[1] and "open=" not in tab.page.url
        press("/")
        assert tab.focused() == "q" and tab.page.locator("#q").input_value() == "gadget colour"
        press("ArrowDown")
        assert tab.focused() == places[1]
        for _ in range(3):
            press("k")
        assert tab.focused() == "q"
        assert tab.faults == []


def test_back_and_more_and_links(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server, permissions=["clipboard-read", "clipboard-write"]) as tab:
        tab.open("/?q=gadget+colour")
        tab.page.locator("#more").click()
        tab.wait_for("document.querySelectorAll('.hit').length > 10")
        tab.page.locator(".hit .place").nth(3).click()
        tab.wait_for("location.search.includes('open=')")
        address = tab.page.url
        tab.page.locator("#copy").click()
        tab.wait_for("document.getElementById('summary').textContent === 'Link copied'")
        assert tab.page.evaluate("navigator.clipboard.readText()") == address
        heading = tab.page.locator("#passage h2").inner_text()
        tab.page.go_back()
        tab.wait_for("!location.search.includes('open=')")
        with _Tab(browser, server) as other:
            other.open(address.removeprefix(tab.base))
            assert other.page.locator("#passage h2").inner_text() == heading
            assert other.page.locator("[aria-current]").inner_text() == heading


def test_filters_apply_at_once_and_wrong_ones_are_explained(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server) as tab:
        tab.open("/?q=dough")
        tab.page.locator(".filters summary").click()
        tab.page.locator("[name=ext]").fill("py")
        tab.wait_for("[...document.querySelectorAll('.place')].every(link => link.textContent.endsWith('.py'))")
        tab.wait_for("location.search === '?q=dough&ext=py'")
        tab.page.locator("[name=path]").fill("a[")
        tab.wait_for("document.getElementById('notice').textContent.startsWith('Path:')")
        assert tab.page.locator("[name=path]").get_attribute("aria-invalid") == "true"
        tab.page.get_by_role("button", name="Clear").click()
        tab.wait_for("document.querySelector('.place')?.textContent.endsWith('bread.md')")
        assert tab.page.get_by_text("1 near-duplicate").count() == 1


def test_trouble_is_told_and_mended(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server) as tab:
        tab.open()
        tab.page.route("**/page/hits", lambda route: route.abort())
        tab.type("pump")
        tab.wait_for("document.getElementById('trouble').textContent.includes('doesn’t answer')")
        assert tab.page.locator("#trouble").get_attribute("role") == "alert"
        tab.page.unroute("**/page/hits")
        busy = {"status": 503, "headers": {"Retry-After": "0"}, "json": {"detail": "busy"}}
        tab.page.route("**/page/hits", lambda route: route.fulfill(**busy), times=2)
        tab.page.get_by_role("button", name="Try again").click()
        tab.wait_for("document.querySelector('.hit')")
        assert tab.page.locator("#trouble").is_hidden()


def test_hostile_documents_run_nothing_and_load_nothing(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server) as tab:
        tab.page.expose_function("owned", lambda: tab.faults.append("a document has run code"))
        tab.open("/?q=turbine")  # by the server
        tab.page.locator("#q").fill("")
        tab.type("the turbine")  # by the script
        tab.wait_for("location.search === '?q=the+turbine' && document.querySelectorAll('.hit').length >= 5")
        count = tab.page.locator(".hit .place").count()
        for number in range(count):
            tab.page.locator(".hit .place").nth(number).click()
            name = tab.page.locator(".hit .place").nth(number).inner_text()
            tab.wait_for(f"document.querySelector('#passage h2').innerText === {json.dumps(name)}")
        tab.page.locator("#q").fill(MARKUP)
        tab.page.wait_for_timeout(400)
        made = "main img:not(.picture), main svg, main script, main iframe"
        assert tab.page.evaluate(f"document.querySelectorAll('{made}').length") == 0
        assert all(url.startswith(tab.base + "/") for url in tab.requests)
        assert tab.faults == []
        assert "\u202e" not in "".join(tab.page.locator("bdi").all_inner_texts())
        with pytest.raises(playwright.Error, match="TrustedHTML"):
            tab.page.evaluate("document.body.innerHTML = '<p>'")


@pytest.mark.parametrize("viewport", [WIDE, PHONE])
def test_nothing_is_wider_than_the_screen(browser: Any, server: RunningServer, viewport: dict[str, int]) -> None:
    with _Tab(browser, server, viewport=viewport) as tab:
        for query in ("", "?q=turbine", "?q=turbine&open=bad/wide.txt", "?q=gadget&since=soon", "?open=bad/huge.txt"):
            tab.open("/" + query)
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), query


def test_a_phone_shows_hits_then_the_passage(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server, viewport=PHONE, has_touch=True) as tab:
        tab.open("/?q=frost+casing")
        assert tab.page.locator("#passage").is_hidden()
        tab.page.locator(".hit .place").first.tap()
        tab.wait_for("document.body.classList.contains('reading')")
        assert tab.page.locator("#hits").is_hidden()
        assert tab.page.locator(".sentence").evaluate("mark => mark.getBoundingClientRect().top < innerHeight")
        tab.page.locator("#close").tap()
        assert tab.page.locator("#hits").is_visible() and tab.page.locator("#passage").is_hidden()


def test_without_javascript_the_form_and_links_work(browser: Any, server: RunningServer) -> None:
    with _Tab(browser, server, java_script_enabled=False) as tab:
        tab.open()
        tab.page.locator("#q").fill("gadget colour")
        tab.page.locator("#q").press("Enter")
        assert tab.page.locator(".hit").count() == 10
        tab.page.locator(".hit .place").nth(2).click()
        assert tab.page.locator("#passage h2").inner_text() == tab.page.locator(".hit .place").nth(2).inner_text()
        tab.page.locator("#more").click()
        assert "Hits 11 to" in tab.page.locator("#summary").inner_text()
        tab.page.locator(".filters summary").click()
        tab.page.locator("[name=ext]").fill("py")
        tab.page.get_by_role("button", name="Search", exact=True).click()
        assert tab.page.locator(".hit .place").all_inner_texts() == ["late.py"]


_CONTRAST = """() => {
  const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = (colour) => colour.map(channel).reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parsed(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility()) continue;
    const [one, other] = [light(parsed(getComputedStyle(node).color).slice(0, 3)), light(behind(node))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) low.push(`${node.tagName}.${node.className} ${ratio.toFixed(2)}`);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser: Any, server: RunningServer, scheme: str) -> None:
    with _Tab(browser, server, color_scheme=scheme) as tab:
        for query in ("", "?q=frost+casing", "?q=chess+olympiad+in+Baku&since=2020-01-01", "?q=a&since=soon"):
            tab.open("/" + query)
            assert tab.page.evaluate(_CONTRAST) == [], query
        background = tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        brightness = sum(map(int, re.findall(r"\d+", background))) / 3
        assert (brightness < 60) == (scheme == "dark")


SHOWN = "[...document.querySelectorAll('img')].map((image) => [image.className, image.naturalWidth])"


@pytest.mark.parametrize("options", [(), ("--token",)])
def test_pictures_are_shown_and_broken_ones_leave_no_gap(
    browser: Any, vsearch: Vsearch, root: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with running_server(vsearch, root, tmp_path / "log", *options) as server, _Tab(browser, server) as tab:
        log = server.log.read_text()
        token = Path(log.split("the bearer token is in ")[1].splitlines()[0]).read_text().strip() if options else ""
        tab.open(f"/?q=zeppelin{'#token=' + token if token else ''}")
        tab.wait_for(f"{SHOWN}.join() === 'picture small,240,picture large,400'")
        tab.page.locator("#q").fill("zeppelin ext")
        tab.wait_for(f"{SHOWN}.join().startsWith('picture small,240')")
        tab.page.route("**/page/picture*", lambda route: route.abort())
        tab.page.locator("#q").fill("zeppelin")
        tab.wait_for("document.querySelector('.hit') && !document.querySelector('img')")
        assert [fault for fault in tab.faults if "ERR_FAILED" not in fault] == []
        assert not any(token in url for url in tab.requests if token)


def test_the_link_with_the_token_opens_the_page(browser: Any, vsearch: Vsearch, root: Path, tmp_path: Path) -> None:
    with running_server(vsearch, root, tmp_path / "log", "--token") as server, _Tab(browser, server) as tab:
        token = Path(server.log.read_text().split("the bearer token is in ")[1].splitlines()[0]).read_text().strip()
        tab.open("/?q=frost+casing")
        assert tab.page.locator(".hit").count() == 0
        tab.page.locator("#token").fill("wrong")
        tab.page.keyboard.press("Enter")
        tab.wait_for("document.getElementById('trouble').textContent.includes('not the server')")
        tab.page.locator("#token").fill(token)
        tab.page.keyboard.press("Enter")
        tab.wait_for_passage("Drain the pump")
        assert not any(token in url for url in tab.requests)
    with running_server(vsearch, root, tmp_path / "log", "--token") as server, _Tab(browser, server) as tab:
        tab.open(f"/?q=frost+casing#token={token}")
        tab.wait_for_passage("Drain the pump")
        assert token not in tab.page.url
        tab.page.reload()
        tab.wait_for_passage("Drain the pump")
