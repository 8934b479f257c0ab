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


def test_damaged() -> None:
    with pytest.raises(ExtractionError, match="no readable Outlook message"):
        extract("a.msg", b"not a message")


def test_without_olefile_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    with pytest.raises(ExtractionError, match=r"^a.msg: is an Outlook message, which needs olefile$") as caught:
        registry.extract("a.msg", b"")
    assert (caught.value.code, caught.value.details) == ("extra-missing", {"extra": "msg"})
