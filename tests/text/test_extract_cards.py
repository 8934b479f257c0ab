"""Calendars and address books."""

import pytest

from vsearch_core.model import Document
from vsearch_core.text.extract.registry import extract


def read(name: str, *lines: str) -> Document:
    return extract(name, "\r\n".join(lines).encode())


def test_calendar() -> None:
    document = read(
        "a.ics",
        *(
            "BEGIN:VCALENDAR",
            "X-WR-CALNAME:Choir",
            "BEGIN:VEVENT",
            "UID:6f2c@x",
            "DTSTART;TZID=Europe/Paris:20240312T193000",
        ),
        *(
            "SUMMARY:Rehearsal with the",
            "  harbour choir",
            "DESCRIPTION:Bring\\nthe lantern\\, please",
            "\t and chairs",
        ),
        *('ATTENDEE;CN="Ada B";ROLE=X:mailto:ada@x.org', "BEGIN:VALARM", "TRIGGER:-PT15M", "END:VALARM", "END:VEVENT"),
        *("BEGIN:VEVENT", "SUMMARY:Concert", "DTEND;VALUE=DATE:20240401", "END:VEVENT", "END:VCALENDAR"),
    )
    assert document.title == "Choir"
    assert document.text.split("\n") == [
        "Choir",
        "2024-03-12 19:30",
        "Rehearsal with the harbour choir",
        "Bring the lantern, please and chairs",
        "Ada B ada@x.org",
        "Concert",
        "2024-04-01",
    ]
    assert document.lines == (2, 5, 6, 8, 10, 16, 17)
    assert [span.heading for span in document.spans] == [(), ("Rehearsal with the harbour choir",), ("Concert",)]


def test_address_book() -> None:
    document = read(
        "a.vcf",
        *("BEGIN:VCARD", "VERSION:2.1", "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=BCrgen =", "Meyer"),
        *(
            "ORG:Kestrel;Harbour",
            "item1.EMAIL;TYPE=work:j@x.org",
            "PHOTO;ENCODING=BASE64;JPEG:AAECAw",
            " BAUGBw",
            "END:VCARD",
        ),
    )
    assert document.title == "Jürgen Meyer"
    assert document.text == "Jürgen Meyer\nKestrel, Harbour\nj@x.org"
    assert document.lines == (3, 5, 6)
    assert {span.heading for span in document.spans} == {("Jürgen Meyer",)}


def test_a_line_folded_inside_a_character() -> None:
    data = "BEGIN:VEVENT\r\nSUMMARY:Tromsø\r\nEND:VEVENT\r\n".encode()
    assert extract("a.ics", data.replace(b"\xc3\xb8", b"\xc3\r\n \xb8")).title == "Tromsø"


@pytest.mark.parametrize(
    "piece", ["A;x=", "SUMMARY:x=", ' SUMMARY;a="', "FN;ENCODING=QUOTED-PRINTABLE:a=\n", "BEGIN:VCARD\n"]
)
def test_malformed_cards_take_linear_time(piece: str) -> None:
    extract("a.vcf", piece.encode() * 20_000)
    extract("a.vcf", (piece + "\n").encode() * 20_000)


def test_an_unknown_charset() -> None:
    assert read("a.vcf", "FN;CHARSET=x-none;ENCODING=QUOTED-PRINTABLE:J=C3=BC").text == "Jü"


def test_a_name_in_parts_stands_for_a_missing_one() -> None:
    card = ("BEGIN:VCARD", "N:Doe;Ann;B.;Dr.", "END:VCARD")
    document = read("a.vcf", *card, "BEGIN:VCARD", "N:Roe;Bo", "FN:Bo Roe", "END:VCARD")
    assert document.text == "Dr. Ann B. Doe\nBo Roe"
    assert [span.heading for span in document.spans] == [("Dr. Ann B. Doe",), ("Bo Roe",)]
