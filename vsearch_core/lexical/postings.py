"""Postings (the inverted index) as plain arrays. They can be mapped from files and used without loading them."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.constants import BLOCK_POSTINGS
from vsearch_core.lexical.row_terms import MAX_COUNT, RowTerms

PREFIX = "postings_"  # of the arrays' stored names
_COUNT_BITS = 8
MERGE_BLOCK = 1 << 20  # postings merged at a time
_BOUNDED = BLOCK_POSTINGS << 13  # postings whose bounds are computed at a time
_MAX_RATIO = 65535


# Arrays that segments of the first version lack, by stored name
_DEFAULTS: Mapping[str, NDArray[Any]] = {
    "block_counts": np.empty(0, np.uint8),
    "block_ratios": np.empty(0, np.uint16),
    "languages": np.empty(0, np.uint8),
}

# The types of each array. Kernels check no bounds, and numpy counts a negative row from the end.
_TYPES: Mapping[str, Collection[str]] = {
    "terms": ("uint8",),
    "term_offsets": ("uint32", "uint64"),
    "offsets": ("uint32", "uint64"),
    "rows": ("uint16", "uint32"),
    "counts": ("uint8",),
    "lengths": ("uint32",),
    "block_counts": ("uint8",),
    "block_ratios": ("uint16",),
    "languages": ("uint8",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """The number of times that each term occurs in each row: T terms, R rows, P postings, B bytes of vocabulary.

    `terms` (B,) uint8: the UTF-8 of all terms, concatenated in ascending order of bytes.
    `term_offsets` (T+1,) uint32 or uint64: where each term starts in `terms`.
    `offsets` (T+1,) uint32 or uint64: where each term's list starts in `rows` and `counts`.
    `rows` (P,) uint16 (if R allows) or uint32: the rows that contain the term, ascending in each list.
    `counts` (P,) uint8: the term's occurrences in that row; 255 means 255 or more.
    `lengths` (R,) uint32: the number of terms in each row.
    `block_counts` uint8: the highest count of each BLOCK_POSTINGS consecutive postings, across lists.
    `block_ratios` uint16: the lowest length / count of each such block, rounded down.
    `language_codes` uint8: the languages in which the rows were analyzed, in ASCII, separated by commas.

    The last three are empty in segments that were written by the first version of the format.
    """

    terms: NDArray[np.uint8]
    term_offsets: NDArray[Any]
    offsets: NDArray[Any]
    rows: NDArray[Any]
    counts: NDArray[np.uint8]
    lengths: NDArray[np.uint32]
    block_counts: NDArray[np.uint8]
    block_ratios: NDArray[np.uint16]
    language_codes: NDArray[np.uint8]

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> "Postings":
        """Return the postings that consist of stored arrays; other names in `arrays` are ignored.

        The arrays are neither read nor copied. Raises KeyError if one is missing, and ValueError if one has a type or
        length that `build` never returns.
        """
        # asarray removes the class memmap, each slice of which costs microseconds.
        found = {name: arrays.get(PREFIX + name, _DEFAULTS.get(name)) for name in _STORED_NAMES.values()}
        missing = [name for name, array in found.items() if array is None]
        if missing:
            raise KeyError(PREFIX + missing[0])
        for name, array in found.items():
            if array.ndim != 1 or array.dtype.name not in _TYPES[name]:  # type: ignore[union-attr]
                raise ValueError(f"{PREFIX}{name} has a wrong type")
        postings = Postings(**{field: np.asarray(found[name]) for field, name in _STORED_NAMES.items()})
        if not postings._lengths_agree():
            raise ValueError("arrays of postings differ in length")
        return postings

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by the names under which they are stored."""
        return {PREFIX + name: getattr(self, field) for field, name in _STORED_NAMES.items()}

    def lookup(self, term: str) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return the rows that contain the term, ascending, and the number of its occurrences in each."""
        start, end = self.span(term)
        return self.rows[start:end], self.counts[start:end]

    def span(self, term: str) -> tuple[int, int]:
        """Return the start and end of the term's list in `rows` and `counts`. They are equal if no row contains it."""
        index = self._find(term.encode("utf-8", "surrogatepass"))
        return (0, 0) if index is None else (int(self.offsets[index]), int(self.offsets[index + 1]))

    def prefix_span(self, prefix: str) -> tuple[int, int]:
        """Return the start and end, in `rows` and `counts`, of the lists of all terms that start with the prefix.

        These lists are adjacent, because terms are sorted.
        """
        wanted = prefix.encode("utf-8", "surrogatepass")
        first = self._first(lambda term: term >= wanted)
        end = self._first(lambda term: term > wanted and not term.startswith(wanted))
        return int(self.offsets[first]), int(self.offsets[end])

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages in which the rows were analyzed, or () if they are not known."""
        text = self.language_codes.tobytes().decode("ascii", "replace")
        return tuple(code for code in text.split(",") if code)

    def find_fault(self) -> str | None:
        """Check that the arrays are sorted, in range and consistent. Return a description of the fault, or None."""
        count = len(self.rows)
        if not (_is_ascending(self.term_offsets, len(self.terms)) and _is_ascending(self.offsets, count)):
            return "offsets are not ascending"
        if any(former >= latter for former, latter in pairwise(_vocabulary(self))):
            return "terms are not sorted"
        if count and int(self.rows.max()) >= len(self.lengths):
            return "rows are out of range"
        return self._fault_in_lists()

    def _lengths_agree(self) -> bool:
        blocks = len(self.block_counts)
        return (
            len(self.offsets) == len(self.term_offsets) > 0
            and len(self.counts) == len(self.rows)
            and len(self.block_ratios) == blocks
            and blocks in (0, -(-len(self.rows) // BLOCK_POSTINGS))
        )

    def _fault_in_lists(self) -> str | None:
        inner = np.ones(max(0, len(self.rows) - 1), np.bool_)
        starts = self.offsets[(self.offsets > 0) & (self.offsets < len(self.rows))].astype(np.int64)
        inner[starts - 1] = False  # between two lists, rows may descend
        if (np.diff(self.rows.astype(np.int64))[inner] <= 0).any() or not self.counts.all():
            return "lists are not sorted, or have counts of zero"
        found = np.bincount(self.rows, self.counts, len(self.lengths))
        full = np.bincount(self.rows, self.counts == MAX_COUNT, len(self.lengths)) > 0
        if (found > self.lengths).any() or (found != self.lengths)[~full].any():
            return "rows have more or fewer terms than their lengths say"
        highest, lowest = _block_bounds(self.rows, self.counts, self.lengths)
        right = np.array_equal(highest, self.block_counts) and np.array_equal(lowest, self.block_ratios)
        if len(self.block_counts) and not right:
            return "bounds of blocks differ from those of their postings"
        return None

    def _find(self, wanted: bytes) -> int | None:
        index = self._first(lambda term: term >= wanted)
        return index if index < len(self.offsets) - 1 and self._term(index) == wanted else None

    def _first(self, reached: Callable[[bytes], bool]) -> int:
        """Return the first term's number for which `reached` is true, as for all after it, or the number of terms."""
        starts, letters = self.term_offsets.data, self.terms.data  # faster than the arrays, item by item
        low, high = 0, len(self.offsets) - 1
        while low < high:
            middle = (low + high) // 2
            if reached(letters[starts[middle] : starts[middle + 1]].tobytes()):
                high = middle
            else:
                low = middle + 1
        return low

    def _term(self, index: int) -> bytes:
        return bytes(self.terms[int(self.term_offsets[index]) : int(self.term_offsets[index + 1])])


