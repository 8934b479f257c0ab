"""Makes small picture files with metadata. Only `drawn` and what uses it need Pillow."""

import base64
import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

# 200 x 100 pixels, yellow with a blue rectangle, turned by a quarter; "A heron", taken by a camera on 2026-03-01
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAaJtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRp"
    "bG9jAAAAAERAAAIAAQAAAAABxgABAAAAAAAAAKEAAgAAAAACZwABAAAAAAAAAIQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA4WlwcnAAAADBaXBjbwAAAHlodmNDAQNwAAAAkAAAAAAAHvAA"
    "/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAsQgEBA3AAAAMAkAAAAwAAAwAeoBkgafeW6kkprm4CGgwIAAAD"
    "AMgAAAMACEBiAAEAB0QBwXKwYkAAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAyAAAAGQAAAAQcGl4aQAAAAADCAgIAAAA"
    "CWlyb3QDAAAAGGlwbWEAAAAAAAAAAQABBYECAwSFAAAAGmlyZWYAAAAAAAAADmNkc2MAAgABAAEAAAEtbWRhdAAAAJ0oAa8ZQiFge677"
    "x/WQpvae6pb/5Ghfw0FvYmOjEy89vZOAcpeLwsly2mp/9Sx0L1EBRqtK59p56ZunWK9LRspzjZ5cI84ob+/+JHgubpkB8sf4edJMZPRR"
    "VHOJpwKQRCS0AqpIpcq/NY33n9IV6TFicxp34dyjea25akj3gI0NyFKwEhdVS2qVe+wANyCzjEAAABapPQABKNgAHdIQAAAABkV4aWYA"
    "AE1NACoAAAAIAAQBDgACAAAACAAAAD4BEAACAAAADQAAAEYBEgADAAAAAQAGAACHaQAEAAAAAQAAAFQAAAAAQSBoZXJvbgBDYW5vbiBF"
    "T1MgUjUAAAABkAMAAgAAABQAAABmAAAAADIwMjY6MDM6MDEgMTI6MzA6MDAA"
)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    texts: Mapping[str, str] | None = None, *, after: Mapping[str, str] | None = None, size: tuple[int, int] = (2, 3)
) -> bytes:
    """Return a black PNG with texts before, and others after its pixels. One larger than 2 x 3 lacks most pixels."""
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *map(_text_chunk, (texts or {}).items())]
    parts += [chunk(b"IDAT", zlib.compress(bytes(9))), *map(_text_chunk, (after or {}).items()), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _text_chunk(pair: tuple[str, str]) -> bytes:
    return chunk(b"iTXt", pair[0].encode() + bytes(5) + pair[1].encode())


def xmp(body: str) -> bytes:
    """Return an XMP packet with these properties, elements of the usual prefixes."""
    prefixes = {
        "dc": "http://purl.org/dc/elements/1.1/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "iptc": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "core": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
        "mwg": "http://www.metadataworkinggroup.com/schemas/regions/",
    }
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in prefixes.items())
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{rdf}" {names}><rdf:Description rdf:about="">{body}</rdf:Description></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def iptc_segment(records: Mapping[int, list[bytes]], *, utf8: bool = True) -> bytes:
    """Return the segment of a JPEG with these IPTC records."""
    data = b"\x1c\x01\x5a\x00\x03\x1b%G" if utf8 else b""
    for number, values in records.items():
        for value in values:
            data += b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(value)) + value
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)
    content = b"Photoshop 3.0\0" + block
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def with_iptc(jpeg: bytes, records: Mapping[int, list[bytes]], *, utf8: bool = True) -> bytes:
    """Return the JPEG with IPTC records."""
    return jpeg[:2] + iptc_segment(records, utf8=utf8) + jpeg[2:]


def drawn(kind: str = "JPEG", *, size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: Any) -> bytes:
    """Return a plain picture that Pillow saves in this format."""
    from PIL import Image

    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


def exif(
    tags: Mapping[int, Any], photo: Mapping[int, Any] | None = None, position: Mapping[int, Any] | None = None
) -> Any:
    """Return EXIF of tags in its first, its EXIF and its GPS directory."""
    from PIL import Image

    made = Image.Exif()
    made.update(tags)
    made.get_ifd(0x8769).update(photo or {})
    made.get_ifd(0x8825).update(position or {})
    return made
