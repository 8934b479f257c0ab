"""Choose what the web page shows: hits, passages and messages in plain words, for its HTML and for its script."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vsearch_core.errors import InputError, VsearchError
from vsearch_core.model import PAGE_BREAK
from vsearch_core.printable import one_line
from vsearch_core.search.confidence import ANSWERED
from vsearch_core.search.results import Hit, NearDuplicate, Results
from vsearch_core.search.results_json import why_nothing
from vsearch_core.search.snippets import Snippet
from vsearch_core.search.stored_text import StoredText
from vsearch_core.serve.page_form import CONTEXT_LINES, SearchForm
from vsearch_core.serve.page_text import clean, cut, is_code, is_valid
from vsearch_core.serve.problems import Problem, problem_of
from vsearch_core.text.extract.pictures import has_pillow
from vsearch_core.text.extract.registry import figure_number, is_picture, place_of, split_member, unit_of
from vsearch_core.text.files import Thumbnail

MAX_TOKENS = 8000  # of a passage with the text around it
MAX_QUOTE = 2000  # characters of a sentence or a window that are highlighted
ALIKE_SHOWN = 10

_STALE = {
    "changed": "The file has changed since it was indexed.",
    "gone": "The file no longer exists.",
}
_WHY_NOTHING = {
    "empty-index": "The index is empty: no document has been added to it.",
    "filtered-out": "No document passes the filters. Loosen them.",
    "clauses-unmatched": "No passage passes the filters and has all that the query requires by quotes, + and -.",
    "beyond-last-hit": "There are no further hits.",
    "below-min-confidence": "No hit is as likely to be relevant as the filter demands. Lower it.",
    "no-match": "Nothing here matches. Use other words.",
}
_GONE = "The passage of this link is no longer in the index."
_LABELS = {
    "q": "Query",
    "path": "Path",
    "ext": "Type",
    "since": "Changed from",
    "until": "Changed until",
    "min_confidence": "Likely",
    "confidence": "Likely",
}

_HINTS = {"invalid-date": "Write 2026-01-31, or 30d for 30 days ago."}


class PageIndex(Protocol):
    """An index, as the page uses it."""

    @property
    def root(self) -> Path:
        """The folder that relative paths of files start from."""

    def search(self, query: str, *, snippets: bool = False, **options: Any) -> Results:
        """Search the index for the chunks that answer a query best."""

    def read(self, path: str, start_line: int | None = None, end_line: int | None = None, **options: Any) -> StoredText:
        """Return the text of an indexed file as the index stores it."""

    def thumbnail(self, place: str, *, longest: int = 320) -> Thumbnail:
        """Return an indexed picture, or a figure of an indexed document, made smaller."""

    def status(self) -> Any:
        """Return the number of files and chunks in the index, its settings, and its size on disk."""


@dataclass(frozen=True, slots=True)
class PageLink:
    """A file to open: its folder, with a slash, its name, and the place that `SearchForm.open` takes, or ""."""

    folder: str
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class PageHit:
    """A hit. `position` is its line or page, `pieces` its best sentences, cut into (text, is a term of the query).

    `header` is the header of a table if the sentences are its rows. `sentence` and `window` are the texts to highlight
    in the passage. `percent` is the confidence, and `is_weak` is True if it is too low for an answer. `index` is the
    folder of the hit's index if several were searched. `alike` are near-duplicates, `alike_more` the number of others.
    `picture` is the place of a picture to show, as `PageIndex.thumbnail` takes it, or "".
    """

    link: PageLink
    position: str
    heading: str
    header: str
    pieces: tuple[tuple[str, bool], ...]
    is_code: bool
    sentence: str
    window: str
    percent: int | None
    is_weak: bool
    note: str
    index: str
    newer: PageLink | None
    alike: tuple[PageLink, ...]
    alike_more: int
    picture: str


@dataclass(frozen=True, slots=True)
class PagePassage:
    """A chunk or a file, and the text around it. `pieces` are (text, kind): "around", "sentence", "window" or "".

    `wider` is the value of `lines` that shows more of the file, or "" if all is shown. `is_code` asks for a font of
    fixed width. `picture` is as in `PageHit`.
    """

    link: PageLink
    position: str
    heading: str
    pieces: tuple[tuple[str, str], ...]
    is_code: bool
    wider: str
    note: str
    picture: str


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """All that the page shows below its form.

    `summary` is one line that screen readers announce, `notice` something that the reader must not miss, `detail` a
    line for the curious. `field` is the form's field that is wrong, or "". `next_offset` is the offset of the next page
    of hits, or "" if there are no more.
    """

    summary: str = ""
    notice: str = ""
    detail: str = ""
    field: str = ""
    hits: tuple[PageHit, ...] = ()
    passage: PagePassage | None = None
    next_offset: str = ""


def start_page(index: PageIndex) -> PageAnswer:
    """Return the page before the first query: the size of the index."""
    found = index.status()
    if not found.files:
        return PageAnswer(notice=_WHY_NOTHING["empty-index"])
    return PageAnswer(detail=f"{_counted(found.files, 'document')}, {_counted(found.chunks, 'passage')}")


def answer(index: PageIndex, form: SearchForm) -> PageAnswer:
    """Search the index, and read the passage that is open: that of the form, else the best hit's."""
    if not form.q.strip():
        return PageAnswer(passage=open_passage(index, form)) if form.open else start_page(index)
    results = index.search(form.q, snippets=True, **form.options())
    hits = tuple(_hit(index.root, *each) for each in zip(results.hits, results.snippets, strict=True))
    passage = _passage_of(index, form, hits)
    return PageAnswer(
        summary=_summary(results),
        notice=_GONE if form.open and passage is None else _notice(results, form),
        detail=_detail(results),
        hits=hits,
        passage=passage,
        next_offset=str(form.skipped + len(hits)) if results.more and hits else "",
    )


