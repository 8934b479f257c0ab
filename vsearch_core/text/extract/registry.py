"""The registry of file formats. To add a format, add a row here and a module in `text/formats`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath

from vsearch_core.errors import BinaryFileError, ExtractionError
from vsearch_core.model import HEADING_SEPARATOR, Document
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

Extractor = Callable[[str, bytes, ExtractOptions], Document]

# Increase it when extraction changes for some files: those that could not be read before are read again.
EXTRACTOR_VERSION = "9"
ATTACHMENT = "attachment "  # the heading of an attachment is this and its name
FIGURE = "figure "  # the heading of a figure is this and its number on its page
SOURCE_CODE = "source code"
PICTURE = "picture"
_PICTURE_READER = "picture:extract"
MEMBER = "member"  # the unit of archives: a file in one
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")  # may follow any suffix below
_COMPRESSED_TAR = (".tgz", ".tbz", ".tbz2", ".txz", ".tzst")
_FORMATS = "vsearch_core.text.formats."
_FIGURE = re.compile(FIGURE + r"\d+")
_BARE_NAME = re.compile(r"[^\W\d]\w*")  # a sheet's name that spreadsheets write without quotes
_PROGRAMS = (
    *(".py", ".pyi", ".pyw", ".pyx", ".pxd", ".bzl", ".star", ".bazel", ".sage", ".gyp", ".rb", ".rake", ".ex"),
    *(".exs", ".cr", ".gemspec", ".podspec", ".ru", ".thor", ".rbi", ".lua", ".luau", ".sh", ".bash", ".zsh"),
    *(".ksh", ".fish", ".go", ".rs", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".php"),
    *(".phtml", ".vue", ".svelte", ".astro", ".gs", ".ahk", ".c", ".h", ".cc", ".cpp", ".cxx", ".c++", ".hh"),
    *(".hpp", ".hxx", ".h++", ".ipp", ".tpp", ".inl", ".java", ".cs", ".kt", ".kts", ".scala", ".sc", ".sbt"),
    *(".swift", ".dart", ".groovy", ".cu", ".cuh", ".cl", ".glsl", ".vert", ".frag", ".comp", ".hlsl"),
    *(".metal", ".wgsl", ".hx", ".ino", ".pde", ".d", ".di", ".vala", ".vapi", ".as", ".apex", ".trigger"),
    *(".nut", ".m", ".mm", ".wl", ".wls", ".tcl", ".exp", ".awk", ".gd", ".cmake", ".graphql", ".gql"),
    *(".graphqls", ".raku", ".rakumod", ".au3", ".vim", ".adb", ".ads", ".ada", ".vhd", ".vhdl", ".prisma"),
    *(".v", ".sv", ".svh", ".vh", ".lean", ".thy", ".sql", ".ddl", ".plsql", ".pks", ".pkb", ".pls", ".prc"),
    *(".psql", ".tsql", ".hql", ".cql", ".pl", ".pm", ".psgi", ".plx", ".pro", ".prolog", ".hs", ".lhs"),
    *(".purs", ".elm", ".idr", ".agda", ".r", ".ps1", ".psm1", ".tf", ".hcl", ".tfvars", ".nomad", ".bicep"),
    *(".jl", ".clj", ".cljs", ".cljc", ".el", ".lisp", ".lsp", ".scm", ".ss", ".sld", ".rkt", ".hy", ".fnl"),
    *(".janet", ".lfe", ".erl", ".hrl", ".escript", ".ml", ".mli", ".mll", ".mly", ".fs", ".fsi", ".fsx"),
    *(".re", ".res", ".sml", ".sig", ".fun", ".f", ".for", ".f77", ".ftn", ".f90", ".f95", ".f03", ".f08"),
    *(".pas", ".pp", ".dpr", ".lpr", ".vb", ".bas", ".vbs", ".frm", ".proto", ".thrift", ".capnp", ".fbs"),
    *(".zig", ".nim", ".sol", ".gleam", ".cairo", ".move", ".odin", ".jai", ".cob", ".cbl", ".cobol", ".cpy"),
    *(".mk", ".mak", ".dockerfile", ".coffee", ".nix", ".bat", ".cmd", ".sas", ".do", ".ado", ".st", ".scl"),
    *(".s", ".asm", ".nasm", ".gradle", ".jenkinsfile", ".feature", ".robot", ".fth", ".4th", ".forth"),
    ".abap",
)
_PROGRAM_NAMES = {  # programs whose files have no suffix, or another one -> the suffix that they could have
    **dict.fromkeys(("makefile", "gnumakefile", "bsdmakefile"), ".mk"),
    **dict.fromkeys(("rakefile", "gemfile", "vagrantfile", "podfile", "brewfile", "guardfile", "capfile"), ".rb"),
    **dict.fromkeys(("dockerfile", "containerfile"), ".dockerfile"),
    **dict.fromkeys(("sconstruct", "sconscript", "build.bazel", "tiltfile"), ".py"),
    "jenkinsfile": ".jenkinsfile",
    "cmakelists.txt": ".cmake",
}
_XML = (
    *(".xml", ".svg", ".rss", ".atom", ".dbk", ".docbook", ".dita", ".tei", ".xsd", ".xsl", ".kml", ".gpx", ".ttml"),
    *(".dfxp", ".xlf", ".xliff", ".tmx", ".resx", ".wsdl", ".opml", ".rdf", ".owl", ".xaml", ".ditamap"),
)
PICTURES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".apng",
    ".webp",
    ".gif",
    ".tif",
    ".tiff",
    ".bmp",
    ".dib",
    ".avif",
)
HEIC = (".heic", ".heif", ".hif")
_STORED_MESSAGE = re.compile(r"\d{9,11}[._].+|.+[:;!]2,[A-Za-z]*|\d{1,8}\.?")  # names in Maildirs, in MH folders
_MANUALS = tuple(f".{section}" for section in ("1", "2", "3", "4", "5", "6", "7", "8", "9", "1p", "3p", "3pm", "3ssl"))


@dataclass(frozen=True, slots=True)
class Format:
    """A file format, and the function that extracts its text.

    Attributes:
        name: The format's name, for messages.
        suffixes: The suffixes of its files, in lower case, such as ".pdf".
        extractor: The function as "module:function", such as "pdf:extract". It is imported when it is first needed.
        unit: The word for the parts that `Span.page` counts, such as "page" or "slide"; "line" if there are no pages.
        needs: A module that must be installed to read the format; "" if none.
        extra: The optional dependency of vsearch that installs that module.
        steady: True if the time and memory for a file depend only on its size, not on its content. A small file can
            then be read without a worker process.
        often_textless: True if many files of the format have no text. They are skipped, not failed, if `needs` isn't
            installed.
        figures: True if the pictures in its files are read, as figures or as files of their own.
        version: The version of the extractor. A higher one makes updates read the files of this format again.
    """

    name: str
    suffixes: tuple[str, ...]
    extractor: str
    unit: str = "line"
    needs: str = ""
    extra: str = ""
    steady: bool = False
    often_textless: bool = False
    figures: bool = False
    version: int = 1

    @property
    def is_readable(self) -> bool:
        """Return True if the module that the format needs is installed."""
        return not self.needs or find_spec(self.needs) is not None


PLAIN = Format("plain text", (), "plain:extract", steady=True)  # files of any other suffix, if their bytes are text
STORED_MESSAGE = Format("message of a Maildir or MH folder", (), "mail:extract_stored")  # by name and content
FORMATS = (
    Format(
        "Markdown",
        (".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"),
        "markdown:extract",
        steady=True,
        version=2,
    ),
    Format("reStructuredText", (".rst", ".rest"), "rst:extract", version=2),
    Format("AsciiDoc", (".adoc", ".asciidoc", ".asc"), "asciidoc:extract", version=2),
    Format("Org", (".org",), "org:extract", version=2),
    Format("LaTeX", (".tex", ".latex", ".ltx"), "latex:extract", version=2),
    Format("manual page", (*_MANUALS, ".man", ".mdoc", ".roff"), "man:extract"),
    Format(SOURCE_CODE, _PROGRAMS, "code:extract", steady=True, version=3),
    Format("HTML", (".html", ".htm", ".xhtml"), "html:extract_file", figures=True, version=4),
    Format("saved web page", (".mhtml", ".mht"), "mail:extract_web_page", "page", figures=True, version=3),
    Format("XML", _XML, "xml:extract", version=3),
    Format("PDF", (".pdf",), "pdf:extract", "page", figures=True, version=5),
    Format("Word document", (".docx", ".docm", ".dotx"), "docx:extract", "page", figures=True, version=4),
    Format("PowerPoint presentation", (".pptx", ".pptm", ".ppsx"), "pptx:extract", "slide", figures=True, version=3),
    Format("Excel spreadsheet", (".xlsx", ".xlsm", ".xltx"), "xlsx:extract", "sheet", figures=True, version=3),
    Format("Word document before 2007", (".doc", ".dot"), "old_office:extract", "page", version=2),
    Format("Excel spreadsheet before 2007", (".xls", ".xlt"), "old_office:extract", "sheet", version=2),
    Format("PowerPoint presentation before 2007", (".ppt", ".pps"), "old_office:extract", "slide", version=2),
    Format("OpenDocument text", (".odt", ".ott", ".fodt"), "odf:extract", "page", figures=True, version=3),
    Format("OpenDocument spreadsheet", (".ods", ".ots", ".fods"), "odf:extract", "sheet", figures=True, version=3),
    Format(
        "OpenDocument presentation",
        (".odp", ".otp", ".fodp", ".odg"),
        "odf:extract",
        "slide",
        figures=True,
        version=3,
    ),
    Format("RTF", (".rtf",), "rtf:extract", "page", figures=True, version=3),
    Format("book (FB2)", (".fb2",), "xml:extract_book", figures=True, version=3),
    Format("book (EPUB)", (".epub",), "epub:extract", "section", figures=True, version=4),
    Format("CSV and TSV", (".csv", ".tsv", ".tab"), "plain:extract_table", version=3),
    Format("JSON", (".json", ".json5", ".jsonc", ".geojson"), "data:extract_json", version=2),
    Format("JSON lines", (".jsonl", ".ndjson"), "data:extract_jsonl", version=2),
    Format("YAML", (".yaml", ".yml"), "data:extract_yaml"),
    Format("TOML and INI", (".toml", ".ini", ".cfg"), "data:extract_sections"),
    Format("e-mail", (".eml",), "mail:extract", "page", figures=True, version=4),
    Format("Apple Mail message", (".emlx",), "mail:extract_emlx", "page", figures=True, version=3),
    Format("mailbox", (".mbox", ".mbx"), "mail:extract_mailbox", "message", figures=True, version=3),
    Format("Outlook message", (".msg",), "msg:extract", "page", needs="olefile", extra="msg", figures=True, version=3),
    Format("Jupyter notebook", (".ipynb",), "notebook:extract", "cell", figures=True, version=3),
    Format("subtitles", (".srt", ".vtt", ".ass", ".ssa"), "subtitles:extract", version=2),
    Format("calendar and address book", (".ics", ".ical", ".ifb", ".vcf", ".vcard"), "cards:extract", version=3),
    Format(PICTURE, PICTURES, _PICTURE_READER, "page", needs="PIL", extra="images", often_textless=True, version=2),
    Format("HEIC picture", HEIC, _PICTURE_READER, "page", needs="pi_heif", extra="heic", often_textless=True),
    Format("zip archive", (".zip", ".cbz"), "archive:extract_zip", MEMBER, figures=True),
    Format("tar archive", (".tar", *_COMPRESSED_TAR), "archive:extract_tar", MEMBER, figures=True),
    Format("7z archive", (".7z",), "archive:extract_7z", MEMBER, needs="py7zr", extra="archives", figures=True),
)
_BY_SUFFIX = {suffix: row for row in FORMATS for suffix in row.suffixes}


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Extract the text from a file's bytes. The suffix of `name` determines the format; unknown ones are plain text.

    The file itself is not opened. Raises ExtractionError if the bytes can't be read in that format, BinaryFileError if
    they contain no text, and MemoryError. `name` is also the file's name in errors.
    """
    if _suffix(name) in (*COMPRESSED, *_COMPRESSED_TAR):
        from vsearch_core.text.extract.compressed import unpack

        data = unpack(name, data, options.limits.unpacked_bytes)
    if not options.secrets:
        from vsearch_core.text.extract.left_alone import refuse_secret

        refuse_secret(name, data)
    row = format_of(name)
    if not row.is_readable:
        reason = f"is {'a' if row.often_textless else 'an'} {row.name}, which needs {row.needs}"
        kind = BinaryFileError if row.often_textless else ExtractionError
        raise kind(name, reason, "extra-missing", extra=row.extra)
    try:
        return load(row)(_uncompressed(name), data, options)
    except ExtractionError as error:
        if not data:
            raise type(error)(name, "is empty", error.code, **error.details) from None
        raise error.about(name) from None
    except MemoryError:
        raise
    except Exception as error:  # an unforeseen failure of a parser must not end the run
        from vsearch_core.text.extract.failures import damaged

        raise damaged(name, row.name, error) from error


