"""Extracts text from PDF files, with the package pypdf. Each page of the file is one span of the document."""

import io
import logging
import re
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vsearch_core.errors import BinaryFileError, ExtractionError, PicturesOnlyError
from vsearch_core.model import PAGE_BREAK, Document, JsonValue, Span
from vsearch_core.text.extract.builder import numbered
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import damaged, encrypted, too_large
from vsearch_core.text.extract.headings import MAX_TITLE, HeadingTrail
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.extract.page_headers import without_page_headers

_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
_SOFT_HYPHEN = re.compile("\u00ad\n?")
_MAX_ENTRIES = 5000  # of an outline
_MAX_LEVEL = 6
_MAX_FORMS = 1000  # of a page, that are searched for images
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

    The entries of the PDF's outline (its bookmarks) become headings. A page is under the first entry that points to it.
    If there is none, it is under the last entry before it. Title, author and dates become metadata.

    Raises:
        ExtractionError: The file is encrypted or damaged.
        PicturesOnlyError: The pages have only pictures.
        BinaryFileError: The file has no text at all.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs every oddity of a file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = _open(name, data, options.password)
        pages = _pages(name, reader)
        if options.ocr and (pages.pictures or not pages.texts):
            pages = _recognised_pages(name, data, reader, options)
        elif not pages.texts:
            raise _no_text(name, reader, pages)
        title, metadata = _information(reader)
        outline = _outline(reader)
    parts: list[str] = []
    spans: list[Span] = []
    position = 0
    numbers = list(pages.texts)
    texts = without_page_headers(list(pages.texts.values()))
    trails = _trails(outline, numbers)
    for place, (number, page, trail) in enumerate(zip(numbers, texts, trails, strict=True)):
        following = numbers[place + 1] if place + 1 < len(numbers) else number
        parts.append(f"{page}\n{PAGE_BREAK * (following - number)}\n")
        spans.append(Span(position, position + len(parts[-1]), trail, number))
        position += len(parts[-1])
    return Document("".join(parts), tuple(spans), title=title, metadata=metadata, left_out=tuple(pages.left_out()))


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
    except DependencyError:
        raise _needs_aes(name) from None
    except ExtractionError:
        raise
    except Exception as error:  # pypdf documents that damaged files may cause any exception
        raise damaged(name, "PDF", error) from None
    return reader


@dataclass(slots=True)
class _Pages:
    """The texts of the pages by number, the pages that can't be read, and the pages that have only pictures."""

    texts: dict[int, str] = field(default_factory=dict)
    unreadable: list[int] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    failure: Exception | None = None

    def left_out(self) -> Iterator[str]:
        """Yield a message about the pages that can't be read, and one about the pages that have only pictures."""
        if self.unreadable:
            yield "can't read " + numbered("page", self.unreadable)
        if self.pictures:
            yield f"only pictures on {numbered('page', self.pictures)} (OCR reads them)"


def _pages(name: str, reader: Any) -> _Pages:
    from pypdf.errors import DependencyError, LimitReachedError

    pages, bombs = _Pages(), 0
    for number in range(1, len(reader.pages) + 1):
        try:
            page = reader.pages[number - 1]
            text = _clean(page.extract_text())
        except DependencyError:
            raise _needs_aes(name) from None
        except Exception as error:
            pages.failure = error
            pages.unreadable.append(number)
            bombs += isinstance(error, LimitReachedError)
            if bombs > _MAX_BOMBS:
                raise too_large(name) from None
            continue
        if text:
            pages.texts[number] = text
        elif _has_picture(page):
            pages.pictures.append(number)
    return pages


def _recognised_pages(name: str, data: bytes, reader: Any, options: ExtractOptions) -> _Pages:
    """Return the pages with the text recognised in pictures. A page that still has none counts as complete."""
    from pypdf import PdfWriter

    from vsearch_core.text.extract.ocr import recognise

    if reader.is_encrypted:
        plain = io.BytesIO()
        PdfWriter(clone_from=reader).write(plain)
        data = plain.getvalue()
    pages = _pages(name, _open(name, recognise(name, data, options.limits.expanded_bytes), ""))
    if not pages.texts:
        raise BinaryFileError(name, "holds no text, not in its pictures either")
    pages.pictures.clear()
    return pages


def _no_text(name: str, reader: Any, pages: _Pages) -> ExtractionError:
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


def _trails(outline: list[tuple[int, int, str]], pages: list[int]) -> list[tuple[str, ...]]:
    """Return the headings of each page, outermost first."""
    trails: list[tuple[str, ...]] = []
    trail = HeadingTrail()
    place = 0
    for number in pages:
        first_here = next((at for at in range(place, len(outline)) if outline[at][0] >= number), len(outline))
        begins_here = first_here < len(outline) and outline[first_here][0] == number
        for _, level, title in outline[place : first_here + begins_here]:
            trail.open(level, title)
        place = first_here + begins_here
        trails.append(trail.titles)
    return trails


def _needs_aes(name: str) -> ExtractionError:
    return ExtractionError(name, "is encrypted with AES", "aes-support-missing")


def _clean(text: str) -> str:
    """Return valid Unicode text, without soft hyphens and with its ligatures split."""
    text = text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")
    text = text.translate(_LIGATURES).replace("\0", "").replace(PAGE_BREAK, "\n")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SOFT_HYPHEN.sub("", text).strip()


def _information(reader: Any) -> tuple[str | None, dict[str, JsonValue]]:
    """Return title and metadata. Damaged entries are left out."""
    title = _entry(reader, "title")
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
