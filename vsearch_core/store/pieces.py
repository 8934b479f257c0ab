"""The bytes of a file, some at a time, and their checksum."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

PIECE = 1 << 20  # bytes held in memory at a time

Piece = bytes | memoryview


def pieces(path: Path) -> Iterator[bytes]:
    """The file's bytes, PIECE at a time. Raises OSError."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def checksum(parts: Iterable[Piece]) -> str:
    """blake2b-128, as in the catalog."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
