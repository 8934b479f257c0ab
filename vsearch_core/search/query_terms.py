"""Turn a query into the terms to search for: terms in each language of the index, and related compound words."""

from collections.abc import Sequence
from functools import cached_property

from vsearch_core.index.snapshot import SearchedSnapshot
from vsearch_core.lexical.compounds import COMPOUNDING, Compounds
from vsearch_core.lexical.query import ParsedQuery, plain_query


class QueryTerms:
    """Turns queries into terms in the same way as the snapshot's chunks were.

    Methods raise ValueError or IndexError for damaged postings.
    """

    def __init__(self, snapshot: SearchedSnapshot) -> None:
        """Analyze queries for the snapshot."""
        self._segments = snapshot.segments
        self._languages = snapshot.languages
        self._analysis = snapshot.settings.query_analysis

    def of_query(self, parsed: ParsedQuery) -> list[str]:
        """Return the query's terms, followed by related terms for words that occur nowhere in the index.

        Related terms are only searched for in languages that form compound words, such as German. They are the parts of
        the word, or the compounds that end in it. A term such as `bar*` stands for all terms that start with "bar".
        """
        terms = self._analysis.query_terms(parsed, self._languages)
        if self._compounds is None or not self._may_compound(parsed.words.split()):
            return terms
        words = ([term for term in self.of_text(word) if term in terms] for word in parsed.words.split())
        return [*terms, *dict.fromkeys(each for word in words for each in self._compounds.word_relatives(word))]

    def of_text(self, text: str) -> list[str]:
        """Return the terms of a text, in which operators such as + are ordinary characters."""
        return self._analysis.query_terms(plain_query(text), self._languages)

    def _may_compound(self, words: Sequence[str]) -> bool:
        """Return True if a compounding language has as many of the words for stop words as any other language."""
        stop_words = {
            code: sum(not self._analysis.analyzer(code).query_word(word) for word in words) for code in self._languages
        }
        return max(stop_words.values()) == max(count for code, count in stop_words.items() if code in COMPOUNDING)

    @cached_property
    def _compounds(self) -> Compounds | None:
        if COMPOUNDING.isdisjoint(self._languages):
            return None
        analyzers = [self._analysis.analyzer(code) for code in self._languages]
        return Compounds(
            [segment.postings for segment in self._segments],
            lambda word: [term for analyzer in analyzers for term in analyzer.query_terms(word)],
        )
