"""Find related terms for a compound word in a query that occurs nowhere in the index.

A compound such as Krankenversicherung is split into its parts (Kranken, Versicherung). The index is the dictionary: all
parts must occur in it (Koehn and Knight, "Empirical methods for compound splitting", EACL 2003). Words that occur are
not split.
"""

from collections.abc import Callable, Sequence

from vsearch_core.lexical.vocabulary import Vocabulary

COMPOUNDING = frozenset({"da", "de", "et", "fi", "hu", "nl", "no", "sv"})  # languages with such compounds
_SHORTEST = 4  # letters of a part; shorter ones occur in any word
_LONGEST = 60  # letters of a compound
_MAX_COMPOUNDS = 20  # to which a word is related
_MAX_SPLIT = 200  # compounds with its ending that are split
_CACHE_SIZE = 1 << 16  # terms


class Compounds:
    """Finds related terms for words, among the terms of an index."""

    def __init__(self, vocabulary: Vocabulary, stems: Callable[[str], Sequence[str]]) -> None:
        """Search the terms of an index; `stems` returns the terms of a word in all its languages."""
        self._vocabulary = vocabulary
        self._stems = stems
        self._found: dict[str, tuple[str, ...]] = {}

    def word_relatives(self, terms: Sequence[str]) -> list[str]:
        """Return the related terms of a word, given its terms in all languages. Return [] if one of them occurs."""
        if any(map(self._occurs, terms)):
            return []
        return [relative for term in terms for relative in self.relatives(term)]

    def relatives(self, term: str) -> tuple[str, ...]:
        """Return the related terms of a term that occurs nowhere: its parts, or else the compounds that end in it.

        Return () if the term occurs. Raises ValueError or IndexError for damaged postings.
        """
        if term not in self._found:
            if len(self._found) >= _CACHE_SIZE:
                self._found.clear()
            unknown = _SHORTEST <= len(term) <= _LONGEST and term.isalpha() and not self._occurs(term)
            self._found[term] = tuple(self._split(term) or self._ending(term)) if unknown else ()
        return self._found[term]

    def _occurs(self, term: str) -> bool:
        return self._vocabulary.document_frequencies([term])[0] > 0

    def _split(self, word: str) -> list[str]:
        """Return parts of a word that all occur, the last one as long as possible, or []."""
        for cut in range(_SHORTEST, len(word) - _SHORTEST + 1):
            if self._occurs(word[cut:]) and (first := self._first_parts(word[:cut])):
                return [*first, word[cut:]]
        return []

    def _first_parts(self, start: str) -> list[str]:
        """Return the parts of a compound's start, or [] if they don't occur.

        The stemmer removes the letters with which German links a part to the next: Versicherung-s-vertrag.
        """
        stems = list(dict.fromkeys(self._stems(start)))
        occurring = ([stem] for stem in stems if self._occurs(stem))
        return next(occurring, []) or next(filter(None, map(self._split, stems)), [])

    def _ending(self, term: str) -> list[str]:
        """Return compounds that end in the term, by descending document frequency."""
        longer = self._vocabulary.terms_ending_in(term)
        rows = {word: count for word, count in longer.items() if len(word) - len(term) >= _SHORTEST}
        found = sorted(filter(str.isalpha, rows), key=lambda compound: (-rows[compound], compound))
        candidates = found[:_MAX_SPLIT]
        return [each for each in candidates if self._first_parts(each[: -len(term)])][:_MAX_COMPOUNDS]
