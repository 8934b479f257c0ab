"""Extracts text from PDF files. Each page of the file is one span of the document.

PDFium reads the text. pypdf reads everything else, and the text of pages that PDFium can't read.
"""

import io
import logging
import re
import unicodedata
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from vsearch_core.errors import BinaryFileError, ExtractionError, PicturesOnlyError, first_line
from vsearch_core.model import PAGE_BREAK, Document, FigurePixels, JsonValue, Span, TextBox
from vsearch_core.text.extract.builder import numbered
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import damaged, encrypted, too_large
from vsearch_core.text.extract.figures import FigureWords
from vsearch_core.text.extract.headings import MAX_TITLE, HeadingTrail, useful_title
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions, WantedFigure
from vsearch_core.text.extract.page_headers import PageText, without_page_headers
from vsearch_core.text.extract.recognition import MAX_BOXES, RecognisedLine, boxes_in
from vsearch_core.text.extract.registry import FIGURE
from vsearch_core.text.formats.pdf_annotations import annotations, loose_values
from vsearch_core.text.formats.pdf_figure_texts import (
    PageBlock,
    Place,
    figure_blocks,
    figures_with_pixels,
    present,
    recognised_figures,
)
from vsearch_core.text.formats.pdf_figures import PdfFigure
from vsearch_core.text.formats.pdf_resources import Font, PageResources
from vsearch_core.text.formats.pdf_text import PdfiumDocument, ReadPage, drawn_pages, opened
from vsearch_core.text.formats.pdf_unreadable import is_unreadable, without_controls
from vsearch_core.text.formats.pdf_xfa import xfa_lines

_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
_PLACEHOLDER = re.compile(r"(?:Please wait|Bitte warten|Veuillez patienter|Espere|Attendere|Aguarde)\b", re.IGNORECASE)
_SOFT_HYPHEN = re.compile("\u00ad\n?")
_MAX_ENTRIES = 5000  # of an outline
_MAX_LEVEL = 6
_MAX_FORMS = 1000  # of a page, that are searched for images
_MAX_UNMAPPED = 0.3  # of a page's characters may be in fonts without a map; they are left out
_MAX_PACKED = 70_000  # bytes of a page's content; less can't unpack to more than pypdf's limits by one filter
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_BROKEN_WORD = re.compile(r"((?:\w+-)*)(\w+)[-\u2010]\n[^\S\n]*(\w+)(\S*)[^\S\n]*\n?")
_BREAK = re.compile("[-\u2010]\n")
_HYPHENATED = re.compile(r"\w+-\w+")
_WORD = re.compile(r"\w+")
_MIN_MORE = 1.02  # times as many letters as PDFium reads show that it left some out
_MAX_BOMBS = 3  # pages that exceed pypdf's limits; each takes seconds
_INFORMATION = {  # our key -> pypdf's
    "author": "author",
    "subject": "subject",
    "keywords": "keywords",
    "created": "creation_date",
    "modified": "modification_date",
}


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of all pages with a PAGE_BREAK between them, without page headers and footers.

    Values of form fields and comments follow the text of their page, and then the figures. The entries of the PDF's
    outline (its bookmarks) become headings. A page is under the first entry that points to it. If there is none, it is
    under the last entry before it. Title, author and dates become metadata.

    Raises:
        ExtractionError: The file is encrypted or damaged.
        PicturesOnlyError: The pages have only pictures, or text in unreadable fonts.
        BinaryFileError: The file has no text at all.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs every oddity of a file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = _open(name, data, options.password)
        if options.wanted_figure is not None:
            _take_figure(data, reader, options.wanted_figure)
            return Document("", ())
        words = FigureWords(name, options)
        pages, shown, unseen = _all_pages(name, data, reader, options)
        numbers = pages.numbers
        figures = _figure_blocks(data, pages, options, words)
        title, metadata = _information(reader)
        outline = _outline(reader)
    parts: list[str] = []
    spans: list[Span] = []
    boxes: list[TextBox] = []
    position = 0
    nothing = PageText("")
    last = max(numbers, default=0)
    texts = with_whole_words(without_page_headers([pages.texts.get(at, nothing) for at in range(1, last + 1)]))
    trails = _trails(outline, sorted({*numbers, *(page for page, _ in shown)}))
    said: dict[Place, tuple[int, int]] = {}  # the start and the end of what is said about figures
    ends: list[int] = []  # of the pages' own texts
    for place, number in enumerate(numbers):
        trail = trails[number]
        page = "\n\n".join(filter(None, (texts[number - 1], *pages.written.get(number, ()))))
        following = numbers[place + 1] if place + 1 < len(numbers) else number
        breaks = f"\n{PAGE_BREAK * (following - number)}\n"
        beside = [replace(each, titles=(*trail, *each.titles)) for each in figures.get(number, ())]
        own = [PageBlock(trail, page, pages.recognised.get(number, ()), page)] if page or not beside else []
        blocks = [*own, *beside]
        for block in blocks:
            if block is not blocks[0]:
                parts.append("\n")  # between the spans, so that no chunk has text of both
                position += 1
            parts.append(block.text + (breaks if len(blocks) == 1 else "\n\n"))
            spans.append(Span(position, position + len(parts[-1]), block.titles, number))
            for box in boxes_in(block.recognised, number, block.lines):
                start = position + len(block.text) - len(block.recognised)
                boxes.append(replace(box, start=box.start + start, end=box.end + start))
            said[number, block.figure] = position, position + len(block.text)
            position += len(parts[-1])
        ends.append(said[number, 0][1] if own else said[number, blocks[0].figure][0])
        if len(blocks) > 1:
            parts.append(breaks)
            position += len(breaks)
    located = tuple(boxes[:MAX_BOXES]) if boxes or words.is_on else None
    left_out = (*pages.left_out(), *words.left_out(), *unseen)
    whole = Document("".join(parts), tuple(spans), title, metadata=metadata, left_out=left_out, boxes=located)
    return replace(whole, figures=_placed(shown, trails, said, dict(zip(numbers, ends, strict=True))))


