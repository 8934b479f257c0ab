"""Turn a query into the terms to search for: terms in each language of the index, and related words.

Related are the parts of compound words, words that differ in their marks (Dvorak and Dvořák), and for a word that
occurs nowhere those that differ by one edit.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.analyzer import RESPELLED, WEAK
from vsearch_core.lexical.compounds import COMPOUNDING, Compounds
from vsearch_core.lexical.query import ParsedQuery, plain_query
from vsearch_core.lexical.spellings import letters_of, one_edit_spellings
from vsearch_core.lexical.vocabulary import Vocabulary

_MOST_RESPELLED = 3  # terms that stand for a misspelled word, those in most chunks


class QueryTerms:
    """Turns queries into terms in the same way as the index's chunks were.

    Methods raise ValueError or IndexError for damaged postings.
    """

    def __init__(self, vocabulary: Vocabulary, languages: Sequence[str], analysis: Analysis) -> None:
        """Analyze queries for an index: its terms, the languages of its chunks, and their analysis."""
        self._vocabulary = vocabulary
        self._languages = languages
        self._analysis = analysis

    def of_query(self, parsed: ParsedQuery) -> list[str]:
        """Return the query's terms, followed by related terms that occur in the index.

        A word that occurs nowhere has related terms: in languages that form compound words, such as German, its parts
        or the compounds that end in it, else the terms of words that differ by one edit. A term such as `bar*` stands
        for all terms that start with "bar". A term that starts or ends with `~` counts less (`lexical.bm25`).
        """
        found = self._analysis.query_terms(parsed, self._languages)
        terms = _strong(found)
        weak = list(self._with_other_marks(found))
        absent = [word for word in parsed.words.split() if not self._is_known(word, found)]
        may_compound = self._compounds is not None and absent and self._may_compound(parsed.words.split())
        related: list[str] = []
        for word in absent:
            own = [term for term in self.of_text(word) if term in terms]
            relatives = self._compounds.word_relatives(own) if may_compound and self._compounds is not None else []
            related += relatives
            if not relatives:
                weak += [RESPELLED + term for term in self._respelled(word)]
        return [*terms, *dict.fromkeys(related), *dict.fromkeys(weak)]

    def of_text(self, text: str) -> list[str]:
        """Return the terms of a text, in which operators such as + are ordinary characters."""
        return _strong(self._analysis.query_terms(plain_query(text), self._languages))

    def _with_other_marks(self, found: Sequence[str]) -> Iterator[str]:
        """Yield the weaker matches for words that differ in their marks from the words of these terms."""
        for term in dict.fromkeys(found):
            unmarked = term.removesuffix(WEAK)
            if unmarked and self._occurs(unmarked + WEAK):
                yield unmarked + WEAK
            if unmarked != term and unmarked not in found and self._occurs(unmarked):
                yield WEAK + unmarked

    def _respelled(self, word: str) -> list[str]:
        """Return the terms of the index for words that are one edit from a word which it lacks."""
        letters = letters_of(word)
        spellings = one_edit_spellings(letters) if letters else []
        analyzers = [self._analysis.analyzer(code) for code in self._languages]
        terms = dict.fromkeys(term for each in spellings for one in analyzers for term in one.query_word(each))
        strong = _strong(list(terms))
        rows = Counter(dict(zip(strong, self._vocabulary.document_frequencies(strong), strict=True)))
        return [term for term, count in rows.most_common(_MOST_RESPELLED) if count]

    def _is_known(self, word: str, found: Sequence[str]) -> bool:
        """Return True if a word occurs in the index, with these or other marks, or has no terms among `found`."""
        terms = [term for term in self._analysis.query_terms(plain_query(word), self._languages) if term in found]
        return not terms or any(self._occurs(form) for term in terms for form in (term, term.removesuffix(WEAK) + WEAK))

    def _occurs(self, term: str) -> bool:
        return self._vocabulary.document_frequencies([term])[0] > 0

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
            self._vocabulary,
            lambda word: _strong([term for analyzer in analyzers for term in analyzer.query_terms(word)]),
        )


def _strong(terms: Sequence[str]) -> list[str]:
    """Return the terms without those of words without their marks, which end in `~`."""
    return [term for term in terms if not term.endswith(WEAK)]
