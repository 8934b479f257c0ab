"""Measure how much of the marked answers is in the text that a search shows."""

import json
import re
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.quality_collections import Collection
from vsearch_core.search.pipeline import search
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import Hit
from vsearch_core.search.snippets import WIDTH

WORDS = (250, 500, 1000, 2000)
_TOKENS_A_WORD = 4 / 3
_WORD = re.compile(r"\S+")

Span = tuple[int, int]
Spans = Mapping[str, tuple[str, Sequence[Span]]]


def load_spans(collection: Collection) -> Spans:
    """Return the document and the answer's characters in its file, by the text of the query, from spans.jsonl."""
    path = collection.folder / "spans.jsonl"
    documents = collection.dataset.documents
    if documents is None or not path.exists():
        return {}
    spans = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        title = documents[record["corpus_id"]].title
        before = len(title) + 2 if title else 0  # the file has the title and an empty line first
        moved = [(start + before, end + before) for start, end in record["spans"]]
        spans[record["query_text"]] = record["corpus_id"], moved
    return spans


def share_in_packed_hits(collection: Collection, spans: Spans) -> list[float]:
    """Return, for each number of WORDS, the mean share of an answer's characters in that many words of packed hits."""
    shares = []
    for text, (document, answer) in _marked(collection, spans):
        found = []
        for words in WORDS:
            request = SearchRequest(text, plain=True, max_tokens=round(words * _TOKENS_A_WORD))
            pieces = _first_words(search(collection.searcher, request, collection.embed).hits, words)
            own = [piece for path, piece in pieces if collection.document_id(path) == document]
            found.append(_covered(answer, own) / sum(end - start for start, end in answer))
        shares.append(found)
    means: list[float] = np.mean(shares, axis=0).tolist()
    return means


def share_in_shown_sentences(collection: Collection, spans: Spans) -> tuple[float, int]:
    """Return the share of first hits with the answer whose shown sentence has half of it, and the number of such hits.

    Of an answer that is longer than the shown text may be, half of that length counts.
    """
    shown = []
    for text, (document, answer) in _marked(collection, spans):
        request = SearchRequest(text, 1, plain=True)
        for hit in search(collection.searcher, request, collection.embed).hits:
            if collection.document_id(hit.path) != document:
                continue
            inside = [(start, end) for start, end in answer if hit.start_char <= start and end <= hit.end_char]
            if inside:
                snippet = collection.searcher.excerpts(request, [hit.text], WIDTH)[0]
                first = _place(hit, snippet.start)
                piece = first, _place(hit, snippet.start + len(snippet.text))
                shown.append(any(_covered([each], [piece]) >= min(each[1] - each[0], WIDTH) / 2 for each in inside))
    return (float(np.mean(shown)) if shown else 0.0), len(shown)


def _marked(collection: Collection, spans: Spans) -> list[tuple[str, tuple[str, Sequence[Span]]]]:
    """Return the queries whose answers are marked, each with its document and the answer's characters."""
    return [(text, spans[text]) for text in collection.dataset.queries.values() if text in spans]


def _first_words(hits: Sequence[Hit], count: int) -> list[tuple[str, Span]]:
    """Return the path and the file's characters of each hit, up to the given number of words of all together."""
    pieces, left = [], count
    for hit in hits:
        words = list(_WORD.finditer(hit.text))[:left]
        if words:
            pieces.append((hit.path, (hit.start_char, _place(hit, words[-1].end()))))
        left -= len(words)
    return pieces


def _place(hit: Hit, at: int) -> int:
    """Return the character of the file at a character of the hit's text, which may begin with a repeated header."""
    header = len(hit.text) - (hit.end_char - hit.start_char)
    return hit.start_char + max(0, at - header)


def _covered(answer: Sequence[Span], pieces: Sequence[Span]) -> int:
    """Return the number of the answer's characters that are in at least one piece."""
    inside = {at for start, end in answer for low, high in pieces for at in range(max(start, low), min(end, high))}
    return len(inside)