def _placed(
    figures: Mapping[Place, FigurePixels],
    trails: Mapping[int, tuple[str, ...]],
    said: Mapping[Place, tuple[int, int]],
    ends: Mapping[int, int],
) -> tuple[FigurePixels, ...]:
    """Return the figures with their titles and offsets.

    `said` has the start and the end of what is said about a figure; another one stands where the text of its page ends,
    or else that of the page before. `ends` has the ends of the texts of pages, ascending.
    """
    pages, found = list(ends), []
    for (page, number), figure in figures.items():
        before = bisect_right(pages, page)
        end = ends[pages[before - 1]] if before else 0
        start, stop = said.get((page, number), (end, end))
        found.append(replace(figure, start=start, end=stop, titles=(*trails[page], f"{FIGURE}{number}")))
    return tuple(found)


def _all_pages(
    name: str, data: bytes, reader: Any, options: ExtractOptions
) -> "tuple[_Pages, dict[Place, FigurePixels], list[str]]":
    """Return the pages with their text, recognised if that is asked for, and what `figures_with_pixels` returns.

    Raises ExtractionError if there is neither.
    """
    pages = _pages(name, data, reader, options)
    shown, unseen = figures_with_pixels(data, options.password, pages.figures, options.pixels)
    if options.ocr and (pages.pictures or pages.unreadable or not pages.numbers):
        try:
            pages = _recognised_pages(name, data, reader, pages, options)
        except BinaryFileError:
            if not shown:
                raise
    elif not pages.numbers and not shown:
        raise _no_text(name, reader, pages)
    return pages, shown, unseen


def _take_figure(data: bytes, reader: Any, wanted: WantedFigure) -> None:
    """Draw a figure. Only its page is read, because a document may have a thousand."""
    if wanted.page is None or wanted.page > len(reader.pages):
        return
    with opened(data, "") as pdfium:
        read = _read_by_pdfium(reader.pages[wanted.page - 1], wanted.page, pdfium, {})
    for number, figure in enumerate(read.figures if read else (), 1):
        if number == wanted.number:
            ((_, image),) = drawn_pages(data, "", [(wanted.page, figure)])
            wanted.offer(wanted.page, number, partial(present, image))


