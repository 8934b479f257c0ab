"""RTF: groups, code pages, styles, and groups without text."""

import pytest

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.text.formats.rtf import extract

HEAD = (
    r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset204 Times;}}"
    r"{\stylesheet{\s0 Normal;}{\s7 heading 2;}}"
)


def text(body: str) -> str:
    return extract("a.rtf", (HEAD + body + "}").encode("latin-1")).text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r"a \b bold\b0  word\par b", "a bold word\n\nb\n\n"),
        (r"caf\'e9 na\'efve", "café naïve\n\n"),
        (r"{\f1\'cf\'f0\'e8\'e2\'e5\'f2} after \'e9", "Привет after é\n\n"),
        (r"\u8364?uro \uc2\u1087??x \uc0\u1087y", "€uro пx пy\n\n"),
        (r"\u-10179?\u-8704?", "\U0001f600\n\n"),
        (r"\u55357?alone", "\ufffdalone\n\n"),
        (r"\{braces\} and \\ and a\~b\_c\-d", "{braces} and \\ and a b-cd\n\n"),
        (r"{\header top}{\footer end}{\*\unknown x}{\pict 0a0b}text", "text\n\n"),
        (r"text{\footnote \chftn A note.} on", "text (A note.) on\n\n"),
        (r'{\field{\*\fldinst HYPERLINK "http://x"}{\fldrslt a link}} on', "a link on\n\n"),
        (r"\trowd a\cell b\cell\row\trowd c\par d\cell e\cell\row after", "a | b\nc d | e\nafter\n\n"),
        (r"{\pict\bin4 }{}x}shown", "shown\n\n"),
        ("one\\\ntwo\nthree", "one\n\ntwothree\n\n"),
    ],
)
def test_text(body: str, expected: str) -> None:
    assert text(body) == expected


def test_headings_and_information() -> None:
    body = (
        r"{\info{\title T \'e9}{\author A}{\creatim\yr2020\mo3\dy4\hr1}}\pard\s7 Part\par\pard "
        r"text\par\pard\outlinelevel0 Top\par\pard x"
    )
    document = extract("a.rtf", (HEAD + body + "}").encode())
    assert (document.title, document.metadata) == ("T é", {"author": "A", "created": "2020-03-04"})
    assert [(span.heading, document.text[span.start : span.end].strip()) for span in document.spans] == [
        (("Part",), "Part\n\ntext"),
        (("Top",), "Top\n\nx"),
    ]


def test_other_bytes_under_the_suffix_are_refused() -> None:
    with pytest.raises(BinaryFileError, match="isn't RTF"):
        extract("a.rtf", b"just text")


def test_deeply_nested_groups() -> None:
    with pytest.raises(ExtractionError, match="nest too deep"):
        extract("a.rtf", b"{\\rtf1" + b"{" * 10_000)


def test_text_after_the_last_group_is_left_out_and_an_unclosed_group_is_read() -> None:
    assert extract("a.rtf", b"{\\rtf1 text}}}{\\rtf1 more}").text == "text\n\n"
    assert extract("a.rtf", b"{\\rtf1 text").text == "text\n\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r"{\loch\f0\b0\*\cs7\cf0 Text after a star} on", "Text after a star on\n\n"),
        ("{\\*\\unknown gone}{\n\\*\\unknown gone}kept", "kept\n\n"),
        (
            r"{\shp{\*\shpinst\shpleft9{\sp{\sn shapeType}{\sv 202}}{\shptxt \pard boxed\par}}{\shprslt boxed}}",
            "boxed\n\n",
        ),
        (r"{\*\do\dobxpage{\dptxbxtext \pard drawn\par}}on", "drawn\n\non\n\n"),
        (
            r"text{\*\atnid AL}{\*\atnauthor Ann}{\chatn{\*\annotation{\*\atnref 1}\pard Check\par this.}} on",
            "text (Check this.) on\n\n",
        ),
        (r"{\listtext\tab 1.\tab}Oil\par{\listtext\pard\plain 1.1\tab}Wipe\par", "1. Oil\n\n1.1 Wipe\n\n"),
        (r"{\pntext\f1\'b7\tab}Oil\par{\*\pn\pnlvlblt{\pntxtb\'b7}}x", "- Oil\n\nx\n\n"),
        (r"{\object\objemb{\*\objclass Sheet}{\*\objdata 0105}{\result {\pict 0a}{shown}}} on", "shown on\n\n"),
    ],
)
def test_groups_with_text(body: str, expected: str) -> None:
    assert text(body) == expected


def test_numbered_headings_stay_headings() -> None:
    document = extract("a.rtf", (HEAD + r"\pard\s7{\listtext\pard\plain 2.\tab}Part\par\pard text}").encode())
    assert [span.heading for span in document.spans] == [("2. Part",)]


@pytest.mark.parametrize("date", [r"\yr0\mo0\dy0", r"\yr2023\mo13\dy1", r"\yr2023", r"\yr99999\mo1\dy1"])
def test_dates_that_are_none(date: str) -> None:
    data = HEAD + r"{\info{\title Document1}{\creatim\yr2023\mo5\dy1}{\revtim" + date + "}}text}"
    document = extract("a.rtf", data.encode())
    assert (document.title, document.metadata) == (None, {"created": "2023-05-01"})
