"""Write and read archives: one generation of an index in one uncompressed tar file.

Any tar program can read an archive. `ArchiveReader` is stricter: the first member of an archive lists all other members
with their sizes and checksums, and every tar header can be computed from this list. The reader refuses an archive if a
header differs from the computed one (docs/adr/0010-archives.md).
"""

import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b

from vsearch_core.errors import ArchiveError
from vsearch_core.json_text import parse_json
from vsearch_core.store.files import READ_BYTES, Data
from vsearch_core.store.io_errors import file_errors
from vsearch_core.store.segment import SEGMENTS_DIR
from vsearch_core.store.tables import CATALOG_FILE

SCHEMA = "vsearch.archive/1"
CONTENTS_FILE = "CONTENTS.json"
LONGEST_CONTENTS = 1 << 22  # bytes: about 25,000 members; a forged list of that length takes 110 MB of memory
LARGEST_MEMBER = 1 << 50  # bytes: a larger size is refused before anything is computed with it

LAST_GENERATION = 1 << 62  # higher than any real one
_BLOCK = 512
_END = bytes(2 * _BLOCK)
SEGMENT_FILE = re.compile(rf"{SEGMENTS_DIR}/[0-9a-f]{{32}}/[a-z0-9_]{{1,64}}\.npy")
_CHECKSUM = re.compile(r"[0-9a-f]{32}")

Read = Callable[[int], bytes]
Write = Callable[[Data], object]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its path in the index folder, its size, and the blake2b-128 hash of its bytes."""

    name: str
    bytes: int
    blake2b: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The list of an archive's members: first the catalog of the generation, then the files of its segments."""

    generation: int
    members: tuple[Member, ...]

    @property
    def bytes(self) -> int:
        """Return the total size of the members in bytes."""
        return sum(member.bytes for member in self.members)


def pack(contents: Contents, files: Mapping[str, Iterable[Data]]) -> Iterator[Data]:
    """Yield the bytes of an archive in blocks. `files` maps each member's name to the blocks of its bytes.

    Raises ArchiveError if the size or checksum of a member's bytes differs from the one in `contents`.
    """
    listing = _to_json(contents)
    yield from (_header(CONTENTS_FILE, len(listing)), listing, _padding(len(listing)))
    for member in contents.members:
        yield _header(member.name, member.bytes)
        yield from _verified(member.name, member, files[member.name], "export-source-damaged")
        yield _padding(member.bytes)
    yield _END


class ArchiveReader:
    """Reads an archive once: call `contents`, then `member` for each member in order, then `end`.

    `read(n)` returns n bytes, or fewer at the end, as a binary file does. All methods raise ArchiveError if the bytes
    are not an archive or are damaged, and StorageError if they can't be read. `name` is the archive's name in these
    errors.
    """

    def __init__(self, name: str, read: Read) -> None:
        """Prepare to read the archive by calls of `read`."""
        self.name = name
        self._read = read

    def contents(self) -> Contents:
        """Read and return the list of members, which is at the start of the archive."""
        header = self._bytes(_BLOCK)
        try:
            size = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape").size
        except tarfile.TarError:
            size = -1
        if not 0 <= size <= LONGEST_CONTENTS or header != _header(CONTENTS_FILE, size):
            raise ArchiveError(self.name, "is not an archive of an index", "not-an-archive")
        listing = self._bytes(size)
        self._expect(_padding(size))
        try:
            contents = _from_json(listing)
        except (KeyError, TypeError, ValueError):
            contents = None
        if contents is None or _to_json(contents) != listing:
            raise self._damaged("its list of contents is invalid")
        return contents

    def member(self, member: Member) -> Iterator[Data]:
        """Yield the next member's bytes in blocks. Their checksum is verified after the last block."""
        self._expect(_header(member.name, member.bytes))
        lengths = (min(READ_BYTES, member.bytes - start) for start in range(0, member.bytes, READ_BYTES))
        yield from _verified(self.name, member, map(self._bytes, lengths), "archive-damaged")
        self._expect(_padding(member.bytes))

    def end(self) -> None:
        """Verify that the archive ends after the last member."""
        self._expect(_END)
        with file_errors(self.name):
            if self._read(1):
                raise self._damaged("there is data after its end")

    def _bytes(self, count: int) -> bytes:
        with file_errors(self.name):
            data = self._read(count)
        if len(data) != count:
            raise self._damaged("it ends too early")
        return data

    def _expect(self, data: bytes) -> None:
        if self._bytes(len(data)) != data:
            raise self._damaged("its members differ from its list of contents")

    def _damaged(self, reason: str) -> ArchiveError:
        return ArchiveError(self.name, f"the archive is damaged: {reason}")


def _verified(subject: str, member: Member, blocks: Iterable[Data], code: str) -> Iterator[Data]:
    digest = blake2b(digest_size=16)
    size = 0
    for block in blocks:
        digest.update(block)
        size += len(block)
        yield block
    if (size, digest.hexdigest()) != (member.bytes, member.blake2b):
        raise ArchiveError(subject, f"is damaged: the checksum of {member.name} differs", code)


def _to_json(contents: Contents) -> bytes:
    members = [asdict(member) for member in contents.members]
    values = {"schema": SCHEMA, "generation": contents.generation, "members": members}
    return json.dumps(values, indent=1).encode() + b"\n"


def _from_json(listing: bytes) -> Contents:
    values = parse_json(listing)
    members = tuple(Member(**member) for member in values["members"])
    generation = values["generation"]
    if type(generation) is not int or not 0 <= generation <= LAST_GENERATION:
        raise ValueError
    if not all(_is_plausible(member) for member in members):
        raise ValueError
    names = [member.name for member in members]
    if names[:1] != [CATALOG_FILE] or not all(map(SEGMENT_FILE.fullmatch, names[1:])) or len({*names}) < len(names):
        raise ValueError
    return Contents(generation, members)


def _is_plausible(member: Member) -> bool:
    return (
        type(member.bytes) is int and 0 <= member.bytes <= LARGEST_MEMBER and bool(_CHECKSUM.fullmatch(member.blake2b))
    )


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