def _figure_blocks(
    data: bytes, pages: "_Pages", options: ExtractOptions, words: FigureWords
) -> dict[int, list[PageBlock]]:
    typed = pages.texts.keys() - pages.recognised.keys()
    recognised = recognised_figures(data, options.password, pages.figures, typed, words) if words.is_on else {}
    return figure_blocks(pages.figures, recognised)


def _open(name: str, data: bytes, password: str) -> Any:
    """Open the file with pypdf. If it is encrypted, try the empty password first, then `password`."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and password and not reader.decrypt("") and not reader.decrypt(password):
            raise encrypted(name, password)
        len(reader.pages)
    except FileNotDecryptedError:
        raise encrypted(name, password) from None
    except DependencyError as error:
        raise _missing(name, error) from None
    except ExtractionError:
        raise
    except Exception as error:  # pypdf documents that damaged files may cause any exception
        raise damaged(name, "PDF", error) from None
    return reader


@dataclass(slots=True)
class _Pages:
    """The result of reading a PDF's pages. Pages are given by number.

    `texts` has the printed text; `written` the form values and comments. The lists have the pages that can't be read,
    the pages with only pictures, and the pages whose fonts don't say which letters they show. `has_unread_form` is True
    if the PDF is only a form that few programs can show, and nothing could be read of it. `recognised` has the lines
    that were recognised on pages, and `late` the pages for which there was no time.
    """

    texts: dict[int, PageText] = field(default_factory=dict)
    written: dict[int, list[str]] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    figures: dict[int, tuple[PdfFigure, ...]] = field(default_factory=dict)
    recognised: dict[int, list[RecognisedLine]] = field(default_factory=dict)
    has_unread_form: bool = False
    failure: Exception | None = None

    @property
    def numbers(self) -> list[int]:
        """The numbers of the pages that have any text, ascending."""
        figures = {number for number, found in self.figures.items() if any(figure.texts for figure in found)}
        return sorted(self.texts.keys() | self.written.keys() | figures)

    def left_out(self) -> Iterator[str]:
        """Yield a message about each kind of pages that are missing from the texts."""
        if self.failed:
            yield "can't read " + numbered("page", self.failed)
        if self.pictures:
            yield f"only pictures on {numbered('page', self.pictures)} (OCR reads them)"
        if self.unreadable:
            yield f"fonts without a map to letters on {numbered('page', self.unreadable)} (OCR reads them)"
        if self.late:
            yield f"no time left to recognise the text on {numbered('page', self.late)}"
        if self.has_unread_form:
            yield "a form in XFA that can't be read"


def _pages(name: str, data: bytes, reader: Any, options: ExtractOptions) -> _Pages:
    from pypdf.errors import DependencyError, LimitReachedError

    pages, bombs, length = _Pages(), 0, 0
    fonts: dict[int, Font] = {}
    fields: set[int] = set()
    with opened(data, options.password) as pdfium:
        for number in range(1, len(reader.pages) + 1):
            try:
                page = reader.pages[number - 1]
                read = _read_by_pdfium(page, number, pdfium, fonts)
                text = _page_text(page, read)
                written = annotations(page, fields) if read is None or read.annotated else []
            except Exception as error:  # pypdf documents that damaged files may cause any exception
                if isinstance(error, DependencyError) and reader.is_encrypted:
                    raise _missing(name, error) from None
                pages.failure = error
                pages.failed.append(number)
                bombs += isinstance(error, LimitReachedError)
                if bombs > _MAX_BOMBS:
                    raise too_large(name) from None
                continue
            if read is not None and read.figures:
                pages.figures[number] = tuple(
                    replace(figure, texts=tuple(filter(None, map(_clean, figure.texts)))) for figure in read.figures
                )
            if written:
                pages.written[number] = [_clean(each) for each in written]
            if text is None:
                pages.unreadable.append(number)
            elif text.text:
                pages.texts[number] = text
            elif _has_picture(page):
                pages.pictures.append(number)
            length += len(text.text if text else "") + sum(map(len, written))
            if length > options.limits.text_chars:
                raise too_large(name)
    _add_form(name, reader, pages, fields, options)
    if length + sum(map(len, pages.written.get(1, ()))) > options.limits.text_chars:
        raise too_large(name)
    return pages


def _add_form(name: str, reader: Any, pages: _Pages, seen: set[int], options: ExtractOptions) -> None:
    """Add to the first page the values of fields that no page shows, and the lines of an XFA form that no page has.

    A page that only asks for another program to show such a form is left out. A form that consists of fields of the
    PDF, too, is read from those.
    """
    lines = loose_values(reader, seen)
    first = pages.texts.get(1)
    is_placeholder = first is not None and _PLACEHOLDER.match(first.text) is not None
    form = xfa_lines(reader, name, options.limits, only_form=is_placeholder)
    if form is not None:
        if is_placeholder:
            del pages.texts[1]
            pages.has_unread_form = not form
        shown = one_line(" ".join([*(page.text for page in pages.texts.values()), *lines]))
        lines += [line for line in form if one_line(line) not in shown]
    if lines:
        pages.written.setdefault(1, []).append("\n".join(map(_clean, lines)))


def _read_by_pdfium(page: Any, number: int, pdfium: PdfiumDocument | None, fonts: dict[int, Font]) -> ReadPage | None:
    """Return a page as PDFium reads it, or None if it can't or might not end.

    Raises pypdf's error for a page that exceeds its limits.
    """
    if pdfium is None:
        return None
    _check_size(page)
    resources = PageResources(fonts).read(page.get("/Resources", {}))
    if resources.is_endless:
        return None
    if resources.is_changed:
        with opened(_alone(page), "") as changed:
            read = changed.page(1, resources.unmapped) if changed else None
    else:
        read = pdfium.page(number, resources.unmapped)
    return replace(read, may_lack_letters=resources.lacks_glyphs) if read else None


def _alone(page: Any) -> bytes:
    """Return a PDF of only this page, as pypdf has it in memory."""
    from pypdf import PdfWriter

    file = io.BytesIO()
    writer = PdfWriter()
    writer.add_page(page)
    writer.write(file)
    return file.getvalue()


def _page_text(page: Any, read: ReadPage | None) -> PageText | None:
    """Return the better text of a page, that of PDFium or of pypdf, or None if there are only unreadable letters."""
    if read is None:
        return _second_text(page)
    if read.unmapped > _MAX_UNMAPPED:
        return None
    first = replace(read.text, text=_clean(read.text.text))
    if not first.text:
        return first if _is_blank(page) else _second_text(page)
    if is_unreadable(first.text):
        second = _second_text_or_none(page)
        return second if second and second.text else None
    return _compared(page, first, may_lack_letters=read.may_lack_letters)


def _compared(page: Any, first: PageText, *, may_lack_letters: bool) -> PageText:
    """Return pypdf's text of a page instead of PDFium's, `first`, if that lacks letters or takes them for others."""
    is_right_to_left = _RIGHT_TO_LEFT.search(first.text) is not None
    if not (is_right_to_left or may_lack_letters):
        return first
    second = _second_text_or_none(page) or first
    if may_lack_letters and _letters(second.text) > _MIN_MORE * _letters(first.text):
        return second
    return max(first, second, key=lambda text: _merit(text.text)) if is_right_to_left else first


def _second_text_or_none(page: Any) -> PageText | None:
    try:
        return _second_text(page)
    except Exception:  # pypdf fails on many a page that PDFium reads
        return None


def _second_text(page: Any) -> PageText | None:
    """Return the text of a page as pypdf reads it, or None if it can't be read as text."""
    text = _clean(page.extract_text())
    return None if is_unreadable(text) else PageText(text)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _merit(text: str) -> tuple[int, int]:
    """Return a value that is larger for the better of two readings of a page with text from right to left.

    It counts the letters of such text, and then the letters of other scripts that codes of glyphs are taken for.
    """
    right_to_left = len(_RIGHT_TO_LEFT.findall(text))
    return right_to_left, right_to_left - sum(not letter.isascii() for letter in text)


