"""Measure how well real documents are read: each format against a second reader, old encodings against the true text.

    python -m benchmarks.documents FOLDER [--all]

FOLDER holds files of any format at any depth, and texts below `chardet-encodings`, in folders named after their
encodings. Words count with their repetitions, and parts of a word at two line ends are one word. Recall is the share of
the second reader's words that we found, precision the share of ours that it found. Second readers: pypdf for PDF; the
packages python-docx, openpyxl and python-pptx for Office files; the programs antiword, xls2csv and catppt for those
before 2007; all text of the parts of OpenDocument and books; lxml's text of HTML and XML; Python's `email` for
messages; the decoded file for formats of text, whose markup counts as words. A format whose second reader is not
installed is not compared. With `--all`, files that differ are named.
"""

import argparse
import io
import re
import shutil
import subprocess
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.registry import extract, format_of

GOOD_AGREEMENT = 0.95
_WORD = re.compile(r"\w+")
_BROKEN = re.compile(r"(?<=\w)-\n")
_PARTS = re.compile(r"content\.xml|.*\.x?html?")  # of OpenDocument and books that hold text
_PROGRAMS = {  # suffix -> a program that prints the text of a file
    ".doc": ("antiword", "-m", "UTF-8.txt", "-w", "0"),
    ".xls": ("xls2csv", "-d", "utf-8"),
    ".ppt": ("catppt", "-d", "utf-8"),
}


@dataclass
class Totals:
    """Results of the files of one format.

    Attributes:
        outcomes: Files by outcome: "read", "empty", "skipped" (no text in it) or "failed".
        common: Words that both readers found.
        ours: Words that we found in the files that both read.
        theirs: Words that the second reader found there.
        compared: Files that both read.
        seconds: CPU time of our reading.
        size: Bytes of all files.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    common: int = 0
    ours: int = 0
    theirs: int = 0
    compared: int = 0
    seconds: float = 0.0
    size: int = 0


def pypdf_text(path: Path, data: bytes) -> str:
    """Return the text of all pages as pypdf reads it."""
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def package_text(path: Path, data: bytes) -> str:
    """Return all text of the XML and HTML parts of a zip package; paragraphs, cells and the like end with a space."""
    from lxml import etree, html

    found: list[str] = []
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        for member in filter(_PARTS.fullmatch, package.namelist()):
            content = package.read(member)
            root = html.fromstring(content) if "htm" in member else etree.fromstring(content)
            runs = {"t", "span", "r", "a"}  # whose texts may be parts of one word
            for element in root.iter():
                tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "r"
                found += [element.text or "", "" if tag in runs else " ", element.tail or ""]
    return "".join(found)


def page_text(path: Path, data: bytes) -> str:
    """Return the text of an HTML page without scripts and styles."""
    from lxml import etree, html

    root = html.fromstring(decode(path.name, data))
    etree.strip_elements(root, etree.Comment, "script", "style", with_tail=False)
    return " ".join(root.itertext())


def xml_text(path: Path, data: bytes) -> str:
    """Return the text of all elements of an XML file."""
    from lxml import etree

    return " ".join(etree.fromstring(data).itertext())


def word_text(path: Path, data: bytes) -> str:
    """Return the paragraphs and cells of a Word document as python-docx reads them."""
    from docx import Document

    document = Document(io.BytesIO(data))
    cells = (cell for table in document.tables for row in table.rows for cell in row.cells)
    texts = {cell._tc: cell.text for cell in cells}  # a merged cell comes several times
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *texts.values()])


def sheet_text(path: Path, data: bytes) -> str:
    """Return the texts of cells of a spreadsheet as openpyxl reads them. Numbers and dates are left out."""
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    values = (value for sheet in book.worksheets for row in sheet.iter_rows(values_only=True) for value in row)
    return "\n".join(value for value in values if isinstance(value, str))


def slide_text(path: Path, data: bytes) -> str:
    """Return the texts of shapes and tables of a presentation, and its notes, as python-pptx reads them."""
    from pptx import Presentation

    found: list[str] = []
    for slide in Presentation(io.BytesIO(data)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                found.append(shape.text_frame.text)
            if shape.has_table:
                found += [cell.text for row in shape.table.rows for cell in row.cells]
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            found.append(slide.notes_slide.notes_text_frame.text)
    return "\n".join(found)


def message_text(path: Path, data: bytes) -> str:
    """Return the body of a message as Python's `email` chooses it."""
    from email import message_from_bytes
    from email.policy import default

    body = message_from_bytes(data, policy=default).get_body(("plain", "html"))
    if body is None:
        return ""
    content = body.get_content()
    return page_text(path, content.encode()) if body.get_content_subtype() == "html" else str(content)


