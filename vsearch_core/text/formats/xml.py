"""Extracts the text of XML files of any kind, line by line.

Regular expressions find the tags. Without a parser, entities and deep nesting can do no harm.
"""

import html
import re
from collections.abc import Callable
from dataclasses import replace

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.figures import Figures, FoundFigure, distinct_texts, with_figures
from vsearch_core.text.extract.headings import Heading, spans_between
from vsearch_core.text.extract.linked_pictures import EmbeddedPictures
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_ENCODING = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{2,40})")
_LANGUAGE = re.compile(r"<[^!?][^>]{0,500}?\bxml:lang\s*=\s*[\"']([A-Za-z]{2,3})")
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[(?P<verbatim>.*?)(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    r"|<![A-Z][^\[<>]*+(?:\[[^\]]*+\]?)?\s*+>?"
    r"|<(?P<close>/?)(?P<tag>[^\s<>/!?][^\s<>/]*+)(?P<attributes>(?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+')*?)(?P<empty>/?)>",
    re.DOTALL,
)  # possessive, so that no input is scanned twice
_BINARY = re.compile(
    r"<(?:\w{1,20}:)?binary\b(?P<attributes>[^<>]*+)>(?P<encoded>[^<>]*+)(?:</(?:\w{1,20}:)?binary\s*>)?"
)
_ID = re.compile(r"\bid\s{0,9}=\s{0,9}[\"']([^\"'<>]{1,500})[\"']")
_HREF = re.compile(r"\bhref\s{0,9}=\s{0,9}[\"']#([^\"'<>]{1,500})[\"']")
_ABOUT_FILE = re.compile(r"<document-info\b[^<>]*+>(?:[^<]|<(?!/?document-info\b))*+")  # identifiers and versions
_SPOKEN = re.compile(
    r"(?<!w:)\b(?:title|name|label|alt|value|summary|description|content|caption|text)\s*=\s*(?:\"([^\"<]*)\"|'([^'<]*)')",
    re.I,
)
_HTML = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,20}(?:\s[^<>]{0,2000})?/?>")
_TITLES = frozenset({"title", "head", "heading"})
_MAX_LEVEL = 100


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of all elements, and of attributes such as `name`.

    The text of each `<title>`, `<head>` or `<heading>` element becomes a heading. Raises BinaryFileError if the file
    isn't text.
    """
    source = _source(name, data)
    text, headings = _MarkupRemover(source, options.limits.headings).run()
    language = _LANGUAGE.search(source[:10_000])
    title = next((heading.title for heading in headings), None)
    return Document(text, spans_between(text, headings), title, language[1].lower() if language else None)


def extract_book(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of a FictionBook (FB2), and after it its figures. Its description becomes metadata.

    Raises BinaryFileError if the file isn't text.
    """
    figures, embedded = Figures(name, options), EmbeddedPictures()
    kept: dict[str, str] = {}  # the id of a picture -> its address

    def take(binary: re.Match[str]) -> str:
        found = _ID.search(binary["attributes"])
        if found and len(kept) < options.limits.parts:
            kept.setdefault(found[1], embedded.keep(binary["encoded"]))
        return _lines(binary)

    source = _source(name, data, take_blobs=lambda text: _BINARY.sub(take, text))
    source = _ABOUT_FILE.sub(_lines, source)
    about = source[: source.find("<body")] if "<body" in source else source[:10_000]
    facts = {key: _fact(about, key) for key in ("book-title", "lang", "date", "first-name", "last-name")}
    placed: list[tuple[int, FoundFigure]] = []

    def show(tag: str, attributes: str, start: int, line: int) -> bool:
        href = _HREF.search(attributes) if tag == "image" else None
        found = embedded.find(kept.get(href[1], "")) if href else None
        if found is None or not figures.is_figure(*found):
            return False
        placed.append((start, FoundFigure(*found, distinct_texts(*_spoken(attributes)), line=line)))
        return True

    text, headings = _MarkupRemover(source, options.limits.headings, show).run()
    author = f"{facts['first-name']} {facts['last-name']}".strip()
    metadata: dict[str, JsonValue] = {
        key: value for key, value in (("author", author), ("date", facts["date"])) if value
    }
    title = facts["book-title"] or next((heading.title for heading in headings), None)
    language = facts["lang"].partition("-")[0].lower() or None
    document = Document(text, spans_between(text, headings), title, language, metadata)
    if placed:
        document = replace(document, lines=tuple(range(1, text.count("\n") + 2)))
        document = with_figures(name, document, placed, figures, options.limits)
    return figures.reported(document, options.limits)


