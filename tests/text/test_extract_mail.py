"""E-mail: headers, bodies, mailboxes, and saved web pages."""

import base64
import quopri

import pytest
from pdfs import make_pdf
from samples import SAMPLES

from vsearch_core.errors import ExtractionError
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract import attachments as attached
from vsearch_core.text.extract import registry
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.formats.mail import extract, extract_emlx, extract_mailbox, extract_web_page

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

<p>gr&uuml;&szlig;e, second: as HTML</p>
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
    assert document.text == f"{head}\n\ngrüße\n\nsecond\n\nSubject: forwarded\n\ninner text\n\nAttachments: r.pdf\n\n"


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
        (b"Subject: =?ut\xff?q?a?=\n\nx", "Subject: a\n\nx\n\n"),
        (b"Date: never\nSubject: a\n\nx", "Date: never\nSubject: a\n\nx\n\n"),
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
    with pytest.raises(ExtractionError, match="contains no HTML page"):
        extract_web_page("a.mhtml", MESSAGE.replace(b"text/html", b"text/plain"))


def test_deeply_nested_parts() -> None:
    data = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000)) + b"\n\nx"
    try:
        assert len(extract("a.eml", data).text) < 100
    except ExtractionError as error:
        assert "\n" not in str(error)


INNER = b"From: Ann <ann@x.org>\nSubject: =?utf-8?q?Caf=C3=A9_plans?=\n\nThe inner words = all.\n"


@pytest.mark.parametrize("disposition", ["", 'Content-Disposition: attachment; filename="a.eml"\n'])
@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
def test_forwarded_messages_keep_their_headers(encoding: str, disposition: str) -> None:
    inner = {"base64": base64.encodebytes(INNER), "quoted-printable": quopri.encodestring(INNER)}.get(encoding, INNER)
    data = b"Subject: FW\nContent-Type: multipart/mixed; boundary=B\n\n--B\n\nSee below.\n--B\n"
    data += f"Content-Type: message/rfc822\n{disposition}Content-Transfer-Encoding: {encoding}\n\n".encode()
    document = extract("a.eml", data + inner + b"\n--B--\n")
    shown = "From: Ann <ann@x.org>\nSubject: Café plans\n\nThe inner words = all."
    assert document.text == f"Subject: FW\n\nSee below.\n\n{shown}\n\n"
    assert document.title == "FW"


def test_forwarded_messages_inside_one_another() -> None:
    data = INNER
    for level in range(3):
        head = f"Subject: level {level}\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        data = head.encode() + base64.encodebytes(data)
    text = extract("a.eml", data).text
    assert [line for line in text.split("\n") if line.startswith("Subject")] == [
        *(f"Subject: level {level}" for level in (2, 1, 0)),
        "Subject: Café plans",
    ]


def test_members_of_a_digest_are_messages() -> None:
    data = b"Subject: Digest\nContent-Type: multipart/digest; boundary=B\n\n--B\n\n" + INNER + b"\n--B--\n"
    assert "Subject: Café plans\n\nThe inner words" in extract("a.eml", data).text


def alternatives(plain: str, html: str) -> bytes:
    return (
        "Subject: s\nContent-Type: multipart/alternative; boundary=B\n\n"
        f"--B\nContent-Type: text/plain\n\n{plain}\n--B\n{html}\n--B--\n"
    ).encode()


PAGE = "Content-Type: text/html\n\n<p>The workshop moves to the harbour hall on Friday.</p>"


@pytest.mark.parametrize(
    ("plain", "html", "text"),
    [
        ("Use an HTML viewer.", PAGE, "The workshop moves to the harbour hall on Friday."),
        (
            "The workshop moves\nto the harbour hall on Friday!",
            PAGE,
            "The workshop moves\nto the harbour hall on Friday!",
        ),
        (
            "Much more than the page says.",
            "Content-Type: text/html\n\n<p>much more</p>",
            "Much more than the page says.",
        ),
        ("Plain.", "Content-Type: text/html\n\n<img src=x>", "Plain."),
        (
            "Stub.",
            f"Content-Type: multipart/related; boundary=C\n\n--C\n{PAGE}\n--C\nContent-Type: image/png\n\nx\n--C--",
            "The workshop moves to the harbour hall on Friday.\n\nAttachments: image/png",
        ),
        (
            "The workshop moves to the harbour hall on Friday.",
            f"Content-Type: multipart/related; boundary=C\n\n--C\n{PAGE}\n--C\nContent-Type: image/png\n\nx\n--C--",
            "The workshop moves to the harbour hall on Friday.\n\nAttachments: image/png",
        ),
    ],
)
def test_the_version_of_the_text_that_says_more_is_read(plain: str, html: str, text: str) -> None:
    assert extract("a.eml", alternatives(plain, html)).text == f"Subject: s\n\n{text}\n\n"


