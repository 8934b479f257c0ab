"""Extracts text from LaTeX files. Simple rules remove the commands, line by line; formulas stay as they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from vsearch_core.model import Document, JsonValue
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.headings import MAX_TITLE, Heading, spans_between, with_code
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_LEVELS = {"part": 1, "chapter": 2, "section": 3, "subsection": 4, "subsubsection": 5, "paragraph": 6, "frametitle": 5}
_COMMENT = re.compile(  # in an address, a percent sign is part of it
    r"(\\(?:url|href|nolinkurl|path)(?:\[[^\[\]\n]*+\])?[ \t]*\{[^{}\n]*+\})|(?<!\\)%[^\n]*"
)
_OPTIONAL = r"\[[^\[\]\n]*+\]"  # no bracket inside, so that an unclosed one is scanned once only
_BRACED = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*+\})*+\})*+)\}"  # two levels of braces within
_SECTION = re.compile(r"\\(" + "|".join(_LEVELS) + rf")\*?[ \t]*(?:{_OPTIONAL})?[ \t]*" + _BRACED)
_FACT = re.compile(rf"\\(title|author|date)[ \t]*(?:{_OPTIONAL})?[ \t]*" + _BRACED)
_VERBATIM = re.compile(r"\\begin\{(verbatim|lstlisting|minted|alltt)\*?\}(.*?)(?:\\end\{\1\*?\}|\Z)", re.DOTALL)
_SILENT = re.compile(  # commands that are left out with their arguments
    r"\\(?:label|ref|eqref|pageref|autoref|cref|Cref|cite\w*|nocite|bibliography\w*|input|include|includegraphics"
    r"|usepackage"
    r"|documentclass|vspace|hspace|setlength|setcounter|addtolength|begin|end|pagestyle|thispagestyle|hypersetup"
    r"|index|color"
    r"|fontsize|selectlanguage|cmidrule|cline|rowcolor|cellcolor|columncolor|arraystretch|bibitem|graphicspath|tikzset"
    rf"|usetikzlibrary|geometry|definecolor|newtheorem|phantom|hphantom|vphantom|addcontentsline"
    rf"|markboth)\*?(?:\([lr]*\))?(?:[ \t]*{_OPTIONAL})*(?:[ \t]*" + _BRACED + r")?"
)
_DEFINITION = re.compile(
    r"\\(?:(?:re|provide)?newcommand|providecommand|renewcommand|DeclareRobustCommand|def)\*?[ \t]*"
    rf"(?:\{{\\([A-Za-z@]+)\}}|\\([A-Za-z@]+))((?:{_OPTIONAL})*+|(?:#\d)++)[ \t]*" + _BRACED
)
_DOCUMENT_COMMAND = re.compile(  # whose arguments are all required
    r"\\(?:New|Renew|Provide|Declare)DocumentCommand[ \t]*\{?\\([A-Za-z@]+)\}?[ \t]*\{([m \t]*+)\}[ \t]*" + _BRACED
)
_COUNT = re.compile(r"\[(\d)\](?:\[([^\[\]\n]*+)\])?")
_ARGUMENT = re.compile(r"\s*+" + _BRACED)
_OPTIONAL_ARGUMENT = re.compile(r"[ \t]*+\[([^\[\]\n]*+)\]")
_PLACE = re.compile(r"#([1-9])")
_MAX_MACROS, _MAX_MACRO, _MAX_EXPANDED = 500, 500, 200_000  # macros; characters of one, and of all their uses
# Commands and environments whose first argument, or first two, are no text
_SETTING_1 = (
    "href|textcolor|colorbox|hyperlink|hypertarget|parbox|raisebox|rotatebox|scalebox|foreignlanguage|adjustbox"
    "|texorpdfstring"
)
_SETTING_2 = "multicolumn|multirow|fcolorbox|resizebox"
_ENVIRONMENT_1 = (
    "tabular|longtable|array|tblr|supertabular|minipage|multicols|thebibliography|subfigure|column|spacing|adjustbox"
    "|tabbing"
)
_ENVIRONMENT_2 = r"tabularx|tabular\*|tabulary|wrapfigure|adjustwidth|list"
_BRACES = _BRACED.replace("((?:", "(?:(?:", 1)
_SETTING = re.compile(
    rf"\\(?:(?:{_SETTING_1})\*?(?:{_OPTIONAL})*[ \t]*{_BRACES}"
    rf"|(?:{_SETTING_2})\*?(?:{_OPTIONAL})*[ \t]*{_BRACES}"
    rf"(?:{_OPTIONAL})?[ \t]*{_BRACES})(?:{_OPTIONAL})*"
)
_ENVIRONMENT = re.compile(
    rf"\\begin\{{(?:(?:{_ENVIRONMENT_1})\}}"
    rf"(?:{_OPTIONAL})*[ \t]*(?:{_BRACES})?|"
    rf"(?:{_ENVIRONMENT_2})\}}"
    rf"(?:{_OPTIONAL})*[ \t]*(?:{_BRACES})?(?:{_OPTIONAL})*[ \t]*(?:{_BRACES})?|[A-Za-z]+\*?\}}(?:[ \t]*{_OPTIONAL})+)"
)
_NOTE = re.compile(
    rf"[ \t]*\\(?:footnote|footnotetext|thanks|marginpar|todo|endnote|sidenote|marginnote)\*?(?:{_OPTIONAL})?[ \t]*"
    + _BRACED
)
_OPEN_NOTE = re.compile(
    rf"\\(?:footnote|footnotetext|thanks|marginpar|todo|endnote|sidenote|marginnote)\*?(?:{_OPTIONAL})?[ \t]*(?=\{{)"
)
_MACRO = re.compile(r"\\([A-Za-z@]+)(?:[ \t]*\{\}|[ \t](?=[ \t]))?")
_ACCENT = re.compile(
    r"\\([`'^\"~=.uvHckr])(?:\{\\?([A-Za-zıȷ])\}|[ \t]*\\?([A-Za-zıȷ])(?![A-Za-z]))|\\([`'^\"~=.])\\?([A-Za-zıȷ])"
)
_COMBINING = {
    "`": "\u0300",
    "'": "\u0301",
    "^": "\u0302",
    '"': "\u0308",
    "~": "\u0303",
    "=": "\u0304",
    ".": "\u0307",
    "u": "\u0306",
    "v": "\u030c",
    "H": "\u030b",
    "c": "\u0327",
    "k": "\u0328",
    "r": "\u030a",
}
_LETTERS = re.compile(
    r"\\(ss|ae|oe|AE|OE|aa|AA|o|O|l|L|i|j|dots|ldots|textbackslash|LaTeX|TeX|textendash|textemdash|and)"
    r"(?![A-Za-z])[ \t]?(?:\{\})?"
)
_MEANT = {
    "ss": "ß",
    "ae": "æ",
    "oe": "œ",
    "AE": "Æ",
    "OE": "Œ",
    "aa": "å",
    "AA": "Å",
    "o": "ø",
    "O": "Ø",
    "l": "ł",
    "L": "Ł",
    "i": "ı",
    "j": "ȷ",
    "dots": "…",
    "ldots": "…",
    "textbackslash": "\\",
    "LaTeX": "LaTeX",
    "TeX": "TeX",
    "textendash": "–",
    "textemdash": "—",
    "and": ", ",
}
_MATH = re.compile(
    r"\$\$.{0,5000}?\$\$|(?<!\\)\$[^$\n]*(?:\n[^$\n]+)*\$|\\\[(?:(?!\\\[).){0,5000}?\\\]"
    r"|\\\((?:(?!\\\().){0,1000}?\\\)",
    re.DOTALL,
)
_COMMAND = re.compile(rf"\\(?:[A-Za-z@]+\*?(?:{_OPTIONAL})?[ \t]?|[,;:!/> ])")
_QUOTES = (("``", "“"), ("''", "”"), ("---", "—"), ("--", "–"), ("\\\\", " "), ("~", " "))
_ESCAPED = re.compile(r"\\([%&$#_{}])")


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the text divided at sections, without comments and preamble. Title and author become metadata.

    Raises BinaryFileError if the file isn't text.
    """
    source = decode(name, data)
    begin = source.find("\\begin{document}")
    sample = _without_comments(source[: max(begin, 0) + 50_000])
    macros = _Macros(sample)
    facts = {match[1]: _words(match[2], macros) for match in _FACT.finditer(sample)}
    text, headings, blocks, start = _Stripper(source, max(begin, 0), options.limits.headings, macros).run()
    title = one_line(facts.pop("title", ""))[:MAX_TITLE] or next((each.title for each in headings), None)
    metadata: dict[str, JsonValue] = {key: one_line(value)[:1000] for key, value in facts.items() if value.strip()}
    return Document(text, with_code(spans_between(text, headings, start), blocks), title, metadata=metadata)


