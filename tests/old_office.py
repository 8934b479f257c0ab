"""Minimal files of Word, Excel and PowerPoint before 2007, written record by record."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Cell = str | float | bool | tuple[float, int]
_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_TEXT_START, _PAGE = 0x800, 512


def ole(streams: Mapping[str, bytes]) -> bytes:
    """Return a compound file ([MS-CFB], version 3) of streams of at least 4096 bytes, 60 kB at most together."""
    names = ["Root Entry", *streams]
    folders = -(-len(names) // 4)  # sectors of the directory
    chains = [[0], list(range(1, 1 + folders))]
    for content in streams.values():
        first = chains[-1][-1] + 1
        chains.append(list(range(first, first + -(-len(content) // _SECTOR))))
    fat = [_FREE] * (_SECTOR // 4)
    for chain in chains:
        for sector, following in zip(chain, [*chain[1:], _END], strict=True):
            fat[sector] = following
    fat[0] = _FAT
    directory = b""
    for number, name in enumerate(names):
        encoded = name.encode("utf-16-le")
        is_root = number == 0
        following = number + 1 if 0 < number < len(streams) else _FREE
        start, size = (_END, 0) if is_root else (chains[number + 1][0], len(streams[name]))
        directory += struct.pack("<64sHBBIII", encoded, len(encoded) + 2, 5 if is_root else 2, 1, _FREE, following, 1)
        directory = directory if is_root else directory[:-4] + struct.pack("<I", _FREE)
        directory += bytes(36) + struct.pack("<IQ", start, size)
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, _END, 0, _END, 0) + struct.pack("<109I", 0, *[_FREE] * 108)
    parts = [header, struct.pack("<128I", *fat), directory, *streams.values()]
    return b"".join(part.ljust(-(-len(part) // _SECTOR) * _SECTOR, b"\0") for part in parts)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph with its mark at the end, the number of its style, and its place in a table."""

    text: str
    style: int = 0
    in_table: bool = False
    row_end: bool = False


