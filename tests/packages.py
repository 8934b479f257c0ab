"""Minimal Office files and books, written part by part."""

import io
import zipfile
from collections.abc import Mapping

_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = f'xmlns:r="{_TYPE.rstrip("/")}"'
_ODF = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "presentation": "presentation",
        "meta": "meta",
    }.items()
)
_DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'

NAMESPACES = " ".join(f'xmlns:{prefix}="urn:{prefix}"' for prefix in ("w", "r", "c", "d", "wp"))
# A chart with a title, two series and their categories; a diagram of three shapes, one of them empty
CHART = """<c:chartSpace xmlns:c="c" xmlns:a="a"><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Sales by </a:t></a:r>
<a:r><a:t>quarter</a:t></a:r></a:p></c:rich></c:tx></c:title>
<c:ser><c:tx><c:strRef><c:f>S!$A$1</c:f><c:strCache><c:pt><c:v>North</c:v></c:pt></c:strCache></c:strRef></c:tx>
<c:cat><c:strRef><c:strCache><c:pt><c:v>Q1</c:v></c:pt><c:pt><c:v>Q2</c:v></c:pt></c:strCache></c:strRef></c:cat>
<c:val><c:numCache><c:formatCode>General</c:formatCode><c:pt><c:v>17</c:v></c:pt></c:numCache></c:val></c:ser>
<c:ser><c:cat><c:strRef><c:strCache><c:pt><c:v>Q1</c:v></c:pt></c:strCache></c:strRef></c:cat></c:ser>
</c:chart></c:chartSpace>"""
DIAGRAM = """<d:dataModel xmlns:d="d" xmlns:a="a"><d:ptLst>
<d:pt><d:t><a:p><a:r><a:t>First</a:t></a:r></a:p></d:t></d:pt>
<d:pt><d:t><a:p><a:r><a:t>[Text]</a:t></a:r></a:p></d:t></d:pt>
<d:pt><d:t><a:p><a:r><a:t>Second</a:t></a:r><a:br/><a:r><a:t>step</a:t></a:r></a:p></d:t></d:pt>
</d:ptLst></d:dataModel>"""


def pack(members: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members.items():
            package.writestr(name, content)
    return out.getvalue()


def relations(targets: Mapping[str, tuple[str, str]]) -> str:
    """Return the XML of relations: id -> the last word of the type, and the target."""
    rows = "".join(
        f'<Relationship Id="{key}" Type="{_TYPE}{kind}" Target="{to}"/>' for key, (kind, to) in targets.items()
    )
    return f"<Relationships>{rows}</Relationships>"


def ooxml(main: str, members: Mapping[str, str], core: str = "") -> bytes:
    root = {"a": ("officeDocument", main), "b": ("metadata/core-properties", "docProps/core.xml")}
    return pack(
        {"_rels/.rels": relations(root), "docProps/core.xml": f"<c {_DC}>{core}</c>" if core else "<c/>", **members}
    )


def docx(body: str, styles: str = "", core: str = "", **parts: str) -> bytes:
    """Return a Word document of a `body` in the namespace `w:`, and other related `parts` (footnotes …)."""
    related = {"s": ("styles", "styles.xml"), **{name: (name, f"{name}.xml") for name in parts}}
    members = {
        "word/document.xml": f"<w:document {_W} {_A}><w:body>{body}</w:body></w:document>",
        "word/styles.xml": f"<w:styles {_W}>{styles}</w:styles>",
        "word/_rels/document.xml.rels": relations(related),
        **{f"word/{name}.xml": f"<w:notes {_W}>{part}</w:notes>" for name, part in parts.items()},
    }
    return ooxml("word/document.xml", members, core)


def pptx(
    *slides: str,
    notes: Mapping[int, str] | None = None,
    parts: Mapping[tuple[str, str], str] | None = None,
    core: str = "",
) -> bytes:
    """Return a presentation. Its parts are numbered backwards, so that only the relations give their order.

    `parts` belong to the first slide: the type and the id of a relation -> XML.
    """
    count = len(slides)
    ids = "".join(f'<p:sldId id="{256 + number}" r:id="r{number}"/>' for number in range(count))
    members = {
        "ppt/presentation.xml": f"<p:presentation {_P} {R}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(
            {f"r{number}": ("slide", f"slides/s{count - number}.xml") for number in range(count)}
        ),
    }
    for number, slide in enumerate(slides):
        members[f"ppt/slides/s{count - number}.xml"] = f"<p:sld {_P} {_A} {R}>{slide}</p:sld>"
    for number, note in (notes or {}).items():
        members[f"ppt/slides/_rels/s{count - number}.xml.rels"] = relations(
            {"n": ("notesSlide", f"../notes/{number}.xml")}
        )
        members[f"ppt/notes/{number}.xml"] = f"<p:notes {_P} {_A}>{note}</p:notes>"
    if parts:
        related = {key: (kind, f"../parts/{key}.xml") for kind, key in parts}
        members[f"ppt/slides/_rels/s{count}.xml.rels"] = relations(related)
        members |= {f"ppt/parts/{key}.xml": part for (_, key), part in parts.items()}
    return ooxml("ppt/presentation.xml", members, core)