def _source(name: str, data: bytes, take_blobs: Callable[[str], str] = str) -> str:
    """Decode the bytes, with the encoding that the XML declaration names, if there is one."""
    declared = _ENCODING.match(data[:400].lstrip())
    return decode(name, data, declared[1].decode() if declared else None, take_blobs=take_blobs)


def _spoken(attributes: str) -> list[str]:
    """Return the values of attributes that hold words, such as `title`."""
    return [html.unescape(double or single) for double, single in _SPOKEN.findall(attributes)]


def _fact(source: str, tag: str) -> str:
    """Return the text of the first element of that name that holds nothing but text; "" if there is none."""
    match = re.search(rf"<{tag}\b[^<>]*>([^<>]*)</", source)
    return one_line(html.unescape(match[1]))[:300] if match else ""


def _words(text: str) -> str:
    """Return text with its character references decoded, and without escaped HTML, which feeds contain."""
    return _HTML.sub(_lines, html.unescape(text)) if "&" in text else text


def _lines(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n") or " "


Show = Callable[[str, str, int, int], bool]  # tag, attributes, offset in the text, line -> True if it is a figure


class _MarkupRemover:
    """Writes the source without its markup, and collects its titles as headings."""

    def __init__(self, source: str, max_headings: int, show: Show | None = None) -> None:
        self.show = show
        self.line = 1
        self.max_headings = max_headings
        self.source = source
        self.parts: list[str] = []
        self.length = 0
        self.depth = 0
        self.title_from: int | None = None  # number of parts when a title began
        self.title_start = 0
        self.headings: list[Heading] = []

    def run(self) -> tuple[str, list[Heading]]:
        position = 0
        for match in _MARKUP.finditer(self.source):
            self.write(_words(self.source[position : match.start()]))
            self.markup(match)
            position = match.end()
        self.write(_words(self.source[position:]))
        return "".join(self.parts), self.headings

    def write(self, text: str) -> None:
        if text:
            self.parts.append(text)
            self.length += len(text)
            self.line += text.count("\n")

    def markup(self, match: re.Match[str]) -> None:
        lines = "\n" * match[0].count("\n")
        if match["verbatim"] is not None:
            self.write(_HTML.sub(_lines, match["verbatim"]))
            return
        if match["tag"] is not None:
            self.element(match)
            tag, attributes = match["tag"].rpartition(":")[2], match["attributes"]
            is_shown = bool(self.show and self.show(tag, attributes, self.length, self.line))
            if attributes and not match["close"] and not is_shown:
                spoken = " ".join(_spoken(attributes))
                if spoken:
                    self.write(" " + spoken.replace("\n", " "))
        self.write(lines or " ")

    def element(self, match: re.Match[str]) -> None:
        is_title = match["tag"].rpartition(":")[2].lower() in _TITLES
        if match["close"]:
            self.depth = max(self.depth - 1, 0)
            if is_title and self.title_from is not None:
                title = one_line("".join(self.parts[self.title_from :]))[:300]
                if title and len(self.headings) < self.max_headings:
                    self.headings.append(Heading(self.title_start, max(1, min(self.depth, _MAX_LEVEL)), title))
                self.title_from = None
        elif not match["empty"]:
            self.depth += 1
            if is_title:
                self.title_from, self.title_start = len(self.parts), self.length
