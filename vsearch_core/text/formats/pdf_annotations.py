"""Read the annotations of a PDF's pages: values of form fields, comments, and text typed on a page."""

import html
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from vsearch_core.text.formats.pdf_unreadable import is_unreadable

_MAX_ANNOTATIONS = 10_000  # of a page
_MAX_PARENTS = 10  # of a form field
_MAX_OPTIONS = 10_000  # of a choice field
_DRAWN = frozenset({"/FreeText", "/Stamp"})  # comments that are read from what they draw, if they have no other text
_BLOCK_END = re.compile(r"</(?:p|div|li)>|<br\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_PASSWORD = 1 << 13  # flag of a text field
_NOT_WRITTEN = frozenset({"/Link", "/Widget", "/Popup", "/Watermark", "/PrinterMark", "/TrapNet", "/Movie", "/Screen"})


def annotations(page: Any, seen: set[int]) -> list[str]:
    """Return the values and comments of a page, in the order of the file.

    Fields with a value that was `seen` on a page before are left out; passwords, buttons and empty fields, too. A
    damaged annotation is left out.
    """
    found: list[str] = []
    with suppress(Exception):  # damaged annotations must not cost the text
        listed = page.get("/Annots")
        listed = listed.get_object() if listed is not None else []
        for each in listed[:_MAX_ANNOTATIONS]:
            found += filter(None, _texts(each, seen))
    return found


def loose_values(reader: Any, seen: set[int]) -> list[str]:
    """Return the values of form fields that aren't on any page: those that were not `seen`."""
    found: list[str] = []
    with suppress(Exception):  # damaged fields must not cost the text
        fields = reader.trailer["/Root"].get_object()["/AcroForm"].get_object()["/Fields"].get_object()
        left, visited = list(reversed(fields[:_MAX_ANNOTATIONS])), set[int]()
        while left and len(visited) < _MAX_ANNOTATIONS:
            field = left.pop().get_object()
            number = field.indirect_reference.idnum if field.indirect_reference is not None else 0
            if not number or number in visited:
                continue
            visited.add(number)
            kids = field["/Kids"].get_object() if "/Kids" in field else []
            if "/V" in field and number not in seen:
                found += filter(None, _values(field, seen))
            left += reversed(kids[:_MAX_ANNOTATIONS])
    return found


def _texts(reference: Any, seen: set[int]) -> Iterator[str]:
    try:
        annotation = reference.get_object()
        kind = annotation.get("/Subtype")
        if kind == "/Widget":
            yield from _values(annotation, seen)
        elif kind not in _NOT_WRITTEN:
            yield _comment(annotation)
    except Exception:
        return


def _values(field: Any, seen: set[int]) -> Iterator[str]:
    """Yield the value of a text or choice field, after its description if it has one for people."""
    inherited: dict[str, Any] = {}
    for _ in range(_MAX_PARENTS):
        for key in ("/V", "/FT", "/Ff", "/TU", "/Opt"):
            if key in field:
                inherited.setdefault(key, field[key])
        if "/V" in field:
            reference = field.indirect_reference
            number = reference.idnum if reference is not None else 0
            if number and number in seen:
                return
            seen.add(number)
        parent = field.get("/Parent")
        if parent is None:
            break
        field = parent.get_object()
    value = inherited.get("/V")
    flags = inherited.get("/Ff", 0)
    is_password = inherited.get("/FT") == "/Tx" and int(flags) & _PASSWORD
    if value is None or inherited.get("/FT") not in {"/Tx", "/Ch"} or is_password:
        return
    names = _option_names(inherited.get("/Opt"))
    chosen = map(_shown, value) if isinstance(value, list) else [_shown(value)]
    text = ", ".join(names.get(each, each) for each in chosen)
    if text:
        label = _shown(inherited["/TU"]) if "/TU" in inherited else ""
        yield f"{label}: {text}" if label else text


def _comment(annotation: Any) -> str:
    """Return the text of a comment: its plain text, its rich text, or what it draws if it is text typed on the page."""
    text = _shown(annotation.get("/Contents", ""))
    if text:
        return text
    if "/RC" in annotation:
        return html.unescape(_TAG.sub("", _BLOCK_END.sub("\n", _shown(annotation["/RC"])))).strip()
    if annotation.get("/Subtype") in _DRAWN and "/AP" in annotation:
        return _drawn(annotation["/AP"].get_object()["/N"].get_object())
    return ""


def _drawn(form: Any) -> str:
    """Return the text that an annotation's appearance draws."""
    from pypdf import PageObject
    from pypdf.generic import NameObject

    page = PageObject.create_blank_page(width=1000, height=1000)
    page[NameObject("/Resources")] = form.get("/Resources", {})
    page[NameObject("/Contents")] = form
    text = page.extract_text().strip()
    return "" if is_unreadable(text) else text


def _option_names(options: Any) -> dict[str, str]:
    """Return the names that a choice field shows for its values, by value."""
    options = options.get_object() if options is not None else []
    pairs = [pair for each in options[:_MAX_OPTIONS] if isinstance(pair := each.get_object(), list) and len(pair) > 1]
    return {_shown(pair[0]): _shown(pair[1]) for pair in pairs}


def _shown(value: Any) -> str:
    """Return a string, or the text of a stream, as text."""
    value = value.get_object() if hasattr(value, "get_object") else value
    text = value.get_data().decode("utf-8", "replace") if hasattr(value, "get_data") else str(value)
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
