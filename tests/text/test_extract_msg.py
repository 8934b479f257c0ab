"""Outlook messages: properties by number, with a stand-in for the container that olefile reads."""

import struct

import pytest

from vsearch_core.errors import ExtractionError
from vsearch_core.text.extract import registry
from vsearch_core.text.formats.msg import extract

olefile = pytest.importorskip("olefile")


class Container:
    """A stand-in for `olefile.OleFileIO`, made from a mapping of paths to bytes."""

    def __init__(self, streams: dict[str, bytes]) -> None:
        self.streams = streams

    def __call__(self, _file: object) -> "Container":
        return self

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *_: object) -> None: ...

    def exists(self, path: str) -> bool:
        return path in self.streams

    def get_size(self, path: str) -> int:
        return len(self.streams[path])

    def openstream(self, path: str) -> "Stream":
        return Stream(self.streams[path])

    def listdir(self) -> list[list[str]]:
        return [path.split("/") for path in self.streams]


class Stream(bytes):
    def read(self) -> bytes:
        return bytes(self)


def properties(**texts: str) -> dict[str, bytes]:
    return {f"__substg1.0_{key[1:]}001F": text.encode("utf-16-le") for key, text in texts.items()}


def test_message(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = (1707120000 + 11644473600) * 10_000_000
    streams = properties(p0037="Subject é", p1000="Body\r\ntext", p0C1A="Ann", p0E04="Bob")
    streams["__properties_version1.0"] = bytes(32) + struct.pack("<IIQ", 0x00390040, 0, ticks)
    streams["__attach_version1.0_#00000000/__substg1.0_3707001F"] = "r.pdf".encode("utf-16-le")
    monkeypatch.setattr(olefile, "OleFileIO", Container(streams))
    document = extract("a.msg", b"")
    assert document.title == "Subject é"
    assert document.text == "From: Ann\nTo: Bob\nDate: 2024-02-05T08:00:00+00:00\nSubject: Subject é\n\nBody\ntext\n\n"
    date = "2024-02-05T08:00:00+00:00"
    assert document.metadata == {"author": "Ann", "recipients": "Bob", "date": date, "attachments": ["r.pdf"]}


def test_html_is_read_if_there_is_no_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = {"__substg1.0_0037001E": b"caf\xe9", "__substg1.0_10130102": b"<p>from html</p>"}
    monkeypatch.setattr(olefile, "OleFileIO", Container(streams))
    assert extract("a.msg", b"").text == "Subject: café\n\nfrom html\n\n"


def test_senders_and_recipients_have_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = properties(
        p0037="s", p1000="b", p0C1A="Ann Lee", p0C1F="/O=ORG/CN=ANN", p5D01="ann@x.org", p0E04="Bob; Cy"
    )
    for number, (kind, name, address) in enumerate(
        [(1, "Bob", "bob@x.org"), (2, "cy@x.org", "cy@x.org"), (1, "Di", "")]
    ):
        folder = f"__recip_version1.0_#{number:08X}/"
        streams |= {folder + key: value for key, value in properties(p3001=name, p39FE=address).items()}
        streams[folder + "__properties_version1.0"] = bytes(8) + struct.pack("<IIQ", 0x0C150003, 0, kind)
    monkeypatch.setattr(olefile, "OleFileIO", Container(streams))
    metadata = extract("a.msg", b"").metadata
    assert metadata == {"author": "Ann Lee <ann@x.org>", "recipients": "Bob <bob@x.org>, Di", "cc": "cy@x.org"}


@pytest.mark.parametrize(
    ("page", "charset", "text"),
    [
        (950, "big5", "資料檢索"),
        (0, "big5", "資料檢索"),
        (1251, "cp1251", "Привет"),
        (20866, "koi8-r", "Привет"),
        (0, "", "café"),
    ],
)
def test_texts_in_the_senders_code_page(monkeypatch: pytest.MonkeyPatch, page: int, charset: str, text: str) -> None:
    streams = {f"__substg1.0_{number}001E": text.encode(charset or "cp1252") for number in ("0037", "1000", "0C1A")}
    streams["__properties_version1.0"] = bytes(32) + struct.pack("<IIQ", 0x3FFD0003, 0, page)
    if charset:
        streams["__substg1.0_007D001E"] = f"Content-Type: text/plain; charset={charset}".encode()
    monkeypatch.setattr(olefile, "OleFileIO", Container(streams))
    document = extract("a.msg", b"")
    assert document.text == f"From: {text}\nSubject: {text}\n\n{text}\n\n"


def test_compressed_rtf_is_read_if_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    example = "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    plain = b"\0" * 8 + b"MELA\0\0\0\0{\\rtf1 hello}"
    for data, text in ((bytes.fromhex(example), "hello world"), (plain, "hello"), (b"LZFu" * 9, "")):
        monkeypatch.setattr(olefile, "OleFileIO", Container({"__substg1.0_10090102": data}))
        assert extract("a.msg", b"").text.strip() == f"Subject: \n\n{text}".strip()


def test_attached_messages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    streams, folder = properties(p0037="outer", p1000="one"), ""
    for level in range(3):
        folder += "__attach_version1.0_#00000000/__substg1.0_3701000D/"
        inner = properties(p0037=f"level {level}", p1000=f"text {level}", p0C1A="Ann")
        streams |= {folder + key: value for key, value in inner.items()}
        streams[folder + "__properties_version1.0"] = bytes(24)
    monkeypatch.setattr(olefile, "OleFileIO", Container(streams))
    document = extract("a.msg", b"")
    assert document.title == "outer"
    inner_texts = "".join(f"From: Ann\nSubject: level {level}\n\ntext {level}\n\n" for level in range(3))
    assert document.text == f"Subject: outer\n\none\n\n{inner_texts}"


def test_attached_files_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    streams, folder = properties(p0037="outer", p1000="one"), "__attach_version1.0_#00000000/"
    streams[f"{folder}__substg1.0_3707001F"] = "notes.md".encode("utf-16-le")
    streams[f"{folder}__substg1.0_37010102"] = b"# Roof\nTwo tiles.\n"
    monkeypatch.setattr(olefile, "OleFileIO", Container(streams))
    document = extract("a.msg", b"")
    assert document.spans[-1].heading == ("attachment notes.md", "Roof")
    assert document.text.endswith("Two tiles.\n\n\n")


def test_damaged() -> None:
    with pytest.raises(ExtractionError, match="not a readable Outlook message"):
        extract("a.msg", b"not a message")


def test_without_olefile_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    with pytest.raises(ExtractionError, match=r"^a.msg: is an Outlook message, which needs olefile$") as caught:
        registry.extract("a.msg", b"")
    assert (caught.value.code, caught.value.details) == ("extra-missing", {"extra": "msg"})