@dataclass(frozen=True, slots=True)
class _OwnCommand:
    """A command that a document defines. `default` is the value of its first argument if that may be left out."""

    meaning: str
    arguments: int = 0
    default: str | None = None


class _Macros:
    """Expands the commands that a document defines itself, such as with `newcommand`."""

    def __init__(self, source: str) -> None:
        self._macros: dict[str, _OwnCommand] = {}
        self._left = _MAX_EXPANDED
        for match in islice(_DEFINITION.finditer(source), _MAX_MACROS):
            if len(match[4]) <= _MAX_MACRO:
                count = _COUNT.match(match[3] or "")
                number, default = (int(count[1]), count[2]) if count else ((match[3] or "").count("#"), None)
                self._macros[match[1] or match[2]] = _OwnCommand(match[4], number, default)
        for match in islice(_DOCUMENT_COMMAND.finditer(source), _MAX_MACROS):
            if len(match[3]) <= _MAX_MACRO:
                self._macros[match[1]] = _OwnCommand(match[3], match[2].count("m"))

    def expand(self, source: str) -> str:
        """Replace each command by its definition, and those in the definition once more. Return the text."""
        if not self._macros:
            return source
        return self._expand_once(self._expand_once(source))

    def _expand_once(self, source: str) -> str:
        parts: list[str] = []
        position = 0
        for match in _MACRO.finditer(source):
            macro = self._macros.get(match[1])
            if macro is None or match.start() < position:
                continue
            meaning, end = macro.meaning, match.end()
            if macro.arguments:
                arguments, end = _arguments(macro, source, match.end(1))
                meaning = "".join(_filled(meaning, arguments))
            if len(meaning) > self._left:
                continue
            self._left -= len(meaning)
            is_open = meaning[-1:].isalpha() and "\\" in meaning  # a command at its end would take the next letters
            parts += [source[position : match.start()], meaning, "{}" if is_open else ""]
            position = end
        return "".join([*parts, source[position:]])


