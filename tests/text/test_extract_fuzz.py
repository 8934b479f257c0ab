"""Every format on thousands of corrupted files: a valid document or an ExtractionError, whatever the bytes.

The registry turns what an extractor did not expect into an error of the file. Here the extractors are called beneath
it, so that nothing of ours hides there.
"""

import io
import random
import re
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packages import pack
from samples import SAMPLES

from vsearch_core import text
from vsearch_core.errors import ExtractionError
from vsearch_core.model import Document
from vsearch_core.text.chunk import ChunkOptions, split
from vsearch_core.text.extract.options import DEFAULTS
from vsearch_core.text.extract.registry import FORMATS, extract, format_of, load

SHORT, LONG = 150, 10_000  # inputs for each sample
SECONDS = 60  # for one small input: a hang
OURS = str(Path(text.__path__[0]))
OPTIONS = ChunkOptions(words=20, overlap=5)
TOKENS = [  # what means something to one parser or another
    *(b"<", b">", b"</", b"/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?", b"<!DOCTYPE a [", b"&#x0;", b"&#xD800;"),
    *(b"&a;", b"<table>", b"<tr>", b"<th>", b"<pre>", b"<h1>", b"<li>", b"<main>", b"<script>", b"<w:p>", b"</w:p>"),
    *(b"<w:tbl>", b"<w:tc>", b"<w:br/>", b"<text:p>", b"<table:table>", b"<row r='9'>", b"<c r='ZZZ9' t='s'>", b"<v>"),
    *(b"{", b"}", b"[", b"]", b"(", b")", b"\\", b"\\u12345?", b"\\'e9", b"\\par ", b"\\bin9999999999 ", b"\\uc9 "),
    *(
        b"\\row ",
        b"\\footnote ",
        b"\\*\\a ",
        b"\\begin{verbatim}",
        b"\\section{",
        b"$",
        b"$$",
        b"\\[",
        b"\\ud800",
        b"\\",
    ),
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\f",
        b"\0",
        b"\x1b",
        b"\t",
        b" ",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xff",
        b"\xe2",
    ),
    *(b"---\n", b"===\n", b"# ", b"```\n", b"~~~\n", b"|---|\n", b"| a |\n", b"::\n\n  ", b".. code::\n", b"* ", b"  "),
    *(b":END:\n", b"#+begin_src\n", b"----\n", b".SH ", b".TH ", b'.\\"', b"\\f[", b"-->", b"00:00:01,000 --> \n"),
    *(
        b"From x 10:00\n",
        b"--B",
        b"--B--",
        b"Content-Type: ",
        b"multipart/alternative; boundary=",
        b"message/rfc822\n\n",
    ),
    *(b"Content-Transfer-Encoding: base64\n", b"=?utf-8?b?", b"?=", b'"', b"'", b",", b";", b":", b"=", b"0", b"-1"),
    *(b"99999999999999999999", b"1e999", b"NaN", b"null", b"true", b"obj", b"endobj", b"stream\n", b"endstream", b"<<"),
    *(b">>", b"3 0 R", b"/Kids", b"/Parent", b"/Contents", b"/Length", b"/Filter /FlateDecode", b"/Type", b"Do", b"BT"),
    *(b"PK\3\4", b"PK\1\2", b"PK\5\6", b"def f(", b"class ", b"/*", b"*/", b"//", b"\xc3\xa9", b"\xf0\x9f\x98\x80"),
]


def mutated(data: bytes, dice: random.Random, other: bytes) -> bytes:
    """Return the data after one to six changes: bits, cuts, blocks moved, repeated or from elsewhere, tokens."""
    garbled = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at, length = dice.randrange(len(garbled) + 1), dice.choice((1, 2, 4, 16, 64, 256))
        match dice.randrange(8):
            case 0 if at < len(garbled):
                garbled[at] ^= 1 << dice.randrange(8)
            case 1:
                garbled[at : at + length] = dice.randbytes(dice.randint(0, 4))
            case 2:
                del garbled[at : at + length]
            case 3:
                garbled[at:at] = garbled[at : at + length] * dice.choice((1, 2, 50))
            case 4:
                start = dice.randrange(len(other) + 1)
                garbled[at:at] = other[start : start + length]
            case 5:
                del garbled[at:]
            case _:
                garbled[at:at] = dice.choice(TOKENS) * dice.choice((1, 1, 1, 2, 40))
    return bytes(garbled[: 4 * len(data) + 20_000])


