"""Detects text files that should not be indexed: private keys, minified code, source maps and search indexes."""

import re

from vsearch_core.errors import BinaryFileError, SecretFileError

_END = b"-----END "
_LABEL = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_SECRETS = (  # other files of keys, by how they begin
    re.compile(rb"\s*PuTTY-User-Key-File-\d"),
    re.compile(rb"(?:#[^\n]*\n|\s){0,9}AGE-SECRET-KEY-1[0-9A-Z]{50}"),
)
_WIREGUARD = re.compile(rb"^[ \t]*PrivateKey[ \t]*=[ \t]*[A-Za-z0-9+/]{43}=", re.MULTILINE)
_HEAD_BYTES = 8192
_SECRET_SHARE = 0.5  # of a file that is private keys, for it to be more than a text that quotes one
_MAX_LINE = 500  # characters of a line that somebody wrote
_MINIFIED_SHARE = 0.5  # of the characters, in longer lines
_MAX_BLANKS = 0.1  # of their characters are spaces; of prose there is one in six
_MIN_MINIFIED = 2000  # characters; shorter scripts do no harm
_SCRIPTS = (".js", ".mjs", ".cjs", ".css")
_SOURCE_MAPS = (".js.map", ".css.map", ".mjs.map")
_SEARCH_INDEX_NAMES = frozenset(
    {
        "searchindex.js",
        "search_index.json",
        "search-index.json",
        "searchindex.json",
        "search_index.js",
        "search-index.js",
    }
    | {"lunr-index.json", "lunr_index.json", "search-data.json", "package-search-index.js", "type-search-index.js"}
    | {"member-search-index.js"}
)
_SEARCH_INDEX = re.compile(  # of Sphinx, MkDocs, mdBook, rustdoc, lunr
    r"\s*(?:Search\.setIndex\(|window\.search\s*=|Object\.assign\(window\.search\b|var searchIndex\b"
    r"|var searchData\s*=\s*\[\s*\[['\"]"
    r"|\{\"config\":\s*\{[^{}]{0,500}\},\s*\"docs\":\s*\[\{\"location\"|\{\"version\":\"2\.[\d.]+\",\"fields\":\[)"
)


def refuse_secret(name: str, data: bytes) -> None:
    """Raise SecretFileError if the file is a private key, or a WireGuard configuration with one."""
    keys = _key_bytes(data) if b"PRIVATE KEY" in data else 0
    head = data[:_HEAD_BYTES]
    if (keys and keys >= _SECRET_SHARE * len(data.strip())) or any(pattern.match(head) for pattern in _SECRETS):
        raise SecretFileError(name, "is a private key")
    if b"[Interface]" in head and _WIREGUARD.search(head):
        raise SecretFileError(name, "contains a private key")


def _key_bytes(data: bytes) -> int:
    """Return the number of bytes of the file that are private keys, including their first and last lines."""
    total = position = 0
    while match := _LABEL.search(data, position):
        end = data.find(_END, match.end())
        position = end if end >= 0 else len(data)
        key = data[match.end() : position]
        if key.count(b" ") <= _MAX_BLANKS * len(key) / 2:  # else text that mentions the first line of a key
            total += len(key) + 2 * len(match[0])
    return total


def refuse_generated(name: str, text: str) -> None:
    """Raise BinaryFileError if the text was generated: a search index, a source map or minified code."""
    lower = name.lower()
    if lower in _SEARCH_INDEX_NAMES or _SEARCH_INDEX.match(text):
        raise BinaryFileError(name, "is a search index", "generated-file")
    if lower.endswith(_SOURCE_MAPS):
        raise BinaryFileError(name, "is a source map", "generated-file")
    if lower.endswith(_SCRIPTS) and len(text) >= _MIN_MINIFIED:
        long = [line for line in text.split("\n") if len(line) > _MAX_LINE]
        length = sum(map(len, long))
        if length >= _MINIFIED_SHARE * len(text) and sum(line.count(" ") for line in long) <= _MAX_BLANKS * length:
            raise BinaryFileError(name, "is minified code", "generated-file")
