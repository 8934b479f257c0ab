"""Find the quotes and the citations in a text, and which citations belong to a quote.

A quote stands between quotation marks within one paragraph, or in a block whose lines begin with ">". Code between
fences or backticks holds no quotes. A citation is a file's name with a line ("notes/pump.md:12", "a.py:3-7",
"a.py#L3"), or an indexed file's name with a page ("report.pdf, page 3", "report.pdf#page=3").
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

MOST_NAME = 300  # characters of a cited file's name
MOST_NAME_WORDS = 12

_FENCE = re.compile(r"^ {0,3}(`{3,}+|~{3,}+)[^\n]*+\n.*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_BACKTICKS = re.compile(r"`+|\n")
_BLOCK = re.compile(r"(?:^ {0,3}>[^\n]*(?:\n|\Z))+", re.MULTILINE)
_BLOCK_MARK = re.compile(r"^ {0,3}(?:> ?)+", re.MULTILINE)
_ALERT = re.compile(r"\[!\w+\]")
_PARAGRAPH_END = re.compile(r"\n[ \t]*(?=\n)|\Z")
_QUOTES = re.compile(
    r"\u201c((?:[^\u201c\u201d]|\u201c[^\u201c\u201d]*\u201d)+)\u201d"
    r"|\u201e([^\u201e\u201c\u201d]+)[\u201c\u201d]"
    r"|\u00ab([^\u00ab\u00bb]+)\u00bb|\u00bb([^\u00ab\u00bb]+)\u00ab"
    r"|\u300c([^\u300c\u300d]+)\u300d|\u300e([^\u300e\u300f]+)\u300f"
    r"|(?<![\w\u201d])\u201d(?=\w)([^\u201d]+)\u201d(?!\w)"
    r'|(?<![\w"=\\])"(?=[^\s"])([^"]*[^\s"])"(?![\w"])'
)
_LOCATOR = re.compile(
    r":(?P<line>[1-9]\d{0,8})(?:[-\u2013](?P<last>[1-9]\d{0,8})|:(?P<column>[1-9]\d{0,8}))?(?!\w|[:.-]\d)"
    r"|#L(?P<l_line>[1-9]\d{0,8})(?:-L?(?P<l_last>[1-9]\d{0,8}))?(?!\w)"
    r"|#page=(?P<hash_page>[1-9]\d{0,8})(?!\w)"
    r"|,?[ ]{1,2}\(?(?:p\.|page|slide|sheet|cell|message|section)[ ]?(?P<page>[1-9]\d{0,8})(?!\w)"
)
_NAME_START = re.compile(r"(?:^|(?<=[\s(\[{<`\"'*\u201c\u201e\u00ab,;|]))(?=\S)")
_FILE_LIKE = re.compile(r"[\w.~@+-]*(?:/[\w.~@+ -]+)*\.[A-Za-z]\w{0,9}")
_TIGHT_AFTER = re.compile(
    r"(?:[\s)\]\[(,.;:\u2014\u2013*_`<>\"'|-]|(?:see|source|from|in|at|cf|per|and|also|file|line|quelle|siehe)\b)*",
    re.IGNORECASE,
)
_TIGHT_BEFORE = re.compile(
    r"[)\]`*>\"']*[ \t]*[,:\u2014\u2013-]?\s*(?:(?:says|states|reads|writes|notes|said|that)\b\s*){0,2}[,:]?\s*[*_]*",
    re.IGNORECASE,
)
_INTRODUCES = re.compile(  # the quote after a citation
    r"[)\]`*]*\s*(?::|,?\s*(?:says|states|reads|writes|notes|said)\b[\s:,]*)\s*[*_]*", re.IGNORECASE
)
_ATTRIBUTION = re.compile(
    r"[\s(\[\u2014\u2013*_`<-]*(?:see|source|from|in|cf\.?|quelle)?:?[\s(\[*_`<]*\Z", re.IGNORECASE
)
_SOURCE_LINE = re.compile(r"\s*(?=[(\[\u2014\u2013`-]|source|from|see|quelle)[^\n>]*", re.IGNORECASE)
_LOOSE_END = re.compile(r"[\s)\].,;*_`>]*")


@dataclass(frozen=True, slots=True)
class Citation:
    """A citation, `text[start:end]`: the name of a file and lines or a page of it.

    `paths` are the stored paths of the files that the name may mean; none if the index holds no such file.
    """

    start: int
    end: int
    name: str
    paths: tuple[str, ...]
    first: int | None = None
    last: int | None = None
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A quoted passage, `text[start:end]` with its marks; `words` is what it quotes, and `cited` where that should be.

    `paragraph` are the ends of the paragraph around it, in which its citations stand.
    """

    start: int
    end: int
    words: str
    paragraph: tuple[int, int]
    cited: tuple[Citation, ...] = ()


