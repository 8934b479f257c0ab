"""Files and folders that are made durable, and the checksum of a file's bytes."""

import os
from hashlib import blake2b
from pathlib import Path

import pytest

from vsearch_core.store.files import (
    READ_BYTES,
    checksum,
    durable_file,
    make_folder,
    read_blocks,
    sync_file,
    sync_folder,
)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inode numbers of all synced files and folders."""
    inodes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: inodes.append(os.fstat(descriptor).st_ino))
    return inodes


def test_the_name_of_each_new_folder_is_synced(tmp_path: Path, synced: list[int]) -> None:
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert synced == [tmp_path.stat().st_ino, (tmp_path / "a").stat().st_ino]


def test_the_name_of_an_existing_folder_is_synced_again(tmp_path: Path, synced: list[int]) -> None:
    """Its creator may have been killed before the name was synced."""
    (tmp_path / "a").mkdir()
    make_folder(tmp_path / "a")
    assert synced == [tmp_path.stat().st_ino]


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")


def test_an_unreadable_folder_is_not_synced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    sync_folder(tmp_path)


def test_a_durable_file_is_new_complete_and_synced(tmp_path: Path, synced: list[int]) -> None:
    with durable_file(tmp_path / "file") as file:
        file.write(b"some bytes")
    assert (tmp_path / "file").read_bytes() == b"some bytes"
    assert synced == [(tmp_path / "file").stat().st_ino]
    with pytest.raises(FileExistsError), durable_file(tmp_path / "file"):
        pass


def test_an_existing_file_can_be_synced(tmp_path: Path, synced: list[int]) -> None:
    (tmp_path / "file").write_bytes(b"some bytes")
    sync_file(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"some bytes"
    assert synced == [(tmp_path / "file").stat().st_ino]


@pytest.mark.parametrize("size", [0, 1, READ_BYTES, READ_BYTES + 1])
def test_a_file_is_read_in_blocks_of_limited_size(tmp_path: Path, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    (tmp_path / "file").write_bytes(data)
    blocks = list(read_blocks(tmp_path / "file"))
    assert b"".join(blocks) == data
    assert all(0 < len(block) <= READ_BYTES for block in blocks)


def test_the_checksum_covers_all_blocks() -> None:
    assert checksum([b"some", memoryview(b" bytes")]) == blake2b(b"some bytes", digest_size=16).hexdigest()
    assert checksum([]) == blake2b(b"", digest_size=16).hexdigest()