def shape(*paragraphs: str, kind: str = "body") -> str:
    text = "".join(f"<a:p><a:r><a:t>{paragraph}</a:t></a:r></a:p>" for paragraph in paragraphs)
    return f'<p:sp><p:nvPr><p:ph type="{kind}"/></p:nvPr><p:txBody>{text}</p:txBody></p:sp>'


def xlsx(
    sheets: Mapping[str, str], texts: str = "", styles: str = "", parts: Mapping[tuple[str, str], str] | None = None
) -> bytes:
    """Return a workbook; the value of a sheet is the content of its `sheetData`.

    `parts` belong to the first sheet: the type and the id of a relation -> XML.
    """
    rows = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(sheets, 1))
    related = {f"r{number}": ("worksheet", f"sheets/{number}.xml") for number in range(1, len(sheets) + 1)}
    members = {
        "xl/workbook.xml": f"<workbook {_S} {R}><sheets>{rows}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(
            {**related, "t": ("sharedStrings", "texts.xml"), "s": ("styles", "styles.xml")}
        ),
        "xl/texts.xml": f"<sst {_S}>{texts}</sst>",
        "xl/styles.xml": f"<styleSheet {_S}>{styles}</styleSheet>",
        **{
            f"xl/sheets/{number}.xml": f"<worksheet {_S}><sheetData>{data}</sheetData></worksheet>"
            for number, data in enumerate(sheets.values(), 1)
        },
    }
    for (kind, key), part in (parts or {}).items():
        source = "xl/sheets/_rels/1.xml.rels" if kind != "chart" else "xl/parts/_rels/drawing.xml.rels"
        former = members.get(source, "<Relationships></Relationships>")
        added = relations({key: (kind, f"/xl/parts/{key}.xml")}).removeprefix("<Relationships>")
        members[source] = former.removesuffix("</Relationships>") + added
        members[f"xl/parts/{key}.xml"] = part
    return ooxml("xl/workbook.xml", members)


def flat_odf(kind: str, body: str) -> bytes:
    return (
        f"<office:document {_ODF}><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document>"
    ).encode()


def odf(kind: str, body: str, meta: str = "", manifest: str = "<m/>") -> bytes:
    """Return a document of a kind: "text", "spreadsheet" or "presentation"."""
    return pack(
        {
            "mimetype": "application/vnd.oasis.opendocument." + kind,
            "META-INF/manifest.xml": manifest,
            "meta.xml": f"<office:document-meta {_ODF} {_DC}><office:meta>{meta}</office:meta></office:document-meta>",
            "content.xml": flat_odf(kind, body),
        }
    )


def epub(
    sections: Mapping[str, str],
    contents: Mapping[str, str] | None = None,
    encryption: str = "",
    media_type: str = "application/xhtml+xml",
) -> bytes:
    """Return a book of the sections' bodies by file name, and a table of contents with their titles."""
    items = "".join(f'<item id="{n}" href="{name}" media-type="{media_type}"/>' for n, name in enumerate(sections))
    spine = "".join(f'<itemref idref="{number}"/>' for number in range(len(sections)))
    points = "".join(
        f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{name}#x"/></navPoint>'
        for name, title in (contents or {}).items()
    )
    toc = '<item id="toc" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    meta = (
        "<dc:title>The Book</dc:title><dc:creator>A. Uthor</dc:creator>"
        "<dc:creator>B. Uthor</dc:creator><dc:language>de-AT</dc:language>"
    )
    return pack(
        {
            "META-INF/container.xml": (
                '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
            ),
            "OPS/book.opf": f"<package {_DC}><metadata>{meta}</metadata><manifest>{items}{toc}</manifest>"
            f"<spine>{spine}</spine></package>",
            "OPS/toc.ncx": f'<!DOCTYPE ncx PUBLIC "x" "y"><ncx><navMap>{points}</navMap></ncx>',
            **{f"OPS/{name}": f"<html><body>{body}</body></html>" for name, body in sections.items()},
            **({"META-INF/encryption.xml": encryption} if encryption else {}),
        }
    )
