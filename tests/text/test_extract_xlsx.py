"""Spreadsheets: values as shown, row numbers as lines, and sheets as pages."""

import pytest
from packages import xlsx

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
