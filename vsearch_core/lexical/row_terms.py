"""Count the terms of a row, in a form that takes little memory and is quickly passed between processes."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

MAX_COUNT = 255  # a count in postings is one byte
_SEPARATOR = "\0"  # in no term: it is neither a letter nor a symbol


class RowTerms(NamedTuple):
    """The distinct terms of a row and their counts.

    `terms` has the terms, joined by a null character, and `counts` one byte for each: 255 means 255 or more. `length`
    is the number of terms with repetitions.
    """

    terms: str
    counts: bytes
    length: int

    @classmethod
    def of(cls, terms: Iterable[str]) -> "RowTerms":
        """Count terms, which come from `Analyzer.terms`."""
        counter = Counter(terms)
        values = counter.values()
        try:
            counts = bytes(values)
        except ValueError:  # more than 255
            counts = bytes(min(value, MAX_COUNT) for value in values)
        return cls(_SEPARATOR.join(counter), counts, counter.total())

    def split(self) -> list[str]:
        """Return the distinct terms."""
        return self.terms.split(_SEPARATOR) if self.counts else []
