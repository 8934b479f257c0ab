"""Extracts text from documents of Word before 2007 (DOC), as [MS-DOC] describes them.

The text is one sequence of characters: the main text, then footnotes, page headers, comments, endnotes and text boxes.
A table of pieces says where in the stream each run of them stands. Other tables give the style of each paragraph.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from vsearch_core.model import Document
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.failures import damaged, encrypted, too_large
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.streams import Streams

KIND = "Word document"
STREAM = "WordDocument"
_MAGIC = (0xA5EC, 0xA5DC)  # Word 97 and later, Word 6 and 95
_WORD_97 = 0xC1  # the lowest version whose header has the table of pieces
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200  # flags
_FIRST, _LAST, _LENGTHS, _PARAGRAPHS, _PIECES = 0x18, 0x1C, 0x4C, 0x102, 0x1A2  # offsets in the header
_COMPRESSED = 1 << 30  # of a piece: one byte a character, in cp1252
_PAGE = 512  # bytes of a page of paragraph properties
_IN_TABLE, _ROW_END = 0x2416, 0x2417  # properties of paragraphs
_OPERANDS = (1, 1, 2, 4, 2, 2, 0, 3)  # bytes of a property's value, by the upper three bits of its number
_LONG_TABLE = 0xD608  # a property whose length has two bytes
_HEADINGS = range(1, 10)  # the numbers of the styles Heading 1 to 9 are fixed
_CELL, _FIELD, _FIELD_RESULT, _FIELD_END = "\x07", "\x13", "\x14", "\x15"
_FIELD_MARK = re.compile(r"[\x13-\x15]")
_ENDS = re.compile(r"[\r\x07\x0c]")
_PLAIN = str.maketrans(
    {"\x0b": "\n", "\x1e": "-", "\x1f": None, "\xa0": " ", **dict.fromkeys([*map(chr, range(9)), *"\x13\x14\x15"])}
)
_MAX_STYLES = 1 << 20  # paragraphs whose style is looked up


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of characters: its first character's number, its bytes in the stream, and the bytes of a character."""

    start: int
    end: int
    offset: int
    width: int


def extract(name: str, data: bytes, options: ExtractOptions) -> Document:
    """Return the text of a document: headings, paragraphs, tables as rows, then notes, comments and text boxes.

    Codes of fields and page headers are left out. Raises ExtractionError if the file can't be read.
    """
    streams = Streams(name, data, KIND, options.limits)
    main = streams.read(STREAM)
    try:
        magic, version = struct.unpack_from("<HH", main)
        (flags,) = struct.unpack_from("<H", main, 10)
        if magic not in _MAGIC:
            raise damaged(name, KIND, "no header")
        if flags & _ENCRYPTED:
            raise encrypted(name, "")
        builder = DocumentBuilder(name, options.limits)
        if version < _WORD_97:
            first, last = struct.unpack_from("<II", main, _FIRST)
            text = decode(name, main[first:last].replace(b"\x07", b"\t").replace(b"\0", b""), "cp1252")
            builder.add(_shown(_without_fields(text)))
        else:
            table = streams.read("1Table" if flags & _TABLE_1 else "0Table")
            _add_text(builder, main, table)
        title, metadata = streams.properties()
        return builder.document(title, metadata=metadata)
    except struct.error as error:
        raise damaged(name, KIND, error) from None


def _add_text(builder: DocumentBuilder, main: bytes, table: bytes) -> None:
    """Add the text of a document of Word 97 or later. `main` and `table` are its streams."""
    main_text, footnotes, headers, _, comments, endnotes, boxes = struct.unpack_from("<7I", main, _LENGTHS)
    pieces = list(_pieces(main, table))
    if sum(piece.end - piece.start for piece in pieces) > builder.limits.text_chars:
        raise too_large(builder.name)
    text = "".join(_characters(main, piece) for piece in pieces)
    styles = _Styles(main, table)
    paragraphs = _Paragraphs(builder, pieces, styles)
    after_headers = main_text + footnotes + headers
    paragraphs.add(text[:main_text], 0)
    paragraphs.add(text[main_text : main_text + footnotes], main_text)
    paragraphs.add(text[after_headers : after_headers + comments + endnotes + boxes], after_headers)


