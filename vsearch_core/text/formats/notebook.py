"""Extracts text from Jupyter notebooks. Each cell counts as one page, and Markdown cells provide the headings."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote

from vsearch_core.errors import ExtractionError
from vsearch_core.json_text import parse_json
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.failures import damaged, too_large
from vsearch_core.text.extract.figures import Figures, FoundFigure, WaitingFigures, distinct_texts
from vsearch_core.text.extract.linked_pictures import EmbeddedPictures
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.formats.html import extract as extract_html
from vsearch_core.text.formats.markdown import find_headings

_MAX_CONTAINERS = 1_000_000  # lists and objects; parsed, a small one takes two hundred bytes
_MAX_VALUES = 8_000_000  # other values
_OBJECT = re.compile(r"<[\w.]+(?: [\w.]+)?(?: at 0x[0-9a-fA-F]+)?>")  # how Python shows an object that has no text
_PICTURE = re.compile(
    r'(?P<key>"(?:image/)?(?:png|jpe?g|gif|webp|bmp|tiff)"\s{0,9}:\s{0,9})'
    r'(?P<encoded>"(?:[A-Za-z0-9+/=]++|\\[nr/])*+"|\[(?:[\s,]++|"(?:[A-Za-z0-9+/=]++|\\[nr/])*+")*+\])'
)
_PUNCTUATION = re.compile(r"\\[nr]|[^A-Za-z0-9+/=]+")
_SHOWN = re.compile(r"!\[([^\[\]\n]{0,1000})\]\(attachment:([^()\s]{1,500})")
_MAX_SHOWN = 1000  # pictures of a Markdown cell whose alternative texts are looked for
_MAX_OUTPUT = 2000  # characters of a cell's output; of a longer one, a log or a table of numbers, both ends are kept


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of all cells, with the output and the figures of code cells.

    The middle of a long output is left out. Raises ExtractionError if the file isn't a notebook.
    """
    pictures = EmbeddedPictures()

    def take(found: re.Match[str]) -> str:
        address = pictures.keep(_PUNCTUATION.sub("", found["encoded"]))
        return f'{found["key"]}"{address}"'

    source = decode(name, data, take_blobs=lambda text: _PICTURE.sub(take, text))
    notebook = _parse(name, source)
    cells = notebook.get("cells")
    if cells is None:  # format 3
        sheets = notebook.get("worksheets")
        cells = [cell for sheet in _dicts(sheets) for cell in _dicts(sheet.get("cells"))]
    builder, limit = DocumentBuilder(name, options.limits), options.limits.parts
    figures = WaitingFigures(builder, Figures(name, options))
    if len(_dicts(cells)) > limit:
        builder.left_out.append(f"more than {limit:,} cells")
    for number, cell in enumerate(_dicts(cells)[:limit], 1):
        figures.write()
        builder.start_page(number)
        source = _text(cell.get("source", cell.get("input")))
        kind = cell.get("cell_type")
        if kind == "markdown":
            _add_markdown(builder, source)
        elif kind == "heading":
            builder.heading(_level(cell.get("level")), source)
        else:
            builder.add(source, "code" if kind == "code" else "prose")
            for output in _dicts(cell.get("outputs")):
                builder.add(_output_text(output), "code")
        for address, texts in _pictures(cell, source):
            found = pictures.find(address)
            if found is not None and figures.figures.is_figure(*found):
                figures.add(FoundFigure(*found, distinct_texts(*texts)))
    figures.write()
    figures.figures.report(builder)
    metadata = notebook.get("metadata")
    facts = metadata if isinstance(metadata, dict) else {}
    title = facts.get("title") if isinstance(facts.get("title"), str) else builder.first_heading
    return builder.document(title, metadata=_metadata(facts))


def _pictures(cell: dict[str, Any], source: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the addresses of the pictures in a cell's attachments and outputs, with their alternative texts."""
    attached = cell.get("attachments")
    if isinstance(attached, dict):
        texts: dict[str, list[str]] = {}
        for text, name in islice(_SHOWN.findall(source), _MAX_SHOWN):
            texts.setdefault(unquote(name), []).append(text)
        for name, kinds in attached.items():
            yield from ((address, texts.get(name, [])) for address in _addresses(kinds))
    for output in _dicts(cell.get("outputs")):
        about = output.get("metadata")
        kinds = [each for each in about.values() if isinstance(each, dict)] if isinstance(about, dict) else []
        alternatives = [each["alt"] for each in kinds if isinstance(each.get("alt"), str)]
        yield from ((address, alternatives) for address in _addresses(output.get("data", output)))


def _addresses(kinds: Any) -> list[str]:
    """Return a list of the address of the first picture among the forms of an output, or an empty one."""
    found = [value for value in kinds.values() if isinstance(value, str)] if isinstance(kinds, dict) else []
    return [value for value in found if EmbeddedPictures.is_address(value)][:1]


def _parse(name: str, text: str) -> dict[str, Any]:
    if text.count("[") + text.count("{") > _MAX_CONTAINERS or text.count(",") > _MAX_VALUES:
        raise too_large(name)
    try:
        notebook = parse_json(text)
    except ValueError as error:
        raise damaged(name, "notebook", error) from None
    if not isinstance(notebook, dict):
        raise ExtractionError(name, "isn't a notebook", "wrong-suffix")
    return notebook


def _metadata(facts: dict[str, Any]) -> dict[str, JsonValue]:
    authors = [str(author.get("name", "")) for author in _dicts(facts.get("authors"))]
    kernel = facts.get("kernelspec")
    language = kernel.get("language") if isinstance(kernel, dict) else None
    found = {"author": ", ".join(filter(None, authors)), "programming_language": language}
    return {key: value for key, value in found.items() if isinstance(value, str) and value}


def _add_markdown(builder: DocumentBuilder, source: str) -> None:
    headings = list(find_headings(source, 0))
    ends = [*(heading.start for heading in headings), len(source)]
    builder.add(source[: ends[0]])
    for heading, end in zip(headings, ends[1:], strict=True):
        builder.start_heading(heading.level, heading.title)
        builder.add(source[heading.start : end])


def _output_text(output: dict[str, Any]) -> str:
    """Return an output as plain text, or else as the text of its HTML or Markdown; "" if it has none."""
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    text = _text(output.get("text")) or _text(data.get("text/plain"))
    if not text.strip() or _OBJECT.fullmatch(text.strip()):
        page = _text(data.get("text/html"))
        text = extract_html("output", page.encode()).text if page.strip() else _text(data.get("text/markdown"))
    if output.get("output_type") in {"error", "pyerr"}:
        text = f"{output.get('ename')}: {output.get('evalue')}"
    if len(text) <= _MAX_OUTPUT:
        return text
    half = _MAX_OUTPUT // 2
    ends = (_whole(text[:half], str.rpartition, 0), _whole(text[-half:], str.partition, 2))
    return "\n…\n".join(filter(str.strip, ends))


def _whole(end: str, part: Callable[[str, str], tuple[str, str, str]], at: int) -> str:
    """Return the whole lines of one end of an output, or its whole words if that is within one line."""
    return next(filter(str.strip, (part(end, mark)[at] for mark in "\n ")), "")


def _level(value: Any) -> int:
    return value if isinstance(value, int) and 1 <= value <= 6 else 1


def _text(value: Any) -> str:
    """Return a text, which notebooks may store as a list of lines; "" for other values."""
    text = "".join(part for part in value if isinstance(part, str)) if isinstance(value, list) else value
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd") if isinstance(text, str) else ""


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
