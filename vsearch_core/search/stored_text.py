"""Read a part of a file's text from the index, by lines or by page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vsearch_core.embed.tokens import count_tokens
from vsearch_core.errors import InputError
from vsearch_core.index.named_files import FileFinder, NamedPlace
from vsearch_core.model import PAGE_BREAK
from vsearch_core.search.document_text import DocumentText, TextLine
from vsearch_core.search.engine import Searcher
from vsearch_core.store.catalog import ChunkPlace
from vsearch_core.text.extract.registry import place_of, split_member


@dataclass(frozen=True, slots=True)
class StoredText:
    """A part of a file's text, as the index stores it.

    Lines count from 1, and `end_line` is inclusive. `before` and `after` are the context; `before + text + after` is
    continuous text. `page` and `heading` are those where the text starts. `place` is the position in the terms of
    the format ("page 3"), or None for formats with lines. `last_line` is the last line of the file with text.
    `truncated` is true if `max_tokens` cut the text off; the rest starts after `end_line`. `index` is the folder of its
    index if several indexes are read as one.
    """

    path: str
    start_line: int
    end_line: int
    text: str
    start_char: int = 0
    end_char: int = 0
    page: int | None = None
    heading: str | None = None
    place: str | None = None
    before: str = ""
    after: str = ""
    last_line: int = 0
    truncated: bool = False
    generation: int = 0
    index: str | None = None


@dataclass(frozen=True, slots=True)
class LineRange:
    """The part of a file to read: the lines `first` to `last`, and only those on `page`. None means no limit."""

    first: int | None = None
    last: int | None = None
    page: int | None = None

    def includes(self, low: int, high: int, page: int | None) -> bool:
        """Return True if the range may include a line of text, which is one of the file's lines `low` to `high`."""
        on_page = self.page is None or page == self.page
        return on_page and (self.first is None or high >= self.first) and (self.last is None or low <= self.last)


def read_stored_text(
    searcher: Searcher,
    finder: FileFinder,
    name: str,
    start_line: int | None,
    end_line: int | None,
    *,
    page: int | None = None,
    context: int = 0,
    max_tokens: int | None = None,
) -> StoredText:
    """Return a part of a file's text: the given lines and page, or those in the name ("a.md:3-9"), or all.

    See `Index.read`. Raises InputError for a file that is not in the index, and for lines or a page without text.
    """
    if start_line is None and end_line is None:
        path, named = finder.find_place(name)
    else:
        path, named = finder.require(name), NamedPlace(name, start_line, start_line if end_line is None else end_line)
    places = finder.catalog.chunk_places(path)
    if named.sheet is not None:
        page = next((each.page for each in places if each.heading == named.sheet), 0)
    if named.member is not None:
        inside = (each.page for each in places if split_member(path, each.heading)[0] == named.member)
        page = next(inside, None)
        if page is None:
            raise InputError(name, "the index holds no text of it", "no-text")
    wanted = LineRange(named.first, named.last, named.page if page is None else page)
    if wanted.first is not None and wanted.last is not None and wanted.last < wanted.first:
        raise InputError(name, f"line {wanted.last} is before line {wanted.first}", "lines-reversed")
    ids = [places[number].id for number in chunks_to_read(places, wanted, context)]
    chunks = [stored.chunk for stored in searcher.hydrate(np.array(ids, np.int64))]
    text = select_text(path, DocumentText(chunks), wanted, context, max_tokens) if chunks else None
    if text is None:
        raise _no_such_text(name, wanted, places)
    return replace(text, last_line=max(each.end_line for each in places), generation=searcher.generation)


def _no_such_text(name: str, wanted: LineRange, places: Sequence[ChunkPlace]) -> InputError:
    """Return the error for lines or a page without stored text."""
    if not places:
        return InputError(name, "the index holds no text of it", "no-text")
    if wanted.page is not None:
        last = max(each.page or 0 for each in places)
        return InputError(name, f"it has no text on page {wanted.page}", "no-such-page", last=last)
    first = wanted.last if wanted.first is None else wanted.first
    return InputError(
        name, f"no chunk contains line {first}", "no-such-line", last=max(each.end_line for each in places)
    )


def chunks_to_read(places: Sequence[ChunkPlace], wanted: LineRange, context: int) -> range:
    """Return the chunks to load for the wanted lines and `context` lines around them, as a range of numbers.

    `places` are all chunks of the file, in order; the numbers are positions in it. The range is empty if no chunk has a
    wanted line.
    """
    inside = []
    for number, place in enumerate(places):
        later = places[number + 1].page if number + 1 < len(places) else None
        pages = {place.page} if later is None or place.page is None else range(place.page, later + 1)
        reaches = wanted.page is None or wanted.page in pages or (later is None and _is_after(wanted.page, place.page))
        if reaches and LineRange(wanted.first, wanted.last).includes(place.start_line, place.end_line, None):
            inside.append(number)
    if not inside:
        return range(0)
    return range(max(0, inside[0] - context), min(len(places), inside[-1] + context + 1))  # each has at least a line


