"""Write and read segments: folders of `.npy` files that are written once.

The catalog has a *manifest* of each segment, with the shape and checksums of each file. A file is never changed or
truncated, because a reader that has mapped it into memory would get a SIGBUS.
"""

import errno
import json
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vsearch_core.errors import IndexCorruptError
from vsearch_core.json_text import parse_json
from vsearch_core.own_files import delete_folder, list_folder, open_file
from vsearch_core.store.files import checksum, durable_file, make_folder, sync_folder
from vsearch_core.store.scratch import ScratchArrays

SEGMENTS_DIR = "segments"
BLOCK_BYTES = 1 << 14  # bytes of an array that share a checksum: a reader verifies only the blocks that it reads
ABOUT = "about"  # the name of the file with a segment's copy of its catalog entry: see `About`
LARGEST_ABOUT = 1 << 23  # bytes: the checksums of 16 GB of arrays
_MAX_SETTINGS = 64  # of an ABOUT file
_MAX_SETTING_LENGTH = 1 << 13  # characters
TYPES = {  # the types and numbers of axes of arrays that are read before they are checked in any other way
    "chunk_ids": ("<i8", 1),
    "file_ids": ("<i8", 1),
    "vectors": ("<i2", 2),
    "windows_stops": ("<i8", 1),
    "windows_codes": ("|u1", 2),
}
DTYPES = frozenset({"|u1", "|i1", "|b1", "<u2", "<i2", "<u4", "<i4", "<f2", "<f4", "<u8", "<i8", "<f8"})

_NAME = re.compile(r"[0-9a-f]{32}")
_HEX = re.compile(r"[0-9a-f]*")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ArrayEntry:
    """The catalog's description of one array file. Any other file is refused before it is parsed.

    `bytes` is the size of the file, and `blake2b` the hash of all its bytes. `blocks` has the CRC-32 of each
    BLOCK_BYTES bytes of the array, as 8 hexadecimal digits each.
    """

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    blake2b: str
    blocks: str

    @property
    def rows(self) -> int:
        """Return the number of rows, which is the length of the first axis."""
        return self.shape[0]


Manifest = Mapping[str, ArrayEntry]


@dataclass(frozen=True, slots=True)
class About:
    """A segment's copy of catalog data: the settings when the segment was written, and its manifest.

    Only the recovery of a damaged catalog reads it (`store.recovery`).
    """

    settings: Mapping[str, str]
    manifest: Manifest


def is_segment_name(name: str) -> bool:
    """Return True if the name is 32 hexadecimal digits, so that it can't lead out of the index."""
    return _NAME.fullmatch(name) is not None


