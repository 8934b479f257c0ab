"""AsciiDoc: section titles, attributes of the header, and listings as code."""

import re

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between, with_code
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_TITLE = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_DELIMITER = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,})[ \t]*")
_ATTRIBUTE = re.compile(r":([\w-]{1,50}):[ \t]*(.*)")
_AUTHOR = re.compile(r"[^\W\d_][^<>;\n]{0,200}<[^<>\s]+@[^<>\s]+>")
_KEYS = {"author", "email", "keywords", "description", "revdate", "revnumber", "lang"}
_NAMES = {"revdate": "date", "revnumber": "version", "lang": "language"}


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return spans between section titles, with listings as code; attributes of the header become metadata.

    Raises BinaryFileError.
    """
    text = decode(name, data)
    headings: list[Heading] = []
    blocks: list[tuple[int, int]] = []
    metadata: dict[str, JsonValue] = {}
    fence, fence_start, position = "", 0, 0
    in_header = True
    for number, line in enumerate(text.split("\n")):
        if len(headings) + len(blocks) > options.limits.headings:
            break
        end = position + len(line) + 1
        delimiter = _DELIMITER.fullmatch(line)
        if fence:
            if delimiter and delimiter[1] == fence:
                blocks.append((fence_start, min(end, len(text))))
                fence = ""
        elif delimiter:
            fence, fence_start, in_header = delimiter[1], position, False
        elif heading := _TITLE.fullmatch(line):
            headings.append(Heading(position, len(heading[1]), heading[2].strip()[:MAX_TITLE]))
        elif in_header and (attribute := _ATTRIBUTE.fullmatch(line)):
            key = attribute[1].lower()
            if key in _KEYS and attribute[2].strip():
                metadata[_NAMES.get(key, key)] = attribute[2].strip()
        elif in_header and number == 1 and _AUTHOR.match(line):
            metadata["author"] = "; ".join(part.partition("<")[0].strip() for part in line.split(";"))
        elif not line.strip() and headings:
            in_header = False
        position = end
    language = metadata.pop("language", None)
    title = headings[0].title if headings else None
    spans = with_code(spans_between(text, headings), blocks)
    return Document(text, spans, title, str(language) if language else None, metadata)
