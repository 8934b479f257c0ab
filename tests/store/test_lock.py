import json
import re
import subprocess
import sys
import time
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
def holder(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_writer_is_told_after_a_short_wait(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    with pytest.raises(IndexLockedError, match="another vsearch is writing"), writer_lock(tmp_path, wait=0.2):
        pass
    assert time.monotonic() - started >= 0.2


def test_a_dead_writer_holds_nothing(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with writer_lock(tmp_path, wait=0.2):
        pass


def test_the_file_stays(tmp_path: Path) -> None:
    """Unlinking a lock file lets two processes hold "the" lock: one the old file's, one the new file's."""
    with writer_lock(tmp_path):
        pass
    assert (tmp_path / LOCK_FILE).exists()


def test_the_holder_is_named(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(IndexLockedError) as caught, writer_lock(tmp_path, wait=0.1):
        pass
    words = rf"another vsearch is writing to this index \(process {holder.pid} on \S+, since \d{{4}}-.*\)"
    assert re.fullmatch(words, caught.value.reason)


@pytest.mark.parametrize("left", ["dead", "garbage", "nothing"])
def test_nobody_is_named_whom_the_lock_does_not_belong_to(
    tmp_path: Path, holder: subprocess.Popen[str], left: str
) -> None:
    path = tmp_path / HOLDER_FILE
    if left == "dead":
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        path.write_text(json.dumps({**json.loads(path.read_text()), "pid": gone.pid}))
    elif left == "garbage":
        path.write_text("[]")
    else:
        path.unlink()
    with pytest.raises(IndexLockedError) as caught, writer_lock(tmp_path, wait=0.1):
        pass
    assert caught.value.reason == "another vsearch is writing to this index"


def test_the_holder_takes_its_name_away_and_a_disk_that_refuses_it_stops_nobody(tmp_path: Path) -> None:
    with writer_lock(tmp_path):
        assert (tmp_path / HOLDER_FILE).exists()
    assert not (tmp_path / HOLDER_FILE).exists()
    (tmp_path / f"{HOLDER_FILE}.new").mkdir()
    with writer_lock(tmp_path):
        pass