def manifest_to_json(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest as JSON values."""
    return {name: asdict(entry) for name, entry in manifest.items()}


def manifest_from_json(values: Mapping[str, Any]) -> Manifest:
    """Return the manifest that `manifest_to_json` converted. The values are not trusted.

    Raises ValueError, TypeError, KeyError or AttributeError for invalid values, such as a name that contains a path, a
    dtype that is not in DTYPES, a type that differs from TYPES, or a shape that doesn't match the number of bytes.
    """
    manifest = {name: ArrayEntry(**{**entry, "shape": tuple(entry["shape"])}) for name, entry in values.items()}
    for name, entry in manifest.items():
        if not (_KEY.fullmatch(name) and entry.dtype in DTYPES and 1 <= len(entry.shape) <= 2):
            raise ValueError(f"array {name!r}")
        if name in TYPES and (entry.dtype, len(entry.shape)) != TYPES[name]:
            raise ValueError(f"the type of {name}")
        if not all(type(length) is int and 0 <= length < 1 << 40 for length in entry.shape):
            raise ValueError(f"the shape of {name}")
        if entry.rows > entry.bytes:  # rows without bytes: a file could claim any number of them
            raise ValueError(f"the rows of {name}")
        dtype = np.dtype(entry.dtype)
        data = math.prod(entry.shape) * dtype.itemsize
        if entry.bytes != data + len(_header(dtype, entry.shape)) or len(entry.blocks) != 8 * -(-data // BLOCK_BYTES):
            raise ValueError(f"the size of {name}")
        if not _HEX.fullmatch(entry.blocks):
            raise ValueError(f"the checksums of {name}")
    return manifest


def write_segment(index: Path, arrays: Arrays, settings: Mapping[str, str]) -> tuple[str, Manifest]:
    """Write the arrays as a new segment and make it durable. Return its name and manifest.

    `settings` are those of the catalog. Readers see the segment once the catalog lists it. Raises OSError. The next
    writer deletes unfinished files.
    """
    writer = SegmentWriter(index)
    writer.add_arrays(arrays)
    return writer.finish(settings)


class SegmentWriter:
    """Writes the arrays of a new segment in blocks, so that not even one array must fit in memory."""

    def __init__(self, index: Path) -> None:
        """Create the folder of a new segment. Raises OSError."""
        from uuid import uuid4

        self.name = uuid4().hex
        self._folder = index / SEGMENTS_DIR / self.name
        self._manifest: dict[str, ArrayEntry] = {}
        self._index = index
        if not index.is_dir():  # deleted while this run writes to it: nothing of it is made again
            raise FileNotFoundError(errno.ENOENT, "the index was deleted during this run", str(index))
        for path in (self._folder.parent, self._folder):
            make_folder(path, index)

    def add(self, key: str, dtype: np.dtype[Any], shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]) -> None:
        """Write an array named `key` from consecutive blocks of its rows. Raises OSError."""
        self._manifest[key] = _write_array(self._index, self._folder / f"{key}.npy", dtype, shape, blocks)

    def add_arrays(self, arrays: Arrays) -> None:
        """Write several arrays, given by name. Raises OSError."""
        for key, array in arrays.items():
            self.add(key, array.dtype, array.shape, [array])

    def map(self, key: str) -> NDArray[Any]:
        """Return an array that was added before, mapped into memory read-only."""
        return _map_array(self._folder / f"{key}.npy", self._manifest[key], self._index)

    def scratch(self) -> ScratchArrays:
        """Return what makes temporary arrays in the segment's folder."""
        return ScratchArrays(self._folder)

    def finish(self, settings: Mapping[str, str]) -> tuple[str, Manifest]:
        """Write the ABOUT file and make the segment durable. Return its name and manifest. Raises OSError."""
        self.add_arrays({ABOUT: _to_array(About(settings, self._manifest))})
        sync_folder(self._folder)
        return self.name, self._manifest


def open_segment(
    index: Path, name: str, manifest: Manifest, unverified: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Return the segment's arrays by name, mapped into memory read-only.

    The checksums of all arrays are verified, except for those named in `unverified`; of these, only the size and header
    are. Raises FileNotFoundError if a file is missing, which happens when a newer generation has replaced the segment,
    and IndexCorruptError if a file differs from the manifest.
    """
    return {key: open_array(index, name, key, entry, verify=key not in unverified) for key, entry in manifest.items()}


def open_array(index: Path, name: str, key: str, entry: ArrayEntry, *, verify: bool = True) -> NDArray[Any]:
    """Return one array of a segment, as `open_segment` does; its checksums are verified if `verify` is true."""
    path = index / SEGMENTS_DIR / name / f"{key}.npy"
    array = _map_array(path, entry, index)
    if verify and damaged_blocks(array, entry):
        raise IndexCorruptError(str(path), "is damaged: its checksum differs")
    return array


def damaged_blocks(array: NDArray[Any], entry: ArrayEntry, start: int = 0, stop: int | None = None) -> list[int]:
    """Return the numbers of the blocks whose checksums are wrong.

    Only blocks that contain bytes of the array from `start` to `stop` are checked.
    """
    data = _data(array)
    stop = len(data) if stop is None else stop
    first, last = start // BLOCK_BYTES, -(-stop // BLOCK_BYTES) if stop > start else 0
    kept = np.frombuffer(bytes.fromhex(entry.blocks[8 * first : 8 * last]), ">u4").tolist()
    found = (crc32(data[number * BLOCK_BYTES : (number + 1) * BLOCK_BYTES]) for number in range(first, last))
    return [number for number, crc in enumerate(found, first) if crc != kept[number - first]]


def rows_of_blocks(entry: ArrayEntry, blocks: Collection[int]) -> NDArray[np.bool_]:
    """Return a mask of the rows that have bytes in these blocks, shape (rows,)."""
    touched = np.zeros(entry.rows, np.bool_)
    row_bytes = math.prod(entry.shape[1:]) * np.dtype(entry.dtype).itemsize
    for number in blocks:
        touched[number * BLOCK_BYTES // row_bytes : -(-(number + 1) * BLOCK_BYTES // row_bytes)] = True
    return touched


def recover_array(index: Path, name: str, key: str, entry: ArrayEntry) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a damaged file. Return its array, and a mask of the rows that are intact, shape (rows,).

    Rows that are missing from the file are zero. Raises OSError.
    """
    dtype = np.dtype(entry.dtype)
    start = len(_header(dtype, entry.shape))
    try:
        with _open_inside(index / SEGMENTS_DIR / name / f"{key}.npy", index) as file:
            file.seek(start)
            data = file.read(entry.bytes - start)
    except (FileNotFoundError, NotADirectoryError, IndexCorruptError):
        return np.zeros(entry.shape, dtype), np.zeros(entry.rows, np.bool_)
    whole = np.zeros(entry.bytes - start, np.uint8)
    whole[: len(data)] = np.frombuffer(data, np.uint8)
    array = whole.view(dtype).reshape(entry.shape)
    return array, ~rows_of_blocks(entry, damaged_blocks(array, entry))


def read_about(index: Path, name: str) -> About | None:
    """Return the content of a segment's ABOUT file, or None if it is missing or damaged. Raises OSError.

    An entry for the ABOUT file itself is added to the manifest.
    """
    try:
        with _open_inside(index / SEGMENTS_DIR / name / f"{ABOUT}.npy", index) as file:
            data = file.read(LARGEST_ABOUT + 1)
    except (FileNotFoundError, NotADirectoryError, IndexCorruptError):
        return None
    array = np.frombuffer(data, np.uint8)[data.find(b"\n") + 1 :]
    header, body = file_parts(array)
    kept, _, text = bytes(body).partition(b"\n")
    if len(data) > LARGEST_ABOUT or not data.startswith(header) or kept.decode("latin-1") != checksum([text]):
        return None
    try:
        values = parse_json(text)
        manifest = manifest_from_json(values["manifest"])
        settings = {str(key): str(value) for key, value in values["settings"].items()}
        if len(settings) > _MAX_SETTINGS or max(map(len, settings.values()), default=0) > _MAX_SETTING_LENGTH:
            return None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    own = ArrayEntry(array.dtype.str, array.shape, len(data), checksum([data]), _BlockSums().of(body))
    return About(settings, {**manifest, ABOUT: own})


def _to_array(about: About) -> NDArray[np.uint8]:
    text = json.dumps({"settings": {**about.settings}, "manifest": manifest_to_json(about.manifest)}).encode()
    return np.frombuffer(checksum([text]).encode() + b"\n" + text, np.uint8)


def file_parts(array: NDArray[Any]) -> tuple[bytes, memoryview]:
    """Return the header and the data of the array's `.npy` file. Contiguous data is not copied."""
    return _header(array.dtype, array.shape), _data(array)


def segment_folders(index: Path) -> list[Path]:
    """Return the folders of all segments on disk, also of those that no catalog lists. Raises OSError."""
    parent = index / SEGMENTS_DIR
    if parent.is_symlink() or not parent.is_dir():  # the target of a link is not ours
        return []
    # Not `glob`: it returns nothing for a folder that can't be read.
    return [folder for folder in list_folder(parent, within=index) if is_segment_name(folder.name)]


def sweep_orphans(index: Path, named: Collection[str]) -> int:
    """Delete the segment folders that are not in `named`; a crash has left them. Return their number."""
    orphans = [folder for folder in segment_folders(index) if folder.name not in named]
    for folder in orphans:
        with suppress(OSError):  # a folder that can't be deleted now is left to the next writer
            delete_folder(folder, within=index)
    return len(orphans)


def _data(array: NDArray[Any]) -> memoryview:
    """Return the array's bytes in C order, copied only if they are in another order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    buffer = BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def _write_array(
    index: Path, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], blocks: Iterable[NDArray[Any]]
) -> ArrayEntry:
    # Not np.save: on a full disk it raises an OSError without an errno.
    digest, sums = blake2b(digest_size=16), _BlockSums()
    with durable_file(path, index) as file:
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
    """Computes a CRC-32 for every BLOCK_BYTES of the bytes added."""

    def __init__(self) -> None:
        self._done: list[int] = []
        self._sum = self._filled = 0

    def add(self, part: memoryview) -> None:
        """Add the bytes to the checksums."""
        start = 0
        while start < len(part):
            stop = min(len(part), start + BLOCK_BYTES - self._filled)
            self._sum = crc32(part[start:stop], self._sum)
            self._filled += stop - start
            start = stop
            if self._filled == BLOCK_BYTES:
                self._end()

    def of(self, part: memoryview) -> str:
        """Return the checksums of these bytes alone."""
        self.add(part)
        return self.finish()

    def finish(self) -> str:
        """Return all checksums, eight hexadecimal digits each. The last one may be of fewer bytes."""
        if self._filled:
            self._end()
        return "".join(f"{block:08x}" for block in self._done)

    def _end(self) -> None:
        self._done.append(self._sum)
        self._sum = self._filled = 0


def _map_array(path: Path, entry: ArrayEntry, index: Path) -> NDArray[Any]:
    dtype = np.dtype(entry.dtype)
    header = _header(dtype, entry.shape)
    with _open_inside(path, index) as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry.bytes or file.read(len(header)) != header:
            reason = f"has {size} bytes where the catalog says {entry.bytes}" if size != entry.bytes else "is damaged"
            raise IndexCorruptError(str(path), reason)
        if 0 in entry.shape:  # an empty range can't be mapped
            return np.empty(entry.shape, dtype)
        return np.memmap(file, dtype, "r", len(header), entry.shape)


def row_span(stops: NDArray[np.int64], row: int) -> tuple[int, int]:
    """Return where a row's entries begin and end, given where each row's end, (rows,)."""
    return (int(stops[row - 1]) if row else 0), int(stops[row])


def _open_inside(path: Path, index: Path) -> IO[bytes]:
    """Open a segment's file, refusing links: an index from elsewhere must not expose files outside of it."""
    try:
        return open_file(path, "rb", within=index)
    except IsADirectoryError:
        raise IndexCorruptError(str(path), "is a folder") from None
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EINVAL}:
            link = "is a symbolic link" if error.filename == str(path) else "is in a folder that is a symbolic link"
            reason = link if error.errno == errno.ELOOP else "is not a regular file of the index"
            raise IndexCorruptError(str(path), reason) from None
        raise
