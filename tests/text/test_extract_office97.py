"""Files of Word, Excel and PowerPoint before 2007."""

import struct

import pytest
from old_office import Cell, Paragraph, doc, drawing, listed_text, ole, ppt, record, text_records, xls

from vsearch_core.errors import BinaryFileError, EncryptedError, ExtractionError
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.registry import extract, place_of

pytest.importorskip("olefile")

TITLE, BODY, NOTE, OTHER = 0, 1, 2, 4


class TestWord:
    def test_headings_and_paragraphs_in_any_script(self) -> None:
        document = extract(
            "a.doc",
            doc(
                [
                    Paragraph("Ein Café – fünf €\r"),
                    Paragraph("Глава 第一章\r", style=1),
                    Paragraph("Emoji \U0001f600 и текст\r"),
                    Paragraph("Part\r", style=2),
                    Paragraph("line\x0btwo non\x1ebreaking so\x1fft\r"),
                ]
            ),
        )
        assert document.text.split("\n\n") == [
            "Ein Café – fünf €",
            "Глава 第一章",
            "Emoji \U0001f600 и текст",
            "Part",
            "line\ntwo non-breaking soft",
            "",
        ]
        assert [span.heading for span in document.spans] == [(), ("Глава 第一章",), ("Глава 第一章", "Part")]

    def test_more_paragraphs_than_one_page_of_properties_describes(self) -> None:
        document = extract("a.doc", doc([Paragraph(f"Heading {n}\r", style=1) for n in range(35)]))
        assert [span.heading for span in document.spans] == [(f"Heading {n}",) for n in range(35)]

    def test_tables_become_rows(self) -> None:
        row = [
            Paragraph("bolt\x07", in_table=True),
            Paragraph("long\r", in_table=True),
            Paragraph("12\x07", in_table=True),
        ]
        end = Paragraph("\x07", in_table=True, row_end=True)
        empty = [Paragraph("nut\x07", in_table=True), Paragraph("\x07", in_table=True), end]
        document = extract("a.doc", doc([*row, end, *empty, Paragraph("after\r")]))
        assert document.text == "bolt | long 12\nnut |\n\nafter\n\n"
        assert document.spans[0].kind == "rows"

    def test_fields_show_their_results_only(self) -> None:
        text = 'See \x13 HYPERLINK "http://x.org" \x14the \x13 REF a \x14inner\x15 site\x15, page \x13PAGE\x15.\r'
        assert extract("a.doc", doc([Paragraph(text)])).text == "See the inner site, page .\n\n"

    def test_notes_and_comments_follow_but_page_headers_do_not(self) -> None:
        parts = ["main\r", "foot\r", "head\r", "remark\r", "end\r", "box\r"]
        sizes = [len(part) for part in parts]
        document = extract("a.doc", doc([Paragraph(part) for part in parts], [*sizes[:3], 0, *sizes[3:]]))
        assert document.text.split() == ["main", "foot", "remark", "end", "box"]

    def test_encrypted(self) -> None:
        with pytest.raises(EncryptedError, match="is encrypted"):
            extract("a.doc", doc([Paragraph("x\r")], flags=0x100))
        with pytest.raises(EncryptedError, match="the password does not open it"):
            extract("a.doc", doc([Paragraph("x\r")], flags=0x100), ExtractOptions("wrong"))

    def test_the_pieces_of_a_damaged_file_stay_within_it(self) -> None:
        whole = doc([Paragraph("word " * 100 + "\r")])
        place = whole.index(struct.pack("<II", 0, 501))
        for count in (2**31, 10**6, 0):
            data = whole[: place + 4] + struct.pack("<I", count) + whole[place + 8 :]
            try:
                assert len(extract("a.doc", data).text) < len(whole)
            except ExtractionError as error:
                assert error.code in {"damaged-file", "over-limits"}
        with pytest.raises(ExtractionError):
            extract("a.doc", doc([Paragraph("x\r")], magic=0))


