"""Extracts text from data files: JSON, JSON lines, YAML, TOML and INI. Lines stay the same; keys become headings."""

import re
from itertools import islice

from vsearch_core.model import Document, Span
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between
from vsearch_core.text.extract.left_alone import refuse_generated
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_MAX_LEVEL = 3  # keys deeper than that are no headings
_TOKEN = re.compile(r'"((?:[^"\\\n]|\\.)*+)("?)(\s*+:\s*+[\[{])?|[{\[]++|[}\]]++')
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")
_PLAIN = {**dict.fromkeys("nrtbf", " "), '"': '"', "\\": "\\", "/": "/"}
_YAML_KEY = re.compile(
    r"^( {0,6})(?:- )?([\w./'\"-][\w./ '\"-]{0,79}?)[ ]?:[ \t]*(?:#[^\n]*|[|>][+-]?)?$", re.MULTILINE
)
_SECTION = re.compile(r"^[ \t]*\[{1,2}([^\]\n]{1,200})\]+", re.MULTILINE)


def extract_json(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    r"""Return the JSON text with escapes such as `\u00e9` decoded, divided at keys whose value is an object or list.

    Raises BinaryFileError if the file isn't text, or was generated, such as a search index.
    """
    source = decode(name, data)
    refuse_generated(name, source)
    text, headings = _json(source, options.limits.headings)
    return Document(text, spans_between(text, headings))


def extract_jsonl(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    r"""Return the text with escapes such as `\u00e9` decoded. Each line (a JSON record) is a table row.

    Raises BinaryFileError if the file isn't text.
    """
    text = _unescaped(decode(name, data))
    return Document(text, (Span(0, len(text), kind="rows"),) if text.strip() else ())


def extract_yaml(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the YAML text, divided at keys whose value is on the lines below them, such as a list.

    Raises BinaryFileError if the file isn't text.
    """
    text = decode(name, data)
    keys = islice(_YAML_KEY.finditer(text), options.limits.headings)
    headings = [Heading(match.start(), len(match[1]) + 1, match[2].strip(" '\"")) for match in keys]
    return Document(text, spans_between(text, headings))


def extract_sections(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text of a TOML or INI file, divided at its sections, such as `[server]`.

    Raises BinaryFileError if the file isn't text.
    """
    text = decode(name, data)
    names = islice(_SECTION.finditer(text), options.limits.headings)
    return Document(text, spans_between(text, [Heading(match.start(), 1, match[1].strip()) for match in names]))


def _unescaped(text: str) -> str:
    """Return the text with its escapes decoded. It keeps its lines: escaped line ends become spaces."""
    if "\\" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _PLAIN.get(match[2], match[0])

    text = _ESCAPE.sub(character, text)
    text = _PAIR.sub(lambda match: match[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return _HALF.sub("\ufffd", text).replace("\0", "\ufffd")


def _json(source: str, max_headings: int) -> tuple[str, list[Heading]]:
    """Return the source with the escapes in its strings decoded, and the keys of its objects and lists."""
    parts: list[str] = []
    headings: list[Heading] = []
    position = length = depth = 0
    for match in _TOKEN.finditer(source):
        start = length + match.start() - position
        piece = source[position : match.start()]
        if match[1] is not None:
            string = _unescaped(match[1])
            piece += f'"{string}{match[2]}{match[3] or ""}'
            if match[3]:
                depth += 1
                if depth - 1 <= _MAX_LEVEL and len(headings) < max_headings:
                    headings.append(Heading(start, max(depth - 1, 1), one_line(string)[:MAX_TITLE]))
        else:
            piece += match[0]
            depth = max(depth + (1 if match[0][0] in "{[" else -1) * len(match[0]), 0)
        parts.append(piece)
        length += len(piece)
        position = match.end()
    parts.append(source[position:])
    return "".join(parts), headings
