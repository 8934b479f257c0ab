"""Segments: folders of write-once `.npy` files, named and checksummed by the catalog.

A file that a reader has mapped is never rewritten or truncated: that would be a SIGBUS in the reader.
"""

import errno
import json
import math
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.store.folders import durable_file, make_folder, sync_folder
from vsearch_core.store.pieces import checksum

SEGMENTS_DIR = "segments"
BLOCK_BYTES = 1 << 14  # of an array have a checksum of their own, so that a reader can verify just what it reads
ABOUT = "about"  # the file in which a segment says of itself what the catalog says of it: see `About`
LARGEST_ABOUT = 1 << 23  # bytes: the checksums of 16 GB of arrays
_MOST_SETTINGS = 64  # in it
_LONGEST_SETTING = 1 << 13  # characters
DTYPES = frozenset({"|u1", "|i1", "|b1", "<u2", "<i2", "<u4", "<i4", "<f2", "<f4", "<u8", "<i8", "<f8"})

_NAME = re.compile(r"[0-9a-f]{32}")
_HEX = re.compile(r"[0-9a-f]*")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ArrayEntry:
    """What the catalog knows of one file: enough to refuse any other without parsing it.

    `blake2b` is of the whole file, `blocks` the CRC-32 of each BLOCK_BYTES of the array, 8 hexadecimal digits each.
    """

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    blake2b: str
    blocks: str

    @property
    def rows(self) -> int:
        """The length of the first axis."""
        return self.shape[0]


Manifest = Mapping[str, ArrayEntry]


@dataclass(frozen=True, slots=True)
class About:
    """What a segment says of itself: the catalog's settings when it was written, and its files.

    Only a catalog that has lost this asks for it: see `store.salvage`.
    """

    settings: Mapping[str, str]
    manifest: Manifest


def is_segment_name(name: str) -> bool:
    """Whether it can be a segment's folder: nothing that leads elsewhere."""
    return _NAME.fullmatch(name) is not None


def manifest_to_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as plain values."""
    return {name: asdict(entry) for name, entry in manifest.items()}


def manifest_from_json(values: Mapping[str, Any]) -> Manifest:
    """The inverse of `manifest_to_json`, for values that are not trusted.

    Raises ValueError, TypeError, KeyError or AttributeError for what can't be a manifest: a name that leads elsewhere,
    a type that is no number, a shape that its bytes do not have.
    """
    manifest = {name: ArrayEntry(**{**entry, "shape": tuple(entry["shape"])}) for name, entry in values.items()}
    for name, entry in manifest.items():
        if not (_KEY.fullmatch(name) and entry.dtype in DTYPES and 1 <= len(entry.shape) <= 2):
            raise ValueError(f"array {name!r}")
        if not all(type(length) is int and 0 <= length < 1 << 40 for length in entry.shape):
            raise ValueError(f"the shape of {name}")
        if entry.rows > entry.bytes:  # rows that take no bytes: there could be any number of them
            raise ValueError(f"the rows of {name}")
        dtype = np.dtype(entry.dtype)
        data = math.prod(entry.shape) * dtype.itemsize
        if entry.bytes != data + len(_header(dtype, entry.shape)) or len(entry.blocks) != 8 * -(-data // BLOCK_BYTES):
            raise ValueError(f"the size of {name}")
        if not _HEX.fullmatch(entry.blocks):
            raise ValueError(f"the checksums of {name}")
    return manifest


def write_segment(index: Path, arrays: Arrays, settings: Mapping[str, str]) -> tuple[str, Manifest]:
    """Write the arrays under a new name and make them durable; nothing sees them until the catalog names them.

    `settings` are the catalog's. Returns the segment's name and its manifest. Raises OSError; what was written by then
    is an orphan that the next writer sweeps.
    """
    writer = SegmentWriter(index)
    writer.add_arrays(arrays)
    return writer.finish(settings)


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

    def add_arrays(self, arrays: Arrays) -> None:
        """Write arrays as they are. Raises OSError."""
        for key, array in arrays.items():
            self.add(key, array.dtype, array.shape, [array])

    def map(self, key: str) -> NDArray[Any]:
        """An array that was added, mapped, read-only."""
        return _map_array(self._folder / f"{key}.npy", self._manifest[key])

    def finish(self, settings: Mapping[str, str]) -> tuple[str, Manifest]:
        """Let the segment say of itself what it is, and make it durable; its name and its manifest. Raises OSError."""
        self.add_arrays({ABOUT: _to_array(About(settings, self._manifest))})
        sync_folder(self._folder)
        return self.name, self._manifest


def open_segment(
    index: Path, name: str, manifest: Manifest, unverified: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Map the segment's arrays, read-only; those named in `unverified` are compared in size and header only.

    Raises FileNotFoundError when a file is gone (a reader takes a new snapshot and tries again) and IndexCorruptError
    when one is not what the manifest says.
    """
    return {key: open_array(index, name, key, entry, verify=key not in unverified) for key, entry in manifest.items()}


