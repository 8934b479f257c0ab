"""Extracts text from manual pages (roff with the man or mdoc macros): removes the formatting commands of each line."""

import re

from vsearch_core.model import Document
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.headings import Heading, spans_between
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions
from vsearch_core.text.formats.plain import extract as extract_plain

_ROFF = re.compile(  # requests, comments and the bodies of macros, up to the title
    r"(?:(?:['.][ \t]*(?:de1?|am|ig)\b[^\n]*\n(?:(?!\.\.)[^\n]*\n){0,50}+\.\.[^\n]*"
    r"|['.\\](?![ \t]*(?:TH|Dd)\b)[^\n]*|[ \t]*)\n)*+\.[ \t]*(?:TH|Dd)\b"
)
_TITLE = re.compile(r"^\.[ \t]*(?:TH|Dt)[ \t]+(?:\"([^\"\n]+)\"|(\S+))(?:[ \t]+\"?([0-9][\w]*))?", re.MULTILINE)
_FONT = re.compile(
    r"\\f(?:\[[^\[\]\n]*+\]|\([^\n]{2}|[^\n])|\\[sm](?:[-+]?\d{1,2}|\[[^\[\]\n]*+\])|\\[&|^/,:%!c]|\\[kz]."
)
_NAMED = re.compile(r"\\\(([^\n]{2})|\\\[([^\]\n]{1,20})\]|\\\*(?:\(([^\n]{2})|\[([^\]\n]{1,20})\]|([^\n]))")
_CHARACTERS = {
    "lq": "“",
    "rq": "”",
    "oq": "‘",
    "cq": "’",
    "aq": "'",
    "dq": '"',
    "em": "—",
    "en": "–",
    "hy": "-",
    "bu": "•",
    "co": "©",
    "rg": "®",
    "tm": "™",
    "ha": "^",
    "ti": "~",
    "rs": "\\",
    "ga": "`",
    "mi": "-",
    "<=": "≤",
    ">=": "≥",
    "->": "→",
    "<-": "←",
    "mu": "×",
    "de": "°",
    "ss": "ß",
    "R": "®",
    "Tm": "™",
    "`": "“",
    "'": "”",
}
_SILENT = re.compile(
    r"[.'][ \t]*(?:\\\"|(?:TH|PP|P|LP|sp|br|RS|RE|nf|fi|TP|ad|nh|hy|if|ie|el|de|ig|nr|ds|tr|ne|in|ti|ta|so|mso"
    r"|IX|PD|UE|ME|Dd|Dt|Os|Pp|Bl|El|Bd|Ed|rm|tm|na|ll|ft|EX|EE|HP|cc|ec|eo|als|rn|while|\.|UN|YS|TQ)(?![A-Za-z]))"
)
_REQUEST = re.compile(r"[.'][ \t]*([A-Za-z][\w]*)[ \t]*")
_HEADINGS = {"SH": 1, "Sh": 1, "SS": 2, "Ss": 2}
_MDOC = re.compile(
    r"(?<!\S)(?:Fl|Ar|Nm|Op|Oo|Oc|Ns|Xr|Pa|Em|Sy|Li|Ql|Cm|Ic|Dq|Sq|Pq|Va|Fa|Ft|Xo|Xc|No|Ev|Er|Dv|Fn|Bq|Ao|Ac|Aq|Do|Dc|Po|Pc|Ta)(?!\S)"
)


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of a manual page, divided at its sections.

    A file that only has the suffix of a manual page, such as the log file `app.1`, is read as plain text. Raises
    BinaryFileError if the file isn't text.
    """
    source = decode(name, data)
    preamble = _ROFF.match(source[:100_000])
    if preamble is None:
        return extract_plain(name, data, options)
    above = preamble[0].count("\n")
    mdoc = re.search(r"^\.[ \t]*Dd\b", source[:100_000], re.MULTILINE) is not None
    headings: list[Heading] = []
    rows: list[str] = []
    position = 0
    for number, line in enumerate(source.split("\n")):
        row, level = _row(line, mdoc) if number >= above else ("", 0)
        if level and row and len(headings) < options.limits.headings:
            headings.append(Heading(position, level, row))
        rows.append(row)
        position += len(row) + 1
    text = "\n".join(rows)
    title = _TITLE.search(source)
    page = (f"{title[1] or title[2]}({title[3]})" if title[3] else title[1] or title[2]) if title else None
    return Document(text, spans_between(text, headings), title=page)


def _row(line: str, mdoc: bool) -> tuple[str, int]:
    """Return a line's text, and its level if it is a heading, else 0."""
    level = 0
    if line.startswith((".", "'")):
        if _SILENT.match(line):
            return "", 0
        request = _REQUEST.match(line)
        if request:
            level = _HEADINGS.get(request[1], 0)
            line = line[request.end() :]
            if mdoc:
                line = _MDOC.sub("", line).lstrip()
            line = line.replace('"', "")
    line = line.partition('\\"')[0]
    line = _NAMED.sub(lambda match: _CHARACTERS.get(next(filter(None, match.groups()), ""), ""), _FONT.sub("", line))
    line = line.replace("\\-", "-").replace("\\e", "\\").replace("\\ ", " ").replace("\\~", " ").replace("\\'", "'")
    return one_line(line) if level else line.rstrip(), level
