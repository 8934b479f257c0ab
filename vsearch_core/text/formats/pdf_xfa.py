"""Reads forms in XFA (XML Forms Architecture 3.3), which PDFs contain as XML and most programs can't show."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from vsearch_core.errors import ExtractionError
from vsearch_core.text.extract.options import ExtractLimits
from vsearch_core.text.extract.package import blocks_of, walk_xml

_PARTS = frozenset({"template", "datasets"})
_UNSEEN = frozenset({"script", "event", "calculate", "validate", "assist", "items", "bind", "desc", "proto", "extras"})
_HIDDEN = frozenset({"hidden", "invisible", "inactive"})  # values of `presence`
_LINES = frozenset({"p", "br", "div", "li"})  # of rich text
_MAX_PACKETS = 1000
_MAX_TEXTS = 100_000


def xfa_lines(reader: Any, name: str, limits: ExtractLimits, *, only_form: bool) -> list[str] | None:
    """Return the texts and filled-in values of a PDF's XFA form, a line each; none if it is damaged or too large.

    Return None if the PDF has no such form, or if it has fields of its own, too, and isn't known to be `only_form`.
    """
    packets: list[bytes] = []
    size = 0
    with suppress(Exception):  # damaged objects name no form
        form = reader.trailer["/Root"].get_object()["/AcroForm"].get_object()
        if not only_form and "/Fields" in form and form["/Fields"].get_object():
            return None
        for data in _packets(form["/XFA"].get_object()):
            size += len(data)
            if size > limits.expanded_bytes:
                return []
            packets.append(data)
    if not packets:
        return None
    for data in (b"".join(packets), *packets):  # the packets are one document, and each is one for some programs
        handler = _Form()
        with suppress(ExtractionError):
            walk_xml(name, "form", blocks_of(data), handler, limits)
        lines = handler.lines()
        if lines:
            return lines
    return []


def _packets(entry: Any) -> Iterator[bytes]:
    """Yield the XML of a form: one stream, or several after their names."""
    streams = entry[1 : 2 * _MAX_PACKETS : 2] if isinstance(entry, list) else [entry]
    for stream in streams:
        yield stream.get_object().get_data()


class _Form:
    """A `Handler` that collects a form's texts from its template, and the values of its fields from its data."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []  # the field that a text names, or "", and the text
        self._values: list[tuple[str, str]] = []  # field, value
        self._passwords: set[str] = set()
        self._part = ""
        self._field = ""
        self._unseen = 0  # depth within elements that show nothing
        self._captions = 0  # depth within captions and texts
        self._leaf = ""
        self._text: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Receive the start of an element."""
        if not self._part:
            self._part = tag if tag in _PARTS else ""
            return
        self._leaf = tag
        if self._part == "datasets":
            self._text.clear()
            return
        if self._unseen or tag in _UNSEEN or attributes.get("presence") in _HIDDEN:
            self._unseen += 1
            return
        if tag == "field":
            self._field = attributes.get("name", "")
        elif tag == "passwordEdit":
            self._passwords.add(self._field)
        self._captions += self._captions > 0 or tag in {"caption", "draw"}
        if tag in {"text", "exData"}:
            self._text.clear()
        elif tag in _LINES:
            self._text.append("\n")

    def data(self, text: str) -> None:
        """Receive a piece of text."""
        if self._part == "datasets" or (self._captions and not self._unseen):
            self._text.append(text)

    def end(self, tag: str) -> None:
        """Receive the end of an element."""
        if tag == self._part:
            self._part = ""
        elif self._part == "datasets":
            if tag == self._leaf:
                self._keep(self._values, tag)
            self._leaf = ""
        elif self._unseen:
            self._unseen -= 1
        elif self._part:
            if self._captions and tag in {"text", "exData"}:
                self._keep(self._texts, self._field)
            self._captions -= self._captions > 0
            if tag == "field":
                self._field = ""

    def lines(self) -> list[str]:
        """Return the lines: texts in order, each followed by the values of the field that it names."""
        values: dict[str, list[str]] = {}
        for field, value in self._values:
            if field not in self._passwords:
                values.setdefault(field, []).append(value)
        lines = []
        for field, text in self._texts:
            answers = values.pop(field, []) if field else []
            lines.append(f"{text.removesuffix(':')}: {', '.join(answers)}" if answers else text)
        return [*lines, *(value for answers in values.values() for value in answers)]

    def _keep(self, found: list[tuple[str, str]], field: str) -> None:
        text = "\n".join(filter(None, (" ".join(line.split()) for line in "".join(self._text).split("\n"))))
        self._text.clear()
        if text and len(found) < _MAX_TEXTS:
            found.append((field, text))