def _check_size(page: Any) -> None:
    """Raise pypdf's error for a page whose content unpacks to more than its limits: PDFium's are much wider."""
    contents = page.get("/Contents")
    contents = contents.get_object() if contents is not None else None
    streams = [each.get_object() for each in contents] if isinstance(contents, list) else [contents]
    packed = sum(len(getattr(stream, "_data", b"")) for stream in streams)
    filters = [stream.get("/Filter") for stream in streams if stream is not None]
    if packed > _MAX_PACKED or any(isinstance(names, list) and len(names) > 1 for names in filters):
        page.get_contents().get_data()


def _recognised_pages(name: str, data: bytes, reader: Any, pages: _Pages, options: ExtractOptions) -> _Pages:
    """Return the pages with the text recognised in pictures. A page that still has none counts as complete."""
    from pypdf import PdfWriter

    from vsearch_core.text.extract.ocr import has_program, recognise
    from vsearch_core.text.extract.recognition import is_installed

    if is_installed() and not has_program():
        return _with_recognised_text(name, data, pages, options)

    if reader.is_encrypted:
        plain = io.BytesIO()
        PdfWriter(clone_from=reader).write(plain)
        data = plain.getvalue()
    forced = sorted({*pages.pictures, *pages.unreadable}) if pages.unreadable else ()
    data = recognise(name, data, options.limits.expanded_bytes, forced)
    recognised = _pages(name, data, _open(name, data, ""), options)
    if not recognised.numbers:
        raise BinaryFileError(name, "holds no text, not in its pictures either")
    recognised.pictures.clear()
    recognised.unreadable.clear()
    return recognised


