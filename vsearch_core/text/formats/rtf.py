"""Extracts text from files in the Rich Text Format (RTF 1.9.1), in one pass over its control words."""

import codecs
import datetime
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from vsearch_core.errors import BinaryFileError
from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.builder import DocumentBuilder
from vsearch_core.text.extract.decode import one_line
from vsearch_core.text.extract.failures import damaged, too_large
from vsearch_core.text.extract.figures import MAX_BYTES, Figures, FoundFigure, Load, WaitingFigures, distinct_texts
from vsearch_core.text.extract.headings import useful_title
from vsearch_core.text.extract.office import alternative_text
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]+)|[\r\n]+", re.DOTALL
)
_CHARSETS = {
    77: "mac_roman",
    78: "cp932",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gb18030",
    136: "big5hkscs",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}
_CHARACTERS = {
    "line": "\n",
    "tab": "\t",
    "cell": " | ",
    "nestcell": " ",
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "emspace": " ",
    "enspace": " ",
    "~": " ",
    "_": "-",
    "{": "{",
    "}": "}",
    "\\": "\\",
    "\n": "\n",
    "\r": "\n",
}
_ENDS = frozenset({"par", "sect", "page", "row"})
_DROPPED = frozenset(  # groups without text, and headers and footers
    {"colortbl", "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr"}
    | {"footerf", "fldinst", "ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "atnid", "atnauthor", "comment"}
    | {
        "template",
        "xe",
        "tc",
        "operator",
        "listtable",
        "listoverridetable",
        "rsidtbl",
        "generator",
        "printim",
        "company",
    }
    | {
        "nonesttables",
        "buptim",
        "doccomm",
        "category",
        "manager",
        "hlinkbase",
        "private",
        "bkmkend",
    }
    | {"filetbl", "revtbl", "bkmkstart", "nextfile", "falt", "panose", "fontemb"}
    | {"objdata", "objclass", "objname", "objalias", "objsect", "objtime"}  # of an object all but its result
    | {"shprslt", "nonshppict"}  # of a shape all but its text and picture; other forms of pictures
)
_INFORMATION = {"title": "title", "author": "author", "subject": "subject", "keywords": "keywords"}
_STARRED = frozenset(
    {"shptxt", "shpinst", "do", "dptxbxtext", "annotation", "shppict", "picprop"}
)  # groups with text that old readers are to ignore
_NOTES = frozenset({"footnote", "annotation"})  # groups whose text goes into parentheses
_LABELS = frozenset({"listtext", "pntext"})  # groups with the number of a list's paragraph
_PICTURES_ONLY = "pictures"  # the target of a group of which only pictures are read
_PICTURE = "picture"
_PROPERTY, _DESCRIPTION = "sn", "description"  # the name of a shape's property; the value of the one below
_DESCRIPTION_NAME = "wzDescription"
_DATES = {"creatim": "created", "revtim": "modified"}
_UNWRITTEN = frozenset({"", _PICTURES_ONLY, _PICTURE})  # targets of groups without text
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_NO_DIGITS = re.compile(rb"[^0-9A-Fa-f]+")


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the paragraphs under their headings. A table has one line per row; notes and comments are in parentheses.

    The text includes the numbers of lists, text boxes, and the text that embedded objects show. Headers and footers are
    left out. Figures come last. Raises ExtractionError if the file is damaged, and BinaryFileError if it isn't RTF.
    """
    if not data.lstrip().startswith(b"{\\rtf"):
        raise BinaryFileError(name, "isn't RTF, although its name says so", "wrong-suffix")
    reader = _RtfReader(name, options)
    reader.read(data)
    reader.figures.write()
    reader.figures.figures.report(reader.builder)
    information = dict(reader.information)
    title = information.pop("title", None)
    return reader.builder.document(useful_title(str(title or "")), metadata=information)


@dataclass(frozen=True, slots=True)
class _Group:
    """The properties of a group.

    `target` is where its text goes: "text", a key of the metadata, the picture or a property of a shape, or "" to drop
    all of it.
    """

    target: str
    encoding: str
    fallback: int = 1  # characters after a Unicode one, which replace it in old readers
    style: int = 0


@dataclass(slots=True)
class _Picture:
    """A picture that is being read: its bytes in hex, or as they are."""

    hexadecimal: list[bytes] = field(default_factory=list)
    binary: bytes = b""
    is_readable: bool = False  # the file says that it is a PNG or JPEG

    def loader(self) -> Load | None:
        """Return what loads the picture's bytes, or None if it is in another format or too large."""
        digits, binary = b"".join(self.hexadecimal), self.binary
        if not self.is_readable or len(digits) > 2 * MAX_BYTES or len(binary) > MAX_BYTES:
            return None
        return lambda: binary or _from_hexadecimal(digits)


def _from_hexadecimal(digits: bytes) -> bytes:
    digits = _NO_DIGITS.sub(b"", digits)
    return bytes.fromhex(digits[: len(digits) & ~1].decode("ascii"))


class _RtfReader:
    """Reads the groups of an RTF document, and adds its paragraphs to the builder."""

    def __init__(self, name: str, options: ExtractOptions) -> None:
        self.name = name
        self.limits = options.limits
        self.builder = DocumentBuilder(name, options.limits)
        self.figures = WaitingFigures(self.builder, Figures(name, options))
        self.picture = _Picture()
        self.description = ""  # of the open shape or picture
        self.has_figure = False  # the open shape or picture is one
        self.captions: set[int] = set()  # styles
        self.information: dict[str, JsonValue] = {}
        self.group = _Group("text", "cp1252")
        self.stack: list[_Group] = []
        self.default = "cp1252"
        self.fonts: dict[int, str] = {}
        self.font = self.style = self.level = 0
        self.levels: dict[int, int] = {}  # style -> heading level
        self.hexadecimal = bytearray()
        self.texts: dict[str, list[str]] = {"text": []}
        self.length = self.skip = 0
        self.date: dict[str, int] = {}
        self.starred = self.in_table = False
        self.property = ""  # the name of the open shape's last one
        self.is_first = False  # nothing of the group has come yet

    def read(self, data: bytes) -> None:
        position = 0
        while match := _TOKEN.match(data, position):
            position = match.end()
            word, number, code, symbol, brace, run = match.groups()
            if code is None:
                self.end_hexadecimal()
            if run is not None:
                self.write_bytes(run)
            elif word is not None:
                argument = int(number) if number else None
                if word == b"bin":
                    end = position + max(argument or 0, 0)
                    if self.group.target == _PICTURE:
                        self.picture.binary = data[position : min(end, position + MAX_BYTES + 1)]
                    position = end
                self.word(word.decode("ascii"), argument)
            elif code is not None:
                self.write_code(int(code, 16))
            elif brace is not None:
                if brace == b"{":
                    self.open_group()
                elif not self.close_group():
                    break
            elif symbol is not None:
                self.symbol(symbol.decode("latin-1"))
            self.is_first = brace == b"{" or (self.is_first and match[0].isspace())
        self.end_hexadecimal()
        self.end_paragraph()

    def open_group(self) -> None:
        if len(self.stack) > self.limits.depth:
            raise damaged(self.name, "RTF", "its groups nest too deep")
        self.stack.append(replace(self.group, style=self.style))
        self.starred = False

    def close_group(self) -> bool:
        """End the current group, which is a piece of RTF between braces.

        Its text is stored with `keep` if it doesn't belong to the text of the group around it. Return False if the
        document ends here, because this was the outermost group or no group is open.
        """
        closed = self.group
        if not self.stack:
            return False
        self.group = self.stack.pop()
        if closed.target == self.group.target:
            return bool(self.stack)
        self.keep(closed.target)
        return bool(self.stack)

    def keep(self, target: str) -> None:
        """Store the text of a group that has ended by its target: as metadata, a style's name, a label or a note.

        The text of the target "text" needs nothing, because it is in the document already.
        """
        text = one_line("".join(self.texts.pop(target, []))) if target != "text" else ""
        if target == _PICTURE:
            self.end_picture()
        elif target == "styles":
            self.style = 0  # else the last style of the sheet would be that of the first paragraph
        elif target == _PROPERTY:
            self.property = text
        elif target == _DESCRIPTION:
            self.description = alternative_text({"descr": text})
            if self.has_figure:
                self.figures.describe(self.description)
        elif target in _INFORMATION and text:
            self.information[_INFORMATION[target]] = text[:2000]
        elif target == "style" and (match := _HEADING.match(text)):
            self.levels[self.style] = int(match[1])
        elif target == "style" and text.rstrip(";").casefold() == "caption":
            self.captions.add(self.style)
        elif target in _DATES:
            with suppress(KeyError, ValueError, OverflowError):  # some programs write zeros
                date = datetime.date(self.date["yr"], self.date["mo"], self.date["dy"])
                self.information[_DATES[target]] = date.isoformat()
        elif target in _LABELS and text:
            self.write(f"{text} " if any(map(str.isalnum, text)) else "- ")
        elif target in _NOTES and text:
            self.write(f" ({text})")

    def end_picture(self) -> None:
        """Add the open picture as a figure, if it is one."""
        load = self.picture.loader()
        if load is not None:
            address = blake2b(load(), digest_size=16).hexdigest()
            if self.figures.figures.is_figure(address, load):
                self.figures.add(FoundFigure(address, load, distinct_texts(self.description)))
                self.has_figure = True
        self.picture = _Picture()

    def word(self, word: str, argument: int | None) -> None:
        value = argument or 0
        if word == "u":
            self.write_unicode(value)
        elif word in _CHARACTERS:
            self.write(_CHARACTERS[word])
        elif word in _ENDS:
            self.end_paragraph(row=word == "row")
        elif word == "pard":
            self.reset_paragraph()
        elif word in {"trowd", "intbl"}:
            self.in_table = True
        elif word == "s":
            self.style = value
            if self.group.target == "styles":
                self.group = replace(self.group, target="style")
        elif word == "outlinelevel":
            self.level = value + 1 if 0 <= value < 9 else 0
        elif word == "uc":
            self.group = replace(self.group, fallback=max(0, min(value, 10)))
        elif word in {"f", "fcharset", "ansicpg", "mac", "deff"}:
            self.set_encoding(word, value)
        elif word in {"yr", "mo", "dy"}:
            self.date[word] = value
        else:
            self.destination(word)
        self.starred = False

    def reset_paragraph(self) -> None:
        if self.group.target not in _LABELS:  # the number of a list doesn't change the paragraph that it is in
            self.style = self.level = 0
            self.in_table = self.in_table and bool(self.texts["text"])

    def destination(self, word: str) -> None:
        """Set the target of the current group by its control word. An unknown word after a star drops the group."""
        if not self.group.target:
            return
        if word in _DROPPED or (self.starred and word not in _STARRED):
            self.group = replace(self.group, target="")
        elif word in {"pict", "shpinst", "picprop", "sn", "sv"}:
            self.shape_part(word)
        elif word in {"pngblip", "jpegblip"}:
            self.picture.is_readable = True
        elif word == "fonttbl":
            self.group = replace(self.group, target="fonts")
        elif word == "stylesheet":
            self.group = replace(self.group, target="styles")
        elif word in _INFORMATION or word in _DATES or word in _NOTES or word in _LABELS or word == "info":
            self.group = replace(self.group, target=word)
            self.date = {}

    def shape_part(self, word: str) -> None:
        """Set the target of a group that is a shape, a picture, or the name or value of a property of these."""
        if word == "sv":
            is_description = self.property == _DESCRIPTION_NAME
            self.group = replace(self.group, target=_DESCRIPTION if is_description else _PICTURES_ONLY)
            return
        is_of_shape = self.group.target == _PICTURES_ONLY
        if word == "shpinst" or (word == "pict" and not is_of_shape):
            self.description, self.has_figure = "", False
        targets = {"pict": _PICTURE, "picprop": _PICTURES_ONLY, "sn": _PROPERTY}
        self.group = replace(self.group, target=targets.get(word, self.group.target))
        if word == "pict":
            self.picture = _Picture()

    def set_encoding(self, word: str, value: int) -> None:
        if word in {"ansicpg", "mac"}:
            try:
                self.default = codecs.lookup("mac_roman" if word == "mac" else f"cp{value}").name
            except LookupError:
                return
            self.group = replace(self.group, encoding=self.default)
        elif word == "fcharset":
            self.fonts[self.font] = _CHARSETS.get(value, self.default)
        elif word == "f":
            self.font = value
            self.group = replace(self.group, encoding=self.fonts.get(value, self.default))

    def symbol(self, symbol: str) -> None:
        if symbol == "*":
            self.starred = self.is_first  # elsewhere it means nothing
        elif symbol in "\r\n":
            self.end_paragraph()
        elif symbol in _CHARACTERS:
            self.write(_CHARACTERS[symbol])

    def write_unicode(self, code: int) -> None:
        code = code + 0x10000 if code < 0 else code
        if code < 0x110000:
            self.write(chr(code))
        self.skip = self.group.fallback

    def write_code(self, code: int) -> None:
        if self.skip:
            self.skip -= 1
        elif self.group.target not in _UNWRITTEN:
            self.hexadecimal.append(code)

    def write_bytes(self, run: bytes) -> None:
        if self.group.target == _PICTURE:
            self.picture.hexadecimal.append(run)
            return
        skipped = min(self.skip, len(run))
        self.skip -= skipped
        self.write(run[skipped:].decode(self.group.encoding, errors="replace"))

    def end_hexadecimal(self) -> None:
        if self.hexadecimal:
            text = self.hexadecimal.decode(self.group.encoding, errors="replace")
            self.hexadecimal.clear()
            self.write(text)

    def write(self, text: str) -> None:
        target = self.group.target
        if target in _UNWRITTEN or not text:
            return
        self.length += len(text)
        if self.length > self.limits.text_chars:
            raise too_large(self.name)
        self.texts.setdefault(target, []).append(text)

    def end_paragraph(self, *, row: bool = False) -> None:
        if self.group.target != "text":
            self.write(" ")
            return
        if self.in_table and not row:
            self.texts["text"].append(" ")  # paragraphs of one cell
            return
        text = "".join(self.texts["text"])
        self.texts["text"] = []
        text = text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace").replace("\0", "")
        lines = [one_line(line) for line in text.removesuffix(" | ").split("\n")]
        text = "\n".join(line for line in lines if line)
        level = self.level or self.levels.get(self.style, 0)
        self.in_table = False
        is_caption = self.style in self.captions and self.figures.lacks_caption
        self.figures.lacks_caption = self.figures.lacks_caption and not text
        if is_caption and text:
            self.figures.describe(text)
        elif row:
            self.builder.add(text, "rows", tight=True)
        elif level and text:
            self.builder.heading(level, text)
        else:
            self.builder.add(text)
