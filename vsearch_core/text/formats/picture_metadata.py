"""Read captions and metadata from a picture's file: EXIF, IPTC and XMP, and the texts of PNG and GIF.

Sources: Exif 2.32 (CIPA DC-008), the IPTC Photo Metadata Standard, and XMP part 1 (ISO 16684-1).
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vsearch_core.model import JsonValue
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.headings import MAX_TITLE, useful_title
from vsearch_core.text.extract.pictures import ORIENTATION, upright_size

_EXIF, _GPS = 0x8769, 0x8825  # the tags of EXIF's directories
_MAX_TEXT = 20_000  # characters of a caption
_MAX_XMP = 4_000_000  # bytes
_MAX_LIST = 500  # keywords or people
_MAKER, _MODEL, _LENS = 0x010F, 0x0110, 0xA434
_XP = {"title": 0x9C9B, "comment": 0x9C9C, "author": 0x9C9D, "keywords": 0x9C9E, "subject": 0x9C9F}  # of Windows
_DESCRIPTION, _ARTIST, _COPYRIGHT, _USER_COMMENT = 0x010E, 0x013B, 0x8298, 0x9286
_TAKEN = ((0x9003, 0x9011), (0x9004, 0x9012))  # date, time zone: original, digitised
_DATE = re.compile(r"(\d{4})[:\-/.](\d{2})[:\-/.](\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?(.*)", re.DOTALL)
_ZONE = re.compile(r"\s*(Z|[+-]\d{2}:?\d{2})\s*")
_ENCODINGS = {
    b"ASCII\0\0\0": "utf-8",
    b"UNICODE\0": "utf-16",
    b"JIS\0\0\0\0\0": "iso2022_jp",
    bytes(8): "utf-8",
}
_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "core": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "iptc": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "regions": "http://www.metadataworkinggroup.com/schemas/regions/",
    "people": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "lightroom": "http://ns.adobe.com/lightroom/1.0/",
}
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# What cameras and programs write as a caption by themselves.
_BY_PROGRAMS = re.compile(
    r"(?:[A-Z]{2,}[A-Z0-9 .\-]*(?:DIGITAL CAMERA|CAMERA PICTURES?|DSC)\b.*|SONY DSC|DCIM.*|Exif_JPEG_\w*|KODAK .*CAMERA"
    r"|(?:created|made|edited|generated|written|optimized|compressed|processed)\b.{0,20} (?:with|by|using) .*"
    r"|file written by .*|CREATOR: .*|LEAD Technologies.*|AppleMark|Intel\(R\).*|default|screenshot|ascii|unicode|null"
    r"|n/?a|none|untitled|binary comment|\W*)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """Captions and metadata from a picture's file.

    Attributes:
        title: Its title, if any.
        captions: What people wrote about it: descriptions, alternative texts, comments. Each says something new.
        keywords: Its keywords.
        people: The names of people in it.
        places: The names of the place where it was taken; empty unless positions were asked for.
        metadata: Size, date, camera and the like; the values above, too.
        size: Its width and height in pixels, as it is to be looked at.
    """

    title: str | None
    captions: tuple[str, ...]
    keywords: tuple[str, ...]
    people: tuple[str, ...]
    places: tuple[str, ...]
    metadata: Mapping[str, JsonValue]
    size: tuple[int, int]


def facts(image: Any, *, positions: bool) -> PictureFacts:
    """Return the captions and metadata of an open picture. With `positions`, add the place where it was taken.

    Values that can't be read are left out.
    """
    exif, iptc, xmp, texts = _exif(image), _iptc(image), _Xmp(image), _texts(image)
    titles = [
        *xmp.texts("dc:title", "photoshop:Headline"),
        *_decoded(iptc, 5, 105),
        *texts("Title"),
        *_windows(exif, "title"),
    ]
    title = next(filter(None, map(_written, titles)), None)
    captions = _distinct(
        filter(
            None,
            map(
                _written,
                (
                    *xmp.texts("dc:description", "core:AltTextAccessibility", "core:ExtDescrAccessibility"),
                    *_decoded(iptc, 120),
                    *(_text(exif.get(_DESCRIPTION)), *_windows(exif, "subject", "comment"), _comment(exif)),
                    *xmp.texts("exif:UserComment"),
                    *texts("Description", "Comment", "comment", "parameters"),
                    *titles,
                ),
            ),
        )
    )
    title = title if title is None or len(title) <= MAX_TITLE else None
    keywords = _distinct(
        [*xmp.texts("dc:subject"), *_decoded(iptc, 25), *_split([*_windows(exif, "keywords"), *texts("Keywords")])]
    )
    people = _distinct([*xmp.texts("iptc:PersonInImage", "people:PersonDisplayName"), *xmp.texts("regions:Name")])
    author = _distinct(
        [*xmp.texts("dc:creator"), *_decoded(iptc, 80), *_split([_text(exif.get(_ARTIST))]), *texts("Author")]
    ) or _distinct(_split(_windows(exif, "author")))
    width, height = upright_size(image, exif.get(ORIENTATION))
    metadata: dict[str, JsonValue] = {
        "created": _created(exif, xmp, texts),
        "author": ", ".join(author),
        "description": one_line(captions[0]) if captions and captions[0] != title else "",
        "keywords": list(keywords),
        "people": list(people),
        "camera": _camera(exif),
        "lens": _text(exif.get(_LENS)),
        "copyright": next(
            filter(None, [*xmp.texts("dc:rights"), *_decoded(iptc, 116), _text(exif.get(_COPYRIGHT))]), ""
        ),
        "width": width,
        "height": height,
    }
    places: tuple[str, ...] = ()
    if positions:
        names = ("core:Location", "photoshop:City", "photoshop:State", "photoshop:Country")
        places = _distinct([*xmp.texts(*names), *_decoded(iptc, 92, 90, 95, 101)])
        metadata |= {**_position(exif), "places": list(places)}
    metadata = {key: value for key, value in metadata.items() if value not in ("", None) and value != []}
    return PictureFacts(title, captions, keywords, people, places, metadata, (width, height))


def _exif(image: Any) -> dict[int, Any]:
    """Return the tags of EXIF's first, EXIF and GPS directories. A tag of GPS has the number 0x10000 and its own."""
    try:
        found = image.getexif()
        return {**found, **found.get_ifd(_EXIF), **{0x10000 + tag: value for tag, value in found.get_ifd(_GPS).items()}}
    except MemoryError:
        raise
    except Exception:  # damaged metadata must not cost the rest
        return {}