_STORED_NAMES = {field.name: field.name for field in fields(Postings)} | {"language_codes": "languages"}


def build(documents: Iterable[RowTerms], languages: Collection[str] = ()) -> Postings:
    """Build the postings of documents, each given as its counted terms; document i becomes row i.

    `languages` are the languages in which the documents were analyzed. Takes about 20 bytes of memory for each posting.
    Raises ValueError for more documents and terms than 56 bits can number together.
    """
    from array import array

    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    terms, sizes, lengths, counts = array("I"), array("I"), array("I"), bytearray()
    for document in documents:
        terms.extend(map(numbers.__getitem__, document.split()))
        sizes.append(len(document.counts))
        lengths.append(document.length)
        counts += document.counts
    words = sorted(numbers)  # code point order is the order of UTF-8 bytes
    rank = np.empty(len(words), np.uint64)
    rank[[numbers[word] for word in words]] = np.arange(len(words), dtype=np.uint64)
    row_bits = len(sizes).bit_length()
    if len(words).bit_length() + row_bits + _COUNT_BITS > 64:
        raise ValueError(f"{len(words)} terms in {len(sizes)} rows")
    # A key has the term's rank, the row and the count, so sorting keys sorts the postings.
    keys = rank[np.frombuffer(terms, np.uint32)] << np.uint64(row_bits + _COUNT_BITS)
    rows = np.repeat(np.arange(len(sizes), dtype=np.uint64), np.frombuffer(sizes, np.uint32))
    keys |= rows << np.uint64(_COUNT_BITS)
    keys |= np.frombuffer(counts, np.uint8)
    keys.sort()
    return _assemble(
        [word.encode("utf-8", "surrogatepass") for word in words],
        np.bincount((keys >> np.uint64(row_bits + _COUNT_BITS)).astype(np.int64), minlength=len(words)),
        keys >> np.uint64(_COUNT_BITS) & np.uint64((1 << row_bits) - 1),
        (keys & np.uint64(MAX_COUNT)).astype(np.uint8),
        np.array(lengths, np.uint32),
        languages,
    )


