"""Extracts the main text of HTML pages, without navigation and other boilerplate."""

import html
import itertools
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from vsearch_core.json_text import parse_json
from vsearch_core.model import Document, JsonValue, Span
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.figures import Figures, FoundFigure, Load, distinct_texts, with_figures
from vsearch_core.text.extract.headings import MAX_TITLE, spans_between, with_blocks
from vsearch_core.text.extract.layout import TextLayout
from vsearch_core.text.extract.linked_pictures import PagePictures, read_beside
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions

_CHARSET = re.compile(
    rb"<(?:meta[^>]{0,500}?charset|\?xml[^>]{0,200}?encoding)\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE
)
_HEAD_BYTES = 4096  # where a page must declare its encoding
_META = {  # name or property, in lower case -> our key; the first value of a key counts
    "description": "description",
    "og:description": "description",
    "author": "author",
    "dc.creator": "author",
    "article:author": "author",
    "keywords": "keywords",
    "date": "date",
    "dc.date": "date",
    "dcterms.date": "date",
    "article:published_time": "date",
}
_NEVER_TEXT = frozenset(
    {"script", "style", "template", "noscript", "svg", "canvas", "iframe", "object", "audio", "video", "head"}
    | {"datalist", "select", "textarea", "button", "input"}
)
_SCRIPTLESS = frozenset({"noscript", "template"})  # text if the page has no other
_BOILERPLATE = frozenset({"nav", "header", "footer", "aside", "dialog"})  # unless within the main text
_BOILERPLATE_ROLES = frozenset(
    {"navigation", "banner", "contentinfo", "search", "complementary", "dialog", "alertdialog"}
)
_MENU = re.compile(  # class or id of what pages wrap their menus and footers in
    r"(?:^|\s)(?:(?:site|page|main|top|global|primary|secondary|mobile|header|footer|side)[-_]{0,2})?"
    r"(?:nav|navbar|navigation|menu|menubar|topbar|breadcrumbs?|footer|sidebar|skip[-_]?(?:links?|to[-_]content)|pager"
    r"|pagination|share|social)(?:[-_]{0,2}(?:wrapper|container|links?|list|menu|items?|inner|bar))?(?=\s|$)",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"(?:^|[\s_-])(?:cookies?|gdpr|consent|onetrust)[-_]?(?:banner|bar|consent|notice|popup|law|message|modal|wall|overlay)"
    r"s?(?=[\s_-]|$)",
    re.IGNORECASE,
)
_MENU_LINKS, _ONLY_LINKS = 0.5, 0.8  # of a menu's text is in links; of one that may be longer than the rest of the page
_MAX_FOOTER = 1000  # characters
_MAX_NOTICE = 3000
_SOFT_HYPHEN = re.compile("&(?:shy|#173|#x0{0,4}ad);", re.IGNORECASE)
_PERMALINK = re.compile(
    "[¶#§\U0001f517⚓\ufe0f\u200b\\s]*|\\[?(?:link|anchor|permalink|direct link|top|copy link)\\]?", re.IGNORECASE
)
_PERMALINK_CLASSES = frozenset(
    {"headerlink", "header-anchor", "anchor", "anchorlink", "anchor-link", "hash-link", "heading-anchor", "permalink"}
    | {"heading-link", "direct-link"}
)
_FILE_NAME = re.compile(r"[^\s/]{1,200}\.(?:png|jpe?g|gif|svg|webp|bmp)", re.IGNORECASE)
_SOURCES = ("src", "data-src", "data-original")  # the attributes of an <img> that may name its picture
_MAX_AROUND = 50  # elements around an image within its <figure>
_MAX_PIECES = 500  # of text of a caption
_MAX_IMAGES = 50  # of a <figure> that are looked at for the one that its caption is about
_MIN_ALT, _MAX_ALT = 3, 1000  # characters of alternative text; fewer are decoration
_FEW = 200  # characters: a page of fewer may have its text elsewhere
_WRAPPER = re.compile(
    r"\A\s*(?:/\*|//)?\s*<!(?:\[CDATA\[|--)(?:\s*\*/)?|(?:(?:/\*|//)\s*)?(?:\]\]|--)>\s*(?:\*/)?\s*\Z"
)
_MAX_JSON = 1_000_000  # characters of a block of JSON-LD
_HIDDEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "center", "details", "dialog", "dd", "div", "dl"}
    | {"dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"}
    | {"hgroup", "hr", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table"}
    | {"tbody", "tfoot", "thead", "td", "th", "tr", "ul"}
)
_TIGHT = frozenset({"li", "dt", "dd", "tr", "caption", "tbody", "thead", "tfoot"})  # a line of their own, no blank line
_LEVELS = {f"h{level}": level for level in range(1, 7)}
_MAIN_SHARE = 0.5  # of the page's text, for <main> or <article> to stand for the page
_TAG = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE)
_LAST_LINE = 65_535  # the parser counts no further
_EMBEDDED = re.compile(r"(?<=[\"'(])data:[\w/+.-]{1,100}[;,][^\"'()<>\s]*+")  # images in URLs: no text, and no tree
_OVERLOADED = re.compile(  # a tag of a thousand attributes: the parser's time is quadratic in their number
    r"<[a-zA-Z][^\s<>/]*+(?:[\s/]*+[^\s<>\"'=/]++(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s<>\"']*+))?+){1000}"
)


