"""Compounds that are written in one word: what a word that no passage holds has in common with those that are held.

The collection is the dictionary (Koehn and Knight, "Empirical methods for compound splitting", EACL 2003). Only a
word that is not in it is looked for so, and every part must be: Krankenversicherung is no kind of Sicherung.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from vsearch_core.lexical.postings import Postings

COMPOUNDING = frozenset({"da", "de", "et", "fi", "hu", "nl", "no", "sv"})  # languages that write compounds so
_SHORTEST = 4  # letters of a part: shorter ones are found in any word
_LONGEST = 60  # letters of a compound
_MOST = 20  # compounds that a word stands for
_TRIED = 200  # that end like it


class Compounds:
    """Answers for one collection; `stems` gives the terms of a word, in each language that is held."""

    def __init__(self, parts: Sequence[Postings], stems: Callable[[str], Sequence[str]]) -> None:
        self._parts = parts
        self._stems = stems
        self._found: dict[str, tuple[str, ...]] = {}

    def word_relatives(self, terms: Sequence[str]) -> list[str]:
        """As `relatives`, for the terms of one word, in all languages; none where one of them is held."""
        if any(map(self._holds, terms)):
            return []
        return [each for term in terms for each in self.relatives(term)]

    def relatives(self, term: str) -> tuple[str, ...]:
        """The terms to look for with a term that nothing holds: its parts, or else the compounds that end in it.

        () for a term that is held. Raises ValueError or IndexError for damaged postings.
        """
        if term not in self._found:
            if len(self._found) >= 1 << 16:
                self._found.clear()
            unknown = _SHORTEST <= len(term) <= _LONGEST and term.isalpha() and not self._holds(term)
            self._found[term] = tuple(self._split(term) or self._ending(term)) if unknown else ()
        return self._found[term]

    def _holds(self, term: str) -> bool:
        return any(start < end for start, end in (part.span(term) for part in self._parts))

    def _split(self, word: str) -> list[str]:
        """The parts of a word that are all held, the last as long as possible; [] where there are none."""
        for cut in range(_SHORTEST, len(word) - _SHORTEST + 1):
            if self._holds(word[cut:]) and (first := self._first_parts(word[:cut])):
                return [*first, word[cut:]]
        return []

    def _first_parts(self, start: str) -> list[str]:
        """What a compound's start is made of; [] where that is not held.

        A stemmer takes the letters off by which German links a part to the next: Versicherung-s-vertrag.
        """
        stems = list(dict.fromkeys(self._stems(start)))
        held = ([stem] for stem in stems if self._holds(stem))
        return next(held, []) or next(filter(None, map(self._split, stems)), [])

    def _ending(self, term: str) -> list[str]:
        """Compounds that end so, those that most rows hold first."""
        wanted = term.encode()
        rows: Counter[str] = Counter()
        for part in self._parts:
            text, at = part.terms.tobytes(), -1
            while (at := text.find(wanted, at + 1)) >= 0:
                number = int(np.searchsorted(part.term_offsets, at, "right")) - 1
                start, end = int(part.term_offsets[number]), int(part.term_offsets[number + 1])
                if at - start >= _SHORTEST and at + len(wanted) == end:
                    compound = text[start:end].decode("utf-8", "replace")
                    rows[compound] += int(part.offsets[number + 1] - part.offsets[number])
        found = sorted(filter(str.isalpha, rows), key=lambda compound: (-rows[compound], compound))
        return [each for each in found[:_TRIED] if self._first_parts(each[: -len(term)])][:_MOST]
