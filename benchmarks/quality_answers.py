"""Measure how much of the marked answers is in packed hits."""

import re
from collections.abc import Sequence

import numpy as np

from benchmarks.quality_collections import Collection
from vsearch_core.evaluate.answers import document_char
from vsearch_core.evaluate.dataset import Span
from vsearch_core.search.pipeline import search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Hit

WORDS = (250, 500, 1000, 2000)
_TOKENS_A_WORD = 4 / 3  # of common English; the first try
_TRIES = 3
_WORD = re.compile(r"\S+")


def share_in_packed_hits(collection: Collection) -> list[float]:
    """Return, for each number of WORDS, the mean share of an answer's characters in that many words of packed hits."""
    shares = []
    dataset = collection.dataset
    for key, text in dataset.queries.items():
        for document, answer in dataset.answers.get(key, {}).items():
            found = []
            for words in WORDS:
                pieces = _first_words(_packed(collection, text, words), words)
                own = [piece for path, piece in pieces if collection.document_id(path) == document]
                found.append(_covered(answer, own) / sum(end - start for start, end in answer))
            shares.append(found)
    means: list[float] = np.mean(shares, axis=0).tolist()
    return means


def _packed(collection: Collection, query: str, words: int) -> Sequence[Hit]:
    """Return hits packed into about as many tokens as their first `words` words have.

    Technical text has more tokens a word than common English, and paths and headings take tokens, too. So the number of
    tokens follows from the words that the last number of tokens held.
    """
    tokens = words * _TOKENS_A_WORD
    for _ in range(_TRIES):
        request = SearchRequest(query, plain=True, max_tokens=round(tokens))
        hits = search(collection.searcher, request, collection.embed).hits
        held = sum(len(_WORD.findall(hit.text)) for hit in hits)
        tokens *= min(2.0, words / max(held, 1))
    return hits


def _first_words(hits: Sequence[Hit], count: int) -> list[tuple[str, Span]]:
    """Return the path and the file's characters of each hit, up to the given number of words of all together."""
    pieces, left = [], count
    for hit in hits:
        words = list(_WORD.finditer(hit.text))[:left]
        if words:
            pieces.append((hit.path, (hit.start_char, document_char(hit, words[-1].end()))))
        left -= len(words)
    return pieces


def _covered(answer: Sequence[Span], pieces: Sequence[Span]) -> int:
    """Return the number of the answer's characters that are in at least one piece."""
    inside = {at for start, end in answer for low, high in pieces for at in range(max(start, low), min(end, high))}
    return len(inside)
