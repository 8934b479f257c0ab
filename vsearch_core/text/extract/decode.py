"""Decodes bytes to text, and normalizes white space."""

import codecs
import re
import unicodedata
from collections.abc import Callable
from functools import cache

from vsearch_core.errors import BinaryFileError
from vsearch_core.text.extract.blobs import without_blobs

SOFT_HYPHEN = "\u00ad"  # where a word may be broken
OLE_CONTAINER = bytes.fromhex("d0cf11e0a1b11ae1")  # the first bytes of old Office files, and of encrypted new ones
_BINARY = "is binary, not text"
SAMPLE = 8192  # bytes that decide between text and binary
_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b\x1a\x0e\x0f")) + b"\x7f"
_MAX_CONTROLS = 0.03  # of the bytes; compressed or compiled data has about 0.1
_MAX_NULS, _MIN_TEXT_A_NUL = 3, 60  # of the sample, and the bytes of text for each, for it to be text nevertheless
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
_MAX_PRINTABLE = 0.85  # of the bytes of text in UTF-16
_SHIFTS = (  # escape sequences that switch a 7-bit stream to another character set
    (re.compile(rb"\x1b\$\)C"), "iso2022_kr"),
    (re.compile(rb"\x1b(?:\$[@B]|\([IJ]|\$\(D)"), "iso2022_jp_ext"),
)
_DECLARABLE_NAMES = (  # encodings that a file may declare; not EBCDIC, nor codecs such as base64
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "tis_620"),
    *("iso8859_2", "iso8859_3", "iso8859_4", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9"),
    *("iso8859_10", "iso8859_13", "iso8859_14", "iso8859_15", "iso8859_16", "koi8_r", "koi8_u", "mac_cyrillic"),
    *("mac_roman", "cp437", "cp850", "cp852", "cp855", "cp866", "big5", "big5hkscs", "cp932", "shift_jis", "euc_jp"),
    *("cp949", "euc_kr", "johab", "gb2312", "gbk", "gb18030"),
)
_SUPERSETS = {  # declared name -> the encoding that such pages are really in, as browsers decode them
    **dict.fromkeys(("iso-8859-1", "latin1", "us-ascii", "ascii"), "cp1252"),
    **dict.fromkeys(("shift_jis", "shift-jis", "x-sjis", "sjis"), "cp932"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk"), "gb18030"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987"), "cp949"),
    **dict.fromkeys(("big5", "big5-hkscs"), "big5hkscs"),
    "iso-8859-9": "cp1254",
}
_GUESS_SAMPLE = 1 << 16  # bytes that the encoding is guessed from; more take longer and improve nothing
_ASCII = bytes(range(128))
_WESTERN = "äöüÄÖÜßéèêëÉÈàâçÇîïôûùœñÑíóúáÁåÅæÆøØ€–—‘’“”„«»…°§·¿¡\u00a0".encode("cp1252")
_BYTE_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_MAX_WESTERN = 0.4  # of the letters in words with letters beyond ASCII
_TOO_SHORT = 64  # bytes; for fewer, that no encoding fits says nothing
_LARGE = 1 << 20  # characters; a list of the words of a longer text could take thirty times its size
_BLANKS = {code: " " for code in range(0x3001) if chr(code).isspace()}


def decode(name: str, data: bytes, declared: str | None = None, *, take_blobs: Callable[[str], str] = str) -> str:
    """Decode the bytes of a text file. Line ends become newlines; a byte order mark and base64 data are removed.

    `take_blobs` gets the text before base64 data are removed, and returns the text to go on with.

    The encoding is UTF-8 if that fits the bytes. Otherwise it is `declared`, the encoding that the file itself names,
    or else a guess. Bytes that can't be decoded become U+FFFD. Soft hyphens, which part words, are removed.
    Raises BinaryFileError if the bytes aren't text; `name` is the file's name for the error.
    """
    text = _decode(name, data, declared).removeprefix("\ufeff")
    if "\0" in text:
        text = text.replace("\0", "\ufffd")  # a NUL beyond the sample: a hole in a long log doesn't make it binary
    if SOFT_HYPHEN in text:
        text = text.replace(SOFT_HYPHEN, "")
    return without_blobs(take_blobs(text.replace("\r\n", "\n").replace("\r", "\n")))


