"""Documents of several formats with coloured pictures in them, which `image_models.ColourModel` recognises."""

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage

from figure_files import with_members
from image_models import COLOURS, coloured
from packages import docx, epub, odf, pptx, relations, shape
from samples import pdf, stream

Page = tuple[str, Sequence[str]]  # a line of text, and the colours of the pictures below it

_IMAGE = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode"


def coloured_pdf(*pages: Page, captions: Mapping[str, str] | None = None) -> bytes:
    """Return a PDF of pages; `captions` are drawn right below pictures of a colour."""
    colours = list(COLOURS)
    pictures = [
        stream(zlib.compress(bytes(COLOURS[name]) * 200 * 150), _IMAGE + b" /Width 200 /Height 150") for name in colours
    ]
    first = 4 + len(pictures)
    named = b" ".join(b"/%b %d 0 R" % (name.encode(), 4 + number) for number, name in enumerate(colours))
    resources = b"/Resources << /Font << /F1 3 0 R >> /XObject << %b >> >>" % named
    kids = b" ".join(b"%d 0 R" % (first + 2 * number) for number in range(len(pages)))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        *pictures,
    ]
    for number, (text, shown) in enumerate(pages):
        content = f"BT /F1 12 Tf 72 740 Td ({text}) Tj ET\n" if text else ""
        for place, name in enumerate(shown):
            top = 700 - 220 * place
            content += f"q 200 0 0 150 72 {top - 150} cm /{name} Do Q\n"
            if captions and name in captions:
                content += f"BT /F1 12 Tf 72 {top - 166} Td ({captions[name]}) Tj ET\n"
        own = b"/MediaBox [0 0 612 792] %b /Contents %d 0 R" % (resources, first + 2 * number + 1)
        bodies += [b"<< /Type /Page /Parent 2 0 R %b >>" % own, stream(content.encode("latin1"))]
    return pdf(bodies)


def coloured_slides(*slides: Page) -> bytes:
    """Return a presentation. Of a slide without text, only the pictures are there."""
    bodies, members = [], dict[str, str | bytes]()
    for number, (text, shown) in enumerate(slides):
        pictures = "".join(
            f'<p:pic><p:nvPicPr><p:cNvPr id="{at}" name=""/></p:nvPicPr><a:blip r:embed="{name}"/></p:pic>'
            for at, name in enumerate(shown)
        )
        bodies.append((shape(text) if text else "") + pictures)
        related = relations({name: ("image", f"../media/{name}.png") for name in shown})
        members[f"ppt/slides/_rels/s{len(slides) - number}.xml.rels"] = related
        members |= {f"ppt/media/{name}.png": coloured(name) for name in shown}
    return with_members(pptx(*bodies), members)


def coloured_word(text: str, *shown: str) -> bytes:
    """Return a Word document of a paragraph and pictures."""
    pictures = "".join(
        '<w:p><w:r><w:drawing xmlns:wp="wp" xmlns:pic="pic" xmlns:r="r"><wp:inline><wp:docPr id="1" name="p"/>'
        f'<a:blip r:embed="{name}"/></wp:inline></w:drawing></w:r></w:p>'
        for name in shown
    )
    body = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>{pictures}"
    members: dict[str, str | bytes] = {
        "word/_rels/document.xml.rels": relations({name: ("image", f"media/{name}.png") for name in shown})
    }
    return with_members(docx(body), members | {f"word/media/{name}.png": coloured(name) for name in shown})


def coloured_book(text: str, shown: str) -> bytes:
    """Return an EPUB book of one section."""
    book = epub({"a.xhtml": f'<p>{text}</p><p><img src="{shown}.png"/></p>'})
    return with_members(book, {f"OPS/{shown}.png": coloured(shown)})


def coloured_open_document(text: str, shown: str) -> bytes:
    """Return an OpenDocument text."""
    frame = f'<draw:frame><draw:image xmlns:xlink="x" xlink:href="Pictures/{shown}.png"/></draw:frame>'
    made = odf("text", f"<text:p>{text}</text:p><text:p>{frame}</text:p>")
    return with_members(made, {f"Pictures/{shown}.png": coloured(shown)})


def coloured_web_page(text: str, *shown: str) -> bytes:
    """Return an HTML page with its pictures in it."""
    pictures = "".join(f'<p><img src="data:image/png;base64,{_base64(name)}"></p>' for name in shown)
    return f"<html><body><p>{text}</p>{pictures}</body></html>".encode()


def coloured_notebook(text: str, shown: str) -> bytes:
    """Return a Jupyter notebook of one cell with an output."""
    output = {"output_type": "display_data", "data": {"image/png": _base64(shown)}}
    cells = [{"cell_type": "code", "source": [text], "outputs": [output]}]
    return json.dumps({"cells": cells, "nbformat": 4}).encode()


def coloured_message(text: str, shown: str) -> bytes:
    """Return a message with an attached picture."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "Colours"
    message.set_content(text)
    message.add_attachment(coloured(shown), maintype="image", subtype="png", filename="photo.png")
    return message.as_bytes()


def coloured_archive(**members: bytes) -> bytes:
    """Return a zip archive; `_` in a name stands for its dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return out.getvalue()


def _base64(name: str) -> str:
    return base64.b64encode(coloured(name)).decode()
