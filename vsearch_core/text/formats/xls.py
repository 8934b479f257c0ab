"""Extracts text from spreadsheets of Excel before 2007 (XLS, [MS-XLS]), with the package xlrd."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vsearch_core.errors import EncryptedError, ExtractionError
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import OLE_CONTAINER
from vsearch_core.text.extract.failures import damaged, encrypted
from vsearch_core.text.extract.options import ExtractOptions
from vsearch_core.text.extract.sheet import Sheet, exact_number
from vsearch_core.text.extract.streams import Streams, require
from vsearch_core.text.formats.xlsx import EPOCHS, KIND, formatted, plain_code

STREAMS = ("Workbook", "Book")  # of Excel 97, of Excel 5 and 95
_TEXT, _NUMBER, _DATE, _BOOLEAN, _ERROR = 1, 2, 3, 4, 5  # kinds of cells, as xlrd numbers them


def extract(name: str, data: bytes, options: ExtractOptions) -> Document:
    """Return the rows of each sheet under the sheet's name, with comments below them.

    Formulas have the values that were saved in the file. Raises BinaryFileError if xlrd isn't installed, and
    ExtractionError if the file can't be read.
    """
    require("xlrd", name)
    title, metadata = None, dict[str, JsonValue]()
    if data.startswith(OLE_CONTAINER):
        streams = Streams(name, data, KIND, options.limits)
        title, metadata = streams.properties()
        data = next((streams.read(stream) for stream in STREAMS if stream in streams), b"")
    builder = DocumentBuilder(name, options.limits)
    book = _open(name, data)
    for number in range(min(book.nsheets, options.limits.parts)):
        with _translated(name):
            _add(builder, book, number)
            book.unload_sheet(number)
    return builder.document(title, metadata=metadata)


def _open(name: str, data: bytes) -> Any:
    """Open a workbook, without its formats if these are damaged."""
    import xlrd

    options = {"file_contents": data, "logfile": io.StringIO(), "ragged_rows": True, "on_demand": True}
    try:
        with _translated(name):
            return xlrd.open_workbook(formatting_info=True, **options)
    except EncryptedError:
        raise
    except ExtractionError:
        with _translated(name):
            return xlrd.open_workbook(formatting_info=False, **options)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn the errors of xlrd into ExtractionErrors."""
    import xlrd

    try:
        yield
    except (ExtractionError, MemoryError):
        raise
    except xlrd.XLRDError as error:
        raise encrypted(name, "") if "encrypted" in str(error) else damaged(name, KIND, error) from None
    except Exception as error:  # damaged files make it raise many kinds
        raise damaged(name, KIND, error) from None


def _add(builder: DocumentBuilder, book: Any, number: int) -> None:
    """Add a sheet to the document."""
    source = book.sheet_by_index(number)
    sheet = Sheet(builder.name, builder.limits)
    formats = dict(enumerate(_codes(book)))
    for row in range(source.nrows):
        for column, cell in enumerate(source.row(row)):
            shown_as = formats.get(cell.xf_index, "yyyy" if cell.ctype == _DATE else "")
            value = _shown(book, cell, shown_as)
            sheet.put(row + 1, column + 1, value, is_text=cell.ctype == _TEXT)
    notes = [(row + 1, note.text) for (row, _), note in sorted(source.cell_note_map.items())]
    sheet.write(builder, number + 1, source.name, notes)


def _codes(book: Any) -> Iterator[str]:
    """Yield the code of each cell format, "" for those without a date, a time or a percentage."""
    for each in book.xf_list:
        found = book.format_map.get(each.format_key)
        yield plain_code(found.format_str or "") if found else ""


def _shown(book: Any, cell: Any, code: str) -> str:
    """Return the value of a cell as text. `code` is its format, if that shows a date, a time or a percentage."""
    if cell.ctype == _TEXT:
        return str(cell.value)
    if cell.ctype == _BOOLEAN:
        return "TRUE" if cell.value else "FALSE"
    if cell.ctype == _ERROR:
        from xlrd.biffh import error_text_from_code

        return str(error_text_from_code.get(cell.value, ""))
    if cell.ctype not in {_NUMBER, _DATE}:
        return ""
    try:
        return formatted(cell.value, code, EPOCHS[book.datemode]) if code else exact_number(repr(cell.value))
    except (ValueError, OverflowError):
        return str(cell.value)
