"""PDFs written byte by byte, encrypted and scanned ones, and a stand-in for the program OCRmyPDF."""

import io
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)
from samples import pdf


def make_pdf(*pages: str, information: dict[str, str] | None = None) -> bytes:
    """Return a PDF with one line of Latin-1 text on each page."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    bodies = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"]
    bodies.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for number, page in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 700 Td ({page}) Tj ET" if page else ""
        resources = "/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        bodies.append(f"<< /Type /Page /Parent 2 0 R {resources} /Contents {5 + 2 * number} 0 R >>")
        bodies.append(f"<< /Length {len(stream.encode('latin1'))} >>\nstream\n{stream}\nendstream")
    entries = " ".join(f"/{key} ({value})" for key, value in (information or {}).items())
    bodies.append(f"<< {entries} >>")
    data = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(bodies, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode("latin1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R /Info {len(bodies)} 0 R >>"
    return (
        data
        + f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}{trailer}\nstartxref\n{len(data)}\n%%EOF".encode()
    )


Run = tuple[float, float, str]  # where from the left and the bottom, and what is drawn there


def drawn(*pages: Sequence[Run], identity: bool = False, mapped: bool = True, width: int = 500) -> bytes:
    """Return a PDF with strings drawn at places of its pages, in this order, in Helvetica of 12 points.

    With `identity` they are in a composite font whose codes are numbers of glyphs: 29 less than ASCII's. It has a map
    to Unicode if it is `mapped`.
    """
    fonts = "/Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding"
    letters = sorted({ord(letter) for page in pages for _, _, text in page for letter in text})
    codes = {letter: number for number, letter in enumerate(letters, 1)} if mapped else {at: at - 29 for at in letters}
    if identity:
        system = "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"
        inner = f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /ABCDEF+Odd {system} /DW {width} >>"
        fonts = f"/Type /Font /Subtype /Type0 /BaseFont /ABCDEF+Odd /Encoding /Identity-H /DescendantFonts [{inner}]"
        fonts += " /ToUnicode 4 0 R" if mapped else ""
    entries = "\n".join(f"<{code:04x}> <{chr(at).encode('utf-16-be').hex()}>" for at, code in codes.items())
    cmap = f"begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange {len(codes)} beginbfchar\n{entries}\n"
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(pages)))
    bodies = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"]
    bodies += [f"<< {fonts} >>", _content(f"{cmap}endbfchar endcmap")]
    for number, page in enumerate(pages):
        resources = "/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        bodies.append(f"<< /Type /Page /Parent 2 0 R {resources} /Contents {6 + 2 * number} 0 R >>")
        shown = (
            (x, y, f"<{''.join(f'{codes[ord(at)]:04x}' for at in text)}>" if identity else f"({text})")
            for x, y, text in page
        )
        bodies.append(_content("\n".join(f"BT /F1 12 Tf {x} {y} Td {text} Tj ET" for x, y, text in shown)))
    return pdf([body.encode("latin1") for body in bodies])


def annotated(data: bytes, *annotations: dict[str, object]) -> bytes:
    """Return the PDF with these annotations on its first page; keys and names have no slash, strings stand for text."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    listed = ArrayObject()
    for each in annotations:
        entries = {
            NameObject(f"/{key}"): value
            if not isinstance(value, str)
            else NameObject(f"/{value}")
            if key in {"Subtype", "FT"}
            else TextStringObject(value)
            for key, value in each.items()
        }
        rectangle = ArrayObject(NumberObject(at) for at in (72, 500, 272, 530))
        listed.append(writer._add_object(DictionaryObject({NameObject("/Rect"): rectangle, **entries})))
    writer.pages[0][NameObject("/Annots")] = listed
    return _written(writer)


def _content(text: str) -> str:
    return f"<< /Length {len(text.encode('latin1'))} >>\nstream\n{text}\nendstream"


def encrypted(data: bytes, password: str, algorithm: str = "AES-256") -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    return _written(writer)


def with_pictures(data: bytes, pages: Iterable[int], *, in_forms: bool = False) -> bytes:
    """Return the PDF with a picture, of one grey pixel, as the only content of those pages (from 1)."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    image = _stream(b"\x80", Subtype="/Image", ColorSpace="/DeviceGray", Width=1, Height=1, BitsPerComponent=8)
    for number in pages:
        page = writer.pages[number - 1]
        shown = writer._add_object(image)
        if in_forms:
            form = _stream(b"/Picture Do", Subtype="/Form", Resources=_resources(shown))
            shown = writer._add_object(form)
        page[NameObject("/Resources")] = _resources(shown)
        page[NameObject("/Contents")] = writer._add_object(_stream(b"q 500 0 0 700 50 50 cm /Picture Do Q"))
    return _written(writer)


def ocrmypdf(folder: Path, script: str) -> str:
    """Return a PATH on which `ocrmypdf` is this shell script; its `$last` is the output file."""
    folder.mkdir(exist_ok=True)
    program = folder / "ocrmypdf"
    program.write_text(f"#!/bin/sh\nfor last; do :; done\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return os.pathsep.join((str(folder), str(Path(sys.executable).parent), "/usr/bin", "/bin"))


def recognising(folder: Path, data: bytes) -> str:
    """Return a PATH on which `ocrmypdf` always writes this PDF, and saves its input and arguments in the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "recognised.pdf").write_bytes(data)
    here = shlex.quote(str(folder))
    script = f'echo "$@" >> {here}/arguments\ncp input.pdf {here}/input.pdf\ncp {here}/recognised.pdf "$last"'
    return ocrmypdf(folder, script)


def _stream(data: bytes, **entries: object) -> DecodedStreamObject:
    stream = DecodedStreamObject()
    stream.set_data(data)
    for key, value in entries.items():
        pdf_value = NumberObject(value) if isinstance(value, int) else value
        stream[NameObject(f"/{key}")] = NameObject(pdf_value) if isinstance(pdf_value, str) else pdf_value
    return stream


def _resources(shown: object) -> DictionaryObject:
    return DictionaryObject({NameObject("/XObject"): DictionaryObject({NameObject("/Picture"): shown})})


def _written(writer: PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