Resolve = Callable[[str], tuple[str, ...]]


def find_claims(text: str, resolve: Resolve, known_suffixes: frozenset[str]) -> tuple[list[Quote], list[Citation]]:
    """Return the quotes and the citations of a text, each in order.

    `resolve` returns the stored paths that a file's name may mean. A name that it doesn't know is a citation if it has
    one of the `known_suffixes` (".md"), or folders and a suffix.
    """
    masked = _masked(text, _FENCE)
    citations = list(_citations(masked, resolve, known_suffixes))
    quotes = sorted([*_block_quotes(masked, citations), *_inline_quotes(masked)], key=lambda quote: quote.start)
    return _with_citations(masked, quotes, citations), citations


def _masked(text: str, pattern: re.Pattern[str]) -> str:
    """Return the text with blanks in place of the parts that the pattern matches; line ends stay."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _without_inline_code(text: str) -> str:
    """Return the text with blanks in place of inline code: between two runs of as many backticks in one line.

    The time is linear. A regular expression would look for the end of each run in the whole line.
    """
    runs = list(_BACKTICKS.finditer(text))
    closing: dict[int, int] = {}  # run -> the next one of its length in the line
    later: dict[int, int] = {}  # length -> the first such run after the present one
    for number in range(len(runs) - 1, -1, -1):
        if runs[number][0] == "\n":
            later.clear()
            continue
        length = runs[number].end() - runs[number].start()
        if length in later:
            closing[number] = later[length]
        later[length] = number
    parts, end, number = [], 0, 0
    while number < len(runs):
        close = closing.get(number)
        if close is None:
            number += 1
            continue
        start, stop = runs[number].start(), runs[close].end()
        parts += [text[end:start], " " * (stop - start)]
        end, number = stop, close + 1
    return "".join([*parts, text[end:]])


def _citations(text: str, resolve: Resolve, known_suffixes: frozenset[str]) -> Iterator[Citation]:
    end = 0
    for match in _LOCATOR.finditer(text):
        line_start = max(text.rfind("\n", 0, match.start()) + 1, match.start() - MOST_NAME, end)
        before = text[line_start : match.start()]
        first, last = match["line"] or match["l_line"], match["last"] or match["l_last"]
        found = _cited_name(before, resolve, known_suffixes, needs_file=match["page"] is not None)
        if match["column"] and not (found and found[2]):  # a file whose name ends in a colon and a number
            longer = _cited_name(f"{before}:{first}", resolve, known_suffixes, needs_file=True)
            found, first = (longer, match["column"]) if longer else (found, first)
        if found is None:
            continue
        offset, name, paths = found
        page = match["page"] or match["hash_page"]
        end = match.end()
        yield Citation(
            line_start + offset,
            end,
            name,
            paths,
            int(first) if first else None,
            int(last or first) if first else None,
            int(page) if page else None,
        )


def _cited_name(
    before: str, resolve: Resolve, known_suffixes: frozenset[str], *, needs_file: bool
) -> tuple[int, str, tuple[str, ...]] | None:
    """Return the name that ends the text before a locator: its offset, the name, and the paths that it may mean."""
    starts = [match.start() for match in _NAME_START.finditer(before)][-MOST_NAME_WORDS:]
    names = [(start, before[start:].rstrip("`*_>)]\"' ")) for start in starts]
    for start, name in names:  # the longest first: a name may contain blanks
        if name and (paths := resolve(name)):
            return start, name, paths
    if needs_file or not names or any(blank in names[-1][1] for blank in " \t"):
        return None
    start, name = names[-1]
    suffix = "." + name.rpartition(".")[2].lower()
    is_file = _FILE_LIKE.fullmatch(name) and (suffix in known_suffixes or "/" in name.lstrip("./"))
    return (start, name, ()) if is_file and "://" not in before[start:] and "//" not in name else None


def _block_quotes(text: str, citations: Sequence[Citation]) -> Iterator[Quote]:
    for block in _BLOCK.finditer(text):
        end = len(text[: block.end()].rstrip())
        inside = [citation for citation in citations if block.start() <= citation.start < end]
        for citation in reversed(inside):  # attributions at the end of the block are no part of the quote
            if _LOOSE_END.fullmatch(text[citation.end : end]) is None:
                break
            before = _BLOCK_MARK.sub(lambda mark: " " * len(mark[0]), text[block.start() : citation.start])
            attribution = _ATTRIBUTION.search(before)
            end = block.start() + attribution.start() if attribution else citation.start
        words = _ALERT.sub("", _BLOCK_MARK.sub("", text[block.start() : end])).strip()
        lines = words.splitlines()
        if len(lines) > 1 and re.match(r"[\u2014\u2013]|--", lines[-1].lstrip()):  # "— the author"
            words = "\n".join(lines[:-1]).strip()
        marked = _QUOTES.fullmatch(words)
        if marked:
            words = words[slice(*_inside(marked))]
        yield Quote(block.start(), end, words, (block.start(), _attribution_end(text, block.end())))


def _attribution_end(text: str, end: int) -> int:
    """Return the end of the line after a block quote that may name its source, else that of the block."""
    match = _SOURCE_LINE.match(text, end)
    return match.end() if match else end


def _inline_quotes(text: str) -> Iterator[Quote]:
    masked = _without_inline_code(_masked(text, _BLOCK))
    start = 0
    for end in (match.start() for match in _PARAGRAPH_END.finditer(masked)):
        for match in _QUOTES.finditer(masked, start, end):
            yield Quote(match.start(), match.end(), text[slice(*_inside(match))], (start, end))
        start = end


def _inside(match: re.Match[str]) -> tuple[int, int]:
    """Return where the text between the quotation marks begins and ends."""
    return next(match.span(number) for number, group in enumerate(match.groups(), 1) if group is not None)


def _with_citations(text: str, quotes: Sequence[Quote], citations: Sequence[Citation]) -> list[Quote]:
    """Return the quotes with their citations.

    Those right after a quote belong to it, else the one right before it, else all others of its paragraph up to the
    next and the previous quote.
    """
    taken: set[int] = set()
    starts = [citation.start for citation in citations]
    attached: list[list[int]] = []
    for place, quote in enumerate(quotes):
        own, end, number = [], quote.end, bisect_right(starts, quote.end - 1)
        limit, following = quote.paragraph[1], quotes[place + 1].start if place + 1 < len(quotes) else len(text)
        while number < len(citations) and citations[number].end <= limit:
            if _TIGHT_AFTER.fullmatch(text[end : citations[number].start]) is None:
                break
            if following < len(text) and _INTRODUCES.fullmatch(text[citations[number].end : following]):
                break
            own.append(number)
            end, number = citations[number].end, number + 1
        attached.append(own)
        taken.update(own)
    for place, quote in enumerate(quotes):
        previous = quotes[place - 1].end if place else 0
        number = bisect_right(starts, quote.start) - 1
        is_before = number >= 0 and number not in taken and citations[number].start >= max(previous, quote.paragraph[0])
        if attached[place] or not is_before:
            continue
        if _TIGHT_BEFORE.fullmatch(text[citations[number].end : quote.start]):
            attached[place] = [number]
    taken.update(number for own in attached for number in own)
    for place, quote in enumerate(quotes):
        low = max(quote.paragraph[0], quotes[place - 1].end if place else 0)
        high = min(quote.paragraph[1], quotes[place + 1].start if place + 1 < len(quotes) else len(text))
        if not attached[place]:
            attached[place] = [
                number
                for number, citation in enumerate(citations)
                if low <= citation.start and citation.end <= high and number not in taken
            ]
    return [
        replace(quote, cited=tuple(citations[number] for number in own))
        for quote, own in zip(quotes, attached, strict=True)
    ]
