"""Text and binary data, and encodings."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsearch_core.errors import BinaryFileError
from vsearch_core.text.extract.decode import decode, one_line

GERMAN = "Die größte Übung für müde Füße: Äpfel pflücken.\n" * 4
RUSSIAN = "Обычный русский текст, в котором достаточно слов для догадки.\n" * 3
JAPANESE = "これは日本語の文章です。漢字とかなが混ざっています。\n" * 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_the_byte_order_mark_sets_the_encoding_and_is_dropped(encoding: str) -> None:
    assert decode("x", RUSSIAN.encode(encoding)) == RUSSIAN


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [GERMAN, RUSSIAN])
def test_wide_encodings_without_a_mark(encoding: str, text: str) -> None:
    assert decode("x", text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        ("café", "latin1"),
        ("Umsätze;Größe\n" + "12;34\n" * 50, "cp1252"),
        ("Prix : 30 € – l’offre", "cp1252"),
        ("Zoë Brûlé", "cp1252"),
        (GERMAN, "cp850"),
        (GERMAN, "mac_roman"),
        (JAPANESE * 100, "cp932"),
    ],
)
def test_old_encodings(text: str, encoding: str) -> None:
    assert decode("x", text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "odd"),
    [("Der Kühlraum ist zu warm.\nTür und", b"\xff\xfe"), ("à jeudi", b"\xe9"), ("Grüße, plötzlich", b"\xfc")],
)
def test_a_few_bad_bytes_do_not_change_the_encoding(text: str, odd: bytes) -> None:
    assert decode("x", text.encode() + b" " + odd + b" end") == f"{text} {chr(0xFFFD) * len(odd)} end"


def test_utf8_wins_where_it_fits() -> None:
    assert decode("x", "é".encode(), declared="cp1252") == "é"


def test_declared_encoding_beats_a_guess() -> None:
    assert decode("x", "ĄŽ šū".encode("cp1257"), declared="windows-1257") == "ĄŽ šū"
    assert decode("x", "“ok”".encode("cp1252"), declared="ISO-8859-1") == "“ok”"


@pytest.mark.parametrize("declared", ["rot13", "unicode_escape", "base64", "no such thing", "utf-16"])
def test_an_unusable_declared_encoding_is_ignored(declared: str) -> None:
    assert decode("x", "café".encode("latin1"), declared) == "café"


def test_soft_hyphens_part_no_words() -> None:
    assert decode("x", "soft\xadware".encode()) == "software"


def test_surrogates_in_utf8_are_characters() -> None:
    assert decode("x", b"\xed\xa0\xbd\xed\xb8\x80 gr\xc3\xb6\xc3\x9fer") == "\U0001f600 größer"
    assert decode("x", b"\xed\xa0\xbd gr\xc3\xb6\xc3\x9fer") == "\ufffd größer"


def test_utf8_with_a_few_invalid_bytes_stays_utf8() -> None:
    assert decode("x", RUSSIAN.encode()[:-3]) == RUSSIAN[:-3] + "\ufffd"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_become_newlines(end: str) -> None:
    assert decode("x", f"a{end}b{end}{end}c".encode()) == "a\nb\n\nc"


def test_colour_codes_are_text() -> None:
    assert decode("x", b"\x1b[31mred\x1b[0m\n") == "\x1b[31mred\x1b[0m\n"


def test_empty() -> None:
    assert decode("x", b"") == ""


@pytest.mark.parametrize(
    "data",
    [
        *(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\x7fELF\2\1\1" + bytes(200), bytes(5000), os.urandom(5000)),
        *(b"abc\0def" * 20, b"a header with some words in ASCII\0\1\2" * 9),
    ],
    ids=["png", "elf", "zeros", "random", "records", "header"],
)
def test_binary(data: bytes) -> None:
    with pytest.raises(BinaryFileError, match=r"name\.bin: is"):
        decode("name.bin", data)


def test_compressed_data_without_zero_bytes_is_binary() -> None:
    with pytest.raises(BinaryFileError):
        decode("x", bytes(range(1, 256)) * 4)


def test_a_nul_in_a_text_does_not_make_it_binary() -> None:
    text = "Der Kühlraum ist zu warm, die Tür klemmt seit Tagen.\n" * 4
    for place in (1, 2, 70):
        odd = text[:place] + "\0" + text[place:]
        assert decode("x", odd.encode()) == odd.replace("\0", "\ufffd")


def test_nuls_far_into_a_log_do_not_make_it_binary() -> None:
    log = b"a line of the log\n" * 1000
    assert decode("x", log + b"\0\0" + log) == log.decode() + "\ufffd\ufffd" + log.decode()


@settings(deadline=None, max_examples=25)
@given(st.text("a b\n\t\x1c\x85\xa0\u2003\u3000\u200b"))
def test_one_line_treats_long_texts_like_short_ones(text: str) -> None:
    long = " " * (1 << 20) + text
    assert one_line(long) == one_line(text) == " ".join(text.split())