def program_suffix(name: str) -> str:
    """Return the suffix that tells a program's language: ".mk" for "Makefile", ".py" for "a.py"."""
    return _program_suffix(_uncompressed(name))


def format_of(name: str) -> Format:
    """Return the format of a file by its name. A suffix such as ".gz" is ignored."""
    name = _uncompressed(name)
    row = _BY_SUFFIX.get(_program_suffix(name))
    return row or (STORED_MESSAGE if _STORED_MESSAGE.fullmatch(name.rpartition("/")[2]) else PLAIN)


def current_versions() -> dict[str, int | None]:
    """Return the version of the extractor for each extension (without the dot) of which there was another before.

    It is None for compressed files, whose format the rest of the name determines.
    """
    revised = {suffix[1:]: row.version for row in FORMATS if row.version > 1 for suffix in row.suffixes}
    return {**revised, **dict.fromkeys(suffix[1:] for suffix in COMPRESSED)}


def extensions_with_pictures() -> list[str]:
    """Return the extensions of files whose pictures are read, without the dot."""
    return [*document_extensions(), *picture_extensions()]


def document_extensions() -> list[str]:
    """Return the extensions of files that have pictures inside them, without the dot."""
    return [suffix[1:] for row in FORMATS if row.figures for suffix in row.suffixes]


