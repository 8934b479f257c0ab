"""Zip packages of XML (OOXML, ODF, EPUB): members within bounds, XML as a stream of events.

The parser is the standard library's expat. It fetches nothing, and a declaration of an entity, which could stand for
texts without end, is refused: no such format needs one.
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
from vsearch_core.text.extract.limits import (
    MAX_DEPTH,
    MAX_EXPANDED,
    MAX_PARTS,
    MAX_TOKEN,
    damaged,
    encrypted,
    too_large,
)

_BLOCK = 1 << 16
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")  # an entry of the latter's directory, [MS-OFFCRYPTO] 2.3.4
_ENCRYPTED = 1  # the bit of a member's flags
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
    """What is told of an XML document, in its order. Names are without their namespaces."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None: ...
    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


class Package:
    """A file's members. Raises ExtractionError for what is no package of the `kind`, encrypted, or a bomb.

    The `password` is tried where all of the file is encrypted, as Office does it.
    """

    def __init__(self, name: str, data: bytes, kind: str, password: str = "") -> None:
        self.name = name
        self.kind = kind
        self.left = MAX_EXPANDED
        if data.startswith(OLE_CONTAINER):
            data = _decrypted(name, data, password)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:  # zipfile raises a dozen kinds for damaged archives
            raise damaged(name, kind, error) from None
        if any(member.flag_bits & _ENCRYPTED for member in self._zip.infolist()):
            raise ExtractionError(name, "is encrypted", "save a copy without its password")
        self.members = set(self._zip.namelist()[:MAX_PARTS])

    def blocks(self, member: str) -> Iterator[bytes]:
        """A member's bytes."""
        try:
            with self._zip.open(member) as stream:
                while block := stream.read(_BLOCK):
                    self.left -= len(block)
                    if self.left < 0:
                        raise too_large(self.name)
                    yield block
        except ExtractionError:
            raise
        except Exception as error:
            raise damaged(self.name, self.kind, error) from None

    def read(self, member: str) -> bytes:
        """A member's bytes at once; none where there is no such member."""
        return b"".join(self.blocks(member)) if member in self.members else b""

    def walk(self, member: str, handler: Handler) -> None:
        """Tell a member's XML to the handler; nothing where there is no such member."""
        if member in self.members:
            walk_xml(self.name, self.kind, self.blocks(member), handler)

    def require(self, member: str) -> None:
        """Raises ExtractionError where there is no such member."""
        if member not in self.members:
            raise damaged(self.name, self.kind, f"there is no {member} in it")

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """OOXML: the relations of a part ("" is the package): id -> the last word of its type, and the member."""
        folder, file = posixpath.split(part)
        handler = _Relations(folder)
        self.walk(posixpath.join(folder, "_rels", f"{file}.rels"), handler)
        return handler.found

    def related(self, part: str, kind: str) -> list[str]:
        """OOXML: the members that the part's relations of this kind lead to."""
        return [member for what, member in self.relations(part).values() if what == kind]


def blocks_of(data: bytes) -> Iterator[bytes]:
    """The bytes of a file that is one XML document, as a package gives those of its members."""
    return (data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK))


class _Relations:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.found: dict[str, tuple[str, str]] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "Relationship" and len(self.found) < MAX_PARTS and attributes.get("TargetMode") != "External":
            target = unquote(attributes.get("Target", ""))
            path = target[1:] if target.startswith("/") else posixpath.normpath(posixpath.join(self.folder, target))
            self.found[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], path)

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


def _decrypted(name: str, data: bytes, password: str) -> bytes:
    """The package within an encrypted Office file. Raises ExtractionError."""
    if _ENCRYPTED_PACKAGE not in data:
        raise ExtractionError(name, "is an old binary Office file, whatever its name says", "save it in the new format")
    if not password:
        raise encrypted(name, password)
    try:
        from msoffcrypto.exceptions import DecryptionError, InvalidKeyError
        from msoffcrypto.format.ooxml import OOXMLFile
    except ImportError:
        step = "pip install 'vsearch[office]', then give the password again"
        raise EncryptedError(name, "is encrypted, and opening it needs msoffcrypto-tool", step) from None
    out = io.BytesIO()
    try:
        file = OOXMLFile(io.BytesIO(data))
        file.load_key(password=password, verify_password=True)
        file.decrypt(out)
    except (DecryptionError, InvalidKeyError):
        raise encrypted(name, password) from None
    except Exception as error:  # it raises whatever damaged bytes lead to
        raise damaged(name, "encrypted Office file", error) from None
    return out.getvalue()


def walk_xml(name: str, kind: str, blocks: Iterator[bytes], handler: Handler) -> None:
    """Tell XML to the handler.

    Raises ExtractionError where it is malformed, too deep, declares entities, or has markup longer than MAX_TOKEN: the
    parser begins anew at the start of what it has not seen the end of, with each block.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise damaged(name, kind, "its elements nest too deep")
        local: dict[str, str] = {}
        for key, value in attributes.items():
            namespace, _, plain = key.rpartition(" ")
            if namespace or plain not in local:  # of `id` and `r:id`, the second tells what the first is about
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
            if fed - parser.CurrentByteIndex > MAX_TOKEN:
                raise too_large(name)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise damaged(name, kind, error) from None


class Properties:
    """A `Handler` that collects Dublin Core elements, wherever in the document they stand."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._key: str | None = None
        self._text: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._key = _NAMES.get(tag)
        self._text.clear()

    def data(self, text: str) -> None:
        if self._key and len(self._text) < _MAX_VALUE:
            self._text.append(text[:_MAX_VALUE])

    def end(self, tag: str) -> None:
        key, value = self._key, one_line("".join(self._text))[:_MAX_VALUE]
        self._key = None
        if key and value:
            former = self.values.setdefault(key, value)
            if key in _JOINED and value not in former and len(former) < _MAX_VALUE:
                self.values[key] = f"{former}, {value}"

    @property
    def title(self) -> str | None:
        return self.values.get("title")

    @property
    def language(self) -> str | None:
        """The language's code without its country."""
        return self.values.get("language", "").partition("-")[0].lower() or None

    @property
    def metadata(self) -> dict[str, JsonValue]:
        """All but title and language."""
        return {key: value for key, value in self.values.items() if key not in {"title", "language"}}
