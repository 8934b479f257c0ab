"""Turn candidates into hits: load their texts, and add the text around them or fit them into a number of tokens."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from math import isnan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vsearch_core.dates import iso_date
from vsearch_core.index.figures import StoredFigure, figures_of
from vsearch_core.json_text import parse_json
from vsearch_core.model import BOXES, OWN_KEYS, PARTS_OF_PAGE, Chunk, JsonValue, TextBox
from vsearch_core.search.engine import Candidates, Searcher
from vsearch_core.search.fusion import KEYWORD, VECTOR
from vsearch_core.search.packing import pack, widened, with_context
from vsearch_core.search.pictures import PICTURE as SHOWN
from vsearch_core.search.request import SearchRequest
from vsearch_core.search.results import BestWindow, Hit, HitBox, ImageSize, NearDuplicate
from vsearch_core.search.snippets import Snippet
from vsearch_core.search.stale import mtime_text
from vsearch_core.store.catalog import StoredChunk
from vsearch_core.text.extract.registry import is_picture, place_of

Places = NDArray[np.int64]

DATE_KEYS = ("date", "published", "created", "creation_date", "updated", "last_updated", "modified")
MOST_ALIKE = 20  # near-duplicates that a hit names


def hydrated(
    searcher: Searcher,
    candidates: Candidates,
    scores: NDArray[np.float32],
    shown: Places,
    near_duplicates: Sequence[Places],
    *,
    rerank_scores: NDArray[np.float32] | None = None,
    confidence: NDArray[np.float64] | None = None,
    first_rank: int = 1,
) -> tuple[Hit, ...]:
    """Load the chunks of some candidates from the engine, in one call, and return them as hits.

    `shown` (h,) are the candidates to return, as positions in `candidates`. `near_duplicates` has, for each of them,
    the positions of its near-duplicates. Of those with the same score, the one in the fewest folders is returned:
    people copy files into subfolders. `scores` (n,) are the final scores of all candidates. The first hit's rank is
    `first_rank`.
    """
    named = [places[:MOST_ALIKE] for places in near_duplicates]
    chunks = searcher.hydrate(candidates.ids[np.concatenate([shown, *named])])
    shown = shown.copy()
    first = len(shown)
    for rank, places in enumerate(named):
        copies = range(first, first + len(places))
        equal = [rank, *(at for at, place in zip(copies, places, strict=True) if scores[place] == scores[shown[rank]])]
        best = min(equal, key=lambda at: chunks[at].path.count("/"))
        if best != rank:
            chunks[rank], chunks[best] = chunks[best], chunks[rank]
            shown[rank] = places[best - first]
        first += len(places)
    routes = {VECTOR: None, KEYWORD: None, **candidates.scores}
    if candidates.pictures is not None:
        routes[SHOWN] = candidates.pictures.cosines
    if rerank_scores is not None:
        routes["rerank"] = rerank_scores
    collapsed = iter(chunks[len(shown) :])
    hits = []
    for rank, (stored, at, alike) in enumerate(zip(chunks, shown.tolist(), near_duplicates, strict=False), first_rank):
        chunk, kept = stored.chunk, _metadata(stored.meta)
        meta = {key: value for key, value in kept.items() if key not in OWN_KEYS}
        figure = _figure_of(stored)
        window = None if candidates.windows is None else _window(chunk, *candidates.windows[at].tolist())
        hits.append(
            Hit(
                rank=rank,
                score=float(scores[at]),
                path=stored.path,
                chunk=stored.ordinal,
                start_line=chunk.start_line,
                end_line=chunk.end_line,
                start_char=chunk.start_char,
                end_char=chunk.end_char,
                page=chunk.page,
                heading=chunk.heading,
                sections=chunk.sections,
                text=chunk.text,
                scores={name: None if values is None else _known(values[at]) for name, values in routes.items()},
                place=place_of(stored.path, chunk.page, chunk.heading, (chunk.start_line, chunk.end_line)),
                alike=tuple(_near_duplicate(next(collapsed)) for _ in alike[:MOST_ALIKE]),
                alike_count=len(alike),
                confidence=None if confidence is None else _known(confidence[at]),
                index=stored.index,
                window=window,
                box=_box(kept.get(BOXES), chunk, window),
                title=stored.title,
                date=_date(meta),
                mtime=mtime_text(stored.mtime_ns // 1_000_000_000),
                meta=meta,
                kind=_kind(stored.path, figure),
                image=_image_size(meta) if figure is None else ImageSize(figure.width, figure.height),
            )
        )
    return tuple(hits)


def _figure_of(stored: StoredChunk) -> StoredFigure | None:
    """Return the figure in a document that the chunk stands for, or has the text of; None if there is none."""
    chunk = stored.chunk
    return next(
        (
            figure
            for figure in figures_of(stored.meta)
            if figure.start <= chunk.start_char <= chunk.end_char <= figure.end
        ),
        None,
    )


def _kind(path: str, figure: StoredFigure | None) -> Literal["text", "image", "figure"]:
    return "image" if is_picture(path) else "text" if figure is None else "figure"


def _image_size(meta: Mapping[str, JsonValue]) -> ImageSize | None:
    """Return the size of a picture by its metadata, or None if it isn't known."""
    width, height = meta.get("width"), meta.get("height")
    return ImageSize(width, height) if isinstance(width, int) and isinstance(height, int) else None