def open_array(index: Path, name: str, key: str, entry: ArrayEntry, *, verify: bool = True) -> NDArray[Any]:
    """Map one of a segment's arrays; as `open_segment`."""
    path = index / SEGMENTS_DIR / name / f"{key}.npy"
    array = _map_array(path, entry)
    if verify and damaged_blocks(array, entry):
        raise IndexCorruptError(str(path), "is damaged: its checksum differs")
    return array


def damaged_blocks(array: NDArray[Any], entry: ArrayEntry, start: int = 0, stop: int | None = None) -> list[int]:
    """The numbers of the blocks that are not what was written, of those that hold bytes `start` to `stop`."""
    data = _data(array)
    stop = len(data) if stop is None else stop
    first, last = start // BLOCK_BYTES, -(-stop // BLOCK_BYTES) if stop > start else 0
    kept = np.frombuffer(bytes.fromhex(entry.blocks[8 * first : 8 * last]), ">u4").tolist()
    found = (crc32(data[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES]) for number in range(first, last))
    return [number for number, crc in enumerate(found, first) if crc != kept[number - first]]


def rows_of_blocks(entry: ArrayEntry, blocks: Collection[int]) -> NDArray[np.bool_]:
    """Which rows of the array lie in the blocks, in part or whole, shape (rows,)."""
    touched = np.zeros(entry.rows, np.bool_)
    row_bytes = math.prod(entry.shape[1:]) * np.dtype(entry.dtype).itemsize
    for number in blocks:
        touched[number * BLOCK_BYTES // row_bytes : -(-(number + 1) * BLOCK_BYTES // row_bytes)] = True
    return touched


def salvage_array(index: Path, name: str, key: str, entry: ArrayEntry) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """What a damaged file still gives: the array in memory, and which of its rows are what was written.

    Rows of a file that is gone or cut short are zero. Raises OSError.
    """
    dtype = np.dtype(entry.dtype)
    start = len(_header(dtype, entry.shape))
    try:
        with _open_inside(index / SEGMENTS_DIR / name / f"{key}.npy") as file:
            file.seek(start)
            data = file.read(entry.bytes - start)
    except (FileNotFoundError, NotADirectoryError, IndexCorruptError):
        return np.zeros(entry.shape, dtype), np.zeros(entry.rows, np.bool_)
    whole = np.zeros(entry.bytes - start, np.uint8)
    whole[: len(data)] = np.frombuffer(data, np.uint8)
    array = whole.view(dtype).reshape(entry.shape)
    return array, ~rows_of_blocks(entry, damaged_blocks(array, entry))


def read_about(index: Path, name: str) -> About | None:
    """What a segment says of itself, its file ABOUT included; None where that is gone or damaged. Raises OSError."""
    try:
        with _open_inside(index / SEGMENTS_DIR / name / f"{ABOUT}.npy") as file:
            data = file.read(LARGEST_ABOUT + 1)
    except (FileNotFoundError, NotADirectoryError, IndexCorruptError):
        return None
    array = np.frombuffer(data, np.uint8)[data.find(b"\n") + 1 :]
    header, body = file_parts(array)
    kept, _, text = bytes(body).partition(b"\n")
    if len(data) > LARGEST_ABOUT or not data.startswith(header) or kept.decode("latin-1") != checksum([text]):
        return None
    try:
        values = json.loads(text)
        manifest = manifest_from_json(values["manifest"])
        settings = {str(key): str(value) for key, value in values["settings"].items()}
        if len(settings) > _MOST_SETTINGS or max(map(len, settings.values()), default=0) > _LONGEST_SETTING:
            return None
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None
    own = ArrayEntry(array.dtype.str, array.shape, len(data), checksum([data]), _BlockSums().of(body))
    return About(settings, {**manifest, ABOUT: own})


def _to_array(about: About) -> NDArray[np.uint8]:
    text = json.dumps({"settings": {**about.settings}, "manifest": manifest_to_json(about.manifest)}).encode()
    return np.frombuffer(checksum([text]).encode() + b"\n" + text, np.uint8)


def file_parts(array: NDArray[Any]) -> tuple[bytes, memoryview]:
    """The bytes of the array's file: the header, and the data as they lie in memory."""
    return _header(array.dtype, array.shape), _data(array)


def segment_folders(index: Path) -> list[Path]:
    """The folders of all segments that are there, named by the catalog or not; nothing else in there is ours.

    Raises OSError: not `glob`, which takes a folder that may not be read for an empty one.
    """
    parent = index / SEGMENTS_DIR
    if parent.is_symlink() or not parent.is_dir():  # what a link leads to is not ours
        return []
    return sorted(folder for folder in parent.iterdir() if is_segment_name(folder.name))


def sweep_orphans(index: Path, named: Collection[str]) -> int:
    """Delete segment folders that the catalog does not name: what a crash left. Returns how many there were."""
    from shutil import rmtree

    orphans = [folder for folder in segment_folders(index) if folder.name not in named]
    for folder in orphans:
        # A folder that can't be deleted now is an orphan still, and swept by the next writer.
        rmtree(folder, ignore_errors=True)
    return len(orphans)


def _data(array: NDArray[Any]) -> memoryview:
    """The array's bytes in C order, copied only where they do not lie so."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    buffer = BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def _write_array(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]
) -> ArrayEntry:
    # Not np.save: on a full disk it raises an OSError without an errno.
    digest, sums = blake2b(digest_size=16), _BlockSums()
    with durable_file(path) as file:
        header = _header(dtype, shape)
        file.write(header)
        digest.update(header)
        for block in blocks:
            part = _data(block)
            sums.add(part)
            file.write(part)
            digest.update(part)
        size = file.tell()
    return ArrayEntry(dtype.str, shape, size, digest.hexdigest(), sums.finish())


class _BlockSums:
    """A CRC-32 for every BLOCK_BYTES of what is added, whatever the pieces."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._sum = self._filled = 0

    def add(self, part: memoryview) -> None:
        """Go on with these bytes."""
        start = 0
        while start < len(part):
            stop = min(len(part), start + BLOCK_BYTES - self._filled)
            self._sum = crc32(part[start:stop], self._sum)
            self._filled += stop - start
            start = stop
            if self._filled == BLOCK_BYTES:
                self._end()

    def of(self, part: memoryview) -> str:
        """The sums of these bytes alone."""
        self.add(part)
        return self.finish()

    def finish(self) -> str:
        """All sums, eight hexadecimal digits each; the last may be of fewer bytes."""
        if self._filled:
            self._end()
        return "".join(f"{block:08x}" for block in self._done)

    def _end(self) -> None:
        self._done.append(self._sum)
        self._sum = self._filled = 0


def _map_array(path: Path, entry: ArrayEntry) -> NDArray[Any]:
    dtype = np.dtype(entry.dtype)
    header = _header(dtype, entry.shape)
    with _open_inside(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry.bytes or file.read(len(header)) != header:
            reason = f"has {size} bytes where the catalog says {entry.bytes}" if size != entry.bytes else "is damaged"
            raise IndexCorruptError(str(path), reason)
        if 0 in entry.shape:  # an empty range can't be mapped
            return np.empty(entry.shape, dtype)
        return np.memmap(file, dtype, "r", len(header), entry.shape)


def _open_inside(path: Path) -> BinaryIO:
    """Open a segment's file, which is no link: an index from elsewhere must not show what lies beside it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
        elsewhere = path.parent.is_symlink() or path.parent.parent.is_symlink()
        if elsewhere or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise IndexCorruptError(str(path), "is no file, or lies elsewhere")
    except IsADirectoryError:
        raise IndexCorruptError(str(path), "is a folder") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise IndexCorruptError(str(path), "is a symbolic link") from None
        raise
    return file
