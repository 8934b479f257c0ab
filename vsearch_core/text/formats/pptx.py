"""Extracts text from presentations (PPTX, OOXML PresentationML, ECMA-376). Each slide counts as one page."""

from collections.abc import Mapping
from dataclasses import replace

from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder, numbered
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.figures import Figures, FoundFigure
from vsearch_core.text.extract.office import EmbeddedParts, alternative_text, paragraphs
from vsearch_core.text.extract.options import DEFAULTS, ExtractLimits, ExtractOptions
from vsearch_core.text.extract.package import Package, Properties

KIND = "presentation"
_TITLES = frozenset({"title", "ctrTitle"})
_BOILERPLATE = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})  # placeholders that repeat on every slide


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text, tables, notes, comments and figures of each slide, under the slide's title.

    The text includes the words in charts and diagrams, and alternative texts. Raises ExtractionError if the file can't
    be read.
    """
    package = Package(name, data, KIND, options)
    main = next(iter(package.related("", "officeDocument")), "ppt/presentation.xml")
    package.require(main)
    properties, order, builder = Properties(), _Order(options.limits), DocumentBuilder(name, options.limits)
    figures = Figures(name, options)
    for member in package.related("", "core-properties"):
        package.walk(member, properties)
    package.walk(main, order)
    slides = package.relations(main)
    missing: list[int] = []
    title = properties.title
    for number, relation in enumerate(order.slides, 1):
        member = slides[relation][1] if relation in slides else ""
        if member not in package.members:
            missing.append(number)
            continue
        builder.start_page(number)
        builder.end_headings()
        slide = _Slide(EmbeddedParts(package, member, figures))
        package.walk(member, slide)
        title = title or slide.title
        if slide.title:
            builder.heading(1, slide.title)
        for block in slide.blocks:
            if isinstance(block, list):
                builder.add_rows(block)
            else:
                builder.add(block)
        for notes in package.related(member, "notesSlide"):
            speaker = _Slide(EmbeddedParts(package, notes, figures))
            package.walk(notes, speaker)
            builder.add("\n".join(block for block in speaker.blocks if isinstance(block, str)))
        for comments in package.related(member, "comments"):
            builder.add("\n".join(paragraphs(package, comments)))
        figures.write(builder, [replace(figure, titles=builder.titles) for figure in slide.figures])
    figures.report(builder)
    if missing:
        builder.left_out.append("can't find " + numbered("slide", missing))
    return builder.document(title, properties.language, properties.metadata)


class _Order:
    def __init__(self, limits: ExtractLimits) -> None:
        self._limits = limits
        self.slides: list[str] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "sldId" and len(self.slides) < self._limits.parts:
            self.slides.append(attributes.get("id", ""))

    def data(self, text: str) -> None: ...
    def end(self, tag: str) -> None: ...


class _Slide:
    """Collects the title of a slide and its blocks: the text of a shape, or the rows of a table."""

    def __init__(self, parts: EmbeddedParts) -> None:
        self.title = ""
        self._parts = parts
        self.blocks: list[str | list[str]] = []
        self.figures: list[FoundFigure] = []
        self._picture: str | None = None  # the alternative text of the open picture, or "" once it is a figure's
        self._backgrounds = 0  # open ones
        self._shape: list[str] = []  # paragraphs
        self._paragraph: list[str] = []
        self._placeholder = ""
        self._rows: list[str] | None = None
        self._cells: list[str] = []
        self._skipping = 0
        self._in_text = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._skipping or tag == "Fallback":
            self._skipping += 1
        elif tag == "sp":
            self._shape, self._placeholder = [], ""
        elif tag == "ph":
            self._placeholder = attributes.get("type", "body")
        elif tag == "tbl":
            self._rows = []
        elif tag == "tr":
            self._cells = []
        elif tag == "tc":
            self._shape = []
        elif tag == "p":
            self._paragraph = []
        elif tag == "br":
            self._paragraph.append("\n")
        else:
            self._start_drawing(tag, attributes)
        self._in_text = tag == "t"

    def _start_drawing(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "pic":
            self._picture = ""
        elif tag == "bg":
            self._backgrounds += 1
        elif tag == "cNvPr" and self._picture is not None:
            self._picture = alternative_text(attributes)
        elif tag == "cNvPr":
            self.blocks += filter(None, [alternative_text(attributes)])
        elif tag == "blip":
            self._show(attributes.get("embed", ""))
        else:
            self.blocks += filter(None, ["\n".join(self._parts.lines(tag, attributes))])

    def _show(self, relation: str) -> None:
        figure = self._parts.figure(relation, self._picture or "")
        if figure is not None and not self._backgrounds:
            self.figures.append(figure)
            self._picture = None if self._picture is None else ""

    def data(self, text: str) -> None:
        if self._in_text and not self._skipping:
            self._paragraph.append(text)

    def end(self, tag: str) -> None:
        self._in_text = False
        if self._skipping:
            self._skipping -= 1
        elif tag == "p":
            text = "".join(self._paragraph).strip()
            if text:
                self._shape.append(text)
        elif tag == "tc":
            self._cells.append(one_line(" ".join(self._shape)))
        elif tag == "tr" and self._rows is not None:
            self._rows.append(" | ".join(self._cells))
        elif tag == "tbl" and self._rows is not None:
            self.blocks.append(self._rows)
            self._rows = None
        elif tag == "sp":
            self._end_shape()
        elif tag == "bg":
            self._backgrounds -= 1
        elif tag == "pic":
            self.blocks += filter(None, [self._picture])
            self._picture = None

    def _end_shape(self) -> None:
        if self._placeholder in _TITLES and not self.title:
            self.title = one_line(" ".join(self._shape))
        elif self._placeholder not in _BOILERPLATE and self._shape:
            self.blocks.append("\n".join(self._shape))
        self._shape = []
