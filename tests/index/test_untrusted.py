"""A forged index runs no code, reads nothing outside itself, and allocates no absurd amount of memory."""

import json
import os
import resource
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import answers, build
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError, VsearchError
from vsearch_core.index.check import check_index
from vsearch_core.index.compaction import compact_index
from vsearch_core.store.catalog import Catalog
from vsearch_core.store.connections import connect
from vsearch_core.store.segment import (
    SEGMENTS_DIR,
    is_segment_name,
    manifest_to_json,
    open_segment,
    write_segment,
)
from vsearch_core.store.texts import TEXT_LIMIT

MEMORY = 4 << 30  # bytes of address space: libraries map much, but forged headers ask for more


@pytest.fixture(scope="module")
def intact_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("untrusted") / "project")


@pytest.fixture
def index(intact_index: Path, tmp_path: Path) -> Iterator[Path]:
    """Return a copy to forge; memory is limited, so that an absurd allocation fails."""
    former = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, former[1]))
    yield Path(shutil.copytree(intact_index, tmp_path / ".vsearch"))
    resource.setrlimit(resource.RLIMIT_AS, former)


def forge(index: Path, statement: str, *values: object) -> None:
    """Change the catalog, with correct checksums, as an attacker would."""
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        catalog.connection.execute(statement, values)


def forge_manifest(index: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with closing(Catalog.open_to_write(index)) as catalog, catalog.transaction():
        rows = catalog.connection.execute("SELECT id, manifest FROM segments").fetchall()
        manifest = json.loads(rows[0][1])
        change(manifest)
        catalog.connection.execute("UPDATE segments SET manifest = ? WHERE id = ?", (json.dumps(manifest), rows[0][0]))


def is_refused(index: Path) -> None:
    with pytest.raises(IndexCorruptError):
        answers(index)
    assert check_index(index).faults
    assert check_index(index, full=True).faults


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", "", ".", "A" * 32, "0" * 32 + "\n"])
def test_segment_names_cannot_leave_the_index(index: Path, name: str) -> None:
    assert not is_segment_name(name)
    forge(index, "UPDATE segments SET name = ?", name)
    is_refused(index)


MANIFESTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a name that leads out": lambda m: m.update({"../../vectors": m["vectors"]}),
    "an absolute name": lambda m: m.update({"/etc/passwd": m["vectors"]}),
    "pickled objects": lambda m: m["vectors"].update(dtype="|O"),
    "a structure": lambda m: m["vectors"].update(dtype=[["a", "<i2"]]),
    "a shape without a file": lambda m: m["vectors"].update(shape=[1 << 39, 1 << 39]),
    "a forged size": lambda m: m["chunk_ids"].update(shape=[1 << 33], bytes=(1 << 36) + 128),
    "a negative shape": lambda m: m["vectors"].update(shape=[-1, 24]),
    "no shape": lambda m: m["vectors"].update(shape=[]),
    "a shape of text": lambda m: m["vectors"].update(shape="12"),
    "an unknown key": lambda m: m["vectors"].update(extra=1),
    "a missing array": lambda m: m.pop("postings_terms"),
    "missing ids": lambda m: m.pop("chunk_ids"),
    "other checksums": lambda m: m["vectors"].update(blocks="x" * len(m["vectors"]["blocks"])),
    "checksums that are blank": lambda m: m["vectors"].update(blocks=" " * len(m["vectors"]["blocks"])),
}


@pytest.mark.parametrize("change", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_forged_manifests_are_refused(index: Path, change: Callable[[dict[str, Any]], object]) -> None:
    forge_manifest(index, change)
    is_refused(index)


@pytest.mark.parametrize("manifest", ["[" * 100_000, "[]", "null", "{", '{"vectors": 3}', '{"chunk_ids": {}}'])
def test_malformed_manifests_are_refused(index: Path, manifest: str) -> None:
    forge(index, "UPDATE segments SET manifest = ?", manifest)
    is_refused(index)


@pytest.mark.parametrize("rows", [1 << 62, -1, 0])
def test_forged_row_counts_are_refused(index: Path, rows: int) -> None:
    forge(index, "UPDATE segments SET rows = ?", rows)
    is_refused(index)


def test_arrays_of_zero_byte_rows_are_refused(index: Path) -> None:
    """Nothing confirms their number, and one boolean a row would fill the memory."""
    with closing(Catalog.open_to_read(index)) as catalog:
        forged = catalog.segments()[0]
    nothing = np.empty((1 << 36, 0), np.int64)
    name, manifest = write_segment(index, {"chunk_ids": nothing, "file_ids": nothing}, {})
    for key in manifest:
        (index / SEGMENTS_DIR / name / f"{key}.npy").replace(index / SEGMENTS_DIR / forged.name / f"{key}.npy")
    forge_manifest(index, lambda values: values.update(manifest_to_json(manifest)))
    forge(index, "UPDATE segments SET rows = ?, dead = NULL WHERE id = ?", len(nothing), forged.id)
    is_refused(index)


POSTINGS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "postings_rows": lambda rows: rows.astype(np.int32) - 5,
    "postings_lengths": lambda lengths: np.concatenate([lengths, lengths]),
    "postings_block_counts": lambda counts: counts[:-1],
    "postings_offsets": lambda offsets: offsets[:1],
}


@pytest.mark.parametrize(("key", "change"), POSTINGS.items())
def test_out_of_range_postings_are_refused(
    index: Path, key: str, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    with closing(Catalog.open_to_read(index)) as catalog:
        record = catalog.segments()[0]
        arrays = {name: np.array(array) for name, array in open_segment(index, record.name, record.manifest).items()}
    del arrays["about"]
    name, manifest = write_segment(index, {**arrays, key: change(arrays[key])}, {})
    forge(
        index,
        "UPDATE segments SET name = ?, manifest = ? WHERE id = ?",
        *(name, json.dumps(manifest_to_json(manifest)), record.id),
    )
    with pytest.raises(IndexCorruptError):
        answers(index)
    assert check_index(index, full=True).faults
    with pytest.raises(IndexCorruptError):
        compact_index(index)


def test_tombstones_of_the_wrong_length_are_refused(index: Path) -> None:
    forge(index, "UPDATE segments SET dead = zeroblob(100000)")
    is_refused(index)


@pytest.mark.parametrize("value", ["{}", "[" * 100_000, "null", '{"provider": 1}'])
def test_a_forged_fingerprint_is_refused(index: Path, value: str) -> None:
    forge(index, "UPDATE settings SET value = ? WHERE key = 'fingerprint'", value)
    is_refused(index)


def test_a_decompression_bomb_in_a_text_is_refused(index: Path) -> None:
    forge(index, "UPDATE chunks SET text = ?", zlib.compress(bytes(TEXT_LIMIT + 1)))
    with pytest.raises(IndexCorruptError, match=r"too long"):
        answers(index)
    assert any("unpacked" in fault.reason for fault in check_index(index, full=True).faults)


def test_links_and_pipes_are_not_followed(index: Path, tmp_path: Path) -> None:
    folder = next((index / SEGMENTS_DIR).iterdir())
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    is_refused(index)
    folder.unlink()
    (tmp_path / "outside").rename(folder)
    (folder / "vectors.npy").unlink()
    os.mkfifo(folder / "vectors.npy")
    is_refused(index)


def test_a_schema_cannot_call_our_sql_functions(index: Path) -> None:
    with closing(connect(index, "rw")) as connection:
        connection.execute("CREATE VIEW v AS SELECT row_crc(1)")
    with pytest.raises(VsearchError):
        answers(index)
