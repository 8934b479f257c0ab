"""A small valid file of every format, to be truncated, corrupted and fuzzed."""

import base64
import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence

from old_office import Paragraph, doc, drawing, listed_text, ole, ppt, text_records, xls
from packages import CHART, DIAGRAM, NAMESPACES, docx, epub, odf, ooxml, pack, pptx, relations, shape, xlsx
from pictures import HEIC, png


def pdf(bodies: Sequence[bytes]) -> bytes:
    """Return a PDF of these objects, numbered from 1; the first is the catalog."""
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(bodies) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, len(data))
    return data + b"xref\n0 %d\n0000000000 65535 f \n%b" % (size, table) + trailer


def pdf_page(contents: bytes, *more: bytes, pages: bytes = b"/Kids [3 0 R] /Count 1", catalog: bytes = b"") -> bytes:
    """Return a PDF of one page. Object 4 is its content, 5 its font; `more` begin at 6, which is the XObject /X."""
    resources = b"/Resources << /Font << /F1 5 0 R >> /XObject << /X 6 0 R >> >>"
    return pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R %b >>" % catalog,
            b"<< /Type /Pages %b >>" % pages,
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %b /Contents 4 0 R >>" % resources,
            contents,
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
            *more,
        ]
    )


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(content), entries, content)


_OUTLINE = b"/Outlines 7 0 R"