@pytest.mark.parametrize(
    ("source", "subject"),
    [
        ("Subject: Grüße – 東京\n\nx".encode(), "Grüße – 東京"),
        ("Subject: Grüße\nContent-Type: text/plain; charset=iso-8859-1\n\nx".encode("latin-1"), "Grüße"),
        ("Subject: Привет, мир\nContent-Type: text/plain; charset=koi8-r\n\nx".encode("koi8-r"), "Привет, мир"),
        ("Subject: Grüße\n\n".encode("latin-1") + "Es grüßt Sie für heute Jürgen Müller.".encode("latin-1"), "Grüße"),
        ("Subject: Grüße\n\nbreit".encode("utf-16"), "Grüße"),
        ("Subject: Grüße\n\nbreit".encode("utf-16-le"), "Grüße"),
        ("Subject: Grüße\n\nbreit".encode("utf-8-sig"), "Grüße"),
        (b"Subject: =?utf-8?b?R3LD?= =?utf-8?b?vMOfZQ==?= to =?iso-8859-2?q?=B3=F3d=BC?=\n\nx", "Grüße to łódź"),
        (b"Subject: =?utf-8?b?R3L\n\nx", "=?utf-8?b?R3L"),
        (b"Subject: =?x-no-such?q?plain?= =?utf-7?q?+AOk-?=\n\nx", "plainé"),
    ],
)
def test_subjects_in_any_encoding(source: bytes, subject: str) -> None:
    assert extract("a.eml", source).title == subject


@pytest.mark.parametrize(
    ("date", "utc"),
    [
        ("2024-04-12T09:30:00+02:00", "2024-04-12T07:30:00+00:00"),
        ("2024-04-12 09:30:00 +0200", "2024-04-12T07:30:00+00:00"),
        ("2024-04-12T09:30:00Z", "2024-04-12T09:30:00+00:00"),
        ("2024-04-12", "2024-04-12T00:00:00+00:00"),
        ("20240412T093000Z", "2024-04-12T09:30:00+00:00"),
        ("2024/04/12 09:30:00 UTC", "2024-04-12T09:30:00+00:00"),
        ("2024-04-12 09:30:00 +0200 (CEST)", "2024-04-12T07:30:00+00:00"),
        ("Fri, 12 Apr 2024 09:30:00 +0200", "2024-04-12T07:30:00+00:00"),
        ("2024-13-45", None),
        ("yesterday", None),
    ],
)
def test_dates(date: str, utc: str | None) -> None:
    assert extract("a.eml", f"Date: {date}\nSubject: s\n\nx".encode()).metadata.get("date") == utc


def test_the_charset_of_an_html_part_is_that_of_its_header() -> None:
    data = "Content-Type: text/html; charset=big5\n\n<p>資料檢索</p>".encode("big5")
    assert extract("a.eml", data).text == "資料檢索\n\n"


def test_blocks_of_inline_pgp_are_left_out() -> None:
    key = "-----BEGIN PGP {0}-----\nVersion: 1\n\nabcDEF+/0123456789abcdef\n=abcd\n-----END PGP {0}-----\n"
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nThe mat: here.\n- -- Ann\n{key.format('SIGNATURE')}"
    body = f"Before.\n{signed}Between.\n{key.format('PUBLIC KEY BLOCK')}After.\n"
    cut = "-----BEGIN PGP MESSAGE-----\n\nabc=\nIt was cut off."
    text = extract("a.eml", f"Subject: s\n\n{body}{cut}".encode()).text
    assert text == "Subject: s\n\nBefore.\nThe mat: here.\n-- Ann\nBetween.\nAfter.\nIt was cut off.\n\n"


def test_blocks_of_inline_pgp_in_html_are_left_out() -> None:
    signature = "-----BEGIN PGP SIGNATURE-----\n\nabcDEF+/0123456789abcdef\n=abcd\n-----END PGP SIGNATURE-----\n"
    data = f"Content-Type: text/html\n\n<p>Words.</p><pre>{signature}</pre><p>After.</p>".encode()
    assert extract("a.eml", data).text.split() == ["Words.", "After."]


@pytest.mark.parametrize("boundary", ["", "; boundary=C"])
def test_parts_without_their_boundary_are_read_as_one_text(boundary: str) -> None:
    encoded = base64.encodebytes(bytes(range(200))).decode()
    data = f"Subject: s\nContent-Type: multipart/mixed{boundary}\n\n--B\n\nThe words.\n--B\n\n{encoded}--B--\n".encode()
    text = extract("a.eml", data).text
    assert text.startswith("Subject: s\n\n--B\n\nThe words.\n")
    assert encoded[:20] not in text


@pytest.mark.parametrize("wrong", [0, 7, -7])
def test_apple_mail(wrong: int) -> None:
    plist = b'<?xml version="1.0"?><plist><dict><key>flags</key></dict></plist>\n'
    message = "Subject: Note\nContent-Type: text/plain; charset=utf-8\n\nDie Brücke\n".encode()
    document = extract_emlx("1.emlx", f"{len(message) + wrong}   \n".encode() + message + plist)
    assert (document.title, document.text) == ("Note", "Subject: Note\n\nDie Brücke\n\n")


