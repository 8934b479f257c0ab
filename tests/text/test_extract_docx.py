"""Word documents: order, headings, tables, notes, pages."""

import pytest
from packages import CHART, DIAGRAM, NAMESPACES, docx, pack, relations

from vsearch_core.text.formats.docx import extract

STYLES = """<w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="Mine"><w:name w:val="My heading"/><w:basedOn w:val="H2"/></w:style>
<w:style w:styleId="H2"><w:name w:val="Heading 2"/></w:style>
<w:style w:styleId="T"><w:name w:val="Title"/></w:style>
<w:style w:styleId="Toc"><w:name w:val="toc 1"/></w:style>
<w:style w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style>"""


def p(text: str, style: str = "", inside: str = "") -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{inside}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'


def test_headings_lists_and_text() -> None:
    body = p("The Report", "T") + p("Contents 1", "Toc") + p("One", "H1") + p("First.", "Loop") + p("Deeper", "Mine")
    body += p("item", inside='<w:numPr><w:ilvl w:val="0"/></w:numPr>') + p(
        "By level", inside='<w:outlineLvl w:val="0"/>'
    )
    document = extract("a.docx", docx(body, STYLES))
    assert document.title == "The Report"
    assert [(span.heading, document.text[span.start : span.end].strip(), span.page) for span in document.spans] == [
        ((), "The Report", None),
        (("One",), "One\n\nFirst.", None),
        (("One", "Deeper"), "Deeper\n\n- item", None),
        (("By level",), "By level", None),
    ]


def test_tables_are_rows_with_a_header_whatever_their_cells_contain() -> None:
    nested = f"<w:tbl><w:tr><w:tc>{p('inner')}</w:tc></w:tr></w:tbl>"
    cells = [("name", "age"), ("Bob", "7"), (f"Eve</w:t></w:r></w:p>{nested}<w:p><w:r><w:t>x", "9")]
    rows = "".join(f"<w:tr>{''.join(f'<w:tc>{p(cell)}</w:tc>' for cell in row)}</w:tr>" for row in cells)
    document = extract("a.docx", docx(p("before") + f"<w:tbl>{rows}</w:tbl>" + p("after")))
    assert document.text == "before\n\nname | age\nBob | 7\nEve inner x | 9\n\nafter\n\n"
    assert [(span.kind, span.header) for span in document.spans] == [
        ("prose", ""),
        ("rows", "name | age"),
        ("prose", ""),
    ]


def test_text_boxes_tabs_breaks_and_deletions() -> None:
    box = f"<w:txbxContent>{p('boxed')}</w:txbxContent>"
    twice = f"<AlternateContent><Choice>{box}</Choice><Fallback>{box}</Fallback></AlternateContent>"
    run = (
        "<w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t>"
        "<w:instrText>PAGE</w:instrText>"
    )
    body = f"<w:p><w:r>{run}{twice}</w:r><w:del><w:r><w:t>gone</w:t></w:r></w:del></w:p>"
    assert extract("a.docx", docx(body)).text == "boxed\n\na b\nc-d\n\n"


def test_page_numbers_are_those_that_word_saved() -> None:
    turn = "<w:lastRenderedPageBreak/>"
    across = f"<w:p><w:r><w:t>begins on one </w:t>{turn}<w:t>and ends on two</w:t></w:r></w:p>"
    body = p("one") + across + p("two") + f"<w:p><w:r>{turn}<w:t>three</w:t></w:r></w:p>"
    document = extract("a.docx", docx(body))
    assert [(span.page, document.text[span.start : span.end].split("\n")[0]) for span in document.spans] == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
    ]
    assert document.text.count("\f") == 2


def test_notes_come_last_and_page_headers_are_left_out() -> None:
    data = docx(
        p("Body", "H1") + p("text"), STYLES, footnotes=f"<w:footnote>{p('A note.')}</w:footnote>", header=p("TOP")
    )
    document = extract("a.docx", data)
    assert document.text == "Body\n\ntext\n\nA note.\n\n"
    assert document.spans[-1].heading == ()


