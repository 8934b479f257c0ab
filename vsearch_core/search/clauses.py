"""Evaluate the clauses of a query ("phrases", +required, -excluded, prefix*) over all rows, before the search."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vsearch_core.index.snapshot import SearchedSnapshot
from vsearch_core.lexical.analyzer import Analyzer, tokenize
from vsearch_core.lexical.characters import fold_case, normalize_characters
from vsearch_core.lexical.phrase import fold_text, phrase_pattern, prefix_pattern, required_terms
from vsearch_core.lexical.query import PHRASE, PREFIX, Clause, ParsedQuery
from vsearch_core.search.keywords import KeywordRoute
from vsearch_core.search.limits import most_text_bytes
from vsearch_core.store.io_errors import storage_errors

# Letters of the stems that a prefix which reaches into a word's ending may have: the least, and how many fewer.
_SHORTEST_STEM = 3
_LONGEST_ENDING = 4

Mask = NDArray[np.bool_]


class Clauses:
    """Evaluates the clauses of queries over a snapshot's rows. A mask (rows,) bool is a set of rows.

    Methods raise ValueError or IndexError for damaged postings, and IndexCorruptError for damaged texts.
    """

    def __init__(
        self, snapshot: SearchedSnapshot, route: KeywordRoute, chunk_ids: NDArray[np.int64], alive: Mask
    ) -> None:
        """Evaluate clauses over `snapshot`; `chunk_ids` and `alive` are those of all its rows, (rows,)."""
        self._catalog = snapshot.catalog
        self._route = route
        self._chunk_ids = chunk_ids
        self._alive = alive
        self._chunk_words = snapshot.settings.chunk_words
        self._analyzers: list[Analyzer] = [
            snapshot.settings.query_analysis.analyzer(code) for code in snapshot.languages
        ]

    def apply(self, mask: Mask, parsed: ParsedQuery) -> Mask:
        """Return the rows of the mask that match all required clauses and no excluded one."""
        for clause in parsed.required:
            mask = mask & self._matching(clause, mask)
        for clause in parsed.excluded:
            mask = mask & ~self._matching(clause, mask)
        return mask

    def groups(self, text: str) -> list[Collection[str]]:
        """Return groups of terms: a text that contains this one has at least one term of each. See `required_terms`."""
        return required_terms(text, self._analyzers)

    def may_have(self, phrase: str, among: Mask) -> Mask:
        """Return the rows of `among` that have at least one term of each group of the phrase."""
        for group in self.groups(phrase):
            among = among & self._route.rows_with_any(group)
        return among

    def define_prefix(self, term: str) -> None:
        """Define a term such as `bar*` in the BM25 collection: it occurs wherever a word starts with "bar"."""
        if not self._route.collection.is_defined(term):
            self._route.collection.define(term, self._prefix_lists(term[:-1]))

    def _matching(self, clause: Clause, among: Mask) -> Mask:
        """Return the rows that match the clause; rows outside `among` may be left out."""
        if clause.kind == PREFIX:
            term = f"{fold_case(normalize_characters(clause.text))}*"
            self.define_prefix(term)
            return self._route.rows_with_any([term])
        terms = None if clause.kind == PHRASE else terms_of_word(clause.text, self._analyzers)
        return self._route.rows_with_any(terms) if terms else self._matching_phrase(clause.text, among)

    def _matching_phrase(self, phrase: str, among: Mask) -> Mask:
        rows = self.may_have(phrase, among)
        pattern = phrase_pattern(phrase)
        matching = np.zeros(len(among), np.bool_)
        for row, fields in self._fields(np.flatnonzero(rows)):
            matching[row] = any(pattern.search(field) for field in fields)
        return matching

    def _prefix_lists(self, prefix: str) -> list[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Return for each segment the rows with words that start with the prefix, and the number of such words in each.

        Terms that start with the prefix are counted in the postings. A word with a shorter stem is counted in the texts
        of the rows that have this stem.
        """
        collection = self._route.collection
        counts = collection.prefix_counts(prefix)
        candidates = self._route.rows_with_any(shorter_stems(prefix, self._analyzers)) & (counts == 0) & self._alive
        pattern = prefix_pattern(prefix)
        for row, fields in self._fields(np.flatnonzero(candidates)):
            counts[row] = min(sum(len(pattern.findall(field)) for field in fields), np.iinfo(np.uint8).max)
        parts = np.split(counts, collection.starts[1:-1])
        return [(np.flatnonzero(part), part[part > 0]) for part in parts]

    def _fields(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, Iterator[str]]]:
        """Yield each row with its folded keyword fields."""
        with storage_errors(self._catalog.index):
            most_bytes = most_text_bytes(len(rows), self._chunk_words)
            found = self._catalog.keyword_fields(self._chunk_ids[rows].tolist(), most_bytes)
            for row, (*_, keyword_fields) in zip(rows.tolist(), found, strict=True):
                yield row, map(fold_text, keyword_fields.fields())


def terms_of_word(word: str, analyzers: Sequence[Analyzer]) -> set[str] | None:
    """Return the word's term in each language, or None if the word isn't exactly one term in every language."""
    if len(tokenize(word)) != 1:
        return None
    found = [analyzer.query_terms(word) for analyzer in analyzers]
    spaced = all(analyzer.terms(word) == terms for analyzer, terms in zip(analyzers, found, strict=True))
    # A stop word, or a word of a script without spaces, is matched as text.
    return {terms[0] for terms in found} if all(found) and spaced else None


def shorter_stems(prefix: str, analyzers: Sequence[Analyzer]) -> set[str]:
    """Return the stems, shorter than the prefix, that words which start with the prefix may have."""
    shorter = {prefix[:end] for end in range(max(_SHORTEST_STEM, len(prefix) - _LONGEST_ENDING), len(prefix))}
    return shorter | {term for analyzer in analyzers for term in analyzer.query_terms(prefix)[:1]}
