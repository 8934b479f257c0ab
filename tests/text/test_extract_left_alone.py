"""Text files that are not searched: private keys, minified code, search indexes; and encoded bytes within others."""

import base64
import json
import random

import pytest

from vsearch_core.errors import BinaryFileError, SecretFileError
from vsearch_core.text.extract.blobs import without_blobs
from vsearch_core.text.extract.options import ExtractOptions, remedy
from vsearch_core.text.extract.registry import extract

BYTES = random.Random(1).randbytes(1200)
BASE64 = base64.b64encode(BYTES).decode()
LINES = "\n".join(BASE64[start : start + 64] for start in range(0, len(BASE64), 64))


def pem(label: str, body: str = LINES) -> str:
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("server.pem", pem("PRIVATE KEY")),
        ("id_rsa", pem("OPENSSH PRIVATE KEY")),
        (
            "old.key",
            "Bag Attributes\n    friendlyName: x\n" + pem("RSA PRIVATE KEY", f"Proc-Type: 4,ENCRYPTED\n\n{LINES}"),
        ),
        ("chain.txt", pem("EC PRIVATE KEY") + pem("CERTIFICATE", LINES[:600])),
        ("me.asc", pem("PGP PRIVATE KEY BLOCK")),
        ("cut.pem", "-----BEGIN PRIVATE KEY-----\n" + LINES),
        ("account.json", json.dumps({"type": "service_account", "private_key": pem("PRIVATE KEY")})),
        ("a.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"),
        ("keys.txt", "# created: 2024\nAGE-SECRET-KEY-1" + "Q" * 58),
        ("wg0.conf", f"[Interface]\nPrivateKey = {BASE64[:43]}=\n[Peer]\n"),
    ],
)
def test_private_keys_are_skipped(name: str, text: str) -> None:
    with pytest.raises(SecretFileError, match="private key") as caught:
        extract(name, text.encode())
    assert remedy(caught.value) == "secrets"
    assert extract(name, text.encode(), ExtractOptions(secrets=True)) is not None


@pytest.mark.parametrize("label", ["PRIVATE KEY", "EC PRIVATE KEY", "CERTIFICATE"])
def test_a_text_that_quotes_a_key_is_read_without_it(label: str) -> None:
    text = "How to make a key. " * 100 + "\n" + pem(label) + "The end.\n"
    read = extract("a.md", text.encode()).text
    assert read.count("\n") == text.count("\n")
    assert (
        read.split()
        == ["How", "to", "make", "a", "key."] * 100 + f"-----BEGIN {label}----- -----END {label}----- The end.".split()
    )


def test_a_short_key_within_a_text() -> None:
    body = "MC4CAQAwBQYDK2VwBCIEI\n" * 3
    assert "MC4C" not in extract("a.md", ("word " * 100 + pem("PRIVATE KEY", body)).encode()).text


