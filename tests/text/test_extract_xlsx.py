"""Spreadsheets: values as shown, row numbers as lines, and sheets as pages."""

import pytest
from packages import CHART, xlsx

from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.formats.xlsx import extract

TEXTS = "<si><t>name</t></si><si><r><t>two </t></r><r><t>runs</t></r><rPh><t>PHONETIC</t></rPh></si>"
DATES = (
    '<numFmts><numFmt numFmtId="170" formatCode="yyyy\\-mm"/><numFmt numFmtId="171" formatCode="0.0&quot;days&quot;"/>'
)
FORMATS = (
    '</numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/>'
    '<xf numFmtId="171"/><xf numFmtId="22"/></cellXfs>'
)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('<c r="A1" t="s"><v>1</v></c>', "two runs"),
        ('<c r="A1" t="s"><v>99</v></c>', ""),
        ('<c r="A1" t="inlineStr"><is><t>in line</t></is></c>', "in line"),
        ('<c r="A1" t="b"><v>1</v></c>', "TRUE"),
        ('<c r="A1" t="str"><f>A2</f><v>formula</v></c>', "formula"),
        ('<c r="A1"><v>0.30000000000000004</v></c>', "0.3"),
        ('<c r="A1"><v>12345678</v></c>', "12345678"),
        ('<c r="A1" s="1"><v>45292</v></c>', "2024-01-01"),
        ('<c r="A1" s="2"><v>45292</v></c>', "2024-01-01"),
        ('<c r="A1" s="3"><v>45292</v></c>', "45292"),
        ('<c r="A1" s="4"><v>45292.5</v></c>', "2024-01-01 12:00:00"),
        ('<c r="A1" s="1"><v>1e300</v></c>', "1e300"),
        ('<c r="A1" s="77"><v>5</v></c>', "5"),
        ("<c><v>no place</v></c>", "no place"),
    ],
)
def test_values(cell: str, shown: str) -> None:
    data = xlsx({"S": f'<row r="1">{cell}</row>'}, TEXTS, DATES + FORMATS)
    assert extract("a.xlsx", data).text == (f"S\n\n{shown}\n\n" if shown else "")


def row(number: int, *values: str) -> str:
    cells = (f'<c r="{chr(65 + at)}{number}" t="str"><v>{value}</v></c>' for at, value in enumerate(values) if value)
    return f'<row r="{number}">{"".join(cells)}</row>'


def test_columns_keep_their_places_and_lines_are_rows() -> None:
    document = extract("a.xlsx", xlsx({"S": row(3, "a", "b", "c") + row(9, "", "", "x"), "T": row(2, "alone")}))
    assert document.text == "S\n\na | b | c\n| | x\n\n\f\nT\n\nalone\n\n"
    assert document.lines == (3, 3, 3, 9, 9, 9, 2, 2, 2, 2, 2)


def test_a_chunk_has_the_rows_of_one_sheet_under_their_header() -> None:
    rows = row(1, "name", "remark") + "".join(row(number, f"n{number}", "some words. More.") for number in range(2, 40))
    document = extract("a.xlsx", xlsx({"One": rows, "Two": rows}))
    chunks = split(document, ChunkOptions(40, 5))
    assert {(chunk.page, chunk.heading) for chunk in chunks} == {(1, "One"), (2, "Two")}
    for chunk in chunks:
        header, *names = [line for line in chunk.text.split("\n") if line not in {"One", "Two", ""}]
        assert header == "name | remark"
        assert names[0].startswith(f"n{max(chunk.start_line, 2)} ")
        assert names[-1].startswith(f"n{chunk.end_line} ")


def test_a_first_row_with_numbers_is_no_header() -> None:
    data = xlsx({"S": '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row>' + row(2, "a", "b")})
    assert extract("a.xlsx", data).spans[-1].header == ""


def test_a_cell_far_to_the_right_adds_no_blanks() -> None:
    assert len(extract("a.xlsx", xlsx({"S": '<row r="1"><c r="XFD1"><v>1</v></c></row>'})).text) < 10


SHOWN = """<numFmts><numFmt numFmtId="170" formatCode="[h]:mm"/><numFmt numFmtId="171" formatCode="[mm]:ss"/>
<numFmt numFmtId="172" formatCode="[Red][$-409]h:mm AM/PM;@"/><numFmt numFmtId="173" formatCode="0.0%"/>
<numFmt numFmtId="174" formatCode="0&quot;%&quot;"/><numFmt numFmtId="175" formatCode="mmm"/></numFmts><cellXfs>
<xf numFmtId="0"/><xf numFmtId="46"/><xf numFmtId="170"/><xf numFmtId="171"/><xf numFmtId="172"/><xf numFmtId="173"/>
<xf numFmtId="174"/><xf numFmtId="175"/><xf numFmtId="9"/></cellXfs>"""


