"""The picture route: find pictures by what they show, and rank them among the chunks that texts have found.

Cosines of texts and pictures lie in a range of their own, and texts are ranked by scores without a unit. Both are
therefore compared as confidences: docs/adr/0060-picture-embeddings.md.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from vsearch_core.ann.flat import top_k, with_zeros
from vsearch_core.config import RRF_K
from vsearch_core.index.figures import figures_of
from vsearch_core.index.pictures import PictureScale, PictureVectors
from vsearch_core.search.filters import Filters
from vsearch_core.search.request import SearchRequest
from vsearch_core.store.catalog import FileFacts, StoredChunk

PICTURE = "picture"  # the name of the route among the scores of a hit
LEAST_PICTURES = 50  # with fewer, one that is only a little nearer than the others would count as found
DOUBT = 20.0  # the odds against a picture, if one unrelated picture is expected to be as near
_NEARNESS = 1e-4  # of a cosine, added to a picture's score: it decides between pictures of equal confidence

FIRST_FIGURE = 1 << 62  # the first id of the figures about which nothing is said: ids of chunks are smaller

Rows = NDArray[np.int64]
Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
Confidences = NDArray[np.float64]
EmbedPictureQuery = Callable[[str], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class PictureScores:
    """The cosines of candidates' pictures with the query, (n,), NaN for a candidate that is no picture.

    `pictures` is the number of pictures in the index, with those inside documents. `scale` is None if it was not
    measured.
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


def figure_chunk(facts: FileFacts, number: int) -> StoredChunk:
    """Return a figure in a document, by its number, as a chunk. Raises KeyError if there is none."""
    figures = figures_of(facts.meta)
    if not 0 <= number < len(figures):
        raise KeyError(f"figure {number} of {facts.path}")
    figure = figures[number]
    return StoredChunk(
        facts.path, figure.chunk, figure.as_chunk(), facts.title, facts.mtime_ns, facts.meta, facts.index
    )


