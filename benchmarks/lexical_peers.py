"""Build other keyword engines over texts in memory: `build(texts, language)` returns a function that searches.

Each analyzes text as its documentation advises for the language; rank_bm25 has no analysis and gets that of bm25s.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Ranked = list[tuple[int, float]]  # (number of the text, score), best first, without texts that score 0
Search = Callable[[str, int], Ranked]  # (query, k)
Build = Callable[[Sequence[str], str], Search]

_NAMES = {"en": "english", "ru": "russian", "de": "german", "fr": "french", "es": "spanish"}  # Snowball's


def bm25s(texts: Sequence[str], language: str) -> Search:
    """Build bm25s with its own tokenizer, stop words, Snowball stems and default parameters."""
    import bm25s

    tokens = _bm25s_tokens(language)
    engine = bm25s.BM25()
    engine.index(tokens(texts), show_progress=False)

    def search(query: str, k: int) -> Ranked:
        rows, scores = engine.retrieve(tokens([query]), k=min(k, len(texts)), show_progress=False)
        return [(row, score) for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True) if score > 0]

    return search


def rank_bm25(texts: Sequence[str], language: str) -> Search:
    """Build BM25Okapi of rank_bm25."""
    import numpy as np
    import rank_bm25

    tokens = _bm25s_tokens(language)
    engine = rank_bm25.BM25Okapi(tokens(texts))

    def search(query: str, k: int) -> Ranked:
        scores = engine.get_scores(tokens([query])[0])
        best = np.argsort(-scores, kind="stable")[:k]
        return [(row, float(scores[row])) for row in best.tolist() if scores[row] > 0]

    return search


def tantivy(texts: Sequence[str], language: str) -> Search:
    """Build tantivy with its simple tokenizer, lower case, and Snowball stems where it has them."""
    import tantivy

    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.lowercase())
    if language in _NAMES:
        builder = builder.filter(tantivy.Filter.stemmer(_NAMES[language]))
    analyzer = builder.build()
    fields = tantivy.SchemaBuilder()
    fields.add_text_field("text", tokenizer_name="stems")
    fields.add_unsigned_field("number", stored=True)
    schema = fields.build()
    index = tantivy.Index(schema)
    index.register_tokenizer("stems", analyzer)
    writer = index.writer(num_threads=1)
    for number, text in enumerate(texts):
        writer.add_document(tantivy.Document(text=text, number=number))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(query: str, k: int) -> Ranked:
        terms = [tantivy.Query.term_query(schema, "text", term) for term in analyzer.analyze(query)]
        any_term = tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])
        hits = searcher.search(any_term, k, count=False).hits
        return [(searcher.doc(address)["number"][0], score) for score, address in hits]

    return search


PEERS: Mapping[str, Build] = {"bm25s": bm25s, "tantivy": tantivy, "rank_bm25": rank_bm25}


def _bm25s_tokens(language: str) -> Callable[[Sequence[str]], list[list[str]]]:
    """Return a function that turns texts into lists of terms."""
    import bm25s
    import Stemmer

    stemmer: Any = Stemmer.Stemmer(_NAMES[language]) if language in _NAMES else None
    stop_words = language if language in _NAMES else None
    options: dict[str, Any] = {"stopwords": stop_words, "stemmer": stemmer, "return_ids": False, "show_progress": False}
    return lambda texts: bm25s.tokenize(list(texts), **options)


def language_of(texts: Sequence[str]) -> str:
    """Return the language of the texts by their script: "zh", "ru" or "en"."""
    sample = "".join(texts[:50])
    for language, letters in (("zh", r"[\u4e00-\u9fff]"), ("ru", r"[\u0400-\u04ff]")):
        if len(re.findall(letters, sample)) > len(sample) / 3:
            return language
    return "en"
