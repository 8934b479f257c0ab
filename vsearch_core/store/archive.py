"""Archives: one generation of an index as one file, an uncompressed tar.

Any tar program can read an archive. The reader here is stricter: the first member lists all others with sizes and
checksums, and the list determines every byte outside the members. So no header is interpreted: one that differs from
the expected 512 bytes is refused (docs/adr/0010-archives.md).
"""

import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b

from vsearch_core.errors import ArchiveError
from vsearch_core.store.files import READ_BYTES, Data
from vsearch_core.store.io_errors import file_errors
from vsearch_core.store.segment import SEGMENTS_DIR
from vsearch_core.store.tables import CATALOG_FILE

SCHEMA = "vsearch.archive/1"
CONTENTS_FILE = "CONTENTS.json"
LONGEST_CONTENTS = 1 << 22  # bytes: about 25,000 members; a forged list of that length takes 110 MB of memory
LARGEST_MEMBER = 1 << 50  # bytes: numbers above are refused before anything is computed with them

_LAST_GENERATION = 1 << 62  # higher than any real one
_BLOCK = 512
_END = bytes(2 * _BLOCK)
_SEGMENT_FILE = re.compile(rf"{SEGMENTS_DIR}/[0-9a-f]{{32}}/[a-z0-9_]{{1,64}}\.npy")
_CHECKSUM = re.compile(r"[0-9a-f]{32}")

Read = Callable[[int], bytes]
Write = Callable[[Data], object]


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive: its path in the index folder, its size, and the blake2b-128 of its bytes."""

    name: str
    bytes: int
    blake2b: str


@dataclass(frozen=True, slots=True)
class Contents:
    """An archive's list of members: a generation's catalog, then its segments' files."""

    generation: int
    members: tuple[Member, ...]

    @property
    def bytes(self) -> int:
        """Return the total size of the members."""
        return sum(member.bytes for member in self.members)


def pack(contents: Contents, files: Mapping[str, Iterable[Data]]) -> Iterator[Data]:
    """Yield the archive's bytes; `files` has each member's bytes by name.

    Raises ArchiveError if a member's bytes are not those that `contents` lists.
    """
    listing = _to_json(contents)
    yield from (_header(CONTENTS_FILE, len(listing)), listing, _padding(len(listing)))
    for member in contents.members:
        yield _header(member.name, member.bytes)
        yield from _verified(member.name, member, files[member.name], "export-source-damaged")
        yield _padding(member.bytes)
    yield _END


class ArchiveReader:
    """Reads an archive once, from front to back: call `contents`, `member` for each member in order, and `end`.

    `read(n)` returns n bytes, or fewer at the end, as a binary file does. All methods raise ArchiveError if the bytes
    are not those of an archive or are damaged, and StorageError if they can't be read; both name the archive `name`.
    """

    def __init__(self, name: str, read: Read) -> None:
        """Read the archive by `read`."""
        self.name = name
        self._read = read

    def contents(self) -> Contents:
        """Read the list of members, which comes first."""
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
        except (KeyError, TypeError, ValueError, RecursionError):
            contents = None
        if contents is None or _to_json(contents) != listing:
            raise self._damaged("its list of contents can't be understood")
        return contents

    def member(self, member: Member) -> Iterator[Data]:
        """Yield the next member's bytes; they are verified only once the last has been yielded."""
        self._expect(_header(member.name, member.bytes))
        lengths = (min(READ_BYTES, member.bytes - start) for start in range(0, member.bytes, READ_BYTES))
        yield from _verified(self.name, member, map(self._bytes, lengths), "archive-damaged")
        self._expect(_padding(member.bytes))

    def end(self) -> None:
        """Verify that the archive ends here."""
        self._expect(_END)
        with file_errors(self.name):
            if self._read(1):
                raise self._damaged("something follows its end")

    def _bytes(self, count: int) -> bytes:
        with file_errors(self.name):
            data = self._read(count)
        if len(data) != count:
            raise self._damaged("it ends too early")
        return data

    def _expect(self, data: bytes) -> None:
        if self._bytes(len(data)) != data:
            raise self._damaged("its members are not those that it lists")

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
    values = json.loads(listing)
    members = tuple(Member(**member) for member in values["members"])
    generation = values["generation"]
    if type(generation) is not int or not 0 <= generation <= _LAST_GENERATION:
        raise ValueError
    if not all(_is_plausible(member) for member in members):
        raise ValueError
    names = [member.name for member in members]
    if names[:1] != [CATALOG_FILE] or not all(map(_SEGMENT_FILE.fullmatch, names[1:])) or len({*names}) < len(names):
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
