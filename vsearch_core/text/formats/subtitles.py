"""Subtitles (SRT, WebVTT): the spoken text, without numbers, times and markup."""

import html
import re

from vsearch_core.model import Document, Span
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_TIMES = re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}\s*-->")
_MARK = re.compile(r"</?[a-zA-Z0-9][^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
_COMMENT = re.compile(r"(?:NOTE|STYLE|REGION)\b|WEBVTT")


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the cues' text as one span; `Document.lines` maps it to lines of the file.

    A line repeated by the next cue is kept once. Raises BinaryFileError.
    """
    rows: list[str] = []
    lines: list[int] = []
    in_cue = in_comment = False
    previous: list[str] = []  # of the cue before
    cue: list[str] = []
    for number, line in enumerate(decode(name, data).split("\n"), 1):
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