def _decode(name: str, data: bytes, declared: str | None) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    sample = data[:SAMPLE]
    if b"\0" in sample:
        text = _with_few_nuls(data) or _wide(data)
        if text is None:
            raise BinaryFileError(name, _BINARY)
        return text
    middle, end = data[len(data) // 2 :][:SAMPLE], data[-SAMPLE:]
    if _has_controls(sample) or (len(data) > SAMPLE and _has_controls(middle) and _has_controls(end)):
        raise BinaryFileError(name, _BINARY)  # with a header of text, as some binary formats have
    text = _shifted(data) if b"\x1b" in sample else None
    if text is not None:
        return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _with_surrogates(data) or _mostly_utf8(data) or _as_declared(data, declared) or _guessed(name, data)


def _has_controls(sample: bytes) -> bool:
    sample = sample.replace(b"\0", b"")
    return len(sample.translate(None, _CONTROLS)) < len(sample) * (1 - _MAX_CONTROLS)


def _wide(data: bytes) -> str | None:
    """Decode UTF-16 or UTF-32 without a byte order mark; return None for anything else.

    If a text has some Latin letters, spaces or line ends, its NULs are at one place of each two or four bytes, which
    depends on the encoding.
    """
    sample = data[: SAMPLE & ~3]
    printable = len(sample) - len(sample.translate(None, _PRINTABLE))
    if printable > _MAX_PRINTABLE * len(sample):
        return None  # ASCII with some NULs, which would be ideographs
    columns = [sample[place::4].count(0) for place in range(4)]
    rows = len(sample) // 4
    candidates: list[str] = []
    if rows and columns[3] == columns[2] == rows:
        candidates.append("utf-32-le")
    elif rows and columns[0] == columns[1] == rows:
        candidates.append("utf-32-be")
    elif columns[1] + columns[3] > 10 * (columns[0] + columns[2]):
        candidates.append("utf-16-le")
    elif columns[0] + columns[2] > 10 * (columns[1] + columns[3]):
        candidates.append("utf-16-be")
    for encoding in candidates:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _reads_as_text(text[:SAMPLE]):
            return text
    return None


def _with_few_nuls(data: bytes) -> str | None:
    """Decode UTF-8 with a few NULs, as a crash leaves in a log; return None for anything else."""
    sample = data[:SAMPLE]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls > min(_MAX_NULS, len(sample) // _MIN_TEXT_A_NUL):
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _reads_as_text(text: str) -> bool:
    odd = sum(
        unicodedata.category(character) in {"Cc", "Cn", "Co"} for character in text if character not in "\t\n\r\f"
    )
    return odd <= len(text) * _MAX_CONTROLS


def _shifted(data: bytes) -> str | None:
    for pattern, encoding in _SHIFTS:
        if pattern.search(data):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
    return None


def _with_surrogates(data: bytes) -> str | None:
    """Decode CESU-8, UTF-8 whose characters beyond U+FFFF are pairs of surrogates, as some databases write it."""
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _mostly_utf8(data: bytes) -> str | None:
    """Decode UTF-8 with some broken places, such as a file cut off inside a character; else return None.

    In files of other encodings, at most 30 % of the characters beyond ASCII were valid UTF-8, in all those examined.
    """
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    beyond_ascii = len(text) - len(text.encode("ascii", errors="ignore"))
    return text if broken * 2 <= beyond_ascii else None


def _as_declared(data: bytes, declared: str | None) -> str | None:
    encoding = _SUPERSETS.get((declared or "").lower(), declared)
    try:
        codec = codecs.lookup(encoding or "").name
    except (LookupError, ValueError):  # the second for a name with a NUL in it
        return None
    return data.decode(codec, errors="replace") if codec in _declarable() else None


@cache
def _declarable() -> frozenset[str]:
    """Return the canonical names of the encodings that a file may declare. Each lookup imports a module."""
    return frozenset(codecs.lookup(encoding).name for encoding in _DECLARABLE_NAMES)


def _guessed(name: str, data: bytes) -> str:
    """Guess the most likely encoding from the frequencies of adjacent bytes, and decode the bytes with it."""
    import chardet

    sample = data
    if len(data) > _GUESS_SAMPLE:
        sample = data[: data.rfind(b"\n", 0, _GUESS_SAMPLE) + 1] or data[:_GUESS_SAMPLE]
    eras = chardet.EncodingEra.ALL & ~chardet.EncodingEra.MAINFRAME  # EBCDIC fits anything
    guess = "cp1252" if _is_western(sample) else chardet.detect(sample, encoding_era=eras)["encoding"]
    if guess is None:
        if len(sample) >= _TOO_SHORT:
            raise BinaryFileError(name, "has an unknown text encoding", "unknown-encoding")
        guess = "cp1252"
    try:
        return data.decode(guess)
    except UnicodeDecodeError:  # beyond the sample, or in what vendors added to a standard
        return data.decode(_SUPERSETS.get(guess.lower(), guess), errors="replace")


def _is_western(sample: bytes) -> bool:
    """Return True if all bytes beyond ASCII are frequent letters and marks in cp1252, and most letters are in ASCII.

    In texts of other alphabets, most letters are beyond ASCII. Other encodings of Latin letters have them elsewhere.
    """
    rest = sample.translate(None, _ASCII)
    if not rest or rest.translate(None, _WESTERN):
        return False
    words = b"".join(word for word in _BYTE_WORD.findall(sample) if not word.isascii())
    return len(words.translate(None, _ASCII)) <= _MAX_WESTERN * len(words)


def one_line(text: str) -> str:
    """Return the text on one line, with single spaces between words, like `" ".join(text.split())`.

    For a long text this uses much less memory than that expression.
    """
    if len(text) < _LARGE:
        return " ".join(text.split())
    text = text.translate(_BLANKS)
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip(" ")