def merge(parts: Sequence[Postings], kept: Sequence[NDArray[np.bool_]], block: int = MERGE_BLOCK) -> Postings:
    """Merge the postings of several segments (`parts`), and drop the rows for which kept[i] is False.

    `kept[i]` is a mask over the rows of part i. The remaining rows are numbered from 0, in order; the result is the
    same as from `build` with these documents. In addition to the result, this takes memory for all vocabularies, and
    about 100 bytes for each of `block` postings.
    """
    vocabularies = [_vocabulary(part) for part in parts]
    words = sorted(set().union(*vocabularies))
    rank = {word: i for i, word in enumerate(words)}
    ranks = [np.array([rank[word] for word in vocabulary], np.int64) for vocabulary in vocabularies]
    totals = np.zeros(len(words), np.int64)
    for part, keep, own in zip(parts, kept, ranks, strict=True):
        for first, sizes, _, _ in _kept_lists(part, keep, block):
            totals[own[first : first + len(sizes)]] += sizes
    rows = np.empty(totals.sum(), np.uint32)
    counts = np.empty(len(rows), np.uint8)
    free = np.cumsum(totals) - totals  # where each term's next posting goes; parts come in order, so nothing is sorted
    base = 0
    for part, keep, own in zip(parts, kept, ranks, strict=True):
        for first, sizes, kept_rows, kept_counts in _kept_lists(part, keep, block):
            terms = own[first : first + len(sizes)]
            places = np.repeat(free[terms] - (np.cumsum(sizes) - sizes), sizes) + np.arange(len(kept_rows))
            rows[places], counts[places] = kept_rows + base, kept_counts
            free[terms] += sizes
        base += int(np.count_nonzero(keep))
    lengths = [part.lengths[keep] for part, keep in zip(parts, kept, strict=True)]
    alive = np.flatnonzero(totals)
    return _assemble(
        [words[i] for i in alive],
        totals[alive],
        rows,
        counts,
        np.concatenate([np.empty(0, np.uint32), *lengths]),
        {language for part in parts for language in part.languages},
    )


def _kept_lists(
    part: Postings, keep: NDArray[np.bool_], block: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8]]]:
    """Yield the kept postings of a part, those of some terms at a time.

    Yields the number of the first term; the numbers of kept postings of it and the terms after it; and all these
    postings' rows, renumbered from 0, and counts.
    """
    renumbered = (np.cumsum(keep) - 1).astype(np.uint32)
    cuts = np.searchsorted(part.offsets, np.arange(0, len(part.rows), block))
    for first, end in pairwise(np.unique([*cuts.tolist(), len(part.offsets) - 1]).tolist()):
        offsets = part.offsets[first : end + 1].astype(np.int64)
        rows = part.rows[offsets[0] : offsets[-1]]
        chosen = keep[rows]
        seen = np.concatenate([[0], np.cumsum(chosen)])
        counts = part.counts[offsets[0] : offsets[-1]]
        yield first, np.diff(seen[offsets - offsets[0]]), renumbered[rows[chosen]], counts[chosen]


def _is_ascending(offsets: NDArray[Any], end: int) -> bool:
    return int(offsets[0]) == 0 and int(offsets[-1]) == end and bool((offsets[1:] >= offsets[:-1]).all())


def _vocabulary(part: Postings) -> list[bytes]:
    text, ends = part.terms.tobytes(), part.term_offsets.tolist()
    return [text[start:end] for start, end in pairwise(ends)]


def _assemble(
    words: Sequence[bytes],
    sizes: NDArray[np.int64],
    rows: NDArray[Any],
    counts: NDArray[np.uint8],
    lengths: NDArray[np.uint32],
    languages: Collection[str],
) -> Postings:
    row_type = np.uint16 if len(lengths) <= 1 << 16 else np.uint32
    block_counts, block_ratios = _block_bounds(rows, counts, lengths)
    return Postings(
        terms=np.frombuffer(b"".join(words), np.uint8),
        term_offsets=_offsets(np.array([len(word) for word in words], np.int64)),
        offsets=_offsets(sizes),
        rows=rows.astype(row_type, copy=False),
        counts=counts,
        lengths=lengths,
        block_counts=block_counts,
        block_ratios=block_ratios,
        language_codes=np.frombuffer(",".join(sorted(languages)).encode("ascii"), np.uint8),
    )


def _block_bounds(
    rows: NDArray[Any], counts: NDArray[np.uint8], lengths: NDArray[np.uint32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    highest, lowest = [np.empty(0, np.uint8)], [np.empty(0, np.uint16)]
    for start in range(0, len(rows), _BOUNDED):
        some = slice(start, start + _BOUNDED)
        ratios = np.minimum(lengths[rows[some]] // np.maximum(counts[some], 1), _MAX_RATIO).astype(np.uint16)
        starts = np.arange(0, len(ratios), BLOCK_POSTINGS)
        highest.append(np.maximum.reduceat(counts[some], starts))
        lowest.append(np.minimum.reduceat(ratios, starts))
    return np.concatenate(highest), np.concatenate(lowest)


def _offsets(sizes: NDArray[np.int64]) -> NDArray[Any]:
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return ends.astype(np.uint32 if ends[-1] < 1 << 32 else np.uint64)
