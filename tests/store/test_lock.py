"""The writer lock, and the file that names its holder."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsearch_core.errors import IndexLockedError
from vsearch_core.store.lock import HOLDER_FILE, LOCK_FILE, writer_lock

HOLD = """
import sys, time
from pathlib import Path
from vsearch_core.store.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_writer_is_refused_after_a_short_wait(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    with pytest.raises(IndexLockedError, match="another vsearch is writing"), writer_lock(tmp_path, wait=0.2):
        pass
    assert time.monotonic() - started >= 0.2


def test_a_killed_writer_releases_the_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with writer_lock(tmp_path, wait=0.2):
        pass


def test_the_lock_file_is_not_deleted(tmp_path: Path) -> None:
    """If it were, two processes could hold the lock: one on the old file, one on the new file."""
    with writer_lock(tmp_path):
        pass
    assert (tmp_path / LOCK_FILE).exists()


def test_the_error_names_the_holder(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(IndexLockedError) as caught, writer_lock(tmp_path, wait=0.1):
        pass
    expected = rf"another vsearch is writing to this index \(process {holder.pid} on \S+, since \d{{4}}-.*\)"
    assert re.fullmatch(expected, caught.value.reason)


@pytest.mark.parametrize("content", ["dead", "garbage", "nothing"])
def test_the_error_names_no_process_if_the_holder_is_unknown(
    tmp_path: Path, holder: subprocess.Popen[str], content: str
) -> None:
    path = tmp_path / HOLDER_FILE
    if content == "dead":
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        path.write_text(json.dumps({**json.loads(path.read_text()), "pid": ended.pid}))
    elif content == "garbage":
        path.write_text("[]")
    else:
        path.unlink()
    with pytest.raises(IndexLockedError) as caught, writer_lock(tmp_path, wait=0.1):
        pass
    assert caught.value.reason == "another vsearch is writing to this index"


def test_the_holder_file_is_deleted_and_failing_to_write_it_is_no_error(tmp_path: Path) -> None:
    with writer_lock(tmp_path):
        assert (tmp_path / HOLDER_FILE).exists()
    assert not (tmp_path / HOLDER_FILE).exists()
    (tmp_path / f"{HOLDER_FILE}.new").mkdir()
    with writer_lock(tmp_path):
        pass