def test_a_text_about_keys_is_read() -> None:
    assert extract("a.md", b"It begins with -----BEGIN PRIVATE KEY-----, always." + b" More words." * 20).text


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("searchindex.js", 'Search.setIndex({"docnames":["a"]})', "search index"),
        ("x.js", 'Search.setIndex({"docnames":["a"]})', "search index"),
        ("all_0.js", "var searchData=\n[\n  ['open_0',['open',", "search index"),
        ("search_index.json", '{"config":{},"docs":[]}', "search index"),
        ("x.json", '{"config":{"lang":["en"]},"docs":[{"location":"","text":"words"}]}', "search index"),
        ("app.js", "function a(b){return b+1};" * 500, "minified"),
        ("app.mjs", "// licence\n" + "var a=1,b=2;" * 500, "minified"),
        ("site.css", "a{color:red}b{margin:0}" * 500, "minified"),
        ("app.js.map", '{"version":3,"mappings":"AAAA;"}', "source map"),
    ],
)
def test_generated_files_are_skipped(name: str, text: str, reason: str) -> None:
    with pytest.raises(BinaryFileError, match=reason):
        extract(name, text.encode())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.js", "function add(a, b) {\n  return a + b;\n}\n" * 200),
        ("a.js", 'const text = "' + "a sentence of words " * 200 + '";\n'),
        ("a.js", "var a=1;"),
        ("a.css", "a {\n  color: red;\n}\n" * 200),
        ("a.json", '{"docs": [{"location": "x"}]}'),
        ("a.txt", "a" * 5000),
    ],
)
def test_what_somebody_wrote_is_read(name: str, text: str) -> None:
    assert extract(name, text.encode()).spans


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"a ![x](data:image/png;base64,{BASE64}) b", "a ![x]() b"),
        ("a url(data:image/svg+xml;charset=utf8,%3Csvg%20x%3E) b", "a url() b"),
        ("a data:font/woff2;base64,d09G b", "a  b"),
        (f'{{"image": "{BASE64}", "a": 1}}', '{"image": "", "a": 1}'),
        (f"photo:\n  {LINES.replace(chr(10), chr(10) + '  ')}\nend", "photo:" + "\n" * (LINES.count("\n") + 2) + "end"),
        (json.dumps({"k": LINES}), '{"k": ""}'),
        (f'{{"a": "{BASE64}"}}'.replace("/", "\\/"), '{"a": ""}'),
        (json.dumps([*LINES.split("\n"), "end"]), json.dumps([""] * (LINES.count("\n") + 1) + ["end"])),
        ('"<img src=\\"data:image/png;base64,iVBORw0KGgo=\\" alt=\\"x\\">"', '"<img src=\\"\\" alt=\\"x\\">"'),
        ("a (data:image/svg+xml;utf8,<svg x='y'><path d='M0 0'/></svg>) b", "a () b"),
        ("url " + base64.urlsafe_b64encode(BYTES).decode() + " end", "url  end"),
    ],
)
def test_encoded_bytes_are_removed(text: str, left: str) -> None:
    assert without_blobs(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "ACGT" * 200,
        BYTES.hex(),
        BYTES.hex().upper(),
        "/usr/share/Fonts2/some-long-name/" * 30,
        "A_long_name_of_many_Words_2_" * 30,
        "SomeCamelCaseIdentifierWithoutEnd" * 20,
        "\n".join(["ACGT" * 20] * 20),
        "\n".join([BYTES.hex()[:64]] * 20),
        "data: the words, of which there are many",
        "see data:text/plain,hello and data:application/json,{}",
        'BEGIN = "-----BEGIN PRIVATE KEY-----"\nEND = "-----END PRIVATE KEY-----"',
        "metadata:image/png is a type",
        "漢字" * 500,
        "=" * 1000,
    ],
)
def test_other_long_runs_stay(text: str) -> None:
    assert without_blobs(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "data:image/png;base64,",
        "data:image/a;b=c",
        "data:image/svg+xml,%3Csvg ",
        '"' + "aB3/" * 15 + '",',
        "-----BEGIN PRIVATE KEY-----",
        "aB3/" * 15 + "\n",
        "aB3/" * 15 + "\\n",
        "aB3_-",
    ],
)
def test_removal_takes_linear_time(piece: str) -> None:
    without_blobs(piece * 50_000)
    extract("a.txt", (piece * 50_000 + "!").encode(), ExtractOptions(secrets=True))
    extract("a.txt", (piece + "é ").encode() * 50_000, ExtractOptions(secrets=True))


def test_binary_with_a_header_of_text() -> None:
    header = (b"SIMPLE  =                    T" + b" " * 50) * 200
    with pytest.raises(BinaryFileError, match="is binary"):
        extract("a.fits", header + random.Random(2).randbytes(50_000))
    assert extract("a.log", b"line\n" * 5000 + b"\0" * 5000 + b"line\n" * 5000).spans
