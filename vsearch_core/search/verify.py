"""Verify the quotes and citations of a text against the stored texts; no model is needed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import islice
from typing import Literal, get_args
from unicodedata import normalize

import numpy as np

from vsearch_core.index.named_files import FileFinder
from vsearch_core.search.claims import Citation, Quote, find_claims
from vsearch_core.search.document_text import DocumentText
from vsearch_core.search.engine import IndexSearcher
from vsearch_core.search.quote_text import (
    QuoteChange,
    TokenizedText,
    best_alignment,
    changes,
    count_words,
    quote_pieces,
    tokenize,
)
from vsearch_core.search.stored_text import LineRange, chunks_to_read
from vsearch_core.store.catalog import CatalogReader
from vsearch_core.text.extract.registry import FORMATS, place_of

LEAST_WORDS = 4  # of a quote that is looked for without a citation: shorter ones are mostly terms or irony
LEAST_SIMILARITY = 0.6  # of an altered quote: 1 - edits / words; docs/adr/0035-verified-quotes.md has the measurement
LEAST_ALIGNED = 24  # parts of texts that a quote which is found nowhere is aligned with, at least
ALIGNED_WORDS = 600  # of the quote in all these alignments: a short quote is aligned with more parts
MOST_EXACT = 1000  # chunks with all words of a quote that are searched for it
MOST_WHOLE = 400  # chunks of a file that is read as a whole, for a citation or the pieces of a quote
_SUFFIXES = frozenset({".txt", ".log", *(suffix for row in FORMATS for suffix in row.suffixes if suffix[1:].isalpha())})
_BATCH = 32
_TEXTS_KEPT = 400

Status = Literal["supported", "altered", "misattributed", "absent", "unchecked"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class FoundText:
    """The stored text that a claim rests on, and where it stands; lines count from 1 and are inclusive.

    `index` is the folder of its index if several indexes are searched as one.
    """

    path: str
    start_line: int
    end_line: int
    start_char: int
    end_char: int
    page: int | None
    heading: str | None
    place: str | None
    text: str
    index: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A quote or a citation of the verified text, `text[start:end]`, which begins in that text's line `line`.

    `words` is what a quote quotes, or the citation itself. `found` is what the index stores instead of or as the quote;
    for a citation, the beginning of the cited lines. `similarity` is 1 - edits / words. `changes` are the differences
    of an altered quote. `reason` says in words why a claim is not supported, or not checked.
    """

    kind: Literal["quote", "citation"]
    status: Status
    words: str
    start: int
    end: int
    line: int
    cited: tuple[str, ...] = ()
    found: FoundText | None = None
    similarity: float | None = None
    changes: tuple[QuoteChange, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """The claims of a text, in order, each with its status, by one generation of the index."""

    claims: tuple[Claim, ...]
    generation: int

    @property
    def is_supported(self) -> bool:
        """True if every claim that was checked is supported."""
        return all(claim.status in {"supported", "unchecked"} for claim in self.claims)

    def count(self, status: Status) -> int:
        """Return the number of claims with a status."""
        return sum(claim.status == status for claim in self.claims)


def verify_text(searcher: IndexSearcher, finder: FileFinder, text: str) -> Verification:
    """Return the claims of a text with their status. Raises IndexCorruptError and StorageError."""
    names = _FileNames(finder)
    quotes, citations = find_claims(text, cache(names.paths_of), _SUFFIXES)
    verifier = _Verifier(searcher, finder.catalog)
    claims = [*map(verifier.check_quote, quotes), *map(verifier.check_citation, citations)]
    placed = [
        replace(claim, line=text.count("\n", 0, claim.start) + 1, words=claim.words or text[claim.start : claim.end])
        for claim in sorted(claims, key=lambda claim: claim.start)
    ]
    return Verification(tuple(placed), searcher.generation)


class _FileNames:
    """The stored paths that a cited name may mean: as typed or as a hit shows it, or the end of a path."""

    def __init__(self, finder: FileFinder) -> None:
        self._finder = finder
        self._by_name: dict[str, list[str]] = {}
        for path in finder.catalog.live_paths():
            self._by_name.setdefault(normalize("NFC", path.rpartition("/")[2]), []).append(path)

    def paths_of(self, name: str) -> tuple[str, ...]:
        composed = normalize("NFC", name)
        candidates = self._by_name.get(composed.rpartition("/")[2], ())
        if not candidates:
            return ()
        exact = self._finder.find(name)
        if exact is not None:
            return (exact,)
        ending = "/" + composed.removeprefix("./").lstrip("/")
        return tuple(path for path in candidates if ("/" + normalize("NFC", path)).endswith(ending))


@dataclass(frozen=True)
class _Passage:
    """Some consecutive chunks of a file, joined and tokenized."""

    path: str
    document: DocumentText
    tokens: TokenizedText

    def found(self, first: int, last: int) -> FoundText:
        """Return the text between two offsets, of one character at least, with its place."""
        lines = self.document.lines[self.document.line_at(first) : self.document.line_at(last - 1) + 1]
        low, high = min(line.first for line in lines), max(line.last for line in lines)
        page, heading = self.document.page_at(first), self.document.heading_at(first)
        return FoundText(
            self.path,
            low,
            high,
            self.document.char_at(first),
            self.document.char_at(last - 1) + 1,
            page,
            heading,
            place_of(self.path, page, heading, (low, high)),
            self.document.text[first:last],
        )


@dataclass(frozen=True, slots=True)
class _Match:
    """A quote in a stored text: where, how similar, and how it differs; `exact` if it doesn't."""

    found: FoundText
    similarity: float
    changes: tuple[QuoteChange, ...]
    exact: bool


class _Verifier:
    """Checks the claims of one text, and keeps the texts that it reads."""

    def __init__(self, searcher: IndexSearcher, catalog: CatalogReader) -> None:
        self._searcher = searcher
        self._chunks_of = cache(catalog.chunk_places)
        self._passage = lru_cache(_TEXTS_KEPT)(self._read_passage)
        self._sharing_words = lru_cache(2)(searcher.chunks_sharing_words)  # a quote's: all words, and some

    def check_citation(self, citation: Citation) -> Claim:
        """Return the citation with its status: supported if the index has text there."""
        claim = Claim("citation", "absent", "", citation.start, citation.end, 0, cited=citation.paths)
        if not citation.paths:
            return replace(claim, reason="no such file is in the index")
        wanted = LineRange(citation.first, citation.last, citation.page)
        for path in citation.paths:
            passage = self._passage_with(path, wanted)
            lines = [] if passage is None else passage.document.lines
            inside = [line for line in lines if wanted.includes(line.first, line.last, line.page)]
            if passage is not None and inside:
                first, last = inside[0].start, inside[-1].end
                numbers = [number for number, start in enumerate(passage.tokens.starts) if first <= start < last]
                if numbers:
                    found = passage.found(passage.tokens.starts[numbers[0]], passage.tokens.ends[numbers[-1]])
                    return replace(claim, status="supported", found=found)
        return replace(claim, reason="the index has no text at this place of it")

    def check_quote(self, quote: Quote) -> Claim:
        """Return the quote with its status."""
        pieces = quote_pieces(quote.words)
        words = count_words(pieces)
        cited = tuple(dict.fromkeys(path for citation in quote.cited for path in citation.paths))
        claim = Claim("quote", "absent", quote.words, quote.start, quote.end, 0, cited=cited)
        if not words or (words < LEAST_WORDS and not quote.cited):
            return replace(claim, status="unchecked", reason=f"it has fewer than {LEAST_WORDS} words, and no citation")
        matches = list(self._cited_matches(pieces, quote.cited))
        at_place = [match for match, is_there in matches if is_there and match.exact]
        if at_place:
            return _judged(claim, "supported", at_place[0])
        elsewhere = [match for match, _ in matches if match.exact]
        best = elsewhere[0] if elsewhere else self._exact(pieces) if words >= LEAST_WORDS else None
        if best is not None:
            status: Status = "misattributed" if quote.cited else "supported"
            return _judged(claim, status, best, "the quote stands elsewhere than cited" if quote.cited else None)
        if words < LEAST_WORDS:
            return replace(claim, reason="the cited files do not have it")
        return self._check_altered(claim, pieces, [match for match, _ in matches])

    def _check_altered(self, claim: Claim, pieces: Sequence[TokenizedText], cited: Sequence[_Match]) -> Claim:
        """Return a claim whose quote is found nowhere: altered if a cited text or another one is like it."""
        nearest = max([*cited, *self._nearest(pieces)], key=lambda match: match.similarity, default=None)
        if nearest is not None and nearest.similarity >= LEAST_SIMILARITY:
            reason = "the stored text has other words" if nearest.changes else "its pieces stand in another order"
            return _judged(claim, "altered", nearest, reason)
        if self._is_too_common(pieces):
            return replace(claim, status="unchecked", reason="its words are too common to be looked for")
        return replace(claim, reason="the index has no text like it")

    # Cited files

    def _cited_matches(
        self, pieces: Sequence[TokenizedText], citations: Iterable[Citation]
    ) -> Iterator[tuple[_Match, bool]]:
        """Yield the best matches in the cited files, and whether each stands where it is cited."""
        for citation in citations:
            wanted = LineRange(citation.first, citation.last, citation.page)
            for path in citation.paths:
                passages = [self._passage_with(path, wanted, around=sum(len(piece.text) for piece in pieces))]
                if len(self._chunks_of(path)) <= MOST_WHOLE:
                    passages.append(self._passage(path, 0, len(self._chunks_of(path))))
                for passage in passages:
                    if passage is None:
                        continue
                    for match in _exact_matches(passage, pieces):
                        yield match, _is_at(match.found, wanted)
                    if near := _nearest_match(passage, pieces):
                        yield near, False

    # Texts of the whole index

    def _exact(self, pieces: Sequence[TokenizedText]) -> _Match | None:
        """Return the first exact match in the index."""
        longest = max(pieces, key=len)
        rows = self._sharing_words(longest.text, MOST_EXACT + 1, all_words=True)[:MOST_EXACT]
        for start in range(0, len(rows), _BATCH):
            for stored in self._searcher.hydrate(rows[start : start + _BATCH]):
                if any(_occurrences(tokenize(stored.chunk.text), longest)):
                    passage = self._around(stored.path, stored.ordinal, longest)
                    for match in _exact_matches(self._for_pieces(passage, pieces), pieces):
                        return match
        for passage in self._candidates(longest):  # it may cross the border of two chunks
            if any(_occurrences(passage.tokens, longest)):
                for match in _exact_matches(self._for_pieces(passage, pieces), pieces):
                    return match
        return None

    def _nearest(self, pieces: Sequence[TokenizedText]) -> Iterator[_Match]:
        """Yield the matches in the passages that share most words with the longest piece."""
        candidates = self._candidates(max(pieces, key=len))
        passages = candidates if len(pieces) == 1 else islice(candidates, LEAST_ALIGNED)
        for passage in passages:
            if match := _nearest_match(self._for_pieces(passage, pieces), pieces):
                yield match

    def _for_pieces(self, passage: _Passage, pieces: Sequence[TokenizedText]) -> _Passage:
        """Return the whole file of a passage in which a quote of several pieces is looked for, unless it is long."""
        count = len(self._chunks_of(passage.path))
        return passage if len(pieces) == 1 or count > MOST_WHOLE else self._passage(passage.path, 0, count)

    def _candidates(self, piece: TokenizedText) -> Iterator[_Passage]:
        count = max(LEAST_ALIGNED, ALIGNED_WORDS // len(piece))
        ids = self._sharing_words(piece.text, count)
        for stored in self._searcher.hydrate(ids):
            yield self._around(stored.path, stored.ordinal, piece)

    def _is_too_common(self, pieces: Sequence[TokenizedText]) -> bool:
        """Return True if more chunks may have the quote than were searched."""
        longest = max(pieces, key=len)
        return len(self._sharing_words(longest.text, MOST_EXACT + 1, all_words=True)) > MOST_EXACT

    # Passages

    def _around(self, path: str, ordinal: int, piece: TokenizedText) -> _Passage:
        """Return a chunk with as much text on both sides as a piece that it has a part of may need."""
        places = self._chunks_of(path)
        room = 2 * len(piece.text) + 200
        low = high = ordinal
        while low > 0 and places[low - 1].end_char > places[ordinal].start_char - room:
            low -= 1
        while high + 1 < len(places) and places[high + 1].start_char < places[ordinal].end_char + room:
            high += 1
        return self._passage(path, low, high + 1)

    def _passage_with(self, path: str, wanted: LineRange, around: int = 0) -> _Passage | None:
        """Return the part of a file with the wanted lines or page; None if no chunk has them."""
        numbers = chunks_to_read(self._chunks_of(path), wanted, 1 if around else 0)
        return self._passage(path, numbers[0], numbers[-1] + 1) if numbers else None

    def _read_passage(self, path: str, low: int, high: int) -> _Passage:
        ids = np.array([place.id for place in self._chunks_of(path)[low:high]], np.int64)
        document = DocumentText([stored.chunk for stored in self._searcher.hydrate(ids)])
        return _Passage(path, document, tokenize(document.text))


def _judged(claim: Claim, status: Status, match: _Match, reason: str | None = None) -> Claim:
    return replace(
        claim,
        status=status,
        found=match.found,
        similarity=round(match.similarity, 6),
        changes=match.changes,
        reason=reason,
    )


def _is_at(found: FoundText, wanted: LineRange) -> bool:
    """Return True if a found text touches the wanted lines, or stands on the wanted page."""
    return wanted.includes(found.start_line, found.end_line, found.page)


def _occurrences(tokens: TokenizedText, piece: TokenizedText) -> Iterator[tuple[TokenizedText, int, int]]:
    """Yield where a text has a piece: the tokens that were compared, and the first and last number, exclusive.

    Words that a hyphen divides at a line's end are compared as two words and as one, in the text and in the piece.
    """
    for text in _variants(tokens):
        for wanted in _variants(piece):
            for number in text.find(wanted):
                if text.has_case_of(wanted, number):
                    yield text, number, number + len(wanted)


def _variants(tokens: TokenizedText) -> tuple[TokenizedText, ...]:
    return (tokens,) if tokens.unbroken is tokens else (tokens, tokens.unbroken)


def _exact_matches(passage: _Passage, pieces: Sequence[TokenizedText]) -> Iterator[_Match]:
    """Yield where a passage has all pieces in order, each after the one before it."""
    for text, start, end in _occurrences(passage.tokens, pieces[0]):
        after = text.ends[end - 1]
        for piece in pieces[1:]:
            following = (
                (found_text, last)
                for found_text, first, last in _occurrences(passage.tokens, piece)
                if found_text.starts[first] >= after
            )
            found = min(following, key=lambda each: each[0].ends[each[1] - 1], default=None)
            if found is None:
                break
            after = found[0].ends[found[1] - 1]
        else:
            yield _Match(passage.found(text.starts[start], after), 1.0, (), exact=True)


def _nearest_match(passage: _Passage, pieces: Sequence[TokenizedText]) -> _Match | None:
    """Return the part of the passage that is most like the quote, each piece for itself."""
    tokens = passage.tokens
    if not len(tokens):
        return None
    aligned = [(piece, best_alignment(piece, tokens)) for piece in pieces]
    filled = [(piece, found) for piece, found in aligned if found.end > found.start]
    if not filled:
        return None
    edits, words = sum(found.edits for _, found in aligned), count_words(pieces)
    differences = tuple(change for piece, found in filled for change in changes(piece, tokens, found.start, found.end))
    first = tokens.starts[min(found.start for _, found in filled)]
    last = tokens.ends[max(found.end for _, found in filled) - 1]
    return _Match(passage.found(first, last), 1 - edits / words, differences, exact=False)
