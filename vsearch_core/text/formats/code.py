"""Extracts source code, divided at definitions such as functions and classes.

A regular expression for each language finds the first line of a definition. The definition ends where its indentation
ends. A parser for each language would be exact, but only on files without syntax errors; docs/adr/0019-formats.md
compares both.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from vsearch_core.model import Document
from vsearch_core.text.extract.decode import decode, one_line
from vsearch_core.text.extract.headings import Heading, spans_between
from vsearch_core.text.extract.left_alone import refuse_generated
from vsearch_core.text.extract.options import DEFAULTS, ExtractOptions

_NAME = r"(?P<name>[^\W\d][\w$]*)"
_BRACES = (  # modifiers, then a word that begins a definition, then its name
    r"(?:(?:export|default|public|private|protected|internal|static|abstract|final|sealed|partial|async|virtual"
    r"|override"
    r"|open|data|case|inline|unsafe|extern|pub(?:\([^)\n]{0,40}\))?|const|declare|readonly|mut|typedef|suspend|implicit"
    r"|constexpr|explicit|mutating)\s+){0,6}"
)
_TYPES = r"class|interface|enum|struct|trait|namespace|record|module|mod|union|protocol|extension|object|impl|type"
_PYTHON = re.compile(rf"[ \t]*(?:async[ \t]+def|def|class)[ \t]+{_NAME}[ \t]*[(:\[]")
_RUBY = re.compile(r"[ \t]*(?:def|class|module|defmodule|defp?|function)[ \t]+(?:self\.)?(?P<name>[\w.:?!]+)")
_LUA = re.compile(r"[ \t]*(?:local[ \t]+)?function[ \t]+(?P<name>[\w.:]+)")
_SHELL = re.compile(r"[ \t]*(?:function[ \t]+(?P<other>[\w:.-]+)|(?P<name>[\w:.-]+)[ \t]*\(\))[ \t]*(?:\(\))?[ \t]*\{?")
_GO = re.compile(rf"(?:func[ \t]+(?:\([^)\n]*\)[ \t]*)?|type[ \t]+){_NAME}")
_RUST = re.compile(
    rf"[ \t]*{_BRACES}(?:(?:fn|struct|enum|trait|mod|union|macro_rules!)[ \t]+{_NAME}"
    rf"|impl(?:<[^>\n]*>)?[ \t]+(?P<other>[^{{\n]+?)[ \t]*(?:where\b[^{{\n]*)?\{{)"
)
_SCRIPT = re.compile(  # JavaScript, TypeScript, PHP
    rf"[ \t]*{_BRACES}(?:(?:function\*?|class|interface|enum|namespace|trait)[ \t]+&?{_NAME}"
    r"|(?:const|let|var)[ \t]+(?P<other>[\w$]+)[ \t]*=[ \t]*(?:async[ \t]*)?"
    r"(?:function\b|\([^()\n]*\)[^=\n]*=>|[\w$]+[ \t]*=>)"
    rf"|(?:get[ \t]+|set[ \t]+|\*[ \t]*)?"
    r"(?P<third>(?!(?:if|for|while|switch|catch|return|with|function|await|typeof)\b)"
    rf"[#\w$]+)[ \t]*\([^()\n;]*\)[^;,(){{}}\n]*\{{[ \t]*$)",
    re.MULTILINE,
)
_C = re.compile(  # C, C++, Java, C#, Kotlin, Scala, Swift, Dart
    rf"[ \t]*(?:(?:template[ \t]*<[^\n]*>[ \t]*)?{_BRACES}"
    rf"(?:(?:{_TYPES})(?:[ \t]+class)?|func?|fun|def)[ \t]+{_NAME}[^;\n]*$"
    r"|(?!(?:if|for|while|switch|catch|return|else|do|new|throw|using|case|delete|await|goto|sizeof|synchronized)\b)"
    r"[^\W\d][\w \t*&<>,.:\[\]?~@]{0,150}?(?P<other>[~\w:]{1,80})[ \t]*\([^;{}=]{0,400}\)"
    r"[^;={}()\n]{0,200}(?:\n[ \t]*)?\{)",
    re.MULTILINE,
)
_SQL = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?:\w+\s+){0,2}?(?:table|view|function|procedure|trigger|index|type)"
    r"\s+(?:if\s+not\s+exists\s+)?(?P<name>[\w.\"`\[\]]+)",
    re.IGNORECASE,
)
_PERL = re.compile(r"[ \t]*(?:sub|package|method|class|role)[ \t]+(?P<name>[^\W\d][\w:']*)")
_HASKELL = re.compile(
    r"(?:(?:data|newtype|type(?:[ \t]+family)?|class|instance"
    r"|module)[ \t]+(?P<other>[^\s=({][^\n=]{0,80}?)(?=[ \t]*(?:=|\bwhere\b|$))"
    r"|(?P<name>[a-z_][\w']*)(?:[ \t]*::|(?:[ \t]+[\w'(\[_\"~!@][^=|\n]{0,200})?[ \t]*[=|](?![=>|])))",
    re.MULTILINE,
)
_R = re.compile(
    r"[ \t]*(?:(?P<name>[A-Za-z.][\w.]*|`[^`\n]{1,80}`)[ \t]*(?:<-|=)[ \t]*function\b"
    r"|set(?:Class|Generic|Method|RefClass)\([ \t]*[\"'](?P<other>[^\"'\n]{1,80})[\"'])"
)
_POWERSHELL = re.compile(r"[ \t]*(?:function|filter|workflow|class|enum)[ \t]+(?P<name>[^\W\d][\w:-]*)", re.IGNORECASE)
_TERRAFORM = re.compile(
    r"(?P<other>(?:resource|data)[ \t]+\"[^\"\n]{1,80}\"[ \t]+\"[^\"\n]{1,80}\"|(?:module|variable|output|provider"
    r"|check)"
    r"[ \t]+\"[^\"\n]{1,80}\"|(?:locals|terraform))[ \t]*\{"
)
_JULIA = re.compile(
    r"[ \t]*(?:@\w+[ \t]+)*(?:function|macro|(?:mutable[ \t]+)?struct|module"
    r"|abstract[ \t]+type)[ \t]+(?P<name>[^\W\d][\w.!]*)"
    r"|(?P<other>[^\W\d][\w.!]*)\([^()\n]*\)[ \t]*=(?!=)"
)
_CLOJURE = re.compile(
    r"\((?:defn-?|defmacro|defmulti|defmethod|defprotocol|defrecord|deftype|ns|defun|define(?:-\w+)?|defclass"
    r"|defgeneric"
    r"|defvar|defparameter|defcustom|def)[ \t]+\(?(?P<name>[^\s()]{1,80})"
)
_ERLANG = re.compile(r"(?P<name>[a-z]\w*)\([^\n]{0,300}\)[^\n]{0,200}->")
_OCAML = re.compile(
    r"[ \t]*(?:let(?:[ \t]+rec)?|and|type|module(?:[ \t]+type)?|class|member"
    r"|val)[ \t]+(?:\w+\.)?(?P<name>[^\W\d][\w']*)"
)
_OTHER = re.compile(  # Protocol Buffers, Thrift, Zig, Nim, V, Solidity
    r"[ \t]*(?:pub[ \t]+|export[ \t]+|abstract[ \t]+)*(?:message|service|enum|struct|contract|interface|library"
    r"|function|fn|proc"
    r"|func|method|template|macro|exception|modifier|event|rpc|module)[ \t]+(?P<name>[^\W\d]\w*)"
)
_WORDED = re.compile(  # languages whose definitions begin with a word for their kind
    r"[ \t]*(?:(?:abstract|static|local|global|multi|proto|automatic|extend|task)[ \t]+){0,3}"
    r"(?:function!?|func|proc|sub|method|class|class_name|role|grammar|package(?:[ \t]+body)?|module|procedure|entity"
    r"|architecture|macro|type|model|query|mutation|subscription|fragment|input|interface|enum|union)"
    r"(?:[ \t]+|\()(?P<name>[^\W\d][\w:.#-]*)",
    re.IGNORECASE,
)
_OBJECTIVE_C = re.compile(
    r"(?:@(?:implementation|interface|protocol)[ \t]+(?P<name>\w+)|[-+][ \t]*\([^()\n]*\)[ \t]*(?P<other>\w+)"
    r"|(?:[\w*]+[ \t]+){1,4}\*?(?P<third>\w+)\([^;{}\n]*\)[ \t]*\{)"
)
_FORTRAN = re.compile(
    r"[ \t]*(?:(?:recursive|pure|elemental|integer|real|logical|complex"
    r"|double[ \t]+precision)(?:\([^()\n]*\))?[ \t]+){0,4}"
    r"(?:program|module|subroutine|function|type)[ \t]+(?!procedure\b)(?P<name>[a-z]\w*)",
    re.IGNORECASE,
)
_PASCAL = re.compile(
    r"[ \t]*(?:class[ \t]+)?(?:procedure|function|constructor|destructor|unit|program)[ \t]+(?P<name>[^\W\d][\w.]*)",
    re.IGNORECASE,
)
_VISUAL_BASIC = re.compile(
    r"[ \t]*(?:(?:public|private|protected|friend|shared|overrides|static)[ \t]+){0,4}(?:sub|function|property"
    r"|class|module"
    r"|interface|structure|enum)[ \t]+(?:(?:get|set|let)[ \t]+)?(?P<name>[^\W\d]\w*)",
    re.IGNORECASE,
)
_LANGUAGES: tuple[tuple[str, re.Pattern[str], str], ...] = (  # suffixes, first line of a definition, line comment
    (".py .pyi .pyw .pyx", _PYTHON, "#"),
    (".rb .rake .ex .exs .cr", _RUBY, "#"),
    (".lua", _LUA, "--"),
    (".sh .bash .zsh .ksh .fish", _SHELL, "#"),
    (".go", _GO, "//"),
    (".rs", _RUST, "//"),
    (".js .jsx .mjs .cjs .ts .tsx .mts .cts .php .vue .svelte", _SCRIPT, "//"),
    (
        ".c .h .cc .cpp .cxx .hh .hpp .hxx .java .cs .kt .kts .scala .swift .dart .groovy .cu .cuh .glsl .hx .ino",
        _C,
        "//",
    ),
    (".m .mm", _OBJECTIVE_C, "//"),
    (".tcl .awk .gd .cmake .graphql .gql .raku .rakumod", _WORDED, "#"),
    (".vim", _WORDED, '"'),
    (".adb .ads .vhd .vhdl", _WORDED, "--"),
    (".prisma .sv", _WORDED, "//"),
    (".sql", _SQL, "--"),
    (".pl .pm .psgi", _PERL, "#"),
    (".hs .lhs .purs .elm .idr", _HASKELL, "--"),
    (".r", _R, "#"),
    (".ps1 .psm1", _POWERSHELL, "#"),
    (".tf .hcl .tfvars", _TERRAFORM, "#"),
    (".jl", _JULIA, "#"),
    (".clj .cljs .cljc .el .lisp .scm .rkt", _CLOJURE, ";"),
    (".erl .hrl", _ERLANG, "%"),
    (".ml .mli .fs .fsi .fsx", _OCAML, "//"),
    (".f90 .f95 .f03 .f08", _FORTRAN, "!"),
    (".pas .dpr", _PASCAL, "//"),
    (".vb .bas .vbs", _VISUAL_BASIC, "'"),
    (".proto .thrift .zig .nim .sol", _OTHER, "//"),
)
_CLOSING = re.compile(
    r"[ \t]*(?:[)}\]>;,{]|end\b|else\b|elif\b|except\b|finally\b|catch\b|rescue\b|ensure\b|#|//|--|\"\"\"|''')"
)
_LICENCE = re.compile(r"licen[cs]e|copyright|\(c\)|spdx|all rights reserved|without warranty", re.IGNORECASE)
_MAX_LICENCE = 20_000  # characters
_MAX_ABOVE = 200  # lines of comments and decorators that belong to a definition
_MAX_LINE = 500  # characters; a longer line is data or generated
_TAB = 8


def extract(name: str, data: bytes, options: ExtractOptions = DEFAULTS) -> Document:
    """Return the code, divided at definitions. The heading of each part is the name of its definition.

    A licence comment at the top is left out. Raises BinaryFileError if the file isn't text, or was generated, such as
    minified code.
    """
    text = decode(name, data)
    refuse_generated(name, text)
    suffix = "." + name.rpartition(".")[2].lower()
    pattern, comment = next((row[1:] for row in _LANGUAGES if suffix in row[0].split()), (_PYTHON, "#"))
    start = _licence_end(text, comment)
    headings = list(islice(_definitions(text, start, pattern, comment), options.limits.headings))
    return Document(text, tuple(replace(span, kind="code") for span in spans_between(text, headings, start)))


def _definitions(text: str, start: int, pattern: re.Pattern[str], comment: str) -> Iterator[Heading]:
    """Yield a heading where each definition begins, and one without a title where it ends.

    A definition begins with the comments and decorators above it. It ends before the next line that isn't indented more
    than its first line, unless that line closes it, such as with a bracket.
    """
    lines = text.split("\n")
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    open_levels: list[int] = []
    last = -1  # line of the definition's first statement
    for number, line in enumerate(lines):
        if offsets[number] < start or not line.strip() or number <= last:
            continue
        level = _indentation(line) + 1
        match = pattern.match(text, offsets[number]) if len(line) <= _MAX_LINE else None
        if match:
            name = next(
                match[group] for group in ("name", "other", "third") if group in match.re.groupindex and match[group]
            )
            first = _first_above(lines, number, comment)
            while open_levels and open_levels[-1] >= level:
                open_levels.pop()
            open_levels.append(level)
            yield Heading(max(offsets[first], start), level, one_line(name)[:100])
            last = text.count("\n", offsets[number], match.end()) + number
        elif not _is_above(line, comment):
            reach = level + 1 if _CLOSING.match(line) else level  # a closing bracket belongs to its definition
            ended = 0
            while open_levels and open_levels[-1] >= reach:
                ended = open_levels.pop()
            if ended:
                yield Heading(offsets[number], ended, "")


def _indentation(line: str) -> int:
    blanks = line[: len(line) - len(line.lstrip())]
    return len(blanks.expandtabs(_TAB)) if len(blanks) < 1000 else 1000


def _is_above(line: str, comment: str) -> bool:
    """Return True if the line belongs to the definition below it: a comment, a decorator, an attribute."""
    return line.lstrip().startswith((comment, "@", "/*", "*", "#[", "[", '"""', "template"))


def _first_above(lines: list[str], number: int, comment: str) -> int:
    first = number
    while first and number - first < _MAX_ABOVE and lines[first - 1].strip() and _is_above(lines[first - 1], comment):
        first -= 1
    return first


def _licence_end(text: str, comment: str) -> int:
    """Return the offset after a licence comment at the top of the text; 0 if there is none."""
    head = text[:_MAX_LICENCE]
    first = re.match(r"(?:#![^\n]*\n)?\s*", head)
    start = first.end() if first else 0
    block = re.compile(r"/\*.*?\*/[ \t]*\n?", re.DOTALL).match(head, start)
    if block is None:
        block = re.compile(rf"(?:[ \t]*{re.escape(comment)}[^\n]*\n)+").match(head, start)
    if block is None or len(_LICENCE.findall(block[0])) < 2 or block[0].count("\n") < 3:
        return 0
    return block.end()
