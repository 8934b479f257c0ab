"""Finds the pictures that an HTML page shows: in its own text (`data:` URLs), beside it, or in the book that it is in.

Nothing is fetched. A file beside a page is read only if it is in the page's folder or below, has the suffix of a
picture, and no part of its path is hidden or a symbolic link: a page may come from anywhere, and name any file.
"""

import binascii
import os
import posixpath
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin

from vsearch_core.own_files import open_file
from vsearch_core.text.extract.figures import MAX_BYTES, Load
from vsearch_core.text.extract.registry import HEIC, PICTURES

_EMBEDDED = re.compile(
    r"(\bsrc\s{0,9}=\s{0,9}(?:(?P<quote>[\"'])\s{0,9})?)data:image/(?:a?png|p?jpe?g|gif|webp|avif|hei[cf]|bmp|x-ms-bmp|tiff)"
    r"(?:;(?!base64,)[\w.=-]{1,80}){0,4};base64,(?P<encoded>(?:[\w+/=-]|%[0-9A-Fa-f]{2}|(?(quote)\s|(?!)))*+)",
    re.IGNORECASE | re.ASCII,
)
_ADDRESS = "embedded-picture:"
_MAX_ADDRESS = 2000  # characters


class EmbeddedPictures:
    """The pictures that a document has in base64 in its own source, by short addresses that stand for them."""

    def __init__(self) -> None:
        """Start without pictures."""
        self._kept: list[tuple[str, str]] = []  # a name within the document, and base64

    def keep(self, encoded: str) -> str:
        """Keep a picture in base64, and return its address."""
        self._kept.append((embedded_address(encoded), encoded))
        return f"{_ADDRESS}{len(self._kept) - 1}"

    def find(self, address: str) -> tuple[str, Load] | None:
        """Return a picture's name within the document and what loads it; None for another address."""
        number = address.removeprefix(_ADDRESS)
        is_number = number.isascii() and number.isdigit() and len(number) < 10
        if not address.startswith(_ADDRESS) or not is_number or int(number) >= len(self._kept):
            return None
        name, encoded = self._kept[int(number)]
        return name, lambda: decoded_picture(encoded)

    @staticmethod
    def is_address(text: str) -> bool:
        """Return True if a text has the form of the addresses."""
        return text.startswith(_ADDRESS)


class PagePictures:
    """The pictures that one HTML page may show, by the addresses in it."""

    def __init__(self, folder: str, read: Callable[[str], bytes]) -> None:
        """Set the folder of the page in its book, or ""; `read` returns the bytes at a path, b"" if there are none."""
        self._folder = folder
        self._read = read
        self._embedded = EmbeddedPictures()

    def take_embedded(self, source: str) -> str:
        """Return the source of the page with short addresses in place of the pictures in it, which are kept."""

        def shortened(match: re.Match[str]) -> str:
            return match[1] + self._embedded.keep(match["encoded"]) + "\n" * match["encoded"].count("\n")

        return _EMBEDDED.sub(shortened, source) if "base64," in source else source

    def find(self, address: str) -> tuple[str, Load] | None:
        """Return a picture's name within the document and what loads it; None for an address that isn't followed."""
        address = address.strip()
        if address.startswith(_ADDRESS):
            return self._embedded.find(address)
        path = linked_path(address, self._folder)
        return None if path is None else (path, lambda: self._read(path))


class MessagePictures(PagePictures):
    """The pictures that a page in a message or a saved web page may show: its other parts, and those in its source."""

    def __init__(self, location: str, parts: Mapping[str, Load]) -> None:
        """Set the page's URL or "", and what loads a part by its URL, which is "cid:" and its id if it has one."""
        super().__init__("", lambda _: b"")
        self._location = location
        self._parts = parts

    def find(self, address: str) -> tuple[str, Load] | None:
        """Return a picture's name within the document and what loads it; None for an address that isn't followed."""
        address = address.strip()[:_MAX_ADDRESS]
        if address.startswith(_ADDRESS):
            return super().find(address)
        with suppress(ValueError):  # no URL
            for url in (address, unquote(address), urljoin(self._location, address)):
                if url in self._parts:
                    return url, self._parts[url]
        return None


def linked_path(address: str, folder: str = "") -> str | None:
    """Return the path that a page in `folder` names by a relative URL.

    Return None for any other URL, for a path that leads out of the uppermost folder or has a hidden part, and for one
    without the suffix of a picture.
    """
    path = unquote(re.split("[?#]", address[:_MAX_ADDRESS], maxsplit=1)[0])
    if re.match(r"[\w+.-]*:|/", path) or "\\" in path or "\0" in path:
        return None
    path = posixpath.normpath(posixpath.join(folder, path))
    if any(part.startswith(".") for part in path.split("/")) or path.startswith("/"):
        return None
    return path if PurePosixPath(path).suffix.lower() in (*PICTURES, *HEIC) else None


def read_beside(folder: Path | None, path: str) -> bytes:
    """Return the bytes of a picture in a folder; b"" if there is none, it can't be read, or it is too large.

    No symbolic link below the folder is followed, and nothing but a regular file is opened.
    """
    if folder is None:
        return b""
    try:
        with open_file(folder / path, "rb", within=folder) as file:
            return file.read(MAX_BYTES) if os.fstat(file.fileno()).st_size <= MAX_BYTES else b""
    except (OSError, ValueError):  # ValueError: the path can't be encoded
        return b""


def embedded_address(encoded: str) -> str:
    """Return a name for a picture that a document has in base64: equal pictures have the same."""
    return blake2b(encoded.encode("utf-8", "replace"), digest_size=16).hexdigest()


def decoded_picture(encoded: str) -> bytes:
    """Return the bytes of a picture in base64, which may be that of URLs; b"" if it is damaged or too large."""
    if len(encoded) > MAX_BYTES // 3 * 4:
        return b""
    text = unquote(encoded).translate({ord("-"): "+", ord("_"): "/"})
    try:
        return binascii.a2b_base64(text.rstrip("=") + "==")
    except (ValueError, binascii.Error):
        return b""