def picture_extensions() -> tuple[str, ...]:
    """Return the extensions of picture files, without the dot."""
    return tuple(suffix[1:] for suffix in (*PICTURES, *HEIC))


def is_picture(path: str) -> bool:
    """Return True if the name of a file is that of a picture."""
    return path.lower().endswith((*PICTURES, *HEIC))


def is_steady(name: str) -> bool:
    """Return True if a small file with this name can be read without a worker process; see `Format.steady`."""
    row = format_of(name)
    return _suffix(name) not in COMPRESSED and (row.steady or not row.is_readable)


def unit_of(path: str) -> str:
    """Return the word for the parts that page numbers of this file count, such as "slide"; "line" if it has none."""
    return format_of(path).unit


def place_of(path: str, page: int | None, heading: str | None, lines: tuple[int, int]) -> str | None:
    """Describe the place of a chunk in its file, such as "page 3", "slide 4", or "Sales!2:9" for rows of a sheet.

    Args:
        path: The file's path, whose suffix determines the format.
        page: The page at which the chunk begins.
        heading: The heading under which the chunk begins; for a spreadsheet, the name of the sheet.
        lines: The first and the last line of the chunk; for a spreadsheet, the rows.

    Returns:
        The description, or None if the format or the chunk has no page. It names the figure, if the chunk is of one:
        "page 3, figure 2", "Sales!2:2, figure 1". In a message, it names the attachment: "attachment report.pdf". In an
        archive, it names the file: "archive.zip!inner/path".
    """
    row = format_of(path)
    member = _member_of(row, heading)
    if member:
        return f"{PurePath(path).name}!{member}"
    unit, inner = row.unit, _part_of_page(row, heading)
    if unit in {"line", MEMBER} or page is None:
        return inner
    if unit != "sheet":
        return f"{unit} {page}, {inner}" if inner else f"{unit} {page}"
    name = (heading or "").removesuffix(f"{HEADING_SEPARATOR}{inner}") or f"Sheet{page}"
    if not _BARE_NAME.fullmatch(name):
        name = "'" + name.replace("'", "''") + "'"
    rows = f"{name}!{lines[0]}:{lines[1]}"
    return f"{rows}, {inner}" if inner else rows


