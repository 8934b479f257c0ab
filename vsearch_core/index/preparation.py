"""Read a file and prepare all that an index stores of it: packed chunks and their terms.

Processes that read files call this, so that texts are packed and analyzed on all cores. It imports neither SQLite nor
numpy, which would take memory in each process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import starmap

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.row_terms import RowTerms
from vsearch_core.model import KeywordFields
from vsearch_core.store.texts import PackedChunk, pack_chunk, without_surrogates
from vsearch_core.text.chunk import ChunkOptions
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.files import FileRead, FileToRead
from vsearch_core.text.reading import read

PREPARE = f"{__name__}:prepare"
MOST_BYTES = 100_000_000  # of the terms that wait for a commit


@dataclass(frozen=True, slots=True)
class ChunkTerms:
    """The counted terms of a chunk, and the language in which it was analyzed."""

    terms: RowTerms
    language: str


@dataclass(frozen=True, slots=True)
class PreparedFile(FileRead):
    """The result of reading a file whose chunks were packed and analyzed; `chunks` is empty.

    Attributes:
        packed: The chunks, as the catalog stores them.
        terms: The terms of each chunk.
    """

    packed: tuple[PackedChunk, ...] = ()
    terms: tuple[ChunkTerms, ...] = ()

    @property
    def memory(self) -> int:
        """Return the approximate number of bytes that the packed texts, the terms and the pixels take."""
        terms = sum(2 * len(each.terms.terms) for each in self.terms)
        return terms + sum(len(chunk.text) for chunk in self.packed) + self.pixel_bytes


class TermStore:
    """The terms of staged chunks, by chunk id, until a commit writes their postings.

    It keeps at most MOST_BYTES of terms. A commit analyzes the texts of other chunks again.
    """

    def __init__(self) -> None:
        """Create an empty store."""
        self._terms: dict[int, ChunkTerms] = {}
        self._left = MOST_BYTES

    def put(self, chunk_ids: Sequence[int], terms: Sequence[ChunkTerms]) -> None:
        """Keep the terms of chunks, if there is room for those of all."""
        size = sum(len(each.terms.terms) for each in terms)
        if size <= self._left:
            self._left -= size
            self._terms.update(zip(chunk_ids, terms, strict=True))

    def get(self, chunk_id: int) -> ChunkTerms | None:
        """Return the terms of a chunk, or None if they are not kept."""
        return self._terms.get(chunk_id)

    def drop(self, chunk_ids: Sequence[int]) -> None:
        """Forget the terms of these chunks."""
        for chunk_id in chunk_ids:
            dropped = self._terms.pop(chunk_id, None)
            self._left += 0 if dropped is None else len(dropped.terms.terms)


def prepare(file: FileToRead, chunking: ChunkOptions, options: ExtractOptions, analysis: str) -> FileRead:
    """Read a file as `text.reading.read` does, then pack and analyze its chunks.

    `analysis` is the signature of an `Analysis`. Raises what `read` raises.
    """
    result = read(file, chunking, options)
    if result.chunks is None:
        return result
    title, declared = without_surrogates(result.title), without_surrogates(result.language)
    packed = tuple(map(pack_chunk, result.chunks))
    fields = [
        KeywordFields(chunk.text, file.stored, title, stored.heading, declared)
        for chunk, stored in zip(result.chunks, packed, strict=True)
    ]
    return PreparedFile(
        result.digest,
        (),
        result.title,
        result.language,
        result.metadata,
        result.left_out,
        result.boxes,
        result.picture,
        result.figures,
        packed,
        analyzed(_analysis(analysis), fields),
    )


def analyzed(analysis: Analysis, fields: Sequence[KeywordFields]) -> tuple[ChunkTerms, ...]:
    """Return the terms of all chunks of a file, in order."""
    return tuple(starmap(ChunkTerms, analysis.counted_terms(fields)))


@cache
def _analysis(signature: str) -> Analysis:
    """Return the analysis, with the words that it has met: it is kept for all files that a process reads."""
    return Analysis.from_signature(signature)
