"""Reads zip packages of XML files (OOXML, ODF, EPUB), within limits on size and depth.

XML is parsed by expat of the standard library, which never loads other files. A file that declares entities is refused,
because an entity can expand to a text of any length, and these formats don't need any.
"""

import io
import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from typing import Protocol
from urllib.parse import unquote
from xml.parsers import expat

from vsearch_core.errors import ExtractionError
from vsearch_core.model import JsonValue
from vsearch_core.text.extract.decode import OLE_CONTAINER, one_line
from vsearch_core.text.extract.failures import damaged, encrypted, require_decryption, too_large
from vsearch_core.text.extract.headings import useful_title
from vsearch_core.text.extract.options import ExtractLimits, ExtractOptions

_BLOCK = 1 << 16
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")  # an encrypted file's stream, [MS-OFFCRYPTO] 2.3.4
_ENCRYPTED_FLAG = 1  # of a member of a zip file
_MAX_VALUE = 2000  # characters of one value
_NAMES = {  # element -> our key; the first value counts, several creators and keywords are joined
    "title": "title",
    "creator": "author",
    "initial-creator": "author",
    "subject": "subject",
    "keyword": "keywords",
    "keywords": "keywords",
    "description": "description",
    "language": "language",
    "created": "created",
    "creation-date": "created",
    "modified": "modified",
    "date": "date",
    "publisher": "publisher",
    "category": "category",
}
_JOINED = {"author", "keywords"}


class Handler(Protocol):
    """Receives the elements and texts of an XML document, in order. Names have no namespace."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Receive the start of an element."""

    def data(self, text: str) -> None:
        """Receive a piece of text."""

    def end(self, tag: str) -> None:
        """Receive the end of an element."""


class Package:
    """A zip file with its members. `members` has their names.

    All methods raise ExtractionError if the file is damaged or exceeds a limit.
    """

    def __init__(self, name: str, data: bytes, kind: str, options: ExtractOptions) -> None:
        """Open the zip file.

        Args:
            name: The file's name, for errors.
            data: The file's bytes.
            kind: The name of the format, for errors, such as "Word document".
            options: The limits, and the password for encrypted Office files.

        Raises:
            ExtractionError: The file is damaged, encrypted or too large.
        """
        self.name = name
        self.kind = kind
        self.limits = options.limits
        self._left = self.limits.expanded_bytes
        if data.startswith(OLE_CONTAINER):
            data = _decrypted(name, data, options.password)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:  # zipfile raises a dozen kinds for damaged archives
            raise damaged(name, kind, error) from None
        if any(member.flag_bits & _ENCRYPTED_FLAG for member in self._zip.infolist()):
            raise ExtractionError(name, "is encrypted", "encryption-unsupported")
        self.members = set(self._zip.namelist()[: self.limits.parts])

    def blocks(self, member: str) -> Iterator[bytes]:
        """Decompress a member, and yield its bytes in blocks."""
        try:
            with self._zip.open(member) as stream:
                while block := stream.read(_BLOCK):
                    self._left -= len(block)
                    if self._left < 0:
                        raise too_large(self.name)
                    yield block
        except ExtractionError:
            raise
        except Exception as error:
            raise damaged(self.name, self.kind, error) from None

    def read(self, member: str) -> bytes:
        """Return a member's bytes; b"" if there is no such member."""
        return b"".join(self.blocks(member)) if member in self.members else b""

    def read_within(self, member: str, limit: int) -> bytes:
        """Return a member's bytes; b"" if there is no such member, it is damaged, or it has more than `limit` bytes.

        They don't count towards the limit on all members. It is for pictures, whose loss costs no text.
        """
        if member not in self.members:
            return b""
        try:
            with self._zip.open(member) as stream:
                data = stream.read(limit + 1)
        except MemoryError:
            raise
        except Exception:  # zipfile raises a dozen kinds for damaged archives
            return b""
        return data if len(data) <= limit else b""

    def walk(self, member: str, handler: Handler) -> None:
        """Parse a member as XML, and pass its elements to the handler. Do nothing if there is no such member."""
        if member in self.members:
            walk_xml(self.name, self.kind, self.blocks(member), handler, self.limits)

    def require(self, member: str) -> None:
        """Raise ExtractionError if there is no such member."""
        if member not in self.members:
            raise damaged(self.name, self.kind, f"it contains no {member}")

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the relations of a part: the files of the package that it refers to, as OOXML stores them.

        Return the id of each relation with its type (such as "image") and the member that it refers to. A part is a
        member such as "word/document.xml"; "" means the package itself.
        """
        folder, file = posixpath.split(part)
        handler = _Relations(folder, self.limits)
        self.walk(posixpath.join(folder, "_rels", f"{file}.rels"), handler)
        return handler.found

    def related(self, part: str, kind: str) -> list[str]:
        """Return the members that a part refers to by its OOXML relations of this type, such as "comments"."""
        return [member for each, member in self.relations(part).values() if each == kind]


def blocks_of(data: bytes) -> Iterator[bytes]:
    """Yield bytes in blocks, as `Package.blocks` does for a member."""
    return (data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK))


class _Relations:
    def __init__(self, folder: str, limits: ExtractLimits) -> None:
        self.folder = folder
        self.limits = limits
        self.found: dict[str, tuple[str, str]] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "Relationship" and len(self.found) < self.limits.parts and attributes.get("TargetMode") != "External":
            target = unquote(attributes.get("Target", ""))
            path = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(self.folder, target))
            self.found[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], path)

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


def _decrypted(name: str, data: bytes, password: str) -> bytes:
    """Return the zip package inside an encrypted Office file."""
    if _ENCRYPTED_PACKAGE not in data:
        reason, suffix = (
            "is an old binary Office file, although its name says otherwise",
            name.rpartition(".")[2].lower(),
        )
        raise ExtractionError(name, reason, "old-office-file", suffix=suffix)
    require_decryption(name, password)
    from msoffcrypto.exceptions import DecryptionError, InvalidKeyError
    from msoffcrypto.format.ooxml import OOXMLFile

    out = io.BytesIO()
    try:
        file = OOXMLFile(io.BytesIO(data))
        file.load_key(password=password, verify_password=True)
        file.decrypt(out)
    except (DecryptionError, InvalidKeyError):
        raise encrypted(name, password) from None
    except Exception as error:  # msoffcrypto raises many kinds for damaged files
        raise damaged(name, "encrypted Office file", error) from None
    return out.getvalue()


def walk_xml(name: str, kind: str, blocks: Iterator[bytes], handler: Handler, limits: ExtractLimits) -> None:
    """Parse XML, and pass its elements and texts to the handler.

    Args:
        name: The file's name, for errors.
        kind: The name of the format, for errors, such as "Word document".
        blocks: The bytes of the XML, in blocks.
        handler: Receives the elements and texts.
        limits: The limits on depth and on the size of a piece of markup.

    Raises:
        ExtractionError: The XML is malformed, nests too deep, declares entities, or has a tag or comment larger than
            `limits.markup_bytes`. Without that limit, the parser would read an unfinished tag again for each block.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > limits.depth:
            raise damaged(name, kind, "its elements nest too deep")
        local: dict[str, str] = {}
        for key, value in attributes.items():
            namespace, _, plain = key.rpartition(" ")
            if namespace or plain not in local:  # of `id` and `r:id`, formats mean the second
                local[plain] = value
        handler.start(tag.rpartition(" ")[2], local)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(tag.rpartition(" ")[2])

    def refuse(*_: object) -> None:
        raise damaged(name, kind, "it declares entities")

    def declare(version: str, encoding: str | None, standalone: int) -> None:
        if encoding and not _is_supported(encoding):
            raise damaged(name, kind, f"unknown encoding: {encoding[:40]}")

    parser.XmlDeclHandler = declare
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handler.data
    parser.EntityDeclHandler = refuse
    fed = 0
    try:
        for block in blocks:
            parser.Parse(block, False)
            fed += len(block)
            if fed - parser.CurrentByteIndex > limits.markup_bytes:
                raise too_large(name)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise damaged(name, kind, error) from None


