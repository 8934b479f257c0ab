"""Temporary arrays in mapped files."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from vsearch_core.store import scratch
from vsearch_core.store.scratch import ScratchArrays


def test_arrays_are_zeros_and_leave_no_file(tmp_path: Path) -> None:
    make = ScratchArrays(tmp_path)
    some, other, none = make((3, 5), np.uint32), make(7, np.uint8), make((0, 4), np.uint8)
    assert (some.shape, other.shape, none.shape) == ((3, 5), (7,), (0, 4)) and some.dtype == np.uint32
    assert not some.any() and not other.any()
    some[1], other[:] = 9, 1
    assert some.sum() == 45 and other.sum() == 7
    assert not list(tmp_path.iterdir())


def test_space_is_reserved_by_writing_where_the_system_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fallocate(*_arguments: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    monkeypatch.setattr(scratch, "_BLOCK", 1000)
    assert not ScratchArrays(tmp_path)((123, 45), np.uint8).any()


def test_a_full_disk_is_an_error_before_anything_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fallocate(*_arguments: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    with pytest.raises(OSError, match="no space left"):
        ScratchArrays(tmp_path)((123, 45), np.uint8)
    assert not list(tmp_path.iterdir())