@pytest.mark.parametrize(
    "name", ["1690000001.M0P77.host,S=712,W=730:2,S", "1204680122.27448_1.host", "a1b2.c:2,RS", "42", "15."]
)
def test_files_of_maildir_and_mh_folders(name: str) -> None:
    message = b"Received: from a\n by b\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nFrom: a@x.org\n\nText.\n"
    document = registry.extract(name, message)
    assert (document.title, document.metadata["author"]) == ("Grüße", "a@x.org")
    for text in (b"Subject: a letter\n\nDear all,\n", b"From: here to there\nit is far\nTo: be sure\n\nx", b"12\n"):
        assert registry.extract(name, text).text == text.decode()


def with_attachments(
    *files: tuple[str, bytes], kind: str = "application/octet-stream", text: str = "See below."
) -> bytes:
    """Return a message with this text and these attachments."""
    parts = [f"Content-Type: text/plain\n\n{text}\n".encode()]
    for name, content in files:
        head = f'Content-Type: {kind}\nContent-Disposition: attachment; filename="{name}"\n'
        parts.append(f"{head}Content-Transfer-Encoding: base64\n\n".encode() + base64.encodebytes(content))
    body = b"".join(b"--B\n" + part for part in parts)
    return b"From: a@b.c\nSubject: Plans\nContent-Type: multipart/mixed; boundary=B\n\n" + body + b"--B--\n"


def test_attachments_are_read_each_at_its_own_place() -> None:
    message = with_attachments(
        ("plan.pdf", make_pdf("first sheet", "second sheet")),
        ("notes.md", b"# Roof\nTwo tiles."),
        ("a.docx", SAMPLES["a.docx"]),
    )
    document = extract("a.eml", message)
    assert document.left_out == ()
    chunks = split(document, ChunkOptions(words=20, overlap=0))
    places = {registry.place_of("a.eml", chunk.page, chunk.heading, (1, 1)): chunk for chunk in chunks}
    assert list(places) == [None, "attachment plan.pdf", "attachment notes.md", "attachment a.docx"]
    assert places["attachment plan.pdf"].text.split() == ["first", "sheet", "second", "sheet"]
    assert places["attachment notes.md"].heading == "attachment notes.md > Roof"
    assert "Attachments: plan.pdf, notes.md, a.docx" in chunks[0].text


def test_attachments_in_a_mailbox_belong_to_their_message() -> None:
    box = (
        b"From a 10:00\n"
        + with_attachments(("a.txt", b"one\ntwo"))
        + b"\nFrom b 10:01\n"
        + with_attachments(("b.txt", b"three"))
    )
    document = extract_mailbox("a.mbox", box)
    chunks = split(document, ChunkOptions(words=20, overlap=0))
    places = [registry.place_of("a.mbox", chunk.page, chunk.heading, (1, 1)) for chunk in chunks]
    assert places == ["message 1", "message 1, attachment a.txt", "message 2", "message 2, attachment b.txt"]
    second = box[: box.index(b"From b")].count(b"\n") + 1
    assert [chunk.start_line for chunk in chunks] == [1, 1, second, second]
    assert document.lines is not None and len(document.lines) == document.text.count("\n") + 1


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("photo.jpg", b"\xff\xd8\xff\xe0 text", "image/jpeg"),
        ("signature.asc", b"-----BEGIN PGP SIGNATURE-----", "application/pgp-signature"),
        ("data.bin", bytes(range(256)), "application/octet-stream"),
        ("empty.txt", b"", "text/plain"),
    ],
)
def test_attachments_without_text_are_named_only(name: str, content: bytes, kind: str) -> None:
    document = extract("a.eml", with_attachments((name, content), kind=kind))
    assert document.metadata["attachments"] == [name]
    assert document.text.strip().endswith(f"Attachments: {name}")
    assert document.left_out == ()


def test_an_attachment_that_can_not_be_read_leaves_the_others() -> None:
    document = extract("a.eml", with_attachments(("bad.docx", b"no package"), ("good.txt", b"harbour")))
    assert "harbour" in document.text
    (phrase,) = document.left_out
    assert phrase.startswith("can't read attachment bad.docx (is not a readable")


def test_messages_within_messages_end() -> None:
    message = with_attachments(("note.txt", b"innermost"))
    for level in range(5):
        message = with_attachments(("inner.eml", message), text=f"level {level}")
    text = extract("a.eml", message).text
    assert [f"level {level}" in text for level in range(5)] == [False, True, True, True, True]
    assert "innermost" not in text


def test_attachments_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser may unpack half of what the file may, and the time for all attachments is half of that for the file."""
    limits: list[int] = []

    def extract_part(name: str, data: bytes, options: ExtractOptions) -> object:
        limits.append(options.limits.expanded_bytes)
        return registry.extract(name, data, options)

    monkeypatch.setattr(attached, "extract", extract_part)
    extract("a.eml", with_attachments(("a.txt", b"x")))
    assert limits == [DEFAULTS.limits.expanded_bytes // 2]
    monkeypatch.setattr(attached, "_TIME_SHARE", 0.0)
    late = [(f"{number}.txt", b"late") for number in range(7)]
    document = extract("a.eml", with_attachments(*late, text="in time"))
    assert "in time" in document.text and "late" not in document.text.replace("in time", "")
    assert document.left_out == ("no time left for attachments 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more",)