def variants(name: str, count: int) -> Iterator[bytes]:
    """Yield corrupted versions of a sample. Of a package, mostly one member is corrupted, and packed again."""
    dice = random.Random(name)
    whole, others = SAMPLES[name], [*SAMPLES.values()]
    members: dict[str, bytes] = {}
    if zipfile.is_zipfile(io.BytesIO(whole)):
        with zipfile.ZipFile(io.BytesIO(whole)) as package:
            members = {member: package.read(member) for member in package.namelist()}
    for _ in range(count):
        if members and dice.random() < 0.8:
            victim = dice.choice([*members])
            other = dice.choice([*members.values()])
            yield pack({**members, victim: mutated(members[victim], dice, other)})
        else:
            yield mutated(whole, dice, dice.choice(others))


def beneath(name: str) -> Callable[[str, bytes], Document]:
    """Return the format's own function, without the registry's error handling; for a compressed file, with it."""
    return extract if name.endswith(".gz") else lambda name, data: load(format_of(name))(name, data, DEFAULTS)


def check(name: str, data: bytes) -> None:
    """Raise AssertionError if the document is invalid or an unexpected error is raised."""
    try:
        document = beneath(name)(name, data)
    except ExtractionError as error:
        assert "\n" not in str(error)
        assert error.__cause__ is None, "the extractor itself should have said so"
        return
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} in {where(error)}: {error}") from error
    ends = [0, *(place for span in document.spans for place in (span.start, span.end)), len(document.text)]
    assert ends == sorted(ends)
    assert document.lines is None or len(document.lines) == document.text.count("\n") + 1
    document.text.encode()
    assert "\0" not in document.text
    last = 0
    for chunk in split(document, OPTIONS):
        assert last <= chunk.start_char < chunk.end_char <= len(document.text)
        assert 1 <= chunk.start_line <= chunk.end_line or (document.lines is not None and chunk.start_line >= 1)
        assert chunk.text.endswith(document.text[chunk.start_char : chunk.end_char])
        last = chunk.start_char


def where(error: BaseException) -> str:
    """Return the deepest line of our code in the error's traceback."""
    place, trace = "?", error.__traceback__
    while trace:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(OURS):
            place = f"{Path(file).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


@contextmanager
def bounded(seconds: int) -> Iterator[None]:
    def rings(*_: object) -> None:
        pytest.fail(f"more than {seconds} s for one input")

    former = signal.signal(signal.SIGALRM, rings)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def fuzz(name: str, count: int) -> None:
    """Check all variants, and report one failure of each kind with the shortest bytes that cause it."""
    found: dict[str, bytes] = {}
    for data in variants(name, count):
        try:
            with bounded(SECONDS):
                check(name, data)
        except AssertionError as error:
            kind = re.sub(r"\d+", "#", str(error).split("\n")[0])[:100]
            if len(data) < len(found.get(kind, data + b" ")):
                found[kind] = data
    assert not found, "\n".join(f"{kind}: {data[:2000]!r}" for kind, data in found.items())


def skip_unreadable(name: str) -> None:
    """Skip the test if the package that reads this sample isn't installed."""
    row = format_of(name)
    if not row.is_readable:
        pytest.skip(f"needs {row.needs}")


def test_every_format_has_a_sample() -> None:
    assert {row.name for row in FORMATS} <= {format_of(name).name for name in SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_few_corrupted_files(name: str) -> None:
    skip_unreadable(name)
    fuzz(name, SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_many_corrupted_files(name: str) -> None:
    skip_unreadable(name)
    fuzz(name, LONG)


@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_files(name: str) -> None:
    skip_unreadable(name)
    whole = SAMPLES[name]
    for end in range(0, len(whole), max(1, len(whole) // 40)):
        with bounded(SECONDS):
            check(name, whole[:end])