def doc(paragraphs: Sequence[Paragraph], lengths: Sequence[int] = (), *, flags: int = 0, magic: int = 0xA5EC) -> bytes:
    """Return a Word file. `lengths` are those of main text, footnotes, headers, nothing, comments, endnotes, boxes."""
    stream, pieces, places, count = bytearray(_TEXT_START), [], [], 0
    for paragraph in paragraphs:
        offset, units = len(stream), len(paragraph.text.encode("utf-16-le")) // 2
        try:
            stream += paragraph.text.encode("cp1252")
            code = offset * 2 | 1 << 30
        except UnicodeEncodeError:
            stream += paragraph.text.encode("utf-16-le")
            code = offset
        places.append(offset)
        pieces.append((count, code))
        count += units
    starts = struct.pack(f"<{len(pieces) + 1}I", *(start for start, _ in pieces), count)
    table = starts + b"".join(struct.pack("<HIH", 0, code, 0) for _, code in pieces)
    clx = b"\1" + struct.pack("<H", 3) + b"abc" + b"\2" + struct.pack("<I", len(table)) + table
    ends = [*places[1:], len(stream)]
    stream += bytes(-len(stream) % _PAGE)
    numbers, firsts = [], []
    for first in range(0, len(paragraphs), 10):
        page, at = bytearray(_PAGE), _PAGE - 2
        group = range(first, min(first + 10, len(paragraphs)))
        struct.pack_into(f"<{len(group) + 1}I", page, 0, *(places[n] for n in group), ends[group[-1]])
        for place, number in enumerate(group):
            each = paragraphs[number]
            content = struct.pack("<HHBHB", each.style, 0x2416, each.in_table, 0x2417, each.row_end)
            at -= 2 + len(content)
            page[at : at + 2] = bytes((0, len(content) // 2))
            page[at + 2 : at + 2 + len(content)] = content
            page[4 * (len(group) + 1) + 13 * place] = at // 2
        page[-1] = len(group)
        numbers.append(len(stream) // _PAGE)
        firsts.append(places[first])
        stream += page
    plc = struct.pack(f"<{len(firsts) + 1}I", *firsts, ends[-1]) + struct.pack(f"<{len(numbers)}I", *numbers)
    struct.pack_into("<HH", stream, 0, magic, 0xC1)
    struct.pack_into("<H", stream, 10, flags | 0x200)
    struct.pack_into("<7I", stream, 0x4C, *(lengths or [count]), *[0] * (7 - len(lengths or [count])))
    struct.pack_into("<II", stream, 0x102, len(clx), len(plc))
    struct.pack_into("<II", stream, 0x1A2, 0, len(clx))
    return ole({"WordDocument": bytes(stream).ljust(4096, b"\0"), "1Table": (clx + plc).ljust(4096, b"\0")})


def record(kind: int, content: bytes, *, instance: int = 0, container: bool = False) -> bytes:
    return struct.pack("<HHI", instance << 4 | (0xF if container else 0), kind, len(content)) + content


def text_records(kind: int, text: str) -> bytes:
    """Return the records of a text: its type, then the text, in one or two bytes a character."""
    try:
        atom = record(0x0FA8, text.encode("latin-1"))
    except UnicodeEncodeError:
        atom = record(0x0FA0, text.encode("utf-16-le"))
    return record(0x0F9F, struct.pack("<I", kind)) + atom


def drawing(*texts: bytes) -> bytes:
    """Return the drawing of a slide with boxes that have these records of texts."""
    boxes = b"".join(record(0xF004, record(0xF00D, text, container=True), container=True) for text in texts)
    return record(0x040C, record(0xF002, record(0xF003, boxes, container=True), container=True), container=True)


def listed_text(number: int) -> bytes:
    """Return the record of a box that shows a text of the document's list."""
    return record(0x0F9E, struct.pack("<I", number))


def ppt(
    slides: Sequence[tuple[bytes, bytes]], notes: Sequence[bytes] = (), *, garbage: bytes = b"", token: int = 0xE391C05F
) -> bytes:
    """Return a PowerPoint file of slides, each as (records of texts in the document's list, content of the slide).

    `notes` are the drawings of the notes of the first slides. `garbage` stands before all, like an older version.
    """
    stream = bytearray(garbage)
    places: list[int] = []

    def put(content: bytes) -> None:
        places.append(len(stream))
        stream.extend(content)

    listed = b""
    for number, (texts, _) in enumerate(slides):
        listed += record(0x03F3, struct.pack("<5I", 2 + number, 0, 0, 256 + number, 0)) + texts
    put(record(0x03E8, record(0x0FF0, listed, container=True), container=True))
    for _, content in slides:
        put(record(0x03EE, content, container=True))
    for number, content in enumerate(notes):
        put(record(0x03F0, record(0x03F1, struct.pack("<II", 256 + number, 0)) + content, container=True))
    directory = len(stream)
    stream += record(0x1772, struct.pack(f"<I{len(places)}I", 1 | len(places) << 20, *places))
    edit = len(stream)
    stream += record(0x0FF5, struct.pack("<7I", 0, 0, 0, directory, 1, 0, 0))
    user = record(0x0FF6, struct.pack("<III", 20, token, edit))
    return ole({"PowerPoint Document": bytes(stream).ljust(4096, b"\0"), "Current User": user.ljust(4096, b"\0")})


def xls(sheets: dict[str, Sequence[Sequence[Cell]]], *, contained: bool = True) -> bytes:
    """Return an Excel file. A cell is a text, a truth value, a number, or a number and its format (14: date)."""

    def part(kind: int, content: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    formats = (0, 14, 9, 46)
    bodies = []
    for rows in sheets.values():
        body = part(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0))
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                value, code = cell if isinstance(cell, tuple) else (cell, 0)
                head = struct.pack("<HHH", row, column, 15 + formats.index(code))
                if isinstance(value, bool):
                    body += part(0x205, head + bytes((value, 0)))
                elif isinstance(value, str):
                    encoded = value.encode("utf-16-le")
                    body += part(0x204, head + struct.pack("<HB", len(encoded) // 2, 1) + encoded)
                else:
                    body += part(0x203, head + struct.pack("<d", value))
        bodies.append(body + part(0x0A))
    font = part(0x31, struct.pack("<HHHHHBBBBBB", 200, 0, 0x7FFF, 400, 0, 0, 0, 0, 0, 5, 0) + b"Arial")
    styles = part(0xE0, struct.pack("<HHH14x", 0, 0, 0xFFF5)) * 15
    cells = b"".join(part(0xE0, struct.pack("<HHH14x", 0, code, 1)) for code in formats)
    head = part(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + font * 5 + styles + cells
    names = [name.encode("utf-16-le") for name in sheets]
    offset = len(head) + sum(12 + len(name) for name in names) + 4
    for name, body in zip(names, bodies, strict=True):
        head += part(0x85, struct.pack("<IBBBB", offset, 0, 0, len(name) // 2, 1) + name)
        offset += len(body)
    book = head + part(0x0A) + b"".join(bodies)
    return ole({"Workbook": book.ljust(4096, b"\0")}) if contained else book
