"""PDF: one span a page, through pypdf."""

import io
import logging
import re
import unicodedata
import warnings
from typing import Any

from vsearch_core.errors import ExtractionError
from vsearch_core.model import PAGE_BREAK, UNREADABLE_PAGES, Document, JsonValue, Span
from vsearch_core.text.extract.headings import MAX_TITLE
from vsearch_core.text.extract.limits import too_large
from vsearch_core.text.extract.running import without_running_lines

_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
_SOFT_HYPHEN = re.compile("\u00ad\n?")
_MAX_ENTRIES = 5000  # of an outline
_MAX_LEVEL = 6
_MAX_BOMBS = 3  # pages beyond pypdf's limits, each of which takes seconds to find out
_INFORMATION = {  # our key -> pypdf's
    "author": "author",
    "subject": "subject",
    "keywords": "keywords",
    "created": "creation_date",
    "modified": "modification_date",
}


def extract(name: str, data: bytes) -> Document:
    """The text of all pages, a PAGE_BREAK between each and the next, their running heads and feet left out.

    The outline's entries are the headings: a page's is the first that begins on it, or else the last before it.
    Title, author and dates come from the document's information. Pages that can't be read are listed in the metadata as
    UNREADABLE_PAGES. Raises ExtractionError for a file that is encrypted, damaged, or without any text.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs each oddity of a file; those are not news
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = _open(name, data)
        pages, unreadable = _pages(name, reader)
        title, metadata = _information(reader)
        outline = _outline(reader) if pages else []
    if unreadable:
        metadata[UNREADABLE_PAGES] = list(unreadable)
    parts: list[str] = []
    spans: list[Span] = []
    position = 0
    texts = without_running_lines([page for _, page in pages])
    trails = _trails(outline, [number for number, _ in pages])
    for place, ((number, _), page, trail) in enumerate(zip(pages, texts, trails, strict=True)):
        following = pages[place + 1][0] if place + 1 < len(pages) else number
        parts.append(f"{page}\n{PAGE_BREAK * (following - number)}\n")
        spans.append(Span(position, position + len(parts[-1]), trail, number))
        position += len(parts[-1])
    return Document("".join(parts), tuple(spans), title=title, metadata=metadata)


def _open(name: str, data: bytes) -> Any:
    """A reader, opened with the empty password where that is enough."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    try:
        reader = PdfReader(io.BytesIO(data))
        len(reader.pages)
    except FileNotDecryptedError:
        raise ExtractionError(name, "is encrypted", "save a copy without its password") from None
    except DependencyError:
        raise _needs_aes(name) from None
    except Exception as error:  # pypdf's documentation: broken files may cause any exception
        raise _damaged(name, error) from None
    return reader


def _pages(name: str, reader: Any) -> tuple[list[tuple[int, str]], list[int]]:
    """Numbers and texts of the pages that have text, and the numbers of those that can't be read."""
    from pypdf.errors import DependencyError, LimitReachedError

    pages: list[tuple[int, str]] = []
    unreadable: list[int] = []
    failure: Exception | None = None
    bombs = 0
    for number in range(1, len(reader.pages) + 1):
        try:
            text = _clean(reader.pages[number - 1].extract_text())
        except DependencyError:
            raise _needs_aes(name) from None
        except Exception as error:
            failure = error
            unreadable.append(number)
            bombs += isinstance(error, LimitReachedError)
            if bombs > _MAX_BOMBS:
                raise too_large(name) from None
            continue
        if text:
            pages.append((number, text))
    if not pages and failure:
        raise _damaged(name, failure)
    if not pages:
        raise ExtractionError(name, "has no text layer (scanned pages?)", "run OCR on it first")
    return pages, unreadable


def _outline(reader: Any) -> list[tuple[int, int, str]]:
    """Page, level and title of each entry of the outline that leads to a page, in order; none where it is damaged."""
    found: list[tuple[int, int, str]] = []

    def gather(entries: list[Any], level: int) -> None:
        for entry in entries[:_MAX_ENTRIES]:
            if isinstance(entry, list):
                if level < _MAX_LEVEL:
                    gather(entry, level + 1)
            elif len(found) < _MAX_ENTRIES and (page := reader.get_destination_page_number(entry)) is not None:
                found.append((page + 1, level, " ".join(_clean(str(entry.title or "")).split())[:MAX_TITLE]))

    try:
        gather(reader.outline, 1)
    except Exception:  # no outline is worth losing the file for
        return []
    return sorted(found, key=lambda entry: entry[0])  # an outline may jump; pages do not


def _trails(outline: list[tuple[int, int, str]], pages: list[int]) -> list[tuple[str, ...]]:
    """The titles that each page stands under."""
    trails: list[tuple[str, ...]] = []
    trail: list[tuple[int, str]] = []
    place = 0
    for number in pages:
        first_here = next((at for at in range(place, len(outline)) if outline[at][0] >= number), len(outline))
        begins_here = first_here < len(outline) and outline[first_here][0] == number
        for _, level, title in outline[place : first_here + begins_here]:
            while trail and trail[-1][0] >= level:
                trail.pop()
            trail.append((level, title))
        place = first_here + begins_here
        trails.append(tuple(title for _, title in trail if title))
    return trails


def _needs_aes(name: str) -> ExtractionError:
    next_step = "install the package cryptography, or save an unencrypted copy"
    return ExtractionError(name, "is encrypted with AES", next_step)


def _damaged(name: str, error: Exception) -> ExtractionError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return ExtractionError(name, f"is no readable PDF ({reason})", "open it in a viewer, and save it again if it shows")


def _clean(text: str) -> str:
    """Ligatures taken apart, soft hyphens dropped, and nothing left that isn't valid Unicode text."""
    text = text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")
    text = text.translate(_LIGATURES).replace("\0", "").replace(PAGE_BREAK, "\n")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SOFT_HYPHEN.sub("", text).strip()


def _information(reader: Any) -> tuple[str | None, dict[str, JsonValue]]:
    """Title and metadata. Each entry may be damaged on its own, and none is worth losing the file for."""
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
    return " ".join(_clean(value.isoformat() if hasattr(value, "isoformat") else str(value)).split()) or None
