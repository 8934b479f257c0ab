"""The answer to a search request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vsearch_core.lexical.query import ParsedQuery
from vsearch_core.model import Chunk, InterimModels, JsonValue, Section
from vsearch_core.search.fusion import Fusion
from vsearch_core.search.rerank import Reranking
from vsearch_core.search.snippets import Snippet


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """The location of a chunk that is hidden, because it is a near-duplicate of a hit. `index` is as in `Hit`."""

    path: str
    chunk: int
    start_line: int
    end_line: int
    index: str | None = None


@dataclass(frozen=True, slots=True)
class BestWindow:
    """The part of a hit whose meaning is nearest to the query's, by its characters in the document."""

    start_char: int
    end_char: int


@dataclass(frozen=True, slots=True)
class HitBox:
    """The place of a hit's text, recognised in a picture, on its page or in its picture.

    The edges are shares of the width and height, from 0 to 1, from the upper left corner.
    """

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class ImageSize:
    """The width and height of a picture in pixels, as it is to be looked at."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class NotReread:
    """A changed file of hits that wasn't read again, and the reason. `index` is as in `Hit`."""

    path: str
    reason: str
    index: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that answers the query.

    `scores` has each route's own score ("vector": cosine, "keyword": BM25), or None if the route didn't score the
    chunk. `place` is the position in the file, in the terms of its format ("slide 4", "Sales!2:9"), or None for formats
    with lines. `before` and `after` are the text around the hit, if context was requested; `before + text + after` is
    continuous text. `alike` are near-duplicates that are hidden in favour of this hit, the best ones if there are many;
    `alike_count` is the number of all that were ranked. `window` is None if the hit is too short to have parts, if the
    index has no late windows, and if no vectors were searched. `confidence` is the probability that the hit is
    relevant, from 0 to 1, or None if it can't be known (`confidence.confidences`). `newer` is the path of the newest
    version of the file, if there is a newer one. `heading` has the section titles above most of the text; `sections`
    has those above each part, or is empty if the whole text has the same. `title`, `mtime` (the time of modification,
    "2026-03-01T12:00:00" in UTC) and `meta` (its metadata, such as front matter) are the file's; `date` is the date in
    its metadata as ISO text, or None. `box` is the place on the page of the best window, or else of the whole text,
    if it was recognised in a picture. `index` is the folder of the hit's index if several were searched; `path` is as
    that index stores it. `kind` is "image" if the file is a picture, and "figure" if the hit is a picture inside a
    document; `image` is its size, if known. A figure about which the document says nothing has its number and size as
    `text`, an `end_char` that equals `start_char`, and the number of the chunk before it. `stale` is "changed" or
    "gone" if the file is not as it was when it was indexed, else None.
    """

    rank: int
    score: float
    path: str
    chunk: int
    start_line: int
    end_line: int
    start_char: int
    end_char: int
    page: int | None
    heading: str | None
    text: str
    scores: Mapping[str, float | None]
    place: str | None = None
    before: str | None = None
    after: str | None = None
    alike: tuple[NearDuplicate, ...] = ()
    window: BestWindow | None = None
    confidence: float | None = None
    newer: str | None = None
    alike_count: int = 0
    title: str | None = None
    date: str | None = None
    mtime: str | None = None
    meta: Mapping[str, JsonValue] = field(default_factory=dict)
    index: str | None = None
    stale: Literal["changed", "gone"] | None = None
    sections: tuple[Section, ...] = ()
    box: HitBox | None = None
    kind: Literal["text", "image", "figure"] = "text"
    image: ImageSize | None = None

    @property
    def is_textless(self) -> bool:
        """Return True for a figure about which its document says nothing."""
        return self.start_char == self.end_char

    def as_chunk(self) -> Chunk:
        """Return the text and its position as a chunk."""
        place = (self.start_char, self.end_char, self.start_line, self.end_line, self.page, self.heading)
        return Chunk(self.text, *place, self.sections)

    def line_at(self, position: int) -> int:
        """Return the file's line at a character of the text, or the first line if the text's lines are not the file's.

        They are if the text is the lines from `start_line` to `end_line`, or a table's header and then those.
        """
        more = self.text.count("\n") - (self.end_line - self.start_line)
        if more not in {0, 1}:
            return self.start_line
        return self.start_line + max(0, self.text.count("\n", 0, position) - more)


@dataclass(frozen=True, slots=True)
class Results:
    """The hits of one request, best first, and details about the search.

    `searched` is the number of live chunks, and of figures without text if pictures are searched, `matched` the number
    of those that pass the filters and clauses. `took_ms`
    has the milliseconds of each step. If a graph search may have missed a hit, `ef_search` is its number of candidates,
    and if a search of inverted lists may have, `nprobe` is the number of lists; both are None if the answer is exact.
    `list_kinds` names the lists of such searches: "ivf" has sketches, and "pq" has PQ codes. `tokens` is the estimated
    number of tokens, if hits were packed. `legible` is the share of the query that the embedding model can read, from 0
    to 1, or None if the text was not embedded. `parsed` and `terms` show how the query was understood. `fusion` is the
    way scores were combined, or None unless the mode is "hybrid". `snippets` has the best sentences of each hit, if
    they were requested. `answered` is True if a chunk seems to answer the query, by its confidence; None if no
    confidence is known. `keyword_only` are the indexes, among several, of which only keywords were searched, because
    another embedder made their vectors. `reranking` tells how many candidates the reranker scored, or is None without
    one. `skipped` is the number of better hits that the request's offset left out. `more` is True if further hits
    follow; it doesn't consider if they would fit into the request's tokens. `not_reread` are changed files of hits that
    the request wanted fresh, and that could not be read again. `coverage` is
    the share of the chunks, from 0 to 1, whose vectors can be compared with the query's. It is below 1 while an update
    still embeds chunks: until then, only keywords find the others. `pictures_left_out` is True if some pictures were
    found by their texts only, because their image model isn't prepared on this machine, or is not that of the first
    index, of several, that has one.
    `re_embedded` is the number of candidates that were embedded again, because the index keeps only codes of vectors:
    their scores are exact, and those of the other chunks are estimates; it is None if the index has all vectors.
    `interim` names the models of interim vectors, if the index has these; it is None in mode "keyword".
    """

    query: str
    mode: str
    exact: bool
    generation: int
    searched: int
    matched: int
    took_ms: Mapping[str, float]
    hits: tuple[Hit, ...]
    parsed: ParsedQuery
    terms: tuple[str, ...] = ()
    fusion: Fusion | None = None
    ef_search: int | None = None
    tokens: int | None = None
    legible: float | None = None
    snippets: tuple[Snippet, ...] = ()
    answered: bool | None = None
    keyword_only: tuple[str, ...] = ()
    reranking: Reranking | None = None
    nprobe: int | None = None
    list_kinds: tuple[str, ...] = ()
    skipped: int = 0
    more: bool = False
    not_reread: tuple[NotReread, ...] = ()
    pictures_left_out: bool = False
    coverage: float = 1.0
    re_embedded: int | None = None
    interim: InterimModels | None = None