def _iptc(image: Any) -> Mapping[tuple[int, int], Any]:
    from PIL.IptcImagePlugin import getiptcinfo

    try:
        return getiptcinfo(image) or {}
    except MemoryError:
        raise
    except Exception:  # as above
        return {}


def _decoded(iptc: Mapping[tuple[int, int], Any], *records: int) -> Iterator[str]:
    """Yield the texts of some of IPTC's records (those of group 2)."""
    for record in records:
        values = iptc.get((2, record), [])
        for value in values if isinstance(values, list) else [values]:
            yield _text(value)


def _texts(image: Any) -> Any:
    """Return a function from names to the texts that a PNG, GIF or JPEG has under them."""

    def texts(*names: str) -> list[str]:
        return [_text(image.info[name]) for name in names if isinstance(image.info.get(name), str | bytes)]

    return texts


class _Xmp:
    """The properties of a picture's XMP packet, by names such as "dc:title"."""

    def __init__(self, image: Any) -> None:
        from lxml import etree

        packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        packet = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet
        self._root = None
        if isinstance(packet, bytes) and 0 < len(packet) <= _MAX_XMP:
            parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
            try:
                self._root = etree.fromstring(packet.strip(b" \0\r\n\t"), parser)
            except (etree.LxmlError, ValueError):
                self._root = None

    def texts(self, *names: str) -> list[str]:
        """Return the values of properties; of one in several languages, the default's alone."""
        found: list[str] = []
        if self._root is None:
            return found
        for name in names:
            prefix, _, local = name.partition(":")
            tag = f"{{{_NAMESPACES[prefix]}}}{local}"
            for element in self._root.iter():
                if tag in element.attrib:
                    found.append(element.attrib[tag])
                if element.tag == tag:
                    found += _items(element)
        return [text for text in map(_text, found[:_MAX_LIST]) if text]


def _items(element: Any) -> list[str]:
    """Return the texts of a property: those of a list's items, one of a choice of languages, or its own."""
    items = list(element.iter(f"{_RDF}li"))
    if element.find(f"{_RDF}Alt") is not None:
        items = [item for item in items if item.get(_LANGUAGE) == "x-default"][:1] or items[:1]
    return ["".join(each.itertext()) for each in items or [element]]


