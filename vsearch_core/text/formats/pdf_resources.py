"""The fonts of PDF pages whose text has no letters, and pages whose drawings contain themselves."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_IDENTITY = ("/Identity-H", "/Identity-V")
_MAPPED_COLLECTIONS = frozenset({"GB1", "CNS1", "Japan1", "Korea1", "KR"})  # with published maps to Unicode
_UNICODE_CMAP = re.compile(r"/Uni(?:GB|CNS|JIS|JIS2004|JISX0213|JISX02132004|KS)-(?:UCS2|UTF16|UTF32)(?:-HW)?-[HV]")
_CMAPS = frozenset(  # the other predefined maps of codes that PDFium knows (ISO 32000-1, 9.7.5.2), for horizontal text
    {"/GB-EUC-H", "/GBpc-EUC-H", "/GBK-EUC-H", "/GBKp-EUC-H", "/GBK2K-H", "/B5pc-H", "/HKscs-B5-H", "/ETen-B5-H"}
    | {"/ETenms-B5-H", "/CNS-EUC-H", "/83pv-RKSJ-H", "/90ms-RKSJ-H", "/90msp-RKSJ-H", "/90pv-RKSJ-H", "/Add-RKSJ-H"}
    | {"/Ext-RKSJ-H", "/EUC-H", "/H", "/KSC-EUC-H", "/KSCms-UHC-H", "/KSCms-UHC-HW-H", "/KSCpc-EUC-H"}
)
_NUMBERED = re.compile(  # names of glyphs that are only numbers, and not those of standard lists such as "afii10017"
    r"/(?:[gGcCbBxFHTtsSif_]|gid|cid|CID|[gG]lyph|index|[cC]har)[._]?(?P<number>[0-9A-Fa-f]{1,5})|/uni(?:E[0-9A-F]|F[0-8])[0-9A-F]{2}"
)
_MIN_NUMBERED = 0.7  # of a font's own names
_MIN_OWN_CODES = 0.5  # of the numbers are the codes themselves, which then are letters
_PYPDF_CMAP = re.compile(
    r"/(?:GB-EUC|GBpc-EUC|GBK-EUC|GBK2K|ETen-B5|ETenms-B5|90ms-RKSJ|Uni\w+-(?:UCS2|UTF16)(?:-HW)?)-[HV]"
)
_BASE = re.compile(rb"(/[\w-]{1,40})\s+usecmap")
_MAX_FORMS = 1000  # of a page
_MAX_DEPTH = 12  # of forms within forms


@dataclass(frozen=True, slots=True)
class Font:
    """A font: its name if it is unmapped, else "", whether its encoding got another name, whether it has no glyphs."""

    unmapped: str
    is_changed: bool
    lacks_glyphs: bool


@dataclass(slots=True)
class PageResources:
    """The fonts and forms of a page. Forms are drawings that a page and other forms can draw any number of times.

    `unmapped` has the names of fonts whose codes are only numbers of glyphs, or are in encodings that PDFium doesn't
    know. `is_changed` tells that a font got another name for its encoding, which PDFium knows. `lacks_glyphs` tells
    that a composite font isn't in the file: where no other font has its glyphs, PDFium leaves out letters that are
    drawn one by one. `is_endless` tells that forms contain themselves, or nest so deep that drawing
    them may take for ever.
    """

    known: dict[int, Font]  # by the number of a font's object
    unmapped: set[str] = field(default_factory=set)
    is_endless: bool = False
    is_changed: bool = False
    lacks_glyphs: bool = False
    _open: set[int] = field(default_factory=set)  # forms around the one that is read
    _done: set[int] = field(default_factory=set)

    def read(self, resources: Any, depth: int = 0) -> "PageResources":
        """Add what the resources of a page or form name."""
        with suppress(Exception):  # damaged resources name nothing
            resources = resources.get_object()
            for font in _entries(resources, "/Font").values():
                with suppress(Exception):
                    self._add_font(font)
            for each in _entries(resources, "/XObject").values():
                self._add_form(getattr(each, "idnum", 0), each.get_object(), resources, depth)
        return self

    def _add_font(self, font: Any) -> None:
        number = getattr(font, "idnum", 0)
        if number not in self.known or not number:
            lacks_glyphs = _lacks_glyphs(font.get_object())
            is_changed = _name_encoding(font.get_object())
            self.known[number] = Font(_unmapped_name(font.get_object()), is_changed, lacks_glyphs)
        self.is_changed = self.is_changed or self.known[number].is_changed
        self.lacks_glyphs = self.lacks_glyphs or self.known[number].lacks_glyphs
        if self.known[number].unmapped:
            self.unmapped.add(self.known[number].unmapped)

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


def _lacks_glyphs(font: Any) -> bool:
    """Return True for a composite font that isn't in the file, if pypdf knows its encoding."""
    if font.get("/Subtype") != "/Type0":
        return False
    descendant = font["/DescendantFonts"].get_object()[0].get_object()
    descriptor = descendant["/FontDescriptor"].get_object() if "/FontDescriptor" in descendant else {}
    if any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3")):
        return False
    return "/ToUnicode" in font or _PYPDF_CMAP.fullmatch(str(font.get("/Encoding"))) is not None


