"""The file of the server's token: what stands in its place is neither followed nor waited for nor believed."""

import os
from pathlib import Path

import pytest

from cli.serve import TOKEN_FILE, _token
from vsearch_core.errors import VsearchError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="for links, pipes and permissions of POSIX")


def test_a_new_token_is_long_private_and_kept(state_dir: Path) -> None:
    token, path = _token()
    assert path == state_dir / TOKEN_FILE and len(token) >= 43
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o077 == 0
    assert _token() == (token, path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_token_that_others_can_read_or_change_is_refused(state_dir: Path, mode: int) -> None:
    _, path = _token()
    path.chmod(mode)
    with pytest.raises(VsearchError, match="can be read by other users"):
        _token()


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\x00" * 3])
def test_a_short_token_is_refused(state_dir: Path, content: bytes) -> None:
    _, path = _token()
    path.write_bytes(content)
    with pytest.raises(VsearchError, match="has no token"):
        _token()


@pytest.mark.parametrize("target", ["elsewhere", "nowhere/at/all", "/dev/zero", "/dev/null"])
def test_a_link_is_not_followed(state_dir: Path, tmp_path: Path, target: str) -> None:
    state_dir.mkdir(parents=True, exist_ok=True)
    (tmp_path / "elsewhere").write_text("a" * 50)
    (tmp_path / "elsewhere").chmod(0o600)
    (state_dir / TOKEN_FILE).symlink_to(tmp_path / target)
    with pytest.raises(VsearchError):
        _token()
    assert (tmp_path / "elsewhere").read_text() == "a" * 50
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_is_not_waited_for(state_dir: Path) -> None:
    state_dir.mkdir(parents=True, exist_ok=True)
    os.mkfifo(state_dir / TOKEN_FILE, 0o600)
    with pytest.raises(VsearchError):
        _token()


def test_a_folder_is_named(state_dir: Path) -> None:
    (state_dir / TOKEN_FILE).mkdir(parents=True)
    with pytest.raises(VsearchError, match=TOKEN_FILE):
        _token()
