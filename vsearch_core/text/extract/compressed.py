"""Decompresses single files (gzip, bzip2, xz and Zstandard)."""

import bz2
import gzip
import io
import lzma
import sys
from importlib.util import find_spec

from vsearch_core.errors import ExtractionError
from vsearch_core.text.extract.failures import damaged, too_large

_BLOCK = 1 << 20


def unpack(name: str, data: bytes, limit: int) -> bytes:
    """Decompress a file. The suffix of `name` determines the format, such as ".gz" or ".tgz".

    Raises ExtractionError if the data is damaged, if the result is larger than `limit` bytes, or if the package that
    reads Zstandard is missing.
    """
    parts: list[bytes] = []
    length = 0
    try:
        with _open(name, io.BytesIO(data)) as stream:
            while block := stream.read(_BLOCK):
                length += len(block)
                if length > limit:
                    raise too_large(name)
                parts.append(block)
    except (ExtractionError, MemoryError):
        raise
    except Exception as error:  # each module has errors of its own
        raise damaged(name, "compressed file", error) from None
    return b"".join(parts)


def _open(name: str, source: io.BytesIO) -> io.BufferedIOBase:
    suffix = name.lower().rpartition(".")[2]
    if suffix in {"gz", "tgz"}:
        return gzip.GzipFile(fileobj=source)
    if suffix in {"bz2", "tbz", "tbz2"}:
        return bz2.BZ2File(source)
    return _zstandard(name, source) if suffix in {"zst", "tzst"} else lzma.LZMAFile(source)


def _zstandard(name: str, source: io.BytesIO) -> io.BufferedIOBase:
    """Open a Zstandard stream, with Python's own module since 3.14 and with its backport before."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdFile
    elif find_spec("backports") and find_spec("backports.zstd"):
        from backports.zstd import ZstdFile
    else:
        reason = "is compressed with Zstandard, which needs backports.zstd"
        raise ExtractionError(name, reason, "extra-missing", extra="archives")
    stream: io.BufferedIOBase = ZstdFile(source)
    return stream
