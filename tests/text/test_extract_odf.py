"""OpenDocument texts, sheets and slides, packed and flat."""

import pytest
from packages import flat_odf, odf

from vsearch_core.errors import ExtractionError
from vsearch_core.text.formats.odf import extract


@pytest.mark.parametrize("write", [odf, flat_odf])
def test_text(write: type) -> None:
    body = """<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>
      <text:table-of-content><text:p>One ... 1</text:p></text:table-of-content>
      <text:h text:outline-level="1">One</text:h>
      <text:p>A<text:s text:c="3"/>b <text:span>in</text:span> it<text:note><text:note-citation>1</text:note-citation>
      <text:note-body><text:p>The note.</text:p></text:note-body></text:note>.<text:line-break/>next</text:p>
      <text:list><text:list-item><text:p>item</text:p></text:list-item></text:list>
      <text:h text:outline-level="2">Two</text:h><text:p>c</text:p>"""
    document = extract("a.odt", write("text", body))
    assert [(span.heading, document.text[span.start : span.end].strip(), span.page) for span in document.spans] == [
        (("One",), "One\n\nA b in it (The note.) .\nnext\n\n- item", None),
        (("One", "Two"), "Two\n\nc", None),
    ]
    assert document.title == "One"


def test_pages_and_tables_of_a_text() -> None:
    row = (
        "<table:table-row><table:table-cell><text:p>{}</text:p></table:table-cell><table:table-cell>"
        "<text:p>{}</text:p></table:table-cell></table:table-row>"
    )
    table = (
        f"<table:table><table:table-header-rows>{row.format('n', 'm')}</table:table-header-rows>"
        f"{row.format(1, 2)}</table:table"
        f">"
    )
    body = f"<text:p>one</text:p><text:soft-page-break/><text:p>two</text:p>{table}"
    document = extract("a.odt", odf("text", body))
    assert [(span.page, span.kind, span.header) for span in document.spans] == [
        (1, "prose", ""),
        (2, "prose", ""),
        (2, "rows", "n | m"),
    ]


def cell(text: str, repeats: int = 1, kind: str = "string") -> str:
    content = f"<text:p>{text}</text:p>" if text else ""
    return (
        f'<table:table-cell table:number-columns-repeated="{repeats}" office:value-type="{kind}">'
        f"{content}</table:table-cell"
        f">"
    )


def test_sheets() -> None:
    rows = [cell("name") + cell("sum"), cell("", 1) + cell("7", 2, "float"), cell("", 16384)]
    sheet = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    sheet += f'<table:table-row table:number-rows-repeated="1000000">{cell("", 16384)}</table:table-row>'
    sheet += f"<table:table-row>{cell('last')}</table:table-row>"
    body = f'<table:table table:name="My sheet">{sheet}</table:table>'
    document = extract("a.ods", odf("spreadsheet", body))
    assert document.text == "My sheet\n\nname | sum\n| 7 | 7\nlast\n\n"
    assert document.lines == (1, 1, 1, 2, 1_000_004, 1_000_004, 1_000_004)
    assert (document.spans[-1].header, document.spans[-1].page, document.spans[-1].heading) == (
        "name | sum",
        1,
        ("My sheet",),
    )


def test_repeats_of_a_cell_are_bounded() -> None:
    body = f"<table:table><table:table-row>{cell('x', 1 << 40)}</table:table-row></table:table>"
    assert len(extract("a.ods", odf("spreadsheet", body)).text) < 1000


def test_slides() -> None:
    page = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>{}</text:p>'
        "</draw:text-box></draw:frame><draw:frame><text:p>{}</text:p></draw:frame></draw:page>"
    )
    document = extract("a.odp", odf("presentation", page.format("One", "a") + page.format("Two", "b")))
    assert [(span.page, span.heading) for span in document.spans] == [(1, ("One",)), (2, ("Two",))]


def test_metadata() -> None:
    meta = "<dc:title>T</dc:title><meta:initial-creator>A</meta:initial-creator><dc:language>es-ES</dc:language>"
    document = extract(
        "a.odt", odf("text", "<text:p>x</text:p>", meta + "<meta:creation-date>2024-01-02</meta:creation-date>")
    )
    assert (document.title, document.language) == ("T", "es")
    assert document.metadata == {"author": "A", "created": "2024-01-02"}


def test_encrypted() -> None:
    with pytest.raises(ExtractionError, match=r"a.odt: is encrypted$") as caught:
        extract("a.odt", odf("text", "", manifest="<m><encryption-data/></m>"))
    assert caught.value.code == "encryption-unsupported"


def valued(kind: str, value: str, shown: str) -> str:
    key = "date-value" if kind == "date" else "value"
    attributes = f'office:value-type="{kind}" office:{key}="{value}"'
    return f"<table:table-cell {attributes}><text:p>{shown}</text:p></table:table-cell>"


@pytest.mark.parametrize(
    ("kind", "value", "shown", "text"),
    [
        ("date", "2024-03-01", "01.03.24", "2024-03-01"),
        ("date", "2024-03-01T09:30:00", "1. März", "2024-03-01 09:30:00"),
        ("date", "2024-03-01T00:00:00.000", "1/3", "2024-03-01"),
        ("float", "4929123456781234", "4.93E+15", "4929123456781234"),
        ("float", "no number", "4.93E+15", "4.93E+15"),
        ("float", "1.5", "1,50", "1,50"),
        ("percentage", "0.175", "17,5 %", "17,5 %"),
        ("date", "2024-03-01", "", "2024-03-01"),
        ("float", "1.5", "", "1.5"),
    ],
)
def test_dates_are_iso_and_long_numbers_exact(kind: str, value: str, shown: str, text: str) -> None:
    row = f"<table:table-row>{valued(kind, value, shown)}</table:table-row>"
    document = extract("a.ods", odf("spreadsheet", f'<table:table table:name="S">{row}</table:table>'))
    assert document.text == f"S\n\n{text}\n\n"


COMMENT = """<office:annotation><dc:creator xmlns:dc="d">Ann</dc:creator><dc:date xmlns:dc="d">2024</dc:date>
<text:p>Check</text:p><text:list><text:list-item><text:p>this.</text:p></text:list-item></text:list></office:annotation>"""


def test_comments_follow_their_paragraph() -> None:
    body = f"<text:p>Words{COMMENT} go on.</text:p><text:p>More.</text:p>"
    assert extract("a.odt", odf("text", body)).text == "Words go on.\n\nCheck this.\n\nMore.\n\n"


def test_comments_of_cells_follow_the_sheet() -> None:
    cells = f"<table:table-cell>{COMMENT}<text:p>cell</text:p></table:table-cell>"
    rows = f"<table:table-row/><table:table-row>{cells}</table:table-row>"
    document = extract("a.ods", odf("spreadsheet", f'<table:table table:name="S">{rows}</table:table>'))
    assert document.text == "S\n\ncell\n\nCheck this.\n\n"
    assert document.lines is not None
    assert document.lines[4] == 2


def test_titles_and_descriptions_of_drawings() -> None:
    box = "<draw:text-box><text:p>Boxed</text:p></draw:text-box>"
    about = "<svg:title xmlns:svg='s'>Plan</svg:title><svg:desc xmlns:svg='s'>Shows it</svg:desc>"
    frame = f"<draw:frame>{box}{about}</draw:frame>"
    body = f"<text:p>See{frame}here, in <text:title>Field</text:title>.</text:p>{frame.replace(box, '')}"
    text = extract("a.odt", odf("text", body)).text
    assert text == "See (Boxed) (Plan) (Shows it) here, in Field.\n\nPlan\n\nShows it\n\n"
