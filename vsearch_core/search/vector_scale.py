"""The scale of an index's scores by vectors: measured without judgements, and stored in the index's settings.

Confidence is calibrated for the default model. Another model's cosines lie in another range. The scale maps two marks
of the index onto the same two marks of the default model: the usual score of a query that the index may answer, and the
usual cosine of two unrelated chunks. docs/adr/0037-confidence.md has the figures.
"""

import json
from dataclasses import asdict, dataclass
from math import isfinite

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.settings import VECTOR_SCALE
from vsearch_core.json_text import parse_json
from vsearch_core.search.confidence import VectorScale
from vsearch_core.store.catalog import Catalog

# The default model's marks, means of six collections
KNOWN_ITEMS = 0.552
CHUNK_PAIRS = 0.187

LEAST_DISTANCE = 0.02  # of an index's two marks; nearer ones say nothing
MOST_GROWTH = 1.5  # of the number of chunks, either way; then the scale is measured again


@dataclass(frozen=True, slots=True)
class MeasuredScale:
    """The marks of an index, and the number of chunks that it had when they were measured.

    `known_items` is the usual score of the best chunk for a sentence of the index: the mean of two medians, with the
    sentence's own file and without it. `chunk_pairs` is the mean cosine of two chunks.
    """

    known_items: float
    chunk_pairs: float
    chunks: int

    @property
    def scale(self) -> VectorScale | None:
        """Return the scale, or None if the marks are too near to each other."""
        distance = self.known_items - self.chunk_pairs
        if distance < LEAST_DISTANCE:
            return None
        slope = (KNOWN_ITEMS - CHUNK_PAIRS) / distance
        return VectorScale(slope, CHUNK_PAIRS - slope * self.chunk_pairs)

    def is_outdated(self, chunks: int) -> bool:
        """Return True if the index has grown or shrunk much since the marks were measured."""
        return not self.chunks / MOST_GROWTH <= chunks <= self.chunks * MOST_GROWTH

    def to_setting(self) -> str:
        """Return the value as JSON text, which is stored in the index's settings."""
        return json.dumps(asdict(self))


def load_measured_scale(catalog: Catalog) -> MeasuredScale | None:
    """Return the measured scale of the index, or None if there is none. Raises IndexCorruptError."""
    stored = catalog.settings().get(VECTOR_SCALE)
    if not stored:
        return None
    try:
        value = MeasuredScale(**parse_json(stored))
        marks = (value.known_items, value.chunk_pairs)
        if not all(isfinite(mark) and -1.5 <= mark <= 1.5 for mark in marks) or type(value.chunks) is not int:
            raise ValueError(stored)
    except (ValueError, TypeError) as error:
        reason = f"the stored scale of its vector scores is damaged ({error})"
        raise IndexCorruptError(str(catalog.index), reason) from error
    return value
