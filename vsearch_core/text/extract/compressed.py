"""Single files behind gzip, bzip2 or xz, unpacked within bounds."""

import bz2
import gzip
import io
import lzma
import zlib

from vsearch_core.text.extract.limits import MAX_UNPACKED, damaged, too_large

_BLOCK = 1 << 20


def expand(name: str, data: bytes) -> bytes:
    """The bytes within. Raises ExtractionError for what is damaged, or grows beyond MAX_UNPACKED."""
    parts: list[bytes] = []
    length = 0
    try:
        with _open(name, io.BytesIO(data)) as stream:
            while block := stream.read(_BLOCK):
                length += len(block)
                if length > MAX_UNPACKED:
                    raise too_large(name)
                parts.append(block)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise damaged(name, "compressed file", error) from None
    return b"".join(parts)


def _open(name: str, source: io.BytesIO) -> io.BufferedIOBase:
    if name.lower().endswith(".gz"):
        return gzip.GzipFile(fileobj=source)
    return bz2.BZ2File(source) if name.lower().endswith(".bz2") else lzma.LZMAFile(source)
