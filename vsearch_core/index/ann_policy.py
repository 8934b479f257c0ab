"""Choose what a large segment gets to search its vectors by: a graph, inverted lists, or nothing."""

from dataclasses import dataclass

from vsearch_core import config
from vsearch_core.index.limits import IndexLimits
from vsearch_core.index.settings import IndexSettings
from vsearch_core.store.catalog import Catalog

AUTO, GRAPH, IVF, FLAT = config.ANN_CHOICES


@dataclass(frozen=True, slots=True)
class AnnPolicy:
    """The user's choice for an index, one of `config.ANN_CHOICES`, and the dimension of its vectors.

    "graph", "ivf" (inverted lists) and "flat" (neither) hold for all segments. With "auto", a segment gets a graph,
    which is faster to search, unless building it would take too much memory: see `IndexLimits.graph_build_bytes`.
    """

    choice: str = AUTO
    dimension: int = 384

    def kind(self, rows: int, limits: IndexLimits) -> str:
        """Return GRAPH, IVF or FLAT for a segment of so many rows, if it isn't small (`IndexLimits.graph_rows`)."""
        from vsearch_core.ann.build import build_bytes

        if self.choice != AUTO:
            return self.choice
        return GRAPH if build_bytes(rows, self.dimension) <= limits.graph_build_bytes else IVF


def policy_of(catalog: Catalog) -> AnnPolicy:
    """Return the policy of an index. Raises IndexMismatchError and IndexCorruptError."""
    settings = IndexSettings.from_catalog(catalog, renewing=True)
    return AnnPolicy(settings.ann, settings.fingerprint.dimension)
