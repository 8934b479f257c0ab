"""Which passages hold what a question requires, and not what it excludes: known before the search, for all rows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vsearch_core.index.snapshot import Snapshot
from vsearch_core.lexical.analyzer import Analyzer, tokenize
from vsearch_core.lexical.characters import fold_case, normalize_characters
from vsearch_core.lexical.phrase import fold_text, phrase_pattern, prefix_pattern, required_terms
from vsearch_core.lexical.query import PHRASE, PREFIX, Clause, ParsedQuery
from vsearch_core.search.keywords import KeywordRoute
from vsearch_core.store.io_errors import storage_errors
from vsearch_core.store.searched import searched

_SHORTEST_STEM = 3  # letters …
_LONGEST_ENDING = 4  # … and what a stem may lack of a prefix that reaches into a word's ending

Mask = NDArray[np.bool_]


class Conditions:
    """Evaluates clauses over a snapshot's rows, (n,) bool. Raises as `KeywordRoute` does, and IndexCorruptError."""

    def __init__(self, snapshot: Snapshot, route: KeywordRoute, chunk_ids: NDArray[np.int64], alive: Mask) -> None:
        self._catalog = snapshot.catalog
        self._route = route
        self._chunk_ids = chunk_ids
        self._alive = alive
        self._analyzers: list[Analyzer] = [
            snapshot.settings.query_analysis.analyzer(code) for code in snapshot.languages
        ]

    def narrow(self, mask: Mask, question: ParsedQuery) -> Mask:
        """The rows of the mask that hold all that is required and nothing that is excluded."""
        for clause in question.required:
            mask = mask & self._holding(clause, mask)
        for clause in question.excluded:
            mask = mask & ~self._holding(clause, mask)
        return mask

    def define_prefix(self, term: str) -> None:
        """Let a term like `bar*` stand for all words that begin so, if it does not yet."""
        if not self._route.collection.is_defined(term):
            self._route.collection.define(term, self._prefix_lists(term[:-1]))

    def _holding(self, clause: Clause, among: Mask) -> Mask:
        """Which rows satisfy the clause, as far as they are among those that matter."""
        if clause.kind == PREFIX:
            term = f"{fold_case(normalize_characters(clause.text))}*"
            self.define_prefix(term)
            return self._route.holding([term])
        terms = None if clause.kind == PHRASE else self._terms_of_word(clause.text)
        return self._route.holding(terms) if terms else self._holding_phrase(clause.text, among)

    def _terms_of_word(self, word: str) -> set[str] | None:
        """The term that stands for all of a word, in each language; None where some have none, or it is not one."""
        if len(tokenize(word)) != 1:
            return None
        found = [analyzer.query_terms(word) for analyzer in self._analyzers]
        spaced = all(analyzer.terms(word) == terms for analyzer, terms in zip(self._analyzers, found, strict=True))
        # A function word, or one of a script without blanks, is looked for as it stands.
        return {terms[0] for terms in found} if all(found) and spaced else None

    def _holding_phrase(self, phrase: str, among: Mask) -> Mask:
        rows = among
        for group in required_terms(phrase, self._analyzers):
            rows = rows & self._route.holding(group)
        pattern = phrase_pattern(phrase)
        held = np.zeros(len(among), np.bool_)
        for row, fields in self._fields(np.flatnonzero(rows)):
            held[row] = any(pattern.search(field) for field in fields)
        return held

    def _prefix_lists(self, prefix: str) -> list[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """The rows with words that begin so, and how many: those whose terms do, and those whose stems are shorter."""
        collection = self._route.collection
        counts = collection.prefix_counts(prefix)
        shorter = {prefix[:end] for end in range(max(_SHORTEST_STEM, len(prefix) - _LONGEST_ENDING), len(prefix))}
        stems = {term for analyzer in self._analyzers for term in analyzer.query_terms(prefix)[:1]}
        maybe = self._route.holding(shorter | stems) & (counts == 0) & self._alive
        pattern = prefix_pattern(prefix)
        for row, fields in self._fields(np.flatnonzero(maybe)):
            counts[row] = min(sum(len(pattern.findall(field)) for field in fields), np.iinfo(np.uint8).max)
        parts = np.split(counts, collection.starts[1:-1])
        return [(np.flatnonzero(part), part[part > 0]) for part in parts]

    def _fields(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, Iterator[str]]]:
        """The folded texts that each of the rows is searched by."""
        with storage_errors(self._catalog.index):
            found = searched(self._catalog, self._chunk_ids[rows].tolist())
            for row, (*_, passage) in zip(rows.tolist(), found, strict=True):
                yield row, map(fold_text, passage.fields())
