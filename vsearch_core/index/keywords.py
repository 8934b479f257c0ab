"""A segment's postings, made from the texts in the catalog: at a commit, in a repair, and anew for a newer analyzer."""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

import numpy as np

from vsearch_core.lexical.analysis import Analysis
from vsearch_core.lexical.postings import Postings, build, merge
from vsearch_core.store.catalog import Catalog

ROWS = 8192  # whose occurrences are in memory at a time: 200 MB of long passages


def passage_postings(catalog: Catalog, analysis: Analysis, chunk_ids: Sequence[int]) -> Postings:
    """The postings of the chunks, one a row; one that is not in the catalog any more has no terms.

    Chunks of one file must stand together: what tells the file's language is asked of all of them.
    """
    languages: set[str] = set()
    rows = _rows(catalog, analysis, chunk_ids, languages)
    parts = [build(islice(rows, ROWS), languages) for _ in range(0, max(1, len(chunk_ids)), ROWS)]
    return parts[0] if len(parts) == 1 else merge(parts, [np.ones(len(part.lengths), np.bool_) for part in parts])


def _rows(
    catalog: Catalog, analysis: Analysis, chunk_ids: Sequence[int], languages: set[str]
) -> Iterator[Sequence[str]]:
    """The terms of each row; adds the languages that they are in."""
    wanted = iter(chunk_ids)
    for _, group in groupby(catalog.keyword_fields(chunk_ids), key=lambda found: found[1]):
        file = list(group)
        for (chunk_id, _, passage), language in zip(file, analysis.languages([each for *_, each in file]), strict=True):
            while next(wanted) != chunk_id:
                yield []
            languages.add(language)
            yield analysis.chunk_terms(passage, language)
    for _ in wanted:
        yield []
