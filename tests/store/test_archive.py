"""Archives: what is packed can be unpacked, and any other bytes are refused."""

import io
import json
import re
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch_core.errors import ArchiveError
from vsearch_core.store.archive import ArchiveReader, Contents, Member, pack
from vsearch_core.store.files import READ_BYTES, Data, checksum

VECTORS = f"segments/{'a' * 32}/vectors.npy"
IDS = f"segments/{'a' * 32}/chunk_ids.npy"


def packed(files: dict[str, bytes], generation: int = 3) -> bytes:
    members = tuple(Member(name, len(data), checksum([data])) for name, data in files.items())
    return b"".join(pack(Contents(generation, members), {name: [data] for name, data in files.items()}))


def unpacked(archive: bytes) -> tuple[int, dict[str, bytes]]:
    reader = ArchiveReader("it", io.BytesIO(archive).read)
    contents = reader.contents()
    files = {member.name: b"".join(reader.member(member)) for member in contents.members}
    reader.end()
    return contents.generation, files


FILES = {"catalog.sqlite": b"the catalog" * 70, VECTORS: bytes(range(256)) * 3, IDS: b""}
ARCHIVE = packed(FILES)


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=4), st.integers(0, 10**12))
def test_a_packed_archive_can_be_unpacked(sizes: list[int], generation: int) -> None:
    names = ["catalog.sqlite", *(f"segments/{number:032x}/vectors.npy" for number in range(len(sizes) - 1))]
    files = {name: bytes([size % 251]) * size for name, size in zip(names, sizes, strict=True)}
    assert unpacked(packed(files, generation)) == (generation, files)


def test_members_larger_than_one_read_can_be_unpacked() -> None:
    files = {"catalog.sqlite": b"x" * (2 * READ_BYTES + 1)}
    assert unpacked(packed(files)) == (3, files)


def test_tarfile_can_read_an_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(ARCHIVE)) as archive:
        members = {info.name: info for info in archive}
        assert list(members) == ["CONTENTS.json", *FILES]
        assert all(info.isreg() for info in members.values())
        for name, data in FILES.items():
            file = archive.extractfile(name)
            assert file is not None
            assert file.read() == data


def refused(archive: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        unpacked(archive)
    assert caught.value.subject == "it"
    return caught.value.reason


@given(st.integers(0, len(ARCHIVE) * 8 - 1))
def test_any_flipped_bit_is_found(bit: int) -> None:
    flipped = bytearray(ARCHIVE)
    flipped[bit // 8] ^= 1 << bit % 8
    if re.sub(rb'"generation": \d', b'"generation": 3', flipped) == ARCHIVE:
        return  # still a number; an import compares it with the catalog's
    refused(bytes(flipped))


@given(st.integers(0, len(ARCHIVE) - 1))
def test_a_truncated_archive_is_refused(size: int) -> None:
    refused(ARCHIVE[:size])


@pytest.mark.parametrize("more", [b"\0", b"\0" * 512, ARCHIVE])
def test_bytes_after_the_end_are_refused(more: bytes) -> None:
    assert "there is data after its end" in refused(ARCHIVE + more)


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"PK\3\4" * 300, b"SQLite format 3\0" * 64, b"word " * 1000])
def test_another_file_is_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../catalog.sqlite", f"segments/{'a' * 32}/../../../x.npy", f"segments/{'a' * 32}/", "", "."),
        *(f"segments/{'A' * 32}/vectors.npy", f"segments/{'a' * 31}/vectors.npy", f"segments/{'a' * 32}/a/b.npy"),
        *(f"segments/{'a' * 32}/vectors.npy\n", f"segments/{'a' * 32}/vec\0tors.npy", f"segments/{'a' * 32}/.npy"),
        *("segments\\x.npy", "catalog.sqlite-wal", "writer.lock", "CONTENTS.json", f"segments/{'a' * 32}/v.py"),
    ],
)
def test_an_unexpected_member_name_is_refused(name: str) -> None:
    assert "contents" in refused(packed({"catalog.sqlite": b"x", name: b"y"}))
    assert "contents" in refused(packed({name: b"y", VECTORS: b"x"}))


