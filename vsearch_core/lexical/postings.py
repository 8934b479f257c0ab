"""Inverted lists as plain arrays: they can be mapped from files and used in place, without a loading step."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch_core.kernels.constants import BLOCK_POSTINGS

PREFIX = "postings_"  # of the arrays' names, which share a folder with other arrays
_MAX_COUNT = 255
_ROW_BITS = 32
_BLOCK = 1 << 20  # postings at a time
_BOUNDED = BLOCK_POSTINGS << 13  # postings at a time whose bounds are found
_MAX_RATIO = 65535


# Arrays that segments of the first version lack.
_ADDED: Mapping[str, NDArray[Any]] = {
    "block_counts": np.empty(0, np.uint8),
    "block_ratios": np.empty(0, np.uint16),
    "languages": np.empty(0, np.uint8),
}

# What each array may be made of: kernels check no bounds, and numpy takes a negative row for one from the end.
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
    """Which rows hold which term how often. T terms, R rows, P postings, B bytes of vocabulary.

    Unsigned integers all: `terms` (B,) uint8, the UTF-8 of all terms in ascending order of bytes, end to end;
    `term_offsets` (T+1,) uint32 or uint64, where each starts in it; `offsets` (T+1,) uint32 or uint64, where each
    term's list starts in `rows` (P,) uint16 (where R allows) or uint32, ascending in each list, and in `counts` (P,)
    uint8, occurrences in the row, where 255 means 255 or more; `lengths` (R,) uint32, number of terms in each row.

    Of each BLOCK_POSTINGS postings, whatever lists they are of, `block_counts` uint8 is the highest count, and
    `block_ratios` uint16 the lowest length a count, rounded down. `language_codes` are those (ASCII, commas between) of
    the languages that the rows were analyzed in. These are empty in segments of the first version.
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
        """The inverse of `arrays`; other names in the mapping are left alone. No array is read or copied.

        Raises KeyError when one is missing, and ValueError for types or lengths that `build` never gives.
        """
        # asarray takes the memmap class off, whose every slice costs microseconds.
        found = {name: arrays.get(PREFIX + name, _ADDED.get(name)) for name in _STORED_NAMES.values()}
        missing = [name for name, array in found.items() if array is None]
        if missing:
            raise KeyError(PREFIX + missing[0])
        for name, array in found.items():
            if array.ndim != 1 or array.dtype.name not in _TYPES[name]:  # type: ignore[union-attr]
                raise ValueError(f"{PREFIX}{name} are of another type")
        postings = Postings(**{field: np.asarray(found[name]) for field, name in _STORED_NAMES.items()})
        if not postings._lengths_agree():
            raise ValueError("arrays of postings are not of one length")
        return postings

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Name -> array, to be stored as they are."""
        return {PREFIX + name: getattr(self, field) for field, name in _STORED_NAMES.items()}

    def lookup(self, term: str) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """The rows that hold the term, ascending, and how often each does; both empty where none does."""
        start, end = self.span(term)
        return self.rows[start:end], self.counts[start:end]

    def span(self, term: str) -> tuple[int, int]:
        """Where the term's list starts and ends in `rows` and `counts`; equal where it has none."""
        index = self._find(term.encode("utf-8", "surrogatepass"))
        return (0, 0) if index is None else (int(self.offsets[index]), int(self.offsets[index + 1]))

    def prefix_span(self, prefix: str) -> tuple[int, int]:
        """Where the lists of all terms that begin so start and end: they lie side by side."""
        wanted = prefix.encode("utf-8", "surrogatepass")
        first = self._first(lambda term: term >= wanted)
        end = self._first(lambda term: term > wanted and not term.startswith(wanted))
        return int(self.offsets[first]), int(self.offsets[end])

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the rows were analyzed in, () where that is not known."""
        text = self.language_codes.tobytes().decode("ascii", "replace")
        return tuple(code for code in text.split(",") if code)

    def find_fault(self) -> str | None:
        """What can't be so in arrays that `build` made, or None: they are sorted, in range, and agree."""
        holding = len(self.rows)
        if not (_rises(self.term_offsets, len(self.terms)) and _rises(self.offsets, holding)):
            return "offsets do not rise"
        if any(former >= latter for former, latter in pairwise(_vocabulary(self))):
            return "terms are not sorted"
        if holding and int(self.rows.max()) >= len(self.lengths):
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
        inner[starts - 1] = False  # between two lists, rows may fall
        if (np.diff(self.rows.astype(np.int64))[inner] <= 0).any() or not self.counts.all():
            return "lists are not sorted, or count nothing"
        found = np.bincount(self.rows, self.counts, len(self.lengths))
        full = np.bincount(self.rows, self.counts == _MAX_COUNT, len(self.lengths)) > 0
        if (found > self.lengths).any() or (found != self.lengths)[~full].any():
            return "rows have more or fewer terms than their lengths say"
        highest, lowest = _block_bounds(self.rows, self.counts, self.lengths)
        right = np.array_equal(highest, self.block_counts) and np.array_equal(lowest, self.block_ratios)
        if len(self.block_counts) and not right:
            return "bounds of blocks are not those of their postings"
        return None

    def _find(self, wanted: bytes) -> int | None:
        index = self._first(lambda term: term >= wanted)
        return index if index < len(self.offsets) - 1 and self._term(index) == wanted else None

    def _first(self, reached: Callable[[bytes], bool]) -> int:
        """The number of the first term for which, as for all after it, that is so; the number of terms if for none."""
        low, high = 0, len(self.offsets) - 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(self._term(middle)) else (middle + 1, high)
        return low

    def _term(self, index: int) -> bytes:
        return bytes(self.terms[int(self.term_offsets[index]) : int(self.term_offsets[index + 1])])