def _is_supported(encoding: str) -> bool:
    """Return True if the parser can decode this encoding: those of expat, and others of one byte a character."""
    if encoding.lower() in {"utf-8", "utf-16", "utf-16le", "utf-16be"}:
        return True
    try:
        return len(bytes(range(256)).decode(encoding, "replace")) == 256
    except (LookupError, ValueError):
        return False


class Properties:
    """A `Handler` that collects metadata, such as title and author, from Dublin Core elements and similar ones."""

    def __init__(self) -> None:
        """Start without any metadata."""
        self.values: dict[str, str] = {}
        self._key: str | None = None
        self._text: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Receive the start of an element."""
        self._key = _NAMES.get(tag)
        self._text.clear()

    def data(self, text: str) -> None:
        """Receive a piece of text."""
        if self._key and len(self._text) < _MAX_VALUE:
            self._text.append(text[:_MAX_VALUE])

    def end(self, tag: str) -> None:
        """Receive the end of an element."""
        key, value = self._key, one_line("".join(self._text))[:_MAX_VALUE]
        self._key = None
        if key and value:
            former = self.values.setdefault(key, value)
            if key in _JOINED and value not in former and len(former) < _MAX_VALUE:
                self.values[key] = f"{former}, {value}"

    @property
    def title(self) -> str | None:
        """Return the document's title; None if there is none, or only a program's default, such as "Document1"."""
        return useful_title(self.values.get("title"))

    @property
    def language(self) -> str | None:
        """Return the language code without the country, such as "en" for "en-US"; None if there is no code."""
        return self.values.get("language", "").partition("-")[0].lower() or None

    @property
    def metadata(self) -> dict[str, JsonValue]:
        """Return all metadata except the title and the language."""
        return {key: value for key, value in self.values.items() if key not in {"title", "language"}}
