"""Build postings from lists of terms."""

from collections.abc import Collection, Iterable

from vsearch_core.lexical import postings
from vsearch_core.lexical.postings import Postings
from vsearch_core.lexical.row_terms import RowTerms


def build(documents: Iterable[Iterable[str]], languages: Collection[str] = ()) -> Postings:
    """Return the postings of documents, each given as its terms with repetitions."""
    return postings.build(map(RowTerms.of, documents), languages)
