"""The picture route: find pictures by what they show, and rank them among the chunks that texts have found.

Cosines of texts and pictures lie in a range of their own, and texts are ranked by scores without a unit. Both are
therefore compared as confidences: docs/adr/0060-picture-embeddings.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import top_k
from vsearch_core.config import RRF_K
from vsearch_core.index.pictures import PictureScale, PictureVectors

PICTURE = "picture"  # the name of the route among the scores of a hit
LEAST_PICTURES = 50  # with fewer, one that is only a little nearer than the others would count as found
DOUBT = 20.0  # the odds against a picture, if one unrelated picture is expected to be as near
_NEARNESS = 1e-4  # of a cosine, added to a picture's score: it decides between pictures of equal confidence

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Confidences = NDArray[np.float64]
EmbedPictureQuery = Callable[[str], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class PictureScores:
    """The cosines of candidates' pictures with the query, (n,), NaN for a candidate that is no picture.

    `pictures` is the number of pictures in the index. `scale` is None if it was not measured.
    """

    cosines: Scores
    pictures: int
    scale: PictureScale | None

    def confidences(self) -> Confidences | None:
        """Return the confidence of each picture, (n,), 0 for other candidates; None if there is no scale.

        It falls with the number of unrelated pictures that would be as near by chance, if their cosines are normally
        distributed.
        """
        if self.scale is None:
            return None
        distances = (self.cosines.astype(np.float64) - self.scale.mean) / self.scale.deviation
        tails = np.array([0.5 * erfc(each / sqrt(2)) for each in distances.tolist()])
        by_chance = max(self.pictures, LEAST_PICTURES) * tails
        return np.where(np.isnan(distances), 0.0, 1 / (1 + DOUBT * by_chance))


class PictureRoute:
    """Finds the pictures of a snapshot that are nearest to a vector, by comparing all of them."""

    def __init__(self, known: PictureVectors, row_of_file: dict[int, int], scale: PictureScale | None) -> None:
        """Search the vectors. `row_of_file` has the global row that stands for each file."""
        has_row = np.array([file_id in row_of_file for file_id in known.file_ids.tolist()], np.bool_)
        rows = np.array([row_of_file[each] for each in known.file_ids[has_row].tolist()], np.int64)
        order = np.argsort(rows)
        self._rows: Rows = rows[order]
        self._vectors = known.vectors[has_row][order]
        self._scale = scale

    def best(self, vector: NDArray[np.float32], mask: NDArray[np.bool_], count: int) -> Rows:
        """Return the rows of the `count` pictures nearest to the vector among the allowed rows, best first."""
        if not len(self._rows):
            return self._rows
        return self._rows[top_k(self._vectors @ vector, mask[self._rows], count)]

    def scores(self, vector: NDArray[np.float32], rows: Rows) -> PictureScores:
        """Return the scores of the rows, in the order given."""
        places, is_picture = self._places(rows)
        cosines = np.full(len(rows), np.nan, np.float32)
        cosines[is_picture] = self._vectors[places[is_picture]] @ vector
        return PictureScores(cosines, len(self._rows), self._scale)

    def stored(self, rows: Rows) -> NDArray[np.float32]:
        """Return the unit vectors of the rows, (n, dimension), zeros for a row that stands for no picture."""
        places, is_picture = self._places(rows)
        vectors = np.zeros((len(rows), self._vectors.shape[1]), np.float32)
        vectors[is_picture] = self._vectors[places[is_picture]]
        return vectors

    def _places(self, rows: Rows) -> tuple[Rows, NDArray[np.bool_]]:
        """Return the place of each row among the pictures, and whether it is one of them."""
        if not len(self._rows):
            return np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_)
        places = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        return places, self._rows[places] == rows


def with_pictures(
    scores: Scores, confidence: Confidences | None, found: PictureScores
) -> tuple[Scores, Confidences | None]:
    """Return the scores and confidences (n,) of candidates with those of their pictures.

    `scores` are those by texts, -inf for no match, and `confidence` is that by texts, if it is known. The order of
    candidates that are no pictures doesn't change. A picture rises to the place of the texts of its confidence. If
    `confidence` isn't known, the better one of a candidate's two ranks counts.
    """
    by_picture = found.confidences()
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    if confidence is None or by_picture is None:
        return _better_ranks(order, found.cosines, by_picture), None
    # A text's place is by its score: the confidence of a place is the lowest so far
    ladder = np.minimum.accumulate(confidence[order])
    own = np.zeros(len(scores))
    own[order] = ladder
    rises = by_picture > own
    merged = scores.astype(np.float64)
    if len(order):
        raised = np.interp(by_picture, ladder[::-1], scores[order][::-1].astype(np.float64))
        raised += np.maximum(by_picture - ladder[0], 0)
    else:
        raised = by_picture
    merged[rises] = (raised + _NEARNESS * found.cosines)[rises]
    return merged.astype(np.float32), np.maximum(confidence, by_picture)


def _better_ranks(order: Rows, cosines: Scores, by_picture: Confidences | None) -> Scores:
    """Return max(1/(k + rank by texts), p/(k + rank by pictures)) of each candidate, (n,).

    `p` is the confidence of the picture, or 1 if it isn't known. The sum of both, as in reciprocal rank fusion, would
    bury a picture that shows what is asked for below others whose names happen to rank high.
    """
    pictures = np.argsort(-cosines, kind="stable")
    pictures = pictures[~np.isnan(cosines[pictures])]
    best = np.full(len(cosines), -np.inf)
    best[order] = 1 / (RRF_K + np.arange(1, len(order) + 1))
    shown = 1 / (RRF_K + np.arange(1, len(pictures) + 1))
    if by_picture is not None:
        shown *= by_picture[pictures]
    best[pictures] = np.maximum(best[pictures], shown)
    return best.astype(np.float32)
