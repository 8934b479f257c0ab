"""The fonts of PDF pages whose text has no letters, and pages whose drawings contain themselves."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_IDENTITY = ("/Identity-H", "/Identity-V")
_MAPPED_COLLECTIONS = frozenset({"GB1", "CNS1", "Japan1", "Korea1", "KR"})  # with published maps to Unicode
_MAX_FORMS = 1000  # of a page
_MAX_DEPTH = 12  # of forms within forms


@dataclass(slots=True)
class PageResources:
    """The fonts and forms of a page. Forms are drawings that a page and other forms can draw any number of times.

    `unmapped` has the names of fonts whose codes are only numbers of glyphs. `is_endless` tells that forms contain
    themselves, or nest so deep that drawing them may take for ever.
    """

    known: dict[int, str]  # by the number of a font's object: its name if it is unmapped, else ""
    unmapped: set[str] = field(default_factory=set)
    is_endless: bool = False
    _open: set[int] = field(default_factory=set)  # forms around the one that is read
    _done: set[int] = field(default_factory=set)

    def read(self, resources: Any, depth: int = 0) -> "PageResources":
        """Add what the resources of a page or form name."""
        with suppress(Exception):  # damaged resources name nothing
            resources = resources.get_object()
            for font in _entries(resources, "/Font").values():
                self._add_font(font)
            for each in _entries(resources, "/XObject").values():
                self._add_form(getattr(each, "idnum", 0), each.get_object(), resources, depth)
        return self

    def _add_font(self, font: Any) -> None:
        number = getattr(font, "idnum", 0)
        if number not in self.known or not number:
            self.known[number] = _unmapped_name(font.get_object())
        if self.known[number]:
            self.unmapped.add(self.known[number])

    def _add_form(self, number: int, form: Any, outer: Any, depth: int) -> None:
        if form.get("/Subtype") != "/Form" or (number in self._done and number not in self._open):
            return
        if number in self._open or depth >= _MAX_DEPTH or len(self._done) >= _MAX_FORMS:
            self.is_endless = True
            return
        self._done.add(number)
        self._open.add(number)
        inner = form.get("/Resources")
        if inner is None and b"Do" in form.get_data():  # it draws the forms of what is around it
            inner = outer
        if inner is not None:
            self.read(inner, depth + 1)
        self._open.discard(number)


def _entries(resources: Any, kind: str) -> Mapping[str, Any]:
    entries: Mapping[str, Any] = resources.get(kind, {}).get_object() if kind in resources else {}
    return entries


def _unmapped_name(font: Any) -> str:
    """Return the name of a composite font without any map to Unicode, "" of any other font.

    Its encoding is Identity, and its characters are of none of Adobe's collections.
    """
    if font.get("/Subtype") != "/Type0" or "/ToUnicode" in font or font.get("/Encoding") not in _IDENTITY:
        return ""
    descendant = font["/DescendantFonts"].get_object()[0].get_object()
    ordering = str(descendant["/CIDSystemInfo"].get_object().get("/Ordering")) if "/CIDSystemInfo" in descendant else ""
    return "" if ordering in _MAPPED_COLLECTIONS else str(font.get("/BaseFont", "/")).lstrip("/")