def tar(members: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


SAMPLES: dict[str, bytes] = {
    "a.txt": b"Some text.\n\nMore of it, caf\xc3\xa9.\n",
    "a.md": b"---\ntitle: T\ntags: [a]\n---\n# H\n\nt\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nx\n```\n\nS\n---\n",
    "a.rst": b"=====\nTitle\n=====\n\nOne\n---\n\ntext::\n\n    code\n\n.. code:: python\n   :x:\n\n   y\n\nend\n",
    "a.html": b"<html lang=en><head><title>T</title><meta name=author content=A></head><body><nav>n</nav>"
    b"<main><h1>H</h1><p>text &eacute; <b>b</b><pre>a\n b</pre><table><tr><th>a<th>b<tr><td>1<td>2</table></main>",
    "a.pdf": pdf_page(
        stream(b"BT /F1 12 Tf 72 700 Td (some text) Tj ET /X Do"),
        stream(b"BT /F1 9 Tf 72 600 Td [(in) -20 (side)] TJ ET", b"/Type /XObject /Subtype /Form /BBox [0 0 9 9]"),
        b"<< /Type /Outlines /First 8 0 R /Last 8 0 R /Count 1 >>",
        b"<< /Title (Chapter) /Parent 7 0 R /Dest [3 0 R /Fit] >>",
        catalog=_OUTLINE,
    ),
    "a.docx": docx("<w:p><w:r><w:t>text</w:t></w:r></w:p>" * 20 + "<w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>"),
    "a.pptx": pptx(shape("Title", kind="title") + shape("text")),
    "a.xlsx": xlsx({"S": '<row r="1"><c r="A1" t="s"><v>0</v></c></row>'}, "<si><t>text</t></si>"),
    "a.odt": odf("text", "<text:h>H</text:h>" + "<text:p>text<text:s/></text:p>" * 20),
    "a.ods": odf(
        "spreadsheet",
        "<table:table><table:table-row><table:table-cell><text:p>text</text:p></table:table-cell></table:table-row>"
        "</table:table>",
    ),
    "a.odp": odf("presentation", "<draw:page><draw:frame><text:p>text</text:p></draw:frame></draw:page>"),
    "a.epub": epub({"a.xhtml": "<p>text</p>"}, {"a.xhtml": "One"}),
    "a.rtf": rb"{\rtf1{\info{\title T}}{\fonttbl{\f0\fcharset204 A;}}\b some\par\trowd\intbl a\cell\row \'e9\u1087?}",
    "a.xls": b"<html><body><table><tr><td>a</td><td>b</td></tr></table></body></html>",
    "a.doc": doc([Paragraph("H\r", style=1), Paragraph("ж \x13X\x14y\x15\r"), Paragraph("c\x07", in_table=True)]),
    "a.ppt": ppt(
        [(text_records(0, "T"), drawing(listed_text(0), text_records(4, "ж")))], [drawing(text_records(2, "n"))]
    ),
    "b.xls": xls({"S": [["a", 1.5], [(45000.0, 14), True]]}, contained=False),
    "c.xls": xls({"S": [["a", 1.5], [(45000.0, 14), True]]}),
    "b.docx": ooxml(
        "word/document.xml",
        {
            "word/document.xml": f"<w:document {NAMESPACES}><w:p><w:numPr><w:numId w:val='1'/></w:numPr><w:t>a</w:t>"
            "<c:chart r:id='c'/><d:relIds r:dm='d'/><wp:docPr descr='b'/></w:p><w:altChunk r:id='a'/></w:document>",
            "word/_rels/document.xml.rels": relations(
                {"c": ("chart", "c"), "d": ("diagramData", "d"), "a": ("aFChunk", "a.htm"), "n": ("numbering", "n")}
            ),
            "word/c": CHART,
            "word/d": DIAGRAM,
            "word/a.htm": "<p>words</p>",
            "word/n": "<w:numbering xmlns:w='w'><w:abstractNum w:abstractNumId='1'><w:lvl w:ilvl='0'>"
            "<w:start w:val='1'/><w:numFmt w:val='lowerRoman'/><w:lvlText w:val='%1.'/></w:lvl></w:abstractNum>"
            "<w:num w:numId='1'><w:abstractNumId w:val='1'/></w:num></w:numbering>",
        },
    ),
    "b.xlsx": xlsx(
        {"S": '<row r="1"><c r="A1" s="0"><v>1.5</v></c></row>'},
        styles='<numFmts><numFmt numFmtId="170" formatCode="[h]:mm"/></numFmts><cellXfs><xf numFmtId="170"/></cellXfs>',
        parts={
            ("drawing", "drawing"): f"<x {NAMESPACES}><from><row>3</row></from><c:chart r:id='c'/><p><t>a</t></p></x>",
            ("chart", "c"): CHART,
            ("comments", "n"): "<comments><comment ref='A3'><text><t>a</t></text></comment></comments>",
        },
    ),
    "b.odt": odf(
        "text",
        "<text:p>a<office:annotation><text:p>b</text:p></office:annotation><draw:frame><svg:title xmlns:svg='s'>c"
        "</svg:title></draw:frame></text:p>",
    ),
    "b.rtf": rb"{\rtf1{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt c\par}}}{\listtext 1.\tab}d{\object{\result e}}}",
    "a.emlx": b"16\nSubject: T\n\ntext<?xml version='1.0'?><plist/>",
    "1690000001.M0P77.host": b"From: a@x.org\nSubject: T\n\ntext",
    "a.eml": b"Subject: T\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\ntext\n--B--",
    "a.mbox": b"From x Mon Feb  5 10:00:00 2024\nSubject: =?utf-8?q?T=C3=A9?=\n\ntext\n",
    "a.mhtml": b"Content-Type: multipart/related; boundary=B\n\n--B\nContent-Type: text/html\n\n<p>x\n--B--",
    "a.msg": ole(
        {
            f"__substg1.0_{number}001F": text.ljust(2048).encode("utf-16-le")
            for number, text in {"0037": "A subject", "0C1A": "Ann", "1000": "some text"}.items()
        }
    ),
    "a.ipynb": b'{"cells": [{"cell_type": "markdown", "source": ["# T\\n", "text"]}, {"cell_type": "code", "source":'
    b' "x", "outputs": [{"output_type": "stream", "text": ["y"]}]}], "metadata": {"authors": [{"name": "A"}]}}',
    "a.csv": b"name,age\nBob,7\n",
    "a.json": b'{"a": {"b": "\\u0436"}, "c": [1, "d"]}',
    "a.jsonl": b'{"a": "\\u0436"}\n{"a": "\\ud83d\\ude00"}\n',
    "a.yaml": b"a:\n  b: 1\n",
    "a.ini": b"[a]\nb = c\n[[d]]\n",
    "a.xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ELEMENT a ANY>]><a xml:lang="de"><title>T</title><b name="x"/>'
    b"<![CDATA[x]]><!-- c --></a>",
    "a.tex": b"\\title{T}\\begin{document}\\section[s]{S} $x$ \\'e \\cite[p]{a} \\begin{verbatim}v\\end{verbatim}",
    "a.org": b"#+TITLE: T\n* H\n:PROPERTIES:\n:END:\n#+begin_src\nx\n#+end_src\n",
    "a.adoc": b"= T\n:lang: en\n\n----\nx\n----\n",
    "a.ics": b'BEGIN:VEVENT\r\nSUMMARY:a\r\n  b\r\nATTENDEE;CN="A":mailto:b\r\nEND:VEVENT\r\n',
    "a.vcf": b"BEGIN:VCARD\r\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=BC=\r\nx\r\nEND:VCARD\r\n",
    "a.fb2": b"<?xml version='1.0'?><FictionBook><description><book-title>T</book-title><lang>ru</lang></description>"
    b"<body><section><title><p>H</p></title><p>x</p></section></body><binary id='a'>AAEC</binary></FictionBook>",
    "a.ass": b"[Script Info]\nTitle: T\n[Events]\nFormat: Start, Text\nDialogue: 0:00:01.00,{\\i1}a\\Nb\n",
    "a.srt": b"1\n00:00:01,000 --> 00:00:02,000\ntext\n",
    "a.1": b'.TH LS 1\n.SH NAME\nls \\- \\fBlist\\fR\n.\\" c\n',
    "a.py": b"# c\nclass A:\n    def f(self):\n        pass\n",
    "a.ts": b"export class A {\n  f(a) {\n  }\n}\n",
    "a.c": b"/* c */\nstatic int f(int a)\n{\n    return a;\n}\n",
    "a.txt.gz": gzip.compress(b"text", mtime=0),
    "a.zip": pack({"a.txt": "text", "d/b.md": "# T\n\nx", "c.zip": pack({"d.txt": "deep"})}),
    "a.tar": tar({"a.txt": b"text", "d/b.md": b"# T\n\nx"}),
    "a.7z": base64.b64decode(  # d/a.txt and b.md
        "N3q8ryccAAQl21XSkAAAAAAAAAAUAAAAAAAAAHiPW2zgACQAGV0AOZvJ8udQuMXiXJ3OnqB4bTmN6Q3dBzNxgADgAHIAZ10AAIEzB64P0B3SfJ85EJxx"
        "RPOspJXJC+25LaFl19Oz5HFPGV1L0gImj4L7vCcE6Fs4ES9zb4VOCw64WhecqIONJS4Xhh8z8aaAuqw8ulbvoI10+DvzVTOXGkmDl9tstzPAU+9suAAA"
        "AAAXBiEBCW8ABwsBAAEhIQEYDHMAAA=="
    ),
    "a.heic": HEIC,
    "a.png": png({"Title": "T", "Description": "A heron", "Keywords": "a, b", "XML:com.adobe.xmp": "<x>y</x>"}),
}