def test_metadata() -> None:
    core = "<dc:title>T</dc:title><dc:creator>A</dc:creator><dcterms:created>2024-01-02T03:04:05Z</dcterms:created>"
    document = extract("a.docx", docx(p("x"), core=core + "<keywords>k</keywords><dc:language>fr-CA</dc:language>"))
    assert (document.title, document.language) == ("T", "fr")
    assert document.metadata == {"author": "A", "created": "2024-01-02T03:04:05Z", "keywords": "k"}


def parts(related: dict[str, tuple[str, str]], members: dict[str, str | bytes], body: str) -> bytes:
    """Return a document with related parts: id -> the type and the member, which is in the folder `word`."""
    main = {
        "word/document.xml": f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relations(related),
    }
    root = relations({"a": ("officeDocument", "word/document.xml")})
    return pack({"_rels/.rels": root, **main, **{f"word/{name}": content for name, content in members.items()}})


def item(text: str, list_: int, level: int = 0, style: str = "") -> str:
    return p(text, style, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{list_}"/></w:numPr>')


LEVELS = """<w:abstractNum w:abstractNumId="7">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="Clause %1."/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1.%2"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="3"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>
<w:lvl w:ilvl="3"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/>
<w:pStyle w:val="H2"/><w:lvlText w:val="%2."/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="7"/>
<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="8"/></w:num>"""


def test_automatic_numbers() -> None:
    steps = [("a", 1, 0), ("b", 1, 1), ("c", 1, 1), ("d", 1, 2), ("e", 1, 2), ("f", 1, 3), ("g", 1, 0), ("h", 1, 1)]
    steps += [("i", 2, 0), ("j", 2, 0), ("k", 0, 0), ("l", 9, 0)]
    body = "".join(item(*step) for step in steps)
    text = extract("a.docx", docx(body, STYLES, numbering=LEVELS)).text
    assert text.split("\n")[:12] == [
        *(
            "Clause 1. a",
            "1.I b",
            "1.II c",
            "(c) d",
            "(d) e",
            "- f",
            "Clause 2. g",
            "2.I h",
            "Clause 5. i",
            "Clause 6. j",
        ),
        *("k", "- l"),
    ]


@pytest.mark.parametrize(
    ("kind", "numerals"),
    [
        ("chineseCounting", {1: "一", 10: "十", 12: "十二", 20: "二十", 99: "九十九", 100: "100"}),
        ("japaneseCounting", {11: "十一"}),
        ("ideographTraditional", {2: "乙"}),
        ("russianLower", {2: "б", 10: "к"}),
        ("russianUpper", {28: "Я", 29: "29"}),
        ("ordinal", {1: "1st", 2: "2nd", 11: "11th", 23: "23rd"}),
        ("decimalEnclosedCircle", {3: "③"}),
        ("upperLetter", {27: "AA"}),
        ("cardinalText", {1: "One", 12: "Twelve", 21: "Twenty-one", 40: "Forty"}),
        ("ordinalText", {2: "Second", 12: "Twelfth", 20: "Twentieth", 33: "Thirty-third", 38: "Thirty-eighth"}),
    ],
)
def test_numerals_of_automatic_numbers(kind: str, numerals: dict[int, str]) -> None:
    level = f'<w:lvl w:ilvl="0"><w:numFmt w:val="{kind}"/><w:lvlText w:val="%1."/></w:lvl>'
    levels = f'<w:abstractNum w:abstractNumId="7">{level}</w:abstractNum>'
    numbering = levels + '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    lines = extract("a.docx", docx(item("x", 1) * max(numerals), numbering=numbering)).text.split("\n")
    assert {number: lines[number - 1] for number in numerals} == {n: f"{numeral}. x" for n, numeral in numerals.items()}


def test_numbers_of_a_list_style() -> None:
    linked = """<w:abstractNum w:abstractNumId="4"><w:numStyleLink w:val="L"/></w:abstractNum>
    <w:abstractNum w:abstractNumId="5"><w:styleLink w:val="L"/><w:lvl w:ilvl="0"><w:lvlText w:val="§ %1"/></w:lvl>
    </w:abstractNum><w:num w:numId="6"><w:abstractNumId w:val="4"/></w:num>"""
    text = extract("a.docx", docx(item("a", 6) + item("b", 6), numbering=linked)).text
    assert text == "§ 1 a\n§ 2 b\n"


def test_numbers_of_headings_come_from_their_style() -> None:
    style = '<w:style w:styleId="H2"><w:name w:val="Heading 2"/><w:numPr><w:numId w:val="3"/></w:numPr></w:style>'
    body = (
        p("Scope", "H2")
        + p("text")
        + p("Terms", "H2")
        + p("No number", "H2", '<w:numPr><w:numId w:val="0"/></w:numPr>')
    )
    body += p("Formerly", inside='<w:pPrChange><w:pPr><w:pStyle w:val="H2"/></w:pPr></w:pPrChange>')
    document = extract("a.docx", docx(body, style, numbering=LEVELS))
    assert [span.heading for span in document.spans] == [("1. Scope",), ("2. Terms",), ("No number",)]
    assert document.text.endswith("No number\n\nFormerly\n\n")


def test_comments_follow_the_text() -> None:
    comment = f'<w:comment w:id="0" w:author="Ann">{p("Check this clause.")}</w:comment>'
    assert extract("a.docx", docx(p("A clause."), comments=comment)).text == "A clause.\n\nCheck this clause.\n\n"


def test_charts_and_diagrams() -> None:
    related = {"c": ("chart", "charts/1.xml"), "d": ("diagramData", "diagrams/1.xml")}
    body = '<w:p><w:r><w:drawing><c:chart r:id="c"/></w:drawing></w:r></w:p>' + p("between")
    body += '<w:p><d:relIds r:dm="d"/><d:relIds r:dm="d"/><c:chart r:id="none"/></w:p>'
    text = extract("a.docx", parts(related, {"charts/1.xml": CHART, "diagrams/1.xml": DIAGRAM}, body)).text
    assert text == "Sales by quarter\nNorth\nQ1\nQ2\n\nbetween\n\nFirst\nSecond step\n\n"


def test_alternative_texts_of_pictures() -> None:
    described = ("A kestrel in flight", "C:\\pictures\\bird.png", "A bird\n\nDescription automatically generated", "")
    body = "".join(f'<w:p><w:drawing><wp:docPr id="1" descr="{text}"/></w:drawing></w:p>' for text in described)
    assert extract("a.docx", parts({}, {}, body)).text == "A kestrel in flight\n\nA bird\n\n"


def test_imported_documents_are_read_in_their_place() -> None:
    members: dict[str, str | bytes] = {
        "1.htm": "<h1>Part</h1><p>imported</p>",
        "2.rtf": r"{\rtf1 rich}",
        "3.docx": b"damaged",
        "4.dat": "<p>any</p>",
    }
    related = {name: ("aFChunk", name) for name in members}
    body = p("before") + "".join(f'<w:altChunk r:id="{name}"/>' for name in members) + p("after")
    document = extract("a.docx", parts(related, members, body))
    assert document.text.split() == ["before", "Part", "imported", "rich", "any", "after"]
    assert [span.heading for span in document.spans] == [(), ("Part",), (), (), ()]


def test_documents_inside_one_another_end() -> None:
    data = docx(p("innermost"))
    for level in range(6):
        data = parts({"a": ("aFChunk", "x.docx")}, {"x.docx": data}, p(f"level {level}") + '<w:altChunk r:id="a"/>')
    assert extract("a.docx", data).text.split() == ["level", "5", "level", "4", "level", "3", "level", "2"]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Document1", None),
        ("Untitled", None),
        ("untitled.indd", None),
        ("New Document", None),
        ("(anonymous)", None),
        ("Bez názvu 1", None),
        ("C:\\Users\\me\\letter.doc", None),
        ("file:///tmp/a.html", None),
        ("letter.doc", None),
        ("Node.js and you", "Node.js and you"),
        ("Print media", "Print media"),
        ("Microsoft Word - Lease of the hall.docx", "Lease of the hall"),
        ("Documents of the year", "Documents of the year"),
    ],
)
def test_titles_that_programs_write_by_themselves_are_ignored(title: str, shown: str | None) -> None:
    assert extract("a.docx", docx(p("x"), core=f"<dc:title>{title}</dc:title>")).title == shown
