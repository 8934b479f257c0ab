import os
from pathlib import Path

import pytest

from vsearch_core.store.folders import durable_file, make_folder, sync_file, sync_folder


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inode numbers of what has been synced."""
    inodes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: inodes.append(os.fstat(descriptor).st_ino))
    return inodes


def test_each_new_folder_is_named_durably(tmp_path: Path, synced: list[int]) -> None:
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert synced == [tmp_path.stat().st_ino, (tmp_path / "a").stat().st_ino]


def test_a_folder_that_is_there_is_synced_again(tmp_path: Path, synced: list[int]) -> None:
    """Whoever made it may have been killed before its name was synced."""
    (tmp_path / "a").mkdir()
    make_folder(tmp_path / "a")
    assert synced == [tmp_path.stat().st_ino]


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")


def test_a_folder_that_may_not_be_read_is_not_synced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    sync_folder(tmp_path)


def test_a_durable_file_is_new_whole_and_synced(tmp_path: Path, synced: list[int]) -> None:
    with durable_file(tmp_path / "file") as file:
        file.write(b"some bytes")
    assert (tmp_path / "file").read_bytes() == b"some bytes"
    assert synced == [(tmp_path / "file").stat().st_ino]
    with pytest.raises(FileExistsError), durable_file(tmp_path / "file"):
        pass


def test_a_file_that_is_there_can_be_synced(tmp_path: Path, synced: list[int]) -> None:
    (tmp_path / "file").write_bytes(b"some bytes")
    sync_file(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"some bytes"
    assert synced == [(tmp_path / "file").stat().st_ino]