@dataclass(frozen=True, slots=True)
class PageFigures:
    """Finds the figures that a page shows, and adds their texts to those of the document that the page is of."""

    figures: Figures
    pictures: PagePictures

    def find(self, image: Any) -> tuple[str, Load] | None:
        """Return the address and the loader of the picture that an <img> shows, or None if it shows no figure."""
        addresses = [image.get(name, "") for name in _SOURCES]
        addresses.append(image.get("srcset", "").strip().partition(" ")[0])
        for found in map(self.pictures.find, filter(None, addresses)):
            if found is not None and self.figures.is_figure(*found):
                return found
        return None


def extract_file(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of a page as `extract` does, and the figures that it shows."""
    figures = Figures(name, options)
    pictures = PagePictures("", partial(read_beside, options.folder))
    document = extract(name, data, options, PageFigures(figures, pictures))
    return figures.reported(document, options.limits)


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS, figures: PageFigures | None = None) -> Document:
    """Return the main text, divided at headings. Code and tables are marked as such.

    Blocks such as paragraphs are separated by blank lines. `Document.lines` maps each line of the text to its line in
    the source. With `figures`, the texts about pictures that are figures follow, each in a place of its own. Raises
    BinaryFileError if the file isn't text.
    """
    declared = _CHARSET.search(data[:_HEAD_BYTES])
    take = str if figures is None else figures.pictures.take_embedded
    source = decode(name, data, declared[1].decode() if declared else None, take_blobs=take)
    source = _SOFT_HYPHEN.sub("", source)
    root = _UNPARSED if _is_too_large(source, options.limits) else _parse(source)
    if root is None:
        return Document("", ())
    if root is _UNPARSED:
        text = _stripped(source)
        return Document(text, (Span(0, len(text)),) if text.strip() else ())
    layout = _main_text(root, options.limits, figures)
    text, headings = layout.text(), layout.headings()
    title = one_line(root.findtext("head/title") or "")[:MAX_TITLE]
    first = next((heading.title for heading in headings if heading.level == 1), None)
    language = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    document = Document(
        text,
        with_blocks(spans_between(text, headings), layout.blocks()),
        title=title or first,
        language=language.partition("-")[0].strip().lower() or None,
        metadata=_metadata(root),
        lines=tuple(layout.sources) or None,
    )
    if figures is None or not layout.figures:
        return document
    return with_figures(name, document, layout.placed_figures(), figures.figures, options.limits)


_UNPARSED: Any = object()  # stands for the tree of a page that is read without one


def _is_too_large(source: str, limits: ExtractLimits) -> bool:
    """Return True if parsing the page into a tree would take too much time or memory."""
    if source.count("<") > limits.html_tags or _OVERLOADED.search(source):
        return True
    return len(source) > limits.html_chars and len(_EMBEDDED.sub("", source)) > limits.html_chars


def _parse(source: str) -> Any:
    """Return the root element, None for an empty document, `_UNPARSED` if the parser gave up within the page."""
    from lxml import etree, html

    parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        root = html.document_fromstring(source.encode(), parser=parser)
    except etree.ParserError:
        return None
    return _UNPARSED if parser.error_log.filter_from_fatals() else root


def _stripped(source: str) -> str:
    """Return the source without its tags, line for line.

    For pages that nest deeper than the parser goes (2,048 levels), and for those with too many tags or attributes.
    """
    import html

    def blank(match: re.Match[str]) -> str:
        return "\n" * match[0].count("\n") or " "

    return html.unescape(_TAG.sub(blank, source))


def _metadata(root: Any) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for element in root.iter("meta"):
        key = _META.get((element.get("name") or element.get("property") or "").strip().lower())
        value = one_line(element.get("content") or "")
        if key and value:
            found.setdefault(key, value)
    return found


def _main_text(root: Any, limits: ExtractLimits, figures: PageFigures | None) -> TextLayout:
    """Lay out the <main> or the <article>s if they hold most of the text, else the page without its boilerplate."""
    body = root.find("body")
    body = root if body is None else body
    landmarks = _Landmarks(_menus(body), _titled(body), _length(body) * _MAIN_SHARE)
    page = _Renderer(landmarks, limits, figures).render([body])
    mains = root.xpath("//*[self::main or @role='main']")[:1] or root.xpath("//article[not(ancestor::article)]")
    if mains:
        main = _Renderer(landmarks, limits, figures).render(mains)
        if main.length() >= _MAIN_SHARE * page.length():
            page = main
    if not page.length():
        page = _Renderer(landmarks, limits, figures, keep_all=True).render([body])
    length = page.length()
    if length < _FEW:
        scriptless = _Renderer(landmarks, limits, figures, keep_all=not length, is_scriptless=True).render([body])
        if scriptless.length() > 3 * length:
            page, length = scriptless, scriptless.length()
    if length < _FEW:
        for line, article in _articles(root):
            if len(article) > length:
                page.end_block()
                page.write(article, line)
                break
    return page


def _articles(root: Any) -> Iterator[tuple[int, str]]:
    """Yield the texts of articles in JSON-LD, each with the line of its script."""
    for script in root.iter("script"):
        source = _WRAPPER.sub("", script.text or "")
        if script.get("type", "").strip().lower() != "application/ld+json" or len(source) > _MAX_JSON:
            continue
        try:
            values = [parse_json(source)]
        except ValueError:
            continue
        while values:
            value = values.pop()
            if isinstance(value, list):
                values += value
            elif isinstance(value, dict):
                values += [each for each in value.values() if isinstance(each, (dict, list))]
                texts = [value.get(key) for key in ("headline", "articleBody", "text", "description")]
                if isinstance(value.get("articleBody") or value.get("text"), str):
                    texts = texts[:3]
                yield (
                    script.sourceline or 1,
                    "\n".join(_without_tags(each) for each in texts if isinstance(each, str)).replace("\0", ""),
                )


def _without_tags(text: str) -> str:
    return html.unescape(_TAG.sub(" ", text)).strip() if "<" in text or "&" in text else text


def _titled(body: Any) -> set[Any]:
    """Return the elements that contain an <h1>."""
    found: set[Any] = set()
    for title in body.iter("h1"):
        for element in title.iterancestors():
            if element in found:
                break
            found.add(element)
    return found


def _menus(body: Any) -> set[Any]:
    """Return the elements that are menus, notices or footers by their class or id, and by their links and length."""
    from lxml import etree

    found: list[tuple[Any, int, bool]] = []  # with its length, and whether it is nothing but links
    opened: list[
        tuple[Any, bool, int, int]
    ] = []  # whether it is a notice; the characters, and those in links, before it
    total = linked = links = 0
    for event, element in etree.iterwalk(body, events=("start", "end")):
        if event == "start":
            names = f"{element.get('class', '')[:500]} {element.get('id', '')[:500]}"
            is_notice = _NOTICE.search(names) is not None
            if is_notice or _MENU.search(names):
                opened.append((element, is_notice, total, linked))
            links += element.tag == "a"
            text = "" if element.tag in _NEVER_TEXT else element.text
        else:
            links -= element.tag == "a"
            if opened and opened[-1][0] is element:
                _, is_notice, total_before, linked_before = opened.pop()
                length, in_links = total - total_before, linked - linked_before
                names = f"{element.get('class', '')} {element.get('id', '')}".lower()
                if (
                    (is_notice and length <= _MAX_NOTICE)
                    or (length <= _MAX_FOOTER and "footer" in names)
                    or in_links >= _MENU_LINKS * length
                ):
                    found.append((element, length, in_links >= _ONLY_LINKS * length))
            text = element.tail
        size = len((text or "").strip())
        total += size
        linked += size if links else 0
    return {element for element, length, only_links in found if only_links or length <= total * _MAIN_SHARE}


def _length(element: Any) -> int:
    """Return the number of characters of text in the element, without scripts, styles and other hidden content."""
    return sum(
        (0 if child.tag in _NEVER_TEXT else len(child.text or "")) + len(child.tail or "") for child in element.iter()
    ) - len(element.tail or "")


@dataclass(frozen=True, slots=True)
class _Landmarks:
    """Elements and the size of a page, found once before its text is laid out.

    Attributes:
        menus: The elements that are menus, notices or footers.
        titled: The elements that contain an <h1>.
        large: The number of characters from which on an element can be the page's main text.
    """

    menus: Container[Any]
    titled: Container[Any]
    large: float


class _Renderer:
    """Walks elements in document order, without recursion, and lays out their text.

    `line` is the current source line: set by each tag whose line the parser knows, and counted on through the text.
    """

    def __init__(
        self,
        landmarks: _Landmarks,
        limits: ExtractLimits,
        figures: PageFigures | None,
        *,
        keep_all: bool = False,
        is_scriptless: bool = False,
    ) -> None:
        self.layout = TextLayout(limits.headings)
        self.figures = figures
        self.keep_all = keep_all  # boilerplate too: for pages that have nothing else
        self.never_text = _NEVER_TEXT - _SCRIPTLESS if is_scriptless else _NEVER_TEXT
        self.landmarks = landmarks
        self.kept_hidden: Any = None  # the page itself, hidden from screen readers while a dialog is open
        self.captions: dict[Any, Any] = {}  # the image that the caption of a <figure> is about
        self.in_heading = False
        self.line = 1
        self.verbatim = 0  # open <pre> elements
        self.inside = 0  # open <main> and <article> elements
        self.forms = 0  # open <form> elements: what is inside one that is kept is kept too
        self.data_table = False
        self.has_header = False  # the table's first row names its columns
        self.in_row = False  # inside a row of a data table: it is one line, whatever its cells hold
        self.heading_row = self.table_row = self.code_row = 0  # where the heading, the table, the code begins

    def render(self, elements: list[Any]) -> TextLayout:
        from lxml import etree

        for top in elements:
            skipped = None
            walker = etree.iterwalk(top, events=("start", "end", "comment", "pi"))
            for event, element in walker:
                if event == "start":
                    if element is not top and self.is_dropped(element):
                        skipped = element
                        walker.skip_subtree()
                        self.pass_over(element)
                        continue
                    self.start(element)
                    self.write(element.text)
                elif event != "end":
                    self.pass_comment(element)
                elif element is not skipped:
                    self.end(element)
                if event != "start" and element is not top:
                    self.write(element.tail)
            self.layout.end_block()
        return self.layout

    def reach(self, element: Any) -> None:
        if element.sourceline and element.sourceline < _LAST_LINE:
            self.line = max(self.line, element.sourceline)

    def pass_over(self, element: Any) -> None:
        self.reach(element)
        self.line += sum(text.count("\n") for text in element.itertext())

    def pass_comment(self, comment: Any) -> None:
        if comment.sourceline >= _LAST_LINE:
            self.line += (comment.text or "").count("\n")
        self.reach(comment)  # the parser gives a comment the line that it ends on

    def write(self, text: str | None) -> None:
        if not text:
            return
        if self.verbatim and not self.in_row:
            self.layout.write_verbatim(text, self.line)
        else:
            self.layout.write(text, self.line)
        self.line += text.count("\n")

    def is_dropped(self, element: Any) -> bool:
        tag = element.tag
        if tag == "template" and element.get("shadowrootmode"):
            return False
        if tag == "figcaption" and self.figures and self.captioned(element.getparent()) is not None:
            return True  # its text is that of the figure
        if self.keep_all or tag in self.never_text:
            return tag in self.never_text or _is_permalink(element)
        if tag == "nav" or _is_hidden(element) or _is_permalink(element) or self.is_kept_from_readers(element):
            return True
        if tag == "form":
            return not self.forms and _length(element) < self.landmarks.large
        is_boilerplate = (
            tag in _BOILERPLATE or element.get("role") in _BOILERPLATE_ROLES or element in self.landmarks.menus
        )
        # Kept inside the main text, and if it holds the page's title, as many a <header> does.
        return is_boilerplate and not self.inside and element not in self.landmarks.titled

    def is_kept_from_readers(self, element: Any) -> bool:
        """Return True if the element is hidden from screen readers (`aria-hidden`).

        Return False for the first large one: a page hides its whole content this way while it shows a dialog.
        """
        if element.get("aria-hidden") != "true":
            return False
        if self.kept_hidden is not None or _length(element) < self.landmarks.large:
            return True
        self.kept_hidden = element
        return False

    def start(self, element: Any) -> None:
        self.reach(element)
        tag = element.tag
        if tag in {"main", "article"}:
            self.inside += 1
        self.forms += tag == "form"
        if tag == "table":
            self.data_table = _is_data(element)
            self.has_header = self.data_table and _has_header(element)
            self.table_row = -1
        if tag in {"td", "th"} and self.in_row:
            if element.getprevious() is not None:
                self.layout.write(" | ", self.line)
        elif tag in _BLOCKS or tag == "br":
            self.break_before(tag)
        if tag == "tr":
            self.in_row = self.data_table
            if self.table_row < 0:
                self.table_row = len(self.layout.rows)
        elif tag == "pre":
            self.code_row = self.code_row if self.verbatim else len(self.layout.rows)
            self.verbatim += 1
        elif tag == "li" and not self.in_row:
            self.layout.bullet()
        elif tag == "img" and not self.in_heading and not self.verbatim:
            self.start_image(element)
        self.in_heading = self.in_heading or tag in _LEVELS

    def start_image(self, image: Any) -> None:
        alt, title = (one_line(image.get(name, ""))[:_MAX_ALT] for name in ("alt", "title"))
        alt, title = ("" if len(text) < _MIN_ALT or _FILE_NAME.fullmatch(text) else text for text in (alt, title))
        found = self.figures.find(image) if self.figures else None
        if found is not None:
            captions = (
                "".join(islice(caption.itertext(), _MAX_PIECES))
                for figure in image.iterancestors("figure")
                if self.captioned(figure) is image
                for caption in figure.iterchildren("figcaption")
            )
            self.layout.add_figure(FoundFigure(*found, distinct_texts(alt, title, *captions), line=self.line))
        elif alt:
            self.layout.space()
            self.layout.write(alt, self.line)
            self.layout.space()

    def captioned(self, figure: Any) -> Any:
        """Return the image that the caption of a <figure> is about: its first that is a figure here, or None."""
        if figure is None or figure.tag != "figure" or self.figures is None:
            return None
        if figure not in self.captions:
            images = islice(figure.iter("img"), _MAX_IMAGES)
            shown = (image for image in images if self.is_shown(image, figure) and self.figures.find(image))
            self.captions[figure] = next(shown, None)
        return self.captions[figure]

    def is_shown(self, image: Any, figure: Any) -> bool:
        """Return True if neither an image nor what is around it in its <figure> is left out."""
        for element in islice(itertools.chain([image], image.iterancestors()), _MAX_AROUND):
            if element is figure:
                return True
            if element.tag in self.never_text or element.tag == "pre" or element.tag in _LEVELS:
                return False
            if not self.keep_all and (_is_hidden(element) or element.get("aria-hidden") == "true"):
                return False
        return False

    def end(self, element: Any) -> None:
        tag = element.tag
        if tag in {"main", "article"}:
            self.inside -= 1
        self.forms -= tag == "form"
        if tag == "tr":
            self.in_row = False
        elif tag == "pre":
            self.verbatim -= 1
            if not self.verbatim and not self.in_row:
                self.layout.add_block(self.code_row, "code")
        elif tag == "table":
            if self.data_table and self.table_row >= 0:
                self.layout.add_block(self.table_row, "rows", header=self.has_header)
            self.data_table = False
        self.in_heading = self.in_heading and tag not in _LEVELS
        if tag in _LEVELS and not self.in_row:
            self.layout.add_heading(self.heading_row, _LEVELS[tag])
        elif tag in _BLOCKS:
            self.break_before("" if tag == "table" else tag)

    def break_before(self, tag: str) -> None:
        if self.in_row:
            self.layout.space()
        elif tag == "br" or tag in _TIGHT:
            self.layout.end_line()
        else:
            self.layout.end_block()
        if tag in _LEVELS:
            self.heading_row = len(self.layout.rows)


def _is_hidden(element: Any) -> bool:
    if "hidden" in element.attrib:
        return True
    return _HIDDEN.search(element.get("style", "")) is not None


def _is_permalink(element: Any) -> bool:
    """Return True for the sign beside a heading that links to it, and for a wiki's links to edit a section."""
    if element.tag != "a":
        return "mw-editsection" in element.get("class", "")[:500]
    classes = element.get("class", "")[:500].split()
    if not ("#" in element.get("href", "") or not _PERMALINK_CLASSES.isdisjoint(classes)):
        return False
    text = "".join(islice(element.itertext(), 5)).strip()
    if not text or element.find(".//img") is not None:
        return False
    if text[0].isalpha() and (parent := element.getparent()) is not None and parent.tag not in _LEVELS:
        return False
    return _PERMALINK.fullmatch(text) is not None or (len(text) <= 2 and not _PERMALINK_CLASSES.isdisjoint(classes))


def _is_data(table: Any) -> bool:
    """Return True if the table contains data. Return False if it only arranges the layout of the page."""
    inner = table.iter("table", "pre", "ul", "ol", "dl", *_LEVELS)
    return next((element for element in inner if element is not table), None) is None


def _has_header(table: Any) -> bool:
    """Return True if the first row names the columns: all its cells are <th>."""
    first = next(table.iter("tr"), None)
    return first is not None and {cell.tag for cell in first.iterchildren("td", "th")} == {"th"}
