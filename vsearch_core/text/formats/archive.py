"""Extracts the text of the files in archives (zip, tar and 7z). Nothing is written to disk.

A member is a file in an archive. Its text gets a page of its own, with the member's path as the outermost heading.
"""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import IO

from vsearch_core.errors import ExtractionError, SourceArchiveError
from vsearch_core.model import HEADING_SEPARATOR, Document, JsonValue
from vsearch_core.text.discover import UNSEARCHED
from vsearch_core.text.extract import registry
from vsearch_core.text.extract.attachments import NestedFiles
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.failures import damaged, encrypted, too_large
from vsearch_core.text.extract.headings import MAX_TITLE
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions

_BLOCK = 1 << 16
_SOURCE_SHARE = 0.5  # of the members are source code, for the archive to be one of source code
_ENCRYPTED_FLAG, _UTF8_FLAG = 1, 0x800  # of a member of a zip file
_MAC_FOLDER = "__MACOSX"  # holds resource forks
_MAX_NAMES = 1000  # in the metadata


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A regular file in an archive.

    Attributes:
        name: Its path in the archive, with slashes.
        open: Opens its unpacked bytes. Reading them may raise any exception if the archive is damaged.
    """

    name: str
    open: Callable[[], IO[bytes]]


def extract_zip(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of the files in a zip archive. Raises ExtractionError if it can't be read."""
    try:
        package = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # zipfile raises a dozen kinds for damaged archives
        raise damaged(name, "zip archive", error) from None
    with package:
        infos = [info for info in package.infolist() if not info.is_dir() and not _is_link(info)]
        password = options.password.encode() or None
        locked = next((info for info in infos if info.flag_bits & _ENCRYPTED_FLAG), None)
        if locked is not None:
            _try_password(name, package, locked, options.password)

        def opener(info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
            return lambda: package.open(info, pwd=password)

        names = _zip_names(infos)
        members = [ArchivedFile(shown, opener(info)) for shown, info in zip(names, infos, strict=True)]
        return _document(name, len(data), members, options)


def extract_tar(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of the files in a tar archive that is not compressed. Raises ExtractionError if unreadable."""
    members: list[ArchivedFile] = []

    def opener(info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
        return lambda: package.extractfile(info) or io.BytesIO()

    failure = ""
    try:
        package = tarfile.TarFile(fileobj=io.BytesIO(data))
        for info in islice(package, options.limits.parts + 1):
            if info.isreg():
                shown = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                members.append(ArchivedFile(shown, opener(info)))
    except MemoryError:
        raise
    except Exception as error:  # tarfile lets errors of struct and codecs through
        if not members:
            raise damaged(name, "tar archive", error) from None
        failure = "the end of the archive is damaged"
    document = _document(name, len(data), members, options)
    return replace(document, left_out=(*document.left_out, failure)) if failure else document


def extract_7z(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of the files in a 7z archive, with the package py7zr. Raises ExtractionError if unreadable.

    All members together may have as many bytes as a single compressed file, because they are unpacked in one pass.
    """
    import py7zr
    from py7zr.exceptions import DecompressionBombError, PasswordRequired
    from py7zr.io import BytesIOFactory

    names: list[str] = []
    limit = options.limits.unpacked_bytes
    unpacked = BytesIOFactory(limit)
    try:
        with py7zr.SevenZipFile(io.BytesIO(data), password=options.password or None, max_extract_size=limit) as package:
            infos = package.list()
            names = [info.filename for info in infos if info.is_file and not info.is_symlink]
            _refuse_source(name, names, options)
            if sum(info.uncompressed for info in infos) > limit:
                raise too_large(name)
            wanted = [each for each in names if _is_visible(each) and not _leads_out(each)]
            if wanted:
                package.extract(targets=wanted, factory=unpacked)
    except PasswordRequired:
        raise encrypted(name, "") from None
    except DecompressionBombError:
        raise too_large(name) from None
    except (ExtractionError, MemoryError):
        raise
    except Exception as error:  # py7zr and its decompressors raise many kinds, also for a wrong password
        if options.password:
            raise encrypted(name, options.password) from None
        raise damaged(name, "7z archive", error) from None

    def opener(member: str) -> Callable[[], IO[bytes]]:
        return lambda: io.BytesIO(unpacked.products[member].read())

    members = [ArchivedFile(each, opener(each)) for each in names if each in unpacked.products or _leads_out(each)]
    return _document(name, len(data), members, options)


def _document(name: str, size: int, members: Sequence[ArchivedFile], options: ExtractOptions) -> Document:
    """Return the text of the members as one document, each on a page of its own. `size` is that of the archive."""
    visible = [member for member in members if _is_visible(member.name)]
    _refuse_source(name, [member.name for member in visible], options)
    builder = DocumentBuilder(name, options.limits)
    unpacker, nested = _Unpacker(options.limits), NestedFiles("file", size, options)
    unsafe: list[str] = []
    added: list[JsonValue] = []
    for member in visible:
        if _leads_out(member.name):
            unsafe.append(_shown(member.name))
            continue
        if len(added) >= options.limits.parts or unpacker.left <= 0 or builder.length > options.limits.text_chars // 2:
            builder.left_out.append(f"the files from {_shown(member.name)} on, because there are too many or too large")
            break
        part = nested.read(builder, member.name, partial(unpacker.read, member))
        if part is not None and part.spans and builder.length + len(part.text) < options.limits.text_chars:
            builder.start_page(len(added) + 1, apart=True)
            added.append(_add(builder, member.name, part))
        elif part is not None and part.figures and not part.spans:
            _add(builder, member.name, replace(part, text=""))
    if visible and nested.options is None:
        builder.left_out.append("its files, because it is inside of too many other files")
    if unsafe:
        builder.left_out.append(f"files whose names lead out of the archive, such as {unsafe[0]}")
    nested.report(builder)
    return builder.document(metadata={"files": added[:_MAX_NAMES]} if added else None)


def _add(builder: DocumentBuilder, name: str, part: Document) -> str:
    """Add the text of a member on the current page, or its figures. Return the member's name as it is shown.

    The heading of a file in an archive in this archive is "inner.zip!path".
    """
    shown = _shown(name)
    builder.end_headings()
    if registry.unit_of(name) == registry.MEMBER:
        spans = (replace(each, heading=(f"{shown}!{each.heading[0]}", *each.heading[1:])) for each in part.spans)
        figures = (replace(each, titles=(f"{shown}!{each.titles[0]}", *each.titles[1:])) for each in part.figures)
        part = replace(part, spans=tuple(spans), figures=tuple(figures))
    else:
        builder.start_heading(1, shown)
    builder.add_document(part, lines=part.lines or range(1, part.text.count("\n") + 2))
    return shown


class _Unpacker:
    """Unpacks members, until they have as many bytes together as the limits allow. `left` is the number left."""

    def __init__(self, limits: ExtractLimits) -> None:
        self.left = limits.expanded_bytes
        self._most = limits.unpacked_bytes

    def read(self, member: ArchivedFile) -> bytes:
        """Return the bytes of a member. Raises ExtractionError if it is damaged or too large, and MemoryError."""
        blocks: list[bytes] = []
        room = min(self.left, self._most)
        try:
            with member.open() as stream:
                while block := stream.read(_BLOCK):
                    room -= len(block)
                    self.left -= len(block)
                    if room < 0:
                        raise too_large(member.name)
                    blocks.append(block)
        except (ExtractionError, MemoryError):
            raise
        except Exception as error:  # decompressors raise many kinds
            raise damaged(member.name, "part of the archive", error) from None
        return b"".join(blocks)


def _refuse_source(name: str, names: Sequence[str], options: ExtractOptions) -> None:
    """Raise SourceArchiveError if most members are source code, unless the options allow it."""
    programs = sum(registry.format_of(each).name == registry.SOURCE_CODE for each in names)
    if not options.source_archives and programs > _SOURCE_SHARE * len(names):
        raise SourceArchiveError(name, "is an archive of source code")


def _is_visible(name: str) -> bool:
    """Return False for hidden files and folders of version control, which are not indexed outside archives either."""
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in {".", ".."} for part in parts)
    return not hidden and UNSEARCHED.isdisjoint(parts) and parts[0] != _MAC_FOLDER


def _leads_out(name: str) -> bool:
    return ".." in name.split("/")


def _shown(name: str) -> str:
    """Return the path of a member as a heading: relative, without line ends, and with no separator of headings."""
    parts = [part for part in one_line(name).split("/") if part not in {"", "."}]
    return "/".join(parts).replace(HEADING_SEPARATOR, ">")[:MAX_TITLE].strip() or "unnamed"


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _try_password(name: str, package: zipfile.ZipFile, info: zipfile.ZipInfo, password: str) -> None:
    """Raise ExtractionError if a member of a zip file can't be decrypted with the password."""
    if not password:
        raise encrypted(name, "")
    try:
        package.open(info, pwd=password.encode()).close()
    except NotImplementedError:  # AES
        raise ExtractionError(name, "is encrypted", "encryption-unsupported") from None
    except Exception:  # a wrong password is a RuntimeError, and a damaged archive anything
        raise encrypted(name, password) from None


def _zip_names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the names of members. Those that don't say that they are UTF-8 are in a common, guessed encoding."""
    names = [info.filename for info in infos]
    sure = [bool(info.flag_bits & _UTF8_FLAG) or info.filename.isascii() for info in infos]
    unsure = [number for number, is_sure in enumerate(sure) if not is_sure]
    raw = b"\n".join(names[number].encode("cp437", "replace") for number in unsure)  # zipfile has decoded them so
    try:
        guessed = decode("", raw).split("\n") if unsure else []
    except ExtractionError:
        guessed = []
    if len(guessed) == len(unsure):
        for number, name in zip(unsure, guessed, strict=True):
            names[number] = name
    return [name.replace("\\", "/") for name in names]  # some programs for Windows write those
