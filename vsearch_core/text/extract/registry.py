"""Which extractor reads which file. A new format is one more row here and one more module beside this one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath

from vsearch_core.errors import ExtractionError
from vsearch_core.model import Document
from vsearch_core.text.extract.options import ExtractOptions

Extractor = Callable[..., Document]  # of name and bytes; of the ExtractOptions too, where the format takes one

READERS = "4"  # changes when some file may be read otherwise: what could not be read before is tried again

COMPRESSED = (".gz", ".bz2", ".xz")  # what may follow each suffix below
_FORMATS = "vsearch_core.text.formats."
_BARE_NAME = re.compile(r"[^\W\d]\w*")  # a sheet's name that spreadsheets write without quotes
_PROGRAMS = (
    *(
        ".py",
        ".pyi",
        ".pyw",
        ".pyx",
        ".rb",
        ".rake",
        ".ex",
        ".exs",
        ".cr",
        ".jl",
        ".lua",
        ".sh",
        ".bash",
        ".zsh",
        ".ksh",
    ),
    *(".fish", ".go", ".rs", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".php", ".vue", ".svelte"),
    *(".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".java", ".cs", ".kt", ".kts", ".scala", ".swift"),
    *(".dart", ".m", ".mm", ".groovy", ".sql"),
)
_MANUALS = (
    ".1",
    ".2",
    ".3",
    ".4",
    ".5",
    ".6",
    ".7",
    ".8",
    ".9",
    ".1p",
    ".3p",
    ".3pm",
    ".3ssl",
    ".man",
    ".mdoc",
    ".roff",
)


@dataclass(frozen=True, slots=True)
class Format:
    """A format and how it is read.

    `suffixes` are in lower case; `extractor` is "module:function", imported when first needed. `unit` is what
    `Span.page` counts in it: "line" where it has nothing but lines. `needs` is a module that a plain install lacks,
    and `extra` the extra of ours that brings it. `takes_reading`: it can do more with a password, say. `steady`: what
    it takes grows with the file's size only, whatever its bytes are, so that a small one can be read without a worker
    to guard it.
    """

    name: str
    suffixes: tuple[str, ...]
    extractor: str
    unit: str = "line"
    needs: str = ""
    extra: str = ""
    takes_reading: bool = False
    steady: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether this install has what it takes."""
        return not self.needs or find_spec(self.needs) is not None


PLAIN = Format("plain text", (), "plain:extract", steady=True)  # every other suffix, if its bytes are text
FORMATS = (
    Format("Markdown", (".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"), "markdown:extract", steady=True),
    Format("reStructuredText", (".rst", ".rest"), "rst:extract"),
    Format("AsciiDoc", (".adoc", ".asciidoc", ".asc"), "asciidoc:extract"),
    Format("Org", (".org",), "org:extract"),
    Format("LaTeX", (".tex", ".latex", ".ltx"), "latex:extract"),
    Format("manual page", _MANUALS, "man:extract"),
    Format("source code", _PROGRAMS, "code:extract", steady=True),
    Format("HTML", (".html", ".htm", ".xhtml"), "html:extract"),
    Format("saved web page", (".mhtml", ".mht"), "mail:extract_web_page", "page"),
    Format(
        "XML", (".xml", ".svg", ".rss", ".atom", ".dbk", ".docbook", ".dita", ".tei", ".xsd", ".xsl"), "xml:extract"
    ),
    Format("PDF", (".pdf",), "pdf:extract", "page", takes_reading=True),
    Format("Word document", (".docx", ".docm", ".dotx"), "docx:extract", "page", takes_reading=True),
    Format("PowerPoint presentation", (".pptx", ".pptm", ".ppsx"), "pptx:extract", "slide", takes_reading=True),
    Format("Excel spreadsheet", (".xlsx", ".xlsm", ".xltx"), "xlsx:extract", "sheet", takes_reading=True),
    Format("OpenDocument text", (".odt", ".ott", ".fodt"), "odf:extract", "page"),
    Format("OpenDocument spreadsheet", (".ods", ".ots", ".fods"), "odf:extract", "sheet"),
    Format("OpenDocument presentation", (".odp", ".otp", ".fodp", ".odg"), "odf:extract", "slide"),
    Format("RTF", (".rtf",), "rtf:extract", "page"),
    Format("book (EPUB)", (".epub",), "epub:extract", "section"),
    Format("CSV and TSV", (".csv", ".tsv", ".tab"), "plain:extract_table"),
    Format("JSON", (".json", ".json5", ".jsonc", ".geojson"), "data:extract_json"),
    Format("JSON lines", (".jsonl", ".ndjson"), "data:extract_jsonl"),
    Format("YAML", (".yaml", ".yml"), "data:extract_yaml"),
    Format("TOML and INI", (".toml", ".ini", ".cfg"), "data:extract_sections"),
    Format("e-mail", (".eml",), "mail:extract", "page"),
    Format("mailbox", (".mbox", ".mbx"), "mail:extract_mailbox", "message"),
    Format("Outlook message", (".msg",), "msg:extract", "page", needs="olefile", extra="msg"),
    Format("Jupyter notebook", (".ipynb",), "notebook:extract", "cell"),
    Format("subtitles", (".srt", ".vtt"), "subtitles:extract"),
)
_BY_SUFFIX = {suffix: row for row in FORMATS for suffix in row.suffixes}


