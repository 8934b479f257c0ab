"""Segments: what is written is read back, and damage is found."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.store.segment import (
    BLOCK_BYTES,
    SEGMENTS_DIR,
    SegmentWriter,
    damaged_blocks,
    manifest_from_json,
    manifest_to_json,
    open_array,
    open_segment,
    read_about,
    recover_array,
    sweep_orphans,
    write_segment,
)

ARRAYS = {
    "vectors": np.arange(12, dtype=np.int16).reshape(3, 4),
    "ids": np.array([5, 7, 9]),
    "none": np.empty((0, 4), np.float32),
}
SETTINGS = {"fingerprint": "{}", "generation": "3"}


def file_of(index: Path, name: str, key: str) -> Path:
    return index / SEGMENTS_DIR / name / f"{key}.npy"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=hnp.arrays(
        dtype=st.sampled_from([np.float16, np.float32, np.uint8, np.uint16, np.uint32, np.int64]),
        shape=hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=20),
    )
)
def test_arrays_are_read_as_they_were_written(tmp_path: Path, array: NDArray[Any]) -> None:
    name, manifest = write_segment(tmp_path, {"a": array}, SETTINGS)
    back = open_segment(tmp_path, name, manifest_from_json(manifest_to_json(manifest)))["a"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("rows", [1, 7, 1000, 3001])
def test_the_checksums_do_not_depend_on_how_an_array_is_divided(tmp_path: Path, rows: int) -> None:
    array = np.random.default_rng(0).integers(0, 1 << 15, (3000, 17), np.int16)
    whole = write_segment(tmp_path, {"a": array}, SETTINGS)[1]["a"]
    writer = SegmentWriter(tmp_path)
    writer.add("a", array.dtype, array.shape, (array[start : start + rows] for start in range(0, len(array), rows)))
    name, manifest = writer.finish(SETTINGS)
    assert manifest["a"] == whole
    assert damaged_blocks(open_array(tmp_path, name, "a", manifest["a"]), manifest["a"]) == []


def test_files_are_plain_npy(tmp_path: Path) -> None:
    name, _ = write_segment(tmp_path, ARRAYS, SETTINGS)
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(np.load(file_of(tmp_path, name, key), allow_pickle=False), array)


def test_mapped_arrays_are_read_only(tmp_path: Path) -> None:
    name, manifest = write_segment(tmp_path, ARRAYS, SETTINGS)
    with pytest.raises(ValueError, match="read-only"):
        open_segment(tmp_path, name, manifest)["vectors"][0, 0] = 1


@pytest.mark.parametrize("damage", ["truncate", "append", "dtype", "shape"])
def test_a_file_that_differs_from_the_manifest_is_refused(tmp_path: Path, damage: str) -> None:
    name, manifest = write_segment(tmp_path, ARRAYS, SETTINGS)
    path = file_of(tmp_path, name, "vectors")
    if damage == "truncate":
        os.truncate(path, path.stat().st_size - 1)
    elif damage == "append":
        path.write_bytes(path.read_bytes() + b"x")
    else:
        other = {"dtype": np.zeros((3, 4), np.int16), "shape": np.zeros((4, 3), np.float16)}[damage]
        path.unlink()
        np.save(path, other)
    with pytest.raises(IndexCorruptError, match=r"vectors\.npy"):
        open_segment(tmp_path, name, manifest)


def test_a_forged_header_is_refused(tmp_path: Path) -> None:
    """The header claims 32 GiB; nothing of that size is allocated, for it differs from the catalog's."""
    name, manifest = write_segment(tmp_path, ARRAYS, SETTINGS)
    path = file_of(tmp_path, name, "vectors")
    forged = path.read_bytes().replace(b"(3, 4)", b"(9**9,)"[:6])
    path.write_bytes(forged)
    with pytest.raises(IndexCorruptError):
        open_segment(tmp_path, name, manifest)


def test_a_flipped_bit_in_a_small_file_is_found(tmp_path: Path) -> None:
    name, manifest = write_segment(tmp_path, ARRAYS, SETTINGS)
    path = file_of(tmp_path, name, "ids")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IndexCorruptError, match="checksum"):
        open_segment(tmp_path, name, manifest)


