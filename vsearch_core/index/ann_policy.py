"""Choose what a large segment gets to search its vectors by: a graph, inverted lists, PQ codes or nothing."""

from dataclasses import dataclass

from vsearch_core import config
from vsearch_core.ann.pq import code_bytes
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexSettings, pq_bytes
from vsearch_core.store.catalog import Catalog

AUTO, GRAPH, IVF, FLAT, PQ = config.ANN_CHOICES


@dataclass(frozen=True, slots=True)
class AnnPolicy:
    """The user's choice for an index (see `settings.check_ann`), and the dimension of its vectors.

    If the index keeps no vectors (`keeps_none`), segments have codes, which are all compared.

    "graph", "ivf" (inverted lists), "pq" (inverted lists of PQ codes) and "flat" (none) hold for all segments. With
    "auto", a segment gets a graph, which is faster to search, unless it has too many rows to be built within
    `IndexLimits.graph_build_bytes` of memory even region by region: see `ann.build.nodes_together`.
    """

    choice: str = AUTO
    dimension: int = 384
    keeps_none: bool = False

    def kind(self, rows: int, limits: IndexLimits) -> str:
        """Return GRAPH, IVF, FLAT or `pq_kind(…)` for a segment of so many rows, if it isn't small.

        See `IndexLimits.graph_rows`.
        """
        from vsearch_core.ann.build import nodes_together

        if self.keeps_none:
            return FLAT
        size = pq_bytes(self.choice)
        if size is not None:
            return pq_kind(code_bytes(size, self.dimension))
        if self.choice != AUTO:
            return self.choice
        return IVF if nodes_together(rows, self.dimension, limits.graph_build_bytes) == 0 else GRAPH


def pq_kind(size: int) -> str:
    """Return the kind of a segment that has PQ codes of `size` bytes: another size needs other codes."""
    return f"{PQ}{size}"


def policy_of(catalog: Catalog) -> AnnPolicy:
    """Return the policy of an index. Raises IndexMismatchError and IndexCorruptError."""
    settings = IndexSettings.from_catalog(catalog, renewing=True)
    return AnnPolicy(settings.ann, settings.fingerprint.dimension, settings.keeps_none)