def _is_after(page: int, other: int | None) -> bool:
    return other is not None and page >= other


def select_text(
    path: str, document: DocumentText, wanted: LineRange, context: int, max_tokens: int | None = None
) -> StoredText | None:
    """Return the wanted lines of a document's text, and `context` lines before and after. Return None if it has none.

    In some formats, the exact line of a piece of text is unknown; all text that may be on a wanted line is returned.
    Rows of several sheets are joined, with a page break between sheets. With `max_tokens`, lines that don't fit are
    left out, context first.
    """
    lines = document.lines
    numbers: Sequence[int] = [
        number for number, line in enumerate(lines) if wanted.includes(line.first, line.last, line.page)
    ]
    ignored = None if wanted.first is None and wanted.last is None else PAGE_BREAK
    numbers = _without_ends(document, numbers, ignored)
    if not numbers:
        return None
    budget = _Budget(max_tokens)
    fitting = budget.fitting(document, numbers)
    first, last = lines[fitting[0]], lines[fitting[-1]]
    end = last.end
    if budget.exceeded and len(fitting) == 1:
        end = first.start + budget.characters(document.text[first.start : first.end])
    truncated = len(fitting) < len(numbers) or end < last.end
    text = document.text[first.start : end] if len(fitting) == 1 else "\n".join(_blocks(document, fitting))
    before, after = numbers[0], numbers[-1]
    if context and not truncated:
        before = budget.fitting(document, range(before - 1, max(-1, before - 1 - context), -1), before)[-1]
        after = budget.fitting(document, range(after + 1, min(len(lines), after + 1 + context)), after)[-1]
    heading = document.heading_at(first.end)
    start_line, end_line = min(lines[number].first for number in fitting), max(lines[number].last for number in fitting)
    return StoredText(
        path,
        start_line,
        end_line,
        text,
        document.char_at(first.start),
        document.char_at(end),
        first.page,
        heading,
        place_of(path, first.page, heading, (start_line, end_line)),
        document.text[lines[before].start : first.start],
        "" if truncated else document.text[last.end : lines[after].end],
        truncated=truncated,
    )


def _without_ends(document: DocumentText, numbers: Sequence[int], ignored: str | None) -> Sequence[int]:
    """Return the numbers without lines at both ends that only have `ignored` characters (None: white space)."""

    def is_kept(number: int) -> bool:
        text = document.text[document.lines[number].start : document.lines[number].end]
        return bool(text.strip(ignored)) or (ignored is not None and not text)

    kept = [place for place, number in enumerate(numbers) if is_kept(number)]
    return numbers[kept[0] : kept[-1] + 1] if kept else ()


class _Budget:
    """Counts the tokens of lines, up to a maximum; None means no maximum."""

    def __init__(self, tokens: int | None) -> None:
        self._left = tokens
        self.exceeded = False

    def fitting(self, document: DocumentText, numbers: Sequence[int], *fallback: int) -> Sequence[int]:
        """Return the numbers of the first lines that fit. If none fits, return the fallback, or else the first line."""
        if self._left is None:
            return numbers or fallback
        for count, number in enumerate(numbers):
            line = document.lines[number]
            tokens = count_tokens(document.text[line.start : line.end] + "\n")
            if tokens > self._left:
                self.exceeded = True
                return numbers[:count] or fallback or numbers[:1]
            self._left -= tokens
        return numbers or fallback

    def characters(self, text: str) -> int:
        """Return the number of characters of a text that fit, one at least."""
        low, high = 1, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if count_tokens(text[:middle]) <= (self._left or 0) else (low, middle - 1)
        return low


def _blocks(document: DocumentText, numbers: Sequence[int]) -> Iterable[str]:
    """Yield the text of each run of consecutive lines, and page breaks between runs on different pages."""
    start = 0
    for place in range(1, len(numbers) + 1):
        if place < len(numbers) and numbers[place] == numbers[place - 1] + 1:
            continue
        one, other = document.lines[numbers[start]], document.lines[numbers[place - 1]]
        if start:
            yield PAGE_BREAK * _pages_between(document.lines[numbers[start - 1]], one)
        yield document.text[one.start : other.end]
        start = place


def _pages_between(one: TextLine, other: TextLine) -> int:
    return 0 if one.page is None or other.page is None else max(0, other.page - one.page)
