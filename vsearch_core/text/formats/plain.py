"""Extracts files whose text stays unchanged: plain text, and tables of delimited values (CSV, TSV)."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from vsearch_core.model import Document, Span
from vsearch_core.text.extract.builder import MAX_HEADER
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.left_alone import refuse_generated
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_MARKUP_START = re.compile(
    r"\s*(?:<!--(?:[^-]|-(?!->))*+-->\s*){0,9}(?:<\?xml\b|<!DOCTYPE\b|<([A-Za-z_][\w.:-]{0,80})(?=[\s>]))"
)
_INTERPRETER = re.compile(
    r"#![^\n]{0,80}?\b(?:env[ \t]+(?:-\S+[ \t]+)*)?([a-z]+)[\d.]*(?=[ \t\r]*(?:\n|[ \t]-|\Z))", re.IGNORECASE
)
_PROGRAMS = {  # interpreter -> the suffix of the files that it runs
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "fish"), ".sh"),
    **dict.fromkeys(("python", "pypy"), ".py"),
    **dict.fromkeys(("node", "deno", "bun"), ".js"),
    **dict.fromkeys(("tclsh", "wish", "expect"), ".tcl"),
    **dict.fromkeys(("awk", "gawk", "mawk"), ".awk"),
    "perl": ".pl",
    "ruby": ".rb",
    "php": ".php",
    "lua": ".lua",
    "rscript": ".r",
    "make": ".mk",
    "julia": ".jl",
    "elixir": ".ex",
    "escript": ".erl",
    "groovy": ".groovy",
    "swift": ".swift",
    "ocaml": ".ml",
}
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_IN_QUOTES = re.compile(f'[{_DELIMITERS}"]')
_NUMBER = re.compile(r"[-+]?[\d.,:/\s%$€£-]+")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_SAMPLE = 20  # lines that the delimiter is guessed from
_MAX_ABOVE = 12  # lines of titles above the names of the columns
_YEAR = re.compile(r"(?:19|20|21)\d\d")


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the whole text. If it is XML, its markup is removed; a script is divided at definitions.

    Raises BinaryFileError if the file isn't text, or was generated, such as a search index.
    """
    text = decode(name, data)
    refuse_generated(name, text)
    if _is_markup(text):
        from vsearch_core.text.formats.xml import extract as extract_xml

        return extract_xml(name, data, options)
    interpreter = _INTERPRETER.match(text)
    suffix = _PROGRAMS.get(interpreter[1].lower()) if interpreter else None
    if suffix:
        from vsearch_core.text.formats.code import divided

        return divided(text, suffix, options)
    return Document(text, (Span(0, len(text)),) if text.strip() else ())


def _is_markup(text: str) -> bool:
    """Return True for XML: it has a declaration or a document type, or one element around all the rest."""
    start = _MARKUP_START.match(text)
    if start is None:
        return False
    return start[1] is None or text.rstrip().endswith((f"</{start[1]}>", f"</{start[1].upper()}>"))


def extract_table(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the table as rows. If a row names the columns, it is repeated in each chunk of the table.

    Raises BinaryFileError if the file isn't text.
    """
    text = decode(name, data)
    if not text.strip():
        return Document(text, ())
    header, start = _header(text)
    above = (Span(0, start),) if text[:start].strip() else ()
    return Document(text, (*above, Span(start if above else 0, len(text), kind="rows", header=header)))


def _header(text: str) -> tuple[str, int]:
    """Return the row that names the columns, and its offset; ("", 0) if there is none on one line.

    It is the first row, or the first row after the table's titles. Titles are rows with another number of cells, or all
    rows above a blank line.
    """
    raw = text[: MAX_HEADER * _SAMPLE].split("\n")
    numbers = [number for number, line in enumerate(raw) if line.strip()][:_SAMPLE]
    lines = [raw[number] for number in numbers]
    if len(lines) < 2 or len(lines[0]) > MAX_HEADER:
        return "", 0
    plain = [_QUOTED.sub(lambda match: _IN_QUOTES.sub(".", match[0][1:-1]) or '"', line) for line in lines]
    delimiter = max(_DELIMITERS, key=lambda mark: _most_common(_count(line, mark) for line in plain)[1])
    rows = [[cell.strip() for cell in line.split(delimiter)] for line in plain]
    width = _most_common(len(row) - 1 for row in rows)[0] + 1
    candidates = [index for index in range(min(_MAX_ABOVE, len(rows) - 1)) if len(rows[index]) == width]
    if len(rows[0]) != width:
        candidates.append(0)  # the names of rows may have no name of their own
    for index in candidates:
        row = rows[index]
        is_below_blank = index > 0 and not raw[numbers[index] - 1].strip()
        is_first = all(len(each) != width for each in rows[:index])
        below = rows[index + 1]
        is_likely = not index or (is_below_blank and is_first) or any(map(_NUMBER.fullmatch, below))
        if (is_first or is_below_blank) and len(row) > 1 and _are_names(row, below) and is_likely:
            return lines[index].strip(), sum(len(line) + 1 for line in raw[: numbers[index]])
    return "", 0


def _count(line: str, mark: str) -> int:
    """Count a delimiter in a line, but no commas in numbers such as "0,10" between other delimiters."""
    if mark == "," and (";" in line or "\t" in line):
        line = _DECIMAL_COMMA.sub(".", line)
    return line.count(mark)


def _most_common(counts: Iterable[int]) -> tuple[int, int]:
    """Return the most frequent count above 0, and how often it occurs; 0 and 0 if there is none."""
    return max(Counter(filter(None, counts)).items(), key=lambda item: item[1], default=(0, 0))


def _in_a_row(years: list[str]) -> bool:
    """Return True for several years that follow each other, ascending or descending."""
    if len(years) < 2 or not all(map(_YEAR.fullmatch, years)):
        return False
    return {abs(int(a) - int(b)) for a, b in pairwise(years)} == {1}


def _are_names(cells: list[str], below: list[str]) -> bool:
    """Return True if the cells name columns: their only numbers are years, above other values or one after the other.

    None is empty but the first, which stands above names of rows, and the last, where each row ends with a delimiter.
    """
    if not cells[-1] and len(below) == len(cells) and not below[-1]:
        cells = cells[:-1]
    numeric = [place for place, cell in enumerate(cells) if _NUMBER.fullmatch(cell)]
    values = ["".join(below[place : place + 1]) for place in numeric]
    in_a_row = _in_a_row([cells[place] for place in numeric]) and not _in_a_row(values)
    years = all(
        _YEAR.fullmatch(cells[place]) and (in_a_row or not _YEAR.fullmatch(value))
        for place, value in zip(numeric, values, strict=True)
    )
    named_rows = bool(below[0]) and not _NUMBER.fullmatch(below[0])
    return all(cells[1:]) and bool(cells[0] or named_rows) and years and len(numeric) < len(cells)