def listed(contents: object, *rest: bytes) -> bytes:
    """Return a well-formed tar with this list of contents."""
    listing = json.dumps(contents, indent=1).encode() + b"\n"
    info = tarfile.TarInfo("CONTENTS.json")
    info.size = len(listing)
    return b"".join((info.tobuf(tarfile.GNU_FORMAT), listing, bytes(-len(listing) % 512), *rest))


def entry(name: object = "catalog.sqlite", size: object = 1, digest: object = checksum([b"x"])) -> dict[str, object]:
    return {"name": name, "bytes": size, "blake2b": digest}


@pytest.mark.parametrize(
    "members",
    [
        [entry(), entry()],
        [entry(), entry(VECTORS), entry(VECTORS)],
        [entry(VECTORS), entry()],
        [],
        [entry(size=-1)],
        [entry(size=10**30)],
        [entry(size=1.0)],
        [entry(size=True)],
        [entry(size=None)],
        [entry(name=7)],
        [entry(digest="f" * 31)],
        [entry(digest=7)],
        [{**entry(), "linkname": "/etc/passwd"}],
        [[]],
        7,
        {},
    ],
)
def test_a_malformed_list_of_members_is_refused(members: object) -> None:
    assert "contents" in refused(listed({"schema": "vsearch.archive/1", "generation": 1, "members": members}))


@pytest.mark.parametrize("generation", [-1, 10**19, 10**4000, 1.0, True, None, "1"])
def test_a_malformed_generation_is_refused(generation: object) -> None:
    contents = {"schema": "vsearch.archive/1", "generation": generation, "members": [entry()]}
    assert "contents" in refused(listed(contents))


@pytest.mark.parametrize("contents", [None, [], {}, {"schema": "vsearch.archive/1"}, "[" * 100_000])
def test_malformed_contents_are_refused(contents: object) -> None:
    assert "contents" in refused(listed(contents))


def test_a_later_schema_is_refused() -> None:
    assert "contents" in refused(listed({"schema": "vsearch.archive/2", "generation": 1, "members": [entry()]}))


def test_deeply_nested_contents_are_refused() -> None:
    deep = b"[" * 200_000
    info = tarfile.TarInfo("CONTENTS.json")
    info.size = len(deep)
    assert "contents" in refused(info.tobuf(tarfile.GNU_FORMAT) + deep + bytes(-len(deep) % 512))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.XHDTYPE]
)
def test_only_regular_members_are_accepted(kind: bytes) -> None:
    info = tarfile.TarInfo("catalog.sqlite")
    info.type, info.size, info.linkname = kind, 1, "/etc/passwd"
    contents = {"schema": "vsearch.archive/1", "generation": 1, "members": [entry()]}
    assert "members differ from" in refused(listed(contents, info.tobuf(tarfile.GNU_FORMAT), b"x" + bytes(511)))


def test_a_forged_size_of_the_contents_allocates_no_memory() -> None:
    info = tarfile.TarInfo("CONTENTS.json")
    info.size = 1 << 40
    assert "is not an archive" in refused(info.tobuf(tarfile.GNU_FORMAT))


def test_a_member_is_read_in_blocks() -> None:
    """The member claims a petabyte; each read still is small."""
    member = Member("catalog.sqlite", 1 << 50, checksum([b"x"]))
    head = b"".join([*_first(pack(Contents(1, (member,)), {member.name: [b"x"]}), 4), b"x"])
    source, counts = io.BytesIO(head), []

    def read(count: int) -> bytes:
        counts.append(count)
        return source.read(count)

    reader = ArchiveReader("it", read)
    with pytest.raises(ArchiveError, match="ends too early"):
        list(reader.member(reader.contents().members[0]))
    assert max(counts) <= READ_BYTES


def _first(blocks: Iterator[Data], count: int) -> list[Data]:
    return [next(blocks) for _ in range(count)]


def test_packing_refuses_a_file_that_differs_from_the_list() -> None:
    member = Member("catalog.sqlite", 1, checksum([b"x"]))
    for data in (b"y", b"", b"xx"):
        with pytest.raises(ArchiveError, match=r"checksum of catalog\.sqlite"):
            b"".join(pack(Contents(1, (member,)), {member.name: [data]}))