_STORED_NAMES = {field.name: field.name for field in fields(Postings)} | {"language_codes": "languages"}


def build(documents: Iterable[Sequence[str]], languages: Collection[str] = ()) -> Postings:
    """Postings of the documents' terms (`Analyzer.terms`), in `languages`; document number i becomes row i.

    Takes about 20 bytes of memory a term occurrence while it runs.
    """
    from array import array

    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    occurrences, lengths = array("I"), array("I")
    for terms in documents:
        occurrences.extend(map(numbers.__getitem__, terms))
        lengths.append(len(terms))
    words = sorted(numbers)  # code point order is the order of UTF-8 bytes
    rank = np.empty(len(words), np.uint64)
    rank[[numbers[word] for word in words]] = np.arange(len(words), dtype=np.uint64)
    row_lengths = np.array(lengths, np.uint32)
    keys = rank[np.array(occurrences, np.uint32)] << np.uint64(_ROW_BITS)
    keys |= np.repeat(np.arange(len(row_lengths), dtype=np.uint64), row_lengths)
    keys, counts = np.unique(keys, return_counts=True)
    return _assemble(
        [word.encode("utf-8", "surrogatepass") for word in words],
        np.bincount((keys >> np.uint64(_ROW_BITS)).astype(np.int64), minlength=len(words)),
        keys & np.uint64((1 << _ROW_BITS) - 1),
        np.minimum(counts, _MAX_COUNT).astype(np.uint8),
        row_lengths,
        languages,
    )


def merge(parts: Sequence[Postings], kept: Sequence[NDArray[np.bool_]]) -> Postings:
    """One in place of many: the rows that `kept[i]` (bool, one a row of its part) allows, in order, numbered from 0.

    Equal to building afresh from the kept documents. Beyond the result it takes about 100 MB of memory and the
    vocabularies.
    """
    vocabularies = [_vocabulary(part) for part in parts]
    words = sorted(set().union(*vocabularies))
    rank = {word: i for i, word in enumerate(words)}
    ranks = [np.array([rank[word] for word in vocabulary], np.int64) for vocabulary in vocabularies]
    totals = np.zeros(len(words), np.int64)
    for part, keep, own in zip(parts, kept, ranks, strict=True):
        for first, sizes, _, _ in _kept_lists(part, keep):
            totals[own[first : first + len(sizes)]] += sizes
    rows = np.empty(totals.sum(), np.uint32)
    counts = np.empty(len(rows), np.uint8)
    free = np.cumsum(totals) - totals  # a term: where its next posting goes. Parts come in order: no sorting
    base = 0
    for part, keep, own in zip(parts, kept, ranks, strict=True):
        for first, sizes, kept_rows, kept_counts in _kept_lists(part, keep):
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
    part: Postings, keep: NDArray[np.bool_]
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8]]]:
    """What is left of a part, some terms at a time: the first term's number, and for it and the terms after it
    the number of postings left, then all these postings' rows (renumbered from 0) and counts."""
    renumbered = (np.cumsum(keep) - 1).astype(np.uint32)
    cuts = np.searchsorted(part.offsets, np.arange(0, len(part.rows), _BLOCK))
    for first, end in pairwise(np.unique([*cuts.tolist(), len(part.offsets) - 1]).tolist()):
        offsets = part.offsets[first : end + 1].astype(np.int64)
        rows = part.rows[offsets[0] : offsets[-1]]
        chosen = keep[rows]
        seen = np.concatenate([[0], np.cumsum(chosen)])
        counts = part.counts[offsets[0] : offsets[-1]]
        yield first, np.diff(seen[offsets - offsets[0]]), renumbered[rows[chosen]], counts[chosen]


def _rises(offsets: NDArray[Any], end: int) -> bool:
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
