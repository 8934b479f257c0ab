"""Files in pieces, and their checksum."""

from hashlib import blake2b
from pathlib import Path

import pytest

from vsearch_core.store.pieces import PIECE, checksum, pieces


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1])
def test_the_pieces_are_the_file_and_no_larger_than_a_piece(tmp_path: Path, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    (tmp_path / "file").write_bytes(data)
    parts = list(pieces(tmp_path / "file"))
    assert b"".join(parts) == data
    assert all(0 < len(part) <= PIECE for part in parts)


def test_the_checksum_is_that_of_all_parts_together() -> None:
    assert checksum([b"some", memoryview(b" bytes")]) == blake2b(b"some bytes", digest_size=16).hexdigest()
    assert checksum([]) == blake2b(b"", digest_size=16).hexdigest()
