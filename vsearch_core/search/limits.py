"""The limits of a local search, and the rule by which it starts its compiled engines."""

from dataclasses import dataclass

from vsearch_core.ann.hnsw import DEFAULT_SCAN_LIMITS, ScanLimits


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """Tuning constants of `LocalSearcher`.

    `graph_start_rows` and `keyword_start_rows` are the prices of starting the two compiled engines: the rows that are
    scanned, or the rows and postings that numpy scores, in as long as that takes, 0.8 s. Queries for more than
    `keyword_depth` rows are scored row by row: the keyword engine keeps its best by insertion. The row lists of up to
    `prefixes` prefixes are kept between queries, as search-as-you-type needs. A filter's expression may run for
    `filter_seconds`. `scans` says which segments with a graph are scanned all the same.
    """

    graph_start_rows: int = 15_000_000
    keyword_start_rows: int = 60_000_000
    keyword_depth: int = 1000
    prefixes: int = 50
    filter_seconds: float = 10.0
    scans: ScanLimits = DEFAULT_SCAN_LIMITS


DEFAULT_LIMITS = SearchLimits()

_FEW_TEXT_BYTES = 16_000_000  # that a few chunks may have, however long they are
_BYTES_PER_WORD = 120  # of a chunk of the longest words; those of documents have 7


def most_text_bytes(chunks: int, chunk_words: int) -> int:
    """Return how many bytes the texts of so many chunks may have together: a forged index may hold far longer ones."""
    return _FEW_TEXT_BYTES + chunks * chunk_words * _BYTES_PER_WORD


@dataclass(slots=True)
class EngineBudget:
    """Decides when a start that costs time pays, such as that of a faster engine (ski rental).

    Work is done without it until that has cost as much as the start; then it is started. Whatever
    queries come, the total is at most twice that of the best decision in hindsight (Karlin et al., "Competitive snoopy
    caching", Algorithmica 1988).
    """

    price: int
    spent: int = 0

    def should_start(self, cost: int) -> bool:
        """Return True if it is time to start the engine; else count the cost of the next query without it."""
        if self.spent + cost <= self.price:
            self.spent += cost
            return False
        self.spent = self.price
        return True
