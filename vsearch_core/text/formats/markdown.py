"""Extracts text from Markdown files: reads front matter (metadata at the top), headings, fenced code and tables."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from vsearch_core.model import Document
from vsearch_core.text.extract.builder import MAX_HEADER
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.front_matter import front_matter
from vsearch_core.text.extract.headings import MAX_TITLE, Block, Heading, spans_between, with_blocks
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_FENCE_LINE = re.compile(rf"^{_FENCE.pattern}$", re.MULTILINE)
_TABLE_RULE = re.compile(  # the line below a table's first row: GitHub Flavored Markdown, section 4.10
    r"^ {0,3}(?=[^\n]*\|)\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+$", re.MULTILINE
)
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_ATX = re.compile(r" {0,3}(#{1,6})(?![^ \t])")
_CLOSING = re.compile(r"(?:^|[ \t])#+$")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*")
_PARAGRAPH = re.compile(
    r" {0,3}(?![#>|<]|[-+*][ \t]|\d{1,9}[.)][ \t]|\[\^)\S"
)  # a line that a rule below makes a title
_FIRST_LINE = re.compile(r"\s*+([^\n]{1,300})")
_BOLD_LINE = re.compile(r"\*\*(?:(?!\*\*).)+\*\*:?|__(?:(?!__).)+__:?")
_EMPTY_LINK = re.compile(r"\[\s*\](?:\([^()]*\)|\[[^\[\]]*\])")
_ELEMENT = re.compile(r"<[^<>]*>")
_PICTURE = re.compile(r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])|!\[\[[^\[\]]*\]\]|<img\b[^<>]*>")
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_WIKILINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
_MARKS = re.compile(
    r"\\([!-/:-@\[-`{-~])"  # an escaped sign stays
    r"|\*\*|__|`|~~|==|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|\s*\{[#.][^}]*\}$|\s\^[\w-]+$|\[\^[^\[\]]*\]"
)
_COMMENTS = re.compile(r"<!--.*?-->|%%.*?%%")
_ADDRESS = re.compile(r"<([a-z][a-z+.-]{1,30}:[^<>\s]*|[^<>\s@]+@[^<>\s@]+)>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_RAW = re.compile(r" {0,3}<(?:pre|script|style|textarea)(?=[\s>]|$)", re.IGNORECASE)  # their lines are no Markdown
_RAW_END = re.compile(r"</(?:pre|script|style|textarea)>", re.IGNORECASE)
_ELEMENT_HEADING = re.compile(r" {0,3}<h([1-6])(?:\s[^<>]*)?>", re.IGNORECASE)
_MAX_ELEMENT = 500  # characters of a heading written in HTML


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text, divided at headings. Fenced code and tables are marked as such.

    The front matter becomes metadata. Raises BinaryFileError if the file isn't text.
    """
    text = decode(name, data)
    metadata, start = front_matter(text)
    limit = options.limits.headings
    headings = list(islice(find_headings(text, start), limit))
    if headings and _says_nothing(text, start, headings[0].start):
        headings[0] = replace(headings[0], start=start)  # a licence or badges above the title are below it too
    title = metadata.get("title")
    if not isinstance(title, str) or not title.strip():
        title = next((heading.title for heading in headings if heading.level == 1), None)
        title = title or next((heading.title for heading in headings), None) or _bold_title(text, start)
    language = metadata.get("lang", metadata.get("language"))
    return Document(
        text,
        with_blocks(spans_between(text, headings, start), list(islice(_blocks(text, start), limit))),
        title=title.strip() if title else None,
        language=language if isinstance(language, str) else None,
        metadata=metadata,
    )


def _bold_title(text: str, start: int) -> str | None:
    """Return the first line that isn't blank if all of it is bold, as if it were a title."""
    line = _FIRST_LINE.match(text, start)
    bold = _BOLD_LINE.fullmatch(line[1].strip()) if line else None
    return _plain(bold[0]) if bold else None