@pytest.mark.parametrize(
    ("style", "value", "shown"),
    [
        (0, "4929123456781234", "4929123456781234"),
        (0, "4.92912345678123E+15", "4929123456781230"),
        (0, "4.929123456781234E15", "4929123456781234"),
        (0, "1.2E-5", "0.000012"),
        (0, "1E+300", "1e+300"),
        (1, "1.5", "36:00:00"),
        (2, "1.302083333333333", "31:15"),
        (2, "-0.5", "-12:00"),
        (3, "0.0625", "90:00"),
        (4, "1.5", "12:00:00"),
        (5, "0.175", "17.5%"),
        (5, "0.3333333333333", "33.33%"),
        (6, "0.175", "0.175"),
        (7, "45292", "2024-01-01"),
        (8, "0.07", "7%"),
    ],
)
def test_numbers_are_exact_and_shown_by_their_format(style: int, value: str, shown: str) -> None:
    data = xlsx({"S": f'<row r="1"><c r="A1" s="{style}"><v>{value}</v></c></row>'}, "", SHOWN)
    assert extract("a.xlsx", data).text == f"S\n\n{shown}\n\n"


def numbers(number: int, name: str, *values: int) -> str:
    cells = (f'<c r="{chr(66 + at)}{number}"><v>{value}</v></c>' for at, value in enumerate(values))
    return f'<row r="{number}"><c r="A{number}" t="str"><v>{name}</v></c>{"".join(cells)}</row>'


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        (row(1, "Report of the depot") + row(3, "Article", "Shelf") + numbers(4, "bolt", 7), "Article | Shelf"),
        (
            row(1, "Report", "draft") + row(2, "Article", "Shelf", "Row", "Box") + row(3, *"abcd"),
            "Article | Shelf | Row | Box",
        ),
        (numbers(1, "Report", 45292) + row(2, "Article", "Shelf", "Row") + row(3, *"abc"), "Article | Shelf | Row"),
        (numbers(1, "Region", 2021, 2022, 2023) + numbers(2, "North", 4, 5, 6), "Region | 2021 | 2022 | 2023"),
        (row(1, "Sales") + numbers(2, "", 2023, 2022) + numbers(3, "North", 4, 5), "2023 | 2022"),
        (numbers(1, "Paris", 1999) + numbers(2, "Rome", 2001), ""),
        (numbers(1, "a", 1, 2) + row(2, "b", "c", "d"), ""),
        (row(1, "Title") + row(2, "only", "names"), ""),
    ],
)
def test_the_row_that_names_the_columns(rows: str, header: str) -> None:
    document = extract("a.xlsx", xlsx({"S": rows}))
    assert {span.header.strip(" |") for span in document.spans if span.kind == "rows"} == {header}


def test_text_boxes_charts_and_comments_lead_to_their_rows() -> None:
    anchor = "<x:from><x:col>1</x:col><x:row>6</x:row></x:from><x:to><x:row>9</x:row></x:to>"
    box = "<x:txBody><a:p><a:r><a:t>Note in a box</a:t></a:r></a:p></x:txBody>"
    inside = f'<x:cNvPr descr="A bird"/>{box}<c:chart r:id="c"/>'
    drawing = f'<x:wsDr xmlns:x="x" xmlns:a="a" xmlns:c="c" xmlns:r="r"><x:a>{anchor}{inside}</x:a></x:wsDr>'
    comment = "<comments><comment ref='B3'><text><r><t>Ask </t></r><r><t>Ann</t></r></text></comment></comments>"
    parts = {("drawing", "drawing"): drawing, ("chart", "c"): CHART, ("comments", "n"): comment}
    document = extract("a.xlsx", xlsx({"S": row(1, "cell"), "T": row(1, "x")}, parts=parts))
    assert document.lines is not None
    lines = [(text, line) for text, line in zip(document.text.split("\n"), document.lines, strict=True) if text.strip()]
    assert lines == [
        *(("S", 1), ("cell", 1), ("A bird", 7), ("Note in a box", 7), ("Sales by quarter", 7), ("North", 7), ("Q1", 7)),
        *(("Q2", 7), ("Ask Ann", 3), ("T", 1), ("x", 1)),
    ]


def test_threaded_comments_replace_their_substitutes() -> None:
    old = (
        "<comments><comment ref='A1'><text><t>[Threaded comment] Your version of Excel</t></text></comment></comments>"
    )
    new = "<ThreadedComments><threadedComment ref='A1'><text>Ask Ann</text></threadedComment></ThreadedComments>"
    parts = {("comments", "o"): old, ("threadedComment", "n"): new}
    assert extract("a.xlsx", xlsx({"S": row(1, "cell")}, parts=parts)).text == "S\n\ncell\n\nAsk Ann\n\n"