class PictureRoute:
    """Finds the pictures of a snapshot that are nearest to a vector, by comparing all of them."""

    def __init__(
        self, known: PictureVectors, live: Rows, file_ids: Ids, chunk_ids: Ids, scale: PictureScale | None
    ) -> None:
        """Search the vectors. `live` are the live rows; the others have the file and the chunk of each row (rows,).

        A figure about which nothing is said has no chunk, and gets a row after all of these.
        """
        textless = known.chunks < 0
        order = live[np.lexsort((chunk_ids[live], file_ids[live]))]  # a file's chunks have ascending ids
        firsts = np.searchsorted(file_ids[order], known.file_ids)
        places = np.minimum(firsts + known.chunks, max(len(order) - 1, 0))
        rows = np.full(len(places), -1, np.int64) if not len(order) else order[places]
        has_row = textless | ((rows >= 0) & (file_ids[rows] == known.file_ids if len(order) else False))
        rows[textless] = len(file_ids) + np.arange(int(textless.sum()))
        by_row = np.flatnonzero(has_row)[np.argsort(rows[has_row], kind="stable")]
        self._rows: Rows = rows[by_row]
        self._vectors = known.vectors[by_row]
        self._scale = scale
        self._chunk_rows = len(file_ids)
        self._textless_files: Ids = known.file_ids[textless]
        self._textless_figures: NDArray[np.int64] = known.figures[textless]

    def best(
        self, vector: NDArray[np.float32], mask: NDArray[np.bool_], allowed: NDArray[np.bool_], count: int
    ) -> tuple[Rows, Rows]:
        """Return the rows, ascending, of the `count` nearest pictures: those of chunks, and those of other figures.

        `mask` has the chunks that are allowed, and `allowed` the figures without a chunk.
        """
        if not len(self._rows):
            return self._rows, self._rows
        is_allowed = np.concatenate([mask, allowed])[self._rows]
        found = np.sort(self._rows[top_k(self._vectors @ vector, is_allowed, count)])
        return found[found < self._chunk_rows], found[found >= self._chunk_rows]

    def allowed_figures(
        self, request: SearchRequest, matching_files: Callable[[Filters], Ids], example_files: Ids
    ) -> NDArray[np.bool_]:
        """Return True for each figure without a chunk that passes the filters and clauses, and is in no example."""
        filters = request.filters
        if request.parsed.required or filters.images is False:
            return np.zeros(len(self._textless_files), np.bool_)
        allowed = ~np.isin(self._textless_files, example_files)
        others = replace(filters, images=None)
        return allowed & np.isin(self._textless_files, matching_files(others)) if others else allowed

    def with_figures(
        self,
        mask: NDArray[np.bool_],
        filters: Filters,
        matching_files: Callable[[Filters], Ids],
        file_ids: Ids,
    ) -> NDArray[np.bool_]:
        """Return the mask (rows,) of a filter for picture files, or for others, as one for all pictures, or others.

        `file_ids` has the file of each row.
        """
        pictures = np.zeros(len(mask), np.bool_)
        pictures[self._rows[self._rows < self._chunk_rows]] = True
        if not filters.images:
            return mask & ~pictures
        return mask | (pictures & np.isin(file_ids, matching_files(replace(filters, images=None))))

    def textless_candidates(self, rows: Rows) -> tuple[Ids, Ids]:
        """Return the ids of figures without a chunk, by their rows, and the ids of their files."""
        numbers = rows - self._chunk_rows
        return numbers + FIRST_FIGURE, self._textless_files[numbers]

    def textless_chunks(
        self, ids: Ids, facts_of_files: Callable[[Iterable[int]], Mapping[int, FileFacts]]
    ) -> dict[int, StoredChunk]:
        """Return figures without a chunk as chunks, by their ids. Raises KeyError for one that isn't there."""
        numbers = ids - FIRST_FIGURE
        files = self._textless_files[numbers].tolist()
        facts = facts_of_files(dict.fromkeys(files))
        return {
            number: figure_chunk(facts[file_id], figure)
            for number, file_id, figure in zip(
                ids.tolist(), files, self._textless_figures[numbers].tolist(), strict=True
            )
        }

    def scores(self, vector: NDArray[np.float32], rows: Rows) -> PictureScores:
        """Return the scores of the rows, in the order given."""
        places, is_picture = self._places(rows)
        cosines = np.full(len(rows), np.nan, np.float32)
        cosines[is_picture] = self._vectors[places[is_picture]] @ vector
        return PictureScores(cosines, len(self._rows), self._scale)

    def stored(self, rows: Rows) -> NDArray[np.float32]:
        """Return the unit vectors of the rows, (n, dimension), zeros for a row that stands for no picture."""
        places, is_picture = self._places(rows)
        return with_zeros(is_picture, self._vectors[places[is_picture]])

    def _places(self, rows: Rows) -> tuple[Rows, NDArray[np.bool_]]:
        """Return the place of each row among the pictures, and whether it is one of them."""
        if not len(self._rows):
            return np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_)
        places = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
        return places, self._rows[places] == rows


def with_pictures(
    scores: Scores, confidence: Confidences | None, found: PictureScores
) -> tuple[Scores, Confidences | None, NDArray[np.bool_]]:
    """Return the scores and confidences (n,) of candidates with those of their pictures, and which these decided.

    `scores` are those by texts, -inf for no match, and `confidence` is that by texts, if it is known. The order of
    candidates that are no pictures doesn't change. A picture rises to the place of the texts of its confidence. If
    `confidence` isn't known, the better one of a candidate's two ranks counts.
    """
    by_picture = found.confidences()
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    if confidence is None or by_picture is None:
        ranked, by_sight = _better_ranks(order, found.cosines, by_picture)
        return ranked, None, by_sight
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
    return merged.astype(np.float32), np.maximum(confidence, by_picture), rises


def _better_ranks(order: Rows, cosines: Scores, by_picture: Confidences | None) -> tuple[Scores, NDArray[np.bool_]]:
    """Return max(1/(k + rank by texts), p/(k + rank by pictures)) of each candidate, (n,), and where pictures decide.

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
    by_sight = np.zeros(len(cosines), np.bool_)
    by_sight[pictures] = shown > best[pictures]
    best[pictures] = np.maximum(best[pictures], shown)
    return best.astype(np.float32), by_sight