def test_a_missing_file_raises_file_not_found(tmp_path: Path) -> None:
    name, manifest = write_segment(tmp_path, ARRAYS, SETTINGS)
    file_of(tmp_path, name, "ids").unlink()
    with pytest.raises(FileNotFoundError):
        open_segment(tmp_path, name, manifest)


def test_sweep_deletes_only_segments_that_are_not_named(tmp_path: Path) -> None:
    kept, manifest = write_segment(tmp_path, ARRAYS, SETTINGS)
    orphan, _ = write_segment(tmp_path, ARRAYS, SETTINGS)
    foreign = tmp_path / SEGMENTS_DIR / "somebody's folder"
    foreign.mkdir()
    assert sweep_orphans(tmp_path, {kept}) == 1
    assert not (tmp_path / SEGMENTS_DIR / orphan).exists()
    assert foreign.exists()
    assert open_segment(tmp_path, kept, manifest)["ids"].tolist() == [5, 7, 9]


def test_a_mapped_array_outlives_its_file(tmp_path: Path) -> None:
    """A reader keeps its generation even after a compaction has deleted the files."""
    name, manifest = write_segment(tmp_path, ARRAYS, SETTINGS)
    arrays = open_segment(tmp_path, name, manifest)
    sweep_orphans(tmp_path, set())
    np.testing.assert_array_equal(arrays["vectors"], ARRAYS["vectors"])


def test_damaged_blocks_determine_the_lost_rows(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).integers(0, 99, (500, 100), np.int16)  # 200 bytes a row, 81.92 rows a block
    name, manifest = write_segment(tmp_path, {"a": rows}, SETTINGS)
    path = tmp_path / SEGMENTS_DIR / name / "a.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    array = open_array(tmp_path, name, "a", manifest["a"], verify=False)
    assert damaged_blocks(array, manifest["a"]) == [6]
    assert damaged_blocks(array, manifest["a"], 0, 6 * BLOCK_BYTES) == []
    assert damaged_blocks(array, manifest["a"], 99_999, 100_000) == [6]
    assert damaged_blocks(array, manifest["a"], 7, 7) == []
    path.write_bytes(data[:50_000])  # cut short
    recovered, intact = recover_array(tmp_path, name, "a", manifest["a"])
    assert intact.tolist() == [number < 3 * BLOCK_BYTES // 200 for number in range(500)]
    np.testing.assert_array_equal(recovered[intact], rows[intact])


def test_a_segment_keeps_a_copy_of_settings_and_manifest(tmp_path: Path) -> None:
    name, manifest = write_segment(tmp_path, ARRAYS, SETTINGS)
    about = read_about(tmp_path, name)
    assert about is not None
    assert about.settings == SETTINGS
    assert about.manifest == manifest
    assert manifest.keys() == {*ARRAYS, "about"}


def test_a_damaged_copy_of_settings_and_manifest_is_ignored(tmp_path: Path) -> None:
    name, _ = write_segment(tmp_path, {"ids": np.arange(3)}, SETTINGS)
    path = file_of(tmp_path, name, "about")
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        assert read_about(tmp_path, name) is None, place
        path.write_bytes(data[:place])
        assert read_about(tmp_path, name) is None, place
    path.write_bytes(data)
    assert read_about(tmp_path, name) is not None
    path.unlink()
    assert read_about(tmp_path, name) is None
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(data)
    assert read_about(tmp_path, name) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": {}, "manifest": {"../x": {}}}', "[" * 100_000])
def test_a_forged_copy_of_settings_and_manifest_is_ignored(tmp_path: Path, text: str) -> None:
    body = hashlib.blake2b(text.encode(), digest_size=16).hexdigest() + "\n" + text
    name, _ = write_segment(tmp_path, {"a": np.frombuffer(body.encode(), np.uint8)}, SETTINGS)
    file_of(tmp_path, name, "a").rename(file_of(tmp_path, name, "about"))
    assert read_about(tmp_path, name) is None
