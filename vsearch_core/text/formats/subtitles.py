"""Extracts the text of subtitles (SRT, WebVTT, SubStation Alpha), without numbers, times and markup."""

import html
import re

from vsearch_core.model import Document, Span
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.headings import MAX_TITLE
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_TIMES = re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}\s*-->")
_MARK = re.compile(r"</?[a-zA-Z0-9][^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
_COMMENT = re.compile(r"(?:NOTE|STYLE|REGION)\b|WEBVTT")

_OVERRIDE = re.compile(r"\{[^{}]*\}")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")  # its text is the points of a drawing
_LINE_END = re.compile(r"\\[Nnh]")
_SUB_STATION_FIELDS = 9  # commas before the text


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of all cues (the texts that are shown one after the other), without any division.

    If a cue repeats a line of the cue before it, the line is kept once. `Document.lines` gives the line of each line of
    text in the file. Raises BinaryFileError if the file isn't text.
    """
    source = decode(name, data).split("\n")
    if name.lower().endswith((".ass", ".ssa")):
        return _sub_station(source)
    rows: list[str] = []
    lines: list[int] = []
    in_cue = in_comment = False
    previous: list[str] = []  # of the cue before
    cue: list[str] = []
    for number, line in enumerate(source, 1):
        if _TIMES.match(line):
            in_cue, in_comment, previous, cue = True, False, cue, []
        elif not line.strip():
            in_cue = in_comment = False
        elif not in_cue:
            in_comment = in_comment or _COMMENT.match(line) is not None
        elif not in_comment:
            text_line = one_line(html.unescape(_MARK.sub("", line)))
            if text_line and text_line not in previous:
                rows.append(text_line)
                lines.append(number)
            cue.append(text_line)
    text = "\n".join(rows)
    return Document(text, (Span(0, len(text)),) if text else (), lines=tuple(lines) or None)


def _sub_station(source: list[str]) -> Document:
    """Return the texts of the `Dialogue:` lines. The `Format:` line above them determines which field is the text."""
    rows: list[str] = []
    lines: list[int] = []
    title, fields, in_events = None, _SUB_STATION_FIELDS, False
    for number, line in enumerate(source, 1):
        key, _, value = line.partition(":")
        if line.startswith("["):
            in_events = line.strip().lower() == "[events]"
        elif in_events and key == "Format":
            fields = value.count(",")
        elif in_events and key == "Dialogue":
            spoken = value.split(",", fields)[-1]
            if _DRAWING.search(spoken):
                continue
            row = one_line(_LINE_END.sub(" ", _OVERRIDE.sub("", spoken)))
            if row and row != (rows[-1] if rows else ""):
                rows.append(row)
                lines.append(number)
        elif key == "Title" and not in_events:
            title = one_line(value)[:MAX_TITLE] or None
    text = "\n".join(rows)
    return Document(text, (Span(0, len(text)),) if text else (), title, lines=tuple(lines) or None)
