"""The scale of an index's scores by vectors: measured without judgements, and stored in the index's settings.

Confidence is calibrated for the default model. Another model's cosines lie in another range. The scale maps two marks
of the index onto the same two marks of the default model: the usual score of the best chunk, and the usual score of an
unrelated one. docs/adr/0056-confidence-of-any-model.md has the figures.
"""

import json
from dataclasses import asdict, dataclass
from math import isfinite

from vsearch_core.errors import IndexCorruptError
from vsearch_core.index.settings import VECTOR_SCALE
from vsearch_core.json_text import parse_json
from vsearch_core.search.confidence import VectorScale
from vsearch_core.store.catalog import SettingsReader

# Methods to measure the marks of an index
SENTENCES = "sentences"  # of sentences of the index as queries
NEIGHBOURS = "neighbours"  # of chunks, for a model that can't be asked for the vectors of queries

# The default model's (high, low) marks by each method, means of six collections
REFERENCES = {SENTENCES: (0.549, 0.114), NEIGHBOURS: (0.627, 0.182)}

LEAST_DISTANCE = 0.02  # of an index's two marks; nearer ones say nothing
MOST_GROWTH = 1.5  # of the number of chunks, either way; then the scale is measured again


@dataclass(frozen=True, slots=True)
class MeasuredScale:
    """The marks of an index, the method that measured them, and the number of chunks that the index had then.

    `high` is the usual score of the best chunk, and `low` the mean score of any chunk. By the method SENTENCES, `high`
    is the mean of two medians: of the best score for a sentence of the index, with the sentence's own file and without
    it. By NEIGHBOURS, `low` is the mean cosine of two chunks, and `high` is the mean of two numbers: the median cosine
    of a chunk with the nearest chunk of another file, and the cosine three standard deviations above `low`.
    """

    high: float
    low: float
    chunks: int
    method: str

    @property
    def scale(self) -> VectorScale | None:
        """Return the scale, or None if the marks are too near to each other."""
        if self.high - self.low < LEAST_DISTANCE:
            return None
        high, low = REFERENCES[self.method]
        slope = (high - low) / (self.high - self.low)
        return VectorScale(slope, low - slope * self.low)

    def is_outdated(self, chunks: int) -> bool:
        """Return True if the index has grown or shrunk much since the marks were measured."""
        return not self.chunks / MOST_GROWTH <= chunks <= self.chunks * MOST_GROWTH

    def to_setting(self) -> str:
        """Return the value as JSON text, which is stored in the index's settings."""
        return json.dumps(asdict(self))


def load_measured_scale(catalog: SettingsReader) -> MeasuredScale | None:
    """Return the measured scale of the index, or None if there is none. Raises IndexCorruptError."""
    stored = catalog.settings().get(VECTOR_SCALE)
    if not stored:
        return None
    try:
        values = parse_json(stored)
        if "known_items" in values:
            return None  # marks of an earlier version
        value = MeasuredScale(**values)
        marks = (value.high, value.low)
        if not all(isfinite(mark) and -1.5 <= mark <= 1.5 for mark in marks) or type(value.chunks) is not int:
            raise ValueError(stored)
        if value.method not in REFERENCES:
            raise ValueError(stored)
    except (ValueError, TypeError) as error:
        reason = f"the stored scale of its vector scores is damaged ({error})"
        raise IndexCorruptError(str(catalog.label), reason) from error
    return value
