"""Write the web page as HTML. Every text is escaped by `element`, so no text of a document can become markup."""

from html import escape
from urllib.parse import urlencode

from vsearch_core.serve.page_form import CONFIDENCES, SearchForm
from vsearch_core.serve.page_view import PageAnswer, PageHit, PageLink, PagePassage

PICTURE_PATH = "/page/picture"  # of thumbnails
_VOID = {"img", "input", "link", "meta"}
_OPERATORS = ('"exact phrase"', "+required", "-excluded", "pre*")
_KEYS = (("/", "search"), ("j k", "next, previous"), ("Enter", "read"), ("c", "copy link"), ("Esc", "back"))


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | bool | None) -> Html:
    """Return an element. Children that aren't `Html`, and the attributes' values, are escaped.

    An attribute that is None or False is left out. "_" in its name stands for "-", and at the end for nothing.
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    inner = "".join(child if isinstance(child, Html) else escape(child) for child in children)
    return Html(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{inner}</{name}>")


def page(form: SearchForm, answer: PageAnswer, *, needs_token: bool = False, is_held: bool = False) -> str:
    """Return the whole page.

    With `needs_token`, the script must send a token to get hits. With `is_held`, it waits until the user asks for hits.
    """
    is_start = not (form.q or form.open or answer.notice)
    state = " ".join(
        word for word, holds in (("start", is_start), ("reading", bool(form.open and answer.passage))) if holds
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("title", f"{form.q} – vsearch" if form.q else "vsearch"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="/icon.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="/page.css"),
        element("script", src="/page.js", defer=True),
    )
    body = element(
        "body",
        element("a", "Skip to the hits", href="#hits", class_="skip"),
        element("header", _search_form(form, answer.field), class_="top"),
        _main(form, answer, needs_token=needs_token),
        element(
            "footer",
            *(element("span", element("kbd", key), " " + what) for key, what in _KEYS),
            class_="keys",
            aria_label="Keys",
        ),
        class_=state,
        data_token=needs_token,
        data_held=is_held,
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def _search_form(form: SearchForm, wrong: str) -> Html:
    def labelled(name: str, label: str, **attributes: str | None) -> Html:
        return element(
            "label",
            element("span", label),
            element(
                "input",
                name=name,
                value=getattr(form, name),
                autocomplete="off",
                aria_invalid="true" if wrong == name else None,
                **attributes,
            ),
        )

    choices = [("", "any"), *((value, f"at least {float(value):.0%}") for value in CONFIDENCES)]
    options = (element("option", label, value=value, selected=value == form.confidence) for value, label in choices)
    filters = element(
        "details",
        element("summary", "Filters", element("span", form.filters, class_="active")),
        element(
            "div",
            labelled("path", "Path", placeholder="notes/*, !old", spellcheck="false"),
            labelled("ext", "Type", placeholder="md, pdf", spellcheck="false"),
            labelled("since", "Changed from", type=_date_type(form.since)),
            labelled("until", "Changed until", type=_date_type(form.until)),
            element("label", element("span", "Likely"), element("select", *options, name="confidence")),
            element("button", "Clear", type="button", hidden=True),
            class_="fields",
        ),
        class_="filters",
        open=bool(form.filters) or bool(wrong),
    )
    return element(
        "form",
        element("h1", element("a", "vsearch", href="/"), class_="brand"),
        element(
            "div",
            element("label", "Search your documents", for_="q", class_="hidden"),
            element(
                "input",
                id="q",
                name="q",
                type="search",
                value=form.q,
                placeholder="Ask a question, or name a thing",
                maxlength="10000",
                autocomplete="off",
                autocapitalize="off",
                spellcheck="false",
                enterkeyhint="search",
                autofocus=not form.open,
                aria_describedby="summary",
            ),
            element("button", "Search"),
            class_="box",
        ),
        filters,
        id="search",
        role="search",
        action="/",
        method="get",
    )


def _date_type(value: str) -> str:
    """Return the type of a date field: an age such as "30d" can't be shown by a date picker."""
    return "date" if not value or (len(value) == len("2026-01-31") and value.count("-") == 2) else "text"


def _main(form: SearchForm, answer: PageAnswer, *, needs_token: bool) -> Html:
    token = element(
        "form",
        element("label", "This server needs its token. It named the token's file when it started.", for_="token"),
        element("input", id="token", type="password", autocomplete="off", spellcheck="false"),
        element("button", "Use it"),
        id="ask-token",
        hidden=True,
    )
    without_script = element("noscript", "This server needs a token, which the page can only send with JavaScript.")
    return element(
        "main",
        *((token, element("div", without_script, class_="notice")) if needs_token else ()),
        element("p", "", id="trouble", class_="notice", role="alert", hidden=True),
        element(
            "div",
            element("section", *_results(form, answer), id="results", aria_label="Hits"),
            element(
                "section",
                *(_passage(form, answer.passage) if answer.passage is not None else ()),
                id="passage",
                aria_label="Passage",
                hidden=answer.passage is None,
            ),
            class_="columns",
        ),
    )