def _known(score: float) -> float | None:
    """Return a score as a float, or None for NaN: the route can't score the chunk."""
    return None if isnan(score) else float(score)


def _window(chunk: Chunk, start: int, stop: int) -> BestWindow | None:
    """Return the window from `start` to `stop` of the chunk's text, None for -1."""
    if stop < 0:
        return None
    first, last = (min(chunk.start_char + max(0, at - chunk.header_length), chunk.end_char) for at in (start, stop))
    return BestWindow(first, last)


def _metadata(text: str) -> dict[str, JsonValue]:
    """Return a file's metadata, with the entries that an index keeps about reading the file."""
    try:
        values = parse_json(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _box(kept: JsonValue, chunk: Chunk, window: BestWindow | None) -> HitBox | None:
    """Return the box around the recognised lines of the window, or else of the chunk, on the chunk's page.

    `kept` has the fields of each `TextBox` of the file, or is None.
    """
    boxes = [box for box in _text_boxes(kept) if box.page == chunk.page]
    for place in (window, chunk):
        if place is None:
            continue
        inside = [box for box in boxes if box.start < place.end_char and box.end > place.start_char]
        if inside:
            edges = (
                min(box.left for box in inside),
                min(box.top for box in inside),
                max(box.right for box in inside),
                max(box.bottom for box in inside),
            )
            return HitBox(*(edge / PARTS_OF_PAGE for edge in edges))
    return None


def _text_boxes(kept: JsonValue) -> list[TextBox]:
    """Return the boxes that an index keeps. What else a forged index has there is ignored."""
    found = []
    for each in kept if isinstance(kept, list) else []:
        match each:
            case [int(start), int(end), (int() | None) as page, int(left), int(top), int(right), int(bottom)]:
                found.append(TextBox(start, end, page, left, top, right, bottom))
    return found


def _date(meta: Mapping[str, JsonValue]) -> str | None:
    """Return the first date among the metadata as ISO text, or None if there is none, or its day isn't clear."""
    by_name = {key.casefold(): value for key, value in meta.items()}
    for key in DATE_KEYS:
        value = by_name.get(key)
        with suppress(ValueError):
            found = iso_date(value) if isinstance(value, str) else None
            if found is not None:
                return found
    return None


def _near_duplicate(stored: StoredChunk) -> NearDuplicate:
    return NearDuplicate(stored.path, stored.ordinal, stored.chunk.start_line, stored.chunk.end_line, stored.index)


def arranged(searcher: Searcher, request: SearchRequest, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Return the hits with the text around them, or fitted into `max_tokens`, if the request asks for either."""

    def excerpt(text: str, width: int) -> Snippet:
        return searcher.excerpts(request, [text], width)[0]

    context = _context(searcher, hits, request.context) if request.context and hits else [()] * len(hits)
    if request.max_tokens is not None:
        wide = (widened(hit, around) for hit, around in zip(hits, context, strict=True))
        return tuple(pack(zip(hits, wide, strict=True), request.max_tokens, excerpt))
    if request.context:
        return tuple(with_context(hit, around) for hit, around in zip(hits, context, strict=True))
    return tuple(hits)


def _context(searcher: Searcher, hits: Sequence[Hit], count: int) -> list[Sequence[StoredChunk]]:
    """Return each hit's chunk with up to `count` chunks before and after it, all hydrated in one call."""
    ids = [searcher.chunk_ids(hit.path, max(0, hit.chunk - count), hit.chunk + count) for hit in hits]
    chunks = iter(searcher.hydrate(np.concatenate(ids)))
    return [list(islice(chunks, len(each))) for each in ids]
