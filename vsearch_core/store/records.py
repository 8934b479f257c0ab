"""Records: the bytes that are kept of an embedded text, its vector and the codes of its late windows."""

from typing import NamedTuple

HAS_WINDOWS = b"\x01"  # follows the vector of a text whose embedder makes late windows, even if the text has none


class Record(NamedTuple):
    """The bytes of a text's vector, and the codes of its late windows, or None if its embedder makes none."""

    vector: bytes
    windows: bytes | None

    def to_bytes(self) -> bytes:
        """Return the record as it is stored."""
        return self.vector if self.windows is None else self.vector + HAS_WINDOWS + self.windows

    @classmethod
    def from_bytes(cls, stored: bytes, vector_bytes: int) -> "Record":
        """Return a stored record, whose vector has that many bytes."""
        windows = stored[vector_bytes + 1 :] if stored[vector_bytes : vector_bytes + 1] == HAS_WINDOWS else None
        return cls(stored[:vector_bytes], windows)