def _text(value: object) -> str:
    """Return a value of metadata as text: UTF-8, or else Windows-1252. Pillow takes both for Latin-1."""
    if isinstance(value, str):
        try:
            value = value.encode("latin-1")
        except UnicodeEncodeError:
            value = str(value).encode("utf-8", "replace")
    if not isinstance(value, bytes):
        return ""
    value = value.partition(b"\0")[0][: 4 * _MAX_TEXT]
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()[:_MAX_TEXT]


def _windows(exif: Mapping[int, Any], *names: str) -> list[str]:
    """Return texts that Windows writes, in UTF-16."""
    values = [exif.get(_XP[name]) for name in names]
    raw = [
        bytes(value)
        if isinstance(value, tuple) and all(isinstance(each, int) and each < 256 for each in value)
        else value
        for value in values
    ]
    return [
        value.decode("utf-16-le", "replace").partition("\0")[0].strip() for value in raw if isinstance(value, bytes)
    ]


def _comment(exif: Mapping[int, Any]) -> str:
    """Return the user's comment, which begins with 8 bytes that tell its encoding."""
    value = exif.get(_USER_COMMENT)
    if not isinstance(value, bytes):
        return _text(value)
    encoding = _ENCODINGS.get(value[:8])
    if encoding is None:
        return _text(value)
    value = value[8 : 8 + 4 * _MAX_TEXT]
    if encoding == "utf-16" and value[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16-le" if value[1::2].count(0) >= value[::2].count(0) else "utf-16-be"
    text = _text(value) if encoding == "utf-8" else value.decode(encoding, "replace").partition("\0")[0]
    return text.strip()


def _written(text: str) -> str:
    """Return a caption, or "" for one that a camera or program has written, or that names a file."""
    text = text.strip()
    return "" if _BY_PROGRAMS.fullmatch(text) or useful_title(text) is None else text


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that say something new: without those that an earlier one contains as a whole."""
    found: list[str] = []
    for text in texts:
        shown = one_line(text)
        if shown and all(shown.casefold() != one_line(each).casefold() for each in found) and len(found) < _MAX_LIST:
            found.append(text.strip())
    return tuple(found)


def _split(texts: Iterable[str]) -> list[str]:
    return [
        each.strip() for text in texts for each in re.split("[;,]" if ";" not in text else ";", text) if each.strip()
    ]


def _camera(exif: Mapping[int, Any]) -> str:
    """Return the camera as "Maker Model"; many models begin with their maker."""
    maker, model = one_line(_text(exif.get(_MAKER))), one_line(_text(exif.get(_MODEL)))
    begins = maker.casefold().split()[:1]
    return model if begins and model.casefold().split()[:1] == begins else f"{maker} {model}".strip()


def _created(exif: Mapping[int, Any], xmp: _Xmp, texts: Any) -> str | None:
    """Return when the picture was taken as ISO text, or None. A time without a zone is that of the camera's clock."""
    for date, zone in _TAKEN:
        found = _iso(_text(exif.get(date)), _text(exif.get(zone)))
        if found:
            return found
    others = [*xmp.texts("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate"), *texts("Creation Time")]
    return next(filter(None, map(_iso, others)), None)


def _iso(date: str, zone: str = "") -> str | None:
    found = _DATE.fullmatch(date.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, rest = found.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(year) > 0):
        return None
    if hour is None:
        return f"{year}-{month}-{day}"
    if not (int(hour) < 24 and int(minute) < 60 and int(second or 0) <= 60):
        return None
    known = _ZONE.fullmatch(zone) or _ZONE.fullmatch(rest)
    return f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{known[1] if known else ''}"


def _position(exif: Mapping[int, Any]) -> dict[str, JsonValue]:
    """Return latitude and longitude in degrees, north and east positive, if the picture has them."""
    found: dict[str, JsonValue] = {}
    for name, tag, negative, most in (("latitude", 2, "S", 90), ("longitude", 4, "W", 180)):
        try:
            degrees, minutes, seconds = (float(each) for each in exif[0x10000 + tag])
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return {}
        value = degrees + minutes / 60 + seconds / 3600
        if not (math.isfinite(value) and 0 <= value <= most):
            return {}
        found[name] = round(-value if _text(exif.get(0x10000 + tag - 1)).upper() == negative else value, 6)
    return found
