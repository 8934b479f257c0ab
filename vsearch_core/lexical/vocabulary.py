"""The terms of an index with their document frequencies, wherever the postings are."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from vsearch_core.lexical.postings import Postings


class Vocabulary(Protocol):
    """The terms of an index. Deleted chunks count until the index drops them."""

    def document_frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return, for each term, the number of chunks that contain it. It is best asked for many terms at once."""

    def terms_ending_in(self, ending: str) -> Mapping[str, int]:
        """Return all longer terms that end in a text, with their document frequencies."""


class PostingsVocabulary:
    """The terms of some segments. Methods raise ValueError or IndexError for damaged postings."""

    def __init__(self, parts: Sequence[Postings], frequency: Callable[[str], int] | None = None) -> None:
        """Read the postings of all segments. `frequency` returns a term's document frequency if not all rows count."""
        self._parts = parts
        self._frequency = frequency

    def document_frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return, for each term, the number of rows that contain it."""
        if self._frequency is not None:
            return [self._frequency(term) for term in terms]
        spans = ([part.span(term) for part in self._parts] for term in terms)
        return [sum(end - start for start, end in each) for each in spans]

    def terms_ending_in(self, ending: str) -> Mapping[str, int]:
        """Return all longer terms that end in a text, with their document frequencies."""
        wanted = ending.encode()
        rows: Counter[str] = Counter()
        for part in self._parts:
            text, at = part.terms.tobytes(), -1
            while (at := text.find(wanted, at + 1)) >= 0:
                number = int(np.searchsorted(part.term_offsets, at, "right")) - 1
                start, end = int(part.term_offsets[number]), int(part.term_offsets[number + 1])
                if start < at and at + len(wanted) == end:
                    term = text[start:end].decode("utf-8", "replace")
                    rows[term] += int(part.offsets[number + 1] - part.offsets[number])
        return rows
