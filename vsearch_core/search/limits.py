"""The tuning constants of a local search, and the rule that decides when to start its compiled engines."""

from dataclasses import dataclass

from vsearch_core.ann.searcher import DEFAULT_SCAN_LIMITS, ScanLimits


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """Tuning constants of `LocalSearcher`.

    Starting a compiled engine takes 0.8 s. `graph_start_rows` is the number of vectors that numpy scans in this time;
    `keyword_start_rows` is the number of rows and postings that it scores in this time. After that much work, the
    engine is started. Queries for more than `keyword_depth` rows never use the keyword engine, which is slow for many
    rows. Up to `prefixes` prefixes (such as `bar*`) are cached between queries, for search as you type.
    `filter_seconds` is the time limit of a filter's SQL expression. `scans` says up to which size a segment is scanned
    even if it has a graph.
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
    """Decides when it pays to start something that costs time, such as a faster engine (the ski-rental rule).

    The slower way is used until it has cost as much as the start (`price`); then the engine is started. The total cost
    is at most twice that of the best decision in hindsight (Karlin et al., "Competitive snoopy caching", Algorithmica
    1988).
    """

    price: int
    spent: int = 0

    def should_start(self, cost: int) -> bool:
        """Return True if the engine should be started now. Otherwise add the next query's `cost` to the cost so far."""
        if self.spent + cost <= self.price:
            self.spent += cost
            return False
        self.spent = self.price
        return True


class EngineBudgets:
    """The budgets for the engines of the vector and the keyword route.

    The searchers of a process that search the same index share them: once the engine has started, it is as good as
    free for the others. Threads may use them at the same time: at worst, one query's cost isn't counted.
    """

    def __init__(self, limits: SearchLimits = DEFAULT_LIMITS) -> None:
        """Begin as if no query had been answered yet."""
        self.vectors = EngineBudget(limits.graph_start_rows)
        self.keywords = EngineBudget(limits.keyword_start_rows)

    def reset(self) -> None:
        """Decide as if no query had been answered yet."""
        self.vectors.spent = self.keywords.spent = 0