def _arguments(macro: _OwnCommand, source: str, position: int) -> tuple[list[str], int]:
    """Return the arguments of a command, and the offset after them. Arguments that aren't in braces are left out."""
    arguments: list[str] = []
    if macro.default is not None:
        given = _OPTIONAL_ARGUMENT.match(source, position)
        arguments.append(given[1] if given else macro.default)
        position = given.end() if given else position
    while len(arguments) < macro.arguments and (given := _ARGUMENT.match(source, position)):
        arguments.append(given[1])
        position = given.end()
    return arguments, position


class _Stripper:
    """Removes the commands from LaTeX source. Each line of the result is a line of the source."""

    def __init__(self, source: str, begin: int, max_headings: int, macros: _Macros) -> None:
        self.source = source
        self.macros = macros
        self.max_headings = max_headings
        self.begin = begin
        self.parts: list[str] = []
        self.length = 0
        self.headings: list[Heading] = []
        self.blocks: list[tuple[int, int]] = []

    def run(self) -> tuple[str, list[Heading], list[tuple[int, int]], int]:
        self.write("\n" * self.source.count("\n", 0, self.begin))
        start = self.length
        position = self.begin
        for match in _VERBATIM.finditer(self.source, self.begin):
            self.prose(self.source[position : match.start()])
            if len(self.blocks) < self.max_headings:
                self.blocks.append((self.length, self.length + len(match[0])))
            self.write(match[0])
            position = match.end()
        self.prose(self.source[position:])
        return "".join(self.parts), self.headings, self.blocks, start

    def prose(self, source: str) -> None:
        source = _without_comments(source)
        position = 0
        for match in _SECTION.finditer(source):
            self.write(_words(source[position : match.start()], self.macros))
            title = _words(match[2], self.macros)
            if len(self.headings) < self.max_headings:
                self.headings.append(Heading(self.length, _LEVELS[match[1]], one_line(title)[:MAX_TITLE]))
            self.write(title)
            position = match.end()
        self.write(_words(source[position:], self.macros))

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def _words(source: str, macros: _Macros) -> str:
    """Return a stretch of the source without commands, line for line, with its formulas as written."""
    parts: list[str] = []
    position = 0
    for formula in _MATH.finditer(source):
        parts += [_plain(source[position : formula.start()], macros), formula[0]]
        position = formula.end()
    parts.append(_plain(source[position:], macros))
    return "".join(parts)


def _plain(source: str, macros: _Macros) -> str:
    import unicodedata

    source = macros.expand(_DOCUMENT_COMMAND.sub(_line_ends, _DEFINITION.sub(_line_ends, source)))
    source = _OPEN_NOTE.sub(" ", _NOTE.sub(r" (\1)", source))
    source = _SETTING.sub(_line_ends, _ENVIRONMENT.sub(_line_ends, source))
    source = _SILENT.sub(_line_ends, source)
    source = _LETTERS.sub(lambda match: _MEANT[match[1]], source)
    source = _ACCENT.sub(
        lambda m: unicodedata.normalize("NFC", (m[2] or m[3] or m[5]).replace("ı", "i") + _COMBINING[m[1] or m[4]]),
        source,
    )
    for mark, meant in _QUOTES:
        source = source.replace(mark, meant)
    source = _COMMAND.sub("", _ESCAPED.sub(lambda match: f"\0{ord(match[1])};", source))
    source = source.replace("{", "").replace("}", "").replace("&", "|")
    return re.sub(r"\0(\d+);", lambda match: chr(int(match[1])), source)


def _filled(meaning: str, arguments: list[str]) -> Iterator[str]:
    """Yield the pieces of a definition, with the arguments in their places."""
    position = 0
    for place in _PLACE.finditer(meaning):
        yield meaning[position : place.start()]
        yield "".join(arguments[int(place[1]) - 1 :][:1])
        position = place.end()
    yield meaning[position:]


def _without_comments(source: str) -> str:
    return _COMMENT.sub(lambda match: match[1] or "", source)


def _line_ends(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")