def extract(name: str, data: bytes, reading: ExtractOptions = ExtractOptions()) -> Document:  # noqa: B008 - frozen
    """The text of a file's bytes, read as its suffix says; every other suffix is plain text.

    Raises ExtractionError where the bytes are not what the suffix says, BinaryFileError where they are no text, and
    MemoryError. `name` tells the suffix and stands in the errors; the file itself is not touched.
    """
    if PurePath(name).suffix.lower() in COMPRESSED:
        from vsearch_core.text.extract.compressed import expand

        data = expand(name, data)
    row = format_of(name)
    if not row.is_readable:
        reason = f"is an {row.name}, which needs {row.needs}: pip install 'vsearch[{row.extra}]'"
        raise ExtractionError(name, reason, "then index with --retry")
    try:
        return load(row)(_inner(name), data, *([reading] if row.takes_reading else ()))
    except ExtractionError as error:
        raise type(error)(name, error.reason if data else "is empty", error.next_step) from None
    except MemoryError:
        raise
    except Exception as error:  # no file is worth a run: what a parser did not expect costs that file only
        from vsearch_core.text.extract.limits import damaged

        raise damaged(name, row.name, error) from error


def format_of(name: str) -> Format:
    """The format that a file's name says it has, whether compressed or not."""
    return _BY_SUFFIX.get(PurePath(_inner(name)).suffix.lower(), PLAIN)


def is_steady(name: str) -> bool:
    """Whether reading a file of this name takes no more than its size says; see `Format.steady`."""
    return PurePath(name).suffix.lower() not in COMPRESSED and format_of(name).steady


def unit_of(path: str) -> str:
    """What the page numbers in a file of this name count: "page", "slide" …; "line" where there are none."""
    return format_of(path).unit


def place_of(path: str, page: int | None, heading: str | None, lines: tuple[int, int]) -> str | None:
    """ "page 3", "slide 4", "cell 2", "message 5", "Sales!2:9"; None where the format has lines only, or no pages.

    `page`, `heading` and `lines` are the chunk's: where it begins, and its first and last line; the lines of a sheet
    are its rows, and its heading is its name.
    """
    unit = unit_of(path)
    if unit == "line" or page is None:
        return None
    if unit != "sheet":
        return f"{unit} {page}"
    name = heading or f"Sheet{page}"
    if not _BARE_NAME.fullmatch(name):
        name = "'" + name.replace("'", "''") + "'"
    return f"{name}!{lines[0]}:{lines[1]}"


def load(row: Format) -> Extractor:
    """The function that reads the format."""
    module, _, function = row.extractor.partition(":")
    extractor: Extractor = getattr(import_module(_FORMATS + module), function)
    return extractor


def _inner(name: str) -> str:
    """The name without the suffix of a compression."""
    path = PurePath(name)
    return name[: -len(path.suffix)] if path.suffix.lower() in COMPRESSED else name