def figure_number(path: str, place: str | None) -> int | None:
    """Return the number on its page of the figure that a place, as `place_of` describes it, names; None if it has none.

    A figure of an attachment, or of a file in an archive, has no number here.
    """
    row, last = format_of(path), (place or "").rpartition(", ")[2]
    if not place or not row.figures or row.unit == MEMBER or place.startswith(ATTACHMENT) or f", {ATTACHMENT}" in place:
        return None
    return int(last.removeprefix(FIGURE)) if _FIGURE.fullmatch(last) else None


def split_member(path: str, heading: str | None) -> tuple[str | None, str | None]:
    """Split a chunk's heading into the path of its file in the archive `path`, and the heading below that.

    The first is None if `path` is no archive. The second is None if there is no heading.
    """
    member = _member_of(format_of(path), heading)
    if member is None or heading is None:
        return None, heading
    return member, heading[len(member) + len(HEADING_SEPARATOR) :] or None


def load(row: Format) -> Extractor:
    """Import the format's module, and return its function that extracts text."""
    module, _, function = row.extractor.partition(":")
    extractor: Extractor = getattr(import_module(_FORMATS + module), function)
    return extractor


def has_attachments(name: str) -> bool:
    """Return True if files in this format, a message or mailbox, may have attachments."""
    return _has_attachments(format_of(name))


