"""Describe for each format of the registry what is read and what is left out, for docs/formats.md."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Description:
    """A format's description in short phrases.

    Attributes:
        headings: What becomes the headings; "" if nothing does.
        read: What is read besides plain text, and how.
        left_out: What is left out.
        with_extra: What an optional dependency or program adds, as "name: what".
    """

    headings: str
    read: str
    left_out: str = ""
    with_extra: str = ""


_PASSWORD = "`office`: files with a password"
_PASSWORD_OR_FIGURES = "`office`: files with a password; `ocr` and the option `ocr`: the words in figures"
_FIGURES = "`ocr` and the option `ocr`: the words in figures"
_OFFICE = "tables as rows; notes and comments; alternative texts; words of charts and text boxes"
_HEADERS = "page headers and footers, tables of contents"
_MAIL = "headers, also of forwarded messages; the plain version, or the HTML one if the plain one says much less"
_UNREAD = "attached files without text"
_SHEET = (
    "values as last computed, a row a line; dates as 2026-01-31, all digits of long numbers, percentages and durations "
    "as shown; below the rows comments"
)
_OTHERS = "HTML, RTF, XML and new Office files with this suffix"
_MEMBERS = "the file's path, and headings below it"
_ARCHIVED = "each file in it as outside, with its lines; archives in it"
_NOT_ARCHIVED = "hidden files, links, names with `..`; archives of source code, unless asked for"
DESCRIPTIONS: Mapping[str, Description] = {  # by the name of the format
    "plain text": Description("", "text in any encoding"),
    "message of a Maildir or MH folder": Description(
        "",
        f"{_MAIL}; names and texts of attachments and pictures; only if the file begins with headers of mail",
        _UNREAD,
    ),
    "Markdown": Description(
        "titles", "front matter (YAML, TOML, JSON, MultiMarkdown) as metadata; fenced blocks as code"
    ),
    "reStructuredText": Description("titles", "literal blocks as code", "comments, labels"),
    "AsciiDoc": Description("titles", "literal blocks as code; attributes replaced by their values", "comments"),
    "Org": Description("titles", "blocks as code", "comments, drawers, planning lines, commented subtrees"),
    "LaTeX": Description(
        "sections",
        "the document's own macros without arguments expanded; footnotes in parentheses; formulas as written",
        "preamble, comments, commands",
    ),
    "manual page": Description(
        "sections", "by suffix and content, so that `app.log.1` stays a log", "requests and comments of roff"
    ),
    "source code": Description(
        "classes and functions",
        "cut at definitions; also scripts that begin with `#!`, and files named `Makefile`, `Dockerfile` and the like",
        "a licence at the top",
    ),
    "HTML": Description(
        "`h1`–`h6`",
        "tables as rows; alternative texts; figures, from `data:` URLs and files in the page's folder; articles in "
        "JSON-LD and text for browsers without scripts if the page has no other",
        "navigation, menus, cookie notices, dialogs, headers, footers, permalinks, scripts",
        _FIGURES,
    ),
    "saved web page": Description(
        "`h1`–`h6`", "the page as HTML, with figures from the other parts", "as for HTML", _FIGURES
    ),
    "XML": Description(
        "each element's own `title`",
        "text of elements; attributes with words (`name`, `label` …)",
        "tags, comments, processing instructions",
    ),
    "PDF": Description(
        "the outline",
        "columns one after the other; words broken at line ends whole; values of form fields, forms in XFA, comments"
        " and typed-on text below the page; figures, with alternative texts of tagged files and captions below "
        "pictures",
        "page headers and footers (lines with the same words in the same place on most pages, and page numbers that "
        "count up); text in fonts that don't say which letters they show; attached files",
        "`ocr` or the program `ocrmypdf`, and the option `ocr`: text of scanned pages and in such fonts; `ocr`: the "
        "words in figures",
    ),
    "Word document": Description(
        "heading styles",
        f"{_OFFICE}; automatic numbers; SmartArt; imported documents; figures",
        _HEADERS,
        _PASSWORD_OR_FIGURES,
    ),
    "PowerPoint presentation": Description(
        "titles of slides",
        "text, tables, words of charts and SmartArt, alternative texts, speaker's notes, comments, figures",
        "text and pictures of master slides",
        _PASSWORD_OR_FIGURES,
    ),
    "Excel spreadsheet": Description(
        "the sheet's name",
        f"{_SHEET}, text boxes, words of charts, and figures",
        "formulas, styles",
        _PASSWORD_OR_FIGURES,
    ),
    "Word document before 2007": Description(
        "heading styles",
        f"tables as rows; notes, comments, text boxes; {_OTHERS}",
        f"{_HEADERS.partition(',')[0]}, automatic numbers, pictures; Word 2",
        "`office`: all that is not of another format; files with a password",
    ),
    "Excel spreadsheet before 2007": Description(
        "the sheet's name",
        f"{_SHEET}; {_OTHERS}, tables of text",
        "formulas, styles, text boxes, charts",
        "`office`: all that is not of another format; files with a password",
    ),
    "PowerPoint presentation before 2007": Description(
        "titles of slides",
        f"text, speaker's notes, comments; {_OTHERS}",
        "pictures, charts, text of master slides; PowerPoint 95",
        "`office`: all that is not of another format; files with a password",
    ),
    "OpenDocument text": Description("heading styles", f"{_OFFICE}; figures", _HEADERS, _FIGURES),
    "OpenDocument spreadsheet": Description("the sheet's name", f"{_SHEET} and figures", "formulas, styles", _FIGURES),
    "OpenDocument presentation": Description(
        "titles of slides",
        "text, tables, alternative texts, speaker's notes, comments, figures",
        "text and pictures of master slides",
        _FIGURES,
    ),
    "RTF": Description(
        "heading styles",
        "tables as rows; automatic numbers; notes; results of objects; figures in PNG or JPEG",
        _HEADERS,
        _FIGURES,
    ),
    "book (FB2)": Description("titles", "text; figures", "", _FIGURES),
    "book (EPUB)": Description(
        "titles, or the table of contents", "chapters in reading order; figures", "styles", _FIGURES
    ),
    "CSV and TSV": Description("", "cut between rows; the row of column names may stand below titles, and hold years"),
    "JSON": Description("keys", "escapes undone"),
    "JSON lines": Description("", "cut between lines; escapes undone"),
    "YAML": Description("keys", "as written"),
    "TOML and INI": Description("sections", "as written"),
    "e-mail": Description(
        "", f"{_MAIL}; names and texts of attachments and pictures", f"{_UNREAD}, inline OpenPGP blocks"
    ),
    "Apple Mail message": Description(
        "", f"{_MAIL}; names and texts of attachments and pictures", f"{_UNREAD}, Apple's own properties"
    ),
    "mailbox": Description(
        "the subjects", f"{_MAIL}; names and texts of attachments and pictures; each message a part", _UNREAD
    ),
    "Outlook message": Description(
        "",
        f"{_MAIL}; RTF if there is no other; attached messages; names and texts of attachments and pictures",
        _UNREAD,
        "`msg`: all of it",
    ),
    "Jupyter notebook": Description(
        "titles of Markdown cells",
        "Markdown, code, outputs (of HTML its text); figures in outputs and attachments",
        "the middle of long outputs",
        _FIGURES,
    ),
    "subtitles": Description("", "what is said", "numbers, times, markup"),
    "calendar and address book": Description(
        "summaries, names", "what people wrote", "identifiers, pictures, keys, time zones"
    ),
    "picture": Description(
        "",
        "captions, keywords, alternative texts and names of people in EXIF, IPTC and XMP; texts of PNG and GIF",
        "what cameras and programs write as a caption; the place, unless asked for",
        "`images`: all of it; `ocr` and the option `ocr`: the words in the picture",
    ),
    "HEIC picture": Description("", "as for other pictures", "", "`heic`: all of it"),
    "zip archive": Description(_MEMBERS, _ARCHIVED, _NOT_ARCHIVED),
    "tar archive": Description(
        _MEMBERS, _ARCHIVED, _NOT_ARCHIVED, "`archives`: Zstandard (from Python 3.14 on included)"
    ),
    "7z archive": Description(_MEMBERS, _ARCHIVED, _NOT_ARCHIVED, "`archives`: all of it"),
}
