"""E-mail: headers, bodies, mailboxes, and saved web pages."""

import pytest

from vsearch_core.errors import ExtractionError
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.formats.mail import extract, extract_mailbox, extract_web_page

MESSAGE = b"""From: =?utf-8?q?J=C3=BCrgen?= <j@x.org>
To: a@b.c
Subject: =?utf-8?b?R3LDvMOfZQ==?= to
 all
Date: Mon, 5 Feb 2024 10:00:00 +0200
Message-ID: <1@x>
Content-Type: multipart/mixed; boundary=B

--B
Content-Type: multipart/alternative; boundary=C

--C
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

gr=FC=DFe

second
--C
Content-Type: text/html

<p>html version</p>
--C--
--B
Content-Type: application/pdf
Content-Disposition: attachment; filename="r.pdf"

xx
--B
Content-Type: message/rfc822

Subject: forwarded

inner text
--B--
"""


def test_message() -> None:
    document = extract("a.eml", MESSAGE)
    assert document.title == "Grüße to all"
    assert document.metadata == {
        "author": "Jürgen <j@x.org>",
        "recipients": "a@b.c",
        "message_id": "<1@x>",
        "date": "2024-02-05T08:00:00+00:00",
        "attachments": ["r.pdf"],
    }
    head = "From: Jürgen <j@x.org>\nTo: a@b.c\nDate: Mon, 5 Feb 2024 10:00:00 +0200\nSubject: Grüße to all"
    assert document.text == f"{head}\n\ngrüße\n\nsecond\n\ninner text\n\nAttachments: r.pdf\n\n"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"Content-Type: text/html; charset=utf-8\n\n<h1>T</h1><nav>no</nav><p>p\xc3\xa9</p>", "T\n\npé\n\n"),
        (b"Content-Type: text/plain; charset=no-such\n\ncaf\xe9 noir and so on", "café noir and so on\n\n"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGVsbG8=", "hello\n\n"),
        (
            b"Content-Type: multipart/alternative; boundary=C\n\n--C\nContent-Type: text/plain\n\n\n--C\n"
            b"Content-Type: text/html\n\n<p>only here</p>\n--C--",
            "only here\n\n",
        ),
        (b"\n\nno header at all", "no header at all\n\n"),
        (b'Content-Type: text/plain; charset="a\0b"\n\ncaf\xe9 noir and so on', "café noir and so on\n\n"),
        (b"Subject: =?ut\xff?q?a?=\n\nx", "Subject: =?ut\ufffd?q?a?=\n\nx\n\n"),
        (b"Date: never\nSubject: \xff\xfe\n\nx", "Date: never\nSubject: \ufffd\ufffd\n\nx\n\n"),
    ],
)
def test_bodies(source: bytes, text: str) -> None:
    assert extract("a.eml", source).text == text


def test_mailbox() -> None:
    envelope = b"From j@x.org Mon Feb  5 10:00:00 2024\n"
    data = envelope + MESSAGE + b"\n" + envelope + b"Subject: Two\n\nbody two\n\n>From here\nFrom there on\n"
    document = extract_mailbox("a.mbox", data)
    chunks = split(document, ChunkOptions(20, 0))
    assert [(chunk.page, chunk.start_line, chunk.heading) for chunk in chunks] == [
        (1, 1, "Grüße to all"),
        (2, data.split(b"\n").index(b"Subject: Two"), "Two"),
    ]
    assert chunks[1].text == "Subject: Two\n\nbody two\n\nFrom here\nFrom there on"


def test_web_page() -> None:
    data = b"""From: <Saved by Blink>
Snapshot-Content-Location: https://example.org/x
Content-Type: multipart/related; boundary=B

--B
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

<html><title>Page</title><body><h1>H=C3=A9</h1>text</body></html>
--B
Content-Type: image/png

x
--B--
"""
    document = extract_web_page("a.mhtml", data)
    assert (document.title, document.text, document.metadata) == (
        "Page",
        "Hé\n\ntext",
        {"address": "https://example.org/x"},
    )
    with pytest.raises(ExtractionError, match="no page in it"):
        extract_web_page("a.mhtml", MESSAGE.replace(b"text/html", b"text/plain"))


def test_deeply_nested_parts() -> None:
    data = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000)) + b"\n\nx"
    try:
        assert len(extract("a.eml", data).text) < 100
    except ExtractionError as error:
        assert "\n" not in str(error)
