"""Zip packages of XML (OOXML, ODF, EPUB): their members, within limits, and XML as a stream of events.

The parser is the standard library's expat. It fetches nothing. Declarations of entities are refused, since an entity
can expand to a text of any length and no such format needs one.
"""

import io
import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from typing import Protocol
from urllib.parse import unquote
from xml.parsers import expat

from vsearch_core.errors import EncryptedError, ExtractionError
from vsearch_core.model import JsonValue
from vsearch_core.text.extract.decode import OLE_CONTAINER, one_line
from vsearch_core.text.extract.failures import damaged, encrypted, too_large
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
    """Receives the events of an XML document, in order. Names are without their namespaces."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Receive the start of an element."""

    def data(self, text: str) -> None:
        """Receive a piece of text."""

    def end(self, tag: str) -> None:
        """Receive the end of an element."""


class Package:
    """The members of a zip file. `kind` is the format's name, for errors.

    `options.password` is tried on files that are encrypted as a whole, as Office does it. Constructor and methods raise
    ExtractionError for a file that is damaged, encrypted or exceeds `options.limits`.
    """

    def __init__(self, name: str, data: bytes, kind: str, options: ExtractOptions) -> None:
        """Open the zip file whose bytes are `data`."""
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
        """Yield a member's bytes in blocks."""
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
        """Return a member's bytes, or none if there is no such member."""
        return b"".join(self.blocks(member)) if member in self.members else b""

    def walk(self, member: str, handler: Handler) -> None:
        """Parse a member's XML into the handler, if there is such a member."""
        if member in self.members:
            walk_xml(self.name, self.kind, self.blocks(member), handler, self.limits)

    def require(self, member: str) -> None:
        """Raise ExtractionError unless there is such a member."""
        if member not in self.members:
            raise damaged(self.name, self.kind, f"there is no {member} in it")

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the OOXML relations of a part ("" is the package): id -> the last word of its type, and the member."""
        folder, file = posixpath.split(part)
        handler = _Relations(folder, self.limits)
        self.walk(posixpath.join(folder, "_rels", f"{file}.rels"), handler)
        return handler.found

    def related(self, part: str, kind: str) -> list[str]:
        """Return the members that the part's OOXML relations of this kind lead to."""
        return [member for each, member in self.relations(part).values() if each == kind]


def blocks_of(data: bytes) -> Iterator[bytes]:
    """Yield the bytes of a file in blocks, as `Package.blocks` does for a member."""
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
    """Return the package within an encrypted Office file."""
    if _ENCRYPTED_PACKAGE not in data:
        reason, suffix = "is an old binary Office file, whatever its name says", name.rpartition(".")[2].lower()
        raise ExtractionError(name, reason, "old-office-file", suffix=suffix)
    if not password:
        raise encrypted(name, password)
    try:
        from msoffcrypto.exceptions import DecryptionError, InvalidKeyError
        from msoffcrypto.format.ooxml import OOXMLFile
    except ImportError:
        reason = "is encrypted, and opening it needs msoffcrypto-tool"
        raise EncryptedError(name, reason, "office-extra-missing") from None
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
    """Parse XML into the handler.

    Raises ExtractionError if it is malformed, nests too deep, declares entities, or has a piece of markup that exceeds
    `limits.markup_bytes`: with each block, the parser begins again at the start of an unfinished piece.
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


class Properties:
    """Collects the metadata of a package: the Dublin Core elements, anywhere in the XML documents it is given."""

    def __init__(self) -> None:
        """Start without any property."""
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
        """The document's title, unless the program wrote it by itself."""
        return useful_title(self.values.get("title"))

    @property
    def language(self) -> str | None:
        """Return the language code without the country, such as "en" for "en-US"; None if there is no code."""
        return self.values.get("language", "").partition("-")[0].lower() or None

    @property
    def metadata(self) -> dict[str, JsonValue]:
        """All but title and language."""
        return {key: value for key, value in self.values.items() if key not in {"title", "language"}}