def find_headings(text: str, start: int) -> Iterator[Heading]:
    """Yield the headings after the offset `start` in order, except those in code, comments and `<pre>`."""
    fence = ""  # closes the current code block
    comment_end, last_comment_end, last_raw_end = start, text.rfind("-->"), len(text)
    previous, previous_start, alone = "", start, True  # the line before, and whether it begins a paragraph
    position = start
    for line in text[start:].split("\n"):
        opening = _FENCE.fullmatch(line)
        if position < comment_end:
            line_text = ""
        elif fence:
            if opening and opening[1].startswith(fence) and not opening[2].strip():
                fence = ""
            line_text = ""  # for headings, a line of code counts as blank
        elif opening and not (opening[1][0] == "`" and "`" in opening[2]):
            fence = opening[1]
            line_text = ""
        else:
            line_text = line
            if position < last_comment_end and line.lstrip(" ").startswith("<!--"):
                comment_end = text.find("-->", position)
            if atx := _ATX.match(line):
                yield Heading(position, len(atx[1]), _plain(line[atx.end() :]))
                line_text = ""
            elif _RAW.match(line):
                closing = _RAW_END.search(text, position) if position < last_raw_end else None
                comment_end, last_raw_end = (closing.start(), last_raw_end) if closing else (position, position)
                line_text = ""
            elif (element := _ELEMENT_HEADING.match(line)) and (title := _element_title(text, position, element)):
                yield Heading(position, int(element[1]), title)
                line_text = ""
            elif alone and (rule := _SETEXT.fullmatch(line)) and _PARAGRAPH.match(previous):
                yield Heading(previous_start, 1 if rule[1][0] == "=" else 2, _plain(previous))
                line_text = ""
        alone = not previous.strip()
        previous, previous_start = line_text, position
        position += len(line) + 1


def _element_title(text: str, start: int, opening: re.Match[str]) -> str:
    """Return the text of the heading element that begins at an offset; "" if it has none or isn't closed."""
    source, end, _ = text[start + opening.end() : start + _MAX_ELEMENT].partition(f"</h{opening[1]}>")
    return _plain(" ".join(source.split())) if end else ""


def _says_nothing(text: str, start: int, end: int) -> bool:
    """Return True if text[start:end] contains only comments, pictures (such as badges), tags and white space."""
    parts: list[str] = []
    position = start
    while (begin := text.find("<!--", position, end)) >= 0 and (close := text.find("-->", begin, end)) >= 0:
        parts.append(text[position:begin])
        position = close + 3
    rest = "".join([*parts, text[position:end]])
    for pattern in (_PICTURE, _EMPTY_LINK, _ELEMENT):
        rest = pattern.sub("", rest)
    return not rest.strip()


def _blocks(text: str, start: int) -> Iterator[Block]:
    """Yield fenced code and tables, in order."""
    position = start
    for begin, end in _code_blocks(text, start):
        yield from _tables(text, position, begin)
        yield Block(begin, end)
        position = end
    yield from _tables(text, position, len(text))


def _tables(text: str, start: int, end: int) -> Iterator[Block]:
    """Yield the tables of a stretch without code: a row of names, a rule of as many cells below it, and rows."""
    position = start
    for rule in _TABLE_RULE.finditer(text, start, end):
        first = text.rfind("\n", start, max(rule.start() - 1, start)) + 1 or start
        names = text[first : rule.start()].rstrip("\n")
        if first < position or "\n" in names or not names.strip() or _cells(names) != _cells(rule[0]):
            continue
        position = min(rule.end() + 1, end)
        while position < end:
            line_end = text.find("\n", position, end) + 1 or end
            if "|" not in text[position:line_end]:
                break
            position = line_end
        header = names.strip() if len(names) <= MAX_HEADER else ""
        yield Block(first, position, "rows", header)


def _cells(row: str) -> int:
    row = row.strip().removeprefix("|")
    return len(_CELL_BORDER.findall(row)) + (not row.endswith("|") or row.endswith("\\|"))


def _code_blocks(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each fenced block; an unclosed one extends to the end of the text."""
    begin = fence = None
    for opening in _FENCE_LINE.finditer(text, start):
        if fence is None and not (opening[1][0] == "`" and "`" in opening[2]):
            begin, fence = opening.start(), opening[1]
        elif fence is not None and opening[1].startswith(fence) and not opening[2].strip():
            yield begin or 0, min(opening.end() + 1, len(text))
            fence = None
    if fence is not None:
        yield begin or 0, len(text)


def _plain(title: str) -> str:
    """Return the title without its inline markup."""
    title = _CLOSING.sub("", _COMMENTS.sub("", title[:MAX_TITLE]).strip())
    without_pictures = _LINK.sub(r"\1", _WIKILINK.sub(r"\1", _PICTURE.sub("", title)))
    title = without_pictures if without_pictures.strip() else _LINK.sub(r"\1", title)
    title = _TAG.sub("", _ADDRESS.sub(r"\1", title))
    return one_line(html.unescape(_MARKS.sub(r"\1", title)))
