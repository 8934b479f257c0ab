"""Pack the texts of chunks into the bytes that the catalog stores, and unpack them.

Processes that read files pack the texts, so this module imports neither SQLite nor numpy.
"""

import json
import math
import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from vsearch_core.json_text import parse_json
from vsearch_core.model import Chunk, Section

TEXT_LIMIT = 5_000_000  # bytes of a chunk's text: more than the longest that the chunker makes
_SMALL_WINDOW = 13  # bits
SECTIONS_LIMIT = 16_000  # bytes of a chunk's sections: longer ones are not stored


class PackedChunk(NamedTuple):
    """A chunk as the catalog stores it: its text packed, and the hash of its text. The rest is as in `Chunk`."""

    start_char: int
    end_char: int
    start_line: int
    end_line: int
    page: int | None
    heading: str | None
    hash: int
    text: bytes


def pack_chunk(chunk: Chunk) -> PackedChunk:
    """Return the chunk as the catalog stores it."""
    return PackedChunk(
        chunk.start_char,
        chunk.end_char,
        chunk.start_line,
        chunk.end_line,
        chunk.page,
        without_surrogates(chunk.heading),
        hash_text(chunk.text),
        pack_text(chunk.text, chunk.sections),
    )


def pack_text(text: str, sections: Sequence[Section] = ()) -> bytes:
    """Return a chunk's text, compressed for the catalog, and its sections after it. Lone surrogates are preserved.

    Sections that take more than SECTIONS_LIMIT bytes are left out.
    """
    data = text.encode("utf-8", "surrogatepass")
    # A window of 8 kB finds the same in a text that is no longer; a larger one takes as long to prepare as to compress.
    packer = zlib.compressobj(6, wbits=_SMALL_WINDOW if len(data) <= 1 << _SMALL_WINDOW else zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    listed = json.dumps([[each.start_char, *each.titles] for each in sections], ensure_ascii=False)
    more = listed.encode("utf-8", "replace")
    if not sections or len(more) > SECTIONS_LIMIT:
        return packed
    packer = zlib.compressobj(6, zdict=data)  # most titles stand in the text
    return packed + packer.compress(more) + packer.flush()


def unpack_text(blob: bytes | float | str | None) -> str:
    """Return the text that `pack_text` compressed.

    Raises zlib.error if the data is damaged or the text has more than TEXT_LIMIT bytes, and ValueError if the text or
    the sections are not as `pack_text` writes them. From a damaged catalog, SQLite may read None or a number instead of
    bytes; that raises zlib.error, too.
    """
    return TextUnpacker(None).unpack(blob)[0]


class TextUnpacker:
    """Unpacks chunks' texts that may have `most_bytes` together; None is no limit. Each may have TEXT_LIMIT bytes."""

    def __init__(self, most_bytes: int | None) -> None:
        """Start with none of the bytes used."""
        self._left = math.inf if most_bytes is None else most_bytes

    def unpack(self, blob: bytes | float | str | None) -> tuple[str, tuple[Section, ...]]:
        """Return the text and the sections. Raises the errors of `unpack_text`."""
        if not isinstance(blob, bytes):
            raise zlib.error(f"it is read as {type(blob).__name__}, not as bytes")
        data, more = self._decompress(blob, TEXT_LIMIT)
        sections = self._decompress(more, SECTIONS_LIMIT, data)[0] if more else b"[]"
        return data.decode("utf-8", "surrogatepass"), _sections(sections.decode())

    def _decompress(self, blob: bytes, limit: int, dictionary: bytes = b"") -> tuple[bytes, bytes]:
        """Return what was compressed, which may have `limit` bytes, and the bytes after it."""
        most_bytes = int(min(limit, self._left))
        unpacker = zlib.decompressobj(zdict=dictionary)
        data = unpacker.decompress(blob, most_bytes + 1)  # 0 would mean no limit
        if not unpacker.eof or len(data) > most_bytes:
            raise zlib.error("it is cut short, or too long")
        self._left -= len(data)
        return data, unpacker.unused_data


def _sections(listed: str) -> tuple[Section, ...]:
    """Return the sections that `pack_text` listed as JSON. Raises ValueError for anything else."""
    sections = []
    values = parse_json(listed)
    for value in values if isinstance(values, list) else [values]:
        if not isinstance(value, list) or not value:
            raise ValueError("its sections are not as they were written")
        start, *titles = value
        if type(start) is not int or not all(isinstance(title, str) for title in titles):
            raise ValueError("its sections are not as they were written")
        sections.append(Section(start, tuple(titles)))
    return tuple(sections)


def equal_texts(one: bytes, other: bytes) -> bool:
    """Return True if two packed texts are equal, whatever sections they have. A damaged text equals none."""
    try:
        return unpack_text(one) == unpack_text(other)
    except (zlib.error, ValueError):
        return False


def hash_text(text: str) -> int:
    """Return the blake2b-64 hash of a chunk's text as a signed integer, as SQLite stores it."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def without_surrogates(text: str | None) -> str | None:
    """Replace lone surrogates, which damaged documents have and SQLite's TEXT can't hold."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