def _results(form: SearchForm, answer: PageAnswer) -> list[Html]:
    opened = form.open or (answer.hits[0].link.place if answer.hits else "")
    further = []
    if form.skipped and answer.hits:
        further.append(element("a", "Back to the best hits", href=form.link(offset="", open="")))
    if answer.next_offset:
        further.append(
            element("a", "More hits", href=form.link(offset=answer.next_offset, open=""), id="more", rel="next")
        )
    return [
        element("p", answer.summary, id="summary", role="status"),
        element("p", answer.notice, id="notice", class_="notice", hidden=not answer.notice),
        element("ol", *(_hit(form, hit, opened) for hit in answer.hits), id="hits", tabindex="-1"),
        element("p", *further, class_="further"),
        element("p", answer.detail, id="detail"),
        element("p", *(element("code", text) for text in _OPERATORS), class_="operators", aria_label="Operators"),
    ]


def _hit(form: SearchForm, hit: PageHit, opened: str) -> Html:
    parts = [
        *_thumbnail(hit.picture, "small"),
        element("h2", _linked(form, hit.link, class_="place", is_current=hit.link.place == opened)),
        element("p", *_facts(hit), class_="facts"),
    ]
    if hit.header:
        parts.append(element("p", hit.header, class_="header", dir="auto"))
    pieces = (element("b", text) if is_term else text for text, is_term in hit.pieces)
    parts.append(element("p", *pieces, class_="text code" if hit.is_code else "text", dir="auto"))
    if hit.note:
        parts.append(element("p", hit.note, class_="note"))
    if hit.newer is not None:
        parts.append(element("p", "A newer version: ", _linked(form, hit.newer), class_="note newer"))
    if hit.alike:
        twins = [element("li", _linked(form, twin)) for twin in hit.alike]
        if hit.alike_more > 0:
            twins.append(element("li", f"and {hit.alike_more:,} more"))
        count = len(hit.alike) + max(hit.alike_more, 0)
        summary = element("summary", f"{count:,} near-duplicate" + ("" if count == 1 else "s"))
        parts.append(element("details", summary, element("ul", *twins), class_="alike"))
    classes = "hit weak" if hit.is_weak else "hit"
    return element("li", *parts, class_=classes, data_sentence=hit.sentence, data_window=hit.window)


def _thumbnail(place: str, size: str) -> list[Html]:
    """Return a picture, if there is one. The name beside it says what it is, so that it has no text of its own."""
    if not place:
        return []
    address = f"{PICTURE_PATH}?{urlencode({'place': place, 'size': size})}"
    return [element("img", class_=f"picture {size}", src=address, alt="", loading="lazy")]


def _facts(hit: PageHit) -> list[Html]:
    facts = [element("span", fact) for fact in (hit.index, hit.position) if fact]
    if hit.heading:
        facts.append(element("span", hit.heading, class_="heading", dir="auto"))
    if hit.percent is not None:
        meter = element("meter", min="0", max="100", value=str(hit.percent), aria_hidden="true")
        told = element("span", " likely to be relevant", class_="hidden")
        facts.append(
            element(
                "span",
                meter,
                f"{hit.percent}%" if hit.percent else "< 1%",
                told,
                class_="likely",
                title="How likely this is relevant",
            )
        )
    return facts


def _linked(form: SearchForm, link: PageLink, *, class_: str = "", is_current: bool = False) -> Html:
    name = element("bdi", element("span", link.folder, class_="folder"), link.name)
    href = form.link(open=link.place, lines="") if link.place else None
    return element("a", name, href=href, class_=class_ or None, aria_current="true" if href and is_current else None)


def _passage(form: SearchForm, passage: PagePassage) -> list[Html]:
    name = element("bdi", element("span", passage.link.folder, class_="folder"), passage.link.name)
    facts = [element("span", fact) for fact in (passage.position, passage.heading) if fact]
    place = passage.link.place
    tools = [
        element("a", "Link to this passage", href=form.link(open=place, lines=""), id="copy"),
        element("a", "Back to the hits", href=form.link(open="", lines=""), id="close"),
    ]
    if passage.wider:
        tools.insert(0, element("a", "More of the file", href=form.link(open=place, lines=passage.wider), id="wider"))
    pieces = (_piece(text, kind) for text, kind in passage.pieces)
    return [
        element(
            "header",
            element("h2", name, tabindex="-1"),
            element("p", *facts, class_="facts"),
            element("p", *tools, class_="tools"),
        ),
        element("p", passage.note, class_="note", hidden=not passage.note),
        *_thumbnail(passage.picture, "large"),
        element(
            "div",
            *pieces,
            class_="stored code" if passage.is_code else "stored",
            dir="auto",
        ),
    ]


def _piece(text: str, kind: str) -> str:
    if kind == "around":
        return element("span", text, class_=kind)
    return element("mark", text, class_=kind) if kind else text