def _with_recognised_text(name: str, data: bytes, pages: _Pages, options: ExtractOptions) -> _Pages:
    """Recognise the text of pages as the package rapidocr does, and return the pages with it."""
    from vsearch_core.text.extract.recognition import Recogniser, as_text, recognise
    from vsearch_core.text.formats.pdf_text import drawn_pages

    wanted, recogniser = sorted({*pages.pictures, *pages.unreadable}), Recogniser(options.recognise_until)
    pages.pictures, pages.unreadable = [], []
    for number, image in drawn_pages(data, options.password, [(number, None) for number in wanted]):
        if not recogniser.has_time:
            pages.late.append(number)
        elif image is None:
            pages.failed.append(number)
        elif lines := recognise(image):
            pages.recognised[number] = lines
            pages.texts[number] = PageText(as_text(lines))
    if not pages.numbers and not (pages.late or pages.failed):
        raise BinaryFileError(name, "holds no text, not in its pictures either")
    if not pages.numbers:
        raise damaged(name, "PDF", "; ".join(pages.left_out()))
    return pages


def _no_text(name: str, reader: Any, pages: _Pages) -> ExtractionError:
    from pypdf.errors import DependencyError

    if pages.unreadable:
        reason = "has no readable text: its fonts don't say which letters they show"
        return PicturesOnlyError(name, reason, "unreadable-fonts")
    if isinstance(pages.failure, DependencyError):
        return _missing(name, pages.failure)
    if pages.has_unread_form:
        return ExtractionError(name, "is a form in XFA that can't be read", "damaged-file")
    if pages.failure and not pages.pictures:
        return damaged(name, "PDF", pages.failure)
    if all(_is_blank(page) for page in reader.pages):
        return BinaryFileError(name, "holds no text")
    return PicturesOnlyError(name, "has no text, only pictures")


def _has_picture(page: Any) -> bool:
    """Return True if the page shows an image, directly or within a form."""
    left = [page]
    try:
        for _ in range(_MAX_FORMS):
            if not left:
                break
            resources = left.pop().get("/Resources", {}).get_object()
            for each in resources.get("/XObject", {}).get_object().values():
                shown = each.get_object()
                if shown["/Subtype"] == "/Image":
                    return True
                left.append(shown)
    except Exception:  # damaged resources show no image
        return False
    return False


