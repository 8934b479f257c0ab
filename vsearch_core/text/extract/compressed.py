"""Decompresses single files (gzip, bzip2 and xz)."""

import bz2
import gzip
import io
import lzma
import zlib

from vsearch_core.text.extract.failures import damaged, too_large

_BLOCK = 1 << 20


def unpack(name: str, data: bytes, limit: int) -> bytes:
    """Decompress a file. The suffix of `name` determines the format: ".gz", ".bz2", or else xz.

    Raises ExtractionError if the data is damaged, or if the result is larger than `limit` bytes.
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
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise damaged(name, "compressed file", error) from None
    return b"".join(parts)


def _open(name: str, source: io.BytesIO) -> io.BufferedIOBase:
    if name.lower().endswith(".gz"):
        return gzip.GzipFile(fileobj=source)
    return bz2.BZ2File(source) if name.lower().endswith(".bz2") else lzma.LZMAFile(source)