def program_text(path: Path, data: bytes) -> str:
    """Return what another program prints for the file; "" if it isn't installed."""
    program, *options = _PROGRAMS[path.suffix.lower()]
    if shutil.which(program) is None:
        return ""
    done = subprocess.run([program, *options, path], capture_output=True, timeout=60, check=False)
    return done.stdout.decode("utf-8", errors="replace")


def second_reader(path: Path) -> Callable[[Path, bytes], str]:
    """Return the second reader for a file."""
    extractor = format_of(path.name).extractor
    if path.suffix.lower() in _PROGRAMS:
        return program_text
    kind = extractor.partition(":")[0]
    if kind in {"rtf", "msg", "archive"}:
        return lambda path, data: ""
    by_kind: dict[str, Callable[[Path, bytes], str]] = {
        "pdf": pypdf_text,
        "html": page_text,
        "xml": xml_text,
        "mail": message_text,
        "docx": word_text,
        "xlsx": sheet_text,
        "pptx": slide_text,
        **dict.fromkeys(("odf", "epub"), package_text),
    }
    return by_kind.get(kind, lambda path, data: decode(path.name, data))


def words(text: str) -> Counter[str]:
    """Return the words of a text with their counts. Parts of a word at two ends of a line are one word."""
    return Counter(_WORD.findall(_BROKEN.sub("", text).lower()))


def compare_formats(folder: Path, show_all: bool) -> None:
    """Print a table with a line for each format, and with `show_all` the files that differ."""
    by_format: defaultdict[str, Totals] = defaultdict(Totals)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data, totals, text = path.read_bytes(), by_format[format_of(path.name).name], ""
        totals.size += len(data)
        begun = time.process_time()
        try:
            text = extract(path.name, data).text
            outcome = "read" if text.strip() else "empty"
        except BinaryFileError:
            outcome = "skipped"
        except ExtractionError:
            outcome = "failed"
        totals.seconds += time.process_time() - begun
        totals.outcomes[outcome] += 1
        try:
            other = second_reader(path)(path, data)
        except Exception:  # damaged files make the other readers raise any kind
            other = ""
        ours, theirs = words(text), words(other)
        if not ours or not theirs:
            continue
        both = (ours & theirs).total()
        totals.compared += 1
        totals.common += both
        totals.ours += ours.total()
        totals.theirs += theirs.total()
        if show_all and 2 * both < GOOD_AGREEMENT * (ours.total() + theirs.total()):
            print(
                f"recall {both / theirs.total():5.3f}, precision {both / ours.total():5.3f}  {path.relative_to(folder)}"
            )
    print("| format | read | empty | skipped | failed | compared | recall | precision | CPU s | MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, totals in sorted(by_format.items(), key=lambda item: -item[1].outcomes.total()):
        counts = " | ".join(str(totals.outcomes[each]) for each in ("read", "empty", "skipped", "failed"))
        shares = " | ".join(f"{totals.common / total:.3f}" if total else "" for total in (totals.theirs, totals.ours))
        print(f"| {name} | {counts} | {totals.compared} | {shares} | {totals.seconds:.1f} | {totals.size / 1e6:.1f} |")


def compare_encodings(folder: Path) -> None:
    """Print the texts that are not decoded as by their true encoding, and totals."""
    same = near = total = 0
    for path in sorted(folder.glob("*/*")):
        data = path.read_bytes()
        truth = _decoded_as(data, path.parent.name)
        if truth is None:
            continue
        try:
            text = decode(path.name, data)
        except BinaryFileError as error:
            text = error.reason
        differing = sum(a != b for a, b in zip(text, truth, strict=False)) + abs(len(text) - len(truth))
        total += 1
        same += not differing
        near += 0 < differing <= 0.02 * len(truth)
        if differing:
            print(f"{differing:6,} of {len(truth):7,} characters differ  {path.relative_to(folder)}")
    print(f"{same} of {total} files decoded exactly ({same / max(total, 1):.1%}), {near} nearly")


def _decoded_as(data: bytes, folder: str) -> str | None:
    for encoding in (folder, folder.rpartition("-")[0]):  # "windows-1250-czech"
        try:
            text = data.decode(encoding)
        except LookupError:
            continue
        except UnicodeDecodeError:
            return None
        return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return None


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", help="name the files that differ")
    arguments = parser.parse_args()
    compare_formats(arguments.folder, arguments.all)
    encodings = arguments.folder / "chardet-encodings"
    if encodings.is_dir():
        compare_encodings(encodings)


if __name__ == "__main__":
    main()
