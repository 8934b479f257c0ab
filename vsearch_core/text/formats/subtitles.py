"""Subtitles (SRT, WebVTT): what is said, a cue a line, without numbers, times and marks."""

import html
import re

from vsearch_core.model import Document, Span
from vsearch_core.text.extract.decode import decode, one_line

_TIMES = re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}\s*-->")
_MARK = re.compile(r"</?[a-zA-Z0-9][^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
_ASIDE = re.compile(r"(?:NOTE|STYLE|REGION)\b|WEBVTT")


def extract(name: str, data: bytes) -> Document:
    """One span; `lines` lead to the cues. A line that rolls on into the next cue comes once. Raises BinaryFileError."""
    rows: list[str] = []
    lines: list[int] = []
    in_cue = aside = False
    previous: list[str] = []  # of the cue before
    cue: list[str] = []
    for number, line in enumerate(decode(name, data).split("\n"), 1):
        if _TIMES.match(line):
            in_cue, aside, previous, cue = True, False, cue, []
        elif not line.strip():
            in_cue = aside = False
        elif not in_cue:
            aside = aside or _ASIDE.match(line) is not None
        elif not aside:
            said = one_line(html.unescape(_MARK.sub("", line)))
            if said and said not in previous:
                rows.append(said)
                lines.append(number)
            cue.append(said)
    text = "\n".join(rows)
    return Document(text, (Span(0, len(text)),) if text else (), lines=tuple(lines) or None)
