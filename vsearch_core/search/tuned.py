"""The fusion that was learned for an index: a setting of the index that its queries use."""

import json
from dataclasses import asdict, dataclass

from vsearch_core import config
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.settings import FUSION
from vsearch_core.search.fusion import Fusion
from vsearch_core.store.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Tuned:
    """A learned fusion, the number of queries it was learned from, and its nDCG@10 on held-out queries.

    `former_ndcg_10` is that of the fusion in use before.
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


def tuned(catalog: Catalog) -> Tuned | None:
    """Return the index's tuned fusion, or None if it was not tuned. Raises IndexCorruptError."""
    stored = catalog.settings().get(FUSION)
    if not stored:
        return None
    try:
        values = Tuned(**json.loads(stored))
        if values.method not in config.FUSIONS or not 0 <= values.alpha <= 1:
            raise ValueError(stored)
    except (ValueError, TypeError, RecursionError) as error:
        raise IndexCorruptError(str(catalog.index), f"its tuned fusion is damaged ({error})") from error
    return values


def fusion_for(catalog: Catalog, fusion: str | None = None, alpha: float | None = None) -> Fusion:
    """Return the requested fusion, else the one that the index was tuned to, else the default."""
    if fusion is None and alpha is None:
        found = tuned(catalog)
        return Fusion() if found is None else found.fusion
    return Fusion(fusion or config.FUSIONS[0], config.FUSION_ALPHA if alpha is None else alpha)
