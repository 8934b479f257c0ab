"""The fusion that was learned for an index: a setting of the index that its queries use."""

import json
from dataclasses import asdict, dataclass

from vsearch_core import config
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.settings import FUSION
from vsearch_core.search.fusion import Fusion, requested_fusion
from vsearch_core.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class TunedFusion:
    """A learned fusion, the number of queries that it was learned from, and its nDCG@10 on held-out queries.

    `former_ndcg_10` is the nDCG@10 of the fusion in use before.
    """

    method: str
    alpha: float
    questions: int
    ndcg_10: float
    former_ndcg_10: float

    def to_setting(self) -> str:
        """Return the value that the catalog stores."""
        return json.dumps(asdict(self))

    @property
    def fusion(self) -> Fusion:
        """Return the fusion."""
        return Fusion(self.method, self.alpha, tuned=True)


def load_tuned_fusion(catalog: Catalog) -> TunedFusion | None:
    """Return the index's tuned fusion, or None if it was not tuned. Raises IndexCorruptError."""
    stored = catalog.settings().get(FUSION)
    if not stored:
        return None
    try:
        values = TunedFusion(**json.loads(stored))
        if values.method not in config.FUSIONS or not 0 <= values.alpha <= 1:
            raise ValueError(stored)
    except (ValueError, TypeError, RecursionError) as error:
        raise IndexCorruptError(
            str(catalog.index), f"the fusion weights stored by tuning are damaged ({error})"
        ) from error
    return values


def fusion_for(catalog: Catalog, fusion: str | None = None, alpha: float | None = None) -> Fusion:
    """Return the requested fusion, else the one that the index was tuned to, else the default."""
    if fusion is None and alpha is None:
        found = load_tuned_fusion(catalog)
        return Fusion() if found is None else found.fusion
    return requested_fusion(fusion, alpha)
