"""Extracts the text of XML files of any kind, line by line.

Regular expressions find the tags. Without a parser, entities and deep nesting can do no harm.
"""

import html
import re

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.headings import Heading, spans_between
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_ENCODING = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{2,40})")
_LANGUAGE = re.compile(r"<[^!?][^>]{0,500}?\bxml:lang\s*=\s*[\"']([A-Za-z]{2,3})")
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[(?P<verbatim>.*?)(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    r"|<![A-Z][^\[<>]*+(?:\[[^\]]*+\]?)?\s*+>?"
    r"|<(?P<close>/?)(?P<tag>[^\s<>/!?][^\s<>/]*+)(?P<attributes>(?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+')*?)(?P<empty>/?)>",
    re.DOTALL,
)  # possessive, so that no input is scanned twice
_BINARY = re.compile(r"<(?:\w{1,20}:)?binary\b[^<>]*+>[^<>]*+(?:</(?:\w{1,20}:)?binary\s*>)?")
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
    """Return the text of a FictionBook (FB2) without its pictures. Its description becomes metadata.

    Raises BinaryFileError if the file isn't text.
    """
    source = _BINARY.sub(_lines, _ABOUT_FILE.sub(_lines, _source(name, data)))
    about = source[: source.find("<body")] if "<body" in source else source[:10_000]
    facts = {key: _fact(about, key) for key in ("book-title", "lang", "date", "first-name", "last-name")}
    text, headings = _MarkupRemover(source, options.limits.headings).run()
    author = f"{facts['first-name']} {facts['last-name']}".strip()
    metadata: dict[str, JsonValue] = {
        key: value for key, value in (("author", author), ("date", facts["date"])) if value
    }
    title = facts["book-title"] or next((heading.title for heading in headings), None)
    language = facts["lang"].partition("-")[0].lower() or None
    return Document(text, spans_between(text, headings), title, language, metadata)


def _source(name: str, data: bytes) -> str:
    """Decode the bytes, with the encoding that the XML declaration names, if there is one."""
    declared = _ENCODING.match(data[:400].lstrip())
    return decode(name, data, declared[1].decode() if declared else None)


def _fact(source: str, tag: str) -> str:
    """Return the text of the first element of that name that holds nothing but text; "" if there is none."""
    match = re.search(rf"<{tag}\b[^<>]*>([^<>]*)</", source)
    return one_line(html.unescape(match[1]))[:300] if match else ""


def _words(text: str) -> str:
    """Return text with its character references decoded, and without escaped HTML, which feeds contain."""
    return _HTML.sub(_lines, html.unescape(text)) if "&" in text else text


def _lines(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n") or " "


class _MarkupRemover:
    """Writes the source without its markup, and collects its titles as headings."""

    def __init__(self, source: str, max_headings: int) -> None:
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

    def markup(self, match: re.Match[str]) -> None:
        lines = "\n" * match[0].count("\n")
        if match["verbatim"] is not None:
            self.write(_HTML.sub(_lines, match["verbatim"]))
            return
        if match["tag"] is not None:
            self.element(match)
            if match["attributes"] and not match["close"]:
                spoken = " ".join(double or single for double, single in _SPOKEN.findall(match["attributes"]))
                if spoken:
                    self.write(" " + html.unescape(spoken).replace("\n", " "))
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