def _passage_of(index: PageIndex, form: SearchForm, hits: Sequence[PageHit]) -> PagePassage | None:
    """Return the open passage: that of the form, else the first hit's. Return None if it can't be read."""
    place = form.open or next((hit.link.place for hit in hits), "")
    quotes = next(((hit.sentence, hit.window) for hit in hits if hit.link.place == place), ("", ""))
    with suppress(InputError):
        return read_passage(index, place, form.context, *quotes) if place else None
    return None


def open_passage(index: PageIndex, form: SearchForm) -> PagePassage:
    """Return the passage that the form names. Raises VsearchError."""
    return read_passage(index, form.open, form.context)


def read_passage(index: PageIndex, place: str, context: int, sentence: str = "", window: str = "") -> PagePassage:
    """Return the text at a place, such as "notes/pump.md:3-9", with `context` lines before and after it.

    Places start from the index's root, wherever the server runs. Raises VsearchError if the index has no such text.
    """
    found = index.read(str(index.root / place), context=context, max_tokens=MAX_TOKENS)
    wider = next((lines for lines in CONTEXT_LINES if int(lines) > context), "")
    is_whole = found.start_line <= 1 and found.end_line >= found.last_line
    member, heading = split_member(found.path, found.heading)
    flowing = not is_code(member or found.path)
    return PagePassage(
        link=_link(found.path, place, member),
        position=_lines(found.start_line, found.end_line) if found.place is None or member else found.place,
        heading=one_line(heading or ""),
        pieces=_highlighted(*map(clean, (found.before, found.text, found.after, sentence, window)), flowing=flowing),
        is_code=not flowing,
        wider="" if found.truncated or is_whole else wider,
        note="Cut here: the passage is very long." if found.truncated else "",
        picture=_named_figure(index.root, place)
        or _picture(index.root, _joined(_base(found.index), found.path), found.page, found.place),
    )


def explain_error(error: VsearchError | Problem) -> tuple[int, PageAnswer]:
    """Return the HTTP status for an error, and a page that tells in plain words what is wrong."""
    problem = error if isinstance(error, Problem) else problem_of(error)
    field = error.subject.strip("/") if isinstance(error, VsearchError) else ""
    if field == "min_confidence":
        field = "confidence"
    if isinstance(error, VsearchError) and field in _LABELS:
        notice = f"{_LABELS[field]}: {error.reason}. {_HINTS.get(error.code, '')}"
        return problem.status, PageAnswer(notice=one_line(notice), field=field)
    if problem.status == 404:
        return 404, PageAnswer(notice=one_line(f"This passage is not in the index: {problem.detail}."))
    if problem.code == "busy":
        return 503, PageAnswer(notice="The server is busy. Try again in a moment.")
    if problem.status == 503:
        return 503, PageAnswer(notice=one_line(f"The index can't be read at the moment: {problem.detail}."))
    return problem.status, PageAnswer(notice=one_line(f"{problem.detail}."))


def _hit(root: Path, hit: Hit, snippet: Snippet) -> PageHit:
    heading = hit.as_chunk().heading_at(snippet.start)
    member, below = split_member(hit.path, heading)
    unit, flowing = unit_of(member or hit.path), not is_code(member or hit.path)
    if unit == "line":
        position = f"line {hit.line_at(snippet.start)}"
    else:
        page = None if hit.page is None else hit.page + hit.text.count(PAGE_BREAK, 0, snippet.start)
        position = "" if member else place_of(hit.path, page, heading, (hit.start_line, hit.end_line)) or ""
    base = _base(hit.index)
    alike = {twin.path: _alike_link(base, twin) for twin in reversed(hit.alike[:ALIKE_SHOWN])}
    percent = None if hit.confidence is None else round(hit.confidence * 100)
    return PageHit(
        link=_link(hit.path, _place(base, hit, member), member),
        position=one_line(position),
        heading=one_line("" if unit == "sheet" else below or ""),
        header=one_line(snippet.header),
        pieces=_pieces(hit, snippet, flowing=flowing),
        is_code=not flowing,
        sentence=clean(snippet.text[:MAX_QUOTE]),
        window=_window_text(hit),
        percent=percent,
        is_weak=hit.confidence is not None and hit.confidence < ANSWERED,
        note=_STALE.get(hit.stale or "", ""),
        index="" if hit.index is None else one_line(str(base)),
        newer=None if hit.newer is None else _link(hit.newer, _joined(base, hit.newer), None),
        alike=tuple(reversed(alike.values())),
        alike_more=hit.alike_count - len(alike),
        picture="" if hit.stale else _picture(root, _joined(base, hit.path), hit.page, hit.place),
    )