class TestPowerPoint:
    def test_slides_have_titles_texts_notes_and_comments(self) -> None:
        comment = record(
            0x2EE0,
            record(0x0FBA, "Ann".encode("utf-16-le")) + record(0x0FBA, "check it".encode("utf-16-le"), instance=1),
            container=True,
        )
        first = drawing(listed_text(1), listed_text(0), text_records(OTHER, "a box\x0bwith lines"))
        data = ppt(
            [
                (text_records(TITLE, "Überblick") + text_records(BODY, "one\rтри"), first + record(0x138B, comment)),
                (text_records(TITLE, "Second"), b""),
            ],
            [drawing(text_records(NOTE, "say hello"), text_records(OTHER, "page number"))],
        )
        document = extract("a.ppt", data)
        assert document.text == (
            "Überblick\n\none\nтри\n\na box\nwith lines\n\ncheck it\n\nsay hello\n\n\f\nSecond\n\n"
        )
        assert [(span.page, span.heading) for span in document.spans] == [(1, ("Überblick",)), (2, ("Second",))]
        assert place_of("a.ppt", 2, "Second", (1, 1)) == "slide 2"

    def test_older_versions_of_slides_are_not_read(self) -> None:
        old = record(0x03EE, drawing(text_records(OTHER, "old draft")), container=True)
        document = extract("a.ppt", ppt([(b"", drawing(text_records(OTHER, "final")))], garbage=old))
        assert document.text == "final\n\n"

    def test_without_a_directory_slides_are_read_as_they_stand(self) -> None:
        stream = b"".join(record(0x03EE, drawing(text_records(TITLE, title)), container=True) for title in ("A", "B"))
        data = ole({"PowerPoint Document": stream.ljust(4096, b"\0")})
        assert [span.heading for span in extract("a.ppt", data).spans] == [("A",), ("B",)]

    def test_encrypted(self) -> None:
        with pytest.raises(EncryptedError):
            extract("a.ppt", ppt([(b"", b"")], token=0xF3D1C4DF))


class TestExcel:
    def test_cells_are_shown_as_in_new_spreadsheets(self) -> None:
        pytest.importorskip("xlrd")
        rows: list[list[Cell]] = [
            ["part", "day", "share", "count", "ok"],
            ["Болт", (45000.0, 14), (0.125, 9), 12345678901.0, True],
            ["nut", (45001.5, 14), (1.0, 9), 0.1 + 0.2, False],
        ]
        for contained in (True, False):
            document = extract("a.xls", xls({"Lager": rows, "Empty": [], "Two": [["x"]]}, contained=contained))
            assert document.text.split("\n") == [
                "Lager",
                "",
                "part | day | share | count | ok",
                "Болт | 2023-03-15 | 12.5% | 12345678901 | TRUE",
                "nut | 2023-03-16 12:00:00 | 100% | 0.3 | FALSE",
                "",
                "\f\f",
                "Two",
                "",
                "x",
                "",
                "",
            ]
            assert document.spans[-1].page == 3
            assert document.spans[1].header == "part | day | share | count | ok"
        assert place_of("a.xls", 1, "Lager", (2, 9)) == "Lager!2:9"

    @pytest.mark.parametrize("keep", [30, 200, 700, 1000])
    def test_damaged(self, keep: int) -> None:
        pytest.importorskip("xlrd")
        whole = xls({"S": [["a", 1.0]] * 20}, contained=False)
        try:
            extract("a.xls", whole[:keep])
        except ExtractionError as error:
            assert error.code in {"damaged-file", "wrong-suffix", "binary-file"}


@pytest.mark.parametrize(("name", "data"), [("a.doc", doc([Paragraph("x\r")])), ("a.xls", xls({"S": [["x"]]}))])
def test_a_missing_reader_is_named(name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = "olefile" if name == "a.doc" else "xlrd"
    monkeypatch.setattr(
        "vsearch_core.text.extract.streams.find_spec", lambda module: None if module == lacking else object()
    )
    with pytest.raises(BinaryFileError) as caught:
        extract(name, data)
    assert (caught.value.code, caught.value.details) == ("extra-missing", {"extra": "office"})
    assert lacking in str(caught.value)


def test_the_content_tells_the_format_whatever_the_suffix() -> None:
    assert extract("a.xls", doc([Paragraph("words\r")])).text == "words\n\n"
    assert extract("a.doc", ppt([(text_records(TITLE, "Slide"), b"")])).text == "Slide\n\n"


def test_containers_of_other_programs_are_skipped() -> None:
    with pytest.raises(BinaryFileError, match="is binary"):
        extract("a.doc", ole({"Thumbs": bytes(4096)}))
