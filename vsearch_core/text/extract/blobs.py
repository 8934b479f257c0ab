"""Removes encoded binary data from texts, such as pictures in data URIs and base64, because nobody searches for it."""

import re

_SHORTEST_RUN, _SHORTEST_LINE = 160, 56  # characters of base64 that is removed
_DATA_URI = re.compile(
    r"data:(?<!\wdata:)(?:(?:image|audio|video|font)/[\w.+-]{1,80}|(?:application|text)/[\w.+-]{1,80}(?=[^,\s]{0,80};base64,))"
    r"(?:;(?!base64,)[\w.=-]{1,80}){0,4}"
    r"(?:;base64,[ ]?(?:[\w+/=-]|%[0-9A-Fa-f]{2}|\\[nr/]|\\\n)*+|,(?:[^\"'()<>\s\\]|\\[^\"'\s])*+)"
)
_SVG_URI = re.compile(r"data:image/svg\+xml[^,\n]{0,80},(?:(?!data:)[^\n])*?(?:<\\?/svg>|%3C/svg%3E)", re.IGNORECASE)
_RUN = re.compile(r"(?<![\w+/])(?=[A-Za-z0-9+/_\\-]{160})(?:[A-Za-z0-9+/_-]++|\\/)++={0,2}")
_STRINGS = re.compile(  # a list of strings, such as the lines of a picture in JSON
    r'(?:"[A-Za-z0-9+/]{56,}+={0,2}(?:\\n)?",\s{0,80}+){3,}+(?:"(?:[A-Za-z0-9+/]{24,}+|[A-Za-z0-9+/]++(?==))={0,2}(?:\\n)?")?'
)
_STRING = re.compile(r'"[^"]*+"')
_LAST = r"[A-Za-z0-9+/]++(?:={1,2}|(?<=[A-Za-z0-9+/]{24}))"  # the last line, which may be short, but is no word
_LINES = re.compile(rf"^(?:[ \t]*+[A-Za-z0-9+/]{{56,}}+={{0,2}}[ \t]*+\n){{3,}}+(?:[ \t]*+{_LAST}[ \t]*+$)?", re.M)
_ESCAPED_LINES = re.compile(rf"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{{56,}}+={{0,2}}(?:\\r)?\\n){{3,}}+(?:{_LAST})?")
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)((?:[^-]|-(?!----))*+)(?=-----END )")
_IN_ALPHABET = bytes(bool(re.match(rb"[A-Za-z0-9+/_=\\-]", bytes([byte]))) for byte in range(256))
_MIN_KEY = 60  # characters of a private key; fewer stand for one in code and texts
_MIN_DIGITS = 0.02  # of base64's characters; random bytes have 0.16
_MAX_SLASHES = 0.08  # of its characters; paths have more


def without_blobs(text: str) -> str:
    """Return the text without data URIs of media, private keys and long base64. The number of lines stays the same."""
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(_without_body, text)
    if "data:" in text:
        text = _DATA_URI.sub(_emptied_match, _SVG_URI.sub(_emptied_match, text))
    in_alphabet = text.encode("ascii", "replace").translate(_IN_ALPHABET)  # "replace" makes one byte of each character
    if b"\1" * _SHORTEST_LINE not in in_alphabet:
        return text
    text = _STRINGS.sub(_emptied_strings, _LINES.sub(_emptied_base64, text))
    if b"\1" * _SHORTEST_RUN in in_alphabet:
        text = _ESCAPED_LINES.sub(_emptied_base64, text)
        text = _RUN.sub(_emptied_base64, text)
    return text


def _without_body(key: re.Match[str]) -> str:
    return key[1] + _emptied(key[2]) if len(key[2]) >= _MIN_KEY else key[0]


def _emptied_match(match: re.Match[str]) -> str:
    return _emptied(match[0])


def _emptied_strings(match: re.Match[str]) -> str:
    """Return the list with empty strings, so that it stays valid JSON."""
    return _STRING.sub('""', match[0]) if _is_base64(match[0].replace(" ", "")) else match[0]


def _emptied(text: str) -> str:
    return "\n" * text.count("\n")


def _emptied_base64(match: re.Match[str]) -> str:
    return _emptied(match[0]) if _is_base64(match[0]) else match[0]


def _is_base64(run: str) -> bool:
    """Return True for text that mixes cases and digits as encoded bytes do, unlike DNA, hex dumps, paths and words."""
    digits = sum(map(run.count, "0123456789"))
    mixed = any("a" <= each <= "z" for each in run) and any("A" <= each <= "Z" for each in run)
    words = run.count("_") + run.count("-")
    return mixed and digits >= _MIN_DIGITS * len(run) and run.count("/") + words <= _MAX_SLASHES * len(run)
