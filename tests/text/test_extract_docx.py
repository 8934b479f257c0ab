"""Word documents: order, headings, tables, notes, pages."""

from packages import docx

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
