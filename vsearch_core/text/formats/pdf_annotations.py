"""Read the annotations of a PDF's pages: values of form fields, comments, and text typed on a page."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_MAX_ANNOTATIONS = 10_000  # of a page
_MAX_PARENTS = 10  # of a form field
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


def _texts(reference: Any, seen: set[int]) -> Iterator[str]:
    try:
        annotation = reference.get_object()
        kind = annotation.get("/Subtype")
        if kind == "/Widget":
            yield from _values(annotation, seen)
        elif kind not in _NOT_WRITTEN:
            yield _shown(annotation.get("/Contents", ""))
    except Exception:
        return


def _values(field: Any, seen: set[int]) -> Iterator[str]:
    """Yield the value of a text or choice field, after its description if it has one for people."""
    inherited: dict[str, Any] = {}
    for _ in range(_MAX_PARENTS):
        for key in ("/V", "/FT", "/Ff", "/TU"):
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
    text = ", ".join(map(_shown, value)) if isinstance(value, list) else _shown(value)
    if text:
        label = _shown(inherited["/TU"]) if "/TU" in inherited else ""
        yield f"{label}: {text}" if label else text


def _shown(value: Any) -> str:
    """Return a string, or the text of a stream, as text."""
    value = value.get_object() if hasattr(value, "get_object") else value
    text = value.get_data().decode("utf-8", "replace") if hasattr(value, "get_data") else str(value)
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
