"""Segments: folders of write-once `.npy` files, named and checksummed by the catalog.

A file that a reader has mapped is never rewritten or truncated: that would be a SIGBUS in the reader.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.store.folders import make_folder, sync_folder

SEGMENTS_DIR = "segments"
CHECKED_BYTES = 1 << 20  # files up to this size are checked whole at every open: docs/adr/0006-what-opening-verifies.md
NEXT_STEP = "delete the index folder and index again"

_NAME = re.compile(r"[0-9a-f]{32}")

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ArrayEntry:
    """What the catalog knows of one file: enough to refuse any other without parsing it."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    blake2b: str


Manifest = Mapping[str, ArrayEntry]


def manifest_to_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain values."""
    return {name: asdict(entry) for name, entry in manifest.items()}


def manifest_from_json(values: Mapping[str, Any]) -> Manifest:
    """The inverse of `manifest_to_json`."""
    return {name: ArrayEntry(**{**entry, "shape": tuple(entry["shape"])}) for name, entry in values.items()}


def write_segment(index: Path, arrays: Arrays) -> tuple[str, Manifest]:
    """Write the arrays under a new name and make them durable; nothing sees them until the catalog names them.

    Returns the segment's name and its manifest. Raises OSError; what was written by then is an orphan that the next
    writer sweeps.
    """
    writer = SegmentWriter(index)
    for key, array in arrays.items():
        writer.add(key, array.dtype, array.shape, [array])
    return writer.finish()


class SegmentWriter:
    """Writes a segment's files one after the other; for arrays that are larger than what fits into memory at ease."""

    def __init__(self, index: Path) -> None:
        from uuid import uuid4

        self.name = uuid4().hex
        self._folder = index / SEGMENTS_DIR / self.name
        self._manifest: dict[str, ArrayEntry] = {}
        for path in (self._folder.parent, self._folder):
            make_folder(path)

    def add(self, key: str, dtype: np.dtype[Any], shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]) -> None:
        """Write an array that arrives in blocks of its first axis. Raises OSError."""
        self._manifest[key] = _write_array(self._folder / f"{key}.npy", dtype, shape, blocks)

    def map(self, key: str) -> NDArray[Any]:
        """An array that was added, mapped, read-only."""
        return _map_array(self._folder / f"{key}.npy", self._manifest[key])

    def finish(self) -> tuple[str, Manifest]:
        """Make the segment durable; its name and its manifest. Raises OSError."""
        sync_folder(self._folder)
        return self.name, self._manifest


def open_segment(index: Path, name: str, manifest: Manifest) -> dict[str, NDArray[Any]]:
    """Map the segment's arrays, read-only.

    Raises FileNotFoundError when a file is gone (a reader takes a new snapshot and tries again) and IndexCorruptError
    when one is not what the manifest says.
    """
    folder = index / SEGMENTS_DIR / name
    return {key: _map_array(folder / f"{key}.npy", entry) for key, entry in manifest.items()}


def file_parts(array: NDArray[Any]) -> tuple[bytes, memoryview]:
    """The bytes of the array's file: the header, and the data as they lie in memory."""
    array = np.ascontiguousarray(array)
    return _header(array.dtype, array.shape), array.reshape(-1).view(np.uint8).data


def sweep_orphans(index: Path, named: Collection[str]) -> int:
    """Delete segment folders that the catalog does not name: what a crash left. Returns how many there were."""
    from shutil import rmtree

    parent = index / SEGMENTS_DIR
    if not parent.is_dir():
        return 0
    ours = (folder for folder in parent.iterdir() if _NAME.fullmatch(folder.name))  # nothing else is ours to delete
    orphans = [folder for folder in ours if folder.name not in named]
    for folder in orphans:
        # A folder that can't be deleted now is an orphan still, and swept by the next writer.
        rmtree(folder, ignore_errors=True)
    return len(orphans)


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    buffer = BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def _write_array(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]
) -> ArrayEntry:
    # Not np.save: on a full disk it raises an OSError without an errno.
    digest = blake2b(digest_size=16)
    with path.open("xb") as file:
        parts: Iterable[bytes | memoryview] = chain([_header(dtype, shape)], map(_bytes, blocks))
        for part in parts:
            file.write(part)
            digest.update(part)
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    return ArrayEntry(dtype.str, shape, size, digest.hexdigest())


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _map_array(path: Path, entry: ArrayEntry) -> NDArray[Any]:
    dtype = np.dtype(entry.dtype)
    header = _header(dtype, entry.shape)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry.bytes or file.read(len(header)) != header:
            reason = f"has {size} bytes where the catalog says {entry.bytes}" if size != entry.bytes else "is damaged"
            raise IndexCorruptError(str(path), reason, NEXT_STEP)
        if entry.bytes <= CHECKED_BYTES:
            file.seek(0)
            if blake2b(file.read(), digest_size=16).hexdigest() != entry.blake2b:
                raise IndexCorruptError(str(path), "is damaged: its checksum differs", NEXT_STEP)
        if 0 in entry.shape:  # an empty range can't be mapped
            return np.empty(entry.shape, dtype)
        return np.memmap(file, dtype, "r", len(header), entry.shape)
