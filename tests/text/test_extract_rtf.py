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
    with pytest.raises(BinaryFileError, match="is no RTF"):
        extract("a.rtf", b"just text")


def test_deeply_nested_groups() -> None:
    with pytest.raises(ExtractionError, match="nest too deep"):
        extract("a.rtf", b"{\\rtf1" + b"{" * 10_000)


def test_text_after_the_last_group_is_left_out_and_an_unclosed_group_is_read() -> None:
    assert extract("a.rtf", b"{\\rtf1 text}}}{\\rtf1 more}").text == "text\n\n"
    assert extract("a.rtf", b"{\\rtf1 text").text == "text\n\n"