def _is_blank(page: Any) -> bool:
    """Return True if nothing at all is drawn on the page."""
    try:
        contents = page.get_contents()
        return contents is None or not contents.get_data().strip()
    except Exception:  # something is drawn, though it can't be read
        return False


def _outline(reader: Any) -> list[tuple[int, int, str]]:
    """Return each entry of the outline as (page, level, title), sorted by page; none if the outline is damaged."""
    found: list[tuple[int, int, str]] = []

    def gather(entries: list[Any], level: int) -> None:
        for entry in entries[:_MAX_ENTRIES]:
            if isinstance(entry, list):
                if level < _MAX_LEVEL:
                    gather(entry, level + 1)
            elif len(found) < _MAX_ENTRIES and (page := reader.get_destination_page_number(entry)) is not None:
                found.append((page + 1, level, one_line(_clean(str(entry.title or "")))[:MAX_TITLE]))

    try:
        gather(reader.outline, 1)
    except Exception:  # a damaged outline must not cost the text
        return []
    return sorted(found, key=lambda entry: entry[0])  # entries may be in any order


def _trails(outline: list[tuple[int, int, str]], pages: list[int]) -> dict[int, tuple[str, ...]]:
    """Return the headings of each page, outermost first."""
    trails: dict[int, tuple[str, ...]] = {}
    trail = HeadingTrail()
    place = 0
    for number in pages:
        first_here = next((at for at in range(place, len(outline)) if outline[at][0] >= number), len(outline))
        begins_here = first_here < len(outline) and outline[first_here][0] == number
        for _, level, title in outline[place : first_here + begins_here]:
            trail.open(level, title)
        place = first_here + begins_here
        trails[number] = trail.titles
    return trails


def _missing(name: str, error: Exception) -> ExtractionError:
    """Return the error for a file that pypdf can't read without another package."""
    if "AES" in str(error) or "cryptography" in str(error):
        return ExtractionError(name, "is encrypted with AES", "aes-support-missing")
    return ExtractionError(
        name, f"is compressed in a way that can't be read here ({first_line(error)})", "damaged-file"
    )


def _clean(text: str) -> str:
    """Return valid Unicode text, without control characters and soft hyphens and with its ligatures split."""
    text = text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")
    text = text.translate(_LIGATURES).replace(PAGE_BREAK, "\n")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return without_controls(_SOFT_HYPHEN.sub("", text)).strip()


def with_whole_words(pages: Sequence[str]) -> list[str]:
    """Return the texts with the words whole that are broken at the end of a line.

    The hyphen stays if the document has the word with it elsewhere, or if it looks like part of the word: before a
    capital or a digit, after a single letter, beside other hyphens.
    """
    if not any(map(_BREAK.search, pages)):
        return list(pages)
    words, hyphenated = set[str](), set[str]()
    for page in pages:
        words.update(_WORD.findall(page.lower()))
        hyphenated.update(_HYPHENATED.findall(page.lower()))

    def joined(match: re.Match[str]) -> str:
        before, first, second, after = match.groups()
        whole = (first + second).lower()
        is_compound = f"{first}-{second}".lower() in hyphenated or before or len(first) == 1 or after.startswith("-")
        breaks_word = first[-1].isalpha() and second[0].islower()
        hyphen = "" if breaks_word and (whole in words or not is_compound) else "-"
        return f"{before}{first}{hyphen}{second}{after}\n"

    return [_BROKEN_WORD.sub(joined, page).rstrip("\n") if _BREAK.search(page) else page for page in pages]


def _information(reader: Any) -> tuple[str | None, dict[str, JsonValue]]:
    """Return title and metadata. Damaged entries are left out."""
    title = useful_title(_entry(reader, "title"))
    values = {key: _entry(reader, attribute) for key, attribute in _INFORMATION.items()}
    return title[:MAX_TITLE] if title else None, {key: value for key, value in values.items() if value}


def _entry(reader: Any, attribute: str) -> str | None:
    try:
        value = getattr(reader.metadata, attribute, None)
    except Exception:
        return None
    if value is None:
        return None
    return one_line(_clean(value.isoformat() if hasattr(value, "isoformat") else str(value))) or None