def _name_encoding(font: Any) -> bool:
    """Give a composite font the horizontal form of its encoding where PDFium knows only that. Return True if it did.

    PDFium doesn't know many encodings for vertical text, nor maps in the file that extend others. They differ from the
    horizontal ones only in the forms of some signs.
    """
    from pypdf.generic import NameObject

    if font.get("/Subtype") != "/Type0" or "/ToUnicode" in font:
        return False
    encoding: Any = font["/Encoding"].get_object() if "/Encoding" in font else ""
    if hasattr(encoding, "get_data"):
        base = _BASE.search(encoding.get_data())
        name = base[1].decode() if base else str(encoding.get("/UseCMap", ""))
    else:
        name = str(encoding)
    if name in _CMAPS or (name.endswith("V") and f"{name[:-1]}H" in _CMAPS):
        font[NameObject("/Encoding")] = NameObject(f"{name[:-1]}H")
        return name != f"{name[:-1]}H" or encoding != name
    return False


def _unmapped_name(font: Any) -> str:
    """Return the name of a font without any map to Unicode, "" of any other font.

    It is a simple font whose glyphs have numbers as names, or a composite one. PDFium doesn't know the encoding of a
    composite one, or it is Identity and the characters are of none of Adobe's collections.
    """
    if "/ToUnicode" in font:
        return ""
    if font.get("/Subtype") != "/Type0":
        return str(font.get("/BaseFont", "/")).lstrip("/") if _has_numbers_as_names(font) else ""
    encoding = font.get("/Encoding")
    descendant = font["/DescendantFonts"].get_object()[0].get_object()
    if encoding in _IDENTITY:
        system = descendant["/CIDSystemInfo"].get_object() if "/CIDSystemInfo" in descendant else {}
        is_mapped = str(system.get("/Ordering")) in _MAPPED_COLLECTIONS
    else:
        is_mapped = not isinstance(encoding, str) or encoding in _CMAPS or bool(_UNICODE_CMAP.fullmatch(encoding))
    return "" if is_mapped else str(descendant.get("/BaseFont", font.get("/BaseFont", "/"))).lstrip("/")


def _has_numbers_as_names(font: Any) -> bool:
    """Return True if most glyphs of a simple font's own encoding have numbers as names, which aren't their codes."""
    encoding = font["/Encoding"].get_object() if "/Encoding" in font else None
    differences = encoding.get("/Differences", []) if isinstance(encoding, Mapping) else []
    code = names = numbered = own = 0
    for each in differences:
        if isinstance(each, int):
            code = each
            continue
        names += each not in {"/.notdef", "/space"}
        match = _NUMBERED.fullmatch(each)
        numbered += match is not None
        number = (match["number"] or "") if match else ""
        own += code in {int(number, 16) if len(number) == 2 else -1, int(number) if number.isdecimal() else -1}
        code += 1
    return names > 0 and numbered >= _MIN_NUMBERED * names and own < _MIN_OWN_CODES * numbered