def is_archive(name: str) -> bool:
    """Return True if a file of this name is an archive, which contains other files."""
    return unit_of(name) == MEMBER


def _uncompressed(name: str) -> str:
    """Return the name without a suffix such as ".gz"."""
    suffix = _suffix(name)
    return name[: -len(suffix)] if suffix in COMPRESSED else name


def _suffix(path: str) -> str:
    """Return the suffix of a file's name in lower case, as `PurePath` does; this is faster."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def _program_suffix(path: str) -> str:
    """Return the suffix that tells a program's language, of a path without a suffix such as ".gz"."""
    return _PROGRAM_NAMES.get(path.rpartition("/")[2].lower(), _suffix(path))


def _member_of(row: Format, heading: str | None) -> str | None:
    """Return the path in its archive of the file that a chunk with this heading is of, or None if it is of none."""
    return heading.partition(HEADING_SEPARATOR)[0] if heading and row.unit == MEMBER else None


def _has_attachments(row: Format) -> bool:
    return row.extractor.startswith(("mail:", "msg:"))


def _part_of_page(row: Format, heading: str | None) -> str | None:
    """Return the attachment and the figure that a chunk is in, such as "attachment report.pdf, figure 2", or None."""
    if not heading or not (row.figures or _has_attachments(row)):
        return None
    titles = heading.split(HEADING_SEPARATOR)
    is_message = _has_attachments(row)
    attachment = next((title for title in titles if is_message and title.startswith(ATTACHMENT)), "")
    has_figures = format_of(attachment).figures if attachment else row.figures
    is_figure = _FIGURE.fullmatch(titles[-1]) and (row.unit != "sheet" or len(titles) > 1)
    figure = titles[-1] if has_figures and is_figure else ""
    return ", ".join(filter(None, (attachment, figure))) or None
