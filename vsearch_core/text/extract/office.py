"""Reads parts that occur in all Office documents (OOXML): charts, diagrams, comments and alternative texts."""

import re
from collections.abc import Mapping
from functools import partial

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Document
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import too_large
from vsearch_core.text.extract.figures import MAX_BYTES, Figures, FoundFigure, distinct_texts
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.package import Package

_TEXTS = frozenset({"t", "text"})
_ENDS = frozenset({"p", "pt", "cm", "comment", "threadedComment"})  # elements that end a paragraph
_CHART_TEXTS = frozenset({"v", "pt"})
_UNREAD = frozenset({"val", "xVal", "yVal", "bubbleSize", "numDim", "formatCode", "f"})
_SKIPPED = frozenset({"Fallback", "rPh", "del", "moveFrom", "delText"})
_GENERATED = re.compile(r"\s*(?:AI-generated content may be incorrect|Description automatically generated)[^\n]*", re.I)
_FILE = re.compile(r"(?:\S*[\\/])?[^\\/\n]{1,100}\.(?:png|jpe?g|gif|bmp|emf|wmf|tiff?|svg|webp)", re.I)


def alternative_text(attributes: Mapping[str, str]) -> str:
    """Return the alternative text of a picture or shape; "" if there is none, or if it is only a file name."""
    text = attributes.get("descr") or attributes.get("alt") or attributes.get("title") or ""
    text = one_line(_GENERATED.sub("", text))
    return "" if _FILE.fullmatch(text) else text


class Paragraphs:
    """A `Handler` that collects the paragraphs of a diagram, a text box or comments in `found`."""

    def __init__(self, package: Package) -> None:
        """Start without paragraphs. `package` is the document, whose limits apply."""
        self.found: list[str] = []
        self._package = package
        self._parts: list[str] = []
        self._length = 0
        self._in_text = self._skipping = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Receive the start of an element."""
        if self._skipping or tag in _SKIPPED:
            self._skipping += 1
        elif tag in {"br", "tab"}:
            self._parts.append(" ")
        self._in_text += tag in _TEXTS

    def data(self, text: str) -> None:
        """Receive a piece of text."""
        if self._in_text and not self._skipping:
            self.put(text)

    def put(self, text: str) -> None:
        """Append text to the current paragraph. Raises ExtractionError if all paragraphs together become too long."""
        self._length += len(text) + 1
        if self._length > self._package.limits.text_chars:
            raise too_large(self._package.name)
        self._parts.append(text)

    def end(self, tag: str) -> None:
        """Receive the end of an element."""
        self._in_text -= tag in _TEXTS
        if self._skipping:
            self._skipping -= 1
        elif tag in _ENDS:
            self.end_paragraph()

    def end_paragraph(self) -> None:
        """End the current paragraph, and add it to `found` unless it is blank."""
        text = one_line("".join(self._parts))
        self._parts.clear()
        if text and text != "[Text]":  # what an empty shape of a diagram says
            self.found.append(text)


class _Chart(Paragraphs):
    """Collects the titles, series and categories of a chart, but not its values, which mean nothing without context."""

    def __init__(self, package: Package) -> None:
        super().__init__(package)
        self._unread = 0  # open elements of values and formats

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        super().start(tag, attributes)
        self._unread += tag in _UNREAD
        self._in_text += tag in _CHART_TEXTS

    def data(self, text: str) -> None:
        if not self._unread:
            super().data(text)

    def end(self, tag: str) -> None:
        self._unread -= tag in _UNREAD
        self._in_text -= tag in _CHART_TEXTS
        super().end(tag)
        if tag == "v":
            self.end_paragraph()


class EmbeddedParts:
    """Reads the charts, diagrams and pictures that a part of an Office document shows. Each is read only once."""

    def __init__(self, package: Package, part: str, figures: Figures | None = None) -> None:
        """Read what `part` refers to, such as "ppt/slides/slide1.xml". `figures` reads its pictures."""
        self._package = package
        self._figures = figures
        self._relations = package.relations(part)
        self._read: set[str] = set()

    def lines(self, tag: str, attributes: Mapping[str, str]) -> list[str]:
        """Return the lines of text of the chart or diagram that an XML element shows.

        Return an empty list for any other element, and for a chart that was read before.
        """
        if tag not in {"relIds", "chart"}:
            return []
        kind, member = self._relations.get(attributes.get("dm" if tag == "relIds" else "id", ""), ("", ""))
        if kind not in {"diagramData", "chart", "chartEx"} or member in self._read:
            return []
        self._read.add(member)
        if kind == "diagramData":
            return paragraphs(self._package, member)
        chart = _Chart(self._package)
        self._package.walk(member, chart)
        return list(dict.fromkeys(chart.found))

    def figure(self, relation: str, *texts: str) -> FoundFigure | None:
        """Return the picture that a relation's id refers to as a figure with these texts; None if it is no figure."""
        kind, member = self._relations.get(relation, ("", ""))
        load = partial(self._package.read_within, member, MAX_BYTES)
        if kind != "image" or self._figures is None or not self._figures.is_figure(member, load):
            return None
        return FoundFigure(member, load, distinct_texts(*texts))


def paragraphs(package: Package, member: str) -> list[str]:
    """Return the paragraphs of a diagram or of comments; `member` is its file in the package."""
    handler = Paragraphs(package)
    package.walk(member, handler)
    return handler.found


def embedded_document(name: str, data: bytes, options: ExtractOptions) -> Document | None:
    """Extract a document that is embedded in another one. The suffix of `name` determines its format.

    Return None if it can't be read, or if it is nested too deeply (`ExtractOptions.nested`).
    """
    from vsearch_core.text.extract.registry import extract

    inner = options.nested()
    try:
        return None if inner is None else extract(name, data, inner)
    except ExtractionError:
        return None