def _pieces(main: bytes, table: bytes) -> Iterator[_Piece]:
    """Yield the pieces of the text in order. Raises struct.error if their table is damaged."""
    start, size = struct.unpack_from("<II", main, _PIECES)
    at, end = start, min(start + size, len(table))
    while at < end and table[at] == 1:  # properties that pieces share
        at += 3 + struct.unpack_from("<H", table, at + 1)[0]
    (length,) = struct.unpack_from("<I", table, at + 1)
    count = max(0, (min(length, end - at - 5) - 4) // 12)
    starts = struct.unpack_from(f"<{count + 1}I", table, at + 5)
    done = 0
    for number in range(count):
        first, last = starts[number], starts[number + 1]
        (place,) = struct.unpack_from("<I", table, at + 5 + 4 * (count + 1) + 8 * number + 2)
        width = 1 if place & _COMPRESSED else 2
        offset = (place & (_COMPRESSED - 1)) // (3 - width)
        last = min(last, first + max(0, len(main) - offset) // width)
        if first == done and last > first:
            yield _Piece(first, last, offset, width)
            done = last


def _characters(main: bytes, piece: _Piece) -> str:
    content = main[piece.offset : piece.offset + (piece.end - piece.start) * piece.width]
    if piece.width == 1:
        return content.decode("cp1252", errors="replace")
    units = len(content) // 2
    text = content.decode("utf-16-le", errors="replace")
    return text if len(text) == units else "".join(map(chr, struct.unpack(f"<{units}H", content[: 2 * units])))


class _Styles:
    """The style and the place in a table of each paragraph, by the offset of its characters in the stream."""

    def __init__(self, main: bytes, table: bytes) -> None:
        """Read the pages of paragraph properties. Damaged ones are left out."""
        found: list[tuple[int, int, bool, bool]] = []
        start, size = struct.unpack_from("<II", main, _PARAGRAPHS)
        count = max(0, (min(size, len(table) - start) - 4) // 8)
        numbers = struct.unpack_from(f"<{count}I", table, start + 4 * (count + 1)) if count else ()
        for number in dict.fromkeys(numbers):
            page = main[(number & 0x3FFFFF) * _PAGE :][:_PAGE]
            if len(page) == _PAGE and len(found) < _MAX_STYLES:
                found += _page_styles(page)
        found.sort()
        self._starts = [each[0] for each in found]
        self._found = found

    def at(self, offset: int) -> tuple[int, bool, bool]:
        """Return (number of the style, in a table, end of a row) of the paragraph with the character at `offset`."""
        index = bisect_right(self._starts, offset) - 1
        return self._found[index][1:] if index >= 0 else (0, False, False)


def _page_styles(page: bytes) -> Iterator[tuple[int, int, bool, bool]]:
    """Yield (offset of the first character, number of the style, in a table, end of a row) of paragraphs."""
    count = page[_PAGE - 1]
    if 4 * (count + 1) + 13 * count >= _PAGE:
        return
    starts = struct.unpack_from(f"<{count}I", page)
    for number in range(count):
        at = 2 * page[4 * (count + 1) + 13 * number]
        if not at:  # the default properties
            yield starts[number], 0, False, False
            continue
        size = 2 * page[at] - 1 if page[at] else 2 * page[min(at + 1, _PAGE - 1)]
        at += 1 if page[at] else 2
        properties = page[at : min(at + size, _PAGE - 1)]
        if len(properties) < 2:
            continue
        flags = _flags(properties[2:])
        yield (
            starts[number],
            properties[0] | properties[1] << 8,
            flags.get(_IN_TABLE, False),
            flags.get(_ROW_END, False),
        )


def _flags(properties: bytes) -> dict[int, bool]:
    """Return those of a paragraph's properties that are switches."""
    found: dict[int, bool] = {}
    at = 0
    while at + 3 <= len(properties):
        number = properties[at] | properties[at + 1] << 8
        at += 2
        if number in {_IN_TABLE, _ROW_END}:
            found[number] = bool(properties[at])
        size = _OPERANDS[number >> 13]
        if number == _LONG_TABLE:
            size = 1 + (properties[at] | properties[min(at + 1, len(properties) - 1)] << 8)
        at += size or 1 + properties[at]
    return found


class _Paragraphs:
    """Adds paragraphs to a document: those in styles of headings as headings, and those in tables as rows."""

    def __init__(self, builder: DocumentBuilder, pieces: list[_Piece], styles: _Styles) -> None:
        self._builder = builder
        self._pieces = pieces
        self._starts = [piece.start for piece in pieces]
        self._styles = styles

    def add(self, text: str, first: int) -> None:
        """Add a part of the text. `first` is the number of its first character."""
        builder, rows, cells, cell = self._builder, list[str](), list[str](), list[str]()
        at = 0
        text = _without_fields(text)
        for end in [*(match.start() for match in _ENDS.finditer(text)), len(text)]:
            paragraph = _shown(text[at:end])
            mark, at = text[end : end + 1], end + 1
            style, in_table, is_row_end = self._styles.at(self._offset(first + end))
            if mark == _CELL or (in_table and mark == "\r"):
                if is_row_end:
                    rows.append(" | ".join(cells))
                    cells = []
                else:
                    cell.append(paragraph)
                    if mark == _CELL:
                        cells.append(" ".join(" ".join(cell).split()))
                        cell = []
                continue
            if cells or cell:  # a row without an end
                rows.append(" | ".join([*cells, *cell]))
                cells, cell = [], []
            if rows:
                builder.add_rows(rows)
                rows = []
            if style in _HEADINGS and paragraph.strip():
                builder.heading(style, paragraph)
            else:
                builder.add(paragraph)
        if cells or cell:
            rows.append(" | ".join([*cells, *cell]))
        if rows:
            builder.add_rows(rows)

    def _offset(self, character: int) -> int:
        """Return the offset in the stream of a character, given by its number; -1 if it is in no piece."""
        index = bisect_right(self._starts, character) - 1
        if index < 0:
            return -1
        piece = self._pieces[index]
        return piece.offset + (character - piece.start) * piece.width


def _without_fields(text: str) -> str:
    """Replace the codes of fields, such as links and page numbers, with NULs. The results that they show stay."""
    parts: list[str] = []
    shows_result: list[bool] = []  # of each open field
    at = codes = 0
    for match in _FIELD_MARK.finditer(text):
        parts.append("\0" * (match.start() - at) if codes else text[at : match.start()])
        parts.append("\0")
        at = match.end()
        if match[0] == _FIELD:
            shows_result.append(False)
            codes += 1
        elif match[0] == _FIELD_RESULT and shows_result and not shows_result[-1]:
            shows_result[-1] = True
            codes -= 1
        elif match[0] == _FIELD_END and shows_result:
            codes -= not shows_result.pop()
    return "".join([*parts, text[at:]])


def _shown(text: str) -> str:
    """Return a paragraph without control characters, and with characters beyond 16 bits put together."""
    text = text.translate(_PLAIN)
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