def _base(index: str | None) -> Path | None:
    """Return the folder that paths in one of several indexes start from."""
    return None if index is None else Path(index).parent


def _picture(root: Path, path: str, page: int | None, place: str | None) -> str:
    """Return the place of the picture at a place of a file, as `PageIndex.thumbnail` takes it, or "" if it is none.

    An index that was copied has pictures whose files are not here; it has none to show.
    """
    if is_picture(path):
        shown = f"{path}  {unit_of(path)} {page}" if page else path
    elif figure_number(path, place) is not None:
        shown = f"{path}  {place}"
    else:
        return ""
    return shown if is_valid(shown) and has_pillow() and (root / path).is_file() else ""


def _named_figure(root: Path, place: str) -> str:
    """Return the place if it names a figure, which has more than one chunk if its words are many; else ""."""
    path, _, shown = place.rpartition("  ")
    return "" if figure_number(path, shown) is None else _picture(root, path, None, shown)


def _link(path: str, place: str, member: str | None) -> PageLink:
    """Return a link that shows a file's path, or that of a file in an archive, and opens a place."""
    folder, slash, name = f"{path}!{member}".rpartition("/") if member else path.rpartition("/")
    return PageLink(one_line(folder + slash), one_line(name), place if is_valid(place) else "")


def _joined(base: Path | None, path: str) -> str:
    return path if base is None else str(base / path)


def _place(base: Path | None, hit: Hit, member: str | None) -> str:
    """Return the name of a hit's chunk that `Index.read` takes."""
    path = _joined(base, hit.path)
    if member:
        return f"{path}!{member}:{hit.start_line}-{hit.end_line}"
    if hit.place and (unit_of(hit.path) == "sheet" or figure_number(hit.path, hit.place) is not None):
        return f"{path}  {hit.place}"
    return f"{path}:{hit.start_line}-{hit.end_line}"


def _alike_link(base: Path | None, twin: NearDuplicate) -> PageLink:
    return _link(twin.path, f"{_joined(base, twin.path)}:{twin.start_line}-{twin.end_line}", None)


def _window_text(hit: Hit) -> str:
    """Return the text of a hit's best window, or "" if there is none or its place in the text is not known."""
    if hit.window is None or len(hit.text) != hit.end_char - hit.start_char:
        return ""
    start, end = hit.window.start_char - hit.start_char, hit.window.end_char - hit.start_char
    return clean(hit.text[start:end].strip()[:MAX_QUOTE])


def _pieces(hit: Hit, snippet: Snippet, *, flowing: bool) -> tuple[tuple[str, bool], ...]:
    line = max(hit.text.rfind("\n", 0, snippet.start) + 1, snippet.start - MAX_QUOTE)  # tells if paragraphs are wrapped
    at = snippet.start - line
    text = clean(hit.text[line : snippet.start + len(snippet.text)])
    marks = [(start + at, end + at) for start, end in snippet.marks]
    pieces = cut(text, [(at, len(text)), *marks], flowing=flowing)
    return tuple((piece, len(inside) > 1) for piece, inside in pieces if inside)


def _highlighted(
    before: str, text: str, after: str, sentence: str, window: str, *, flowing: bool
) -> tuple[tuple[str, str], ...]:
    """Cut a text and its context into pieces with their kind: "around", "sentence", "window", or "" for all else.

    The sentence and the window are looked for in the text; a piece that is in both counts as the sentence.
    """
    end = len(before) + len(text)
    ranges, kinds = [(0, len(before)), (end, end + len(after))], ["around", "around"]
    for kind, quote in (("window", window), ("sentence", sentence)):
        start = text.find(quote) if quote else -1
        if start >= 0:
            ranges.append((len(before) + start, len(before) + start + len(quote)))
            kinds.append(kind)
    pieces = cut(before + text + after, ranges, flowing=flowing)
    return tuple((piece, kinds[inside[-1]] if inside else "") for piece, inside in pieces)


def _summary(results: Results) -> str:
    if not results.hits:
        return "No hit"
    first, last = results.hits[0].rank, results.hits[-1].rank
    if first > 1:
        return f"Hits {first} to {last}"
    return f"The {last} best hits" if results.more else _counted(last, "hit")


def _notice(results: Results, form: SearchForm) -> str:
    if not results.hits:
        return _WHY_NOTHING[why_nothing(results, has_min_score=False, has_min_confidence=bool(form.confidence))]
    if results.answered is not False or form.skipped:
        return ""
    return f"Nothing here seems to answer this. Each hit is less than {ANSWERED:.0%} likely to be relevant."


def _detail(results: Results) -> str:
    narrowed = "" if results.matched == results.searched else f"{results.matched:,} of "
    return f"{narrowed}{_counted(results.searched, 'passage')} searched in {results.took_ms['total']:.0f} ms"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}–{last}"
