"""Evaluate the clauses of a query ("phrases", +required, -excluded, prefix*) over an index on a server."""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from vsearch_core.index.server_snapshot import ServerSnapshot
from vsearch_core.lexical.characters import fold_case, normalize_characters
from vsearch_core.lexical.phrase import fold_text, phrase_pattern, prefix_pattern, required_terms
from vsearch_core.lexical.query import PHRASE, PREFIX, Clause, ParsedQuery
from vsearch_core.search.clauses import shorter_stems, terms_of_word
from vsearch_core.search.limits import most_text_bytes
from vsearch_core.search.server_keywords import ServerKeywords, is_among
from vsearch_core.store.server.postings import TermPostings, without

_MOST_COUNT = 255

Ids = NDArray[np.int64]


class ServerClauses:
    """Evaluates the clauses of queries. Sets of chunks are their ids, ascending."""

    def __init__(self, snapshot: ServerSnapshot, keywords: ServerKeywords) -> None:
        """Evaluate clauses over the snapshot."""
        self._catalog = snapshot.catalog
        self._chunk_words = snapshot.settings.chunk_words
        self._keywords = keywords
        self._analyzers = [snapshot.settings.query_analysis.analyzer(code) for code in snapshot.languages]

    def apply(self, allowed: Ids, parsed: ParsedQuery) -> Ids:
        """Return the allowed chunks that match all required clauses and no excluded one."""
        for clause in parsed.required:
            allowed = allowed[is_among(allowed, self._matching(clause, allowed))]
        for clause in parsed.excluded:
            allowed = allowed[~is_among(allowed, self._matching(clause, allowed))]
        return allowed

    def groups(self, text: str) -> list[Collection[str]]:
        """Return groups of terms: a text that contains this one has at least one term of each. See `required_terms`."""
        return required_terms(text, self._analyzers)

    def may_have(self, phrase: str, among: Ids) -> Ids:
        """Return the chunks of `among` that have at least one term of each group of the phrase."""
        for group in self.groups(phrase):
            among = among[is_among(among, self._keywords.chunks_with_any(group))]
        return among

    def define_prefix(self, term: str) -> None:
        """Define a term such as `bar*` among the keywords: it occurs wherever a word starts with "bar"."""
        if not self._keywords.is_defined(term):
            self._keywords.define(term, self._prefix_postings(term[:-1]))

    def _matching(self, clause: Clause, among: Ids) -> Ids:
        """Return the chunks that match the clause; chunks that are not in `among` may be left out."""
        if clause.kind == PREFIX:
            term = f"{fold_case(normalize_characters(clause.text))}*"
            self.define_prefix(term)
            return self._keywords.chunks_with_any([term])
        terms = None if clause.kind == PHRASE else terms_of_word(clause.text, self._analyzers)
        return self._keywords.chunks_with_any(terms) if terms else self._matching_phrase(clause.text, among)

    def _matching_phrase(self, phrase: str, among: Ids) -> Ids:
        among = self.may_have(phrase, among)
        pattern = phrase_pattern(phrase)
        found = [number for number, fields in self._fields(among) if any(pattern.search(field) for field in fields)]
        return np.array(found, np.int64)

    def _prefix_postings(self, prefix: str) -> TermPostings:
        """Return the chunks with words that start with the prefix, and the number of such words in each.

        See `Clauses._prefix_lists`, which says why some words are counted in the texts.
        """
        removed = self._catalog.removed_chunks
        lists = [without(each, removed) for each in self._catalog.postings_with_prefix(prefix)]
        counts: dict[int, int] = {}
        lengths: dict[int, int] = {}
        for each in lists:
            for number, count, length in zip(*(array.tolist() for array in each), strict=True):
                counts[number] = min(counts.get(number, 0) + count, _MOST_COUNT)
                lengths[number] = length
        shorter = shorter_stems(prefix, self._analyzers)
        candidates = self._keywords.chunks_with_any(shorter)
        pattern = prefix_pattern(prefix)
        others = np.array([number for number in candidates.tolist() if number not in counts], np.int64)
        for number, fields in self._fields(others):
            counts[number] = min(sum(len(pattern.findall(field)) for field in fields), _MOST_COUNT)
        lengths |= self._keywords.lengths(shorter)
        ids = sorted(number for number, count in counts.items() if count)
        return TermPostings(
            np.array(ids, np.int64),
            np.array([counts[number] for number in ids], np.uint8),
            np.array([lengths[number] for number in ids], np.uint32),
        )

    def _fields(self, ids: Ids) -> Iterator[tuple[int, Iterator[str]]]:
        """Yield each chunk with its folded keyword fields."""
        most_bytes = most_text_bytes(len(ids), self._chunk_words)
        for number, _, fields in self._catalog.keyword_fields(ids.tolist(), most_bytes):
            yield number, map(fold_text, fields.fields())
