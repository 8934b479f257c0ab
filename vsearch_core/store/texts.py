"""A chunk's text as the catalog keeps it."""

import zlib
from hashlib import blake2b

TEXT_LIMIT = 1 << 26  # bytes of one chunk's text: what a forged index may make a reader unpack


def pack_text(text: str) -> bytes:
    """A chunk's text as it is stored. Lone surrogates survive."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)


def unpack_text(blob: bytes) -> str:
    """The inverse of `pack_text`. Raises zlib.error, also for a text beyond TEXT_LIMIT, and UnicodeDecodeError."""
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(blob, TEXT_LIMIT)
    if not unpacker.eof:
        raise zlib.error("it is cut short, or too long")
    return data.decode("utf-8", "surrogatepass")


def hash_text(text: str) -> int:
    """What chunks of the same text have in common: blake2b-64, as SQLite's signed integer."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
