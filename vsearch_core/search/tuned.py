"""The fusion that was learned for an index by tuning, and its storage in the index's settings."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vsearch_core import config
from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.settings import COMING, FUSION
from vsearch_core.json_text import parse_json
from vsearch_core.search.fusion import INTERIM_FUSION, Fusion, requested_fusion
from vsearch_core.store.catalog import SettingsReader


@dataclass(frozen=True, slots=True)
class TunedFusion:
    """A fusion (`method`, `alpha`) that was learned from judged queries.

    `questions` is the number of these queries. `ndcg_10` is its nDCG@10 on queries that were not used for learning,
    and `former_ndcg_10` the nDCG@10 of the fusion that was used before.
    """

    method: str
    alpha: float
    questions: int
    ndcg_10: float
    former_ndcg_10: float

    def to_setting(self) -> str:
        """Return the value as JSON text, which is stored in the index's settings."""
        return json.dumps(asdict(self))

    @property
    def fusion(self) -> Fusion:
        """Return the learned fusion for use in searches, marked as tuned."""
        return Fusion(self.method, self.alpha, tuned=True)


def load_tuned_fusion(catalog: SettingsReader) -> TunedFusion | None:
    """Return the tuned fusion of the index, or None if it was never tuned. Raises IndexCorruptError."""
    stored = catalog.settings().get(FUSION)
    if not stored:
        return None
    try:
        values = TunedFusion(**parse_json(stored))
        if values.method not in config.FUSIONS or not 0 <= values.alpha <= 1:
            raise ValueError(stored)
    except (ValueError, TypeError) as error:
        raise IndexCorruptError(
            str(catalog.label), f"the fusion weights stored by tuning are damaged ({error})"
        ) from error
    return values


def fusion_of(catalogs: Sequence[SettingsReader]) -> Fusion:
    """Return the tuned fusion of an index, or that of several if it is the same; else the default fusion."""
    first, *others = map(fusion_for, catalogs)
    return first if all(other == first for other in others) else Fusion()


def fusion_for(catalog: SettingsReader, fusion: str | None = None, alpha: float | None = None) -> Fusion:
    """Return the fusion to use: the requested one, or else the index's tuned fusion, or else the default.

    Interim vectors weigh less by default: the model that makes them knows little more than words.
    """
    usual = INTERIM_FUSION if catalog.settings().get(COMING) else Fusion()
    if fusion is None and alpha is None:
        found = load_tuned_fusion(catalog)
        return usual if found is None else found.fusion
    return requested_fusion(fusion, usual.alpha if alpha is None else alpha)
